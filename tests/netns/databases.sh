# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Real databases in the first server's namespace, at 10.0.0.11: Redis (password "secret"), PostgreSQL and
# MariaDB, each with its own data directory and as its own user. Sourced behind lib.sh.
PATH=$PATH:$(printf '%s\n' /usr/lib/postgresql/*/bin | tail -n 1)

# as USER COMMAND ...: what it runs keeps its pid.
as() {
	local user=$1
	shift
	in_ns s1 setpriv --reuid="$user" --regid="$user" --clear-groups --reset-env "$@"
}

# start_as USER NAME COMMAND ...
start_as() {
	local user=$1 name=$2
	shift 2
	start_in s1 "$name" setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
}

postgres_start() {
	start_as postgres postgres "$(command -v postgres)" -D "$DATA/postgres" -c fsync=off \
		-c listen_addresses=10.0.0.11 -c unix_socket_directories="$DATA/postgres" \
		-c max_connections=8 -c superuser_reserved_connections=0 -c max_wal_senders=0 "$@"
	POSTGRES_PID=$STARTED
}

# As a standby that follows nobody until it is promoted.
postgres_standby() {
	touch "$DATA/postgres/standby.signal"
	postgres_start "$@"
}

postgres_promote() {
	touch "$DATA/postgres/promote"
	kill -USR1 "$POSTGRES_PID"
}

postgres_do() {
	in_ns s1 psql -h "$DATA/postgres" -U postgres -AtqXc "$1"
}

redis_do() {
	in_ns s1 redis-cli -h 10.0.0.11 --no-auth-warning -a secret "$@"
}

mysql_do() {
	in_ns s1 mariadb --no-defaults -S "$DATA/mysql/socket" -u root -N -e "$1"
}

# Creates and starts them all; sets POSTGRES_PID, REDIS_PID and MYSQL_PID.
databases_begin() {
	local user initdb

	DATA=$TOPOLOGY_DIR/data
	mkdir "$DATA"
	for user in redis postgres mysql; do
		mkdir "$DATA/$user" && chown $user: "$DATA/$user"
	done
	as postgres "$(command -v initdb)" -D "$DATA/postgres" --no-sync --locale=C -U postgres \
		--auth-local=trust --auth-host=scram-sha-256 >"$TOPOLOGY_DIR/initdb.log" 2>&1 &
	initdb=$!
	as mysql mariadb-install-db --no-defaults --datadir="$DATA/mysql" --skip-test-db \
		--auth-root-authentication-method=normal >"$TOPOLOGY_DIR/install-db.log" 2>&1
	check_equal "MariaDB's data directory is made" 0 $?
	wait "$initdb"
	check_equal "PostgreSQL's too" 0 $?
	printf 'host %s 10.0.0.1/32 %s\n' "shop probe" trust "all postgres,nobody" trust "all all" scram-sha-256 \
		>>"$DATA/postgres/pg_hba.conf"
	postgres_start
	start_as redis redis redis-server --bind 10.0.0.11 --requirepass secret --save "" \
		--dir "$DATA/redis" --lua-time-limit 100 --replica-serve-stale-data no \
		--enable-debug-command yes --loading-process-events-interval-bytes 1024
	REDIS_PID=$STARTED
	start_as mysql mysql mariadbd --no-defaults --datadir="$DATA/mysql" --bind-address=10.0.0.11 \
		--socket="$DATA/mysql/socket" --pid-file="$DATA/mysql/pid" --max-connections=10 \
		--connect-timeout=100 --skip-name-resolve --innodb-buffer-pool-size=16M
	MYSQL_PID=$STARTED
	# Not by asking: who asks too early makes a line in its log.
	check "PostgreSQL takes clients" wait_until 15 log_has postgres "ready to accept connections"
	check "and gets a user" postgres_do "CREATE ROLE probe LOGIN"
	check "and a database" postgres_do "CREATE DATABASE shop"
	check "MariaDB answers" wait_until 15 mysql_do "SELECT 1"
	check "and gets a user" mysql_do "CREATE USER probe@'10.0.0.%'; CREATE USER shut@'10.0.0.%'
		IDENTIFIED BY 'word'"
}
