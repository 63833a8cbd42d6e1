# SPDX-License-Identifier: BSD-3-Clause
"""Fragments: those that come out are, byte by byte, those of the datagram as it should come out."""

import collections
import itertools
import random

from scapy.layers.inet import IP, UDP, IPOption_NOP, defragment, fragment
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, PadN, defragment6,
                                fragment6)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from exchange import (KINDS, ROUTER, TCP4, TCP6, UDP4, UDP6, Batch, Exchange, packet, rewritten)
from harness import PORT_MACS, Run, backend, frontend, server_mac, wait_for, with_workers

BODY = random.Random(1).randbytes(66000)


def pieces(whole, size=1280):
    """The frame of a datagram, as fragments with about `size` bytes each."""
    p = Ether(whole)
    ether = bytes(p)[:14]
    if IP in p:
        return [ether + bytes(piece) for piece in fragment(p[IP], size)]
    return [ether + bytes(piece) for piece in fragment6(p[IPv6], size)]


def ip_id(kind, number):
    """Fields of packet() that give a datagram this id."""
    if kind.version == 4:
        return {"ip": {"id": number}}
    return {"ext": [IPv6ExtHdrFragment(id=number)]}


class Fragments:
    """Datagrams in fragments on top of an Exchange."""

    def __init__(self, exchange):
        self.x = exchange
        self.number = 0

    def frames(self, kind, to_server, port, size, fields):
        """The fragments to send, and those expected."""
        self.number += 1
        if "ext" not in fields:
            for key, value in ip_id(kind, self.number).items():
                fields[key] = {**value, **fields.get(key, {})} if key == "ip" else value
        client = self.x.client(kind, port)
        if to_server:
            whole = bytes(packet(kind, client, (kind.address, kind.port), **fields))
            out = rewritten(whole, (PORT_MACS["lan"], server_mac(kind.server)),
                            destination=(kind.server, kind.server_port))
        else:
            whole = bytes(packet(kind, (kind.server, kind.server_port), client,
                                 (server_mac(kind.server), PORT_MACS["wan"]), **fields))
            out = rewritten(whole, (PORT_MACS["wan"], ROUTER), source=(kind.address, kind.port))
        return pieces(whole, size), pieces(out, size)

    def send(self, kind, to_server=True, port=40000, size=1280, order=None, **fields):
        """order: of the fragments, as they are sent."""
        sent, expected = self.frames(kind, to_server, port, size, fields)
        order = list(order) if order else list(range(len(sent)))
        assert sorted(order) == list(range(len(sent))) and len(sent) > 1
        self.x.sent["wan"] += [sent[i] for i in order]
        # The first goes first, and then what has waited for it.
        self.x.expected["lan" if to_server else "wan"] += [
            expected[i] for i in [0] + [i for i in order if i]]

    def both(self, kind, **more):
        self.send(kind, True, **more)
        self.send(kind, False, **more)


def established(x):
    for kind in KINDS:
        x.handshake(kind)
    return Fragments(x)


def flags(kind):
    return {"l4": {"flags": "PA"}} if kind.protocol == "tcp" else {}


@with_workers(1, 2)
class FragmentsInOrder(Batch):
    fragments = True

    @staticmethod
    def packets_sizes(x):
        f = established(x)
        for kind in KINDS:
            for length in (1300, 2559, 2560, 2561, 5000):
                f.both(kind, payload=BODY[:length], **flags(kind))

    @staticmethod
    def packets_small_fragments(x):
        """As small as they may be, and one byte in the last."""
        f = established(x)
        for kind in (UDP4, UDP6):
            f.both(kind, payload=BODY[:57], size=28 if kind is UDP4 else 72)

    @staticmethod
    def packets_tcp_header_alone(x):
        f = established(x)
        for kind in (TCP4, TCP6):
            f.both(kind, payload=BODY[:57], size=44 if kind is TCP4 else 80, **flags(kind))

    @staticmethod
    def packets_greatest(x):
        """65535 bytes, or, as scapy cannot make that, 8 fewer."""
        f = established(x)
        f.send(UDP4, payload=BODY[:65535 - 28], size=1480)
        f.send(UDP6, False, payload=BODY[:65535 - 16], size=1500)

    @staticmethod
    def packets_first_of_flow(x):
        """A datagram in fragments begins a flow."""
        f = Fragments(x)
        for port in range(1000, 1010):
            f.send(UDP4, port=port, payload=BODY[:3000])
            f.send(UDP6, port=port, payload=BODY[:3000])
            f.send(TCP4, port=port, payload=BODY[:3000], l4={"flags": "S"})
            f.send(TCP6, port=port, payload=BODY[:3000], l4={"flags": "S"})

    @staticmethod
    def packets_udp4_without_checksum(x):
        established(x).both(UDP4, payload=BODY[:3000], l4={"chksum": 0})

    @staticmethod
    def packets_bad_checksum_stays_bad(x):
        """A bit of a later fragment: nobody can see that on the way, and nobody repairs it."""
        f = established(x)
        for kind in (UDP4, UDP6):
            for to_server in (True, False):
                sent, expected = f.frames(kind, to_server, 40000, 1280, {"payload": BODY[:3000]})
                damaged = [frame[:-1] + bytes([frame[-1] ^ 1]) for frame in (sent[1], expected[1])]
                x.sent["wan"] += [sent[0], damaged[0], *sent[2:]]
                x.expected["lan" if to_server else "wan"] += [
                    expected[0], damaged[1], *expected[2:]]

    @staticmethod
    def packets_ip_fields(x):
        f = established(x)
        f.both(UDP4, payload=BODY[:3000], ip={"tos": 0xb9, "flags": "DF"})
        f.both(UDP4, payload=BODY[:3000], ip={"options": [IPOption_NOP() for _ in range(4)]})
        for kind in KINDS:
            f.both(kind, payload=BODY[:3000], ttl=2, **flags(kind))

    @staticmethod
    def packets_extensions(x):
        """Extension headers before the fragment header, and behind it, in the first only."""
        f = established(x)
        option = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)])
        for kind in (UDP6, TCP6):
            f.both(kind, payload=BODY[:3000], **flags(kind),
                   ext=[IPv6ExtHdrFragment(id=kind.server_port), option])

    @staticmethod
    def packets_atomic(x):
        """RFC 6946: forwarded as it is."""
        for kind in (UDP6, TCP6):
            x.handshake(kind, ext=[IPv6ExtHdrFragment(id=5)])
            x.handshake(kind, port=40001, ext=[IPv6ExtHdrFragment(id=5)])

    @staticmethod
    def packets_padding(x):
        f = established(x)
        for to_server in (True, False):
            sent, expected = f.frames(UDP4, to_server, 40000, 28, {"payload": b"0123456789"})
            x.sent["wan"] += [frame + b"\xff" * 20 for frame in sent]
            x.expected["lan" if to_server else "wan"] += expected

    @staticmethod
    def packets_same_id(x):
        """Clients and protocols have ids of their own; one may also come again."""
        f = established(x)
        for kind in KINDS:
            for i in range(3):
                f.number = 99 + (kind is TCP6)  # IPv6 counts for all protocols together
                f.both(kind, payload=BODY[i:3000 + i], **flags(kind))


@with_workers(1, 2)
class FragmentsOutOfOrder(Batch):
    fragments = True

    @staticmethod
    def permutations(x, version):
        f = established(x)
        for i, order in enumerate(itertools.permutations(range(4))):
            for kind in KINDS:
                if kind.version == version:
                    f.send(kind, i % 2 == 0, payload=BODY[:4 * 1232 - 30], order=order,
                           size=1252 if version == 4 else 1280, **flags(kind))

    @classmethod
    def packets_permutations4(cls, x):
        cls.permutations(x, 4)

    @classmethod
    def packets_permutations6(cls, x):
        cls.permutations(x, 6)

    @staticmethod
    def packets_reversed(x):
        """Some stacks send the last one first."""
        f = established(x)
        for kind, length in ((UDP4, 20000), (UDP6, 20000)):
            f.both(kind, payload=BODY[:length], order=range(length // 1232, -1, -1), size=1252
                   if kind is UDP4 else 1280)

    @staticmethod
    def packets_duplicates(x):
        """Copies of fragments are forwarded as what they are a copy of."""
        f = established(x)
        for kind in (UDP4, UDP6):
            sent, expected = f.frames(kind, True, 40000, 1280, {"payload": BODY[:3000]})
            x.sent["wan"] += [sent[1], sent[1], sent[0], sent[0], sent[2], sent[1]]
            x.expected["lan"] += [expected[0], expected[1], expected[1], expected[0],
                                  expected[2], expected[1]]

    @staticmethod
    def packets_interleaved(x):
        f = established(x)
        rng, groups = random.Random(3), []
        for _ in range(10):
            for kind in (UDP4, UDP6):
                sent, expected = f.frames(kind, True, 40000, 1280, {"payload": BODY[:3000]})
                x.expected["lan"] += expected
                groups.append(sent)
        while groups:
            group = rng.choice(groups)
            x.sent["wan"].append(group.pop(0))
            if not group:
                groups.remove(group)


def reassembled(frames):
    """Whole packets that scapy puts together from these; none may be left over."""
    done4, rest = [], []
    four = [Ether(f)[IP] for f in frames if f[12:14] == b"\x08\x00"]
    for group in _by_datagram(four, lambda p: (p.src, p.dst, p.proto, p.id)):
        done4 += [bytes(p) for p in defragment(group)]
    six = [Ether(f)[IPv6] for f in frames if f[12:14] == b"\x86\xdd"]
    for group in _by_datagram(six, lambda p: (p.src, p.dst, p[IPv6ExtHdrFragment].id)):
        rest.append(bytes(defragment6(group)))
    return done4 + rest


def _by_datagram(packets, key):
    groups = collections.defaultdict(list)
    for p in packets:
        groups[key(p)].append(p)
    return groups.values()


class ManyFlows:
    """Many flows and three servers: were a flow seen by two workers, it would have two servers."""

    FLOWS = 60

    def workers_with_flows(self, api):
        """The flows of each worker that has any. Workers count them every now and then."""
        def counted():
            flows = [w["flows"] for w in api.ask("show workers") if w["flows"]]
            return flows if sum(flows) >= 2 * self.FLOWS else None

        return wait_for("all flows to be counted", 10, counted)

    @staticmethod
    def config():
        servers4 = [f"10.99.7.{i}:5353" for i in (1, 2, 3)]
        servers6 = [f"[2001:db8:a:7::{i}]:5353" for i in (1, 2, 3)]
        return {
            "frontends": [frontend("f4", "198.51.100.10:53", "b4", "udp"),
                          frontend("f6", "[2001:db8:1::10]:53", "b6", "udp")],
            "backends": [backend("b4", *servers4, balance="roundrobin"),
                         backend("b6", *servers6, balance="roundrobin")],
        }

    def datagrams(self):
        """Two for each flow, the fragments of each in any order."""
        rng = random.Random(5)
        for port in range(1000, 1000 + self.FLOWS):
            for kind, client in ((UDP4, "203.0.113.9"), (UDP6, "2001:db8:c::9")):
                for number in range(2):
                    frames = pieces(bytes(packet(
                        kind, (client, port), (kind.address, kind.port),
                        payload=port.to_bytes(2, "big") + BODY[:1500],
                        **ip_id(kind, 2 * port + number))))
                    rng.shuffle(frames)
                    yield frames

    def check(self, result):
        self.assertEqual(result.drops, {})
        self.assertEqual(len(result.extra), self.workers)
        self.assertEqual(sum(result.extra), 2 * self.FLOWS)
        sessions = [s["sessions_total"] for s in result.servers.values()]
        self.assertEqual(sum(sessions), 2 * self.FLOWS)
        whole = reassembled(result.lan)
        self.assertEqual(len(whole), 4 * self.FLOWS)
        servers = collections.defaultdict(set)
        for data in whole:
            p = IP(data) if data[0] >> 4 == 4 else IPv6(data)
            self.assertEqual(bytes(p[UDP].payload)[2:], BODY[:1500])
            self.assertEqual(bytes(p[UDP].payload)[:2], p[UDP].sport.to_bytes(2, "big"))
            checksum = p[UDP].chksum
            del p[UDP].chksum
            self.assertEqual(type(p)(bytes(p))[UDP].chksum, checksum)
            servers[p.version, p[UDP].sport].add(p.dst)
        self.assertEqual(len(servers), 2 * self.FLOWS)
        self.assertEqual({len(s) for s in servers.values()}, {1})


@with_workers(1, 2)
class FragmentOwners(ManyFlows):
    def test_one_owner_a_flow(self):
        sent = [frame for frames in self.datagrams() for frame in frames]
        self.check(Run(self.config(), wan=sent, workers=self.workers,
                       then=self.workers_with_flows).go())


@with_workers(2)
class FragmentQueues(ManyFlows):
    def test_received_by_two_workers(self):
        """Each worker receives a part of each datagram."""
        queues = ([], [])
        for i, frames in enumerate(self.datagrams()):
            queues[i % 2].append(frames[0])
            queues[1 - i % 2].extend(frames[1:])
        self.check(Run(self.config(), wan=queues[0], wan_queue2=queues[1], workers=self.workers,
                       then=self.workers_with_flows).go())


@with_workers(1, 2)
class FragmentCounters:
    """Every fragment is a packet of its service and server."""

    def test_counted(self):
        x = Exchange()
        f = Fragments(x)
        for kind in (UDP4, UDP6):
            x.ask(kind, payload=b"?")
            f.both(kind, payload=BODY[:3000])
        result = Run(Batch.config(), workers=self.workers, **x.sent).go()
        for kind in (UDP4, UDP6):
            server = result.servers[f"{kind.name}/s1"]
            frames = {d: [g for g in frames if (g[12:14] == b"\x08\x00") == (kind is UDP4)]
                      for d, frames in (("in", result.lan), ("out", result.wan))}
            for direction, wanted in frames.items():
                self.assertEqual(server[f"{direction}_packets"], len(wanted))
                self.assertEqual(server[f"{direction}_bytes"], sum(len(g) - 14 for g in wanted))
            self.assertEqual(server["sessions_total"], 1)
