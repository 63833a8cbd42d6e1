#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Limits of frontends and of their clients' networks, with real clients and two workers: as many as
# may are let in and no more, by TCP and UDP, IPv4 and IPv6; a reload counts what is there; and in
# the end all counts are back at zero.
. "$(dirname "$0")/lib.sh"

CLIENT=$(dirname "$0")/limits.py

begin 1
edit "
d['defaults']['timeout'] = {'syn': '2s', 'established': '10m', 'fin': '2s', 'udp': '4s'}
d['frontends'], d['backends'] = [], []
def add(name, port, address='198.51.100.10', host='10.0.0.11', **keys):
    d['frontends'].append({'name': name, 'bind': '%s:%d' % (address, port),
                           'default-backend': name, **keys})
    d['backends'].append({'name': name, 'servers': [{'name': 's', 'address': host + ':9000'}]})
v6 = {'address': '[2001:db8:10::10]', 'host': '[2001:db8:a::11]'}
add('conn', 9001, **{'maxconn': 8})
add('rate', 9002, **{'rate-limit': {'sessions': 20, 'burst': 10}})
add('source', 9003, **{'source-limit': {'maxconn': 4}})
add('wide', 9004, **{'source-limit': {'maxconn': 5, 'prefix': 24}, 'on-limit': 'drop'})
add('udp', 9005, **{'protocol': 'udp', 'maxconn': 6})
add('later', 9006)
add('six', 9007, **v6, **{'source-limit': {'maxconn': 3, 'prefix6': 128}})
add('sixwide', 9008, **v6, **{'source-limit': {'maxconn': 7}})
"
start_in s1 serve1 python3 "$CLIENT" serve 9000
balancer_start conn/s rate/s source/s wide/s udp/s later/s six/s sixwide/s || exit 1

# A client that fills a limit: fill NAME ARGUMENTS ...; then its result is $(result NAME EXPRESSION).
declare -A HOLDS
fill() {
	local name=$1
	shift
	mkfifo "$TOPOLOGY_DIR/$name.go"
	start_in client "$name" sh -c 'exec <"$0"; exec python3 "$@"' "$TOPOLOGY_DIR/$name.go" \
		"$CLIENT" fill "$@"
	exec {fd}>"$TOPOLOGY_DIR/$name.go"
	HOLDS[$name]=$fd
	wait_until 60 log_has "$name" held
}
result() { head -n 1 "$TOPOLOGY_DIR/$1.log" | json "$2"; }
let_go() {
	local fd=${HOLDS[$1]}

	exec {fd}>&-
}
stat() { ctl -j show stat | json "[r for r in d if r['type'] == 'frontend' and
	r['proxy'] == '$1'][0]['$2']"; }
drops() { ctl -j show drops | json "d['$1']"; }
sessions_are() { [ "$(stat "$1" sessions)" = "$2" ]; }
top() { ctl -j show top sources 100 | json "str(sorted((r['network'], r['sessions']) for r in d
	if r['frontend'] == '$1' and r['sessions']))"; }

fill conn 198.51.100.10 9001 8+3 192.0.2.1
check_equal "maxconn: so many are let in" 8 "$(result conn "d['open']")"
check_equal "maxconn: those beyond are refused, and told so" "{'refused': 3}" \
	"$(result conn "str(d['beyond'])")"
check_equal "maxconn: one ends, and the next is let in" True "$(result conn "d['next']")"
check_equal "maxconn: no more sessions than that" 8 "$(stat conn sessions)"
check_equal "show stat has the limit" 8 "$(stat conn maxconn)"
check "and what was refused" test "$(stat conn refused)" -ge 3
check_equal "show drops has the same" "$(stat conn refused)" "$(drops frontend-maxconn)"
check_equal "lookup says so" "reject True" "$(ctl -j lookup tcp 192.0.2.9:1000 198.51.100.10:9001 |
	json "'%s %s' % (d['action'], d['reason'].startswith('frontend-maxconn'))")"
let_go conn
check "maxconn: all have ended" wait_until 20 sessions_are conn 0
check_equal "and lookup lets the next one in" forward \
	"$(ctl -j lookup tcp 192.0.2.9:1000 198.51.100.10:9001 | json "d['action']")"

in_ns client python3 "$CLIENT" rate 198.51.100.10 9002 3 192.0.2.1 >"$TOPOLOGY_DIR/rate.log"
check_equal "rate-limit: no more than the bucket and the time give" True \
	"$(result rate "10 <= d['open'] <= 10 + 20 * d['seconds'] + 1 or d")"
check_equal "rate-limit: the others were refused" "$(result rate "d['refused']")" \
	"$(stat rate refused)"

fill source 198.51.100.10 9003 4+3 192.0.2.1 192.0.2.2 192.0.2.3
check_equal "source-limit: so many from each address" 12 "$(result source "d['open']")"
check_equal "source-limit: those beyond are refused" "{'refused': 9}" \
	"$(result source "str(d['beyond'])")"
check_equal "source-limit: one ends, and the next is let in" True "$(result source "d['next']")"
check_equal "show top sources has them" \
	"[('192.0.2.1', 4), ('192.0.2.2', 4), ('192.0.2.3', 4)]" "$(top source)"
check "show top sources as a table" grep -q '^192.0.2.1 *source  *4  *4 ' <(ctl show top sources)
check_equal "lookup tells who is at the limit" "reject forward" \
	"$(for c in 1 9; do ctl -j lookup tcp 192.0.2.$c:1000 198.51.100.10:9003 |
		json "d['action']"; done | xargs)"

fill wide 198.51.100.10 9004 1+1 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6
check_equal "a network has so many together" 5 "$(result wide "d['open']")"
check_equal "on-limit drop: nobody is told" "{'silent': 6}" "$(result wide "str(d['beyond'])")"
check_equal "show top sources names the network" "[('192.0.2.0/24', 5)]" "$(top wide)"

fill udp --udp 198.51.100.10 9005 6+3 192.0.2.1
check_equal "UDP: so many flows" 6 "$(result udp "d['open']")"
check_equal "UDP: those beyond are told by ICMP" "{'refused': 3}" "$(result udp "str(d['beyond'])")"

fill six 2001:db8:10::10 9007 3+3 2001:db8:1::1 2001:db8:1::2
check_equal "IPv6: so many from each address" 6 "$(result six "d['open']")"
check_equal "IPv6: those beyond are refused" "{'refused': 6}" "$(result six "str(d['beyond'])")"
fill sixwide 2001:db8:10::10 9008 4+3 2001:db8:1::1 2001:db8:1::2
check_equal "IPv6: so many from a network" 7 "$(result sixwide "d['open']")"
check_equal "show top sources names it" "[('2001:db8:1::/64', 7)]" "$(top sixwide)"

# What is there when a limit comes is counted; its end makes room, and other limits' do not change.
fill later 198.51.100.10 9006 3+3 192.0.2.1 192.0.2.2
check_equal "without a limit all are let in" "6 {'open': 6}" \
	"$(result later "'%d %s' % (d['open'], d['beyond'])")"
edit "
for f in d['frontends']:
    if f['name'] == 'later':
        f.update({'maxconn': 12, 'source-limit': {'maxconn': 6}})
    if f['name'] == 'source':
        f['source-limit']['maxconn'] = 5
"
check "a reload brings limits" ctl reload
counted() { [ "$(top later)" = "[('192.0.2.1', 6), ('192.0.2.2', 6)]" ]; }
check "sessions from before are counted" wait_until 5 counted
check_equal "a new one is refused" reject \
	"$(ctl -j lookup tcp 192.0.2.3:1000 198.51.100.10:9006 | json "d['action']")"
check_equal "a limit that was raised lets another in, and remembers the others" \
	"[('192.0.2.1', 4), ('192.0.2.2', 4), ('192.0.2.3', 4)] forward" \
	"$(top source) $(ctl -j lookup tcp 192.0.2.1:1000 198.51.100.10:9003 | json "d['action']")"

check "both workers had flows" test "$(ctl -j show workers |
	json "all(w['flows_created'] > 10 for w in d)")" = True
check_equal "no network has lost its entry" 0 "$(ctl -j show workers |
	json "sum(w['sources_evicted'] for w in d)")"
for name in source wide udp six sixwide later; do
	let_go $name
done
for name in rate source wide udp six sixwide later; do
	check "$name: no session is left" wait_until 30 sessions_are $name 0
done
check_equal "no network has one" "[]" \
	"$(ctl -j show top sources 1000 | json "[r for r in d if r['sessions']]")"
check_equal "and all that was dropped was so by limits" "{}" "$(ctl -j show drops | json "{k: v
	for k, v in d.items() if v and k not in ('frontend-maxconn', 'rate-limit', 'source-maxconn')}")"
