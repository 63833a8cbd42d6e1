#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# No server is taken for dead while all the data that the machine can carry passes by the same interfaces
# and the same servers: downloads, uploads and short requests, beside probes of several types that
# have little time. FALSE_SECONDS=600 for ten minutes.
# Alone: the load takes all of both CPUs.
. "$(dirname "$0")/lib.sh"

SECONDS_OF_LOAD=${FALSE_SECONDS:-10}

begin 3
for n in 1 2 3; do start_in s$n iperf$n iperf3 --server; done
udp_start 1
edit "
d['defaults']['check'] = {'inter': '200ms', 'timeout': '200ms', 'fall': 3, 'rise': 1}
d['frontends'], d['backends'] = [], []
def add(name, port, to, check, count=3):
    d['frontends'].append({'name': name, 'bind': '198.51.100.10:%d' % port, 'default-backend': name})
    d['backends'].append({'name': name, 'balance': 'source' if name == 'bulk' else 'roundrobin', 'check': check, 'servers': [
        {'name': 's%d' % n, 'address': '10.0.0.1%d:%d' % (n, to)} for n in range(1, count + 1)]})
add('web', 80, 8080, {'type': 'http', 'expect': 's'})
add('bulk', 5201, 5201, {'port': 8080})
add('usual', 81, 8080, {'inter': '2s', 'timeout': '1s'})
add('seen', 82, 8080, {'observe': {'share': 10, 'least': 3}, 'timeout': '199ms'})
add('ping', 83, 8080, {'type': 'icmp'})
add('udp', 84, $UDP_PORT, {'type': 'udp', 'send': 'well?', 'expect': 's1'}, 1)
"
balancer_start web/s1 web/s2 web/s3 bulk/s1 bulk/s2 bulk/s3 usual/s1 seen/s1 ping/s3 udp/s1 || exit 1
field() { ctl -j show servers | json "sum(s['$1'] for s in d)"; }
packets() { ctl -j show info | json "sum(w['rx_packets'] for w in d['workers'])"; }
downs=$(field check_down) packets=$(packets)

web_load short "$SECONDS_OF_LOAD" --rate 0
start_in client streams timeout $((SECONDS_OF_LOAD + 60)) iperf3 --client 198.51.100.10 \
	--time "$SECONDS_OF_LOAD" --parallel 4 --bidir --json
wait "$STARTED"
check_equal "iperf3, four streams each way, ends well" 0 $?
wait "$LOAD_PID"
seconds=$SECONDS_OF_LOAD
check "there was traffic: $((($(packets) - packets) / seconds)) packets a second, $(load short "d['requests'] // $seconds") requests a second" \
	test "$(load short "d['requests'] > 100")" = True
check_equal "and every request was answered" 0 "$(load short "d['failed']")"
check_equal "in $seconds seconds no server was taken for dead" "$downs" "$(field check_down)"
check_equal "nor was a probe missed for want of anything here" 0 "$(field check_error)"
echo "single probes that failed: $(field check_fail)"
