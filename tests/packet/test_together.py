# SPDX-License-Identifier: BSD-3-Clause
"""Several features at once: full NAT of several ports to a server's one, in and between the
families, for clients in a VLAN too; fragments whose first one is answered. As in test_fullnat.py there is a reply for every
source port that could be."""

import dataclasses
import struct
import unittest

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from exchange import ROUTER
from harness import PORT_MACS, Run, backend, frontend, server_mac
from test_fullnat import FIRST_PORT, PORTS, SOURCES, for_every_port
from test_nat64 import CLIENTS, WAN, Way, endpoint, ip_layer, l4_layer, quoted, whole_id

RANGE = (8000, 8099)
VLAN = 100


@dataclasses.dataclass(frozen=True)
class RangeWay(Way):
    """Two of a client's connections, from one port; server_port: None: that of the service."""

    to: int = 0
    keeps: bool = False

    @property
    def other(self):
        return self.to

    @property
    def link(self):
        """The clients of every other way are in a VLAN."""
        ether = Ether(**WAN)
        return ether / Dot1Q(vlan=VLAN) if WAYS.index(self) % 2 else ether

    def at(self, port):
        """Service and server of a connection."""
        return (self.service[0], port), (self.server[0], port if self.keeps else self.server[1])

    @property
    def server_ports(self):
        return RANGE if self.keeps else (self.server[1],)


def way(name, l4, version, to, number, keeps=False):
    service = f"198.51.100.{number}" if version == 4 else f"2001:db8:1::{number:x}"
    server = f"10.99.8.{number}" if to == 4 else f"2001:db8:a:8::{number:x}"
    return RangeWay(name, l4, version, (service, 0), (server, 80), to, keeps)


WAYS = [way("tcp44", TCP, 4, 4, 41), way("udp66", UDP, 6, 6, 42), way("udp46", UDP, 4, 6, 43),
        way("tcp64", TCP, 6, 4, 44), way("tcp66keeps", TCP, 6, 6, 45, True),
        way("udp64keeps", UDP, 6, 4, 46, True)]


def config():
    frontends, backends = [], []
    for w in WAYS:
        bind = endpoint((w.service[0], "%d-%d" % RANGE))
        server = f"[{w.server[0]}]" if w.to == 6 else w.server[0]
        frontends.append(frontend(w.name, bind, w.name, "tcp" if w.l4 is TCP else "udp"))
        backends.append(backend(w.name, server if w.keeps else f"{server}:{w.server[1]}",
                                forward="fullnat", **{"source-addresses": [SOURCES[w.to]]}))
    return {"frontends": frontends, "backends": backends}


def error_of(version):
    return ICMP(type=3, code=4, nexthopmtu=1400) if version == 4 else ICMPv6DestUnreach(code=4)


def error_at_server(w):
    if w.version == w.to:
        return error_of(w.version)
    return ICMP(type=3, code=3) if w.to == 4 else ICMPv6PacketTooBig(mtu=1420)


class FullNatRange(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        wan = []
        for w in WAYS:
            client = w.client(1)
            for port in RANGE:
                service, _ = w.at(port)
                wan.append(w.link / ip_layer(w.version, client, service, 64) /
                           l4_layer(w, client, service, b"asks %d" % port))
                wan.append(w.link / ip_layer(w.version, client, service, 64) /
                           error_of(w.version) / Raw(quoted(w, w.version, service, client)))
        lan = [f for w in WAYS for port in w.server_ports for f in cls.replies(w, port)]
        cls.result = Run(config(), wan=wan, lan=lan).go()

    @staticmethod
    def replies(w, port):
        server, source = (w.server[0], port), (SOURCES[w.to], FIRST_PORT)
        template = bytes(
            Ether(src=server_mac(server[0]), dst=PORT_MACS["lan"]) /
            ip_layer(w.to, server, source, 64) /
            l4_layer(w, server, source, b"to port" + struct.pack("!xH", FIRST_PORT),
                     **({"flags": "A"} if w.l4 is TCP else {})))
        l4 = 34 if w.to == 4 else 54
        yield from for_every_port(template, l4 + 2, [(l4 + (16 if w.l4 is TCP else 6), 2)])

    def at_server(self, w):
        """All that its server has got."""
        mac = bytes.fromhex(server_mac(w.server[0]).replace(":", ""))
        return [f for f in self.result.lan if f[:6] == mac]

    def source(self, w, port):
        frame = next(f for f in self.at_server(w) if b"asks %d" % port in f)
        return frame, (SOURCES[w.to], Ether(frame)[w.l4].sport)

    def test_requests(self):
        self.assertEqual(len(self.result.lan), 4 * len(WAYS))
        for w in WAYS:
            for port in RANGE:
                got, source = self.source(w, port)
                _, server = w.at(port)
                expected = bytes(Ether(src=PORT_MACS["lan"], dst=server_mac(server[0])) /
                                 ip_layer(w.to, source, server, 63) /
                                 l4_layer(w, source, server, b"asks %d" % port))
                self.assertEqual(got, self.same_id(w, expected, got), w.name)

    @staticmethod
    def same_id(w, expected, got):
        return expected if w.version == w.to else whole_id(expected, got)

    def test_errors(self):
        for w in WAYS:
            errors = [f for f in self.at_server(w) if b"asks" not in f]
            self.assertEqual(len(errors), 2, w.name)
            for got, port in zip(errors, RANGE):
                _, server = w.at(port)
                _, source = self.source(w, port)
                inner = bytearray(quoted(w, w.to, server, source))
                if w.version != w.to and w.to == 4:
                    inner = bytearray(self.without_id(bytes(inner)))
                expected = bytes(Ether(src=PORT_MACS["lan"], dst=server_mac(server[0])) /
                                 ip_layer(w.to, source, server, 63) / error_at_server(w) /
                                 Raw(bytes(inner)))
                self.assertEqual(got, self.same_id(w, expected, got), f"{w.name} {port}")

    @staticmethod
    def without_id(packet):
        ip = IP(packet)
        ip.id = 0
        del ip.chksum
        return bytes(ip)

    def test_replies(self):
        """Each from the port that its client has connected to."""
        expected = []
        for w in WAYS:
            client = w.client(1)
            for port in RANGE:
                service, _ = w.at(port)
                _, source = self.source(w, port)
                expected.append((w, bytes(
                    Ether(src=PORT_MACS["wan"], dst=ROUTER) /
                    ip_layer(w.version, service, client, 63) /
                    l4_layer(w, service, client, b"to port" + struct.pack("!xH", source[1]),
                             **({"flags": "A"} if w.l4 is TCP else {})))))
        self.assertEqual(len(self.result.wan), len(expected))
        tag = struct.pack("!HH", 0x8100, VLAN)
        plain = [(f[12:16] == tag, f[:12] + f[16:] if f[12:16] == tag else f)
                 for f in self.result.wan]
        for w, frame in expected:
            ends = slice(26, 38) if w.version == 4 else slice(22, 58)
            tagged, got = next(f for f in plain if f[1][ends] == frame[ends])
            self.assertEqual(tagged, Dot1Q in w.link, w.name)
            self.assertEqual(got, self.same_id(w, frame, got), w.name)
        runs = sum(len(w.server_ports) for w in WAYS)
        self.assertEqual(self.result.drops, {"no-flow": runs * PORTS - len(expected)})

    def test_sessions(self):
        for w in WAYS:
            self.assertEqual(self.result.servers[f"{w.name}/s1"]["sessions_total"], 2, w.name)


class AnsweredFirst(unittest.TestCase):
    """What is answered is dropped nevertheless, and so are the fragments behind it."""

    @staticmethod
    def run_datagram(w, size, flags=0, ttl=64):
        """A datagram in fragments of `size` bytes to a service."""
        client, service = w.client(1), (w.service[0], RANGE[0])
        l4 = bytes(ip_layer(4, client, service, 64) /
                   l4_layer(w, client, service, bytes(2000), chksum=0x1234))[20:]
        wan = [Ether(**WAN) / IP(src=client[0], dst=service[0], proto=17, id=9,
                                 flags=flags | (at + size < len(l4)), frag=at // 8,
                                 ttl=ttl) / Raw(l4[at:at + size])
               for at in range(0, len(l4), size)]
        return Run(config(), wan=wan).go()

    def test_too_big(self):
        """With DF: the second, of 528 bytes, would fit, or could be cut if it were the first."""
        w = next(w for w in WAYS if w.name == "udp46")
        result = self.run_datagram(w, 1480, flags=2)
        self.assertEqual(result.drops, {"too-big": 2})
        self.assertEqual((result.lan, result.total("icmp_sent")), ([], 1))
        error = Ether(result.wan[0])
        self.assertEqual((error[IP].dst, error[ICMP].type, error[ICMP].code),
                         (CLIENTS[4], 3, 4))

    def test_ttl(self):
        """The first begins no flow: it is answered alone, and nothing is left of it."""
        w = next(w for w in WAYS if w.name == "udp46")
        result = self.run_datagram(w, 1000, ttl=1)
        self.assertEqual(result.drops, {"ttl": 3})
        self.assertEqual((result.lan, len(result.wan), result.total("flows")), ([], 1, 0))
