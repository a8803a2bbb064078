#!/bin/bash
# Brings what the tests need: real phones from Debian, and JsSIP with the browser's remote
# control from npm. As root on Debian it installs what is missing; otherwise it says what that
# is, and fails.
set -euo pipefail
cd "$(dirname "$0")"

# A line each: the command that must be there, and the Debian package that has it.
needs() {
	cat <<-'LIST'
	gcc             gcc
	baresip         baresip-core
	linphone-daemon linphone-cli
	sipp            sip-tester
	sipsak          sipsak
	sox             sox
	espeak-ng       espeak-ng
	chromium        chromium
	node            nodejs
	npm             npm
	LIST
}

missing=()
while read -r command package; do
	command -v "$command" >/dev/null || missing+=("$package")
done < <(needs)
# A compiler without the C library's headers can't build for the race detector.
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)

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
cd interop/browser
if ! cmp -s package-lock.json node_modules/.parley-lock; then
	echo "test/setup.sh: npm ci"
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
	cp package-lock.json node_modules/.parley-lock
fi
