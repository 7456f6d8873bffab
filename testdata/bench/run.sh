#!/usr/bin/env bash
# run.sh CABLINE CABLOAD [CABLOAD'S ARGUMENTS]: start the exchange on loopback
# with a new data folder, load it, print the figures, end it.
#
# Without arguments of its own cabload measures everything ("all"). A second
# process, the exchange, is found and ended by its id, whatever happens. Its data
# and its log are kept when something failed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cabline=${1:?path of the cabline binary}
cabload=${2:?path of the cabload binary}
shift 2
[ $# -gt 0 ] || set -- all

work=$(mktemp -d)
pid=
failed=
finish() {
	if [ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null; then
		for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
		kill -KILL "$pid" 2>/dev/null || true
	fi
	if [ -n "$failed" ]; then
		echo "bench: the data of the exchange and its log are kept in $work" >&2
	else
		rm -rf "$work"
	fi
}
trap finish EXIT
trap 'exit 130' INT TERM

cp "$here/config.yaml" "$work/config.yaml"
for i in $(seq 50); do
	echo "  - {login: op$i, name: Оператор $i, password: only-for-the-bench, branches: [Центр]}"
done >>"$work/config.yaml"
ulimit -n "$(ulimit -Hn)"   # 1,000 calls are 4,000 sockets
"$cabline" serve --config "$work/config.yaml" 2>"$work/log" &
pid=$!
ready=
for _ in $(seq 100); do
	if curl -fsS -m 1 http://127.0.0.11:8480/healthz >/dev/null 2>&1; then ready=yes; break; fi
	kill -0 "$pid" 2>/dev/null || break
	sleep 0.1
done
if [ -z "$ready" ]; then
	echo "bench: the exchange did not start:" >&2
	tail -n 20 "$work/log" >&2
	exit 1
fi

case " $* " in *" --json "*) ;; *)
	echo "$(date -u +%F) $(uname -sr), $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs) × $(nproc), $("$cabline" version | head -n 1)" ;;
esac
code=0
"$cabload" "$@" --pid "$pid" || code=$? failed=yes
if [ -s "$work/log" ]; then
	echo "bench: the exchange wrote $(wc -l <"$work/log") lines to its log; the last ones:" >&2
	tail -n 5 "$work/log" >&2
fi
exit $code
