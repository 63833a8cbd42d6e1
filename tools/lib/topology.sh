# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A small data centre in network namespaces, for the demo and the tests. Sourced after setup.sh.
#
#   client ── wan0 [balancer] lan0 ── switch ── s1, s2, s3, ...
#
#   client     192.0.2.1 to .240, 2001:db8:1::1 to ::f0; routes 198.51.100.0/24 and
#              2001:db8:10::/64 (the balanced addresses) by the balancer
#   balancer   192.0.2.254, 2001:db8:1::fe on wan0; 10.0.0.1, 2001:db8:a::1 on lan0
#   server N   10.0.0.1N, 2001:db8:a::1N; its default route leads to the balancer
#
# Every namespace name begins with $TOPOLOGY, unique to the run; topology_down removes all of it and
# kills the processes that were started through run_in and start_in, by their pids, and no others.

TOPOLOGY=${TOPOLOGY:-shunt$$}
TOPOLOGY_DIR=
TOPOLOGY_NAMESPACES=()
TOPOLOGY_PIDS=()
TOPOLOGY_ENDS=() # of wires: "namespace interface"
TOPOLOGY_CLIENTS=240
WEB_PORT=8080 UDP_PORT=5353 # of the servers

# A command in a namespace: in_ns client curl ...
in_ns() {
	local ns=$1
	shift
	ip netns exec "$TOPOLOGY-$ns" "$@"
}

# Starts a command in the background; its pid is in $STARTED, its output in $TOPOLOGY_DIR/NAME.log.
start_in() {
	local ns=$1 name=$2
	shift 2
	ip netns exec "$TOPOLOGY-$ns" "$@" >>"$TOPOLOGY_DIR/$name.log" 2>&1 </dev/null &
	STARTED=$!
	TOPOLOGY_PIDS+=("$STARTED")
}

# Waits until a command succeeds: wait_until SECONDS COMMAND ...
wait_until() {
	local end=$(($(date +%s%N) + $1 * 1000000000))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$(date +%s%N)" -lt $end ] || return 1
		sleep 0.05
	done
}

# Ends a process of ours and waits for it: stop_pid PID [SIGNAL]
stop_pid() {
	local pid=$1 signal=${2:-TERM}

	kill "-$signal" "$pid" 2>/dev/null || return 0
	wait_until 5 process_gone "$pid" || kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return 0
}

# Ends a process of start_in before the topology goes down: its pid may then be another's.
stop_started() {
	local pid left=()

	stop_pid "$1"
	for pid in "${TOPOLOGY_PIDS[@]}"; do
		[ "$pid" = "$1" ] || left+=("$pid")
	done
	TOPOLOGY_PIDS=("${left[@]}")
}

process_gone() {
	local state

	state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
	[ -z "$state" ] || [ "$state" = Z ]
}

topology_namespace() {
	ip netns add "$TOPOLOGY-$1"
	TOPOLOGY_NAMESPACES+=("$TOPOLOGY-$1")
	ip -n "$TOPOLOGY-$1" link set lo up
}

# topology_offloads NAMESPACE INTERFACE on|off
topology_offloads() {
	in_ns "$1" ethtool -K "$2" tx "$3" tso "$3" gso "$3" gro "$3" >/dev/null 2>&1
}

# A wire between two namespaces: topology_wire NS1 IF1 NS2 IF2. What offloads leave undone on a
# virtual wire nobody does, so they are off.
topology_wire() {
	local end

	ip link add "$2" netns "$TOPOLOGY-$1" type veth peer name "$4" netns "$TOPOLOGY-$3"
	for end in "$1 $2" "$3 $4"; do
		# shellcheck disable=SC2086
		set -- $end
		TOPOLOGY_ENDS+=("$1 $2")
		topology_offloads "$1" "$2" off
		in_ns "$1" sysctl -qw "net.ipv6.conf.$2.accept_dad=0" "net.ipv6.conf.$2.dad_transmits=0"
		ip -n "$TOPOLOGY-$1" link set "$2" up
	done
}

topology_client() {
	local i batch

	topology_namespace client
	topology_wire balancer wan0 client c0
	batch=$TOPOLOGY_DIR/client.batch
	for ((i = 1; i <= TOPOLOGY_CLIENTS; i++)); do
		echo "addr add 192.0.2.$i/24 dev c0"
		printf 'addr add 2001:db8:1::%x/64 dev c0 nodad\n' "$i"
	done >"$batch"
	ip -n "$TOPOLOGY-client" -b "$batch"
	ip -n "$TOPOLOGY-balancer" addr add 192.0.2.254/24 dev wan0
	ip -n "$TOPOLOGY-balancer" addr add 2001:db8:1::fe/64 dev wan0 nodad
	ip -n "$TOPOLOGY-client" route add 198.51.100.0/24 via 192.0.2.254
	ip -n "$TOPOLOGY-client" route add 2001:db8:10::/64 via 2001:db8:1::fe
}

# topology_server N: namespace sN on the switch.
topology_server() {
	local n=$1

	topology_namespace "s$n"
	topology_wire switch "port$n" "s$n" eth0
	ip -n "$TOPOLOGY-switch" link set "port$n" master br0
	ip -n "$TOPOLOGY-s$n" addr add "10.0.0.$((10 + n))/24" dev eth0
	ip -n "$TOPOLOGY-s$n" addr add "2001:db8:a::$((10 + n))/64" dev eth0 nodad
	ip -n "$TOPOLOGY-s$n" route add default via 10.0.0.1
	ip -n "$TOPOLOGY-s$n" route add default via 2001:db8:a::1
}

# topology_up SERVERS: everything but the balancer's processes.
topology_up() {
	local n

	TOPOLOGY_DIR=$(mktemp -d "/tmp/$TOPOLOGY.XXXXXX")
	chmod 755 "$TOPOLOGY_DIR"
	topology_namespace balancer
	topology_namespace switch
	ip -n "$TOPOLOGY-switch" link add br0 type bridge forward_delay 0
	ip -n "$TOPOLOGY-switch" link set br0 up
	topology_wire balancer lan0 switch uplink
	ip -n "$TOPOLOGY-switch" link set uplink master br0
	ip -n "$TOPOLOGY-balancer" addr add 10.0.0.1/24 dev lan0
	ip -n "$TOPOLOGY-balancer" addr add 2001:db8:a::1/64 dev lan0 nodad
	topology_client
	for ((n = 1; n <= $1; n++)); do
		topology_server "$n"
	done
}

# topology_direct SERVERS ADDRESS ...: servers own these balanced addresses and answer clients past the
# balancer: the client's namespace gets a second leg, on the switch.
topology_direct() {
	local n address servers=$1
	shift
	topology_wire switch side client c1
	ip -n "$TOPOLOGY-switch" link set side master br0
	# What comes back takes another way than what was sent.
	in_ns client sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.c0.rp_filter=0 \
		net.ipv4.conf.c1.rp_filter=0
	ip -n "$TOPOLOGY-client" addr add 10.0.0.200/24 dev c1
	ip -n "$TOPOLOGY-client" addr add 2001:db8:a::200/64 dev c1 nodad
	for ((n = 1; n <= servers; n++)); do
		ip -n "$TOPOLOGY-s$n" route replace default via 10.0.0.200
		ip -n "$TOPOLOGY-s$n" -6 route del default
		ip -n "$TOPOLOGY-s$n" route add default via 2001:db8:a::200
		in_ns "s$n" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
		for address in "$@"; do
			ip -n "$TOPOLOGY-s$n" addr add "$address" dev lo
		done
	done
}

topology_down() {
	local pid ns

	for pid in "${TOPOLOGY_PIDS[@]}"; do
		kill "$pid" 2>/dev/null
	done
	for pid in "${TOPOLOGY_PIDS[@]}"; do
		stop_pid "$pid" TERM
	done
	for ns in "${TOPOLOGY_NAMESPACES[@]}"; do
		ip netns del "$ns" 2>/dev/null
	done
	[ -z "$TOPOLOGY_DIR" ] || rm -rf "$TOPOLOGY_DIR"
	TOPOLOGY_PIDS=() TOPOLOGY_NAMESPACES=() TOPOLOGY_ENDS=() TOPOLOGY_DIR=
}

# web_start N: a real nginx in sN that answers with its name at port $WEB_PORT, with 8 MB at /big,
# slowly, and with what is in $TOPOLOGY_DIR/files at /files.
web_start() {
	local n=$1 dir=$TOPOLOGY_DIR/s$1

	mkdir -p "$dir/www"
	[ -f "$dir/www/big" ] || head -c 8000000 /dev/zero >"$dir/www/big"
	cat >"$dir/nginx.conf" <<EOF
daemon off;
worker_processes 1;
user root;
pid $dir/nginx.pid;
error_log $dir/error.log notice;
events { worker_connections 4096; }
http {
	access_log $dir/access.log;
	client_body_temp_path $dir/tmp1; proxy_temp_path $dir/tmp2; fastcgi_temp_path $dir/tmp3;
	uwsgi_temp_path $dir/tmp4; scgi_temp_path $dir/tmp5;
	keepalive_requests 100000;
	server {
		listen $WEB_PORT backlog=4096;
		listen [::]:$WEB_PORT backlog=4096;
		location = / { default_type text/plain; return 200 "s$n\n"; }
		location = /big { root $dir/www; limit_rate 1m; }
		location /files/ { alias $TOPOLOGY_DIR/files/; }
	}
}
EOF
	# -e: the built-in error log path may not be writable, or not be there.
	start_in "s$n" "nginx$n" nginx -e "$dir/error.log" -c "$dir/nginx.conf"
	eval "WEB_PID_$n=$STARTED"
	wait_until 5 in_ns "s$n" curl -sf -o /dev/null "http://10.0.0.$((10 + n)):$WEB_PORT/"
}

# web_kill N: at once and rudely, as a crash.
web_kill() {
	local pid=WEB_PID_$1 workers

	workers=$(pgrep -P "${!pid}")
	kill -KILL "${!pid}" 2>/dev/null
	# shellcheck disable=SC2086
	[ -z "$workers" ] || kill -KILL $workers 2>/dev/null
	wait "${!pid}" 2>/dev/null
	return 0
}

# udp_start N: a UDP server in sN at port $UDP_PORT that answers with its name and what it was sent.
udp_start() {
	start_in "s$1" "udp$1" python3 "$SHUNT_TOP/tools/lib/udp_echo.py" --port "$UDP_PORT" \
		--name "s$1"
	wait_until 5 grep -q listening "$TOPOLOGY_DIR/udp$1.log"
}

dataplane_start() {
	start_in balancer dataplane "$SHUNT_BUILD/dataplane/shunt-dataplane" -c "$1" \
		--run-dir "$TOPOLOGY_DIR/run"
	DATAPLANE_PID=$STARTED
	wait_until 20 test -S "$TOPOLOGY_DIR/run/dataplane.sock"
}

control_start() {
	start_in balancer control "$SHUNT_BUILD/control/shunt-control" -c "$1" \
		--run-dir "$TOPOLOGY_DIR/run"
	CONTROL_PID=$STARTED
	wait_until 10 test -S "$TOPOLOGY_DIR/run/control.sock"
}

ctl() {
	"$SHUNT_BUILD/tools/shuntctl" --run-dir "$TOPOLOGY_DIR/run" "$@"
}

# json EXPRESSION: evaluates a Python expression over the JSON document d on standard input.
json() {
	python3 -c 'import json, sys
d = json.load(sys.stdin)
r = eval(sys.argv[1])
print(r if not isinstance(r, (dict, list)) else json.dumps(r))' "$1"
}

# server_is BACKEND/SERVER STATE
server_is() {
	[ "$(ctl -j show servers | json "[s['state'] for s in d if s['backend']+'/'+s['server'] == '$1'][0]")" = "$2" ]
}

# web_load NAME SECONDS [ARGUMENTS]: requests in the background; wait for $LOAD_PID, then see load.
web_load() {
	local name=$1 seconds=$2
	shift 2
	start_in client "load-$name" python3 "$SHUNT_TOP/tools/lib/http_load.py" --seconds "$seconds" \
		--output "$TOPOLOGY_DIR/load-$name.json" "$@"
	LOAD_PID=$STARTED
}

# load NAME EXPRESSION: of the result d of a finished web_load or udp_load.
load() {
	json "$2" <"$TOPOLOGY_DIR/load-$1.json"
}
