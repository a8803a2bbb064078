# Start parley as it is run for a domain: SQLite with every acknowledged write synced, digest MD5, archive as by
# default. It listens for what the bench speaks alone. PARLEY names the program.
set -e
: "${RUN:?}" "${PBENCH:?}" "${BENCH:?}" "${HOST:=127.0.0.1}" "${PORT:=5060}" "${DOMAIN:=bench.test}" "${USERS:=10000}"
: "${USER_FMT:=u%06d}" "${PASS:=secret}" "${PARLEY:=parley}" "${ARCHIVE:=true}"
"$PBENCH" accounts -kind parley -out "$RUN/users.csv" -n "$USERS" -user-fmt "$USER_FMT" -domain "$DOMAIN" -pass "$PASS"
"$PBENCH" cert -out "$RUN" -domain "$DOMAIN"
SIP="[\"$HOST:$PORT\"]" XMPP="[]" ANCHOR=nat HTTP="[]" TURN="[]" RELAY=never
case $BENCH in
xmpp-*) SIP="[]" XMPP="[\"$HOST:$PORT\"]" ;;
rtp-*) ANCHOR=always ;; # media through the server
turn-*)                 # credentials by HTTP on the next port
	SIP="[]" TURN="[\"$HOST:$PORT\"]" RELAY=always HTTP="[\"$HOST:$((PORT + 1))\"]"
	touch "$RUN/ready-udp"
	;;
esac
cat > "$RUN/parley.toml" <<CFG
[server]
domains = ["$DOMAIN"]
[sip]
udp = $SIP
tcp = $SIP
tls = []
connections_per_address = 100000
connections = 100000
[web]
https = []
http = $HTTP
[media]
address = "$HOST"
[turn]
enabled = "$RELAY"
udp = $TURN
tcp = []
tls = []
allow_peers = ["$HOST/32"]
allocations = 100000
allocations_per_account = 100000
[tls]
certificate = "$RUN/cert.pem"
key = "$RUN/key.pem"
[calls]
anchor = "$ANCHOR"
[log]
level = "error"
[xmpp]
c2s = $XMPP
c2s_tls = []
require_tls = false
connections = 100000
connections_per_address = 100000
CFG
"$PARLEY" user import "$RUN/users.csv" --config "$RUN/parley.toml" --data "$RUN/data" >/dev/null
ulimit -n "$(ulimit -Hn)"
exec "$PARLEY" serve --config "$RUN/parley.toml" --data "$RUN/data"
