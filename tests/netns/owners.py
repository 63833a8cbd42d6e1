#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A client of one forwarding mode, for test_owners.sh: TCP connections, UDP datagrams whole and in
fragments, and in the midst of each an ICMP error about what the server has answered, made by hand as
a router or the client's own host would send it.

Prints a JSON object: the flows that there must be, the errors sent, and what went wrong.
"""

import argparse
import collections
import ipaddress
import json
import os
import socket
import struct

from transfer import BLOCK, ports_of

TCP, UDP = 6, 17
SIZES = (20, 1400, 4000, 9000)
TCP_BYTES = 3000
TRIES = 5
FIRST_PORT = 20000  # each but once, so that there are as many flows


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Errors:
    """Sends "host unreachable" about TCP and "port unreachable" about UDP, with the inner header and
    as little as 8 bytes of what is behind it."""

    def __init__(self, source, service):
        self.source = ipaddress.ip_address(source).packed
        self.service = ipaddress.ip_address(service)
        self.v6 = self.service.version == 6
        family = socket.AF_INET6 if self.v6 else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_RAW,
                                    socket.IPPROTO_ICMPV6 if self.v6 else socket.IPPROTO_ICMP)
        self.socket.bind((source, 0))
        self.sent = 0

    def about(self, protocol, service_port, client_port):
        l4 = struct.pack("!HHHH", service_port, client_port, 60 if protocol == UDP else 0, 0)
        ends = self.service.packed + self.source
        if self.v6:
            inner = struct.pack("!IHBB", 6 << 28, 60, protocol, 60) + ends + l4
            message = struct.pack("!BBHI", 1, 4 if protocol == UDP else 3, 0, 0)  # the kernel sums
        else:
            header = struct.pack("!BBHHHBBH", 0x45, 0, 80, self.sent & 0xffff, 0, 60, protocol, 0)
            header = header[:10] + struct.pack("!H", checksum(header + ends)) + ends
            inner = header + l4
            message = struct.pack("!BBHI", 3, 3 if protocol == UDP else 1, 0, 0)
            message = message[:2] + struct.pack("!H", checksum(message + inner)) + message[4:]
        self.socket.sendto(message + inner, (str(self.service), 0))
        self.sent += 1


def connection(errors, to, end):
    """One TCP connection, with an error about it in its middle."""
    with socket.create_connection(to, timeout=30, source_address=end) as s:
        s.sendall(BLOCK[:TCP_BYTES // 2])
        errors.about(TCP, to[1], end[1])
        s.sendall(BLOCK[TCP_BYTES // 2:TCP_BYTES])
        s.shutdown(socket.SHUT_WR)
        answer = s.makefile().readline().strip()
    return answer == str(TCP_BYTES)


def exchanged(s, data, to):
    """Sends it until it is answered, as networks under load lose some."""
    for _ in range(TRIES):
        s.sendto(data, to)
        try:
            while s.recv(65535).partition(b" ")[2] != data:
                pass  # an answer that is late
            return True
        except TimeoutError:
            continue
    return False


def datagrams(errors, to, end):
    """One UDP flow: of each size one, and errors between them."""
    family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.bind(end)
        for size in SIZES:
            if not exchanged(s, os.urandom(size), to):
                return False
            errors.about(UDP, to[1], end[1])
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", required=True, metavar="ADDRESS")
    parser.add_argument("--tcp", type=ports_of, required=True)
    parser.add_argument("--udp", type=ports_of, required=True)
    parser.add_argument("--from", dest="source", required=True)
    parser.add_argument("--count", type=int, default=100)
    args = parser.parse_args()

    errors = Errors(args.source, args.to)
    wrong = collections.Counter()
    for i in range(args.count):
        for name, flow, ports in (("tcp", connection, args.tcp), ("udp", datagrams, args.udp)):
            try:
                if not flow(errors, (args.to, ports[i % len(ports)]),
                            (args.source, FIRST_PORT + i)):
                    wrong[name + " answered wrongly"] += 1
            except OSError as error:
                wrong[f"{name} {type(error).__name__}"] += 1
    print(json.dumps({"flows": 2 * args.count, "errors": errors.sent, "wrong": wrong}))


if __name__ == "__main__":
    main()
