#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A client that sends great UDP datagrams to the echo service, and says what came back.

Prints a JSON object: how many were sent, how many were answered with the very same bytes.
"""

import argparse
import json
import os
import random
import socket
import time



def fragments_of(source, service, data, number):
    """The datagram in fragments, as scapy makes them, in another order than they should have."""
    from scapy.layers.inet import IP, UDP, fragment
    from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
    from scapy.packet import Raw

    udp = UDP(sport=source[1], dport=service[1]) / Raw(data)
    if ":" in service[0]:
        whole = IPv6(src=source[0], dst=service[0]) / IPv6ExtHdrFragment(id=number) / udp
        pieces = fragment6(whole, 1280)
    else:
        pieces = fragment(IP(src=source[0], dst=service[0], id=number & 0xffff) / udp, 1400)
    frames = [bytes(piece) for piece in pieces]
    if number % 3 == 0:
        frames.reverse()
    else:
        random.Random(number).shuffle(frames)
    return frames


class Wire:
    """Sends IP packets out of an interface to a MAC address."""

    def __init__(self, interface, mac):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.bind((interface, 0))
        with open(f"/sys/class/net/{interface}/address", encoding="ascii") as file:
            own = file.read()
        self.macs = bytes.fromhex((mac + own).replace(":", "").strip())

    def send(self, packet):
        ethertype = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
        self.socket.send(self.macs + ethertype + packet)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", required=True)
    parser.add_argument("--port", type=int, default=53)
    parser.add_argument("--source", required=True)
    parser.add_argument("--sizes", default="4000,9000,20000,40000,60000")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--shuffle", metavar="MAC", help="out of order, by this router")
    parser.add_argument("--interface", default="c0")
    parser.add_argument("--only-later", action="store_true", help="leaves the first ones out")
    args = parser.parse_args()

    family = socket.AF_INET6 if ":" in args.service else socket.AF_INET
    wire = Wire(args.interface, args.shuffle) if args.shuffle else None
    sent = answered = 0
    servers = set()
    for i in range(args.rounds):
        for size in map(int, args.sizes.split(",")):
            sent += 1
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.bind((args.source, 0))
                sock.settimeout(0.2 if args.only_later else 3)
                data = os.urandom(size)
                if wire:
                    pieces = fragments_of(sock.getsockname(), (args.service, args.port), data,
                                          1000 * i + size // 1000)
                    for piece in pieces:
                        first = piece[6] & 0x1f == piece[7] == 0 if piece[0] >> 4 == 4 \
                            else piece[42] == 0 and piece[43] & 0xf8 == 0
                        if not (args.only_later and first):
                            wire.send(piece)
                            time.sleep(0.0005)
                else:
                    sock.sendto(data, (args.service, args.port))
                try:
                    server, _, echoed = sock.recv(65535).partition(b" ")
                except TimeoutError:
                    continue
                servers.add(server.decode())
                answered += echoed == data
    print(json.dumps({"sent": sent, "answered": answered, "servers": sorted(servers)}))


if __name__ == "__main__":
    main()
