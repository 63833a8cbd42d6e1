#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sends or receives a stream of bytes each of which is known, and says whether all were right.

    transfer.py receive --port 5001            answers each stream with a line: its length, or "wrong"
    transfer.py send --to 198.51.100.10:5001 --bytes 1G --from 192.0.2.1
"""

import argparse
import random
import selectors
import socket
import threading
import time

BLOCK = random.Random(5).randbytes(1 << 20) + bytes(7)  # odd: no offset is like another


def receive_one(connection):
    """Until the sender has said its end."""
    buffer = memoryview(bytearray(1 << 18))
    total = at = 0
    right = True
    expected = memoryview(BLOCK)
    with connection:
        while count := connection.recv_into(buffer):
            total += count
            start = 0
            while start < count and right:
                part = min(count - start, len(BLOCK) - at)
                right = buffer[start:start + part] == expected[at:at + part]
                start, at = start + part, (at + part) % len(BLOCK)
        if total:  # else it was a probe
            connection.sendall(b"%d\n" % total if right else b"wrong\n")


def receive(ports, both):
    selector = selectors.DefaultSelector()
    for port in ports:
        selector.register(socket.create_server(
            ("", port), backlog=512, dualstack_ipv6=both,
            family=socket.AF_INET6 if both else socket.AF_INET), selectors.EVENT_READ)
    print("listening", flush=True)
    while True:
        for key, _ in selector.select():
            threading.Thread(target=receive_one, args=(key.fileobj.accept()[0],),
                             daemon=True).start()


def ports_of(text):
    """Of "FIRST-LAST", or of one port."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def send(to, source, total):
    begun = time.monotonic()
    with socket.create_connection(to, timeout=60, source_address=(source, 0)) as connection:
        left = total
        while left > 0:
            connection.sendall(BLOCK[:left])
            left -= len(BLOCK)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile().readline().strip()
    seconds = time.monotonic() - begun
    return answer, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("do", choices=("send", "receive"))
    parser.add_argument("--port", type=ports_of, default=[5001], metavar="PORT[-PORT]")
    parser.add_argument("--family6", action="store_true", help="listens for IPv6 too")
    parser.add_argument("--to")
    parser.add_argument("--from", dest="source", default="")
    parser.add_argument("--bytes", type=int, default=1 << 30)
    parser.add_argument("--connections", type=int, default=1, help="one after the other")
    args = parser.parse_args()
    if args.do == "receive":
        receive(args.port, args.family6)
    host, port = args.to.rsplit(":", 1)
    for _ in range(args.connections):
        answer, seconds = send((host.strip("[]"), int(port)), args.source, args.bytes)
        if answer != str(args.bytes):
            raise SystemExit(f"of {args.bytes} bytes arrived: {answer or 'nothing was said'}")
    if args.connections == 1:
        print(f"{args.bytes} bytes, {args.bytes * 8 / seconds / 1e9:.2f} Gbit/s")


if __name__ == "__main__":
    main()
