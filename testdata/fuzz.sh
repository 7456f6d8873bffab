#!/usr/bin/env bash
# Runs every fuzz target there is, as many at once as there are processors.
#
#   testdata/fuzz.sh 30s        each for that long
#   testdata/fuzz.sh 30s opus   … built with this tag
#
# What a target finds Go keeps beside it, under testdata/fuzz: commit it with the
# cure, and every go test runs it again.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzz() { # TIME FILE TARGET
	local dir said
	dir=./$(dirname "$2")
	if said=$(go test -tags "$TAGS" -run '^$' -fuzz "^$3\$" -fuzztime "$1" -fuzzminimizetime 1s -parallel 1 "$dir" 2>&1 </dev/null); then
		echo "$3 in $dir: $(grep -o 'execs: [0-9]*' <<<"$said" | tail -1)"
	elif grep -q 'context deadline exceeded' <<<"$said" && ! grep -q 'Failing input written' <<<"$said"; then
		# Before Go 1.27 the end of the time itself may count as a failure: go.dev/issue/75804.
		echo "$3 in $dir: time is up"
	else
		echo "$said"
		return 1
	fi
}
export -f fuzz
export TAGS=${2:-}

grep -rHoE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz\w+' cmd dispatchapi ivr media pbx prompts |
	sed 's/:func /\t/' | sort |
	xargs -P "$(nproc)" -L 1 bash -c 'fuzz "$@"' fuzz "$1"
