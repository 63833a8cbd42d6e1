#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Hosts in VLANs, without the kernel's VLAN interfaces: UDP in tagged frames, sent and received raw.

ask: a client. Prints a JSON object: how many datagrams it has sent, how many of them were answered in
its own tags, and what came in others.
answer: a server for an address that no kernel has. Answers until it is stopped.
"""

import argparse
import json
import logging
import socket
import struct
import time

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

# pylint: disable=wrong-import-position
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.l2 import Dot1Q, Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
TP_STATUS_VLAN_VALID = 0x10


class Wire:
    """A raw socket on an interface. The kernel takes the outer tag off and tells of it beside."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.bind((interface, ETH_P_ALL))
        with open(f"/sys/class/net/{interface}/address", encoding="ascii") as file:
            self.mac = file.read().strip()

    def receive(self, timeout):
        """The next frame to this host, with all its tags, or None."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, ancillary, _, address = self.socket.recvmsg(65535, 256)
            except TimeoutError:
                return None
            if address[2] == PACKET_OUTGOING:
                continue
            for level, kind, value in ancillary:
                if level == SOL_PACKET and kind == PACKET_AUXDATA:
                    fields = struct.unpack_from("=IIIHHHH", value)
                    if fields[0] & TP_STATUS_VLAN_VALID:
                        tag = struct.pack("!HH", fields[6] or 0x8100, fields[5])
                        data = data[:12] + tag + data[12:]
            frame = Ether(data)
            if UDP in frame and frame.dst == self.mac:
                return frame
        return None

    def send(self, frame):
        self.socket.send(bytes(frame))


def tags_of(frame):
    ids, layer = [], frame.payload
    while isinstance(layer, Dot1Q):
        ids.append(layer.vlan)
        layer = layer.payload
    return ids


def tagged(frame, tags):
    for vlan in tags:
        frame = frame / Dot1Q(vlan=vlan)
    return frame


def ask(wire, args):
    answered, others = 0, []
    for i in range(args.count):
        data = b"%d in %r" % (i, args.tags)
        wire.send(tagged(Ether(src=wire.mac, dst=args.mac), args.tags) /
                  IP(src=args.source, dst=args.address) /
                  UDP(sport=20000 + i, dport=args.port) / Raw(data))
        reply = wire.receive(2)
        if reply is None:
            continue
        if tags_of(reply) == args.tags and bytes(reply[UDP].payload).endswith(data) and \
                reply[UDP].dport == 20000 + i:
            answered += 1
        else:
            others.append(reply.summary())
    print(json.dumps({"sent": args.count, "answered": answered, "others": others}))


def answer(wire, args):
    print("listening", flush=True)
    while True:
        frame = wire.receive(3600)
        if frame is None or tags_of(frame) != args.tags or frame[IP].dst != args.address:
            continue
        ip, udp = frame[IP], frame[UDP]
        wire.send(tagged(Ether(src=wire.mac, dst=frame.src), args.tags) /
                  IP(src=ip.dst, dst=ip.src) / UDP(sport=udp.dport, dport=udp.sport) /
                  Raw(b"tagged " + bytes(udp.payload)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("ask", "answer"))
    parser.add_argument("--interface", required=True)
    parser.add_argument("--address", required=True, help="the service's, or this server's own")
    parser.add_argument("--port", type=int, default=53)
    parser.add_argument("--source", default="192.0.2.1")
    parser.add_argument("--mac", help="the balancer's")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--tags", type=int, nargs="*", default=[], help="VLAN ids, the outer first")
    args = parser.parse_args()
    (ask if args.role == "ask" else answer)(Wire(args.interface), args)


if __name__ == "__main__":
    main()
