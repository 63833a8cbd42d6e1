# SPDX-License-Identifier: BSD-3-Clause
"""Cases of the suites of GLB director, VPP's lb plugin, YANET and DPVS; README.md has the tables."""

import collections
import dataclasses
import ipaddress

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from exchange import ROUTER, TCP4, TCP6, UDP4, UDP6, packet, rewritten, show
from harness import PORT_MACS, Run, backend, frontend, server_mac, with_workers
from test_direct import OVERHEAD, SOURCE, Way, config_of, endpoint, source_port
from test_fullnat import SOURCES

ETHER = Ether(src=ROUTER, dst=PORT_MACS["wan"])
CLIENTS = {4: "203.0.113.13", 6: "2001:db8:c::1234"}


def address(version, last):
    return f"10.98.0.{last}" if version == 4 else f"2001:db8:a:98::{last:x}"


def neighbor(server):
    version = ipaddress.ip_address(server).version
    return {"address": server, "mac": server_mac(server), "port": "lan", "source": SOURCE[version]}


class Case:
    """Compares frames so that a difference can be read."""

    def same(self, got, wanted):
        self.assertEqual(got, wanted, f"came out\n{show([got])}\nnot\n{show([wanted])}")


@with_workers(1, 2)
class Glb(Case):
    """github/glb-director, src/glb-director/tests."""

    GUE4, GUE6 = Way(70, TCP4, "gue", 4), Way(71, TCP6, "gue", 4)

    def ask(self, way, port=45678):
        return way.ask(CLIENTS[way.kind.version], port)

    def test_classified_with_its_errors(self):
        """Both leave with the UDP source port of the flow, so they stay on one path."""
        for way in (self.GUE4, self.GUE6):
            with self.subTest(way.name):
                frames = [self.ask(way), self.about(way), self.ask(way)]
                result = Run(config_of([way]), wan=frames, workers=self.workers).go()
                self.assertEqual((result.drops, len(result.lan)), ({}, 3))
                # Within a burst, what is whole and plain goes before errors.
                for frame, got in zip(sorted(frames, key=len), sorted(result.lan, key=len)):
                    self.same(got, way.outside(frame, got))
                self.assertEqual(len({source_port(f) for f in result.lan}), 1)
                self.assertEqual(result.total("flows_created"), 1)

    @staticmethod
    def about(way):
        """From a router between."""
        reply = TCP(sport=80, dport=45678)
        client = CLIENTS[way.kind.version]
        if way.kind.version == 4:
            return bytes(ETHER / IP(src="192.0.2.99", dst=way.address) / ICMP(type=3, code=4) /
                         IP(src=way.address, dst=client) / reply)
        return bytes(ETHER / IPv6(src="2001:db8:77::6666", dst=way.address) /
                     ICMPv6PacketTooBig() / IPv6(src=way.address, dst=client) / reply)

    def test_port_range(self):
        inside, beside = (100, 101, 150, 180, 198, 199, 200), (98, 99, 201, 202)
        for kind in (TCP4, TCP6):
            config = {"frontends": [frontend("range", kind.endpoint(kind.address, "100-200"),
                                             "range")],
                      "backends": [backend("range", kind.server if kind.version == 4
                                           else f"[{kind.server}]")]}
            sent = {port: bytes(packet(kind, (CLIENTS[kind.version], 45678), (kind.address, port)))
                    for port in inside + beside}
            result = Run(config, wan=sent.values(), workers=self.workers).go()
            self.assertEqual(result.drops, {"no-service": len(beside)})
            self.assertEqual(sorted(result.lan), sorted(
                rewritten(sent[port], (PORT_MACS["lan"], server_mac(kind.server)),
                          destination=(kind.server, port)) for port in inside))

    def test_hash_of_the_source_address(self):
        """A client's connections go to one server, whatever their ports."""
        way, servers = Way(72, TCP4, "gue", 4), [address(4, i) for i in range(1, 9)]
        way.backend = backend(way.name, *[endpoint(s, 80) for s in servers], forward="tunnel",
                              encap="gue", balance="source")
        config = config_of([way])
        config["neighbors"] = [neighbor(s) for s in servers]
        frames = [self.ask(way, port) for port in (45678, 45679, 45680)]
        result = Run(config, wan=frames, workers=self.workers).go()
        self.assertEqual(len({Ether(f)[IP].dst for f in result.lan}), 1)
        self.assertEqual(result.total("flows_created"), 3)


@with_workers(1, 2)
class Vpp(Case):
    """FDio/vpp, test/test_lb.py: a hundred UDP flows over five servers."""

    FLOWS = 100

    def spread(self, kind, encap=None, outer=None, twice=False, **more):
        """No server has less than half of its share. Returns (sent frame, server, what left)."""
        kind = dataclasses.replace(kind, port=20000)
        way = Way(75, kind, encap, outer)
        servers = [address(way.outer, i) for i in range(1, 6)]
        port = more.pop("server_port", kind.port)
        mode = {"forward": "tunnel", "encap": encap} if encap else more
        way.backend = backend(way.name, *[endpoint(s, port) for s in servers], balance="source",
                              **mode)
        config = config_of([way])
        config["neighbors"] = [neighbor(s) for s in servers]
        first = ipaddress.ip_address("203.0.112.1" if kind.version == 4 else "2001:db8:c::1")
        frames = [way.ask(str(first + i), 10000 + i, payload=b"flow %3d" % i * 12)
                  for i in range(self.FLOWS)]
        result = Run(config, wan=frames * (2 if twice else 1), workers=self.workers).go()
        self.assertEqual(result.drops, {})
        self.assertEqual(result.total("flows_created"), self.FLOWS)
        self.assertEqual(len(result.lan), self.FLOWS * (2 if twice else 1))
        by_payload = {f[-96:]: f for f in frames}
        macs = {server_mac(s): s for s in servers}
        out = [(by_payload[got[-96:]], macs[Ether(got).dst], got) for got in result.lan]
        load = collections.Counter(server for _, server, _ in out)
        self.assertTrue(all(load[s] >= len(out) // 10 for s in servers), load)
        return way, out

    def test_gre(self):
        for kind in (UDP4, UDP6):
            for outer in (4, 6):
                way, out = self.spread(kind, "gre", outer)
                for frame, server, got in out:
                    way.server = server
                    self.same(got, way.outside(frame, got))
                    self.assertEqual(got[14 + OVERHEAD["gre", outer]:], frame[14:])

    def test_nat(self):
        for kind in (UDP4, UDP6):
            _, out = self.spread(kind, forward="nat", server_port=3307)
            for frame, server, got in out:
                self.same(got, rewritten(frame, (PORT_MACS["lan"], server_mac(server)),
                                         destination=(server, 3307)))

    def test_dr_sticks_to_the_source(self):
        """There L3DSR, with its DSCP."""
        way, out = self.spread(UDP4, forward="dr", twice=True)
        for frame, server, got in out:
            way.server = server
            self.same(got, way.outside(frame, got))
        self.assertEqual(len({(f, s) for f, s, _ in out}), self.FLOWS)


@with_workers(1)
class Yanet(Case):
    """yanet-platform/yanet, autotest/units/001_one_port."""

    def test_any_port_one_server(self):
        """049_balancer_pure_l3: with any port, a client's connections have one server."""
        ports = (20, 21, 19996, 19999, 29996, 65535, 1)
        for kind in (TCP4, TCP6):
            servers = [address(kind.version, i) for i in range(1, 5)]
            bare = servers if kind.version == 4 else [f"[{s}]" for s in servers]
            config = {"frontends": [frontend("any", kind.endpoint(kind.address, "*"), "any")],
                      "backends": [backend("any", *bare, balance="source")]}
            clients = [str(ipaddress.ip_address(CLIENTS[kind.version]) + i) for i in range(6)]
            frames = [bytes(packet(kind, (c, 12380), (kind.address, port)))
                      for c in clients for port in ports]
            result = Run(config, wan=frames).go()
            self.assertEqual((result.drops, len(result.lan)), ({}, len(frames)))
            seen = collections.defaultdict(set)
            for frame, got in zip(frames, result.lan):
                p = Ether(got)[kind.ip]
                seen[p.src].add(p.dst)
                self.same(got, rewritten(frame, (PORT_MACS["lan"], server_mac(p.dst)),
                                         destination=(p.dst, Ether(frame)[TCP].dport)))
            self.assertTrue(all(len(s) == 1 for s in seen.values()), seen)
            self.assertGreater(len(set.union(*seen.values())), 1)

    def test_tcp_and_udp_of_one_port(self):
        """049_balancer_real_ipv4, 049_balancer_tcp_udp: each its own servers, of either family."""
        ways = []
        for number, (version, outer) in enumerate(((4, 4), (4, 6), (6, 4)), 80):
            for kind in (TCP4, UDP4) if version == 4 else (TCP6, UDP6):
                way = Way(number, dataclasses.replace(kind, port=80), "ipip", outer)
                way.server = address(outer, 1 + len(ways))
                way.backend = backend(way.name, endpoint(way.server, 80), forward="tunnel",
                                      encap="ipip")
                ways.append(way)
        config = config_of(ways)
        config["neighbors"] = [neighbor(w.server) for w in ways]
        frames = [w.ask(CLIENTS[w.kind.version], 12380 + i) for w in ways for i in range(4)]
        result = Run(config, wan=frames).go()
        self.assertEqual((result.drops, len(result.lan)), ({}, len(frames)))
        for i, (frame, got) in enumerate(zip(frames, result.lan)):
            self.same(got, ways[i // 4].outside(frame, got))

    @staticmethod
    def nat64(l4):
        kind, server = (TCP6, TCP4) if l4 is TCP else (UDP6, UDP4)
        return kind, server, {
            "frontends": [frontend("six", kind.endpoint(kind.address, kind.port), "four",
                                   kind.protocol)],
            "backends": [backend("four", endpoint(server.server, server.server_port),
                                 forward="fullnat", **{"source-addresses": [SOURCES[4]]})]}

    @staticmethod
    def at_server(server, got, l4, **ip):
        """What the server of IPv4 has to see, from the source port that it does see."""
        seen = Ether(got)[IP]
        return bytes(Ether(src=PORT_MACS["lan"], dst=server_mac(server.server)) /
                     IP(src=SOURCES[4], dst=server.server, id=seen.id, ttl=63, **ip) / l4)

    def test_traffic_class(self):
        """005_nat64stateless_dscp, 061_nat64stateful: all eight bits are carried."""
        kind, server, config = self.nat64(TCP)
        classes = (0, 1, 2, 4, 0x80, 0xfc, 0xff)
        frames = [bytes(packet(kind, (CLIENTS[6], 2048 + i), (kind.address, kind.port),
                               ip={"tc": tc}, l4={"flags": "S"}))
                  for i, tc in enumerate(classes)]
        result = Run(config, wan=frames).go()
        self.assertEqual((result.drops, len(result.lan)), ({}, len(frames)))
        for tc, got in zip(classes, result.lan):
            l4 = TCP(sport=Ether(got)[TCP].sport, dport=server.server_port, flags="S")
            self.same(got, self.at_server(server, got, l4, tos=tc))

    def test_checksums_of_many_ports(self):
        """010_nat64stateless_checksum: UDP's is right for each port, and never 0."""
        kind, server, config = self.nat64(UDP)
        frames = [bytes(packet(kind, (CLIENTS[6], 1 + 70 * i), (kind.address, kind.port),
                               payload=i.to_bytes(2, "big"))) for i in range(900)]
        result = Run(config, wan=frames).go()
        self.assertEqual((result.drops, len(result.lan)), ({}, len(frames)))
        for i, got in enumerate(result.lan):
            l4 = UDP(sport=Ether(got)[UDP].sport, dport=server.server_port) / \
                Raw(i.to_bytes(2, "big"))
            self.same(got, self.at_server(server, got, l4))

    def test_atomic_fragment(self):
        """061_nat64stateful: goes on without its fragment header."""
        kind, server, config = self.nat64(TCP)
        frame = bytes(packet(kind, (CLIENTS[6], 2048), (kind.address, kind.port),
                             ext=[IPv6ExtHdrFragment(id=0x87654321)], l4={"flags": "S"}))
        result = Run(config, wan=[frame]).go()
        self.assertEqual((result.drops, len(result.lan)), ({}, 1))
        got = result.lan[0]
        l4 = TCP(sport=Ether(got)[TCP].sport, dport=server.server_port, flags="S")
        self.same(got, self.at_server(server, got, l4))

    def test_answers_that_nobody_waits_for(self):
        """061_nat64stateful: from another port, to another port, from another server."""
        kind, server, config = self.nat64(TCP)
        ends = [((server.server, server.server_port), (SOURCES[4], 2948)),
                ((server.server, server.server_port + 1), (SOURCES[4], 2048)),
                ((address(4, 99), server.server_port), (SOURCES[4], 2048))]
        frames = [bytes(packet(server, source, to, (server_mac(server.server), PORT_MACS["lan"]),
                               l4={"flags": flags}))
                  for source, to in ends for flags in ("SA", "A", "AF", "R")]
        result = Run(config, wan=[bytes(packet(kind, (CLIENTS[6], 2048),
                                               (kind.address, kind.port), l4={"flags": "S"}))],
                     lan=frames).go()
        self.assertEqual((result.drops, result.wan), ({"no-flow": len(frames)}, []))


@with_workers(1, 2)
class Dpvs(Case):
    """iqiyi/dpvs, test/release/checklist.md: what its forwarding has to pass."""

    def test_all_modes_at_once(self):
        """In one configuration, each for both families and protocols."""
        ways = []
        for kind in (TCP4, UDP4, TCP6, UDP6):
            ways += [Way(85, kind), Way(86, kind, "ipip")]
        config = config_of(ways)
        kinds = (TCP4, UDP4, TCP6, UDP6)
        full = [dataclasses.replace(k, name="full" + k.name, address=Way(87, k).address)
                for k in kinds]
        for kind in kinds + tuple(full):
            more = {"forward": "fullnat", "source-addresses": [SOURCES[kind.version]]} \
                if kind in full else {}
            config["frontends"].append(frontend(kind.name, kind.endpoint(kind.address, kind.port),
                                                kind.name, kind.protocol))
            config["backends"].append(backend(
                kind.name, kind.endpoint(kind.server, kind.server_port), **more))
        config["neighbors"] += [neighbor(k.server) for k in kinds]
        wanted, frames = {}, []
        for number, target in enumerate(ways + list(kinds) + full):
            kind = target.kind if isinstance(target, Way) else target
            body = b"mode %2d" % number
            frames.append(bytes(packet(kind, (CLIENTS[kind.version], 3000),
                                       (target.address, kind.port), payload=body)))
            wanted[body] = (target, frames[-1])
        result = Run(config, wan=frames, workers=self.workers).go()
        self.assertEqual((result.drops, len(result.lan)), ({}, len(frames)))
        for got in result.lan:
            target, frame = wanted.pop(got[-7:])
            if isinstance(target, Way):
                self.same(got, target.outside(frame, got))
                continue
            p = Ether(got)
            source = (SOURCES[target.version], p[target.l4].sport) if target in full else None
            self.same(got, rewritten(frame, (PORT_MACS["lan"], server_mac(target.server)), source,
                                     (target.server, target.server_port)))
        self.assertEqual(wanted, {})

    def test_many_services(self):
        """200 at one address, by port; each has its own server and counts its own packet."""
        count = 200
        config = {"frontends": [frontend(f"f{i}", f"198.51.100.10:{1000 + i}", f"b{i}")
                                for i in range(count)],
                  "backends": [backend(f"b{i}", f"10.97.{i // 100}.{1 + i % 100}:{2000 + i}")
                               for i in range(count)]}
        frames = [bytes(packet(TCP4, (CLIENTS[4], 3000), ("198.51.100.10", 1000 + i)))
                  for i in range(count)]
        result = Run(config, wan=frames, workers=self.workers).go()
        self.assertEqual(result.drops, {})
        servers = [f"10.97.{i // 100}.{1 + i % 100}" for i in range(count)]
        self.assertEqual(sorted(result.lan), sorted(
            rewritten(frame, (PORT_MACS["lan"], server_mac(server)),
                      destination=(server, 2000 + i))
            for i, (frame, server) in enumerate(zip(frames, servers))))
        self.assertEqual({s["in_packets"] for s in result.servers.values()}, {1})
