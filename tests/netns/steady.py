#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Downloads at a steady rate, over and over until it is ended; COUNTER has the bytes so far. What
does not come when it is due is not made up for. Usage: steady.py SOURCE URL RATE COUNTER"""

import socket
import sys
import time
import urllib.parse

source, url = sys.argv[1], urllib.parse.urlsplit(sys.argv[2])
rate, counter = int(sys.argv[3]), sys.argv[4]
buffer = bytearray(1 << 15)
total, due = 0, time.monotonic()
with open(counter, "w", encoding="ascii") as file:
    while True:
        with socket.create_connection((url.hostname, url.port or 80), 60, (source, 0)) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
            s.sendall(f"GET {url.path} HTTP/1.0\r\nHost: {url.hostname}\r\n\r\n".encode())
            while count := s.recv_into(buffer):
                total += count
                file.seek(0)
                file.write(f"{total}\n")
                file.flush()
                due = max(due, time.monotonic()) + count / rate
                time.sleep(max(0, due - time.monotonic()))
