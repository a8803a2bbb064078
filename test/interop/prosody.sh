#!/bin/bash
# Prosody in parley's place, to tell an app's driver's fault from the server's:
#   apt-get install prosody
#   PARLEY_STAND_IN=$PWD/test/interop/prosody.sh go test -run TestApps ./test/interop/
# What only parley has (its command line, calls, the echo service, channel binding of TLS 1.3) fails then.
set -euo pipefail
: "${DOMAIN:?}" "${DIR:?}" "${USERS:?}" "${XMPP:?}" "${XMPPTLS:?}" "${HTTPS:?}"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$DIR/key.pem" -out "$DIR/cert.pem" -days 2 \
	-subj "/CN=$DOMAIN" -addext "subjectAltName=DNS:$DOMAIN" 2>"$DIR/openssl.log"
accounts=$DIR/data/${DOMAIN//./%2e}/accounts
mkdir -p "$accounts"
for pair in $USERS; do
	printf 'return { ["password"] = "%s" }\n' "${pair#*:}" >"$accounts/${pair%%:*}.dat"
done
# Profanity looks for an archive among the features of the domain; Prosody names it among those of the account.
mkdir -p "$DIR/plugins"
echo 'module:add_feature("urn:xmpp:mam:2")' >"$DIR/plugins/mod_archive_feature.lua"
cat >"$DIR/prosody.cfg.lua" <<CFG
plugin_paths = { "$DIR/plugins" }
daemonize = false
run_as_root = true
pidfile = "$DIR/prosody.pid"
data_path = "$DIR/data"
log = { debug = "*console" }
certificates = "$DIR"
modules_enabled = {
	"roster", "saslauth", "tls", "disco", "ping", "time", "version", "vcard_legacy", "pep", "private", "carbons", "mam",
	"smacks", "csi_simple", "blocklist", "websocket", "posix", "archive_feature",
}
modules_disabled = { "s2s" }
authentication = "internal_plain"
storage = "internal"
archive_expires_after = "never"
c2s_require_encryption = true
interfaces = { "127.0.0.1" }
c2s_ports = { $XMPP }
c2s_direct_tls_ports = { $XMPPTLS }
ssl = { key = "$DIR/key.pem", certificate = "$DIR/cert.pem" }
c2s_direct_tls_ssl = { key = "$DIR/key.pem", certificate = "$DIR/cert.pem" }
http_ports = {}
https_ports = { $HTTPS }
https_interfaces = { "127.0.0.1" }
https_ssl = { key = "$DIR/key.pem", certificate = "$DIR/cert.pem" }
http_paths = { websocket = "/xmpp" }
http_default_host = "$DOMAIN"
VirtualHost "$DOMAIN"
CFG
exec prosody -F --config "$DIR/prosody.cfg.lua"
