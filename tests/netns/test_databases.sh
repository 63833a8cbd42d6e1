#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Checks of real databases, well and ill: Redis, PostgreSQL and MariaDB.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/checks.sh"
. "$(dirname "$0")/databases.sh"

begin 1
databases_begin

# hold COUNT ADDRESS [BYTES]: so many connections; HOLDER is who has them. One that the server has no
# room for, as a probe has it just then, is tried again.
cat >"$TOPOLOGY_DIR/hold.py" <<'END'
import socket, sys, time
count, address, data = int(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3])
held = []
while len(held) < count:
    if address[0] == "/":
        s = socket.socket(socket.AF_UNIX)
        s.connect(address)
    else:
        host, port = address.split(":")
        s = socket.create_connection((host, int(port)))
    s.sendall(data)
    answer = s.recv(4096)
    if answer[:1] in (b"", b"E") or answer[4:5] == b"\xff":
        s.close()
        time.sleep(0.01)
    else:
        held.append(s)
time.sleep(60)
END
hold() {
	start_in s1 hold python3 "$TOPOLOGY_DIR/hold.py" "$1" "$2" "${3:-}"
	HOLDER=$STARTED
}

edit "
d['defaults']['check'] = {'inter': '200ms', 'timeout': '200ms', 'fall': 2, 'rise': 1}
d['frontends'], d['backends'] = [], []
def add(name, port, check):
    d['frontends'].append({'name': name, 'bind': '198.51.100.10:%d' % (9000 + len(d['frontends'])),
                           'default-backend': name})
    d['backends'].append({'name': name, 'servers': [
        {'name': 's', 'address': '10.0.0.11:%d' % port, 'check': {**check, 'type': name.split('-')[0]}}]})
add('redis', 6379, {'password': 'secret'})
add('redis-user', 6379, {'user': 'default', 'password': 'secret'})
add('redis-wrong', 6379, {'password': 'guess'})
add('redis-none', 6379, {})
add('tcp-master', 6379, {'send': 'AUTH secret\\r\\nINFO replication\\r\\nQUIT\\r\\n', 'expect': 'role:master\\r\\n'})
add('redis-other', 8080, {})
add('postgres', 5432, {})
add('postgres-trust', 5432, {'user': 'postgres'})
add('postgres-writable', 5432, {'user': 'probe', 'database': 'shop', 'writable': True})
add('postgres-other', 8080, {'user': 'postgres', 'database': 'shop'})
add('mysql', 3306, {'user': 'probe'})
add('mysql-writable', 3306, {'user': 'probe', 'writable': True})
add('mysql-other', 5432, {})
"
balancer_start redis/s redis-user/s postgres/s mysql/s || exit 1

comes "redis: PONG, with a password" redis "up L7OK 0"
comes "with a wrong one" redis-wrong "down L7STS 0" "AUTH: WRONGPASS"
comes "without one" redis-none "down L7STS 0" "PING: NOAUTH"
comes "a server that is no Redis" redis-other "down L7RSP 0"
in_ns s1 timeout 10 redis-cli -h 10.0.0.11 --no-auth-warning -a secret \
	EVAL "while true do end" 0 >/dev/null 2>&1 &
EVAL=$!
comes "busy with a script" redis "down L7STS 0" "PING: BUSY Redis is busy"
redis_do SCRIPT KILL >/dev/null
wait "$EVAL"
comes "is over it" redis "up L7OK 0"
comes "says that it is the master" tcp-master "up L7OK 0"
redis_do REPLICAOF 10.0.0.11 1 >/dev/null
comes "says that it is not" tcp-master "down L7RSP 0"
comes "has lost its master" redis "down L7STS 0" "PING: MASTERDOWN"
redis_do REPLICAOF NO ONE >/dev/null
comes "is its own master" redis "up L7OK 0"
comes "and says so" tcp-master "up L7OK 0"
redis_do DEBUG POPULATE 1000 >/dev/null
redis_do CONFIG SET key-load-delay 1000 >/dev/null
redis_do DEBUG RELOAD >/dev/null &
RELOAD=$!
comes "is loading" redis "down L7STS 0" "PING: LOADING Redis is loading"
wait "$RELOAD"
comes "has loaded" redis "up L7OK 0"
hold 40 10.0.0.11:6379 50494e470d0a
check "forty clients are held" wait_until 5 eval \
	'[ "$(redis_do CLIENT LIST | wc -l)" -gt 40 ]'
redis_do CONFIG SET maxclients 40 >/dev/null
comes "as many clients as it takes" redis "down L7STS 0" "max number of clients"
stop_started "$HOLDER"
comes "fewer" redis "up L7OK 0"

comes "postgres: asks for a password" postgres "up L7OK 0"
comes "lets the probe in" postgres-trust "up L7OK 0"
comes "a server that is no PostgreSQL" postgres-other "down L7RSP 0"
comes "takes writes" postgres-writable "up L7OK 0"
postgres_do "ALTER SYSTEM SET default_transaction_read_only = on"
postgres_do "SELECT pg_reload_conf()" >/dev/null
comes "takes none" postgres-writable "down L7STS 0" "read-only: default_transaction_read_only is on"
comes "which nobody else has asked for" postgres-trust "up L7OK 0"
postgres_do "ALTER SYSTEM RESET default_transaction_read_only"
postgres_do "SELECT pg_reload_conf()" >/dev/null
comes "takes them again" postgres-writable "up L7OK 0"
# sessions: how many there were, and how many ended otherwise than by Terminate
sessions() {
	postgres_do "SELECT sessions >= 5, sessions_abandoned + sessions_fatal + sessions_killed
		FROM pg_stat_database WHERE datname = 'shop'"
}
wait_until 5 eval '[ "$(sessions)" = "t|0" ]'
check_equal "its sessions have all ended as they should" "t|0" "$(sessions)"
check "its log has no line of a probe" not log_has postgres "FATAL\|WARNING\|connection received\|EOF\|reset by peer"
hold 8 "$DATA/postgres/.s.PGSQL.5432" \
	00000017000300007573657200706f7374677265730000
comes "postgres: as many clients as it takes" postgres "down L7STS 0" "SQLSTATE 53300: sorry"
stop_started "$HOLDER"
comes "postgres: fewer" postgres "up L7OK 0"
stop_started "$POSTGRES_PID"
comes "postgres: shut down" postgres "down L4CON 0"
postgres_standby -c hot_standby=off
comes "postgres: recovering" postgres "down L7STS 0" "SQLSTATE 57P03: the database system is"
comes "and so" postgres-writable "down L7STS 0" "SQLSTATE 57P03: the database system is"
postgres_promote
comes "postgres: takes over" postgres "up L7OK 0"
comes "and writes" postgres-writable "up L7OK 0"
stop_started "$POSTGRES_PID"
postgres_standby
comes "postgres: a hot standby" postgres-writable "down L7STS 0" "read-only: in_hot_standby is on"
comes "which takes clients" postgres "up L7OK 0"
postgres_promote
comes "postgres: takes over from there" postgres-writable "up L7OK 0"
check "a standby's log has no line of a probe" not log_has postgres "connection received\|EOF\|reset by peer"
edit "
for b in d['backends']:
    if b['name'] == 'postgres':
        b['servers'][0]['check']['user'] = 'nobody'
    if b['name'] == 'postgres-trust':
        b['servers'][0]['check']['database'] = 'lost'
    if b['name'] == 'postgres-writable':
        b['servers'][0]['check']['user'] = 'other'
    if b['name'] == 'postgres-other':
        b['servers'][0]['address'] = '10.0.0.11:5432'
        b['servers'][0]['check'].update(user='nobody', writable=True)"
check "a reload" ctl reload
check "asks for a user that there is not" wait_until 5 log_has postgres 'role "nobody" does not exist'
check "and for a database that there is not" wait_until 5 log_has postgres 'database "lost" does not'
comes "postgres: is up all the same" postgres "up L7OK 0"
comes "and so" postgres-trust "up L7OK 0"
comes "but who has no password does not learn of writes" postgres-writable "down L7STS 0" "wants a password"
check "which makes a line in the log" wait_until 5 log_has postgres "expected SASL response"
comes "nor who is not there" postgres-other "down L7STS 0" 'SQLSTATE 28000: role "nobody" does not exist'

comes "mysql: a login" mysql "up L7OK 0"
comes "a server that is no MySQL" mysql-other "down L7TOUT 0"
comes "mysql: takes writes" mysql-writable "up L7OK 0"
mysql_do "SET GLOBAL read_only = 1"
comes "takes none" mysql-writable "down L7STS 0" "read-only: read_only is 1"
comes "which nobody else has asked for" mysql "up L7OK 0"
mysql_do "SET GLOBAL read_only = 0"
comes "takes them again" mysql-writable "up L7OK 0"
check_equal "MariaDB counts no client that left early" "Aborted_clients	0 Aborted_connects	0" \
	"$(mysql_do "SHOW GLOBAL STATUS WHERE Variable_name IN ('Aborted_clients', 'Aborted_connects')" |
		paste -sd " ")"
check_equal "and no errors of connections" 0 "$(mysql_do "SELECT SUM(VARIABLE_VALUE)
	FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME LIKE 'Connection_errors_%'")"
check "and its log has no line of a probe" not log_has mysql "Aborted\|probe\|10.0.0.1[^1]"
hold 11 10.0.0.11:3306
comes "mysql: as many clients as it takes" mysql "down L7STS 1040" "error 1040: Too many connections"
stop_started "$HOLDER"
comes "mysql: fewer" mysql "up L7OK 0"
edit "
for b in d['backends']:
    if b['name'] in ('mysql', 'mysql-writable'):
        b['servers'][0]['check']['user'] = 'shut'
    if b['name'] == 'mysql-other':
        b['servers'][0]['address'] = '10.0.0.11:3306'"
check "a reload" ctl reload
comes "mysql: a user with a password" mysql "down L7STS 1045" "error 1045: Access denied"
comes "and so" mysql-writable "down L7STS 1045" "error 1045: Access denied"
comes "mysql: without a user the greeting will do" mysql-other "up L7OK 0"
stop_started "$MYSQL_PID"
comes "mysql: shut down" mysql "down L4CON 0"
