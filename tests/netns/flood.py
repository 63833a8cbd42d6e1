#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sends UDP datagrams to ports at which nobody listens, many more than the balancer passes on to its
kernel and fewer than would leave no CPU for it, for some seconds; prints how many.
Usage: flood.py ADDRESS SECONDS"""

import socket
import sys
import time

address, seconds = sys.argv[1], float(sys.argv[2])
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(64)]
for i, s in enumerate(sockets):
    s.connect((address, 20000 + i))
end, sent = time.monotonic() + seconds, 0
while time.monotonic() < end:
    for s in sockets:
        try:
            s.send(b"nobody")
            sent += 1
        except OSError:
            pass # the answer to an earlier one: nobody listens; or the queue is full
    time.sleep(0.001)
print(sent)
