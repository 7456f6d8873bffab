#!/usr/bin/env bash
# Installs what a part of the work needs and this machine lacks, from Debian's or
# Ubuntu's packages. Every package the project needs is named here, and nowhere else.
#
#   testdata/install.sh build     a C compiler; Node for the console
#   testdata/install.sh test      also a browser and the telephones of the tests
#   testdata/install.sh bench     also what measures
#   testdata/install.sh prompts   also the voices that speak the prompts
set -euo pipefail

missing=()

# need COMMAND PACKAGE...: the packages, unless the command is there.
need() {
	command -v "$1" >/dev/null 2>&1 || missing+=("${@:2}")
}

# has_node MAJOR: whether there is a Node at least that new, with npm.
has_node() {
	command -v npm >/dev/null 2>&1 && node -e "process.exit(process.versions.node.split('.')[0] < $1)" >/dev/null 2>&1
}

build() {
	need gcc gcc libc6-dev
	[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
	[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
	if ! has_node 18; then
		need node nodejs
		need npm npm
	fi
}

# kamailio: without its service, which would take port 5060. Its package starts it
# unless that is forbidden beforehand.
mask=()
kamailio() {
	if [ ! -x /usr/sbin/kamailio ]; then # which is not in everybody's path
		missing+=(kamailio)
		command -v systemctl >/dev/null 2>&1 && mask=(systemctl mask kamailio.service)
	fi
	compgen -G "/usr/lib/*/kamailio/modules/tls.so" >/dev/null || missing+=(kamailio-tls-modules)
}

browser() {
	for name in chromium chromium-browser google-chrome google-chrome-stable; do
		command -v "$name" >/dev/null 2>&1 && return
	done
	if grep -qs '^ID=ubuntu' /etc/os-release; then
		missing+=(chromium-browser)
	else
		missing+=(chromium)
	fi
}

case "${1:-}" in
build) build ;;
test)
	build
	browser
	need sipp sip-tester
	need baresip baresip-core
	kamailio
	need tshark tshark
	need ip iproute2
	need sox sox
	need ffmpeg ffmpeg
	need pkg-config pkg-config
	pkg-config --exists opus 2>/dev/null || missing+=(libopus-dev)
	for voice in ru_RU en_US fr_CA; do # people speaking, for the ear that looks for keys
		compgen -G "/usr/share/asterisk/sounds/${voice}_*/*.wav" >/dev/null || missing+=("asterisk-core-sounds-${voice%_*}-wav")
	done
	;;
bench)
	build
	need curl curl
	;;
prompts)
	need ffmpeg ffmpeg
	need festival festival
	[ -d /usr/share/festival/voices/russian ] || missing+=(festvox-ru)
	[ -d /usr/share/festival/voices/us/cmu_us_slt_arctic_hts ] || missing+=(festvox-us-slt-hts)
	;;
*)
	echo "usage: testdata/install.sh build | test | bench | prompts" >&2
	exit 2
	;;
esac

if ! command -v go >/dev/null 2>&1; then
	echo "Go is missing; install Go 1.26 or newer from https://go.dev/dl/ and run make again" >&2
	exit 1
fi
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "missing packages; run this and then make again:  ${mask[*]:+sudo ${mask[*]} && }sudo apt-get update && sudo apt-get install -y ${missing[*]}" >&2
	# Without Node alone a build still works, with a page that says what is missing.
	case "$1 ${missing[*]}" in
	"build nodejs npm" | "build nodejs" | "build npm") exit 0 ;;
	esac
	exit 1
fi

echo "installing ${missing[*]}" >&2
said=$(mktemp)
trap 'rm -f "$said"' EXIT
try() {
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$said" 2>&1
}
[ ${#mask[@]} -eq 0 ] || "${mask[@]}" >/dev/null 2>&1 || true # no systemd runs: nothing starts it either
install=(install -y --no-install-recommends "${missing[@]}")
# The lists of packages are often missing or old: only then are they fetched.
if ! try "${install[@]}" && ! { try update && try "${install[@]}"; }; then
	tail -n 20 "$said" >&2
	echo "apt-get could not install ${missing[*]}" >&2
	exit 1
fi
