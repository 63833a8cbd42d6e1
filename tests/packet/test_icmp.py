# SPDX-License-Identifier: BSD-3-Clause
"""ICMP errors about balanced flows, and the ones that Shunt sends itself.

An error quotes a packet as its receiver has sent it, so the expected error is built by scapy from
the addresses of the other side, the quoted packet with all its checksums included.
"""

import random

from scapy.layers.inet import ICMP, IP, TCP, IPOption_NOP, IPOption_Router_Alert
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6ParamProblem,
                                ICMPv6TimeExceeded, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                PadN)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from exchange import (KINDS, ROUTER, TCP4, TCP6, UDP4, UDP6, Batch, Exchange, kinds_config,
                      packet)
from harness import PORT_MACS, Run, frontend, server_mac, with_workers

ROUTER_ADDRESS = {4: "192.0.2.77", 6: "2001:db8:77::1"}
INNER_ROUTER = {4: "10.99.9.9", 6: "2001:db8:a:9::9"}
BODY = bytes(range(256)) * 4
EIGHT = 8  # bytes of layer 4: all that must be quoted (RFC 792)
HALF_CHECKSUM = 17  # of TCP: half a checksum can be neither put right nor looked at

ERRORS = {
    4: (lambda: ICMP(type=3, code=4, nexthopmtu=1300), lambda: ICMP(type=3, code=3),
        lambda: ICMP(type=11, code=0), lambda: ICMP(type=12, code=0, ptr=20)),
    6: (lambda: ICMPv6PacketTooBig(mtu=1300), lambda: ICMPv6DestUnreach(code=4),
        lambda: ICMPv6TimeExceeded(code=0), lambda: ICMPv6ParamProblem(code=1, ptr=40)),
}


def header_bytes(kind):
    return 20 if kind.version == 4 else 40


def quoted(kind, source, destination, payload=BODY[:33], keep=None, ip=None, ext=(), l4=None):
    """The IP packet that an error is about; keep: how many of its bytes are quoted."""
    fields = {"flags": "PA", "seq": 0x12345678, "ack": 99} if kind.l4 is TCP else {}
    frame = bytes(packet(kind, source, destination, ttl=57, ip=ip, ext=ext,
                         l4={**fields, **(l4 or {})}, payload=payload))
    return frame[14:][:keep]


def error(kind, macs, source, destination, message, inner, ttl=64, ip=None, ext=()):
    life = {"ttl": ttl} if kind.version == 4 else {"hlim": ttl}
    p = Ether(src=macs[0], dst=macs[1])
    p /= kind.ip(src=source, dst=destination, **life, **(ip or {}))
    for layer in ext:
        p /= layer
    return bytes(p / message / Raw(inner))


def from_client(x, kind, message, source=None, port=40000, ttl=64, tail=b"", pad=b"", outer=None,
                service=None, **fields):
    """An error about a reply: sent to the service, expected at the server. tail: behind the quoted
    packet."""
    client = x.client(kind, port)
    service = service or (kind.address, kind.port)
    server = (kind.server, kind.server_port)
    source = source or client[0]
    outer = outer or {}
    x.sent["wan"].append(error(
        kind, (ROUTER, PORT_MACS["wan"]), source, service[0], message,
        quoted(kind, service, client, **fields) + tail, ttl, **outer) + pad)
    x.expected["lan"].append(error(
        kind, (PORT_MACS["lan"], server_mac(kind.server)), source, server[0], message,
        quoted(kind, server, client, **fields) + tail, ttl - 1, **outer))


def from_server(x, kind, message, source=None, port=40000, ttl=64, tail=b"", pad=b"", outer=None,
                service=None, **fields):
    """An error about a request: sent by the server or a router, expected at the client."""
    client = x.client(kind, port)
    service = service or (kind.address, kind.port)
    server = (kind.server, kind.server_port)
    outer = outer or {}
    x.sent["wan"].append(error(
        kind, (server_mac(kind.server), PORT_MACS["wan"]), source or server[0], client[0], message,
        quoted(kind, client, server, **fields) + tail, ttl, **outer) + pad)
    x.expected["wan"].append(error(
        kind, (PORT_MACS["wan"], ROUTER), source or service[0], client[0], message,
        quoted(kind, client, service, **fields) + tail, ttl - 1, **outer))


def both(x, kind, make, **fields):
    from_client(x, kind, make(), **fields)
    from_server(x, kind, make(), **fields)


@with_workers(1, 2)
class Icmp(Batch):
    both_ports_receive = True  # or as good as: errors are dealt with at the end of their burst

    @staticmethod
    def packets_all_errors(x):
        for kind in KINDS:
            x.handshake(kind)
            for make in ERRORS[kind.version]:
                both(x, kind, make)

    @staticmethod
    def packets_eight_bytes(x):
        for kind in KINDS:
            x.handshake(kind)
            for make in ERRORS[kind.version]:
                both(x, kind, make, keep=header_bytes(kind) + EIGHT)

    @staticmethod
    def packets_quoted_lengths(x):
        """Every length around TCP's and UDP's checksum fields and headers."""
        for kind in KINDS:
            x.handshake(kind)
            for l4_bytes in range(EIGHT, 24):
                if kind.l4 is TCP and l4_bytes == HALF_CHECKSUM:
                    continue
                both(x, kind, ERRORS[kind.version][0], keep=header_bytes(kind) + l4_bytes)

    @staticmethod
    def packets_from_routers(x):
        """Their addresses are nobody's to change."""
        for kind in KINDS:
            x.handshake(kind)
            for make in ERRORS[kind.version]:
                from_client(x, kind, make(), source=ROUTER_ADDRESS[kind.version])
                from_server(x, kind, make(), source=INNER_ROUTER[kind.version])

    @staticmethod
    def packets_checksums(x):
        rng = random.Random(3)
        for kind in KINDS:
            x.handshake(kind)
            for _ in range(20):
                both(x, kind, ERRORS[kind.version][0], payload=rng.randbytes(rng.randrange(64)))

    @staticmethod
    def packets_quoted_udp_without_checksum(x):
        x.handshake(UDP4)
        both(x, UDP4, ERRORS[4][0], l4={"chksum": 0})
        both(x, UDP4, ERRORS[4][0], l4={"chksum": 0}, keep=28)

    @staticmethod
    def packets_quoted_options(x):
        option = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
        for kind in (TCP4, UDP4):
            x.handshake(kind)
            both(x, kind, ERRORS[4][0], ip={"options": [IPOption_NOP() for _ in range(40)]})
            both(x, kind, ERRORS[4][0], ip={"options": [IPOption_Router_Alert()]}, keep=24 + EIGHT)
        for kind in (TCP6, UDP6):
            x.handshake(kind)
            both(x, kind, ERRORS[6][0], ext=[option, option])
            both(x, kind, ERRORS[6][0], ext=[option], keep=48 + EIGHT)

    @staticmethod
    def packets_outer_options(x):
        for kind in KINDS:
            outer = ({"ip": {"options": [IPOption_Router_Alert()], "tos": 0xc0}}
                     if kind.version == 4
                     else {"ext": [IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])]})
            x.handshake(kind)
            both(x, kind, ERRORS[kind.version][0], outer=outer)

    @staticmethod
    def packets_quoted_first_fragment(x):
        for kind in (TCP4, UDP4):
            x.handshake(kind)
            both(x, kind, ERRORS[4][0], ip={"flags": "MF"})
        x.handshake(UDP6)
        both(x, UDP6, ERRORS[6][0], ext=[IPv6ExtHdrFragment(m=1, id=7)])

    @staticmethod
    def packets_extended(x):
        """RFC 4884: filled up to 128 bytes, and something behind."""
        extension = b"\x20\0\0\0" + bytes(8)
        for kind in KINDS:
            x.handshake(kind)
            full = header_bytes(kind) + (20 if kind.l4 is TCP else 8) + 3
            both(x, kind, ERRORS[kind.version][1], payload=b"abc",
                 tail=bytes(128 - full) + extension)

    @staticmethod
    def packets_ttl(x):
        for kind in KINDS:
            x.handshake(kind)
            for ttl in (2, 255):
                both(x, kind, ERRORS[kind.version][2], ttl=ttl)

    @staticmethod
    def packets_ethernet_padding(x):
        for kind in KINDS:
            x.handshake(kind)
            both(x, kind, ERRORS[kind.version][2], keep=header_bytes(kind) + EIGHT,
                 pad=b"\xff" * 7)

    @staticmethod
    def packets_flow_goes_on(x):
        """An error changes nothing: the connection is as it was."""
        for kind in KINDS:
            x.handshake(kind)
            flags = {"flags": "A"} if kind.l4 is TCP else {}
            for make in ERRORS[kind.version]:
                both(x, kind, make)
                x.ask(kind, l4=flags, payload=b"still here")
                x.answer(kind, l4=flags, payload=b"me too")

    @staticmethod
    def packets_many_clients(x):
        """With two workers, many of these arrive at the one that does not own the flow. They may
        overtake each other, so each has an MTU, and by it a checksum, of its own."""
        for port in range(2000, 2010):
            for kind in KINDS:
                x.handshake(kind, port)
                both(x, kind, lambda m=port: (ICMP(type=3, code=4, nexthopmtu=m)
                                              if kind.version == 4 else ICMPv6PacketTooBig(mtu=m)),
                     port=port)

    def test_sessions(self):
        """One for each handshake."""
        for name, server in self.result.servers.items():
            kind = next(k for k in KINDS if name == f"{k.name}/s1")
            clients = {flow for x in self.exchanges.values() for flow in self.asked(x, kind)}
            self.assertEqual(server["sessions_total"], len(clients), name)
            self.assertEqual(server["sessions"], len(clients), name)

    @staticmethod
    def asked(exchange, kind):
        for frame in exchange.sent["wan"]:
            p = Ether(frame)
            ip = p[IP] if IP in p else p[IPv6]
            l4 = ip.payload
            if isinstance(l4, kind.l4) and ip.dst == kind.address and l4.dport == kind.port:
                yield ip.src, l4.sport


def shared_config():
    """Each server stands behind a second service too."""
    config = kinds_config()
    for kind in KINDS:
        config["frontends"].append(frontend(
            f"{kind.name}b", kind.endpoint(kind.address, kind.port + 1000), kind.name,
            kind.protocol))
    return config


@with_workers(1, 2)
class IcmpSharedServer:
    def test_second_service(self):
        x = Exchange()
        for kind in KINDS:
            for offset, port in ((0, 40000), (1000, 40001)):
                service = (kind.address, kind.port + offset)
                flags = {"flags": "S"} if kind.l4 is TCP else {}
                request = {"l4": flags, "payload": b"?"}
                x.sent["wan"].append(bytes(packet(kind, x.client(kind, port), service, **request)))
                x.expected["lan"].append(bytes(packet(
                    kind, x.client(kind, port), (kind.server, kind.server_port),
                    (PORT_MACS["lan"], server_mac(kind.server)), ttl=63, **request)))
                both(x, kind, ERRORS[kind.version][1], port=port, service=service)
        result = Run(shared_config(), workers=self.workers, **x.sent).go()
        self.assertEqual(result.drops, {})
        for port in ("wan", "lan"):
            self.assertEqual(sorted(getattr(result, port)), sorted(x.expected[port]))


@with_workers(1, 2)
class IcmpCut:
    def test_every_length(self):
        """The quoted packet cut at each length: forwarded as soon as 8 bytes of layer 4 are there,
        and before that dropped, as is an ICMP header cut short."""
        x, short, none = Exchange(), 0, 0
        for kind in KINDS:
            x.handshake(kind)
            full = len(quoted(kind, x.client(kind), (kind.server, kind.server_port)))
            for keep in range(full):
                if kind.l4 is TCP and keep == header_bytes(kind) + HALF_CHECKSUM:
                    continue
                if keep >= header_bytes(kind) + EIGHT:
                    both(x, kind, ERRORS[kind.version][0], keep=keep)
                    continue
                y = Exchange()
                both(y, kind, ERRORS[kind.version][0], keep=keep)
                x.sent["wan"] += y.sent["wan"]
                short += 2
            for keep in range(8):
                message = ERRORS[kind.version][0]()
                x.sent["wan"].append(error(kind, (ROUTER, PORT_MACS["wan"]), x.client(kind)[0],
                                           kind.address, Raw(bytes(message)[:keep]), b"",
                                           ip={"proto": 1} if kind.version == 4 else {"nh": 58}))
                short += keep > 0
                none += keep == 0
        result = Run(kinds_config(), workers=self.workers, **x.sent).go()
        self.assertEqual(result.drops, {"icmp-inner": short, "protocol": none})
        for port in ("wan", "lan"):
            self.assertEqual(sorted(getattr(result, port)), sorted(x.expected[port]))


@with_workers(1, 2)
class IcmpTtl:
    def test_error_is_not_answered(self):
        x, dropped = Exchange(), 0
        for kind in KINDS:
            x.handshake(kind)
            y = Exchange()
            both(y, kind, ERRORS[kind.version][2], ttl=1)
            x.sent["wan"] += y.sent["wan"]
            dropped += 2
        result = Run(kinds_config(), workers=self.workers, **x.sent).go()
        self.assertEqual(result.drops, {"ttl": dropped})
        self.assertEqual(result.total("icmp_sent"), 0)


def exceeded(kind, frame, port="wan", mac=ROUTER):
    """What the sender of this frame gets."""
    ip = Ether(frame).payload
    inner = bytes(ip)
    p = Ether(src=PORT_MACS[port], dst=mac)
    if kind.version == 4:
        p /= IP(src=kind.address, dst=ip.src, ttl=64, tos=0xc0, id=0, flags="DF")
        return bytes(p / ICMP(type=11, code=0) / Raw(inner[:576 - 28]))
    p /= IPv6(src=kind.address, dst=ip.src, hlim=64)
    return bytes(p / ICMPv6TimeExceeded(code=0) / Raw(inner[:1280 - 48]))


@with_workers(1, 2)
class TimeExceeded:
    def test_both_sides_are_told(self):
        x, told = Exchange(), []
        for kind in KINDS:
            x.handshake(kind)
            client, server = x.client(kind), (kind.server, kind.server_port)
            flags = {"flags": "A"} if kind.l4 is TCP else {}
            for payload in (b"", b"odd", BODY[:548], BODY + BODY[:300]):
                frame = bytes(packet(kind, client, (kind.address, kind.port), ttl=1, l4=flags,
                                     payload=payload))
                x.sent["wan"].append(frame + b"\xaa" * 5)  # padding is not quoted
                told.append(exceeded(kind, frame))
                macs = (server_mac(kind.server), PORT_MACS["wan"])
                frame = bytes(packet(kind, server, client, macs, ttl=1, l4=flags, payload=payload))
                x.sent["wan"].append(frame)
                told.append(exceeded(kind, frame, mac=server_mac(kind.server)))
        result = Run(kinds_config(), workers=self.workers, **x.sent).go()
        self.assertEqual(result.drops, {"ttl": len(told)})
        self.assertEqual(result.total("icmp_sent"), len(told))
        self.assertEqual(sorted(result.wan), sorted(x.expected["wan"] + told))
        self.assertEqual(sorted(result.lan), sorted(x.expected["lan"]))

    def test_begins_no_flow(self):
        x, told = Exchange(), []
        for kind in KINDS:
            frame = bytes(packet(kind, x.client(kind), (kind.address, kind.port), ttl=1,
                                 l4={"flags": "S"} if kind.l4 is TCP else {}))
            x.sent["wan"].append(frame)
            told.append(exceeded(kind, frame))
        result = Run(kinds_config(), workers=self.workers, **x.sent).go()
        self.assertEqual(sorted(result.wan), sorted(told))
        self.assertEqual(result.total("flows_created"), 0)
        self.assertEqual(sum(s["sessions_total"] for s in result.servers.values()), 0)

    def test_not_what_was_sent_to_many(self):
        frames = [bytes(packet(kind, Exchange().client(kind), (kind.address, kind.port), ttl=1,
                               macs=(ROUTER, mac)))
                  for kind in KINDS for mac in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01")]
        frames = [f for f in frames if Ether(f).payload.payload.name != "TCP"]
        result = Run(kinds_config(), wan=frames, workers=self.workers).go()
        self.assertEqual(result.drops, {"ttl": len(frames)})
        self.assertEqual(result.wan, [])

    def test_limit(self):
        """50 at once, 100 a second: all of these arrive within less than one."""
        frames = [bytes(packet(UDP4, Exchange().client(UDP4, 1000 + i), (UDP4.address, UDP4.port),
                               ttl=1)) for i in range(900)]
        result = Run(kinds_config(), wan=frames, workers=self.workers).go()
        self.assertEqual(result.drops, {"ttl": len(frames)})
        self.assertEqual(result.total("icmp_sent"), len(result.wan))
        self.assertGreaterEqual(len(result.wan), 50 * self.workers)
        self.assertLess(len(result.wan), 50 * self.workers + 100)
