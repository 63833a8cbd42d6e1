# SPDX-License-Identifier: BSD-3-Clause
"""What is to become of one frame, by the RFCs: bytes in, a verdict out, for frames that were damaged
at random and that scapy would put right again, or refuse to read, when it should just look.

Of several faults a frame is counted under the one that stands first in it.
"""

import struct

FIN, SYN, RST, ACK = 1, 2, 4, 16
POSSIBLE = (SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK)  # RFC 9293
UNDECIDED = None  # needs more than this frame to tell


def fold(total):
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


def sum16(data):
    data = bytes(data) + bytes(len(data) % 2)
    return fold(sum(struct.unpack(f"!{len(data) // 2}H", data)))


def be16(data, at):
    return data[at] << 8 | data[at + 1]


def options_are_fine(options):
    """No source route (RFC 7126), and a list that can be walked."""
    i = 0
    while i < len(options) and options[i] != 0:
        if options[i] == 1:
            i += 1
            continue
        if options[i] in (131, 137) or i + 1 == len(options) or options[i + 1] < 2 \
                or i + options[i + 1] > len(options):
            return False
        i += options[i + 1]
    return True


class Packet:
    """What the headers say: version, protocol, source, destination, l4, end, fragment."""


def ip4(f, p):
    if len(f) < 34:
        return "short-frame"
    if f[14] >> 4 != 4:
        return "ip-version"
    header, total = (f[14] & 15) * 4, be16(f, 16)
    if header < 20 or 14 + header > len(f):
        return "ip-header"
    if total < header or 14 + total > len(f):
        return "ip-length"
    if sum16(f[14:14 + header]) != 0xffff:
        return "ip-checksum"
    if not options_are_fine(f[34:14 + header]):
        return "ip-options"
    if f[26] in (0, 127) or f[26] >> 4 == 14 or f[26:30] == b"\xff" * 4:
        return "ip-source"
    p.version, p.protocol, p.l4, p.end = 4, f[23], 14 + header, 14 + total
    p.source, p.destination, p.ttl = f[26:30], f[30:34], f[22]
    field = be16(f, 20)
    if field & 0x3fff:
        return fragment(p, field & 0x2000, (field & 0x1fff) * 8, total - header, header, f[23])
    return None


def fragment(p, more, offset, size, before, protocol):
    if size == 0 or (more and size % 8):
        return "fragment"
    if before + offset + size > 65535:
        return "fragment-too-long"
    if protocol == 6 and 0 < offset < 20:
        return "fragment-overlap"
    p.fragment = "first" if offset == 0 else "later"
    return None


def ip6(f, p):
    if len(f) < 54:
        return "short-frame"
    if f[14] >> 4 != 6:
        return "ip-version"
    p.version, p.end = 6, 54 + be16(f, 18)
    if p.end > len(f):
        return "ip-length"
    p.source, p.destination, p.ttl = f[22:38], f[38:54], f[21]
    mapped = bytes(10) + b"\xff\xff"
    if p.source[0] == 0xff or mapped in (p.source[:12], p.destination[:12]) or \
            (p.source[:15] == bytes(15) and p.source[15] <= 1):
        return "ip-source"
    return extensions(f, p)


def extensions(f, p):
    at, following, count, fragments = 54, f[20], 0, 0
    while following in (0, 43, 44, 60) and p.fragment != "later":
        count += 1
        if count > 8 or (following == 0 and count > 1):
            return "ip6-extensions"
        if p.end - at < 8:
            return "fragment-tiny" if p.fragment else "ip-length"
        size = 8 if following == 44 else (f[at + 1] + 1) * 8
        if at + size - 54 > 256 or (following == 44 and fragments):
            return "ip6-extensions"
        if at + size > p.end:
            return "fragment-tiny" if p.fragment else "ip-length"
        if following == 43 and f[at + 3]:
            return "ip6-extensions"
        if following == 44:
            fragments, field = 1, be16(f, at + 2)
            if field & 0xfff9:
                drop = fragment(p, field & 1, field & 0xfff8, p.end - at - 8, at - 54, f[at])
                if drop:
                    return drop
        at, following = at + size, f[at]
    p.l4, p.protocol = at, following
    return None


def layer4(f, p):
    short = "fragment-tiny" if p.fragment else "l4-header"
    size = p.end - p.l4
    if p.protocol == 6:
        if size < 20:
            return short
        offset = (f[p.l4 + 12] >> 4) * 4
        if offset < 20:
            return "l4-header"
        if offset > size:
            return short
        if f[p.l4 + 13] & (FIN | SYN | RST | ACK) not in POSSIBLE:
            return "tcp-flags"
    else:
        if size < 8:
            return short
        length = be16(f, p.l4 + 4)
        if length < 8 or (length > size and not p.fragment):
            return "l4-header"
    p.sport, p.dport = be16(f, p.l4), be16(f, p.l4 + 2)
    return "land" if (p.sport, p.source) == (p.dport, p.destination) else None


def judge(f, services, replies):
    """(drop reason or None, Packet): None: forwarded, to services[address, port, protocol]. Or
    UNDECIDED. replies: endpoints of servers that answer through Shunt."""
    p = Packet()
    p.fragment = None
    if len(f) < 14:
        return "short-frame", p
    kind = be16(f, 12)
    if kind in (0x8100, 0x88a8, 0x9100):
        return UNDECIDED
    if kind not in (0x0800, 0x86dd):
        return "not-ip", p
    drop = ip4(f, p) if kind == 0x0800 else ip6(f, p)
    if drop:
        return drop, p
    if p.fragment == "later" or p.protocol == (1 if p.version == 4 else 58):
        return UNDECIDED
    if p.protocol not in (6, 17):
        return "protocol", p
    drop = layer4(f, p)
    if drop:
        return drop, p
    if (p.destination, p.dport, p.protocol) not in services:
        return ("no-flow" if (p.source, p.sport, p.protocol) in replies else "no-service"), p
    return None, p


def translated(f, p, address, port, macs):
    """The frame behind Shunt in mode nat. A wrong TCP or UDP checksum stays as wrong as it was (RFC
    1624)."""
    out = bytearray(macs[1] + macs[0] + f[12:p.end])
    at, size = (30, 4) if p.version == 4 else (38, 16)
    changed = bytes(out[at:at + size]) + bytes(out[p.l4 + 2:p.l4 + 4])
    out[at:at + size] = address
    out[p.l4 + 2:p.l4 + 4] = struct.pack("!H", port)
    field = p.l4 + (16 if p.protocol == 6 else 6)
    old = be16(out, field)
    if p.protocol == 6 or old:
        now = fold((~old & 0xffff) + (0xffff - sum16(changed)) +
                   sum16(address + struct.pack("!H", port)))
        new = ~now & 0xffff
        out[field:field + 2] = struct.pack("!H", new or 0xffff if p.protocol == 17 else new)
    if p.version == 6:
        out[21] -= 1
        return bytes(out)
    out[22] -= 1
    out[24:26] = b"\0\0"
    header = (out[14] & 15) * 4
    out[24:26] = struct.pack("!H", ~sum16(out[14:14 + header]) & 0xffff)
    return bytes(out)
