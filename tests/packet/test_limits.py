# SPDX-License-Identifier: BSD-3-Clause
"""Limits: as many sessions begin as may, whichever worker has them, and the answers to the others."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.layers.l2 import Ether

from exchange import ROUTER, TCP4, TCP6, UDP4, UDP6, KINDS, Exchange, kinds_config
from harness import PORT_MACS, Run, with_workers

TRIES = 12  # of each kind, from as many ports
# kind: its frontend's limits, how many of the tries may begin, and what is said of the others
LIMITS = {
    "tcp4": ({"maxconn": 5}, 5, "frontend-maxconn"),
    "udp4": ({"source-limit": {"maxconn": 4}}, 4, "source-maxconn"),
    "tcp6": ({"source-limit": {"rate": 1, "burst": 3}}, 3, "source-rate"),
    "udp6": ({"rate-limit": {"sessions": 1, "burst": 6}, "on-limit": "drop"}, 6, "rate-limit"),
}
SLACK = 3  # tokens that may come meanwhile, one a second


def config():
    whole = kinds_config()
    for f in whole["frontends"]:
        f.update(LIMITS[f["name"]][0])
    return whole


@with_workers(1, 2)
class Limits:
    @classmethod
    def setUpClass(cls):
        cls.x = Exchange(1)
        for kind in KINDS:
            for port in range(40000, 40000 + TRIES):
                if kind.l4 is TCP:
                    cls.x.ask(kind, port, l4={"flags": "S", "seq": 1000 * port})
                else:
                    cls.x.ask(kind, port, payload=b"question")
        cls.result = Run(config(), wan=cls.x.sent["wan"], workers=cls.workers,
                         then=lambda run: (run.ask("show stat"), run.ask("show top sources")),
                         ).go()
        cls.begun = {k.name: [] for k in KINDS}
        for frame in cls.result.lan:
            cls.begun[cls.kind_of(frame)].append(frame)

    @staticmethod
    def kind_of(frame):
        p = Ether(frame)
        return ("tcp" if TCP in p else "udp") + ("4" if IP in p else "6")

    def allowed(self, name):
        limits, count, _ = LIMITS[name]
        return range(count, count + (SLACK if "rate" in str(limits) else 0) + 1)

    def test_so_many_begin(self):
        for name in LIMITS:
            self.assertIn(len(self.begun[name]), self.allowed(name), name)
        self.assertLessEqual(set(self.result.lan), set(self.x.expected["lan"]))

    def test_the_others_are_counted(self):
        self.assertEqual(self.result.drops, {reason: TRIES - len(self.begun[name])
                                             for name, (_, _, reason) in LIMITS.items()})
        rows = {r["proxy"]: r for r in self.result.extra[0] if r["type"] == "frontend"}
        for name in LIMITS:
            self.assertEqual(rows[name]["refused"], TRIES - len(self.begun[name]))
            self.assertEqual(rows[name]["sessions"], len(self.begun[name]))
        self.assertEqual(rows["tcp4"]["maxconn"], 5)
        self.assertIsNone(rows["udp4"]["maxconn"])

    def test_networks(self):
        self.assertEqual({r["frontend"]: (r["network"], r["sessions"], r["refused"])
                          for r in self.result.extra[1]},
                         {"udp4": (self.x.client4, 4, TRIES - 4),
                          "tcp6": ("2001:db8:c::/64", len(self.begun["tcp6"]),
                                   TRIES - len(self.begun["tcp6"]))})

    def test_answers(self):
        """Segments are answered by an RST (RFC 9293 section 3.10.7.1), datagrams by ICMP; nobody
        is where that is not wanted."""
        answers = {"rst4": 0, "rst6": 0, "icmp4": 0}
        for frame in self.result.wan:
            p = Ether(frame)
            self.assertEqual((p.src, p.dst), (PORT_MACS["wan"], ROUTER))
            if TCP in p and ICMP not in p:
                kind = TCP4 if IP in p else TCP6
                ip = p[kind.ip]
                self.assertEqual((ip.src, p[TCP].sport), (kind.address, kind.port))
                self.assertEqual(str(p[TCP].flags), "RA")
                self.assertEqual(p[TCP].ack, 1000 * p[TCP].dport + 1)
                answers["rst4" if IP in p else "rst6"] += 1
            else:
                self.assertNotIn(ICMPv6DestUnreach, p)
                self.assertEqual((p[ICMP].type, p[ICMP].code), (3, 3))
                self.assertEqual(p[IP].src, UDP4.address)
                answers["icmp4"] += 1
        self.assertEqual(answers, {"rst4": TRIES - 5, "rst6": TRIES - len(self.begun["tcp6"]),
                                   "icmp4": TRIES - 4})
        self.assertTrue(all(UDP in Ether(f) and IPv6 in Ether(f)
                            for f in self.begun[UDP6.name]))
