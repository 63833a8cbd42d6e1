# SPDX-License-Identifier: BSD-3-Clause
"""SYN cookies: what a SYN is answered with, as scapy builds it.

The cookie itself is secret, so it is taken from the frame; all else is as scapy has it. What becomes
of it when it comes back is in tests/unit/test_track_cookie.c and, with real hosts, in
tests/netns/test_cookies.sh.
"""

from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from exchange import ROUTER, TCP4, TCP6, kinds_config, packet
from harness import PORT_MACS, Run, with_workers

MSS = {4: 1460, 6: 1440}  # of Ethernet's 1500 bytes
NOP, SACK = ("NOP", None), ("SAckOK", b"")
TIMESTAMP = ("Timestamp", (7, 0))

# What clients say, and what they are told.
CASES = [
    ([], lambda mss: []),
    ([("MSS", 1460)], lambda mss: [mss]),
    ([("MSS", 9000), SACK, TIMESTAMP, NOP, ("WScale", 9)],
     lambda mss: [mss, NOP, NOP, SACK, NOP, ("WScale", 7)]),
    ([("MSS", 536), NOP, ("WScale", 0), SACK, ("EOL", None)],
     lambda mss: [mss, NOP, NOP, SACK, NOP, ("WScale", 7)]),
    ([TIMESTAMP], lambda mss: []),
    ([SACK], lambda mss: [NOP, NOP, SACK]),
    ([NOP, ("WScale", 14)], lambda mss: [NOP, ("WScale", 7)]),
]


def config(use):
    whole = kinds_config()
    for front in whole["frontends"]:
        if front["protocol"] == "tcp":
            front["syn-cookies"] = use
    return whole


def client_of(kind, number):
    address = "203.0.113.9" if kind.version == 4 else "2001:db8:c::9"
    return address, 20000 + number


def syn(kind, number, options, **fields):
    fields = {"flags": "S", "seq": 0xfffffff0 + number, "window": 64000, "options": options,
              **fields}
    fields["seq"] &= 0xffffffff
    return bytes(packet(kind, client_of(kind, number), (kind.address, kind.port), l4=fields))


@with_workers(1, 2)
class Answers:
    def test_options(self):
        sent = [(kind, i, *case) for kind in (TCP4, TCP6) for i, case in enumerate(CASES)]
        result = Run(config("always"), workers=self.workers,
                     wan=[syn(kind, i, options) for kind, i, options, _ in sent]).go()
        self.assertEqual(result.lan, [])
        self.assertEqual(result.drops, {"syn-cookie": len(sent)})
        self.assertEqual(result.total("syn_cookies_sent"), len(sent))
        self.assertEqual(result.total("flows_created"), 0)
        answers = {(frame[12:14], Ether(frame)[TCP].dport): frame for frame in result.wan}
        self.assertEqual(len(answers), len(sent))
        cookies = set()
        for kind, i, options, told in sent:
            frame = answers[(b"\x08\x00" if kind.version == 4 else b"\x86\xdd", 20000 + i)]
            cookie = Ether(frame)[TCP].seq
            expected = packet(
                kind, (kind.address, kind.port), client_of(kind, i), (PORT_MACS["wan"], ROUTER),
                ip={"id": 0, "flags": "DF"} if kind.version == 4 else None,
                l4={"flags": "SA", "seq": cookie, "ack": (0xfffffff0 + i + 1) & 0xffffffff,
                    "window": 0, "options": told(("MSS", MSS[kind.version]))})
            self.assertEqual(frame, bytes(expected), options)
            self.assertLessEqual(len(frame), len(syn(kind, i, options)))
            cookies.add(cookie)
        self.assertEqual(len(cookies), len(sent), "cookies are not alike")

    def test_never(self):
        frames = [syn(kind, 1, [("MSS", 1460)]) for kind in (TCP4, TCP6)]
        result = Run(config("never"), workers=self.workers, wan=frames).go()
        self.assertEqual(len(result.lan), 2)
        self.assertEqual(result.wan, [])
        self.assertEqual(result.total("syn_cookies_sent"), 0)

    def test_no_syn(self):
        """ACKs that bring no cookie, RSTs and SYNs with something else in them."""
        frames = [syn(kind, i, [], flags=flags, ack=12345)
                  for kind in (TCP4, TCP6) for i, flags in enumerate(("A", "R", "FA", "SA"))]
        result = Run(config("always"), workers=self.workers, wan=frames).go()
        self.assertEqual(len(result.lan), len(frames))
        self.assertEqual(result.wan, [])
        self.assertEqual(result.drops, {})
