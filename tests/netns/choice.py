#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Clients for test_choice.sh, which count what becomes of new connections.

  choice.py tcp HOST PORT COUNT [SOURCE ...]
      Opens that many connections, from the sources in turn, asks each for its server's name, and
      holds those that are open until SIGTERM. Prints a JSON object {"servers": {name: connections},
      "refused": n, "silent": n, "by": {source: [names]}} when all have been tried.
  choice.py udp HOST PORT COUNT
      The same with datagrams, each from a socket of its own; nothing is held.
"""

import collections
import json
import signal
import socket
import sys

SILENCE = 3  # seconds


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def name_of(connection, udp):
    connection.sendall(b"name?" if udp else b"GET / HTTP/1.1\r\nHost: choice\r\n\r\n")
    return connection.recv(1000).split(b"\r\n\r\n")[-1].split()[0].decode()


def main():
    kind, host, port, count, *sources = sys.argv[1:]
    udp = kind == "udp"
    result = {"servers": collections.Counter(), "refused": 0, "silent": 0,
              "by": collections.defaultdict(list)}
    held = []
    for i in range(int(count)):
        source = sources[i % len(sources)] if sources else None
        connection = socket.socket(family(host), socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        connection.settimeout(SILENCE)
        try:
            if source:
                connection.bind((source, 0))
            connection.connect((host, int(port)))
            name = name_of(connection, udp)
        except ConnectionRefusedError:
            result["refused"] += 1
            continue
        except TimeoutError:
            result["silent"] += 1
            continue
        result["servers"][name] += 1
        result["by"][source or ""].append(name)
        if not udp:
            held.append(connection)
    print(json.dumps(result), flush=True)
    if held:
        signal.sigwait([signal.SIGTERM])


signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
main()
