#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Many connections at once, for test_stateless.sh.

  stateless.py serve PORT NAME
      Answers each line with its name. (For datagrams there is tools/lib/udp_echo.py.)
  stateless.py hold HOST PORT COUNT
      Opens so many connections, and as many UDP flows, and asks each for its server's name. At each
      line of its input, asks again, and says "round N: tcp S/O/L udp S/O/L": how many were answered
      by the same server as before, by another, and not at all.
"""

import socket
import sys
import threading

SECONDS = 1  # for an answer
UDP_TRIES = 2


def say(text):
    print(text, flush=True)


def echo(connection, name):
    try:
        while connection.recv(100):
            connection.sendall(name)
    except OSError:
        pass


def serve(port, name):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", int(port)))
    listener.listen(256)
    say("serving")
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection, name.encode()), daemon=True).start()


def ask(connection):
    """Who answers; "" if nobody does."""
    tries = UDP_TRIES if connection.type == socket.SOCK_DGRAM else 1
    for _ in range(tries):
        try:
            connection.sendall(b"?")
            return connection.recv(100).decode().split()[0]
        except (OSError, IndexError):
            continue
    return ""


def counts(seen):
    return "/".join(str(seen.count(what)) for what in ("same", "other", "lost"))


def hold(host, port, count):
    connections = []
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for _ in range(int(count)):
            connection = socket.socket(socket.AF_INET, kind)
            connection.settimeout(SECONDS)
            connection.connect((host, int(port)))
            connections.append(connection)
    servers = [ask(c) for c in connections]
    say(f"open: {len(connections)} at {len(set(servers))}, {servers.count('')} lost")
    for number, _ in enumerate(sys.stdin, 1):
        now = [ask(c) for c in connections]
        seen = ["lost" if not after else "same" if before == after else "other"
                for before, after in zip(servers, now)]
        tcp, udp = seen[:len(seen) // 2], seen[len(seen) // 2:]
        say(f"round {number}: tcp {counts(tcp)} udp {counts(udp)}")
        servers = now


if __name__ == "__main__":
    {"serve": serve, "hold": hold}[sys.argv[1]](*sys.argv[2:])
