# SPDX-License-Identifier: BSD-3-Clause
"""Full NAT: both ends of a packet become others, and the reply finds its client.

Which source port a flow gets is random, so nobody can write the capture of the replies beforehand.
Instead there is a reply for every port that could be: those of flows must be forwarded, each to its
client, and all others dropped as `no-flow`. One worker sees the (at most 64) packets of the clients
before the first of the servers', since a burst is taken from each port in turn.
"""

import collections
import struct
import unittest

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from exchange import (KINDS, ROUTER, TCP4, TCP6, UDP4, UDP6, kinds_config, packet, rewritten)
from harness import PORT_MACS, Run, server_mac

SOURCES = {4: "10.99.0.200", 6: "2001:db8:a::200"}
FIRST_PORT, LAST_PORT = 1024, 65535
PORTS = LAST_PORT - FIRST_PORT + 1
WITH_TIMESTAMPS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (0x12345678, 0)), ("NOP", None),
                   ("WScale", 7)]
WITHOUT = [("MSS", 1460), ("SAckOK", b"")] + [("NOP", None)] * 11 + [("WScale", 7)]


def config(**more):
    whole = kinds_config()
    for kind, backend in zip(KINDS, whole["backends"]):
        backend.update(forward="fullnat", **{"source-addresses": [SOURCES[kind.version]]}, **more)
    return whole


def client_of(kind, number):
    return (f"203.0.113.{number}" if kind.version == 4 else f"2001:db8:c::{number:x}",
            40000 + number)


def request(kind, number, **more):
    return bytes(packet(kind, client_of(kind, number), (kind.address, kind.port), **more))


def ends(frame):
    """Source, its port, destination, its port."""
    p = Ether(frame)
    ip, l4 = p[IP if IP in p else IPv6], p[TCP if TCP in p else UDP]
    return ip.src, l4.sport, ip.dst, l4.dport


def to_server(kind, frame, source):
    return rewritten(frame, (PORT_MACS["lan"], server_mac(kind.server)), source,
                     (kind.server, kind.server_port))


def sum_of(*words):
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def for_every_port(frame, port_at, checksums):
    """The frame for each port, given the first one's: the port stands at port_at and at the end of
    the frame. checksums: (place, how often it counts the port)."""
    checksums = [(at, times, struct.unpack_from("!H", frame, at)[0]) for at, times in checksums]
    frame = bytearray(frame)
    for port in range(FIRST_PORT, LAST_PORT + 1):
        for at, times, checksum in checksums:
            change = times * (0xffff - FIRST_PORT + port)
            new = 0xffff - sum_of(0xffff - checksum, change)
            struct.pack_into("!H", frame, at, new or 0xffff)
        struct.pack_into("!H", frame, port_at, port)
        struct.pack_into("!H", frame, len(frame) - 2, port)
        yield bytes(frame)


def reply(kind, port, **more):
    return bytes(packet(kind, (kind.server, kind.server_port), (SOURCES[kind.version], port),
                        (server_mac(kind.server), PORT_MACS["lan"]), **more))


def replies(kind):
    template = reply(kind, FIRST_PORT, l4={"flags": "A"} if kind.l4 is TCP else {},
                     payload=b"to port" + struct.pack("!xH", FIRST_PORT))
    l4 = 34 if kind.version == 4 else 54
    yield from for_every_port(template, l4 + 2, [(l4 + (16 if kind.l4 is TCP else 6), 2)])


class FullNat(unittest.TestCase):
    """Requests of all kinds, then every reply there could be."""

    CLIENTS = 15  # of each kind

    @classmethod
    def setUpClass(cls):
        cls.requests = {}
        for kind in KINDS:
            for number in range(1, cls.CLIENTS + 1):
                l4 = {"flags": "S", "options": WITH_TIMESTAMPS} if kind.l4 is TCP else {}
                cls.requests[kind, number] = request(kind, number, l4=l4, payload=b"?" * number)
        lan = [frame for kind in KINDS for frame in replies(kind)]
        cls.result = Run(config(), wan=cls.requests.values(), lan=lan).go()
        cls.ports = {}
        for frame in cls.result.lan:
            source, port, server, _ = ends(frame)
            kind = next(k for k in KINDS if k.server == server)
            cls.ports.setdefault((kind, port), []).append((source, frame))

    def test_to_servers(self):
        """Byte for byte, but for the port, which is another for each client of a server."""
        self.assertEqual(len(self.result.lan), 4 * self.CLIENTS)
        left = dict(self.requests)
        for (kind, port), seen in self.ports.items():
            self.assertEqual(len(seen), 1, "two clients with one port")
            source, frame = seen[0]
            self.assertEqual(source, SOURCES[kind.version])
            self.assertTrue(FIRST_PORT <= port <= LAST_PORT)
            payload = bytes(Ether(frame)[kind.l4].payload)
            sent = Ether(left.pop((kind, len(payload))))
            if kind.l4 is TCP:
                sent[TCP].options = WITHOUT
                del sent[TCP].chksum
            self.assertEqual(frame, to_server(kind, bytes(sent), (source, port)))
        self.assertEqual(left, {})

    def test_to_clients(self):
        """Each reply to a flow's port comes to its client; no other reply goes anywhere."""
        expected = []
        for (kind, port), ((_, frame),) in self.ports.items():
            number = len(bytes(Ether(frame)[kind.l4].payload))
            sent = reply(kind, port, l4={"flags": "A"} if kind.l4 is TCP else {},
                         payload=b"to port" + struct.pack("!xH", port))
            expected.append(rewritten(sent, (PORT_MACS["wan"], ROUTER),
                                      (kind.address, kind.port), client_of(kind, number)))
        self.assertEqual(sorted(self.result.wan), sorted(expected))
        self.assertEqual(self.result.drops, {"no-flow": 4 * (PORTS - self.CLIENTS)})

    def test_sessions(self):
        for kind in KINDS:
            seen = self.result.servers[f"{kind.name}/s1"]
            self.assertEqual((seen["sessions_total"], seen["in_packets"], seen["out_packets"]),
                             (self.CLIENTS, self.CLIENTS, self.CLIENTS), kind.name)
        self.assertEqual(self.result.total("flows"), 4 * self.CLIENTS)


class FullNatRange(unittest.TestCase):
    """From one client port to several ports of a service, at one port of a server."""

    PLACES = (8000, 8001, 8099)

    @classmethod
    def setUpClass(cls):
        whole = config()
        for kind, frontend in zip(KINDS, whole["frontends"]):
            frontend["bind"] = kind.endpoint(kind.address, "8000-8099")
        cls.requests = [
            bytes(packet(kind, client_of(kind, 1), (kind.address, place), payload=b"%d" % place,
                         l4={"flags": "S"} if kind.l4 is TCP else {}))
            for kind in KINDS for place in cls.PLACES]
        lan = [frame for kind in KINDS for frame in replies(kind)]
        cls.result = Run(whole, wan=cls.requests, lan=lan).go()

    def test_both_ways(self):
        expected = []
        for frame in self.result.lan:
            _, port, server, server_port = ends(frame)
            kind = next(k for k in KINDS if k.server == server and k.l4 in Ether(frame))
            place = int(bytes(Ether(frame)[kind.l4].payload))
            self.assertEqual(server_port, kind.server_port)
            sent = reply(kind, port, l4={"flags": "A"} if kind.l4 is TCP else {},
                         payload=b"to port" + struct.pack("!xH", port))
            expected.append(rewritten(sent, (PORT_MACS["wan"], ROUTER), (kind.address, place),
                                      client_of(kind, 1)))
        self.assertEqual(len(expected), len(self.requests))
        self.assertEqual(sorted(self.result.wan), sorted(expected))
        self.assertEqual(self.result.drops, {"no-flow": 4 * (PORTS - len(self.PLACES))})


class FullNatIcmp(unittest.TestCase):
    """Errors about flows, from both sides; a router's, which quotes little, and an end's own."""

    @classmethod
    def setUpClass(cls):
        cls.clients = [request(TCP4, 1, l4={"flags": "S"}), request(UDP6, 2, payload=b"?")]
        answer4 = packet(TCP4, (TCP4.address, TCP4.port), client_of(TCP4, 1),
                         l4={"flags": "A", "seq": 77})[IP]
        answer6 = packet(UDP6, (UDP6.address, UDP6.port), client_of(UDP6, 2),
                         payload=b"!" * 50)[IPv6]
        ether = Ether(src=ROUTER, dst=PORT_MACS["wan"])
        cls.from_clients = [
            bytes(ether / IP(src="203.0.113.254", dst=TCP4.address) /
                  ICMP(type=3, code=4, nexthopmtu=1400) / Raw(bytes(answer4)[:28])),
            bytes(ether / IPv6(src=client_of(UDP6, 2)[0], dst=UDP6.address) /
                  ICMPv6DestUnreach(code=4) / Raw(bytes(answer6))),
        ]
        # A router between the servers and here, about each port there could be.
        quoted = packet(TCP4, (SOURCES[4], FIRST_PORT), (TCP4.server, TCP4.server_port),
                        l4={"flags": "S", "chksum": 0})[IP]
        template = (Ether(src=server_mac(TCP4.server), dst=PORT_MACS["lan"]) /
                    IP(src="10.98.0.1", dst=SOURCES[4]) / ICMP(type=11, code=0) /
                    Raw(bytes(quoted)[:28] + struct.pack("!H", FIRST_PORT)))
        lan = list(for_every_port(bytes(template), 14 + 28 + 20, [(36, 2)]))
        quoted = packet(UDP6, (SOURCES[6], FIRST_PORT), (UDP6.server, UDP6.server_port),
                        payload=b"?")[IPv6]
        template = (Ether(src=server_mac(UDP6.server), dst=PORT_MACS["lan"]) /
                    IPv6(src=UDP6.server, dst=SOURCES[6]) / ICMPv6DestUnreach(code=4) /
                    Raw(bytes(quoted)[:48] + struct.pack("!H", FIRST_PORT)))
        # The quoted checksum counts the port once, so that the two of them cancel out in the error's.
        lan += for_every_port(bytes(template), 54 + 8 + 40, [(108, 1), (56, 1)])
        cls.lan = lan
        cls.result = Run(config(), wan=cls.clients + cls.from_clients, lan=lan).go()
        cls.port4 = next(ends(f)[1] for f in cls.result.lan if TCP in Ether(f))
        cls.port6 = next(ends(f)[1] for f in cls.result.lan
                         if UDP in Ether(f) and Ether(f).type == 0x86dd and
                         Ether(f)[IPv6].nh == 17)

    def test_from_clients(self):
        """To the server, as if the source address sent it, about what the server has sent."""
        errors = [f for f in self.result.lan
                  if (f[12:14] == b"\x08\x00" and f[23] == 1) or
                  (f[12:14] == b"\x86\xdd" and f[20] == 58)]
        ether = Ether(src=PORT_MACS["lan"], dst=server_mac(TCP4.server))
        quoted = packet(TCP4, (TCP4.server, TCP4.server_port), (SOURCES[4], self.port4),
                        l4={"flags": "A", "seq": 77})[IP]
        four = bytes(ether / IP(src=SOURCES[4], dst=TCP4.server, ttl=63) /
                     ICMP(type=3, code=4, nexthopmtu=1400) / Raw(bytes(quoted)[:28]))
        ether = Ether(src=PORT_MACS["lan"], dst=server_mac(UDP6.server))
        quoted = packet(UDP6, (UDP6.server, UDP6.server_port), (SOURCES[6], self.port6),
                        payload=b"!" * 50)[IPv6]
        six = bytes(ether / IPv6(src=SOURCES[6], dst=UDP6.server, hlim=63) /
                    ICMPv6DestUnreach(code=4) / Raw(bytes(quoted)))
        self.assertEqual(errors, [four, six])

    def test_from_servers(self):
        """To the client about what it has sent; a router's address is kept, a server's is not."""
        ether = Ether(src=PORT_MACS["wan"], dst=ROUTER)
        quoted = packet(TCP4, client_of(TCP4, 1), (TCP4.address, TCP4.port),
                        l4={"flags": "S", "chksum": 0})[IP]
        four = bytes(ether / IP(src="10.98.0.1", dst=client_of(TCP4, 1)[0], ttl=63) /
                     ICMP(type=11, code=0) /
                     Raw(bytes(quoted)[:28] + struct.pack("!H", self.port4)))
        self.assertEqual([f for f in self.result.wan if f[12:14] == b"\x08\x00"], [four])
        quoted = packet(UDP6, client_of(UDP6, 2), (UDP6.address, UDP6.port), payload=b"?")[IPv6]
        six = bytes(ether / IPv6(src=UDP6.address, dst=client_of(UDP6, 2)[0], hlim=63) /
                    ICMPv6DestUnreach(code=4) /
                    Raw(bytes(quoted)[:48] + struct.pack("!H", self.port6)))
        self.assertEqual([f for f in self.result.wan if f[12:14] == b"\x86\xdd"], [six])

    def test_all_others(self):
        self.assertEqual(self.result.drops, {"no-flow": 2 * (PORTS - 1)})
        self.assertEqual(len(self.result.wan), 2)


class FullNatFragments(unittest.TestCase):
    """Two of a datagram, each way: the first has the ports, the other only addresses."""

    @staticmethod
    def cut(kind, frame, identity):
        """A UDP datagram's frame in two fragments of 16 bytes and the rest."""
        p = Ether(frame)
        data = bytes(p[UDP])
        if kind.version == 4:
            head = p[IP].copy()
            head.remove_payload()
            for at, more in ((0, 1), (16, 0)):
                part = head.copy()
                part.flags, part.frag, part.id = "MF" if more else 0, at // 8, identity
                del part.len, part.chksum
                yield bytes(Ether(src=p.src, dst=p.dst) / part /
                            Raw(data[at:16] if more else data[at:]))
            return
        for at, more in ((0, 1), (16, 0)):
            yield bytes(Ether(src=p.src, dst=p.dst) /
                        IPv6(src=p[IPv6].src, dst=p[IPv6].dst, hlim=p[IPv6].hlim) /
                        IPv6ExtHdrFragment(nh=17, offset=at // 8, m=more, id=identity) /
                        Raw(data[at:16] if more else data[at:]))

    @classmethod
    def setUpClass(cls):
        wan, lan = [], []
        cls.sent = {}
        for kind in (UDP4, UDP6):
            cls.sent[kind] = request(kind, 3, payload=b"question" * 5)
            wan += cls.cut(kind, cls.sent[kind], 4711)
        # The last two bytes of the datagram are its port, so they are the second fragment's.
        template = reply(UDP4, FIRST_PORT, payload=b"answer" * 6 + struct.pack("!H", FIRST_PORT))
        for frame in for_every_port(template, 36, [(40, 2)]):
            lan += cls.cut_quickly(frame)
        cls.result = Run(config(), wan=wan, lan=lan).go()

    @staticmethod
    def cut_quickly(frame):
        """As cut() for IPv4, with the port for identity; thousands of them."""
        identity = frame[36:38]
        for at, more in ((0, True), (16, False)):
            data = frame[34:50] if more else frame[50:]
            head = bytearray(frame[:34])
            struct.pack_into("!H", head, 16, 20 + len(data))
            head[18:20] = identity
            struct.pack_into("!H", head, 20, (0x2000 if more else 0) | at // 8)
            head[24:26] = b"\0\0"
            struct.pack_into("!H", head, 24, 0xffff - sum_of(*struct.unpack("!10H", head[14:])))
            yield bytes(head) + data

    def test_to_servers(self):
        self.assertEqual(len(self.result.lan), 4)
        for kind in (UDP4, UDP6):
            mine = [f for f in self.result.lan
                    if f[12:14] == (b"\x08\x00" if kind.version == 4 else b"\x86\xdd")]
            l4 = 34 if kind.version == 4 else 62
            port = struct.unpack_from("!H", mine[0], l4)[0]
            whole = to_server(kind, self.sent[kind], (SOURCES[kind.version], port))
            self.assertEqual(mine, list(self.cut(kind, whole, 4711)))

    def test_to_clients(self):
        port = struct.unpack_from("!H", self.result.lan[0], 34)[0]
        whole = rewritten(
            reply(UDP4, port, payload=b"answer" * 6 + struct.pack("!H", port)),
            (PORT_MACS["wan"], ROUTER), (UDP4.address, UDP4.port), client_of(UDP4, 3))
        self.assertEqual(self.result.wan, list(self.cut(UDP4, whole, port)))
        self.assertEqual(self.result.drops, {"no-flow": 2 * (PORTS - 1)})


class FullNatLimits(unittest.TestCase):
    """More flows than one source address has ports at one server; and than there is room for."""

    @staticmethod
    def syns(kind, count):
        template = request(kind, 1, l4={"flags": "S"})
        frame = bytearray(template)
        checksum = struct.unpack_from("!H", frame, 50)[0]
        old = struct.unpack_from("!H", frame, 34)[0]
        for port in range(1, count + 1):
            new = 0xffff - sum_of(0xffff - checksum, 0xffff - old, port)
            struct.pack_into("!H", frame, 34, port)
            struct.pack_into("!H", frame, 50, new)
            yield bytes(frame)

    def run_syns(self, count, size):
        plain = config()
        for front in plain["frontends"]:
            if front["protocol"] == "tcp":
                front["syn-cookies"] = "never"  # all at once, they would be a flood
        result = Run(plain, wan=list(self.syns(TCP4, count)), flow_table_size=size).go()
        seen = collections.Counter(frame[26:30] + frame[34:36] for frame in result.lan)
        self.assertEqual(max(seen.values()), 1, "a port was given to two flows")
        self.assertEqual(len(result.lan) + sum(result.drops.values()), count)
        self.assertEqual(result.servers["tcp4/s1"]["sessions"], len(result.lan))
        return result

    def test_no_source_port(self):
        result = self.run_syns(65535, "256K")
        self.assertEqual(set(result.drops), {"no-source-port"})
        # There are 1023 more clients' ports than there are of ours.
        self.assertTrue(60000 < len(result.lan) <= PORTS, len(result.lan))

    def test_flow_table_full(self):
        result = self.run_syns(3000, "1K")
        # All are half open, and as many of those are allowed as there is room for flows.
        self.assertEqual(result.drops, {"half-open": 3000 - 1024})

    def test_two_workers(self):
        """Each gives ports of its own half; all are different."""
        frames = list(self.syns(TCP4, 900))
        result = Run(config(), wan=frames, workers=2).go()
        ports = [struct.unpack_from("!H", frame, 34)[0] for frame in result.lan]
        self.assertEqual(len(set(ports)), 900)
        half = FIRST_PORT + PORTS // 2
        low = sum(port < half for port in ports)
        self.assertTrue(300 < low < 600, f"{low} of 900 are of the lower half")
        self.assertEqual(result.drops, {})

    def test_strays(self):
        """What is not of this mode: to no source port, or straight to the client."""
        lan = [
            reply(TCP4, 80, l4={"flags": "A"}),
            bytes(packet(TCP4, (TCP4.server, TCP4.server_port), client_of(TCP4, 1),
                         (server_mac(TCP4.server), PORT_MACS["lan"]), l4={"flags": "A"})),
        ]
        wan = [request(TCP6, 1, l4={"flags": "R"}), request(TCP4, 1, ttl=1, l4={"flags": "S"})]
        result = Run(config(), wan=wan, lan=lan).go()
        self.assertEqual(result.drops, {"no-flow": 2, "no-service": 1, "ttl": 1})
