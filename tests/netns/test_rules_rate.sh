#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Rules that count, with real clients and two workers: who has many connections, who begins many a
# second, and how many a rule lets in.
. "$(dirname "$0")/lib.sh"

CHOICE=$(dirname "$0")/choice.py
WEB_PORT=80

begin 2
edit "
d['acls'] = {'greedy': {'conn-count': {'min': 3}}, 'fast': {'conn-rate': {'min': 20}},
             'tcp': {'protocol': 'tcp'}}
d['frontends'], d['backends'] = [], []
def add(name, port, rule, **more):
    d['frontends'].append({'name': name, 'bind': '198.51.100.10:%d' % port, 'rules': [rule],
                           'default-backend': 'app', **more})
add('greedy', 8001, {'if': 'greedy', 'action': 'use-backend', 'backend': 'slow'},
    **{'source-limit': {'prefix': 32}})
add('fast', 8002, {'if': 'fast', 'action': 'reject'}, **{'source-limit': {'prefix': 32}})
add('some', 8003, {'if': 'tcp', 'action': 'rate-limit', 'rate': 1, 'burst': 6})
for name, server in (('app', 1), ('slow', 2)):
    d['backends'].append({'name': name, 'servers': [
        {'name': 's%d' % server, 'address': '10.0.0.1%d:80' % server}]})
"
balancer_start app/s1 slow/s2 || exit 1

# clients NAME PORT COUNT [SOURCE ...]: waits until all have been tried.
clients() {
	local name=$1 port=$2 count=$3
	shift 3
	start_in client "$name" python3 "$CHOICE" tcp 198.51.100.10 "$port" "$count" "$@"
	wait_until 30 log_has "$name" servers
}

# seen NAME EXPRESSION: over what its clients have seen (d), with d['servers'] as s.
seen() {
	python3 - "$TOPOLOGY_DIR/$1.log" "$2" <<'END'
import json, sys
d = json.load(open(sys.argv[1]))
s = {"s1": 0, "s2": 0, **d["servers"]}
sys.exit(0 if eval(sys.argv[2]) else f"not so: {sys.argv[2]}: {json.dumps(d)[:600]}")
END
}

clients greedy 8001 12 192.0.2.1 192.0.2.2
check "conn-count: from the fourth connection on each client goes to the other backend" \
	seen greedy "all(n == ['s1'] * 3 + ['s2'] * 3 for n in d['by'].values())"

clients fast 8002 200 192.0.2.3
check "conn-rate: who begins too many a second is refused" \
	seen fast "s['s1'] >= 10 and d['refused'] > 50 and d['silent'] == 0"
clients calm 8002 3 192.0.2.4
check "and nobody else is" seen calm "s['s1'] == 3"

clients some 8003 40
check "rate-limit: a rule lets in what it may, and refuses the others" \
	seen some "6 <= s['s1'] <= 20 and s['s1'] + d['refused'] == 40"
check "which is counted" test "$(ctl -j show drops | json "d['rate-limit']")" -ge 20
check "lookup says what it cannot know" grep -q conn-count <<<"$(ctl lookup tcp 192.0.2.9:1 198.51.100.10:8001)"
check "and names a rule with its rate" grep -q "rate-limit 1/s if tcp" \
	<<<"$(ctl lookup tcp 192.0.2.9:1 198.51.100.10:8003)"
