# SPDX-License-Identifier: BSD-3-Clause
"""More flows than the flow table holds: forwarded all the same, by the hash alone."""

import collections

from exchange import TCP4, UDP6, ROUTER, flow_of, packet
from harness import PORT_MACS, Run, backend, frontend, server_mac, with_workers

FLOWS = 3000
SERVERS = 4


def server_address(kind, number):
    return f"10.99.3.{number}" if kind.version == 4 else f"2001:db8:a:3::{number:x}"


def without_cookies(kind):
    """As many SYNs as the table holds would be a flood."""
    return {"syn-cookies": "never"} if kind.protocol == "tcp" else {}


def config(kind):
    endpoints = [kind.endpoint(server_address(kind, i), 80) for i in range(1, SERVERS + 1)]
    return {
        "frontends": [frontend("full", kind.endpoint(kind.address, kind.port), "full",
                               kind.protocol, **without_cookies(kind))],
        "backends": [backend("full", *endpoints, **{"hash-on": "source-port"})],
    }


def learn(kind, clients):
    """The server of each client, by what `lookup` says."""

    def ask(api):
        return {c: int(api.ask("lookup", protocol=kind.protocol, client=kind.endpoint(*c),
                               address=kind.endpoint(kind.address, kind.port))["server"][1:])
                for c in clients}

    return Run(config(kind), then=ask, flow_table_size="1K").go().extra


def templates(kind, client, flags):
    """A request, and {server number: its reply}; flags: of the two, None for UDP."""
    l4 = [{"flags": f} for f in flags] if flags else [{}, {}]
    request = bytes(packet(kind, (client, 0), (kind.address, kind.port), l4=l4[0]))
    replies = {}
    for number in range(1, SERVERS + 1):
        server = server_address(kind, number)
        replies[number] = bytes(packet(kind, (server, 80), (client, 0),
                                       (server_mac(server), PORT_MACS["wan"]), l4=l4[1]))
    return request, replies


def with_port(kind, frame, at, port):
    """The client's port put in; the checksum, which nobody looks at here, is then wrong."""
    at += 14 + (20 if kind.version == 4 else 40)
    return frame[:at] + port.to_bytes(2, "big") + frame[at + 2:]


@with_workers(1)
class FullTable:
    def check(self, kind, flags):
        address = "203.0.113.5" if kind.version == 4 else "2001:db8:c::5"
        clients = [(address, 1024 + i) for i in range(FLOWS)]
        servers = learn(kind, clients)
        frames = []
        for flag in flags:
            request, replies = templates(kind, address, flag)
            for client in clients:
                frames.append(with_port(kind, request, 0, client[1]))
                frames.append(with_port(kind, replies[servers[client]], 2, client[1]))
        result = Run(config(kind), wan=frames, flow_table_size="1K").go()
        self.assertEqual(result.drops, {})
        self.check_servers(kind, servers, result, len(flags))
        created = result.total("flows_created")
        self.assertGreaterEqual(created, 1024)
        self.assertLessEqual(created, result.workers[0]["flows_max"])
        self.assertEqual(result.total("untracked"), 2 * len(flags) * (FLOWS - created))
        counted = result.servers.values()
        self.assertEqual(sum(s["sessions_total"] for s in counted), created)
        self.assertEqual(sum(s["in_packets"] for s in counted), len(flags) * FLOWS)
        self.assertEqual(sum(s["out_packets"] for s in counted), len(flags) * FLOWS)

    def check_servers(self, kind, servers, result, rounds):
        """Each packet to the server that was looked up, each reply to its client, by its way."""
        went = collections.Counter(flow_of(frame)[:4] for frame in result.lan)
        self.assertEqual(went, {(*client, server_address(kind, number), 80): rounds
                                for client, number in servers.items()})
        came = collections.Counter(flow_of(frame)[:4] for frame in result.wan)
        self.assertEqual(came, {(kind.address, kind.port, *client): rounds
                                for client in servers})
        router = bytes.fromhex(ROUTER.replace(":", ""))
        self.assertEqual({frame[:6] for frame in result.wan}, {router})

    def test_tcp4(self):
        self.check(TCP4, (("S", "SA"), ("A", "A"), ("PA", "PA")))

    def test_udp6(self):
        self.check(UDP6, (None, None))
