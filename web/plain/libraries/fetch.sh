#!/bin/bash
# Makes jssip.js and strophe.js, one ES module each, of the exact versions in package-lock.json, whose checksums npm
# holds; and LICENCES.txt of what is in them. The program is built from the files, without this.
set -euo pipefail
cd "$(dirname "$0")"

npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
bundle() {
	local name=$1 entry=$2 version
	version=$(node -p "require('./package.json').dependencies['$name']")
	npx --no-install esbuild --bundle --minify --format=esm --platform=browser --target=es2022 --legal-comments=none \
		--define:process.env.NODE_ENV='"production"' --banner:js="/* $name $version. See LICENCES.txt. */" --log-level=warning \
		--outfile="$entry" "node_modules/$name/${3}"
}
bundle jssip jssip.js lib/JsSIP.js
bundle strophe.js strophe.js dist/strophe.esm.js

: >LICENCES.txt
for package in jssip debug events ms sdp-transform strophe.js; do
	for file in "node_modules/$package"/[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*; do
		[ -e "$file" ] || { echo "fetch.sh: $package has no licence" >&2; exit 1; }
		printf '==== %s %s\n\n' "$package" "$(node -p "require('./node_modules/$package/package.json').version")" >>LICENCES.txt
		cat "$file" >>LICENCES.txt
		printf '\n' >>LICENCES.txt
	done
done
sha256sum jssip.js strophe.js LICENCES.txt >SHA256SUMS
