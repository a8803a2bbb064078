#!/bin/bash
# Measure parley and its peers: every bench REPS times, in turn, JSON lines to
# $OUT. Needs the Debian packages named in README.md. About 20 minutes a round.
cd "$(dirname "$0")" || exit 1
: "${OUT:=results/baseline.jsonl}" "${REPS:=3}" "${ONLY:=.}"
mkdir -p "$(dirname "$OUT")"
BIN=$(mktemp -d)/pbench
go build -o "$BIN" . || exit 1
PARLEY=$(dirname "$BIN")/parley
export PARLEY
(cd ../.. && go build -trimpath -o "$PARLEY" ./cmd/parley) || exit 1
PRE=
nice -n -15 true 2>/dev/null && PRE="nice -n -15" # before whatever else runs here

quiet() { # wait up to 10 s for a machine less than a quarter busy
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		set -- $(head -1 /proc/stat); i1=$5; t1=0; for v in "${@:2:8}"; do t1=$((t1 + v)); done
		sleep 1
		set -- $(head -1 /proc/stat); i2=$5; t2=0; for v in "${@:2:8}"; do t2=$((t2 + v)); done
		[ $(((i2 - i1) * 4)) -gt $(((t2 - t1) * 3)) ] && return
	done
}

b() { # name-for-ONLY, then the bench's arguments
	[[ "$*" =~ $ONLY ]] || return
	quiet
	echo "$(date +%T) round $r: $*" >&2
	timeout 280 $PRE "$BIN" "$@" -label "$LABEL" >> "$OUT" 2>> "${OUT%.jsonl}.log"
}

for r in $(seq "$REPS"); do
	for p in parley kamailio; do
		b sip-register -peer $p -users 50000 -rate 6000 -max
		b sip-register -peer $p -tcp -users 10000 -rate 4000
		b sip-call -peer $p -rate 1000 -max
	done
	for p in parley prosody ejabberd; do
		b xmpp-c2s -peer $p -users 5000 -login-rate 250 -rate 2000 -max
		b xmpp-c2s -peer $p -tls -users 5000 -login-rate 200 -rate 2000 -max
	done
	for p in prosody ejabberd; do
		b xmpp-muc -peer $p -rate 20 -max
	done
	b rtp-relay -peer rtpengine -calls 400 -max
	b rtp-relay -peer rtpengine -calls 300 -srtp -max
	for m in net epoll uring shared; do b rtp-relay -toy $m -calls 400; done
	b sip-register -peer toy -users 50000 -rate 6000
	b xmpp-c2s -peer toy -users 5000 -login-rate 250 -rate 2000 -max
	b xmpp-muc -peer toy -rate 20 -max
	for p in parley coturn; do b turn-relay -peer $p -calls 200; done
	b limits -what udp
	b limits -what crypto,xml,conns
done
"$BIN" summary < "$OUT" > "${OUT%.jsonl}.tsv"
