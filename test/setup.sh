#!/bin/bash
# Brings what the tests need: real phones and XMPP apps, coturn's clients, a screen and a
# sound card for one app, and what makes NATs from Debian; from npm JsSIP, strophe.js, stanza,
# @xmpp/client and the browser's remote control. As root on Debian it installs what is missing;
# otherwise it says what that is, and fails.
set -euo pipefail
cd "$(dirname "$0")"

# A line each: the command that must be there, and the Debian package that has it.
needs() {
	cat <<-'LIST'
	gcc             gcc
	pkg-config      pkg-config
	baresip         baresip-core
	linphone-daemon linphone-cli
	sipp            sip-tester
	sipsak          sipsak
	sox             sox
	espeak-ng       espeak-ng
	profanity       profanity
	go-sendxmpp     go-sendxmpp
	script          bsdutils
	chromium        chromium
	dino-im         dino-im
	Xvfb            xvfb
	xdotool         xdotool
	pulseaudio      pulseaudio
	dbus-daemon     dbus-daemon
	gdbus           libglib2.0-bin
	sqlite3         sqlite3
	unshare         util-linux
	node            nodejs
	npm             npm
	turnutils_uclient coturn
	ip              iproute2
	iptables        iptables
	LIST
}

missing=()
while read -r command package; do
	command -v "$command" >/dev/null || missing+=("$package")
done < <(needs)
# A compiler without the C library's headers can't build for the race detector.
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
# Dino can do without these, but then has no TLS, no sound or no calls.
for plugin in gio/modules/libgiognutls.so=glib-networking gstreamer-1.0/libgstopus.so=gstreamer1.0-plugins-base \
	gstreamer-1.0/libgstpulseaudio.so=gstreamer1.0-plugins-good; do
	compgen -G "/usr/lib/*/${plugin%=*}" >/dev/null || missing+=("${plugin#*=}")
done
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
# H.264 for baresip.
ls /usr/lib/baresip/modules/avcodec.so >/dev/null 2>&1 || missing+=(baresip-ffmpeg)
# The program has Opus in a build with the tag opus, which needs libopus.
[ -e /usr/include/opus/opus.h ] || missing+=(libopus-dev)
# slixmpp is a library, for Debian's own Python.
/usr/bin/python3 -c 'import slixmpp' 2>/dev/null || missing+=(python3-slixmpp)

if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "test/setup.sh: these Debian packages are missing: ${missing[*]}" >&2
		echo "test/setup.sh: as root: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	echo "test/setup.sh: installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	install=(apt-get install -y -qq --no-install-recommends "${missing[@]}")
	# The package lists of a fresh machine are empty or old.
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	"${install[@]}" </dev/null >"$log" 2>&1 ||
		{ apt-get update -qq </dev/null && "${install[@]}" </dev/null; } >"$log" 2>&1 ||
		{ cat "$log" >&2; exit 1; }
fi

# npm leaves a copy of the lock file in node_modules; it tells whether that is what we want.
for folder in interop/browser interop/apps; do
	cd "$folder"
	if ! cmp -s package-lock.json node_modules/.parley-lock; then
		echo "test/setup.sh: npm ci in test/$folder"
		npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
		cp package-lock.json node_modules/.parley-lock
	fi
	cd - >/dev/null
done
