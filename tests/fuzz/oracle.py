#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A million packets, each with what has to become of it, through the workers of shunt-dataplane.

scapy builds some thousand classes of exchanges and what must come out of them; oracle_run walks
each in hundreds of variants. README.md says why that is as good as asking scapy each time.
"""

import argparse
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "packet")]

# pylint: disable=wrong-import-position
from exchange import KINDS, ROUTER, packet, rewritten  # noqa: E402
from harness import PORT_MACS, server_mac  # noqa: E402
from oracle_classes import (all_ways, direct_case, drop_cases, exceeded_case, fragment_case,  # noqa: E402
                            fullnat_case, fullnat_kind, icmp_case, nat_case, reply_case,
                            too_big_case)
from oracle_case import IN, OUT, Case, mapped, walk  # noqa: E402
from oracle_judge import UNDECIDED, judge, sum16, translated  # noqa: E402

MAGIC = 0x4341524f
MUTANTS_EVERY = 8  # there are many of them, in few variants
PROTOCOLS = {"tcp": 6, "udp": 17}
FORWARDS = {"nat": 0, "dr": 1, "tunnel": 2, "fullnat": 3}
ENCAPS = {None: 0, "ipip": 1, "gue": 2, "gre": 3}


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def service(kind, address, server, server_port, mode, encap=None, encap_port=0, source=None):
    return struct.pack("=16s2sBBBx2s16s2s6s16s", mapped(address), struct.pack("!H", kind.port),
                       PROTOCOLS[kind.protocol], FORWARDS[mode], ENCAPS[encap],
                       struct.pack("!H", encap_port if encap == "gue" else 0), mapped(server),
                       struct.pack("!H", server_port), mac_bytes(server_mac(server)),
                       mapped(source) if source else bytes(16))


def services(ways):
    from test_direct import SOURCE

    out = [service(k, k.address, k.server, k.server_port, "nat") for k in KINDS]
    for k, source in map(fullnat_kind, KINDS):
        out.append(service(k, k.address, k.server, k.server_port, "fullnat", source=source))
    for way in ways:
        out.append(service(way.kind, way.address, way.server, way.kind.port,
                           "tunnel" if way.encap else "dr", way.encap, way.encap_port,
                           SOURCE[way.outer] if way.encap else None))
    return out


def wrong_by(frame, p):
    """What has to be added to the right TCP or UDP checksum for the one that is there."""
    field = p.l4 + (16 if p.protocol == 6 else 6)
    size = p.end - p.l4
    right = ~sum16(p.source + p.destination + struct.pack("!II", size, p.protocol) +
                   frame[p.l4:field] + b"\0\0" + frame[field + 2:p.end]) & 0xffff
    return sum16(frame[field:field + 2] + struct.pack("!H", ~right & 0xffff)) % 0xffff


class Mutants:
    """Good frames of clients with some bytes or bits changed, or cut."""

    def __init__(self, rng, ways):
        self.rng = rng
        self.ways = {}
        self.services = {(mapped(k.address)[-4 if k.version == 4 else 0:], k.port,
                          PROTOCOLS[k.protocol]): (k, None) for k in KINDS}
        for way in ways:
            if way.encap in (None, "ipip", "gre") and way.outer == 4:
                key = (mapped(way.address)[-4 if way.kind.version == 4 else 0:], way.kind.port,
                       PROTOCOLS[way.kind.protocol])
                self.services[key] = (way.kind, way)
        others = [(w.address, w.kind) for w in ways]
        others += [(full.address, full) for full, _ in map(fullnat_kind, KINDS)]
        self.known = set(self.services) | {
            (mapped(address)[-4 if k.version == 4 else 0:], k.port, PROTOCOLS[k.protocol])
            for address, k in others}
        self.replies = {(mapped(k.server)[-4 if k.version == 4 else 0:], k.server_port,
                         PROTOCOLS[k.protocol]) for k in KINDS}

    def damaged(self, frame):
        rng, f = self.rng, bytearray(frame)
        end = min(len(f), walk(frame)[1] + 20)
        choice = rng.random()
        if choice < 0.1:
            return bytes(f[:rng.randrange(len(f))])
        if choice < 0.2:  # and the IP header says so too
            f = f[:rng.randrange(34 if f[12] == 8 else 54, end + 1)]
            at, before = (16, 14) if f[12] == 8 else (18, 54)
            f[at:at + 2] = struct.pack("!H", len(f) - before)
        for _ in range(rng.choice((1, 1, 1, 2, 4)) if choice >= 0.2 else 0):
            at = rng.randrange(12, end)
            f[at] = f[at] ^ 1 << rng.randrange(5) if rng.random() < 0.5 else rng.randrange(256)
        if choice < 0.75 and f[12:14] == b"\x08\x00" and len(f) >= 34:
            header = max(20, (f[14] & 15) * 4)  # else most would fail by this alone
            f[24:26] = b"\0\0"
            data = bytes(f[14:14 + header])
            data += bytes(len(data) % 2)
            total = sum(struct.unpack(f"!{len(data) // 2}H", data))
            while total > 0xffff:
                total = (total & 0xffff) + (total >> 16)
            f[24:26] = struct.pack("!H", ~total & 0xffff)
        return bytes(f)

    def case(self, frame):
        """None: cannot be told by this frame alone."""
        verdict = judge(frame, self.known, self.replies)
        if verdict is UNDECIDED:
            return None
        reason, p = verdict
        c = Case(f"mutant {reason}")
        c.every = MUTANTS_EVERY
        sent = c.add(IN, "wan", frame)
        if reason:
            c.vary_mac(sent)
            if not p.fragment:  # whose id and address could be those of another class's datagram
                self.vary_dropped(c, sent, reason)
            return c.dropped(reason)
        found = self.services.get((p.destination, p.dport, p.protocol))
        if not found:
            return None
        kind, way = found
        if way:
            expected = way.outside(frame[:p.end], frame)
        elif p.ttl <= 1:
            return None
        else:
            size = 4 if kind.version == 4 else 16
            expected = translated(frame, p, mapped(kind.server)[-size:], kind.server_port,
                                  (mac_bytes(PORT_MACS["lan"]), mac_bytes(server_mac(kind.server))))
        out = c.add(OUT, "lan", expected)
        # The checksum is as wrong as before, whatever stands behind the headers.
        damage = wrong_by(frame, p)
        for buffer, l3, end, ttl in ((sent, 14, p.end, 0), (out, len(expected) - p.end + 14,
                                                           len(expected), 0 if way else -1)):
            tail = min(16, p.end - p.l4 - 60)
            if tail > 0:
                c.bytes_at("tail", buffer, end - tail, tail)
            if p.fragment:
                continue
            c.vary_client(buffer, True, l3)
            c.vary_port(buffer, True, l3)
            c.vary_ip(buffer, l3, ttl=ttl)
            c.sum_ip(buffer, l3)
            c.sum_l4(buffer, l3, damage)
        return c

    def vary_dropped(self, c, buffer, reason):
        """The client's address and port and the ids, if the judge says the same whatever they are."""
        frame = c.frame(buffer)
        v4 = frame[12:14] == b"\x08\x00"
        header = (frame[14] & 15) * 4 if len(frame) > 34 and frame[14] >> 4 == 4 else 0
        summed = v4 and 20 <= header <= len(frame) - 14 and sum16(frame[14:14 + header]) == 0xffff
        if len(frame) < 58 or (v4 and not summed and reason == "ip-checksum"):
            return
        l4 = 14 + header if summed else 54
        places = [(26, 4, b"\0\0\0\x0f"), (18, 2, b"\xff\xff")] if v4 else \
            [(22, 16, bytes(15) + b"\x0f"), (16, 2, b"\xff\xff")]
        if l4 + 2 <= len(frame) and frame[23 if v4 else 20] in (6, 17):
            places.append((l4, 2, b"\x0f\xff"))
        for place in places:
            if all(self.says(frame, place, summed, reason) for _ in range(5)):
                at, size, mask = place
                c.bytes_at(("dropped", at), buffer, at, size, mask)
        if summed:
            c.sum_ip(buffer)

    def says(self, frame, place, summed, reason):
        """Is this still the judge's reason with something else in this place?"""
        at, size, mask = place
        f = bytearray(frame)
        for i in range(size):
            f[at + i] = f[at + i] & ~mask[i] & 0xff | self.rng.randrange(256) & mask[i]
        if summed:
            f[24:26] = b"\0\0"
            f[24:26] = struct.pack("!H", ~sum16(f[14:14 + (f[14] & 15) * 4]) & 0xffff)
        verdict = judge(bytes(f), self.known, self.replies)
        return verdict is not UNDECIDED and verdict[0] == reason

    def cases(self, frames, count):
        made = []
        while len(made) < count:
            c = self.case(self.damaged(self.rng.choice(frames)))
            if c:
                made.append(c)
        return made


def all_cases(rng, ways):
    cases = []
    for kind in KINDS:
        cases += [nat_case(rng, kind) for _ in range(110)]
        cases += [reply_case(rng, kind) for _ in range(50)]
        cases += [fullnat_case(rng, kind) for _ in range(30)]
        cases += [icmp_case(rng, kind, to_server) for to_server in (True, False)
                  for _ in range(22)]
        cases += [fragment_case(rng, kind) for _ in range(20)]
        cases += [exceeded_case(rng, kind, to_server) for to_server in (True, False)
                  for _ in range(5)]
    for way in ways:
        cases += [direct_case(rng, way) for _ in range(14)]
        cases += [fragment_case(rng, way.kind, way) for _ in range(2)]
        if way.encap:
            cases += [too_big_case(rng, way) for _ in range(2)]
    return cases + drop_cases()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runner", required=True, help="the built oracle_run")
    parser.add_argument("--packets", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=None, help="default: the time")
    parser.add_argument("--workers", default="1,2", help="each in a run of its own")
    parser.add_argument("--mutants", type=int, default=8000)
    parser.add_argument("--keep", metavar="FILE", help="leaves the stream there")
    args = parser.parse_args()

    seed = int(time.time()) if args.seed is None else args.seed
    print(f"To repeat: --seed {seed} --workers {args.workers} --packets {args.packets} "
          f"--mutants {args.mutants}", flush=True)
    rng = random.Random(seed)
    ways = all_ways()
    cases = all_cases(rng, ways)
    good = [c.frame(0) for c in cases if c.name.startswith(("nat", "direct"))]
    mutants = Mutants(rng, ways)
    cases += mutants.cases(good, args.mutants)
    # What is good is judged like what is not: scapy and the judge have to agree.
    for frame in good:
        verdict = judge(frame, mutants.known, mutants.replies)
        if verdict is not UNDECIDED and verdict[0]:
            sys.exit(f"the judge says {verdict[0]} of what scapy has made: {frame.hex()}")
    data = [c.packed() for c in cases]
    stream = b"".join([struct.pack("=III", MAGIC, len(services(ways)), len(cases)),
                       *services(ways), *data])
    print(f"oracle: {len(cases) - args.mutants} classes, {args.mutants} damaged frames, "
          f"{len(stream)} bytes, {time.process_time():.1f} s", flush=True)
    with tempfile.NamedTemporaryFile(prefix="shunt-oracle-") as file:
        path = args.keep or file.name
        pathlib.Path(path).write_bytes(stream)
        runs = [(workers, passes) for workers in args.workers.split(",")
                for passes in ([], ["simple"])]
        for workers, passes in runs:
            subprocess.run([args.runner, path, str(args.packets // len(runs)), str(seed), workers,
                            *passes], check=True)


if __name__ == "__main__":
    main()
