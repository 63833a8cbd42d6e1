# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For the tests in this folder: the demo's network, and a few words to say what was seen. Sourced.
#
#   . "$(dirname "$0")/lib.sh"
#   begin 3                              # the network, three web servers, $CONFIG
#   balancer_start app/s1 || exit 1      # both processes; waits until these servers are up
#   check "clients reach the service" in_ns client curl -sf http://198.51.100.10/
#
# Every check prints "ok    TEXT" or "FAIL  TEXT" (tools/test counts them). When the script ends,
# all is taken down; if a check failed, the balancer's logs are shown and the exit code says so.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib/setup.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib/topology.sh"

CHECKS=0
CHECKS_FAILED=0
CONFIG=

if [ "$(id -u)" != 0 ]; then
	echo "skip  $(basename "$0"): needs root"
	exit 0
fi

# check TEXT COMMAND ...: whether the command succeeds.
check() {
	local text=$1 output
	shift
	CHECKS=$((CHECKS + 1))
	if output=$("$@" 2>&1); then
		echo "ok    $text"
		return 0
	fi
	printf 'FAIL  %s\n    %s\n' "$text" "$*"
	[ -z "$output" ] || sed 's/^/    /' <<<"$output" | tail -n 20
	CHECKS_FAILED=$((CHECKS_FAILED + 1))
	return 1
}

# check_equal TEXT EXPECTED SEEN
check_equal() {
	CHECKS=$((CHECKS + 1))
	if [ "$2" = "$3" ]; then
		echo "ok    $1"
		return 0
	fi
	printf 'FAIL  %s\n    expected: %s\n    seen:     %s\n' "$1" "$2" "$3"
	CHECKS_FAILED=$((CHECKS_FAILED + 1))
	return 1
}

# check_load TEXT NAME EXPRESSION: over the result d of a finished load, which is shown if it fails.
check_load() {
	local seen

	seen=$(load "$2" "$3" 2>&1)
	check_equal "$1" True "$seen" && return 0
	load "$2" "{k: v for k, v in d.items() if k != 'sources'}" | sed 's/^/    /'
	return 1
}

# count_load NAME COUNT [ARGUMENTS]: so many requests, as fast as they are answered; then see load.
count_load() {
	local name=$1 count=$2
	shift 2
	web_load "$name" 60 --rate 0 --count "$count" "$@"
	wait "$LOAD_PID"
}

# not COMMAND ...: succeeds if the command does not. For check and wait_until.
not() {
	! "$@"
}

# begin SERVERS: the network, with a web server in each server's namespace. $CONFIG is a copy of the
# demo's configuration, which a test may edit.
begin() {
	local n

	topology_up "$1"
	CONFIG=$TOPOLOGY_DIR/shunt.json
	cp "$SHUNT_TOP/config/demo.json" "$CONFIG"
	for ((n = 1; n <= $1; n++)); do
		web_start "$n" || fail "nginx did not start in s$n"
	done
}

# balancer_start BACKEND/SERVER ...: both processes; waits until these servers are up.
balancer_start() {
	local server

	# Started by this shell, not in the subshell in which check runs its command.
	dataplane_start "$CONFIG"
	check_equal "shunt-dataplane starts" 0 $? || return 1
	control_start "$CONFIG"
	check_equal "shunt-control starts" 0 $? || return 1
	for server in "$@"; do
		check "$server comes up" wait_until 10 server_is "$server" up || return 1
	done
}

# edit PYTHON: changes the configuration d in $CONFIG.
edit() {
	python3 - "$CONFIG" "$1" <<'END'
import json, sys
with open(sys.argv[1]) as file:
    d = json.load(file)
exec(sys.argv[2])
with open(sys.argv[1], "w") as file:
    json.dump(d, file, indent=2)
END
}

generation() {
	ctl -j show info | json "d['generation']"
}

# log_has NAME PATTERN: in the log of a process of start_in.
log_has() {
	grep -q -- "$2" "$TOPOLOGY_DIR/$1.log"
}

# addresses INTERFACE: of the balancer, one a line.
addresses() {
	ip -n "$TOPOLOGY-balancer" -o addr show dev "$1"
}

test_end() {
	local code=$? log

	trap - EXIT INT TERM
	[ "$CHECKS_FAILED" = 0 ] || code=1
	if [ "$code" != 0 ] && [ -n "$TOPOLOGY_DIR" ]; then
		for log in dataplane control; do
			[ -s "$TOPOLOGY_DIR/$log.log" ] || continue
			echo "--- the last lines of $log.log"
			tail -n 40 "$TOPOLOGY_DIR/$log.log"
		done
	fi
	topology_down
	if [ "$CHECKS" = 0 ] && [ "$code" = 0 ]; then
		echo "FAIL  $(basename "$0") checked nothing"
		code=1
	fi
	exit "$code"
}
trap test_end EXIT
trap 'exit 130' INT TERM
