#!/usr/bin/env bash
# Runs every fuzz target there is.
#
#   testdata/fuzz.sh 30s     each for that long
#
# What a target finds Go keeps beside it, under testdata/fuzz: commit it with the
# cure, and every go test runs it again.
set -euo pipefail
cd "$(dirname "$0")/.."

grep -rHoE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz\w+' cmd dispatchapi ivr media pbx prompts |
	sort | while IFS=: read -r file target; do
	target=${target#func }
	dir=./$(dirname "$file")
	if said=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "$dir" 2>&1 </dev/null); then
		echo "$target in $dir: $(grep -o 'execs: [0-9]*' <<<"$said" | tail -1)"
	elif grep -q 'context deadline exceeded' <<<"$said" && ! grep -q 'Failing input written' <<<"$said"; then
		# Before Go 1.27 the end of the time itself may count as a failure: go.dev/issue/75804.
		echo "$target in $dir: time is up"
	else
		echo "$said"
		exit 1
	fi
done
