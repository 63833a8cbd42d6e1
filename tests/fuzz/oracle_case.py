# SPDX-License-Identifier: BSD-3-Clause
"""One class of exchanges for oracle_run: frames that scapy has built, and how they are varied.

Where a field stands is read from the frames' own headers; what depends on it (the same field behind
Shunt, checksums over it) is varied along. oracle_stream.h has the format.
"""

import socket
import struct

IN, OUT, HIDDEN = range(3)
SUM, COPY, WILD = range(3)
PORTS = {"wan": 0, "lan": 1}
MAX_PARTS = 6
VAR_BYTES = 16


def mapped(address):
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address)
    return bytes(10) + b"\xff\xff" + socket.inet_pton(socket.AF_INET, address)


def walk(frame, l3=14):
    """IP version, offset of layer 4, its protocol, and the end of the packet. IPv6: behind all
    extension headers."""
    if frame[l3] >> 4 == 4:
        return 4, l3 + (frame[l3] & 15) * 4, frame[l3 + 9], l3 + int.from_bytes(
            frame[l3 + 2:l3 + 4], "big")
    l4, protocol = l3 + 40, frame[l3 + 6]
    end = l4 + int.from_bytes(frame[l3 + 4:l3 + 6], "big")
    while protocol in (0, 43, 44, 60):
        size = 8 if protocol == 44 else (frame[l4 + 1] + 1) * 8
        protocol, l4 = frame[l4], l4 + size
    return 6, l4, protocol, end


class Case:
    def __init__(self, name):
        self.name = name
        self.buffers = []  # (role, port, bytes)
        self.vars = {}  # key: (number, base, mask, counts)
        self.places = []  # (var, buffer, offset, add)
        self.ops = []
        self.drops = {}
        self.icmp_sent = 0
        self.deferred = 0
        self.every = 1  # walked in each so manieth round

    def add(self, role, port, frame):
        self.buffers.append((role, PORTS[port], bytes(frame)))
        return len(self.buffers) - 1

    def frame(self, buffer):
        return self.buffers[buffer][2]

    def place(self, key, buffer, offset, base, mask, add=0, counts=False):
        """The variable `key` stands here too; its base is that of its first place."""
        assert len(base) == len(mask) <= VAR_BYTES
        var = self.vars.setdefault(key, (len(self.vars), base, mask, counts))
        self.places.append((var[0], buffer, offset, add))

    def bytes_at(self, key, buffer, offset, count, mask=None, **more):
        """All bits of so many bytes vary, or those of mask."""
        if count > 0:
            self.place(key, buffer, offset, self.frame(buffer)[offset:offset + count],
                       mask or b"\xff" * count, **more)

    def sum(self, buffer, offset, parts, pseudo=None, udp=False, damage=0, late=False):
        """pseudo: (IP version, protocol, buffer, offset of its header)."""
        version, protocol, l3_buffer, l3 = pseudo or (0, 0, 0, 0)
        self.ops.append((SUM, udp, version, protocol, buffer, offset, l3_buffer, l3, damage, late,
                         parts))

    def copy(self, buffer, offset, part):
        self.ops.append((COPY, 0, 0, 0, buffer, offset, 0, 0, 0, 0, [part]))

    def wild(self, buffer, offset, count, first=0xff):
        """first: which bits of the first byte."""
        self.ops.append((WILD, 0, 0, 0, buffer, offset, 0, 0, first, 1, [(0, 0, count)]))

    def sum_ip(self, buffer, l3=14):
        frame = self.frame(buffer)
        if frame[l3] >> 4 == 4:
            self.sum(buffer, l3 + 10, [(buffer, l3, (frame[l3] & 15) * 4)])

    def sum_l4(self, buffer, l3=14, damage=0, late=False, parts=None):
        """parts: of a datagram in fragments, what is behind the one in this buffer."""
        frame = self.frame(buffer)
        version, l4, protocol, end = walk(frame, l3)
        at = {6: 16, 17: 6, 1: 2, 58: 2}[protocol]
        if protocol == 17 and frame[l4 + at:l4 + at + 2] == b"\0\0":
            return
        pseudo = None if protocol == 1 else (version, protocol, buffer, l3)
        self.sum(buffer, l4 + at, [(buffer, l4, end - l4)] + (parts or []), pseudo,
                 protocol == 17, damage, late)

    def vary_client(self, buffer, to_server, l3=14, client="client"):
        frame = self.frame(buffer)
        version = frame[l3] >> 4
        size = 4 if version == 4 else 16
        at = l3 + (12 if version == 4 else 8) + (0 if to_server else size)
        # The last byte: of one host, or few.
        self.bytes_at((client, version), buffer, at, size, bytes(size - 1) + b"\x0f")

    def vary_port(self, buffer, to_server, l3=14, client="client"):
        l4 = walk(self.frame(buffer), l3)[1]
        self.bytes_at((client, "port"), buffer, l4 + (0 if to_server else 2), 2, b"\x0f\xff")

    def vary_ip(self, buffer, l3=14, tag="", ttl=0, fragment=False):
        """ttl: less 1 where Shunt routes. What scapy has chosen as 2 or 255 stays."""
        frame = self.frame(buffer)
        life = l3 + (8 if frame[l3] >> 4 == 4 else 7)
        if 64 <= frame[life] - ttl <= 127:
            self.place((tag, "ttl"), buffer, life, bytes([frame[life] - ttl]), b"\x3f", add=ttl)
        if frame[l3] >> 4 == 4:
            self.bytes_at((tag, "id"), buffer, l3 + 4, 2, counts=fragment)
        else:
            self.bytes_at((tag, "label"), buffer, l3 + 2, 2)

    def vary_l4(self, buffer, l3=14, tag="", keep=0):
        """Sequence numbers, window, payload; keep: bytes of the payload's end that stay."""
        frame = self.frame(buffer)
        _, l4, protocol, end = walk(frame, l3)
        payload = l4 + 8
        if protocol == 6:
            self.bytes_at((tag, "seq"), buffer, l4 + 4, 8)
            self.bytes_at((tag, "window"), buffer, l4 + 14, 2)
            payload = l4 + (frame[l4 + 12] >> 4) * 4
        self.vary_bytes(buffer, payload, end - keep, tag)

    def vary_bytes(self, buffer, start, end, tag=""):
        """The first 32 and the last 16 of them."""
        for number, at in enumerate((start, start + VAR_BYTES, max(start + 32, end - VAR_BYTES))):
            self.bytes_at((tag, "payload", number), buffer, at, min(VAR_BYTES, end - at))

    def vary(self, buffer, to_server, l3=14, tag="", ttl=0, damage=0, late=False):
        """All of the above for a whole TCP or UDP packet, and its checksums."""
        self.vary_client(buffer, to_server, l3)
        self.vary_port(buffer, to_server, l3)
        self.vary_ip(buffer, l3, tag, ttl)
        self.vary_l4(buffer, l3, tag)
        self.sum_ip(buffer, l3)
        self.sum_l4(buffer, l3, damage, late)

    def vary_mac(self, buffer):
        """Of the sender, where nobody asks for it."""
        if len(self.frame(buffer)) >= 12:
            self.bytes_at("mac", buffer, 9, 3)

    def dropped(self, reason, count=1):
        self.drops[reason] = self.drops.get(reason, 0) + count
        return self

    def packed(self):
        name = self.name.encode()[:47]
        places = sorted(self.places, key=lambda place: place[0])
        out = [struct.pack("=48s8H", name, len(self.buffers), len(self.vars), len(places),
                           len(self.ops), len(self.drops), self.icmp_sent, self.deferred, self.every)]
        out += [struct.pack("=HHI", role, port, len(data)) for role, port, data in self.buffers]
        for _, base, mask, counts in self.vars.values():
            out.append(struct.pack("=HH16s16s", len(base), counts, base, mask))
        out += [struct.pack("=HHHh", *place) for place in places]
        for op in self.ops:
            parts = op[-1]
            assert len(parts) <= MAX_PARTS
            out.append(struct.pack("=4B7H", *op[:10], len(parts)))
            flat = [n for part in parts for n in part]
            out.append(struct.pack("=19H", *flat, *[0] * (19 - len(flat))))
        out += [struct.pack("=24sI", reason.encode(), n) for reason, n in self.drops.items()]
        data = b"".join(data for _, _, data in self.buffers)
        return b"".join(out) + data + bytes(-len(data) % 4)
