#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Requests from many client addresses, each a connection of its own, and what came of them.

HTTP over TCP, or with --udp one datagram a request. The result is a JSON object: requests, failed,
servers {name: count}, sources {address: {server: count}}, failures [{at, source, why}] (the first
hundred), seconds, latency_ms {p50, p99, max}. Each server answers with its name, which is how a
request is told to have been served, and by whom.
"""

import argparse
import asyncio
import collections
import ipaddress
import json
import time


class Load:
    def __init__(self, args):
        self.args = args
        self.started = time.monotonic()
        self.requests = 0
        self.failed = 0
        self.servers = collections.Counter()
        self.sources = collections.defaultdict(collections.Counter)
        self.failures = []
        self.latencies = []

    def over(self):
        if self.args.count and self.requests >= self.args.count:
            return True
        return time.monotonic() - self.started >= self.args.seconds

    def fail(self, source, why):
        self.failed += 1
        if len(self.failures) < 100:
            at = round(time.monotonic() - self.started, 3)
            self.failures.append({"at": at, "source": source, "why": why})

    async def request(self, source):
        if self.args.udp:
            return await self.datagram(source)
        reader, writer = await asyncio.open_connection(
            self.args.host, self.args.port, local_addr=(source, 0))
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise OSError("no good answer: %r" % head[:40])
        return body.decode().strip()

    async def datagram(self, source):
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        class Protocol(asyncio.DatagramProtocol):
            def datagram_received(self, data, addr):
                if not done.done():
                    done.set_result(data)

            def error_received(self, exc):
                if not done.done():
                    done.set_exception(exc)

        transport, _ = await loop.create_datagram_endpoint(
            Protocol, local_addr=(source, 0), remote_addr=(self.args.host, self.args.port))
        try:
            transport.sendto(b"hello")
            return (await done).split(b" ")[0].decode()
        finally:
            transport.close()

    async def client(self, sources):
        pause = self.args.parallel / self.args.rate if self.args.rate else 0
        number = 0
        while not self.over():
            source = sources[number % len(sources)]
            number += 1
            self.requests += 1
            begun = time.monotonic()
            try:
                server = await asyncio.wait_for(self.request(source), self.args.timeout)
                self.servers[server] += 1
                self.sources[source][server] += 1
                self.latencies.append(time.monotonic() - begun)
            except asyncio.TimeoutError:
                self.fail(source, "timeout")
            except OSError as error:
                self.fail(source, str(error))
            await asyncio.sleep(max(0, pause - (time.monotonic() - begun)))

    async def run(self):
        first = ipaddress.ip_address(self.args.source)
        sources = [str(first + i) for i in range(self.args.sources)]
        parallel = min(self.args.parallel, len(sources))
        shares = [sources[i::parallel] for i in range(parallel)]
        await asyncio.gather(*(self.client(share) for share in shares))

    def result(self):
        latencies = sorted(self.latencies) or [0]

        def at(share):
            return round(1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))], 2)

        return {
            "requests": self.requests,
            "failed": self.failed,
            "servers": dict(sorted(self.servers.items())),
            "sources": {s: dict(c) for s, c in self.sources.items()},
            "failures": self.failures,
            "seconds": round(time.monotonic() - self.started, 3),
            "latency_ms": {"p50": at(0.5), "p99": at(0.99), "max": at(1)},
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="198.51.100.10")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--udp", action="store_true")
    parser.add_argument("--source", default="192.0.2.1", help="first client address")
    parser.add_argument("--sources", type=int, default=240, help="number of client addresses")
    parser.add_argument("--parallel", type=int, default=16)
    parser.add_argument("--rate", type=float, default=400, help="requests a second, 0: no limit")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--count", type=int, default=0, help="stop after this many requests")
    parser.add_argument("--timeout", type=float, default=5)
    parser.add_argument("--output", help="file for the result; default: standard output")
    load = Load(parser.parse_args())
    asyncio.run(load.run())
    text = json.dumps(load.result(), indent=1)
    if load.args.output:
        with open(load.args.output, "w", encoding="ascii") as file:
            file.write(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
