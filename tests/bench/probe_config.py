#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A configuration with so many checked servers, to standard output.

usage: probe_config.py SERVERS CHECK [PORTS]   CHECK: as in the file, JSON

The servers are 10.1.0.1:8080 and so on; with PORTS they are ports of 10.1.0.1, from 8080 on.
"""

import json
import sys

count, check = int(sys.argv[1]), json.loads(sys.argv[2])
ports = len(sys.argv) > 3
PER_BACKEND = 1000


def address(n):
    return "10.%d.%d.%d" % (1 + (n >> 16), n >> 8 & 255, n & 255)


servers = [{"name": "s%d" % n, "address": "10.1.0.1:%d" % (8079 + n) if ports else
            "%s:8080" % address(n)} for n in range(1, count + 1)]
backends = [{"name": "b%d" % (i // PER_BACKEND), "check": check,
             "servers": servers[i:i + PER_BACKEND]} for i in range(0, max(count, 1), PER_BACKEND)]
sys.stdout.write(json.dumps({
    "dataplane": {"lcores": "0@0,1@1", "memory": "pages", "flow-table-size": "64K",
                  "ports": [{"name": "wan", "device": "net_ring0"}]},
    "global": {"hash-secret": "6c1d0f4e2b9a48d7935e80c2f1a7b364"},
    "frontends": [{"name": "f%d" % i, "bind": "198.51.100.1:%d" % (1000 + i), "announce": "none",
                   "default-backend": backend["name"]} for i, backend in enumerate(backends)],
    "backends": backends,
    "neighbors": [{"address": address(n), "mac": "02:00:00:%02x:%02x:%02x" % (n >> 16, n >> 8 & 255, n & 255),
                   "port": "wan"} for n in range(1, (1 if ports else count) + 1)],
}))
