#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Servers that spoil a prober's day, at consecutive ports.

usage: bad_servers.py FIRST COUNT

Port FIRST answers an HTTP request a byte a second; the COUNT ports behind it accept, and that is all.
Says "listening" when they do.
"""

import selectors
import socket
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
first, count = int(sys.argv[1]), int(sys.argv[2])
selector = selectors.DefaultSelector()
dripping = {}  # connection to [bytes sent, when the next one is due]


def close(connection):
    selector.unregister(connection)
    dripping.pop(connection, None)
    connection.close()


def hear(connection):
    try:
        if not connection.recv(4096):
            close(connection)
    except BlockingIOError:
        pass
    except OSError:
        close(connection)


def accept(listener):
    try:
        connection, _ = listener.accept()
    except OSError:
        return
    connection.setblocking(False)
    selector.register(connection, selectors.EVENT_READ, hear)
    if listener.getsockname()[1] == first:
        dripping[connection] = [0, time.monotonic()]


def drip():
    now = time.monotonic()
    for connection, state in list(dripping.items()):
        if state[1] > now:
            continue
        try:
            connection.send(ANSWER[state[0]:state[0] + 1])
        except OSError:
            close(connection)
            continue
        state[0] += 1
        state[1] = now + 1


for port in range(first, first + count + 1):
    socket_ = socket.socket()
    socket_.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    socket_.bind(("", port))
    socket_.listen(1024)
    socket_.setblocking(False)
    selector.register(socket_, selectors.EVENT_READ, accept)
print("listening", flush=True)
while True:
    for key, _ in selector.select(0.1):
        key.data(key.fileobj)
    drip()
