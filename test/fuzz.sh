#!/bin/bash
# Runs every fuzz target of the module for a time each: fuzz.sh 30s
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?how long for each target, as 30s}
found=0
while read -r package dir; do
	targets=$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | sed 's/^func //' || true)
	for target in $targets; do
		found=$((found + 1))
		echo "== $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
	done
done < <(go list -f '{{.ImportPath}} {{.Dir}}' ./...)
echo "$found fuzz targets ran for $time each"
[ "$found" -gt 0 ]
