#!/bin/bash
# Runs every fuzz target of the module for a time each, also after one has failed: fuzz.sh 30s
# An input that fails stays in its package's testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:?how long for each target, as 30s}
found=0
failed=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# On a busy machine a target's end may come while its workers are still at an input; the go command
# calls that a failure, though nothing was found.
harmless() {
	grep -q '^ *context deadline exceeded$' "$log" && ! grep -qE 'Failing input|panic|fatal error|\.go:[0-9]+:' "$log"
}

while read -r package dir; do
	targets=$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | sed 's/^func //' || true)
	for target in $targets; do
		found=$((found + 1))
		echo "== $package $target"
		if ! go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" 2>&1 | tee "$log"; then
			harmless && echo "(its time was up, nothing was found)" || failed+=("$package $target")
		fi
	done
done < <(go list -f '{{.ImportPath}} {{.Dir}}' ./...)
echo "$found fuzz targets ran for $time each"
if [ ${#failed[@]} -gt 0 ]; then
	printf 'FAILED: %s\n' "${failed[@]}"
	exit 1
fi
[ "$found" -gt 0 ]
