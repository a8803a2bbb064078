#!/bin/bash
# Kamailio in parley's place, to tell a driver's fault from the server's:
#   apt-get install kamailio kamailio-tls-modules kamailio-websocket-modules
#   PARLEY_STAND_IN=$PWD/test/interop/kamailio.sh go test ./test/interop/
# What only parley has (its command line, the echo service) fails then.
set -euo pipefail
: "${DOMAIN:?}" "${DIR:?}" "${USERS:?}" "${UDP:?}" "${TCP:?}" "${TLS:?}" "${HTTPS:?}"
modules=$(dirname "$(find /usr/lib -path '*kamailio/modules/tm.so' -print -quit)")
mkdir -p "$DIR/db"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$DIR/key.pem" -out "$DIR/cert.pem" -days 2 \
	-subj "/CN=$DOMAIN" 2>"$DIR/openssl.log"
printf 'table_name(string) table_version(int)\ncreds:2\n' >"$DIR/db/version"
{
	echo 'id(int,auto) key_name(string) key_type(int) value_type(int) key_value(string) expires(int)'
	id=0
	for pair in $USERS; do
		user=${pair%%:*} id=$((id + 1))
		printf '%d:%s:0:0:%s:0\n' "$id" "$user" "$(printf %s "$user:$DOMAIN:${pair#*:}" | md5sum | cut -d' ' -f1)"
	done
} >"$DIR/db/creds"
cat >"$DIR/tls.cfg" <<CFG
[server:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
private_key = $DIR/key.pem
certificate = $DIR/cert.pem
CFG
cat >"$DIR/kamailio.cfg" <<CFG
#!KAMAILIO
debug=2
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
enable_tls=yes
tcp_accept_no_cl=yes
alias="$DOMAIN"
listen=udp:127.0.0.1:$UDP
listen=tcp:127.0.0.1:$TCP
listen=tls:127.0.0.1:$TLS
listen=tls:127.0.0.1:$HTTPS
mpath="$modules/"
$(for m in tls tm tmx sl rr pv maxfwd textops siputils sanity usrloc registrar nathelper auth db_text htable xlog xhttp websocket; do
	echo "loadmodule \"$m.so\""
done)
modparam("tls", "config", "$DIR/tls.cfg")
modparam("rr", "enable_full_lr", 1)
modparam("usrloc", "db_mode", 0)
modparam("nathelper|registrar", "received_avp", "\$avp(RECEIVED)")
modparam("registrar", "min_expires", 1)
modparam("registrar", "gruu_enabled", 0)
modparam("htable", "db_url", "text://$DIR/db")
modparam("htable", "htable", "creds=>size=4;dbtable=creds;")

request_route {
	xlog("L_WARN", "\$rm \$ru from \$fu at \$proto:\$si:\$sp\n");
	force_rport();
	if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
	if (!sanity_check("17895", "7")) exit;
	if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
	if (!is_method("ACK")) {
		if (t_precheck_trans()) { t_check_trans(); exit; }
		t_check_trans();
	}
	if (has_totag()) {
		handle_ruri_alias();
		if (loose_route()) {
			if (is_method("INVITE")) record_route();
			t_relay();
			exit;
		}
		if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
		sl_send_reply("404", "Not here");
		exit;
	}
	if (is_method("ACK")) exit;
	if (is_method("REGISTER")) {
		if (!is_present_hf("Authorization") || !pv_www_authenticate("\$fd", "\$sht(creds=>\$au)", "1", "\$rm")) {
			www_challenge("\$fd", "0");
			exit;
		}
		fix_nated_register();
		save("location");
		exit;
	}
	if (is_method("OPTIONS") && uri == myself) { sl_send_reply("200", "OK"); exit; }
	if (from_uri == myself) {
		if (!is_present_hf("Proxy-Authorization") || !pv_proxy_authenticate("\$fd", "\$sht(creds=>\$au)", "1")) {
			proxy_challenge("\$fd", "0");
			exit;
		}
		consume_credentials();
	} else {
		sl_send_reply("403", "Forbidden");
		exit;
	}
	remove_hf("Route");
	if (is_method("INVITE|SUBSCRIBE")) record_route();
	add_contact_alias();
	if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
	if (!t_relay()) sl_reply_error();
	exit;
}

event_route[xhttp:request] {
	if (\$hdr(Upgrade) =~ "websocket" && \$rm == "GET") { ws_handle_handshake(); exit; }
	xhttp_reply("404", "Not Found", "", "");
}
CFG
exec kamailio -DD -E -f "$DIR/kamailio.cfg" -m 64 -M 16 -Y "$DIR" -P "$DIR/pid" -w "$DIR"
