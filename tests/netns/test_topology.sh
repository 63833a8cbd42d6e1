#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The test network by itself, with the balancer's namespace as a plain router: if this fails, the
# machine is at fault and no other test in this folder means anything.
. "$(dirname "$0")/lib.sh"

begin 2
udp_start 2
in_ns balancer sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
in_ns client ip route add 10.0.0.0/24 via 192.0.2.254
in_ns client ip route add 2001:db8:a::/64 via 2001:db8:1::fe

answer() {
	in_ns client curl -s -g -m 5 "$1"
}

check_equal "HTTP over IPv4" s1 "$(answer http://10.0.0.11:8080/)"
check_equal "HTTP over IPv6" s2 "$(answer "http://[2001:db8:a::12]:8080/")"

web_load v4 1 --host 10.0.0.11 --port 8080
wait "$LOAD_PID"
check_load "load over IPv4 from 240 addresses" v4 \
	"d['failed'] == 0 and set(d['servers']) == {'s1'} and len(d['sources']) == 240"
web_load v6 1 --host 2001:db8:a::12 --port 8080 --source 2001:db8:1::1
wait "$LOAD_PID"
check_load "load over IPv6" v6 "d['failed'] == 0 and set(d['servers']) == {'s2'}"
web_load udp 1 --udp --host 10.0.0.12 --port 5353
wait "$LOAD_PID"
check_load "UDP" udp "d['failed'] == 0 and set(d['servers']) == {'s2'}"

web_kill 1
check "a killed server refuses" not answer http://10.0.0.11:8080/
web_load down 1 --host 10.0.0.11 --port 8080
wait "$LOAD_PID"
check_load "and the load counts that" down "d['failed'] == d['requests'] > 0"
web_start 1
check_equal "it can be started again" 0 $?
check_equal "and answers" s1 "$(answer http://10.0.0.11:8080/)"
