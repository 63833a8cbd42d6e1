# SPDX-License-Identifier: BSD-3-Clause
"""Cut and random bytes: nothing is misread, good packets between them all come out."""

import collections
import random

from scapy.layers.inet import IPOption_NOP
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, PadN
from scapy.layers.l2 import Ether

from exchange import KINDS, PORT_MACS, ROUTER, TCP, Exchange, kinds_config, packet, with_bytes
from harness import Run, server_mac, with_workers

L3 = 14
GOOD_FLOWS = 1000
RANDOM_FRAMES = 20000


def sample(kind):
    """A packet with all that can be cut: options, an extension header, a payload."""
    client = "203.0.113.77" if kind.version == 4 else "2001:db8:c::77"
    fields = {"payload": b"payload of odd length"}
    if kind.version == 4:
        fields["ip"] = {"options": [IPOption_NOP() for _ in range(8)]}
    else:
        fields["ext"] = [IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])]
    if kind.l4 is TCP:
        fields["l4"] = {"flags": "S", "options": [("Timestamp", (1, 0)), ("WScale", 7)]}
    return bytes(packet(kind, (client, 40000), (kind.address, kind.port), **fields))


def reason_of_cut(kind, whole, length):
    """Why the first bytes of a frame cannot be forwarded."""
    if length < L3 + (20 if kind.version == 4 else 40):
        return "short-frame"
    if kind.version == 4 and length < L3 + (whole[L3] & 15) * 4:
        return "ip-header"
    return "ip-length"


def cut_packet(frame, length):
    """Cut, and the IP header made to say so."""
    frame = frame[:length]
    if frame[12:14] == b"\x08\x00":
        return with_bytes(frame, L3 + 2, (length - L3).to_bytes(2, "big"))
    return with_bytes(frame, L3 + 4, (length - L3 - 40).to_bytes(2, "big"))


@with_workers(1, 2)
class Truncated:
    def test_frames(self):
        """The first n bytes of a frame, for each n."""
        frames, expected = [], collections.Counter()
        for kind in KINDS:
            whole = sample(kind)
            for length in range(len(whole)):
                frames.append(whole[:length])
                expected[reason_of_cut(kind, whole, length)] += 1
        result = Run(kinds_config(), wan=frames, workers=self.workers).go()
        self.assertEqual(result.drops, dict(expected))
        self.assertEqual(result.lan + result.wan, [])
        self.assertEqual(result.total("flows_created"), 0)

    def test_packets(self):
        """The same with a right IP header: TCP and UDP headers are cut, and TCP's payload."""
        x, frames, expected = Exchange(), [], collections.Counter()
        for kind in KINDS:
            whole = bytes(packet(kind, x.client(kind), (kind.address, kind.port),
                                 l4={"flags": "S", "options": [("Timestamp", (1, 0))]}
                                 if kind.l4 is TCP else {}, payload=b"payload"))
            header = L3 + (20 if kind.version == 4 else 40)
            l4_bytes = whole[header + 12] // 16 * 4 if kind.l4 is TCP else len(whole) - header
            for length in range(header, len(whole)):
                if length < header + l4_bytes:
                    frames.append(cut_packet(whole, length))
                    expected["l4-header"] += 1
                else:
                    x.ask(kind, l4={"flags": "S", "options": [("Timestamp", (1, 0))]},
                          payload=b"payload", damage=lambda f, n=length: cut_packet(f, n))
        result = Run(kinds_config(), wan=frames + x.sent["wan"], workers=self.workers).go()
        self.assertEqual(result.drops, dict(expected))
        self.assertEqual(sorted(result.lan), sorted(x.expected["lan"]))

    def test_extensions(self):
        """IPv6 packets cut in their extension header."""
        whole = [sample(kind) for kind in KINDS if kind.version == 6]
        frames = [cut_packet(frame, length) for frame in whole
                  for length in range(L3 + 40, L3 + 48)]
        result = Run(kinds_config(), wan=frames, workers=self.workers).go()
        self.assertEqual(result.drops, {"ip-length": len(frames)})


def random_frame(rng, seeds):
    """Noise; noise behind a good Ethernet header; a good packet with some bytes changed."""
    shape = rng.randrange(8)
    if shape == 0:
        return rng.randbytes(rng.randrange(200))
    if shape < 7:
        ethertype = rng.choice((b"\x08\x00", b"\x86\xdd"))
        first = b"\x45" if ethertype == b"\x08\x00" else b"\x60"
        head = bytes.fromhex((PORT_MACS["wan"] + ROUTER).replace(":", "")) + ethertype
        return head + first + rng.randbytes(rng.randrange(200))
    frame = bytearray(rng.choice(seeds))
    for _ in range(rng.randrange(1, 6)):
        frame[rng.randrange(len(frame))] = rng.randrange(256)
    return bytes(frame)


@with_workers(1, 2)
class Random:
    def test_good_between_random(self):
        """Good flows among 20 times as many random frames. Two workers get fewer good ones: only
        so many fit the ring between them at once."""
        rng = random.Random(7)
        good = GOOD_FLOWS if self.workers == 1 else 200
        changed_max = 8 * GOOD_FLOWS if self.workers == 1 else 500
        x, seeds = Exchange(), [sample(kind) for kind in KINDS]
        for i in range(good):
            kind = KINDS[i % len(KINDS)]
            first, later = ({"flags": "S"}, {"flags": "SA"}) if kind.l4 is TCP else ({}, {})
            x.ask(kind, 1024 + i, l4=first, payload=b"q" * (i % 7))
            x.answer(kind, 1024 + i, l4=later, payload=b"a" * (i % 11))
        frames, left, changed = [], list(reversed(x.sent["wan"])), 0
        every = RANDOM_FRAMES // len(left)
        for i in range(RANDOM_FRAMES):
            if i % every == 0 and left:
                frames.append(left.pop())
            noise = random_frame(rng, seeds)
            if noise[34:38] == seeds[0][34:38]:
                changed += 1
            frames.append(noise if changed < changed_max else noise[:60])
        frames += reversed(left)
        result = Run(kinds_config(), wan=frames, workers=self.workers,
                     good_packets=2 * good + changed_max).go()
        for port in ("wan", "lan"):
            missing = collections.Counter(x.expected[port])
            missing.subtract(getattr(result, port))
            self.assertEqual([f.hex() for f, n in missing.items() if n > 0], [], port)
            self.check_others(port, [f for f, n in missing.items() for _ in range(-n)])
        self.assertEqual(result.total("rx_packets"), len(frames))
        self.assertEqual(result.total("rx_packets"),
                         result.total("tx_packets") - result.total("icmp_sent") -
                         result.total("tcp_challenges") - result.total("tcp_resets") +
                         result.total("drops"))

    def check_others(self, port, frames):
        """Changed packets that were still good: each goes to a server, with a good header. Those
        whose TTL the change has used up are answered."""
        if port == "wan":
            for frame in frames:
                ip = Ether(frame).payload
                self.assertIn((ip.version, ip.payload.type), ((4, 11), (6, 3)))
            return
        servers = {kind.server: server_mac(kind.server) for kind in KINDS}
        for frame in frames:
            p = Ether(frame)
            self.assertEqual((p.src, p.dst), (PORT_MACS["lan"], servers[p.payload.dst]))
            if p.payload.version == 4:
                self.assertEqual(frame, with_bytes(frame, 0, b""), "bad IPv4 header checksum")
