#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The largest configuration that is promised, to standard output: 4096 services, 65,535 servers,
1000 of them in one backend that 1000 services share, the others in one for each service left.

usage: scale_config.py [PORT]       PORT: of the servers, 8080 if none is given
"""

import json
import sys

SERVICES, SERVERS, SHARED = 4096, 65535, 1000
PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 8080


def address(number):
    return "10.%d.%d.%d" % (number >> 16, number >> 8 & 255, number & 255)


def servers(first, end):
    return [{"name": "s%d" % n, "address": "%s:%d" % (address(n), PORT)}
            for n in range(first, end)]


backends = [{"name": "shared", "servers": servers(1, SHARED + 1)}]
left, rest = SERVICES - SHARED, SERVERS - SHARED
for i in range(left):
    backends.append({"name": "b%d" % i, "servers": servers(
        SHARED + 1 + rest * i // left, SHARED + 1 + rest * (i + 1) // left)})
frontends = [{
    "name": "f%d" % i,
    "bind": "198.51.100.%d:%d" % (i % 200 + 1, 1000 + i),
    "announce": "none",
    "default-backend": "shared" if i < SHARED else "b%d" % (i - SHARED),
} for i in range(SERVICES)]
# Not dump(): that one is written in Python, and takes ten times as long.
sys.stdout.write(json.dumps({
    "dataplane": {
        "lcores": "0@0,1@1",
        "memory": "pages",
        "flow-table-size": "64K",
        "idle": "adaptive",
        "ports": [{"name": "wan", "device": "net_ring0"}],
    },
    "global": {"hash-secret": "6c1d0f4e2b9a48d7935e80c2f1a7b364"},
    "defaults": {"check": False},
    "frontends": frontends,
    "backends": backends,
    "neighbors": [{
        "address": address(n),
        "mac": "02:00:00:%02x:%02x:%02x" % (n >> 16, n >> 8 & 255, n & 255),
        "port": "wan",
    } for n in range(1, SERVERS + 1)],
}, separators=(",", ":")))
