#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Who gets a new connection and who gets none, with real hosts and two workers: maxconn, first,
# random, bounded loads, slow start, persistence, backup servers, quorum, panic.
. "$(dirname "$0")/lib.sh"

CHOICE=$(dirname "$0")/choice.py
WEB_PORT=80
declare -A HELD

begin 3
edit "
d['defaults']['check'] = {'inter': '200ms', 'timeout': '200ms', 'fall': 2, 'rise': 1, 'port': 80}
d['defaults']['timeout'] = {'syn': '5s', 'established': '10m', 'fin': '2s', 'udp': '4s'}
d['frontends'], d['backends'] = [], []
def add(name, port, servers=(1, 2, 3), protocol='tcp', server=None, **more):
    to = 80 if protocol == 'tcp' else 5353
    d['frontends'].append({'name': name, 'bind': '198.51.100.10:%d' % port, 'protocol': protocol,
                           'default-backend': name})
    d['backends'].append({'name': name, 'servers': [
        {'name': 's%d' % n, 'address': '10.0.0.1%d:%d' % (n, to), **(server or {}).get(n, {})}
        for n in servers], **more})
add('most', 8001, balance='roundrobin', **{'default-server': {'maxconn': 4}})
add('reject', 8002, server={1: {'maxconn': 3}}, **{'on-maxconn': 'reject', 'hash-on': 'source-port'})
add('first', 8003, balance='first', server={1: {'maxconn': 3}, 2: {'maxconn': 2}})
add('random', 8004, balance='random')
add('bounded', 8005, **{'hash-balance-factor': 120})
add('persist', 8006, balance='roundrobin', persistence={'prefix': 32, 'timeout': '10m'})
add('prefix', 8007, **{'source-prefix': 16})
add('udp', 8008, protocol='udp', balance='leastconn', **{'default-server': {'maxconn': 2}})
add('slow', 8009, balance='roundrobin', server={3: {'slowstart': '1h'}})
add('quorum', 8010, server={3: {'backup': True}}, quorum=2)
add('panic', 8011, balance='roundrobin', **{'panic-threshold': 60})
add('backups', 8012, server={2: {'backup': True}, 3: {'backup': True}}, balance='roundrobin',
    allbackups=True)
"
for n in 1 2 3; do udp_start $n; done
balancer_start most/s1 most/s2 most/s3 reject/s1 first/s1 first/s3 random/s1 bounded/s3 persist/s1 \
	prefix/s1 udp/s1 udp/s3 slow/s3 quorum/s2 panic/s1 panic/s2 panic/s3 backups/s1 backups/s3 || exit 1

# clients NAME KIND PORT COUNT [SOURCE ...]: waits until all have been tried.
clients() {
	local name=$1 kind=$2 port=$3 count=$4
	shift 4
	start_in client "$name" python3 "$CHOICE" "$kind" 198.51.100.10 "$port" "$count" "$@"
	HELD[$name]=$STARTED
	wait_until 30 log_has "$name" servers
}

leave() {
	kill "${HELD[$1]}" 2>/dev/null
	wait "${HELD[$1]}" 2>/dev/null
	unset "HELD[$1]"
}

# seen NAME EXPRESSION: over what its clients have seen (d), with d['servers'] as s.
seen() {
	python3 - "$TOPOLOGY_DIR/$1.log" "$2" <<'END'
import json, sys
d = json.load(open(sys.argv[1]))
s = {"s1": 0, "s2": 0, "s3": 0, **d["servers"]}
sys.exit(0 if eval(sys.argv[2]) else f"not so: {sys.argv[2]}: {json.dumps(d)[:600]}")
END
}

sessions() {
	ctl -j show servers | json "sum(s['sessions'] for s in d if s['backend'] == '$1')"
}

sessions_are() {
	[ "$(sessions "$1")" = "$2" ]
}

clients most tcp 8001 20
check "maxconn: each of three servers has four sessions, over both workers" \
	seen most "s == {'s1': 4, 's2': 4, 's3': 4}"
check "and who comes then is refused at once, not left waiting" \
	seen most "d['refused'] == 8 and d['silent'] == 0"
check "which is counted" test "$(ctl -j show drops | json "d['maxconn']")" -ge 8
leave most
check "when they have ended" wait_until 10 sessions_are most 0
clients again tcp 8001 12
check "as many more have room" seen again "s == {'s1': 4, 's2': 4, 's3': 4} and d['refused'] == 0"
leave again

clients reject tcp 8002 60
check "on-maxconn reject: only clients of the full server are refused" \
	seen reject "s['s1'] == 3 and d['refused'] > 5 and s['s2'] > 5 and s['s3'] > 5"
leave reject

clients first tcp 8003 10
check "first: a server is filled before the next one has any" \
	seen first "s == {'s1': 3, 's2': 2, 's3': 5} and d['by'][''][:3] == ['s1'] * 3"
leave first
check "first: when all have ended" wait_until 10 sessions_are first 0
clients first2 tcp 8003 1
check "the first is first again" seen first2 "s['s1'] == 1"
leave first2

clients random tcp 8004 300
check "random: of 300 open connections each server has a third" \
	seen random "all(90 <= n <= 110 for n in s.values())"
leave random

clients bounded tcp 8005 30 192.0.2.1
# 120 % of a third, and what two workers have placed while they did not look at each other.
check "hash-balance-factor: one client fills no server beyond its part" \
	seen bounded "max(s.values()) <= 15 and sum(s.values()) == 30"
leave bounded

clients persist tcp 8006 60 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6
check "persistence: each client has one server, for all its connections" \
	seen persist "all(len(set(n)) == 1 for n in d['by'].values()) and len(d['servers']) > 1"
leave persist
edit "
for b in d['backends']:
    if b['name'] == 'persist':
        b['balance'] = 'random'"
check "a reload with another algorithm" ctl reload
clients persist2 tcp 8006 60 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6
same() {
	python3 - "$TOPOLOGY_DIR/persist.log" "$TOPOLOGY_DIR/persist2.log" <<'END'
import json, sys
a, b = (json.load(open(f))["by"] for f in sys.argv[1:])
sys.exit(any(set(a[c]) != set(b[c]) for c in a))
END
}
check "moves nobody" same
leave persist2

clients prefix tcp 8007 30 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6
check "source-prefix: a network of clients has one server" seen prefix "len(d['servers']) == 1"
leave prefix

clients udp udp 8008 20
check "UDP: two flows for each server, the others are told that the port is unreachable" \
	seen udp "s == {'s1': 2, 's2': 2, 's3': 2} and d['refused'] == 14"
check "and their places are free when they have timed out" wait_until 20 sessions_are udp 0

ctl set server slow/s3 state maint >/dev/null
ctl set server slow/s3 state ready >/dev/null
clients slow tcp 8009 120
check "slowstart: who has just come back gets next to nothing" \
	seen slow "s['s3'] <= 8 and s['s1'] > 40 and s['s2'] > 40"
leave slow

# ill N: probes do not reach its server, though clients do; well N: they do again.
ill() {
	in_ns "s$1" nft -f - <<-END
		table ip ill {
			chain input {
				type filter hook input priority 0
				ip saddr 10.0.0.1 tcp dport 80 drop
			}
		}
	END
}
well() {
	in_ns "s$1" nft delete table ip ill
}

ill 2
check "panic/s2 goes down" wait_until 10 server_is panic/s2 down
check "quorum/s2 goes down" wait_until 10 server_is quorum/s2 down
clients quorum tcp 8010 20
check "quorum: with one of two servers left the backup takes all" seen quorum "s['s3'] == 20"
leave quorum
clients calm tcp 8011 40
check "panic-threshold: two of three are enough, the third gets nobody" \
	seen calm "s['s2'] == 0 and sum(s.values()) == 40"
leave calm
ill 3
check "panic/s3 goes down" wait_until 10 server_is panic/s3 down
check "its servers are up for the workers" wait_until 5 log_has control "panic: panic"
clients panic tcp 8011 60
check "panic-threshold: with one of three all take clients, ill or not" \
	seen panic "min(s.values()) > 5 and sum(s.values()) == 60"
leave panic
well 2
check "panic/s2 comes up again" wait_until 10 server_is panic/s2 up
clients calm2 tcp 8011 40
check "and then who is ill gets nobody again" seen calm2 "s['s3'] == 0 and sum(s.values()) == 40"
leave calm2
well 3
check "backups/s3 comes up again" wait_until 10 server_is backups/s3 up
ill 1
check "backups/s1 goes down" wait_until 10 server_is backups/s1 down
clients backups tcp 8012 20
check "allbackups: both backup servers take its clients" seen backups "s['s2'] == s['s3'] == 10"
leave backups
