#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Clients and a server for test_limits.sh. Each command prints one line of JSON.

  limits.py serve PORT
      Echoes over TCP and UDP, until it is killed.
  limits.py fill [--udp] HOST PORT COUNT+BEYOND SOURCE ...
      Opens COUNT sessions from each source and keeps them, tries BEYOND more from each, closes one
      of each and tries until one is let in for it. Says how many were "open", what became of those
      beyond ("beyond"), and whether the next one was let in ("next"). Waits for a line on its
      standard input before the end, which is when it says "held" in a line of its own.
  limits.py rate HOST PORT SECONDS SOURCE
      Connects as often as it can: how many were "open", how many "refused", in how many "seconds".
"""

import errno
import json
import select
import socket
import sys
import threading
import time

PATIENCE = 1.5


def say(what):
    print(json.dumps(what), flush=True)


def family_of(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def echo(connection):
    with connection:
        try:
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            pass


def echo_udp(port):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::", port))
    while True:
        data, peer = sock.recvfrom(4096)
        sock.sendto(data, peer)


def serve(port):
    port = int(port)
    threading.Thread(target=echo_udp, args=(port,), daemon=True).start()
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::", port))
    listener.listen(256)
    while True:
        threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()


def session(host, port, source, kind):
    """A socket that has been answered; or why there is none: "refused" or "silent"."""
    sock = socket.socket(family_of(host), kind)
    sock.settimeout(PATIENCE)
    try:
        sock.bind((source, 0))
        sock.connect((host, port))
        sock.send(b"hello")
        if sock.recv(100) == b"hello":
            return sock, None
    except socket.timeout:
        sock.close()
        return None, "silent"
    except OSError as error:
        sock.close()
        if error.errno != errno.ECONNREFUSED:
            raise
        return None, "refused"
    sock.close()
    return None, "closed"


def next_in(host, port, source, kind):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        sock, _ = session(host, port, source, kind)
        if sock:
            return sock
        time.sleep(0.1)
    return None


def fill(arguments):
    kind = socket.SOCK_STREAM
    if arguments[0] == "--udp":
        kind = socket.SOCK_DGRAM
        arguments = arguments[1:]
    host, port, sources = arguments[0], int(arguments[1]), arguments[3:]
    count, more = (int(number) for number in arguments[2].split("+"))
    kept = {source: [] for source in sources}
    beyond = {}
    for _ in range(count):
        for source in sources:
            sock, _ = session(host, port, source, kind)
            if sock:
                kept[source].append(sock)
    opened = sum(len(socks) for socks in kept.values())
    for source in sources:
        for _ in range(more):
            sock, why = session(host, port, source, kind)
            why = why or "open"
            beyond[why] = beyond.get(why, 0) + 1
            if sock:
                kept[source].append(sock)
    let_in = True
    for source in sources:
        if kind == socket.SOCK_DGRAM or not kept[source]:
            continue
        kept[source].pop().close()
        sock = next_in(host, port, source, kind)
        let_in = let_in and sock is not None
        kept[source].append(sock)
    say({"open": opened, "beyond": beyond, "next": let_in})
    print("held", flush=True)
    select.select([sys.stdin], [], [], 300)


def rate(host, port, seconds, source):
    begin = time.monotonic()
    result = {"open": 0, "refused": 0}
    while time.monotonic() < begin + float(seconds):
        sock, why = session(host, int(port), source, socket.SOCK_STREAM)
        result[why or "open"] = result.get(why or "open", 0) + 1
        if sock:
            sock.close()
    result["seconds"] = time.monotonic() - begin
    say(result)


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "serve":
        serve(*arguments)
    elif command == "fill":
        fill(arguments)
    elif command == "rate":
        rate(*arguments)


main()
