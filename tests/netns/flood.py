#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sends UDP datagrams to ports at which nobody listens, many more than the balancer passes on to its
kernel and fewer than would leave no CPU for it, for some seconds or until SIGTERM; prints how many.
Usage: flood.py ADDRESS SECONDS [SOCKETS]
One datagram from each socket (64 if not said) every millisecond at most."""

import signal
import socket
import sys
import time

stopped = False


def stop(*_):
    global stopped
    stopped = True


signal.signal(signal.SIGTERM, stop)
address, seconds = sys.argv[1], float(sys.argv[2])
count = int(sys.argv[3]) if len(sys.argv) > 3 else 64
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
for i, s in enumerate(sockets):
    s.connect((address, 20000 + i))
end, sent = time.monotonic() + seconds, 0
while time.monotonic() < end and not stopped:
    for s in sockets:
        try:
            s.send(b"nobody")
            sent += 1
        except OSError:
            pass # the answer to an earlier one: nobody listens; or the queue is full
    time.sleep(0.001)
print(sent)
