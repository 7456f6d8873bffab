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

seconds() { # 1h2m3s
	[[ $1 =~ ^(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?$ ]] &&
		echo $((${BASH_REMATCH[2]:-0} * 3600 + ${BASH_REMATCH[4]:-0} * 60 + ${BASH_REMATCH[6]:-0}))
}

fuzz() { # TIME FILE TARGET
	local dir said outcome time asked took
	dir=./$(dirname "$2")
	asked=$(seconds "$1") || { echo "$1 is no time such as 30s or 1h5m"; return 1; }
	for time in "$asked" $((asked + 15)); do
		if said=$(go test -tags "$TAGS" -run '^$' -fuzz "^$3\$" -fuzztime "${time}s" -fuzzminimizetime 1s -parallel 1 "$dir" 2>&1 </dev/null); then
			outcome=$(grep -o 'execs: [0-9]*' <<<"$said" | tail -1)
		elif grep -q 'context deadline exceeded' <<<"$said" && ! grep -q 'Failing input written' <<<"$said"; then
			# Before Go 1.27 the end of the time itself may count as a failure: go.dev/issue/75804.
			outcome="time is up"
		else
			echo "$said"
			return 1
		fi
		# Go gives an input 10 s to come to an end, but takes one that hangs when the
		# time is up for nothing: it kills it 2 s later, and passes.
		took=$(seconds "$(grep -o 'elapsed: [0-9hms]*' <<<"$said" | tail -1 | cut -d' ' -f2)")
		if ((took < time + 2)); then
			echo "$3 in $dir: $outcome"
			return
		fi
	done
	echo "$3 in $dir: an input did not come to an end"
	return 1
}
export -f fuzz seconds
export TAGS=${2:-}

grep -rHoE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz\w+' cmd dispatchapi ivr media pbx prompts |
	sed 's/:func /\t/' | sort |
	xargs -P "$(nproc)" -L 1 bash -c 'fuzz "$@"' fuzz "$1"
