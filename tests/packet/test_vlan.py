# SPDX-License-Identifier: BSD-3-Clause
"""VLAN tags: what comes tagged is served, goes to servers in theirs, and back in the client's."""

import dataclasses
import itertools

from exchange import KINDS, ROUTER, Exchange, packet, show
from harness import PORT_MACS, Run, backend, frontend, server_mac, with_workers
from test_direct import MTU, OVERHEAD, SERVER, Way, client_of, config_of, padded_to, source_port
from test_direct import told as told_too_big
from test_fragments import Fragments
from test_icmp import ERRORS, exceeded, from_client, from_server

C_TAG, S_TAG = 0x8100, 0x88a8

# A tag is (EtherType, priority and drop eligibility 0..15, VLAN id).
CLIENTS = {
    "none": (),
    "one": ((C_TAG, 5, 10),),
    "service": ((S_TAG, 4, 11),),
    "qinq": ((S_TAG, 7, 12), (C_TAG, 3, 13)),
    "stacked": ((C_TAG, 6, 14), (C_TAG, 2, 4094)),
    "priority": ((C_TAG, 14, 0),),
    "priority-and-one": ((C_TAG, 9, 0), (C_TAG, 2, 15)),
}
# In the configuration, and the tags that it makes.
SERVERS = {
    "none": (None, ()),
    "one": (100, ((C_TAG, 0, 100),)),
    "two": ([200, 201], ((S_TAG, 0, 200), (C_TAG, 0, 201))),
}


def tagged(frame, tags):
    shims = b"".join(kind.to_bytes(2, "big") + (priority << 12 | vid).to_bytes(2, "big")
                     for kind, priority, vid in tags)
    return frame[:12] + shims + frame[12:]


def untagged(frame):
    while frame[12:14] in (b"\x81\x00", b"\x88\xa8"):
        frame = frame[:12] + frame[16:]
    return frame


def leaving(tags, came):
    """Tags of a frame on a link with these, where what it is made of has come with others: the
    link's ids and kinds, the priorities of what came. A tag of id 0 is no VLAN, so none leaves."""
    outer = came[0][1] if came else 0
    inner = came[1][1] if len(came) == 2 else outer
    ids = [tag for tag in tags if tag[2]]
    return tuple((kind, priority, vid) for (kind, _, vid), priority in zip(ids, (outer, inner)))


class Tagger:
    """Tags what an Exchange has noted since the last time."""

    def __init__(self, exchange, client, server):
        self.x, self.client, self.server = exchange, client, server
        self.done = {("sent", "wan"): 0, ("expected", "wan"): 0, ("expected", "lan"): 0}

    def new(self, what, port, tags):
        frames = getattr(self.x, what)[port]
        start = self.done[what, port]
        frames[start:] = [tagged(f, tags) for f in frames[start:]]
        self.done[what, port] = len(frames)

    def to_server(self):
        self.new("sent", "wan", self.client)
        self.new("expected", "lan", leaving(self.server, self.client))

    def to_client(self):
        # The server's own priorities, which are not the client's.
        came = tuple((kind, 8 + i, vid) for i, (kind, _, vid) in enumerate(self.server))
        self.new("sent", "wan", came)
        self.new("expected", "wan", leaving(self.client, came))


def moved(kind, index):
    """The same kind of service with a port and a server of its own."""
    server = f"10.99.{index}.{1 + KINDS.index(kind)}" if kind.version == 4 else \
        f"2001:db8:a:{index:x}::{1 + KINDS.index(kind):x}"
    return dataclasses.replace(kind, name=f"{kind.name}-{index}", port=kind.port + 1000 * index,
                               server=server)


def neighbor(address, vlan, **more):
    entry = {"address": address, "mac": server_mac(address), "port": "lan", **more}
    if vlan:
        entry["vlan"] = vlan
    return entry


def nat_config():
    kinds = {name: [moved(k, i) for k in KINDS] for i, name in enumerate(SERVERS, 1)}
    every = [k for some in kinds.values() for k in some]
    config = {
        "frontends": [frontend(k.name, k.endpoint(k.address, k.port), k.name, k.protocol)
                      for k in every],
        "backends": [backend(k.name, k.endpoint(k.server, k.server_port)) for k in every],
        "neighbors": [neighbor(k.server, SERVERS[name][0])
                      for name, some in kinds.items() for k in some],
    }
    return config, kinds


class Case:
    def compare(self, got, expected):
        got, expected = sorted(got), sorted(expected)
        if got != expected:
            extra = [f for f in got if f not in expected]
            missing = [f for f in expected if f not in got]
            self.fail(f"{len(got)} frames, not {len(expected)}; came out:\n{show(extra[:3])}\n"
                      f"not:\n{show(missing[:3])}")


@with_workers(1, 2)
class Vlan(Case):
    """Every client's tags with every server's, both ways: packets, fragments, ICMP errors."""

    def everything(self, some, then):
        config, kinds = nat_config()
        sent, expected = [], {"wan": [], "lan": []}
        for number, (client, server) in enumerate(itertools.product(CLIENTS, SERVERS)):
            x = Exchange(number + 1)
            tagger = Tagger(x, CLIENTS[client], SERVERS[server][1])
            for kind in kinds[server]:
                some(x, kind, tagger)
            sent += x.sent["wan"]
            for port in expected:
                expected[port] += x.expected[port]
        result = Run(config, wan=sent, workers=self.workers).go()
        self.assertEqual(result.drops, {})
        self.compare(result.wan, expected["wan"])
        self.compare(result.lan, expected["lan"])
        if then:
            then(result)

    def test_packets(self):
        def some(x, kind, tagger):
            flags = ({"flags": "S"}, {"flags": "SA"}, {"flags": "PA"}) \
                if kind.protocol == "tcp" else ({}, {}, {})
            x.ask(kind, l4=flags[0], pad=bytes(7) if kind.version == 4 else b"")
            tagger.to_server()
            x.answer(kind, l4=flags[1])
            tagger.to_client()
            x.ask(kind, l4=flags[2], payload=b"data" * 300)
            tagger.to_server()

        def bytes_are_ip_bytes(result):
            """Tags count for nothing in what servers and services are said to have got."""
            by_server = {s["in_bytes"] for name, s in result.servers.items()
                         if name.startswith("udp4-")}
            self.assertEqual(by_server, {len(CLIENTS) * (28 + 28 + 1200)})

        self.everything(some, bytes_are_ip_bytes)

    def test_fragments(self):
        def some(x, kind, tagger):
            if kind.protocol == "tcp":
                return
            # A whole packet first: fragments of a reply may overtake those of the request.
            x.ask(kind)
            tagger.to_server()
            fragments = Fragments(x)
            fragments.send(kind, True, payload=b"q" * 3000)
            tagger.to_server()
            fragments.send(kind, False, payload=b"a" * 3000, order=(1, 0, 2))
            tagger.to_client()

        self.everything(some, None)

    def test_icmp(self):
        def some(x, kind, tagger):
            x.ask(kind, l4={"flags": "S"} if kind.protocol == "tcp" else {})
            tagger.to_server()
            for make in ERRORS[kind.version]:
                from_client(x, kind, make())
                tagger.to_server()
                from_server(x, kind, make())
                tagger.to_client()

        self.everything(some, None)

    def test_client_moves(self):
        """The way back is that of the client's last packet, in the VLAN of that."""
        config, kinds = nat_config()
        x = Exchange()
        for kind in kinds["one"]:
            for tags in (*CLIENTS.values(), ()):
                tagger = Tagger(x, tags, SERVERS["one"][1])
                tagger.done = {key: len(getattr(x, key[0])[key[1]]) for key in tagger.done}
                x.ask(kind, l4={"flags": "A"} if kind.protocol == "tcp" else {})
                tagger.to_server()
                x.answer(kind, l4={"flags": "A"} if kind.protocol == "tcp" else {})
                tagger.to_client()
        result = Run(config, wan=x.sent["wan"], workers=self.workers).go()
        self.assertEqual(result.drops, {})
        self.compare(result.wan, x.expected["wan"])
        self.compare(result.lan, x.expected["lan"])

    def test_time_exceeded(self):
        """Goes back with the very tags that its cause has come with."""
        config, kinds = nat_config()
        sent, told = [], []
        for number, tags in enumerate(CLIENTS.values()):
            for kind in kinds["two"]:
                frame = bytes(packet(kind, Exchange(number).client(kind),
                                     (kind.address, kind.port), ttl=1,
                                     l4={"flags": "S"} if kind.protocol == "tcp" else {}))
                sent.append(tagged(frame, tags))
                told.append(tagged(exceeded(kind, frame), tags))
        result = Run(config, wan=sent, workers=self.workers).go()
        self.assertEqual(result.drops, {"ttl": len(sent)})
        self.compare(result.wan, told)


@with_workers(1, 2)
class VlanDirect(Case):
    """Modes dr and tunnel to servers in a VLAN."""

    def test_every_byte(self):
        for vlan, tags in SERVERS.values():
            ways = [Way(10, kind) for kind in KINDS]
            for number, (encap, outer) in enumerate(OVERHEAD, 20):
                ways += [Way(number, kind, encap, outer) for kind in KINDS]
            config = config_of(ways)
            config["neighbors"] = [
                neighbor(n["address"], vlan, source=n["source"]) for n in config["neighbors"]]
            sent = []
            for number, (way, came) in enumerate(itertools.product(ways, CLIENTS.values())):
                frame = way.ask(client_of(way.kind), 1000 + number, payload=b"payload")
                sent.append((way, came, frame))
            result = Run(config, wan=[tagged(f, came) for _, came, f in sent],
                         workers=self.workers).go()
            self.assertEqual(result.drops, {})
            self.assertEqual(len(result.lan), len(sent))
            # By what is inside: the port that differs makes each one's own.
            for way, came, frame in sent:
                inner = frame[14:]
                got = [f for f in result.lan if f.endswith(inner)]
                self.assertEqual(len(got), 1, way.name)
                plain = untagged(got[0])
                expected = tagged(way.outside(frame, plain), leaving(tags, came))
                if got[0] != expected:
                    self.fail(f"{way.name}: came out\n{show(got)}\nnot\n{show([expected])}")
                if way.encap == "gue":
                    self.assertGreaterEqual(source_port(plain), 49152)

    def test_too_big(self):
        """Tags do not count for the MTU; what is too big is told so in the tags that it has."""
        ways = [Way(20, kind, "gue", 4) for kind in KINDS]
        config = config_of(ways)
        config["neighbors"] = [neighbor(SERVER[4], [200, 201], source="10.99.0.254")]
        fits, sent, told = MTU - OVERHEAD["gue", 4], [], []
        for way, came in itertools.product(ways, CLIENTS.values()):
            fields = {"ip": {"flags": "DF"}} if way.kind.version == 4 else {}
            sent.append(tagged(padded_to(way, fits, **fields), came))
            frame = padded_to(way, fits + 1, **fields)
            sent.append(tagged(frame, came))
            told.append(tagged(told_too_big(frame, fits), came))
        result = Run(config, wan=sent, workers=self.workers).go()
        self.assertEqual(result.drops, {"too-big": len(told)})
        self.assertEqual(len(result.lan), len(told))
        self.assertEqual({len(f) for f in result.lan}, {MTU + 14 + 8})
        self.compare(result.wan, told)


@with_workers(1)
class VlanOfPort(Case):
    """A device with a VLAN of its own sends in it, and takes no other."""

    def test_other_vlans_are_dropped(self):
        kind = KINDS[0]
        for vlan, taken in ((10, ((C_TAG, 1, 10),)), ([12, 13], ((S_TAG, 2, 12), (C_TAG, 3, 13)))):
            config = {"frontends": [frontend("f", kind.endpoint(kind.address, kind.port), "b")],
                      "backends": [backend("b", kind.endpoint(kind.server, kind.server_port))],
                      "neighbors": [neighbor(kind.server, None)]}
            x, sent = Exchange(), []
            x.ask(kind, l4={"flags": "S"})
            tagger = Tagger(x, taken, taken)
            tagger.to_server()
            x.answer(kind, l4={"flags": "SA"})
            tagger.to_client()
            others = [tags for tags in CLIENTS.values()
                      if [t[2] for t in tags] != [t[2] for t in taken]]
            for tags in others:
                frame = bytes(packet(kind, (x.client4, 50000), (kind.address, kind.port),
                                     (ROUTER, PORT_MACS["wan"]), l4={"flags": "S"}))
                sent.append(tagged(frame, tags))
            run = Run(config, wan=x.sent["wan"] + sent)
            for port in run.config["dataplane"]["ports"]:
                port["vlan"] = vlan
            result = run.go()
            self.assertEqual(result.drops, {"vlan": len(others)})
            self.compare(result.wan, x.expected["wan"])
            self.compare(result.lan, x.expected["lan"])
