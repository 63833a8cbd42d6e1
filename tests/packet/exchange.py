# SPDX-License-Identifier: BSD-3-Clause
"""Packets of clients and servers, and what has to become of them, as scapy works it out.

An expected frame is the sent one dissected by scapy, changed in its fields, its checksums deleted
and built again: no arithmetic of Shunt's is repeated here.
"""

import collections
import dataclasses
import logging
import socket
import struct

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

# pylint: disable=wrong-import-position
from scapy.layers.inet import IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

from harness import PORT_MACS, Run, backend, frontend, server_mac  # noqa: E402

ROUTER = "02:c1:00:00:00:01"  # where clients' packets come from, and their replies go to


@dataclasses.dataclass(frozen=True)
class Kind:
    """A service with one server, so that it is known where a packet goes."""

    name: str
    version: int
    l4: type
    address: str
    port: int
    server: str
    server_port: int

    @property
    def ip(self):
        return IP if self.version == 4 else IPv6

    @property
    def protocol(self):
        return "tcp" if self.l4 is TCP else "udp"

    def endpoint(self, address, port):
        return f"{address}:{port}" if self.version == 4 else f"[{address}]:{port}"


TCP4 = Kind("tcp4", 4, TCP, "198.51.100.10", 80, "10.99.0.1", 8080)
UDP4 = Kind("udp4", 4, UDP, "198.51.100.10", 53, "10.99.0.2", 5353)
TCP6 = Kind("tcp6", 6, TCP, "2001:db8:1::10", 80, "2001:db8:a::1", 8080)
UDP6 = Kind("udp6", 6, UDP, "2001:db8:1::10", 53, "2001:db8:a::2", 5353)
KINDS = (TCP4, UDP4, TCP6, UDP6)


def kinds_config():
    """The configuration of all kinds: frontend, backend and server "NAME", "NAME", "s1"."""
    return {
        "frontends": [frontend(k.name, k.endpoint(k.address, k.port), k.name, k.protocol)
                      for k in KINDS],
        "backends": [backend(k.name, k.endpoint(k.server, k.server_port)) for k in KINDS],
    }


def packet(kind, source, destination, macs=(ROUTER, PORT_MACS["wan"]), ttl=64, ip=None, ext=(),
           l4=None, payload=b""):
    """source, destination: (address, port); ip, l4: fields; ext: layers between the two."""
    life = {"ttl": ttl} if kind.version == 4 else {"hlim": ttl}
    p = Ether(src=macs[0], dst=macs[1])
    p /= kind.ip(src=source[0], dst=destination[0], **life, **(ip or {}))
    for layer in ext:
        p /= layer
    p /= kind.l4(sport=source[1], dport=destination[1], **(l4 or {}))
    return p / Raw(payload) if payload else p


def rewritten(frame, macs, source=None, destination=None):
    """The frame after one hop of routing, with the source or the destination changed."""
    p = Ether(frame)
    p.src, p.dst = macs
    ip = p[IP] if IP in p else p[IPv6]
    l4 = p[TCP] if TCP in p else p[UDP]
    if IP in p:
        ip.ttl -= 1
        del ip.chksum
    else:
        ip.hlim -= 1
    if source:
        ip.src, l4.sport = source
    if destination:
        ip.dst, l4.dport = destination
    if not (UDP in p and l4.chksum == 0):
        del l4.chksum
    return bytes(p)


def with_bytes(frame, at, new):
    """The frame with some bytes replaced, and the IPv4 header checksum put right again."""
    frame = bytearray(bytes(frame))
    frame[at:at + len(new)] = new
    if frame[12:14] == b"\x08\x00":
        header_bytes = (frame[14] & 15) * 4
        frame[24:26] = b"\0\0"
        header = bytes(frame[14:14 + header_bytes])
        total = sum(struct.unpack(f"!{len(header) // 2}H", header))
        total = (total & 0xffff) + (total >> 16)
        total = (total & 0xffff) + (total >> 16)
        frame[24:26] = (~total & 0xffff).to_bytes(2, "big")
    return bytes(frame)


def flow_of(frame):
    """Source, its port, destination, its port, and protocol of a good frame. Of a fragment: its
    datagram, by the same without ports, and the id."""
    if frame[12:14] == b"\x08\x00":
        family, source, size, protocol = socket.AF_INET, 26, 4, frame[23]
        l4 = 14 + (frame[14] & 15) * 4
        if (frame[20] << 8 | frame[21]) & 0x3fff:
            return frame[26:34], protocol, frame[18:20]
    else:
        family, source, size, protocol, l4 = socket.AF_INET6, 22, 16, frame[20], 54
        if protocol == 44:
            return frame[22:54], protocol, frame[58:62]
        while protocol in (0, 43, 60):
            protocol, l4 = frame[l4], l4 + (frame[l4 + 1] + 1) * 8
    ports = struct.unpack_from("!HH", frame, l4)
    addresses = [socket.inet_ntop(family, frame[at:at + size])
                 for at in (source, source + size)]
    return addresses[0], ports[0], addresses[1], ports[1], protocol


class Exchange:
    """What one case sends and expects; its clients are its own."""

    def __init__(self, number=1):
        self.client4 = f"203.0.{112 + number // 250}.{number % 250 + 1}"
        self.client6 = f"2001:db8:c::{number + 1:x}"
        self.sent = {"wan": [], "lan": []}
        self.expected = {"wan": [], "lan": []}

    def client(self, kind, port=40000):
        return (self.client4 if kind.version == 4 else self.client6), port

    def ask(self, kind, port=40000, mac=ROUTER, by="wan", damage=None, pad=b"", **fields):
        """A client's packet. damage(frame) changes bytes of the sent and of the expected one."""
        damage = damage or (lambda frame: frame)
        frame = bytes(packet(kind, self.client(kind, port), (kind.address, kind.port),
                             (mac, PORT_MACS[by]), **fields))
        self.sent[by].append(damage(frame) + pad)
        self.expected["lan"].append(damage(rewritten(
            frame, (PORT_MACS["lan"], server_mac(kind.server)),
            destination=(kind.server, kind.server_port))))

    def answer(self, kind, port=40000, mac=ROUTER, by="wan", out="wan", damage=None, pad=b"",
               **fields):
        """A server's packet. It may be received by any port; it leaves where the client is."""
        damage = damage or (lambda frame: frame)
        frame = bytes(packet(kind, (kind.server, kind.server_port), self.client(kind, port),
                             (server_mac(kind.server), PORT_MACS[by]), **fields))
        self.sent[by].append(damage(frame) + pad)
        self.expected[out].append(damage(rewritten(
            frame, (PORT_MACS[out], mac), source=(kind.address, kind.port))))

    def handshake(self, kind, port=40000, **more):
        """The first packets of a connection; for UDP, one each way."""
        if kind.l4 is UDP:
            self.ask(kind, port, payload=b"?", **more)
            self.answer(kind, port, payload=b"!", **more)
            return
        self.ask(kind, port, l4={"flags": "S", "options": [("MSS", 1460), ("SAckOK", b"")]},
                 **more)
        self.answer(kind, port, l4={"flags": "SA", "options": [("MSS", 1460)]}, **more)
        self.ask(kind, port, l4={"flags": "A"}, **more)


def by_flow(frames):
    """{flow: its frames in order}."""
    flows = collections.defaultdict(list)
    for frame in frames:
        flows[flow_of(frame)].append(frame)
    return flows


def show(frames):
    """Frames as text, so that a difference can be read."""
    return "\n".join(f"{Ether(f).summary()}\n  {f.hex()}" for f in frames)


class Batch:
    """Cases that share a run. Each method packets_x(exchange) says what is sent and expected, and
    gives a case test_x. The other attributes of the class are the run's."""

    config = staticmethod(kinds_config)
    both_ports_receive = False  # then their packets mix
    fragments = False  # within a burst, whole packets overtake fragments

    def __init_subclass__(cls, **more):
        super().__init_subclass__(**more)
        for name in dir(cls):
            if name.startswith("packets_"):
                setattr(cls, "test_" + name[len("packets_"):],
                        lambda self, name=name: self.check(name))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.exchanges = {}
        sent = {"wan": [], "lan": []}
        for number, name in enumerate(n for n in dir(cls) if n.startswith("packets_")):
            exchange = cls.exchanges[name] = Exchange(number)
            getattr(cls, name)(exchange)
            for port, frames in exchange.sent.items():
                sent[port] += frames
        cls.result = Run(cls.config(), workers=cls.workers, **sent).go()
        cls.out = {"wan": by_flow(cls.result.wan), "lan": by_flow(cls.result.lan)}

    def check(self, name):
        expected = self.exchanges[name].expected
        self.assertTrue(expected["wan"] or expected["lan"], "the case expects nothing")
        for port, frames in expected.items():
            for flow, wanted in by_flow(frames).items():
                got = self.out[port][flow]
                if self.workers > 1 and (len(flow) == 3 or flow[4] in (1, 58)):
                    # By addresses alone, several flows look like one: they may have several owners.
                    got, wanted = sorted(got), sorted(wanted)
                if got != wanted:
                    self.fail(f"{len(got)} frames left by {port}:\n{show(got)}\n"
                              f"not these {len(wanted)}:\n{show(wanted)}")

    def test_nothing_else(self):
        """No packet came out that no case expects, and none was dropped."""
        for port in ("wan", "lan"):
            expected = [f for e in self.exchanges.values() for f in e.expected[port]]
            got = getattr(self.result, port)
            if self.workers > 1 or self.both_ports_receive or self.fragments:
                # Flows of different workers may overtake each other.
                expected, got = sorted(expected), sorted(got)
            self.assertEqual(len(got), len(expected), port)
            self.assertTrue(got == expected, f"{port}: other frames, or in another order")
        self.assertEqual(self.result.drops, {})
