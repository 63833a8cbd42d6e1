# SPDX-License-Identifier: BSD-3-Clause
"""ICMP errors where servers answer directly: those about what a server has sent from the balanced
address go to it as they are, and those about tunnels' own packets tell the way's MTU."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.packet import Raw

from exchange import ROUTER, TCP4, packet
from harness import PORT_MACS, Run, server_mac, with_workers
from test_direct import (BODY, OVERHEAD, SERVER, SOURCE, Direct, all_ways, client_of, config_of,
                         padded_to, show, told)
from test_icmp import ERRORS, ROUTER_ADDRESS, error, header_bytes, quoted

LINK_MTU = 1400


@with_workers(1, 2)
class DirectIcmp:
    """With two workers one receives all, and hands over what the other one owns."""

    def test_errors_reach_the_server(self):
        ways, sent, clients = all_ways(), [], range(1, 9)
        expected = []
        for way in ways:
            kind = way.kind
            for number in clients:
                client = client_of(kind, number), 40000
                flags = {"l4": {"flags": "S"}} if kind.l4 is TCP else {}
                opening = way.ask(*client, payload=b"opening", **flags)
                make = ERRORS[kind.version][number % 4]
                keep = None if number % 2 else header_bytes(kind) + 8
                source = ROUTER_ADDRESS[kind.version] if number % 3 else client[0]
                about = error(kind, (ROUTER, PORT_MACS["wan"]), source, way.address, make(),
                              quoted(kind, (way.address, kind.port), client, keep=keep), ttl=9)
                sent += [opening, about + bytes(number % 2)]
                expected += [(way, opening), (way, about)]
        few = sent[:900]  # what the ring between workers holds
        expected = expected[:900]
        result = Run(config_of(ways), wan=few, workers=self.workers).go()
        self.assertEqual(result.drops, {})
        self.assertEqual(len(result.lan), len(expected))
        got = {Direct.inner_of(frame): frame for frame in result.lan}
        for way, frame in expected:
            self.assertIn(frame[14:], got, way.name)
            wanted = way.outside(frame, got[frame[14:]])
            if got[frame[14:]] != wanted:
                self.fail(f"{way.name}: came out\n{show([got[frame[14:]]])}\nnot\n"
                          f"{show([wanted])}")
        self.assertEqual(result.total("flows_created"), len(few) // 2)


def router_says(way, mtu, sent=1500):
    """The error of a router behind Shunt, about a tunnel's packet of so many bytes."""
    size = sent - OVERHEAD[way.encap, way.outer]
    shim = {"gre": GRE(proto=0x0800), "gue": UDP(sport=50000, dport=way.encap_port, chksum=0)}
    protocol = {"gre": 47, "gue": 17, "ipip": 4 if way.kind.version == 4 else 41}[way.encap]
    ether = Ether(src="02:00:00:00:00:99", dst=PORT_MACS["lan"])
    if way.outer == 4:
        outer = IP(src=SOURCE[4], dst=way.server, proto=protocol, flags="DF", id=0)
    else:
        outer = IPv6(src=SOURCE[6], dst=way.server, nh=protocol)
    quote = outer / shim[way.encap] if way.encap in shim else outer
    quote = bytes(quote / Raw((BODY * 2)[:size]))[:128]
    if way.outer == 4:
        return bytes(ether / IP(src="10.99.9.9", dst=SOURCE[4]) /
                     ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(quote))
    return bytes(ether / IPv6(src="2001:db8:a:9::9", dst=SOURCE[6]) /
                 ICMPv6PacketTooBig(mtu=mtu) / Raw(quote))


@with_workers(1)
class TunnelMtu:
    def test_learned(self):
        """Afterwards a client is told what fits the tunnel and that way, and less goes through."""
        for encap in ("ipip", "gue", "gre"):
            for outer in (4, 6):
                way = next(w for w in all_ways()
                           if (w.kind, w.encap, w.outer) == (TCP4, encap, outer))
                fits = LINK_MTU - OVERHEAD[encap, outer]
                flags = {"ip": {"flags": "DF"}}
                small, great = padded_to(way, fits, **flags), padded_to(way, fits + 1, **flags)
                # In one capture they are in this order, but errors come behind their burst.
                filler = [way.ask(client_of(TCP4, 9), 1, payload=b"!")] * 64
                sent = [great, router_says(way, LINK_MTU)] + filler + [great, small]
                result = Run(config_of([way]), wan=sent, workers=1).go()
                self.assertEqual(result.drops, {"icmp-tunnel": 1, "too-big": 1}, way.name)
                self.assertEqual(result.wan, [told(great, fits)], way.name)
                self.assertEqual(len(result.lan), 2 + len(filler), way.name)

    def test_not_believed(self):
        """Too little, too much, or about what was not too big for it."""
        for way in (w for w in all_ways() if w.kind is TCP4 and w.encap == "gre"):
            lies = [router_says(way, mtu) for mtu in (0, 575, 1500, 9000)]
            lies.append(router_says(way, 1300, sent=1300))
            frame = padded_to(way, 1500 - OVERHEAD[way.encap, way.outer], ip={"flags": "DF"})
            filler = [way.ask(client_of(TCP4, 9), 1, payload=b"!")] * 64
            result = Run(config_of([way]), wan=lies + filler + [frame], workers=1).go()
            self.assertEqual(result.drops, {"icmp-tunnel": len(lies)}, way.name)
            self.assertEqual(len(result.lan), len(filler) + 1)
