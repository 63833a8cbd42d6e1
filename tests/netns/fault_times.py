# SPDX-License-Identifier: BSD-3-Clause
"""How long after a fault the last worker has acknowledged that a server is down, by shunt-control's log.

    fault_times.py LOG FAULT_MS LIMIT_MS BACKEND ...

FAULT_MS: milliseconds since 1970. Waits until all are down and acknowledged; prints a JSON object
{BACKEND: milliseconds, or null}. The log's lines have times of milliseconds.
"""
import datetime
import json
import re
import sys
import time

DOWN = re.compile(r"^(\S+) info +servers: (\S+)/s is down")
ACK = re.compile(r"^(\S+) info +publish: generation \d+ is in force in all workers")


def ms(stamp):
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() * 1000


def read(log, fault_ms, wanted):
    times, waiting = {}, []
    for line in open(log, encoding="utf-8", errors="replace"):
        down, ack = DOWN.match(line), ACK.match(line)
        if down and down[2] in wanted and ms(down[1]) >= fault_ms:
            waiting.append(down[2])
        if ack:
            for name in waiting:
                times.setdefault(name, round(ms(ack[1]) - fault_ms))
            waiting = []
    return times


log, fault_ms, limit_ms, wanted = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
end = time.monotonic() + limit_ms / 1000
while True:
    found = read(log, fault_ms, wanted)
    if len(found) == len(wanted) or time.monotonic() > end:
        break
    time.sleep(0.05)
print(json.dumps({name: found.get(name) for name in wanted}))
