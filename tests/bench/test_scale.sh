#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The largest configuration that is promised loads, is reloaded, and says what memory it takes. How
# long that takes is printed for people; nobody judges it, unless it takes a minute.
set -u
. "$(dirname "$0")/../../tools/lib/setup.sh"
. "$(dirname "$0")/../../tools/lib/topology.sh"

if [ "$(id -u)" != 0 ]; then
	echo "skip  $(basename "$0"): needs root"
	exit 0
fi
LIMIT_S=60
FAILED=0
DATAPLANE_PID=
CONTROL_PID=
DIR=$(mktemp -d)
CONFIG=$DIR/shunt.json

ctl() { timeout $LIMIT_S "$SHUNT_BUILD/tools/shuntctl" --run-dir "$DIR" "$@"; }

finish() {
	local pid

	for pid in $CONTROL_PID $DATAPLANE_PID; do
		stop_pid "$pid"
	done
	rm -rf "$DIR"
}
trap finish EXIT
trap 'exit 130' INT TERM

# check TEXT COMMAND ...: with the time that the command took.
check() {
	local text=$1 output start=${EPOCHREALTIME/./}
	shift
	if output=$("$@" 2>&1); then
		printf 'ok    %s (%d ms)\n' "$text" $(((${EPOCHREALTIME/./} - start) / 1000))
		return 0
	fi
	printf 'FAIL  %s\n%s\n' "$text" "$output"
	tail -n 5 "$DIR"/*.log
	FAILED=1
	return 1
}

# make [PORT]: writes the configuration.
make_config() { python3 "$(dirname "$0")/scale_config.py" "$@" >"$CONFIG"; }

# In a network of its own, so that what the machine's own has is neither seen nor changed.
start() {
	local name=$1
	shift
	unshare -n "$@" -c "$CONFIG" --run-dir "$DIR" >"$DIR/$name.log" 2>&1 &
	STARTED=$!
}

has_generation() { [ "$(ctl -j show info | json "d['generation']")" = "$1" ]; }

# has_memory: every figure is there, and the configuration takes what it must.
has_memory() {
	ctl -j show info >"$DIR/info" && json "d['memory']" <"$DIR/info" >"$DIR/memory" &&
		[ "$(json "(all(d[k] > 0 for k in ('flow_table_ipv4_bytes', 'flow_table_ipv6_bytes',
			'generation_table_bytes', 'generation_service_bytes', 'control_rss_bytes')) and
			d['flow_table_bytes'] == d['flow_table_ipv4_bytes'] + d['flow_table_ipv6_bytes'] and
			d['flow_table_ipv4_bytes'] <= 27 * 65536 and
			d['flow_table_ipv6_bytes'] <= 45 * 65536 and
			d['generation_server_bytes'] >= 64 * 65535 and
			d['control_table_bytes'] >= 2 * 131072)" <"$DIR/memory")" = True ]
}

# 1000 services have one backend's table: 1000 of them would be 260 MB.
has_one_table() { [ "$(json "d['generation_table_bytes'] < 60e6" <"$DIR/memory")" = True ]; }

has_all_servers() {
	[ "$(ctl -j show servers | json "(len(d), sum(s['backend'] == 'shared' for s in d))")" = \
		"(65535, 1000)" ]
}

make_config
check "the file is right, of $(stat -c %s "$CONFIG") bytes" \
	"$SHUNT_BUILD/control/shunt-control" -c "$CONFIG" --check
start dataplane "$SHUNT_BUILD/dataplane/shunt-dataplane"
DATAPLANE_PID=$STARTED
check "shunt-dataplane starts" wait_until 20 test -S "$DIR/dataplane.sock" || exit 1
start control "$SHUNT_BUILD/control/shunt-control"
CONTROL_PID=$STARTED
check "4096 services and 65,535 servers are in force" wait_until $LIMIT_S has_generation 1 || exit 1
check "a reload without a change is acknowledged" ctl reload
check "nothing has changed" has_generation 1
sed -i 's/"10\.0\.0\.7:8080"/"10.0.0.7:8081"/' "$CONFIG"
check "a reload with another server is acknowledged" ctl reload
check "it is in force" has_generation 2
check "one of 1000 servers of a backend is taken out" ctl set server shared/s500 state maint
check "and let in again" ctl set server shared/s500 state ready
make_config 8082
check "a reload with all servers changed is acknowledged" ctl reload
check "it is in force" has_generation 5
check "show servers has them all" has_all_servers
check "show info says what memory is taken" has_memory
check "services with one backend have one table" has_one_table
sed 's/^/      /' "$DIR/memory"
ctl show info | grep -E 'memory|tables|ports' | sed 's/^/      /'
exit $FAILED
