#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Reloads under traffic; what stays keeps its state; what is wrong is refused and changes nothing.
. "$(dirname "$0")/lib.sh"

begin 4
balancer_start app/s1 app/s2 app/s3 || exit 1

servers_are() {
	[ "$(ctl -j show servers | json "[s['server'] for s in d if s['backend'] == 'app']")" = "$1" ]
}
# access_to_s3 COUNT: nginx is sending to so many clients, at least.
access_to_s3() {
	[ "$(in_ns s3 ss -Htn state established "sport = :$WEB_PORT" | wc -l)" -ge "$1" ]
}

check "drain s1" ctl set server app/s1 state drain
check "weight of s2" ctl set server app/s2 weight 99
web_load reload 5
sleep 0.5
for i in $(seq 20); do
	edit "d['backends'][0]['servers'][2]['weight'] = 30 + $i"
	ctl reload >/dev/null || check "reload $i" false
done
edit "d['backends'][0]['servers'].append({'name': 's4', 'address': '10.0.0.14:8080', 'weight': 30})"
check "a reload that adds a server" ctl reload
check "it comes up" wait_until 5 server_is app/s4 up
wait "$LOAD_PID"
check_load "21 reloads: no request failed" reload "d['failed'] == 0 and d['requests'] > 500"
check "drain is kept" server_is app/s1 drain
check "the weight set by command is kept" test "$(ctl -j show servers |
	json "[s['weight'] for s in d if s['backend'] == 'app' and s['server'] == 's2'][0]")" = 99
check "SIGHUP reloads too" kill -HUP "$CONTROL_PID"

sleep 0.5
before=$(generation)
cp "$CONFIG" "$CONFIG.good"
web_load refused 4
for bad in "d['backends'][0]['servers'][0]['weight'] = 1000" "d['frontends'][0]['bind'] = 'x'" \
	"d['frontends'][1]['default-backend'] = 'nobody'" "d['surprise'] = 1"; do
	cp "$CONFIG.good" "$CONFIG"
	edit "$bad"
	check "refused: $bad" not ctl reload
done
printf '{ "frontends": [' >"$CONFIG"
check "refused: a file cut short" not ctl reload
rm "$CONFIG"
check "refused: no file" not ctl reload
cp "$CONFIG.good" "$CONFIG"
wait "$LOAD_PID"
check_load "bad files: no request failed" refused "d['failed'] == 0"
check "and nothing was sent to the workers" test "$(generation)" = "$before"
check "shuntctl says where the error is" sh -c \
	"printf '{\"frontends\": 7}' >'$TOPOLOGY_DIR/bad.json'; '$SHUNT_BUILD/tools/shuntctl' check '$TOPOLOGY_DIR/bad.json' 2>&1 | grep -F '\$.frontends'"

# s3 is removed while it is busy: with requests of the load, and with downloads of eight seconds.
clients=() downloads=()
for n in $(seq 100 180); do
	[ "$(ctl -j lookup tcp "192.0.2.$n:40000" 198.51.100.10:80 | json "d['server']")" = s3 ] || continue
	clients+=("192.0.2.$n")
	[ "${#clients[@]}" -lt 6 ] || break
done
check_equal "clients of s3 were found" 6 "${#clients[@]}"
for client in "${clients[@]}"; do
	start_in client "big-$client" curl -s --max-time 30 --interface "$client" --local-port 40000 \
		-w "%{http_code} %{size_download}\n" -o /dev/null http://198.51.100.10/big
	downloads+=("$STARTED")
done
web_load removal 3
check "they download from it" wait_until 5 access_to_s3 6
edit "d['backends'][0]['servers'].pop(2)"
check "a reload that removes a busy server" ctl reload
check "it is shown as removed" server_is app/s3 removed
check "a command to it is refused" not ctl set server app/s3 state ready
check_equal "lookup finds a download's server" s3 \
	"$(ctl -j lookup tcp "${clients[0]}:40000" 198.51.100.10:80 | json "d['server']")"
wait "$LOAD_PID"
check_load "no request failed meanwhile" removal "d['failed'] == 0 and d['requests'] > 200"
web_load after 1
stop_pid "$CONTROL_PID" KILL
control_start "$CONFIG"
wait "$LOAD_PID"
check_load "it gets no new connections" after "d['failed'] == 0 and 's3' not in d['servers']"
check "a restart of shunt-control keeps it" server_is app/s3 removed
for download in "${downloads[@]}"; do wait "$download"; done
check_equal "every download from it arrives whole" "200 8000000" \
	"$(sort -u "$TOPOLOGY_DIR"/big-*.log)"
check "then it is gone" wait_until 5 servers_are '["s1", "s2", "s4"]'
