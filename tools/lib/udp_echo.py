#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A UDP server that answers each datagram with its own name, a blank and the datagram."""

import argparse
import socket


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", required=True)
    args = parser.parse_args()
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", args.port))
    print("listening", flush=True)
    while True:
        data, peer = sock.recvfrom(65535)
        sock.sendto(args.name.encode() + b" " + data, peer)


if __name__ == "__main__":
    main()
