# SPDX-License-Identifier: BSD-3-Clause
"""Cases of other balancers' own test suites, for the modes that Shunt has: README.md has the table.

Each goes through processes of its own, so that a counter that moves by one moves for this packet.
"""

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from exchange import ROUTER, TCP4, TCP6, UDP4, show, with_bytes
from harness import PORT_MACS, Run, with_workers
from test_direct import Way, config_of

BODY = b"a packet for a test"
CLIENT = {4: ("203.0.113.5", 31337), 6: ("2001:db8:c::5", 31337)}
ETHER = Ether(src=ROUTER, dst=PORT_MACS["wan"])
IN4, IN4_UDP = Way(50, TCP4, "ipip", 4), Way(50, UDP4, "ipip", 4)
OVER6, IN6 = Way(51, TCP4, "ipip", 6), Way(52, TCP6, "ipip", 6)
GUE4, GUE6 = Way(53, TCP4, "gue", 4), Way(54, TCP6, "gue", 6)
WAYS = (IN4, IN4_UDP, OVER6, IN6, GUE4, GUE6)


def ask(way, **fields):
    flags = {"l4": {"flags": "A"}} if way.kind.l4 is TCP else {}
    return way.ask(*CLIENT[way.kind.version], payload=BODY, **flags, **fields)


def ip4(**fields):
    return IP(**{"src": CLIENT[4][0], "dst": IN4.address, **fields})


def ip6(**fields):
    return IPv6(**{"src": CLIENT[6][0], "dst": IN6.address, **fields})


def ack(port=80):
    return TCP(sport=31337, dport=port, flags="A") / Raw(BODY)


def about(way):
    """A router's error about what the server has answered."""
    reply = TCP(sport=80, dport=31337) / Raw(BODY)
    client = CLIENT[way.kind.version][0]
    if way.kind.version == 4:
        return bytes(ETHER / IP(src="192.0.2.77", dst=way.address) /
                     ICMP(type=3, code=4, nexthopmtu=1280) /
                     IP(src=way.address, dst=client) / reply)
    return bytes(ETHER / IPv6(src="2001:db8:77::1", dst=way.address) / ICMPv6PacketTooBig(mtu=1280) /
                 IPv6(src=way.address, dst=client) / reply)


@with_workers(1)
class Katran:
    """katran/lib/testing/KatranTestFixtures.h and KatranGueTestFixtures.h."""

    def go(self, way, *frames):
        """The last of the frames leaves by this way, as do those before; each is counted once."""
        result = Run(config_of(WAYS), wan=frames).go()
        self.assertEqual(result.drops, {})
        self.assertEqual(len(result.lan), len(frames))
        for frame, got in zip(frames, result.lan):
            wanted = way.outside(frame, got)
            self.assertEqual(got, wanted, f"came out\n{show([got])}\nnot\n{show([wanted])}")
        server = result.servers[f"{way.name}/s1"]
        self.assertEqual(server["in_packets"], len(frames))
        self.assertEqual(server["in_bytes"], sum(len(f) - 14 for f in frames))
        self.assertEqual(sum(s["in_packets"] for s in result.servers.values()), len(frames))
        self.assertEqual(result.total("flows_created"), 1)

    def dropped(self, reason, frame):
        result = Run(config_of(WAYS), wan=[bytes(frame)]).go()
        self.assertEqual(result.drops, {reason: 1})
        self.assertEqual(result.lan + result.wan, [])
        self.assertEqual(result.total("flows_created"), 0)

    def test_udp4(self):
        self.go(IN4_UDP, ask(IN4_UDP))

    def test_tcp4(self):
        self.go(IN4, ask(IN4))

    def test_tcp4_tos(self):
        self.go(IN4, ask(IN4, ip={"tos": 0x8c}))

    def test_tcp4_to_a_server_of_ip6(self):
        self.go(OVER6, ask(OVER6))

    def test_tcp6(self):
        self.go(IN6, ask(IN6))

    def test_tcp6_class(self):
        self.go(IN6, ask(IN6, ip={"tc": 0x8c}))

    def test_gue(self):
        for way in (GUE4, GUE6):
            self.go(way, ask(way))

    def test_second_packet_finds_the_flow(self):
        self.go(IN4, ask(IN4), ask(IN4))

    def test_fragmentation_needed(self):
        self.go(IN4, ask(IN4), about(IN4))

    def test_packet_too_big(self):
        self.go(IN6, ask(IN6), about(IN6))

    def test_options_are_carried(self):
        """Katran drops all of them."""
        self.go(IN4, ask(IN4, ip={"options": [IPOption_NOP()] * 4}))

    def test_header_length_over_tcp(self):
        self.dropped("ip-options", with_bytes(ETHER / ip4() / ack(), 14, b"\x46"))

    def test_fragment_of_odd_length(self):
        self.dropped("fragment", ETHER / ip4(flags="MF") / ack())

    def test_tcp_taken_for_a_fragment_header(self):
        self.dropped("protocol", ETHER / ip6(nh=44) / ack())

    def test_no_service4(self):
        self.dropped("no-service", ETHER / ip4() / ack(82))

    def test_no_service6(self):
        self.dropped("no-service", ETHER / ip6() / ack(82))

    def test_arp(self):
        self.dropped("not-ip", ETHER / ARP())

    def test_tunnels_from_outside(self):
        """Nobody may put a packet past Shunt by wrapping it up himself."""
        inner = ip4() / UDP(sport=31337, dport=53) / Raw(BODY)
        self.dropped("protocol", ETHER / ip4(proto=4) / inner)
        self.dropped("protocol", ETHER / ip6(nh=4) / inner)
        self.dropped("protocol", ETHER / ip6(nh=41) / ip6() / ack())
