# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What checks come to, in the words of show servers. Sourced behind lib.sh; each backend has one server.

# result BACKEND: its server's state, and what its last probe came to.
result() {
	ctl -j show servers | json "[' '.join((s['state'], s['check_status'], str(s['check_code'])))
		for s in d if s['backend'] == '$1'][0]"
}

result_is() {
	[ "$(result "$1")" = "$2" ]
}

# comes TEXT BACKEND RESULT [WORDS]: the words are in its line of show servers.
comes() {
	wait_until 5 result_is "$2" "$3"
	check_equal "$1" "$3" "$(result "$2")"
	[ -z "${4:-}" ] || check "and says so" grep -q -- "$4" <(ctl show servers | grep "^$2 ")
}
