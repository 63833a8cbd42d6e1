#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Ends of long TCP connections, for test_lifetimes.sh.

  lifetimes.py serve PORT
      Echoes. A connection that says "reset" is closed by an RST. Prints how each one ended, as
      "CLIENT-PORT reset" or "CLIENT-PORT closed".
  lifetimes.py hold HOST PORT LOCAL-PORT [talk]
      Opens a connection and keeps it, silent, or saying something every half second. Prints "open",
      and how it ended: "reset" or "closed". SIGUSR1: says something and prints "answered".
      SIGUSR2: ends it by an RST. SIGHUP: asks the server to.
  lifetimes.py forge SOURCE SOURCE-PORT DESTINATION DESTINATION-PORT
      Sends twenty RSTs with random sequence numbers that are nobody's.
"""

import logging
import random
import signal
import socket
import struct
import sys
import threading
import time

LINGER_RESET = struct.pack("ii", 1, 0)


def say(text):
    print(text, flush=True)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    connection.close()


def echo(connection, port):
    end = "closed"
    try:
        while data := connection.recv(4096):
            if data.startswith(b"reset"):
                reset(connection)
                end = "left"
                break
            connection.sendall(data)
    except OSError:
        end = "reset"
    say(f"{port} {end}")


def serve(port):
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", int(port)))
    listener.listen(64)
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=echo, args=(connection, peer[1]), daemon=True).start()


def hold(host, port, local_port, talk=None):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    connection = socket.socket(family)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.bind(("", int(local_port)))
    connection.connect((host, int(port)))
    connection.sendall(b"hello")
    connection.recv(100)
    say("open")

    def leave(_signal, _frame):
        reset(connection)
        say("left")
        sys.exit(0)

    signal.signal(signal.SIGUSR1, lambda _signal, _frame: connection.sendall(b"speak"))
    signal.signal(signal.SIGUSR2, leave)
    signal.signal(signal.SIGHUP, lambda _signal, _frame: connection.sendall(b"reset"))
    if talk:
        def talker():
            while True:
                time.sleep(0.5)
                connection.sendall(b"talk")
        threading.Thread(target=talker, daemon=True).start()
    try:
        while data := connection.recv(100):
            if b"speak" in data:
                say("answered")
        say("closed")
    except OSError:
        say("reset")


def forge(source, source_port, destination, destination_port):
    logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
    # pylint: disable=import-outside-toplevel
    from scapy.layers.inet import IP, TCP
    from scapy.sendrecv import send

    send([IP(src=source, dst=destination) /
          TCP(sport=int(source_port), dport=int(destination_port), flags=flags,
              seq=random.getrandbits(32), ack=random.getrandbits(32))
          for flags in ("R", "RA") for _ in range(10)], verbose=False)


if __name__ == "__main__":
    {"serve": serve, "hold": hold, "forge": forge}[sys.argv[1]](*sys.argv[2:])
