# SPDX-License-Identifier: BSD-3-Clause
"""Servers that answer directly: modes dr and tunnel, every byte of what comes out."""

import collections
import itertools

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.packet import Raw

from exchange import KINDS, ROUTER, TCP4, packet, show
from harness import PORT_MACS, Run, backend, frontend, server_mac, with_workers

ENCAPS = ("ipip", "gue", "gre")
MTU = 1500
SOURCE = {4: "10.99.0.254", 6: "2001:db8:a::fe"}
SERVER = {4: "10.99.0.7", 6: "2001:db8:a::7"}
OVERHEAD = {("ipip", 4): 20, ("gre", 4): 24, ("gue", 4): 28,
            ("ipip", 6): 40, ("gre", 6): 44, ("gue", 6): 48}
BODY = bytes(range(256)) * 6


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def address_of(kind, number):
    return f"198.51.100.{number}" if kind.version == 4 else f"2001:db8:1::{number}"


def neighbors():
    return [{"address": SERVER[v], "mac": server_mac(SERVER[v]), "port": "lan",
             "source": SOURCE[v]} for v in (4, 6)]


class Way:
    """One kind of service with one server, by one mode."""

    def __init__(self, number, kind, encap=None, outer=None, **more):
        self.kind = kind
        self.encap = encap
        self.outer = outer or kind.version
        self.address = address_of(kind, number)
        self.name = f"{kind.name}-{encap or 'dr'}-{self.outer}-{number}"
        self.server = SERVER[self.outer]
        mode = {"forward": "tunnel", "encap": encap} if encap else {"forward": "dr"}
        self.frontend = frontend(self.name, endpoint(self.address, kind.port), self.name,
                                 kind.protocol)
        self.backend = backend(self.name, endpoint(self.server, kind.port), **mode, **more)
        self.encap_port = more.get("encap-port", 6080)

    def ask(self, client, port, **fields):
        return bytes(packet(self.kind, (client, port), (self.address, self.kind.port), **fields))

    def outside(self, frame, got):
        """The frame in what it has to travel in; of `got`, what only Shunt can know."""
        inner = Ether(frame)
        tos = inner[IP].tos if self.kind.version == 4 else inner[IPv6].tc
        macs = {"src": PORT_MACS["lan"], "dst": server_mac(self.server)}
        if not self.encap:
            return bytes(Ether(**macs, type=inner.type) / Raw(frame[14:]))
        shim = {"gre": GRE(proto=0x0800 if self.kind.version == 4 else 0x86dd),
                "gue": UDP(sport=source_port(got), dport=self.encap_port)}.get(self.encap)
        protocol = {"gre": 47, "gue": 17, "ipip": 4 if self.kind.version == 4 else 41}[self.encap]
        if self.outer == 4:
            ip = IP(src=SOURCE[4], dst=self.server, tos=tos, id=0, flags="DF", ttl=64,
                    proto=protocol)
            if self.encap == "gue":
                shim.chksum = 0
        else:
            ip = IPv6(src=SOURCE[6], dst=self.server, tc=tos, fl=Ether(got)[IPv6].fl, hlim=64,
                      nh=protocol)
        p = Ether(**macs) / ip
        if shim:
            p /= shim
        return bytes(p / Raw(frame[14:]))


def source_port(frame):
    p = Ether(frame)
    return p[UDP].sport if UDP in p else 0


def config_of(ways):
    return {"frontends": [w.frontend for w in ways], "backends": [w.backend for w in ways],
            "neighbors": neighbors()}


def client_of(kind, number=1):
    return f"203.0.113.{number}" if kind.version == 4 else f"2001:db8:c::{number:x}"


def all_ways():
    """dr, and each encapsulation over each family, for each kind."""
    ways = [Way(10, kind) for kind in KINDS]
    modes = itertools.product(ENCAPS, (4, 6))
    for number, (encap, outer) in enumerate(modes, 20):
        ways += [Way(number, kind, encap, outer) for kind in KINDS]
    ways.append(Way(40, TCP4, "gue", 4, **{"encap-port": 9886}))
    return ways


@with_workers(1, 2)
class Direct:
    """Packets of many shapes through every way."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ways = all_ways()
        cls.sent = []  # (way, frame)
        for way in cls.ways:
            tcp = way.kind.protocol == "tcp"
            for i, length in enumerate((0, 1, 2, 3, 101, 1380)):
                tos = (0, 0xb8, 1, 2, 3, 0xff)[i]
                fields = {"l4": {"flags": "S" if i == 0 else "PA", "seq": i}} if tcp else {}
                fields["ip"] = {"tos": tos, "id": 7 + i, "flags": "DF"} \
                    if way.kind.version == 4 else {"tc": tos, "fl": 0xabcd0 + i}
                # Nobody here judges the TTL.
                cls.sent.append((way, way.ask(client_of(way.kind), 40000, ttl=1 + i,
                                              payload=BODY[:length], **fields)))
        # Taken for replies they would be translated: a server that answers directly sends none.
        cls.back = [bytes(packet(kind, (SERVER[kind.version], kind.port),
                                 (client_of(kind), 40000), payload=b"back"))
                    for kind in KINDS]
        wan = [frame + bytes(3) if len(frame) < 60 else frame for _, frame in cls.sent]
        cls.result = Run(config_of(cls.ways), wan=wan, lan=cls.back, workers=cls.workers).go()

    def test_every_byte(self):
        got = collections.defaultdict(list)
        for frame in self.result.lan:
            got[self.inner_of(frame)].append(frame)
        self.assertEqual(len(self.result.lan), len(self.sent))
        for way, frame in self.sent:
            frames = got[frame[14:]]
            self.assertEqual(len(frames), 1, f"{way.name}: {len(frames)} frames came out")
            expected = way.outside(frame, frames[0])
            if frames[0] != expected:
                self.fail(f"{way.name}: came out\n{show(frames)}\nnot\n{show([expected])}")

    @staticmethod
    def inner_of(frame):
        """The client's IP packet in a frame: the innermost IP header and what follows."""
        p = Ether(frame)
        at = 14 + (20 if p.type == 0x0800 else 40)
        protocol = p[IP].proto if p.type == 0x0800 else p[IPv6].nh
        destination = p[IP].dst if p.type == 0x0800 else p[IPv6].dst
        if destination not in SERVER.values():
            return frame[14:]
        return frame[at + {4: 0, 41: 0, 47: 4, 17: 8}[protocol]:]

    def test_source_port(self):
        """One a flow, in the dynamic range."""
        ports = collections.defaultdict(set)
        for frame in self.result.lan:
            p = Ether(frame)
            if UDP in p and p[UDP].dport in (6080, 9886) and p.type == 0x0800:
                inner = Ether(bytes(12) + b"\x08\x00" + self.inner_of(frame))
                if inner[IP].version == 4:
                    ports[inner[IP].dst].add(p[UDP].sport)
        self.assertTrue(ports)
        for address, seen in ports.items():
            self.assertEqual(len(seen), 1, address)
            self.assertGreaterEqual(min(seen), 49152)

    def test_nothing_back(self):
        self.assertEqual(self.result.wan, [])
        self.assertEqual(self.result.drops, {"no-service": len(self.back)})

    def test_counters(self):
        """What the client has sent, without the tunnel's headers."""
        for way in self.ways:
            server = self.result.servers[f"{way.name}/s1"]
            frames = [f for w, f in self.sent if w is way]
            self.assertEqual(server["in_packets"], len(frames), way.name)
            self.assertEqual(server["in_bytes"], sum(len(f) - 14 for f in frames), way.name)
            self.assertEqual(server["out_packets"], 0)


def padded_to(way, bytes_, **fields):
    """A packet with this many IP bytes."""
    empty = len(way.ask(client_of(way.kind), 40000, **fields)) - 14
    return way.ask(client_of(way.kind), 40000, payload=(BODY * 2)[:bytes_ - empty], **fields)


def told(frame, mtu):
    """The ICMP error about a frame."""
    p = Ether(frame)
    macs = {"src": PORT_MACS["wan"], "dst": ROUTER}
    if IP in p:
        return bytes(Ether(**macs) /
                     IP(src=p[IP].dst, dst=p[IP].src, tos=0xc0, id=0, flags="DF", ttl=64) /
                     ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(frame[14:14 + 576 - 28]))
    return bytes(Ether(**macs) / IPv6(src=p[IPv6].dst, dst=p[IPv6].src, hlim=64) /
                 ICMPv6PacketTooBig(mtu=mtu) / Raw(frame[14:14 + 1280 - 48]))


@with_workers(1, 2)
class TooBig:
    """What does not fit is answered with what would, and counted."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ways = [w for w in all_ways() if w.encap]
        cls.through, cls.expected, cls.sent = 0, [], []
        for way in ways:
            fits = MTU - OVERHEAD[way.encap, way.outer]
            fields = {"ip": {"flags": "DF"}} if way.kind.version == 4 else {}
            frames = [padded_to(way, n, **fields) for n in (fits, fits + 1, MTU)]
            cls.sent += frames
            cls.through += 1
            cls.expected += [told(f, fits) for f in frames[1:]]
        # Without DF nobody is told.
        cls.silent = [padded_to(w, MTU) for w in ways if w.kind.version == 4]
        cls.result = Run(config_of(ways), wan=cls.sent + cls.silent, workers=cls.workers).go()

    def test_answers(self):
        got, expected = sorted(self.result.wan), sorted(self.expected)
        if got != expected:
            other = [f for f in got if f not in expected], [f for f in expected if f not in got]
            self.fail(f"came out:\n{show(other[0][:3])}\nnot:\n{show(other[1][:3])}")
        self.assertEqual(sum(w["icmp_sent"] for w in self.result.workers), len(expected))

    def test_drops(self):
        self.assertEqual(len(self.result.lan), self.through)
        self.assertEqual(self.result.drops,
                         {"too-big": len(self.expected) + len(self.silent)})


@with_workers(1)
class TooBigLimit:
    """A burst of a hundred is answered, and little of what is beyond."""

    def test_limit(self):
        way = Way(20, TCP4, "ipip", 4)
        frame = padded_to(way, MTU, ip={"flags": "DF"})
        result = Run(config_of([way]), wan=[frame] * 3000, workers=1).go()
        self.assertEqual(result.drops, {"too-big": 3000})
        self.assertGreaterEqual(len(result.wan), 100)
        self.assertLess(len(result.wan), 1000)


@with_workers(1)
class MssClamp:
    """The client's MSS is lowered, and the rest of its SYN is left alone."""

    def test_clamp(self):
        kinds = [k for k in KINDS if k.l4 is TCP]
        ways = [Way(10, k, **{"mss-clamp": 1400}) for k in kinds]
        ways += [Way(20, k, "gre", 4, **{"mss-clamp": 1400}) for k in kinds]
        sent, expected = [], []
        for way in ways:
            for i, (mss, flags) in enumerate(((1460, "S"), (1400, "S"), (1300, "S"), (1460, "A"))):
                for before in ([], [("NOP", None)]):
                    options = before + [("MSS", mss), ("SAckOK", b""), ("Timestamp", (1, 0))]
                    client = client_of(way.kind, 1 + i), 40000 + len(before)
                    sent.append(way.ask(*client, l4={"flags": flags, "options": options}))
                    if flags == "S" and mss > 1400:
                        options = before + [("MSS", 1400), ("SAckOK", b""), ("Timestamp", (1, 0))]
                    inner = way.ask(*client, l4={"flags": flags, "options": options})
                    expected.append(way.outside(inner, inner))
        result = Run(config_of(ways), wan=sent, workers=1).go()
        self.assertEqual(result.drops, {})
        self.assertEqual(len(result.lan), len(expected))
        for got, wanted in zip(result.lan, expected):
            if got != wanted:
                self.fail(f"came out\n{show([got])}\nnot\n{show([wanted])}")
