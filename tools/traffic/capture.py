# SPDX-License-Identifier: BSD-3-Clause
"""Captures for net_pcap: UDP from many clients to the balanced address."""

import ipaddress
import struct

from balancer import MACS

SERVICE = ("10.200.0.10", 5000)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return 0xffff - ((total & 0xffff) + (total >> 16))


def write_capture(path, flows):
    """Frames of 64 bytes (60 without their FCS), one from each of these flows, which are numbers: a client's
    address and port are made of them."""
    payload = bytes(60 - 42)
    destination = ipaddress.ip_address(SERVICE[0]).packed
    ethernet = bytes.fromhex((MACS["wan"] + "020000000001").replace(":", "")) + b"\x08\x00"
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for n in flows:
            # Neither neighbouring clients nor neighbouring ports, as nobody's clients are.
            source = struct.pack("!I", (10 << 24) + (99 << 16) + (n * 40503 & 0xffff))
            udp = struct.pack("!HHHH", 1024 + n * 7919 % 60000, SERVICE[1], 8 + len(payload), 0)
            pseudo = source + destination + struct.pack("!HH", 17, 8 + len(payload))
            udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp + payload))
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), n & 0xffff, 0, 64, 17, 0)
            ip += source + destination
            ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
            frame = ethernet + ip + udp + payload
            file.write(struct.pack("=IIII", 0, 0, len(frame), len(frame)) + frame)
