# SPDX-License-Identifier: BSD-3-Clause
"""Resets that pass, and what Shunt sends of its own to learn whether a connection is still there.

The numbers of a challenge are secret, so they are taken from the frame; all else in it is as scapy
builds it. What an answer to a challenge does is in tests/unit/test_track_reset.c and, with real
hosts, in tests/netns/test_lifetimes.sh.
"""

import collections
import random

from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from exchange import ROUTER, TCP4, TCP6, UDP4, Exchange, kinds_config, packet
from harness import PORT_MACS, Run, server_mac, wait_for, with_workers

SECONDS = 10


def challenge(kind, frame, source, destination, macs):
    """The frame as it should be, but for its numbers, which are its own."""
    seen = Ether(frame)[TCP]
    fields = {"flags": "A", "seq": seen.seq, "ack": seen.ack, "window": 8192}
    ip = {"id": 0, "flags": "DF"} if kind.version == 4 else None
    return bytes(packet(kind, source, destination, macs, ip=ip, l4=fields))


def numbers(frame):
    tcp = Ether(frame)[TCP]
    return tcp.seq, tcp.ack


def rest(frames, expected):
    """What came out beside what was expected, all of which must have."""
    left = collections.Counter(frames)
    left.subtract(collections.Counter(expected))
    assert min(left.values(), default=0) >= 0, "something expected has not come"
    return list(left.elements())


def random_reset(source, flags):
    return {"flags": flags, "seq": source.getrandbits(32), "ack": source.getrandbits(32)}


@with_workers(1, 2)
class Forged:
    """Resets out of the blue, from both sides, are forwarded as they are and end nothing."""

    COUNT = 12

    def run_with(self, prepare, ports=(40000, 40001)):
        source, x = random.Random(7), Exchange()
        for kind in (TCP4, TCP6):
            for port in ports:
                prepare(x, kind, port)
                for i in range(self.COUNT):
                    x.ask(kind, port, l4=random_reset(source, "RA" if i % 2 else "R"))
                    x.answer(kind, port, l4=random_reset(source, "RA" if i % 2 else "R"))
        result = Run(kinds_config(), workers=self.workers, **x.sent).go()
        self.assertEqual(sorted(result.lan), sorted(x.expected["lan"]))
        self.assertEqual(result.drops, {})
        return x, result

    def test_established(self):
        x, result = self.run_with(lambda x, kind, port: x.handshake(kind, port))
        challenges = rest(result.wan, x.expected["wan"])
        self.assertEqual(len(challenges), 2 * 2 * 2 * self.COUNT)
        self.assertEqual(result.total("tcp_challenges"), len(challenges))
        self.assertEqual(result.total("tcp_resets"), 0)
        nonces = set()
        for kind in (TCP4, TCP6):
            self.assertEqual(result.servers[f"{kind.name}/s1"]["sessions"], 2)
            for port in (40000, 40001):
                nonces |= self.check_challenges(x, kind, port, challenges)
        self.assertEqual(len(nonces), 8, "one for each end of each connection")
        self.assertEqual(challenges, [], "challenges of nobody")

    def check_challenges(self, x, kind, port, challenges):
        """Takes out those that go to the ends of a connection; returns what they acknowledge."""
        client, service = x.client(kind, port), (kind.address, kind.port)
        server = (kind.server, kind.server_port)
        nonces = set()
        for source, destination, mac in ((service, client, ROUTER),
                                         (client, server, server_mac(kind.server))):
            mine = [f for f in challenges
                    if f == challenge(kind, f, source, destination, (PORT_MACS["wan"], mac))]
            self.assertEqual(len(mine), self.COUNT)
            acks = {numbers(f)[1] for f in mine}
            self.assertEqual(len(acks), 1)
            nonces |= acks
            for frame in mine:
                challenges.remove(frame)
        return nonces

    def test_closed(self):
        def closed(x, kind, port):
            x.handshake(kind, port)
            x.ask(kind, port, l4={"flags": "FA"})
            x.answer(kind, port, l4={"flags": "FA"})

        x, result = self.run_with(closed)
        self.assertEqual(sorted(result.wan), sorted(x.expected["wan"]))
        self.assertEqual(result.total("tcp_challenges"), 0)
        self.assertEqual(sum(s["sessions"] for s in result.servers.values()), 0)

    def test_half_open(self):
        def half_open(x, kind, port):
            x.ask(kind, port, l4={"flags": "S"})
            x.answer(kind, port, l4={"flags": "SA"})

        x, result = self.run_with(half_open)
        self.assertEqual(sorted(result.wan), sorted(x.expected["wan"]))
        self.assertEqual(result.total("tcp_challenges"), 0)
        self.assertEqual(sum(s["sessions"] for s in result.servers.values()), 4)

    def test_refused(self):
        x, result = self.run_with(lambda x, kind, port: x.ask(kind, port, l4={"flags": "S"}))
        self.assertEqual(sorted(result.wan), sorted(x.expected["wan"]))
        self.assertEqual(result.total("tcp_challenges"), 0)
        self.assertEqual(sum(s["sessions"] for s in result.servers.values()), 0)


@with_workers(1, 2)
class Shutdown:
    """By command the sessions of one server end, and both ends of each are made to speak."""

    def test_command(self):
        x, ports = Exchange(), range(40000, 40020)
        for kind in (TCP4, TCP6):
            for port in ports:
                x.handshake(kind, port)
        for port in ports:
            x.handshake(UDP4, port)

        def shut(api):
            for kind in (TCP4, UDP4):
                api.ask("shutdown sessions", server=f"{kind.name}/s1")
            wait_for("flows to be reset", SECONDS, lambda: sum(
                w["flows_reset"] for w in api.ask("show workers")) >= len(ports))

        result = Run(kinds_config(), workers=self.workers, then=shut, **x.sent).go()
        self.assertEqual(result.total("flows_reset"), len(ports))
        left = {name: s["sessions"] for name, s in result.servers.items()}
        self.assertEqual(left, {"tcp4/s1": 0, "udp4/s1": 20, "tcp6/s1": 20, "udp6/s1": 0})
        to_clients = rest(result.wan, x.expected["wan"])
        to_servers = rest(result.lan, x.expected["lan"])
        # A sweep may have come by before the process was stopped: then there are two of each.
        for port in ports:
            client, server = x.client(TCP4, port), (TCP4.server, TCP4.server_port)
            wanted = ((to_clients, (TCP4.address, TCP4.port), client,
                       (PORT_MACS["wan"], ROUTER)),
                      (to_servers, client, server,
                       (PORT_MACS["lan"], server_mac(TCP4.server))))
            for frames, source, destination, macs in wanted:
                mine = [f for f in frames if f == challenge(TCP4, f, source, destination, macs)]
                self.assertIn(len(mine), (1, 2), port)
                for frame in mine:
                    frames.remove(frame)
        self.assertEqual((to_clients, to_servers), ([], []))
