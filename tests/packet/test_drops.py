# SPDX-License-Identifier: BSD-3-Clause
"""Every reason for which a packet itself gets dropped: counted by its name, exactly."""

import collections

from scapy.layers.inet import (ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_NOP, IPOption_SSRR)
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6Unknown, IPv6,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting,
                                PadN)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether, LLC
from scapy.packet import Raw

from exchange import KINDS, ROUTER, TCP4, TCP6, Exchange, kinds_config, packet, with_bytes
from harness import PORT_MACS, Run, backend, frontend, neighbors, with_workers

ETHER = Ether(src=ROUTER, dst=PORT_MACS["wan"])
CLIENT4, CLIENT6 = "203.0.113.200", "2001:db8:c::200"
BLOCKED4, BLOCKED6 = "203.0.113.201", "2001:db8:c::201"
VIP4, VIP6 = TCP4.address, TCP6.address
SYN = TCP(sport=40000, dport=80, flags="S")
REPLY = TCP(sport=80, dport=40000, flags="A")


def from_client(kind, **fields):
    client = CLIENT4 if kind.version == 4 else CLIENT6
    return packet(kind, (client, 40000), (kind.address, kind.port), **fields)


def ip4(l4=SYN, **fields):
    return ETHER / IP(**{"src": CLIENT4, "dst": VIP4, **fields}) / l4


def ip6(l4=SYN, **fields):
    return ETHER / IPv6(**{"src": CLIENT6, "dst": VIP6, **fields}) / l4


def raw_options(options):
    """An IPv4 packet with these bytes as options, made from one with as many no-operations."""
    count = len(options)
    assert count % 4 == 0
    return with_bytes(ip4(options=[IPOption_NOP() for _ in range(count)]), 14 + 20, options)


def short_frame():
    yield from (bytes(ETHER)[:n] for n in (1, 6, 12, 13))
    yield bytes(ip4())[:14]  # nothing behind the Ethernet header
    yield bytes(ip6())[:14]
    yield bytes(ip4())[:14 + 19]
    yield bytes(ip6())[:14 + 39]
    # More than a buffer holds cannot be had in one piece.
    yield from_client(TCP4, payload=b"x" * 4000)


def not_ip():
    yield ETHER / ARP(psrc=CLIENT4, pdst=VIP4)
    yield Ether(src=ROUTER, dst=PORT_MACS["wan"], type=0x88cc) / Raw(b"lldp" * 10)
    yield Ether(src=ROUTER, dst=PORT_MACS["wan"], type=0) / Raw(bytes(46))
    yield bytes(ETHER)[:12] + (40).to_bytes(2, "big") + bytes(LLC()) + bytes(40)


def vlan_tags():
    yield ETHER / Dot1Q(vlan=5) / Dot1Q(vlan=6) / Dot1Q(vlan=7) / ip4().payload
    yield ETHER / Dot1AD(vlan=5) / Dot1Q(vlan=6) / Dot1Q(vlan=0) / ip4().payload
    yield ETHER / Dot1Q(vlan=4095) / ip6().payload
    yield Ether(src=ROUTER, dst=PORT_MACS["wan"], type=0x9100) / Dot1Q(vlan=5) / ip4().payload


def ip_version():
    yield Ether(src=ROUTER, dst=PORT_MACS["wan"], type=0x0800) / ip6().payload
    yield Ether(src=ROUTER, dst=PORT_MACS["wan"], type=0x86dd) / ip4(l4=SYN / (b"x" * 40)).payload
    yield with_bytes(ip4(), 14, b"\x55")
    yield with_bytes(ip6(), 14, b"\x00")


def ip_header():
    yield with_bytes(ip4(), 14, b"\x44")
    yield with_bytes(ip4(), 14, b"\x40")
    yield bytes(with_bytes(ip4(), 14, b"\x4f"))[:14 + 59]


def ip_length():
    yield with_bytes(ip4(), 16, (19).to_bytes(2, "big"))
    yield with_bytes(ip4(), 16, (41).to_bytes(2, "big"))
    yield with_bytes(ip4(), 16, b"\xff\xff")
    yield with_bytes(ip4(), 16, b"\0\0")  # as of a frame that segmentation was left to do
    yield with_bytes(ip6(), 18, (21).to_bytes(2, "big"))
    yield with_bytes(ip6(), 18, b"\xff\xff")
    # An extension header that the packet ends in.
    yield ip6(l4=Raw(bytes([6, 3]) + bytes(14)), nh=60)
    yield ip6(l4=Raw(bytes([6, 0, 1])), nh=0)


def ip_checksum():
    yield ip4(chksum=0x1234)
    yield ip4(chksum=0)
    good = bytearray(bytes(ip4()))
    good[14 + 8] -= 1
    yield bytes(good)


def ip_options():
    yield ip4(options=[IPOption_LSRR(routers=["192.0.2.1"])])
    yield ip4(options=[IPOption_SSRR(routers=["192.0.2.1"])])
    yield ip4(options=[IPOption_NOP(), IPOption_LSRR(routers=["192.0.2.1", "192.0.2.2"])])
    yield raw_options(b"\x07\x00\x00\x00")  # length 0
    yield raw_options(b"\x07\x01\x00\x00")
    yield raw_options(b"\x07\x05\x04\x00")  # beyond the header
    yield raw_options(b"\x01\x01\x01\x07")  # no length


def ip_source():
    for source in ("127.0.0.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255",
                   "255.255.255.255"):
        yield ip4(src=source)
    for source in ("::", "::1", "ff02::1", "::ffff:203.0.113.1"):
        yield ip6(src=source)
    yield ip6(dst="::ffff:198.51.100.10")


def land():
    yield ip4(src=VIP4, l4=TCP(sport=80, dport=80, flags="S"))
    yield ip4(src=VIP4, dst=VIP4, l4=UDP(sport=53, dport=53))
    yield ip6(src=VIP6, l4=TCP(sport=80, dport=80, flags="S"))
    yield ETHER / IP(src=VIP4, dst=VIP4) / ICMP(type=3) / IP(src=VIP4, dst=CLIENT4) / REPLY
    yield ETHER / IPv6(src=VIP6, dst=VIP6) / ICMPv6DestUnreach() / Raw(
        bytes(IPv6(src=VIP6, dst=CLIENT6) / REPLY))


def ip6_extensions():
    option = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
    nine = ETHER / IPv6(src=CLIENT6, dst=VIP6)
    for _ in range(9):
        nine /= option
    yield nine / SYN
    yield packet(TCP6, (CLIENT6, 1), (VIP6, 80), ext=[
        IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 120), PadN(optdata=b"\0" * 136)])])
    yield packet(TCP6, (CLIENT6, 1), (VIP6, 80), ext=[option, IPv6ExtHdrHopByHop()])
    yield packet(TCP6, (CLIENT6, 1), (VIP6, 80), ext=[
        IPv6ExtHdrRouting(type=0, segleft=1, addresses=["2001:db8::7"])])


def piece4(offset, payload, more=True, number=7, **fields):
    """An IPv4 fragment; of UDP, if nothing else is said."""
    return ip4(l4=Raw(payload), **{"proto": 17, "id": number, "frag": offset // 8,
                                   "flags": "MF" if more else "", **fields})


def piece6(offset, payload, more=True, number=7, protocol=17, **fields):
    return ip6(l4=IPv6ExtHdrFragment(nh=protocol, m=more, offset=offset // 8, id=number) /
               Raw(payload), **fields)


PIECES = (piece4, piece6)


def udp_header(port):
    return UDP(sport=40000, dport=port, len=1000, chksum=0x1234)


def fragment():
    for piece in PIECES:
        yield piece(0, bytes(UDP(sport=1, dport=53)) + b"odd")  # not a multiple of 8
        yield piece(800, bytes(7))
        yield piece(0, b"")
        yield piece(800, b"", more=False)


def fragment_too_long():
    for piece in PIECES:
        yield piece(65528, bytes(8), more=False)
        yield piece(65528, bytes(1000), more=False)
        yield piece(65520, bytes(16))
    yield piece4(65512, bytes(4), more=False)  # with the header
    yield ETHER / IPv6(src=CLIENT6, dst=VIP6) / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(
        nh=17, offset=65520 // 8) / Raw(bytes(8))  # with the extension header


def fragment_tiny():
    yield piece4(0, bytes(SYN)[:16], proto=6)
    yield piece6(0, bytes(SYN)[:16], protocol=6)
    yield piece4(0, bytes(TCP(dport=80, flags="S", dataofs=10)) + bytes(4), proto=6)
    yield piece6(0, bytes(TCP(dport=80, flags="S", dataofs=10)) + bytes(4), protocol=6)
    yield piece6(0, bytes([6, 1]) + bytes(6), protocol=60)  # options that go on in the next one


def fragment_overlap():
    """Over the TCP header (RFC 1858); over first fragments, those of no_service()."""
    for offset in (8, 16):
        yield piece4(offset, bytes(800), proto=6)
        yield piece6(offset, bytes(800), protocol=6)
    for piece in PIECES:
        yield piece(8, bytes(64), number=78)
        yield piece(32, bytes(8), number=78)


def fragment_no_first():
    """No more than 64 of a datagram wait; and one each, out of order."""
    for piece in PIECES:
        for i in range(1, 65):
            yield piece(8 * i, bytes(8), number=79)
        yield piece(1600, bytes(60), more=False, number=80)
        yield piece(800, bytes(800), number=80)


def fragment_full():
    for piece in PIECES:
        yield piece(800, bytes(800), number=79)
        yield piece(1600, bytes(800), number=79)


def fragment_duplicate():
    """With other ports than the first fragment of no_service()."""
    for piece in PIECES:
        yield piece(0, bytes(udp_header(53)) + bytes(32), number=78)


def ttl():
    """Sent to a group address, so that the sender is not told; test_icmp.py has those who are."""
    group = (ROUTER, "01:00:5e:00:00:01")
    for kind in KINDS:
        yield from_client(kind, ttl=1, macs=group)
        yield from_client(kind, ttl=0, macs=group)


def protocol():
    yield ETHER / IP(src=CLIENT4, dst=VIP4) / ICMP()
    yield ETHER / IP(src=CLIENT4, dst=VIP4, proto=47) / Raw(bytes(20))
    yield ETHER / IP(src=CLIENT4, dst=VIP4, proto=132) / Raw(bytes(20))
    yield ETHER / IP(src=CLIENT4, dst=VIP4, proto=0) / Raw(bytes(20))
    for kind in (0, 4, 5, 8, 13):  # source quench and redirects are not for others
        yield ETHER / IP(src=CLIENT4, dst=VIP4) / ICMP(type=kind) / IP(
            src=VIP4, dst=CLIENT4) / TCP(sport=80, dport=40000)
    yield ETHER / IPv6(src=CLIENT6, dst=VIP6) / ICMPv6EchoRequest()
    for kind in (0, 5, 127, 128, 137):
        yield ETHER / IPv6(src=CLIENT6, dst=VIP6) / ICMPv6Unknown(type=kind) / Raw(
            bytes(4) + bytes(IPv6(src=VIP6, dst=CLIENT6) / TCP(sport=80, dport=40000)))
    # ICMP errors about what has no ports.
    yield about(4, VIP4, CLIENT4, ICMP() / Raw(bytes(20)))
    yield about(6, VIP6, CLIENT6, ICMPv6EchoRequest() / Raw(bytes(20)))
    yield ETHER / IPv6(src=CLIENT6, dst=VIP6, nh=59)  # no next header
    yield ETHER / IPv6(src=CLIENT6, dst=VIP6, nh=51) / Raw(bytes(24))  # authentication
    for number, piece in ((1, {"proto": 1}), (50, {"proto": 50})):
        yield piece4(0, bytes(64), number=number, **piece)
        yield piece4(64, bytes(64), number=number, **piece)
    for number in (58, 50, 59):
        yield piece6(0, bytes(64), number=number, protocol=number)
        yield piece6(64, bytes(64), number=number, protocol=number)


def l4_header():
    for ip in (ip4, ip6):
        yield ip(l4=Raw(bytes(SYN)[:19]), **({"proto": 6} if ip is ip4 else {"nh": 6}))
        yield ip(l4=Raw(b""), **({"proto": 6} if ip is ip4 else {"nh": 6}))
        yield ip(l4=TCP(sport=1, dport=80, flags="S", dataofs=4))
        yield ip(l4=TCP(sport=1, dport=80, flags="S", dataofs=6))
        yield ip(l4=TCP(sport=1, dport=80, flags="S", dataofs=15) / (b"x" * 39))
        yield ip(l4=Raw(bytes(7)), **({"proto": 17} if ip is ip4 else {"nh": 17}))
        yield ip(l4=UDP(sport=1, dport=53, len=7))
        yield ip(l4=UDP(sport=1, dport=53, len=0))
        yield ip(l4=UDP(sport=1, dport=53, len=9))


def tcp_flags():
    for flags in ("", "F", "P", "U", "SF", "SR", "SFA", "RF", "RFA", "SRA", "FSRPAU", "FPU"):
        yield ip4(l4=TCP(sport=40000, dport=80, flags=flags))
        yield ip6(l4=TCP(sport=40000, dport=80, flags=flags))


def about(version, source, destination, l4, keep=None, receiver=None):
    """An ICMP error about a packet that went from source to destination, in scapy's layers."""
    if version == 4:
        inner = bytes(IP(src=source, dst=destination) / l4)[:keep]
        return (ETHER / IP(src="192.0.2.77", dst=receiver or source) / ICMP(type=3, code=1) /
                Raw(inner))
    inner = bytes(IPv6(src=source, dst=destination) / l4)[:keep]
    return (ETHER / IPv6(src="2001:db8:77::1", dst=receiver or source) /
            ICMPv6DestUnreach(code=3) / Raw(inner))


def icmp_checksum():
    for version, vip, client in ((4, VIP4, CLIENT4), (6, VIP6, CLIENT6)):
        good = bytes(about(version, vip, client, REPLY))
        icmp = 14 + (20 if version == 4 else 40)
        for at in (icmp + 1, icmp + 3, icmp + 4, icmp + 8, len(good) - 1):
            yield good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]


def icmp_inner():
    for version, vip, client in ((4, VIP4, CLIENT4), (6, VIP6, CLIENT6)):
        header = 20 if version == 4 else 40
        for keep in (0, 1, header - 1, header, header + 7):
            yield about(version, vip, client, REPLY, keep)
        # About a packet that its receiver has not sent.
        yield about(version, vip, client, REPLY,
                    receiver="198.51.100.9" if version == 4 else "2001:db8:1::9")
        yield about(version, client, vip, TCP(sport=40000, dport=80), receiver=vip)
    # About what has its ports not there; of the other family.
    yield ETHER / IP(src=CLIENT4, dst=VIP4) / ICMP(type=11) / IP(src=VIP4, dst=CLIENT4,
                                                                 frag=3, proto=6) / Raw(bytes(40))
    yield about(6, VIP6, CLIENT6, IPv6ExtHdrFragment(offset=3) / REPLY)
    yield about(6, VIP6, CLIENT6, IPv6ExtHdrDestOpt(len=200) / REPLY)
    yield ETHER / IP(src=CLIENT4, dst=VIP4) / ICMP(type=3) / Raw(
        bytes(IPv6(src=VIP6, dst=CLIENT6) / REPLY))
    yield ETHER / IP(src=CLIENT4, dst=VIP4) / ICMP(type=3) / Raw(
        b"\x44" + bytes(IP(src=VIP4, dst=CLIENT4) / REPLY)[1:])


def no_service():
    yield ip4(dst="198.51.100.11")
    yield ip4(l4=TCP(sport=40000, dport=81, flags="S"))
    yield ip4(l4=UDP(sport=40000, dport=80))  # a service of TCP
    yield ip4(l4=TCP(sport=40000, dport=53, flags="S"))  # a service of UDP
    yield ip4(dst="224.0.0.1", l4=UDP(sport=40000, dport=53))
    yield ip4(dst="255.255.255.255", l4=UDP(sport=68, dport=67))
    yield ip6(dst="2001:db8:1::11")
    yield ip6(l4=TCP(sport=40000, dport=81, flags="S"))
    # From a server, but from no port of a service.
    yield ip4(src=TCP4.server, dst=CLIENT4, l4=TCP(sport=22, dport=40000, flags="SA"))
    # A first fragment, and then others, which have no ports of their own.
    for piece in PIECES:
        yield piece(0, bytes(udp_header(81)) + bytes(32), number=78)
        yield piece(40, bytes(800), number=78)
        yield piece(840, bytes(3), more=False, number=77)  # waits
        yield piece(0, bytes(udp_header(82)) + bytes(832), number=77)
    # Straight to a server, past the service.
    yield ip4(dst=TCP4.server, l4=TCP(sport=40000, dport=8080, flags="S"))
    # Errors about what was neither to nor from a service.
    yield about(4, VIP4, CLIENT4, TCP(sport=81, dport=40000))
    yield about(6, VIP6, CLIENT6, UDP(sport=80, dport=40000))
    yield about(4, CLIENT4, TCP4.server, TCP(sport=40000, dport=22))


def no_flow():
    for kind in KINDS:
        nobody = "203.0.113.201" if kind.version == 4 else "2001:db8:c::201"
        for port in (1, 40000, 65535):
            yield packet(kind, (kind.server, kind.server_port), (nobody, port),
                         l4={"flags": "SA"} if kind.protocol == "tcp" else {})
        ends = {"sport": kind.port, "dport": 40000}
        yield about(kind.version, kind.address, nobody, kind.l4(**ends))
        yield about(kind.version, nobody, kind.server,
                    kind.l4(sport=40000, dport=kind.server_port))


def no_server():
    for flags in ("S", "A", "FA", "R"):
        yield ip4(l4=TCP(sport=40000, dport=1001, flags=flags))
    yield ip6(l4=TCP(sport=40000, dport=1001, flags="S"))


def rule():
    for flags in ("S", "A", "FA", "R"):
        yield ip4(src=BLOCKED4, l4=TCP(sport=40000, dport=80, flags=flags))
        yield ip6(src=BLOCKED6, l4=TCP(sport=40000, dport=80, flags=flags))


def no_neighbor():
    for flags in ("S", "A", "FA"):
        yield ip4(l4=TCP(sport=40000, dport=1002, flags=flags))
    yield ip6(l4=TCP(sport=40000, dport=1002, flags="S"))


# In this order: fragments may come behind others of their datagram.
REASONS = (short_frame, not_ip, vlan_tags, ip_version, ip_header, ip_length, ip_checksum, ip_options,
           ip_source, land, ip6_extensions, fragment, fragment_tiny, fragment_too_long, ttl,
           protocol, l4_header, tcp_flags, icmp_checksum,
           icmp_inner, no_service, fragment_overlap, fragment_duplicate,
           fragment_no_first, fragment_full, no_flow, no_server, rule,
           no_neighbor)


def config():
    """The usual services; one whose servers take nothing new, one whose server has no MAC; and a
    client that rules keep out of all."""
    whole = kinds_config()
    whole["neighbors"] = neighbors(whole["backends"])
    for name, port, weight in (("idle", 1001, 0), ("lost", 1002, 1)):
        for version, vip, server in ((4, VIP4, "10.99.1.1:80"),
                                     (6, f"[{VIP6}]", "[2001:db8:a:1::1]:80")):
            whole["frontends"].append(frontend(f"{name}{version}", f"{vip}:{port}",
                                               f"{name}{version}"))
            whole["backends"].append(backend(f"{name}{version}", (server, weight)))
    whole["acls"] = {"blocked": {"src": [BLOCKED4, f"{BLOCKED6}/128"]}}
    for one in whole["frontends"]:
        one["rules"] = [{"if": "blocked", "action": "drop"}]
    return whole


@with_workers(1, 2)
class Drops:
    """One run with the packets of all reasons; a case for each of the names."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.expected = collections.Counter()
        frames = []
        for reason in REASONS:
            made = [bytes(f) for f in reason()]
            cls.expected[reason.__name__.replace("_", "-")] = len(made)
            frames += made
        # Good packets before and behind show that nothing has been confused.
        cls.before, cls.behind = Exchange(1), Exchange(2)
        for x in (cls.before, cls.behind):
            for kind in KINDS:
                x.handshake(kind)
        sent = cls.before.sent["wan"] + frames + cls.behind.sent["wan"]
        cls.result = Run(config(), wan=sent, workers=cls.workers).go()

    def test_good_packets(self):
        for port in ("wan", "lan"):
            expected = self.before.expected[port] + self.behind.expected[port]
            self.assertEqual(sorted(getattr(self.result, port)), sorted(expected))

    def test_total(self):
        self.assertEqual(self.result.total("drops"), sum(self.expected.values()))

    def test_no_other_reason(self):
        self.assertEqual(set(self.result.drops), set(self.expected))

    def test_no_reason_forgotten(self):
        """All there are, but for those about load and not about the packet; test_direct.py has
        those of tunnels, test_vlan.py that of ports with a VLAN of their own, test_fullnat.py and
        tests/unit/test_xlat*.c those of full NAT, test_limits.py those of limits,
        tests/netns/test_twin.sh those of kernel twins, tests/netns/test_rules.sh what is refused,
        test_cookies.py and tests/unit/test_track_cookie.c those of SYN floods; and it takes all of
        a client's ports to be
        without one, or a host that answers to be reset."""
        elsewhere = {"handover-full", "tx-full", "too-big", "vlan", "headroom", "client-port",
                     "no-source-port", "flow-table-full", "reset", "tcp-answer", "local",
                     "punt-limited", "punt-full", "icmp-tunnel", "udp-checksum", "icmp-type",
                     "refused", "maxconn", "half-open", "syn-cookie", "cookie-wait",
                     "rate-limit", "frontend-maxconn", "source-rate", "source-maxconn"}
        self.assertEqual(self.result.drop_names - elsewhere, set(self.expected))


def add_cases():
    """A case Drops.test_REASON for each reason."""
    for reason in REASONS:
        name = reason.__name__.replace("_", "-")

        def case(self, name=name):
            self.assertEqual(self.result.drops.get(name, 0), self.expected[name])

        for cls in (Drops1, Drops2):  # noqa: F821 (made by with_workers)
            setattr(cls, f"test_{reason.__name__}", case)


add_cases()
