# SPDX-License-Identifier: BSD-3-Clause
"""The classes of exchanges: what clients, servers and routers send, and what must come out, both
built by scapy as the packet tests build them."""

import dataclasses
import functools

from scapy.layers.inet import (IP, TCP, UDP, IPOption_NOP, IPOption_Router_Alert)
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, PadN)
from scapy.layers.l2 import Ether

import test_drops
from exchange import KINDS, ROUTER, packet, rewritten
from harness import PORT_MACS, server_mac
from oracle_case import HIDDEN, IN, OUT, Case, walk
from test_direct import MTU, OVERHEAD, Way, padded_to, told
from test_direct import all_ways as direct_ways
from test_fragments import pieces
from test_icmp import (ERRORS, HALF_CHECKSUM, INNER_ROUTER, ROUTER_ADDRESS, error, exceeded,
                       header_bytes)

LENGTHS = (0, 1, 2, 3, 7, 20, 64, 101, 536, 1001, 1400)
FLAGS = ("S", "SA", "A", "PA", "FA", "FPA", "R", "RA", "PAU", "SEC", "AE")
TTLS = (2, 3, 64, 64, 64, 64, 255)
OPTION = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
CHAINS = ((), (), (), (OPTION,), (IPv6ExtHdrHopByHop(), OPTION), (OPTION,) * 8,
          (IPv6ExtHdrRouting(type=0, segleft=0),), (IPv6ExtHdrFragment(id=9),))
OPTIONS = ([], [], [], [IPOption_NOP()] * 4, [IPOption_Router_Alert()], [IPOption_NOP()] * 40)
TCP_OPTIONS = ([], [], [("MSS", 1460), ("SAckOK", b"")],
               [("NOP", None), ("NOP", None), ("Timestamp", (7, 8))], [("NOP", None)] * 40)


def all_ways():
    """Those of the packet tests, dr at addresses of its own, for nat has the other."""
    ways = [w for w in direct_ways() if w.encap]
    return ways + [Way(77, kind) for kind in KINDS]


def client_of(kind):
    return ("203.0.113.96" if kind.version == 4 else "2001:db8:c::60"), 0x8000


def fields(rng, kind, lengths=LENGTHS, chain=True):
    """Arguments of packet() for any sound packet."""
    more = {"payload": rng.randbytes(rng.choice(lengths)), "ttl": rng.choice(TTLS), "l4": {}}
    if kind.version == 4:
        more["ip"] = {"tos": rng.randrange(256), "flags": rng.choice(("", "DF"))}
        if chain:
            more["ip"]["options"] = rng.choice(OPTIONS)
    else:
        more["ip"] = {"tc": rng.randrange(256), "fl": rng.randrange(1 << 20)}
        if chain:
            more["ext"] = rng.choice(CHAINS)
    if kind.l4 is TCP:
        more["l4"] = {"flags": rng.choice(FLAGS), "options": rng.choice(TCP_OPTIONS)}
    elif kind.version == 4 and rng.random() < 0.2:
        more["l4"] = {"chksum": 0}
    return more


def ask(kind, **more):
    return bytes(packet(kind, client_of(kind), (kind.address, kind.port), **more))


def to_server(kind, frame):
    return rewritten(frame, (PORT_MACS["lan"], server_mac(kind.server)),
                     destination=(kind.server, kind.server_port))


@functools.lru_cache(maxsize=None)
def opening(kind):
    frame = ask(kind, l4={"flags": "S"} if kind.l4 is TCP else {}, payload=b"opener")
    return frame, to_server(kind, frame)


def opener(c, kind):
    """The client's first packet, so that there is a flow."""
    frame, out = opening(kind)
    for role, port, made, ttl in ((IN, "wan", frame, 0), (OUT, "lan", out, -1)):
        c.vary(c.add(role, port, made), True, tag="opener", ttl=ttl)


def damage_of(rng):
    """Of one packet in ten the TCP or UDP checksum is wrong, and has to stay so."""
    return rng.randrange(1, 0xffff) if rng.random() < 0.1 else 0


def nat_case(rng, kind):
    c = Case(f"nat {kind.name}")
    more, damage = fields(rng, kind), damage_of(rng)
    frame = ask(kind, **more)
    c.vary(c.add(IN, "wan", frame + bytes(rng.choice((0, 0, 1, 17)))), True, damage=damage)
    c.vary(c.add(OUT, "lan", to_server(kind, frame)), True, ttl=-1, damage=damage)
    return c


def fullnat_kind(kind):
    """A service beside the kind's own, and the source address of its server's clients."""
    last = 200 + (kind.l4 is TCP)
    if kind.version == 4:
        made = dataclasses.replace(kind, address="198.51.100.240", server="10.99.9.1")
        return made, f"10.99.9.{last}"
    made = dataclasses.replace(kind, address="2001:db8:1::f0", server="2001:db8:a:9::1")
    return made, f"2001:db8:a:9::{last:x}"


def without_timestamps(frame):
    """What full NAT makes of a SYN's options."""
    p = Ether(frame)
    if TCP in p and p[TCP].flags.S and any(o[0] == "Timestamp" for o in p[TCP].options):
        p[TCP].options = [("NOP", None)] * 12
        del p[TCP].chksum
    return bytes(p)


def fullnat_case(rng, kind):
    """To the server; the source port is Shunt's to choose. Replies: tests/packet/test_fullnat.py."""
    kind, source = fullnat_kind(kind)
    c = Case(f"fullnat {kind.name}")
    more, damage = fields(rng, kind), damage_of(rng)
    if set(more["l4"].get("flags", "")) & {"R", "F"}:
        more["l4"]["flags"] = "PA"  # the end of what is not known goes no further
    frame = ask(kind, **more)
    c.vary(c.add(IN, "wan", frame), True, damage=damage)
    made = rewritten(frame, (PORT_MACS["lan"], server_mac(kind.server)), (source, 1),
                     (kind.server, kind.server_port))
    out = c.add(OUT, "lan", without_timestamps(made))
    c.vary_ip(out, ttl=-1)
    c.vary_l4(out)
    c.wild(out, walk(made)[1], 2)
    c.sum_ip(out)
    c.sum_l4(out, damage=damage, late=True)
    return c


def reply_case(rng, kind):
    c = Case(f"reply {kind.name}")
    opener(c, kind)
    damage = damage_of(rng)
    frame = bytes(packet(kind, (kind.server, kind.server_port), client_of(kind),
                         (server_mac(kind.server), PORT_MACS["lan"]), **fields(rng, kind)))
    out = rewritten(frame, (PORT_MACS["wan"], ROUTER), source=(kind.address, kind.port))
    c.vary(c.add(IN, "lan", frame), False, damage=damage)
    c.vary(c.add(OUT, "wan", out), False, ttl=-1, damage=damage)
    return c


def direct_case(rng, way):
    c = Case(f"direct {way.name}")
    more = fields(rng, way.kind, LENGTHS[:-1])  # what fits, with all options there are
    more["ttl"] = rng.choice((1, *TTLS))
    frame = way.ask(*client_of(way.kind), **more)
    c.vary(c.add(IN, "wan", frame), True)
    tunnelled(c, way, frame)
    return c


def outside(way, frame):
    """What scapy puts around it; port and flow label are Shunt's to choose."""
    outer = IP() if way.outer == 4 else IPv6()
    return way.outside(frame, bytes(Ether() / outer / UDP(sport=50000)))


def tunnelled(c, way, frame):
    """Adds the tunnel's packet with this client's packet in it. Returns buffer and inner offset."""
    inner = 14 + (OVERHEAD[way.encap, way.outer] if way.encap else 0)
    out = c.add(OUT, "lan", outside(way, frame))
    # Before the outer checksum is, which covers all of this.
    if walk(frame)[3] == len(frame) and frame[20] not in (1, 58):
        c.vary(out, True, inner)
    if not way.encap:
        return out, inner
    if way.outer == 6:
        c.wild(out, 15, 3, 0x0f)
    if way.encap == "gue":
        c.wild(out, 34 if way.outer == 4 else 54, 2)
        c.sum_l4(out, late=True)
    return out, inner


def too_big_case(rng, way):
    fits = MTU - OVERHEAD[way.encap, way.outer]
    c = Case(f"too big {way.name}")
    quiet = way.kind.version == 4 and rng.random() < 0.3
    more = {} if way.kind.version == 6 else {"ip": {"flags": "" if quiet else "DF"}}
    frame = padded_to(way, rng.randrange(fits + 1, MTU + 1), **more)
    sent = c.add(IN, "wan", frame)
    c.vary(sent, True)
    c.dropped("too-big")
    if not quiet:
        answered(c, way.kind, sent, told(frame, fits))
    return c


def answered(c, kind, sent, answer, port="wan"):
    """Adds an ICMP error of Shunt's own about a buffer, which it quotes."""
    out = c.add(OUT, port, answer)
    size, at = (4, 30) if kind.version == 4 else (16, 38)
    quote = 14 + header_bytes(kind) + 8
    # To whom: the source of what is quoted.
    c.copy(out, at, (sent, at - size, size))
    c.copy(out, quote, (sent, 14, len(answer) - quote))
    c.sum_ip(out)
    c.sum_l4(out)
    c.icmp_sent += 1


def exceeded_case(rng, kind, ask_server):
    """A packet with no TTL left, in mode nat."""
    c = Case(f"exceeded {kind.name}")
    more = {**fields(rng, kind, chain=False), "ttl": rng.choice((0, 1))}
    if ask_server:
        frame, port, mac = ask(kind, **more), "wan", ROUTER
    else:
        opener(c, kind)
        mac, port = server_mac(kind.server), "lan"
        frame = bytes(packet(kind, (kind.server, kind.server_port), client_of(kind),
                             (mac, PORT_MACS["lan"]), **more))
    sent = c.add(IN, port, frame)
    c.vary(sent, ask_server)
    answered(c, kind, sent, exceeded(kind, frame, port, mac), port)
    return c.dropped("ttl")


def icmp_case(rng, kind, from_client):
    """An error about a flow; what it quotes is made whole out of sight, and then cut."""
    c = Case(f"icmp {kind.name} {'to server' if from_client else 'to client'}")
    opener(c, kind)
    client, service = client_of(kind), (kind.address, kind.port)
    server = (kind.server, kind.server_port)
    router = rng.random() < 0.5
    message = rng.choice(ERRORS[kind.version])
    more = {**fields(rng, kind, (0, 1, 33, 200)), "ttl": 57}
    if more["l4"].get("chksum") == 0:
        more["l4"] = {}
    quotes = []
    for end in (service, server) if from_client else (server, service):
        ends = (end, client) if from_client else (client, end)
        hidden = c.add(HIDDEN, "wan", packet(kind, *ends, **more))
        c.vary(hidden, not from_client, tag="quoted")
        quotes.append(hidden)
    whole = len(c.frame(quotes[0])) - 14
    l4 = walk(c.frame(quotes[0]))[1] - 14
    keep = rng.choice((l4 + 8, min(whole, l4 + 16), min(whole, l4 + 20), whole, rng.randrange(l4 + 8, whole + 1)))
    if kind.l4 is TCP and keep == l4 + HALF_CHECKSUM:
        keep += 1
    if from_client:
        source = ROUTER_ADDRESS[kind.version] if router else client[0]
        ways = (("wan", (ROUTER, PORT_MACS["wan"]), source, service[0]),
                ("lan", (PORT_MACS["lan"], server_mac(kind.server)), source, server[0]))
    else:
        source = INNER_ROUTER[kind.version] if router else None
        ways = (("lan", (server_mac(kind.server), PORT_MACS["lan"]), source or server[0], client[0]),
                ("wan", (PORT_MACS["wan"], ROUTER), source or service[0], client[0]))
    ttl = rng.choice(TTLS)
    for i, (port, macs, src, dst) in enumerate(ways):
        quoted = c.frame(quotes[i])[14:14 + keep]
        buffer = c.add(OUT if i else IN, port, error(kind, macs, src, dst, message(), quoted,
                                                     ttl - i))
        if not (from_client and router):
            c.vary_client(buffer, from_client)
        elif not from_client:
            c.vary_client(buffer, False)
        c.vary_ip(buffer, tag="error", ttl=-i)
        c.copy(buffer, 14 + header_bytes(kind) + 8, (quotes[i], 14, keep))
        c.sum_ip(buffer)
        c.sum_l4(buffer)
    return c


def fragment_case(rng, kind, way=None):
    """A datagram in some fragments, in any order; the sum in the first covers all. Or without its
    first, and then all of it is dropped in the end."""
    c = Case(f"fragments {way.name if way else kind.name}")
    size = rng.choice((600, 1280))
    more = {"payload": rng.randbytes(rng.choice((1300, 1800, 2559))),
            "l4": {"flags": rng.choice(("PA", "S"))} if kind.l4 is TCP else {}}
    if kind.version == 6:
        more["ext"] = [IPv6ExtHdrFragment(id=rng.getrandbits(32))]
    frame = way.ask(*client_of(kind), **more) if way else ask(kind, **more)
    sent = pieces(frame, size)
    order = list(range(len(sent)))
    rng.shuffle(order)
    lost = not way and rng.random() < 0.1
    if lost:
        order.remove(0)
        c.deferred = len(order)
    fragment_view(c, IN, "wan", [sent[i] for i in order], order, 14)
    if lost:
        return c
    if way and way.encap:
        inner = 14 + OVERHEAD[way.encap, way.outer]
        fragment_view(c, OUT, "lan", [outside(way, sent[i]) for i in order], order, inner, way)
    elif way:
        fragment_view(c, OUT, "lan", [outside(way, sent[i]) for i in order], order, 14)
    else:
        out = pieces(to_server(kind, frame), size)
        fragment_view(c, OUT, "lan", [out[i] for i in order], order, 14, ttl=-1)
    return c


def fragment_view(c, role, port, frames, order, l3, way=None, ttl=0):
    """The fragments on one side of Shunt, varied together: ids counted, so that none comes twice."""
    buffers = {number: c.add(role, port, frame) for number, frame in zip(order, frames)}
    parts = []
    for number, buffer in sorted(buffers.items()):
        frame = c.frame(buffer)
        version, l4, _, end = walk(frame, l3)
        c.vary_client(buffer, True, l3)
        c.vary_ip(buffer, l3, "datagram", ttl, fragment=True)
        if version == 6:
            c.bytes_at("fragment id", buffer, l4 - 4, 4, counts=True)
        if number:
            c.vary_bytes(buffer, l4, end, ("fragment", number))
            parts.append((buffer, l4, end - l4))
        c.sum_ip(buffer, l3)
    if 0 in buffers:
        c.vary_port(buffers[0], True, l3)
        c.vary_l4(buffers[0], l3, "first")
        frame = c.frame(buffers[0])
        version, l4, protocol, end = walk(frame, l3)
        total = end - l4 + sum(part[2] for part in parts)
        assert len(parts) < 6 and total < 65536
        c.sum_l4(buffers[0], l3, parts=parts)
    for buffer in buffers.values():
        if way and way.outer == 6:
            c.wild(buffer, 15, 3, 0x0f)
        if way and way.encap == "gue":
            c.wild(buffer, 34 if way.outer == 4 else 54, 2)
            c.sum_l4(buffer, late=True)


# What depends on other packets, or on services that are not here.
NOT_ALONE = {"fragment-overlap", "fragment-duplicate", "fragment-no-first", "fragment-full",
             "no-server", "no-neighbor", "rule", "ttl", "short-frame"}


def is_fragment(frame):
    if frame[12:14] == b"\x08\x00":
        return (frame[20] << 8 | frame[21]) & 0x3fff != 0
    return frame[20] == 44


def drop_cases():
    """Those of the packet tests, each reason by its name."""
    cases = []
    for reason in test_drops.REASONS:
        name = reason.__name__.replace("_", "-")
        if name in NOT_ALONE:
            continue
        for frame in map(bytes, reason()):
            if name == "no-service" and is_fragment(frame):
                continue
            c = Case(f"drop {name}")
            c.vary_mac(c.add(IN, "wan", frame))
            cases.append(c.dropped(name))
    return cases
