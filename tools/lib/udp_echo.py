#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A UDP server that answers each datagram with its own name, a blank and the datagram, from the
address to which it was sent."""

import argparse
import socket


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", required=True)
    args = parser.parse_args()
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sock.bind(("::", args.port))
    print("listening", flush=True)
    while True:
        data, info, _, peer = sock.recvmsg(65535, socket.CMSG_SPACE(20))
        # The address alone: by which interface the answer leaves, the routes say.
        info = [(level, kind, value[:16] + bytes(4)) for level, kind, value in info]
        sock.sendmsg([args.name.encode() + b" " + data], info, 0, peer)


if __name__ == "__main__":
    main()
