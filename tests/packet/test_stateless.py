# SPDX-License-Identifier: BSD-3-Clause
"""Frontends that are stateless: all that belongs to a flow goes where the hash says, and nothing is
stored. What becomes of flows when servers change is in tests/netns/test_stateless.sh, with real
connections, and in tests/unit/test_stateless*.c."""

import collections

from exchange import KINDS, ROUTER, packet, show
from harness import PORT_MACS, Run, backend, frontend, server_mac, with_workers
from test_direct import BODY, client_of
from test_fragments import ip_id, pieces
from test_icmp import ERRORS, ROUTER_ADDRESS, error, quoted

SERVERS = 5
CLIENTS = 12  # of each kind
STATE = {"flow-mode": "stateless"}
MODE = {"forward": "dr", "hash-on": "source-port"}


def server_address(kind, number):
    host = 10 * KINDS.index(kind) + number
    return f"10.99.4.{host}" if kind.version == 4 else f"2001:db8:a:4::{host:x}"


def config(**mode):
    """For each kind a backend with SERVERS servers of different weights."""
    made = {"frontends": [], "backends": []}
    for kind in KINDS:
        servers = [(kind.endpoint(server_address(kind, i), kind.port), i)
                   for i in range(1, SERVERS + 1)]
        made["frontends"].append(frontend(kind.name, kind.endpoint(kind.address, kind.port),
                                          kind.name, kind.protocol, **STATE))
        made["backends"].append(backend(kind.name, *servers, **mode))
    return made


def clients(kind):
    return [(client_of(kind, i), 40000 + i) for i in range(1, CLIENTS + 1)]


def packets_of(kind, client, number):
    """What may belong to a flow: whole packets, fragments in any order, errors."""
    service = (kind.address, kind.port)
    flags = ("S", "A", "PA", "R", "A", "FA", "A") if kind.protocol == "tcp" else (None,) * 3
    frames = [bytes(packet(kind, client, service, payload=BODY[:i],
                           l4={"flags": f, "seq": i} if f else {}))
              for i, f in enumerate(flags)]
    for late in (False, True):
        cut = pieces(bytes(packet(kind, client, service, payload=BODY[:1400],
                                  l4={"flags": "PA"} if flags[0] else {},
                                  **ip_id(kind, 2 * number + late))), 600)
        frames += cut[1:] + cut[:1] if late else cut
    about = quoted(kind, service, client)
    frames += [error(kind, (ROUTER, PORT_MACS["wan"]), ROUTER_ADDRESS[kind.version], kind.address,
                     make(), about) for make in ERRORS[kind.version]]
    return frames


def ask_all(api):
    """{(kind, client): (server, reason)} by what `lookup` says."""
    said = {}
    for kind in KINDS:
        for client in clients(kind):
            answer = api.ask("lookup", protocol=kind.protocol, client=kind.endpoint(*client),
                             address=kind.endpoint(kind.address, kind.port))
            said[kind, client] = answer["server"], answer["reason"]
    return said


@with_workers(1, 2)
class Stateless:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.said = Run(config(**MODE), then=ask_all).go().extra
        cls.sent = collections.defaultdict(list)
        for number, (kind, client) in enumerate(cls.said):
            cls.sent[kind, client] = packets_of(kind, client, number)
        frames = [f for flow in cls.sent.values() for f in flow]
        cls.result = Run(config(**MODE), wan=frames, workers=cls.workers, then=ask_all).go()

    def test_where(self):
        """Every frame as it was, to the flow's server."""
        expected = []
        for (kind, client), frames in self.sent.items():
            server = self.said[kind, client][0]
            mac = server_mac(server_address(kind, int(server[1:])))
            head = bytes.fromhex((mac + PORT_MACS["lan"]).replace(":", ""))
            expected += [head + f[12:] for f in frames]
        self.assertEqual(self.result.drops, {})
        got, expected = sorted(self.result.lan), sorted(expected)
        if got != expected:
            wrong = [f for f in got if f not in expected]
            self.fail(f"{len(got)} of {len(expected)} came out, others:\n{show(wrong[:3])}")
        self.assertEqual(self.result.wan, [])

    def test_spread(self):
        for kind in KINDS:
            used = {self.said[kind, c][0] for c in clients(kind)}
            self.assertGreater(len(used), 2)

    def test_nothing_is_stored(self):
        for key in ("flows", "flows_created", "exceptions", "untracked"):
            self.assertEqual(self.result.total(key), 0, key)

    def test_lookup(self):
        """The same before and after, and the reason is named."""
        self.assertEqual(self.result.extra, self.said)
        self.assertEqual({reason for _, reason in self.said.values()},
                         {"source-port hash, stateless"})

    def test_counters(self):
        counted = collections.Counter()
        for (kind, client), frames in self.sent.items():
            server = f"{kind.name}/{self.said[kind, client][0]}"
            counted[server] += len(frames)
        for name, server in self.result.servers.items():
            self.assertEqual(server["in_packets"], counted[name], name)
            self.assertEqual(server["sessions"], 0)
            self.assertEqual(server["flow_mode"], "stateless")


@with_workers(1, 2)
class StatelessPorts:
    """A bind of many ports, servers without one: each connection a flow of its own, none stored."""

    def test_ports(self):
        kind, servers = KINDS[0], [f"10.99.4.{i}" for i in range(1, SERVERS + 1)]
        ports = range(8000, 8050)
        made = {"frontends": [frontend("range", f"{kind.address}:8000-8099", "range", **STATE)],
                "backends": [backend("range", *servers, **{**MODE, "hash-on": "connection"})]}
        client = client_of(kind), 40000

        def ask(api):
            return {port: api.ask("lookup", protocol="tcp", client=kind.endpoint(*client),
                                  address=kind.endpoint(kind.address, port)) for port in ports}

        frames = [bytes(packet(kind, client, (kind.address, port), l4={"flags": flags}))
                  for port in ports for flags in ("S", "A", "PA")]
        result = Run(made, wan=frames, workers=self.workers, then=ask).go()
        self.assertEqual(result.drops, {})
        to = {f"s{i}": bytes.fromhex(server_mac(address).replace(":", ""))
              for i, address in enumerate(servers, 1)}
        wanted = collections.Counter(
            (to[said["server"]], port) for port, said in result.extra.items() for _ in range(3))
        self.assertEqual(collections.Counter(
            (f[:6], int.from_bytes(f[36:38], "big")) for f in result.lan), wanted)
        self.assertGreater(len({mac for mac, _ in wanted}), 2)
        self.assertEqual(result.total("flows_created"), 0)


@with_workers(1)
class StatelessTunnel:
    """By tunnels too, of one family over the other."""

    def test_one_server(self):
        mode = {"forward": "tunnel", "encap": "gre"}
        made = config(**mode)
        made["neighbors"] = [
            {"address": server_address(kind, i), "mac": server_mac(server_address(kind, i)),
             "port": "lan", "source": "10.99.4.254" if kind.version == 4 else "2001:db8:a:4::fe"}
            for kind in KINDS for i in range(1, SERVERS + 1)]
        frames = [bytes(packet(kind, (client_of(kind, 3), 1000 + i), (kind.address, kind.port),
                               l4={"flags": "SAR"[i % 3]} if kind.protocol == "tcp" else {}))
                  for kind in KINDS for i in range(20)]
        result = Run(made, wan=frames).go()
        self.assertEqual(result.drops, {})
        self.assertEqual(len(result.lan), len(frames))
        # By the client's address alone: one server for all of its ports.
        self.assertEqual(sorted(s["in_packets"] for s in result.servers.values())[-len(KINDS):],
                         [20] * len(KINDS))
        self.assertEqual(result.total("flows_created"), 0)
