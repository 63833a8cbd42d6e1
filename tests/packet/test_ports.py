# SPDX-License-Identifier: BSD-3-Clause
"""Services with several ports, servers without one, and one client port to two services."""

import dataclasses

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, ICMPv6PacketTooBig
from scapy.layers.l2 import Ether

from exchange import KINDS, TCP4, TCP6, UDP4, UDP6, ROUTER, Batch, Exchange, packet, rewritten
from harness import PORT_MACS, Run, backend, frontend, server_mac, with_workers
from test_fragments import Fragments
from test_icmp import ERRORS, both

RANGE, ANY, EXACT, HOLE = 30, 31, 40, 41  # last part of an address


def address_of(kind, last):
    return f"198.51.100.{last}" if kind.version == 4 else f"2001:db8:1::{last:x}"


def server_of(kind, last):
    return f"10.99.7.{last}" if kind.version == 4 else f"2001:db8:a:7::{last:x}"


def bare(kind, address):
    return address if kind.version == 4 else f"[{address}]"


def at(kind, service, port, server, server_port=None):
    """The kind as one port of a service, at a server that has the same port or its own."""
    return dataclasses.replace(kind, address=address_of(kind, service), port=port,
                               server=server_of(kind, server), server_port=server_port or port)


def in_range(kind, port):
    return at(kind, RANGE, port, 1)


def in_any(kind, port):
    return at(kind, ANY, port, 2)


def ports_config():
    frontends, backends = [], []
    for kind in KINDS:
        name = kind.name
        binds = {
            f"{name}-range": (kind.endpoint(address_of(kind, RANGE), "8000-8099"), 1, ""),
            f"{name}-any": (kind.endpoint(address_of(kind, ANY), "*"), 2, ""),
            # An exact port within the range, translated; and a narrower range within all ports.
            f"{name}-exact": (kind.endpoint(address_of(kind, RANGE), "8050"), 3, "80"),
            f"{name}-inner": (kind.endpoint(address_of(kind, ANY), "5000-5009"), 4, ""),
        }
        for frontend_name, (bind, server, port) in binds.items():
            address = server_of(kind, server)
            endpoint = kind.endpoint(address, port) if port else bare(kind, address)
            frontends.append(frontend(frontend_name, bind, frontend_name, kind.protocol))
            backends.append(backend(frontend_name, endpoint))
    return {"frontends": frontends, "backends": backends}


def talk(x, kind, port=40000):
    flags = {"flags": "PA"} if kind.l4 is TCP else {}
    x.handshake(kind, port)
    x.ask(kind, port, l4=flags, payload=b"question")
    x.answer(kind, port, l4=flags, payload=b"answer, odd")


@with_workers(1, 2)
class Ports(Batch):
    config = staticmethod(ports_config)

    @staticmethod
    def packets_range(x):
        for kind in KINDS:
            for port in (8000, 8001, 8049, 8051, 8099):
                talk(x, in_range(kind, port))

    @staticmethod
    def packets_any(x):
        for kind in KINDS:
            for port in (1, 21, 4999, 5010, 8050, 65535):
                talk(x, in_any(kind, port))

    @staticmethod
    def packets_exact_before_range(x):
        for kind in KINDS:
            talk(x, at(kind, RANGE, 8050, 3, 80))

    @staticmethod
    def packets_narrow_before_wide(x):
        for kind in KINDS:
            for port in (5000, 5009):
                talk(x, at(kind, ANY, port, 4))

    @staticmethod
    def packets_one_end_is_not_all(x):
        """Connections from one client port to several ports: one of them ends."""
        for kind in (TCP4, TCP6):
            for port in (8002, 8003):
                talk(x, in_range(kind, port))
            x.ask(in_range(kind, 8002), l4={"flags": "FA"})
            x.answer(in_range(kind, 8002), l4={"flags": "FA"})
            x.ask(in_range(kind, 8002), l4={"flags": "R"})
            for _ in range(3):
                x.ask(in_range(kind, 8003), l4={"flags": "A"})
                x.answer(in_range(kind, 8003), l4={"flags": "A"})

    @staticmethod
    def packets_udp_checksum(x):
        for kind in (UDP4, UDP6):
            x.ask(in_range(kind, 8004), payload=b"abc", pad=b"\0" * 9)
        x.ask(in_range(UDP4, 8004), l4={"chksum": 0}, payload=b"none")

    def test_sessions(self):
        """One for each port of a range that a client has been to."""
        for kind in KINDS:
            wanted = {"range": 7 if kind.l4 is TCP else 6, "any": 6, "exact": 1, "inner": 2}
            for name, count in wanted.items():
                server = self.result.servers[f"{kind.name}-{name}/s1"]
                self.assertEqual(server["sessions_total"], count, f"{kind.name} {name}")


@with_workers(1, 2)
class PortErrors(Batch):
    config = staticmethod(ports_config)
    fragments = True  # errors too are overtaken by the rest of a burst

    @staticmethod
    def packets_icmp(x):
        for kind in KINDS:
            for make in (in_range, in_any):
                for port in (8005, 8006):
                    x.handshake(make(kind, port))
                for message in ERRORS[kind.version]:
                    both(x, make(kind, 8006), message)
            exact = at(kind, RANGE, 8050, 3, 80)
            x.handshake(exact)
            both(x, exact, ERRORS[kind.version][0])


@with_workers(1, 2)
class PortFragments(Batch):
    config = staticmethod(ports_config)
    fragments = True

    @staticmethod
    def packets_fragments(x):
        f = Fragments(x)
        for kind in KINDS:
            for made in (in_range(kind, 8001), in_any(kind, 8001), at(kind, RANGE, 8050, 3, 80)):
                x.handshake(made)
                f.send(made, payload=bytes(4000))
                f.send(made, to_server=False, payload=bytes(3001), order=[2, 0, 1])


def refused(kind):
    """What belongs to no service: beside the range, and replies to nothing."""
    x = Exchange(200)
    client = x.client(kind)
    flags = {"flags": "S"} if kind.l4 is TCP else {}
    for port in (7999, 8100, 1):
        yield packet(kind, client, (address_of(kind, RANGE), port), l4=flags)


@with_workers(1)
class Nobodys:
    def test_beside(self):
        frames = [f for kind in KINDS for f in refused(kind)]
        result = Run(ports_config(), wan=frames).go()
        self.assertEqual((result.wan, result.lan), ([], []))
        self.assertEqual(result.drops, {"no-service": len(frames)})

    def test_replies_without_flow(self):
        x = Exchange(201)
        frames = []
        for kind in KINDS:
            flags = {"flags": "A"} if kind.l4 is TCP else {}
            for server, port in ((1, 8000), (2, 1), (2, 65535), (3, 80)):
                frames.append(packet(kind, (server_of(kind, server), port), x.client(kind),
                                     (server_mac(server_of(kind, server)), PORT_MACS["lan"]),
                                     l4=flags))
        result = Run(ports_config(), lan=frames).go()
        self.assertEqual((result.wan, result.lan), ([], []))
        self.assertEqual(result.drops, {"no-flow": len(frames)})


def twice_config():
    """Two services of each kind, one server endpoint."""
    frontends, backends = [], []
    for kind in KINDS:
        for i, last in enumerate((HOLE, HOLE + 1)):
            name = f"{kind.name}-{i}"
            frontends.append(frontend(name, kind.endpoint(address_of(kind, last), 80), name,
                                      kind.protocol))
            backends.append(backend(name, kind.endpoint(server_of(kind, EXACT), 8080)))
    return {"frontends": frontends, "backends": backends}


def sports(frames, kind):
    """Source ports by what came first, of frames that must be right in every checksum."""
    for frame in frames:
        p = Ether(frame)
        if kind.l4 in p and (IP in p) == (kind.version == 4):
            yield p[kind.l4].sport


@with_workers(1, 2)
class OnePortTwoServices:
    """The second flow gets another port at the server, and keeps it."""

    def test_requests(self):
        x = Exchange(300)
        frames = []
        for kind in KINDS:
            for flags in ("S", "A", "A"):
                l4 = {"flags": flags} if kind.l4 is TCP else {}
                for last in (HOLE, HOLE + 1):
                    frames.append(packet(kind, x.client(kind, 40001), (address_of(kind, last), 80),
                                         l4=l4, payload=b"odd" if flags == "A" else b""))
        result = Run(twice_config(), wan=frames, workers=self.workers).go()
        self.assertEqual(result.drops, {})
        self.assertEqual(len(result.lan), len(frames))
        for kind in KINDS:
            seen = list(sports(result.lan, kind))
            first, second = seen[0::2], seen[1::2]
            self.assertEqual(first, [40001] * 3, kind.name)
            self.assertEqual(len(set(second)), 1, kind.name)
            self.assertNotEqual(second[0], 40001, kind.name)
            self.assertGreaterEqual(second[0], 1024)
            for name in (f"{kind.name}-0/s1", f"{kind.name}-1/s1"):
                self.assertEqual(result.servers[name]["sessions"], 1, name)
        for frame in result.lan:
            whole = Ether(frame)
            again = Ether(frame)
            for layer in (IP, TCP, UDP):
                if layer in again:
                    del again[layer].chksum
            self.assertEqual(bytes(again), bytes(whole), "a wrong checksum")

    def test_errors_follow(self):
        """An error about a reply reaches the server under the port that the server knows."""
        x = Exchange(301)
        frames = []
        for kind in (TCP4, TCP6):
            client = x.client(kind, 40002)
            for last in (HOLE, HOLE + 1):
                frames.append(packet(kind, client, (address_of(kind, last), 80),
                                     l4={"flags": "S"}))
            quoted = bytes(packet(kind, (address_of(kind, HOLE + 1), 80), client,
                                  l4={"flags": "A"}))[14:]
            message = (ICMP(type=3, code=4, nexthopmtu=1300) if kind.version == 4
                       else ICMPv6PacketTooBig(mtu=1300))
            frames.append(Ether(src=ROUTER, dst=PORT_MACS["wan"]) /
                          kind.ip(src=client[0], dst=address_of(kind, HOLE + 1)) / message / quoted)
        result = Run(twice_config(), wan=frames, workers=self.workers).go()
        self.assertEqual(result.drops, {})
        for kind in (TCP4, TCP6):
            ports = {p.sport for p in (Ether(f).payload.payload for f in result.lan)
                     if isinstance(p, TCP) and isinstance(p.underlayer, kind.ip)}
            other = (ports - {40002}).pop()
            errors = [Ether(f) for f in result.lan
                      if isinstance(Ether(f).payload, kind.ip)
                      and not isinstance(Ether(f).payload.payload, TCP)]
            self.assertEqual(len(errors), 1)
            self.assertIn(other.to_bytes(2, "big"), bytes(errors[0])[-20:])
            inner = kind.ip(bytes(errors[0].payload.payload)[8:])
            self.assertEqual((inner.src, inner[TCP].sport, inner[TCP].dport),
                             (server_of(kind, EXACT), 8080, other))
            self.assertEqual(bytes(inner), self.rebuilt(inner), "a wrong checksum in the quote")

    @staticmethod
    def rebuilt(p):
        again = p.copy()
        for layer in (IP, TCP):
            if layer in again:
                del again[layer].chksum
        return bytes(again)
