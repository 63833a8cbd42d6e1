# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# For the tests in here: a directory that goes away, and a check that counts. Sourced; `exit $FAILED`.

. "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib/setup.sh"

if [ "$(id -u)" != 0 ]; then
	echo "skip  $(basename "$0"): needs root"
	exit 0
fi
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
FAILED=0

# check TEXT COMMAND ...
check() {
	local text=$1 output
	shift
	if output=$("$@" 2>&1); then
		echo "ok    $text"
	else
		printf 'FAIL  %s\n%s\n' "$text" "$output"
		FAILED=1
	fi
}
