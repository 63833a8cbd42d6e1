# SPDX-License-Identifier: BSD-3-Clause
"""Forwarding by NAT: every byte of what comes out."""

from scapy.layers.inet import (IPOption_NOP, IPOption_RR, IPOption_Router_Alert,
                               IPOption_Timestamp)
from scapy.layers.inet6 import (IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting,
                                PadN, RouterAlert)
from scapy.layers.l2 import Ether

from exchange import (KINDS, TCP4, TCP6, UDP4, UDP6, ROUTER, Batch, Exchange, packet, rewritten)
from harness import PORT_MACS, Run, server_mac, with_workers

BODY = bytes(range(256)) * 6


def conversation(exchange, kind):
    exchange.handshake(kind)
    data = {"flags": "PA", "seq": 0xfffffff0, "ack": 7} if kind.protocol == "tcp" else {}
    for length in (*range(1, 10), 100, 511, 1399, 1400):
        exchange.ask(kind, l4=data, payload=BODY[:length])
        exchange.answer(kind, l4=data, payload=BODY[-length:])
    if kind.protocol == "tcp":
        exchange.ask(kind, l4={"flags": "FA"})
        exchange.answer(kind, l4={"flags": "A"})
        exchange.answer(kind, l4={"flags": "FA"})
        exchange.ask(kind, l4={"flags": "A"})


def flip_last(frame):
    """One bit of the payload, after the checksum has been computed."""
    return frame[:-1] + bytes([frame[-1] ^ 1])


def l4_checksum_of(frame):
    p = Ether(frame)
    return p.lastlayer().underlayer.chksum


def payload_for_checksum(build, wanted):
    """Two payload bytes with which the frame that comes out has this TCP or UDP checksum.

    The checksum is the complement of a ones' complement sum, so with the word 0 it is short of the
    wanted one by just the word that is looked for.
    """
    sum_with_zero = 0xffff - l4_checksum_of(build(b"\0\0"))
    word = (0xffff - wanted - sum_with_zero) % 0xffff
    payload = word.to_bytes(2, "big")
    assert l4_checksum_of(build(payload)) == wanted, "the search is wrong"
    return payload


def asked(exchange, kind, payload, **fields):
    """What comes out for a request."""
    return rewritten(
        bytes(packet(kind, exchange.client(kind), (kind.address, kind.port), payload=payload,
                     **fields)),
        (PORT_MACS["lan"], server_mac(kind.server)), destination=(kind.server, kind.server_port))


def answered(exchange, kind, payload, **fields):
    """What comes out for a reply."""
    return rewritten(
        bytes(packet(kind, (kind.server, kind.server_port), exchange.client(kind),
                     payload=payload, **fields)),
        (PORT_MACS["wan"], ROUTER), source=(kind.address, kind.port))


@with_workers(1, 2)
class Forward(Batch):
    @staticmethod
    def packets_tcp4(x):
        conversation(x, TCP4)

    @staticmethod
    def packets_udp4(x):
        conversation(x, UDP4)

    @staticmethod
    def packets_tcp6(x):
        conversation(x, TCP6)

    @staticmethod
    def packets_udp6(x):
        conversation(x, UDP6)

    @staticmethod
    def packets_many_clients(x):
        for port in range(1024, 1074):
            for kind in KINDS:
                x.handshake(kind, port)

    @staticmethod
    def packets_ip_fields(x):
        """What a router leaves alone: DSCP, ECN, id, don't fragment, flow label."""
        for kind in (TCP4, UDP4):
            x.handshake(kind, ip={"tos": 0xb9, "id": 0xfffe, "flags": "DF"})
        for kind in (TCP6, UDP6):
            x.handshake(kind, ip={"tc": 0xb9, "fl": 0xabcde})

    @staticmethod
    def packets_ttl(x):
        for kind in KINDS:
            for port, ttl in ((1, 2), (2, 3), (3, 128), (4, 255)):
                x.handshake(kind, port, ttl=ttl)

    @staticmethod
    def packets_tcp_fields(x):
        for kind in (TCP4, TCP6):
            x.handshake(kind)
            x.ask(kind, l4={"flags": "PAUEC", "urgptr": 3, "window": 0xffff, "reserved": 7},
                  payload=b"urgent")
            x.answer(kind, l4={"flags": "A", "seq": 0xffffffff, "options": [
                ("Timestamp", (1, 2)), ("SAck", (1, 2, 3, 4)), ("WScale", 14)]})

    @staticmethod
    def packets_ip4_options(x):
        for options in ([IPOption_Router_Alert()],
                        [IPOption_NOP(), IPOption_NOP()],
                        [IPOption_RR(pointer=4, routers=["0.0.0.0"] * 9)],
                        [IPOption_Timestamp()]):
            for kind in (TCP4, UDP4):
                x.ask(kind, ip={"options": options}, payload=b"options")
                x.answer(kind, ip={"options": options}, payload=b"options!")

    @staticmethod
    def packets_ip6_extensions(x):
        hop_by_hop = IPv6ExtHdrHopByHop(options=[RouterAlert()])
        destination = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)])
        routed = IPv6ExtHdrRouting(type=0, segleft=0, addresses=["2001:db8::7"])
        for ext in ([hop_by_hop], [destination], [routed], [hop_by_hop, destination, routed]):
            for kind in (TCP6, UDP6):
                x.ask(kind, ext=ext, payload=b"extended")
                x.answer(kind, ext=ext, payload=b"extended!")

    @staticmethod
    def packets_udp4_without_checksum(x):
        x.ask(UDP4, l4={"chksum": 0}, payload=b"none")
        x.answer(UDP4, l4={"chksum": 0}, payload=b"none!")

    @staticmethod
    def packets_udp_checksum_never_zero(x):
        """A checksum that comes out as 0 is sent as 0xffff (RFC 768)."""
        for kind in (UDP4, UDP6):
            x.ask(kind, payload=payload_for_checksum(lambda b, k=kind: asked(x, k, b), 0xffff))
            x.answer(kind,
                     payload=payload_for_checksum(lambda b, k=kind: answered(x, k, b), 0xffff))

    @staticmethod
    def packets_tcp_checksum_zero(x):
        """TCP has a checksum of 0, and none of 0xffff (RFC 1624 section 3)."""
        for kind in (TCP4, TCP6):
            x.ask(kind, payload=payload_for_checksum(lambda b, k=kind: asked(x, k, b), 0))
            flags = {"flags": "A"}
            x.answer(kind, l4=flags, payload=payload_for_checksum(
                lambda b, k=kind: answered(x, k, b, l4=flags), 0))

    @staticmethod
    def packets_ip4_checksum_zero(x):
        """The same for the header checksum: the right id makes it 0."""
        with_zero = Ether(asked(x, UDP4, b"", ip={"id": 0})).payload.chksum
        x.ask(UDP4, ip={"id": with_zero})
        assert Ether(x.expected["lan"][-1]).payload.chksum == 0

    @staticmethod
    def packets_udp_shorter_than_ip(x):
        """RFC 768: the length is UDP's own; what follows is carried along."""
        x.ask(UDP4, ip={"len": 20 + 8 + 4 + 4}, payload=b"data", damage=lambda f: f + b"more")

    @staticmethod
    def packets_ethernet_padding(x):
        for kind in KINDS:
            x.handshake(kind)
            for pad in (b"\0", b"\0" * 6, b"\xff" * 17, bytes(range(46))):
                x.ask(kind, l4={"flags": "A"} if kind.protocol == "tcp" else {}, pad=pad)
                x.answer(kind, l4={"flags": "A"} if kind.protocol == "tcp" else {},
                         payload=b"odd", pad=pad)

    @staticmethod
    def packets_bad_checksum_stays_bad(x):
        for kind in KINDS:
            x.handshake(kind)
            flags = {"flags": "A"} if kind.protocol == "tcp" else {}
            for length in (1, 2, 31):
                x.ask(kind, l4=flags, payload=BODY[:length], damage=flip_last)
                x.answer(kind, l4=flags, payload=BODY[:length], damage=flip_last)

    @staticmethod
    def packets_client_moves(x):
        """Replies go where the client's last packet came from."""
        moved = "02:c1:00:00:00:02"
        for kind in KINDS:
            flags = {"flags": "A"} if kind.protocol == "tcp" else {}
            x.handshake(kind)
            x.answer(kind, l4=flags)
            x.ask(kind, l4=flags, mac=moved)
            x.answer(kind, l4=flags, mac=moved)
            x.ask(kind, l4=flags)
            x.answer(kind, l4=flags)


    def test_workers_share(self):
        """Packets went from worker to worker, if there are two: there and back, to transmit."""
        first, others = self.result.workers[0], self.result.workers[1:]
        self.assertEqual(bool(first["handed_over"]), self.workers > 1)
        self.assertEqual(first["tx_handed_over"], 0)
        for worker in others:
            self.assertEqual(worker["handed_over"], 0)
            self.assertGreater(worker["tx_handed_over"], 0)


@with_workers(1, 2)
class ForwardPorts(Batch):
    """Replies that come in by the servers' port. A worker polls the ports in order, so the few
    packets of clients are all seen before them."""

    both_ports_receive = True

    @staticmethod
    def packets_replies_on_lan(x):
        for kind in KINDS:
            x.ask(kind, payload=b"by wan")
            x.answer(kind, l4={"flags": "SA"} if kind.protocol == "tcp" else {},
                     payload=b"by lan", by="lan")

    @staticmethod
    def packets_client_on_lan(x):
        """A client among the servers gets its replies by that port."""
        for kind in KINDS:
            x.ask(kind, payload=b"by lan", by="lan")
            x.answer(kind, l4={"flags": "SA"} if kind.protocol == "tcp" else {},
                     payload=b"by lan too", by="lan", out="lan")


@with_workers(1, 2)
class Midway:
    """TCP connections that are picked up midway: the dataplane was restarted."""

    def test_data_first(self):
        x = Exchange()
        for kind in (TCP4, TCP6):
            x.ask(kind, l4={"flags": "PA"}, payload=b"midway")
            x.answer(kind, l4={"flags": "A"})
            x.ask(kind, 40001, l4={"flags": "FA"})
            x.answer(kind, 40001, l4={"flags": "FA"})
            x.ask(kind, 40002, l4={"flags": "R"})
        result = Run(Batch.config(), workers=self.workers, **x.sent).go()
        self.assertEqual(sorted(result.lan), sorted(x.expected["lan"]))
        self.assertEqual(sorted(result.wan), sorted(x.expected["wan"]))
        self.assertEqual(result.drops, {})
