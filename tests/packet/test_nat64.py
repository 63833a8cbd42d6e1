# SPDX-License-Identifier: BSD-3-Clause
"""Full NAT between the families: what comes out is what scapy builds in the other family.

As in test_fullnat.py there is a reply for every source port that could be.
"""

import dataclasses
import struct
import unittest

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6PacketTooBig, IPv6, IPv6ExtHdrFragment)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from exchange import ROUTER, TCP4, TCP6, UDP4, UDP6
from harness import PORT_MACS, Run, backend, frontend, server_mac
from test_fullnat import FIRST_PORT, PORTS, SOURCES, for_every_port

CLIENTS = {4: "203.0.113.7", 6: "2001:db8:c::7"}
WAN = {"src": ROUTER, "dst": PORT_MACS["wan"]}


@dataclasses.dataclass(frozen=True)
class Way:
    """A service of one family (outer), whose server is of the other."""

    name: str
    l4: type
    version: int
    service: tuple
    server: tuple

    @property
    def other(self):
        return 10 - self.version

    def client(self, number):
        return CLIENTS[self.version], 40000 + number


WAYS = [Way(f"{a.name}to{b.name}", a.l4, a.version, (a.address, a.port), (b.server, b.server_port))
        for a, b in ((TCP4, TCP6), (UDP4, UDP6), (TCP6, TCP4), (UDP6, UDP4))]


def endpoint(end):
    return f"[{end[0]}]:{end[1]}" if ":" in end[0] else f"{end[0]}:{end[1]}"


def config():
    return {
        "frontends": [frontend(w.name, endpoint(w.service), w.name,
                               "tcp" if w.l4 is TCP else "udp") for w in WAYS],
        "backends": [backend(w.name, endpoint(w.server), forward="fullnat",
                             **{"source-addresses": [SOURCES[w.other]]}) for w in WAYS],
    }


def ip_layer(version, source, destination, ttl, **fields):
    if version == 4:
        return IP(src=source[0], dst=destination[0], ttl=ttl, **fields)
    return IPv6(src=source[0], dst=destination[0], hlim=ttl, **fields)


def traffic_class(version, value):
    return {"tos": value} if version == 4 else {"tc": value}


def whole_id(frame, got):
    """An IPv4 packet that came of IPv6 may be fragmented, and has an id; which, is not said."""
    if got[12:14] == b"\x08\x00":
        p = Ether(frame)
        p[IP].id = Ether(got)[IP].id
        del p[IP].chksum
        frame = bytes(p)
    return frame


def l4_layer(way, source, destination, payload, **fields):
    if way.l4 is TCP:
        fields.setdefault("flags", "S")
    return way.l4(sport=source[1], dport=destination[1], **fields) / Raw(payload)


def quoted(way, version, source, destination):
    return bytes(ip_layer(version, source, destination, 55) /
                 l4_layer(way, source, destination, b"a reply", **(
                     {"flags": "PA", "seq": 99} if way.l4 is TCP else {})))


class Nat64(unittest.TestCase):
    """Requests, errors of clients about the answers, and every answer there could be."""

    @classmethod
    def setUpClass(cls):
        wan = []
        for way in WAYS:
            client = way.client(1)
            wan.append(Ether(**WAN) / ip_layer(way.version, client, way.service, 64,
                                               **traffic_class(way.version, 0xb9)) /
                       l4_layer(way, client, way.service, b"asks " + way.name.encode()))
            wan.append(cls.error(way, client))
        wan += cls.fragments()
        lan = [f for way in WAYS for f in cls.replies(way)]
        cls.result = Run(config(), wan=wan, lan=lan).go()
        cls.at_servers = {}
        for frame in cls.result.lan:
            p = Ether(frame)
            ip = p[IP if IP in p else IPv6]
            key = (ip.dst, type(ip.payload).__name__)
            cls.at_servers.setdefault(key, []).append(frame)

    @staticmethod
    def error(way, client):
        message = (ICMP(type=3, code=4, nexthopmtu=1400) if way.version == 4
                   else ICMPv6DestUnreach(code=4))
        return (Ether(**WAN) / ip_layer(way.version, client, way.service, 64) / message /
                Raw(quoted(way, way.version, way.service, client)))

    @staticmethod
    def fragments():
        """Of each UDP service's clients a datagram in two; that of IPv4 is full-sized."""
        for way in WAYS:
            if way.l4 is not UDP:
                continue
            client = way.client(1)
            size = 1480 if way.version == 4 else 800
            l4 = bytes(ip_layer(way.version, client, way.service, 64) /
                       l4_layer(way, client, way.service, bytes(2000)))[
                           20 if way.version == 4 else 40:]
            for at in range(0, len(l4), size):
                more = int(at + size < len(l4))
                piece = l4[at:at + size]
                if way.version == 4:
                    yield Ether(**WAN) / IP(src=client[0], dst=way.service[0], proto=17, id=77,
                                            flags=more, frag=at // 8) / Raw(piece)
                else:
                    yield (Ether(**WAN) / IPv6(src=client[0], dst=way.service[0], nh=44) /
                           IPv6ExtHdrFragment(nh=17, id=0x90077, m=more, offset=at // 8) /
                           Raw(piece))

    @staticmethod
    def replies(way):
        source = (SOURCES[way.other], FIRST_PORT)
        template = bytes(
            Ether(src=server_mac(way.server[0]), dst=PORT_MACS["lan"]) /
            ip_layer(way.other, way.server, source, 64) /
            l4_layer(way, way.server, source, b"to port" + struct.pack("!xH", FIRST_PORT),
                     **({"flags": "A"} if way.l4 is TCP else {})))
        l4 = 34 if way.other == 4 else 54
        yield from for_every_port(template, l4 + 2, [(l4 + (16 if way.l4 is TCP else 6), 2)])

    def request(self, way):
        """The first packet at the server, and the source that it has."""
        frames = self.at_servers[way.server[0], way.l4.__name__]
        frame = next(f for f in frames if b"asks " in f)
        return frame, (SOURCES[way.other], Ether(frame)[way.l4].sport)

    def test_requests(self):
        for way in WAYS:
            got, source = self.request(way)
            expected = bytes(
                Ether(src=PORT_MACS["lan"], dst=server_mac(way.server[0])) /
                ip_layer(way.other, source, way.server, 63, **traffic_class(way.other, 0xb9)) /
                l4_layer(way, source, way.server, b"asks " + way.name.encode()))
            self.assertEqual(got, whole_id(expected, got), way.name)

    def test_errors(self):
        for way in WAYS:
            _, source = self.request(way)
            kind = "ICMP" if way.other == 4 else "ICMPv6PacketTooBig"
            (got,) = self.at_servers[way.server[0], kind]
            message = ICMP(type=3, code=3) if way.other == 4 else ICMPv6PacketTooBig(mtu=1420)
            expected = bytes(
                Ether(src=PORT_MACS["lan"], dst=server_mac(way.server[0])) /
                ip_layer(way.other, source, way.server, 63) / message /
                Raw(self.quoted_at_server(way, source)))
            self.assertEqual(got, whole_id(expected, got), way.name)

    @staticmethod
    def quoted_at_server(way, source):
        """What the server has sent, as far as can be known: without an id."""
        inner = Ether(b"\0" * 12 + (b"\x08\0" if way.other == 4 else b"\x86\xdd") +
                      quoted(way, way.other, way.server, source)).payload
        if way.other == 4:
            inner.id = 0
            del inner.chksum
        return bytes(inner)

    def test_fragments(self):
        """Together they are the datagram as the server has to get it; none is too big."""
        for way in WAYS:
            if way.l4 is not UDP:
                continue
            _, source = self.request(way)
            pieces, ids = {}, set()
            for frame in self.at_servers[way.server[0], "IPv6ExtHdrFragment"
                                         if way.other == 6 else "UDP"] + \
                    self.at_servers.get((way.server[0], "Raw"), []):
                self.assertLessEqual(len(frame), 14 + 1500)
                p = Ether(frame)
                if way.other == 6:
                    header = p[IPv6ExtHdrFragment]
                    pieces[header.offset * 8] = frame[14 + 48:]
                    ids.add(header.id)
                elif p[IP].flags.MF or p[IP].frag:
                    pieces[p[IP].frag * 8] = frame[14 + 20:]
                    ids.add(p[IP].id)
            self.assertEqual(len(pieces), 3)
            self.assertEqual(ids, {77 if way.other == 6 else 0x0077}, way.name)
            whole = b"".join(pieces[at] for at in sorted(pieces))
            expected = bytes(ip_layer(way.other, source, way.server, 63) /
                             l4_layer(way, source, way.server, bytes(2000)))
            self.assertEqual(whole, expected[20 if way.other == 4 else 40:], way.name)

    def test_replies(self):
        """Those to the flows' ports, and no others."""
        got = {type(Ether(f).payload).__name__ + type(Ether(f).payload.payload).__name__: f
               for f in self.result.wan}
        self.assertEqual(len(self.result.wan), len(WAYS))
        for way in WAYS:
            _, source = self.request(way)
            client = way.client(1)
            frame = got[("IP" if way.version == 4 else "IPv6") + way.l4.__name__]
            expected = bytes(
                Ether(src=PORT_MACS["wan"], dst=ROUTER) /
                ip_layer(way.version, way.service, client, 63) /
                l4_layer(way, way.service, client, b"to port" + struct.pack("!xH", source[1]),
                         **({"flags": "A"} if way.l4 is TCP else {})))
            self.assertEqual(frame, whole_id(expected, frame), way.name)
        self.assertEqual(self.result.drops, {"no-flow": len(WAYS) * (PORTS - 1)})
