# SPDX-License-Identifier: BSD-3-Clause
"""Which server a new flow is given."""

import collections
import ipaddress
import math

from exchange import TCP, UDP, Kind, flow_of, packet
from harness import Run, backend, frontend, with_workers

WEIGHTS = {"s1": 1, "s2": 2, "s3": 5, "s4": 0}


def clients(version, count):
    first = ipaddress.ip_address("203.0.112.1" if version == 4 else "2001:db8:c::1")
    return [str(first + i) for i in range(count)]


def make_kind(name, number, version=4, l4=TCP):
    address = "198.51.100.30" if version == 4 else "2001:db8:1::30"
    return Kind(name, version, l4, address, 1000 + number, "", 0)


def servers_of(number, version=4):
    """Endpoints and weights of s1 to s4 of the backend with this number."""
    form = "10.99.{}.{}:80" if version == 4 else "[2001:db8:a:{}::{}]:80"
    return [(form.format(10 + number, i), weight)
            for i, weight in enumerate(WEIGHTS.values(), 1)]


def add(config, kind, number, **options):
    config["frontends"].append(frontend(kind.name, kind.endpoint(kind.address, kind.port),
                                        kind.name, kind.protocol))
    config["backends"].append(backend(kind.name, *servers_of(number, kind.version), **options))


def server_names(config):
    """{(address, port): "backend", "s1"} of all servers."""
    names = {}
    for b in config["backends"]:
        for s in b["servers"]:
            host, port = s["address"].rsplit(":", 1)
            names[host.strip("[]"), int(port)] = (b["name"], s["name"])
    return names


def chosen(config, frames):
    """{backend: {(client, port): set of servers}} by what came out."""
    names = server_names(config)
    result = collections.defaultdict(lambda: collections.defaultdict(set))
    for frame in frames:
        client, client_port, server, port, _ = flow_of(frame)
        backend_name, server_name = names[server, port]
        result[backend_name][client, client_port].add(server_name)
    return result


def lookup_all(kind, sources):
    """A function for Run: {(client, port): server} by what `lookup` says."""

    def ask(api):
        answers = {}
        for source in sources:
            answer = api.ask("lookup", protocol=kind.protocol, client=kind.endpoint(*source),
                             address=kind.endpoint(kind.address, kind.port))
            assert (answer["action"], answer["backend"]) == ("forward", kind.name), answer
            answers[source] = answer["server"]
        return answers

    return ask


def shares(flows):
    return collections.Counter(next(iter(servers)) for servers in flows.values())


class ShareCase:
    """Case methods that count."""

    def check_pinned(self, flows):
        """All packets of a flow went to one server."""
        moved = {flow: s for flow, s in flows.items() if len(s) != 1}
        self.assertEqual(moved, {})

    def check_hashed_shares(self, flows):
        """Each server's share is its weight's, within what chance allows: the clients fall like
        dice, and four standard deviations are passed once in 16,000 times. With the secret and the
        clients fixed the dice have been cast, so the case passes always or never."""
        counts, total = shares(flows), sum(WEIGHTS.values())
        for name, weight in WEIGHTS.items():
            p = weight / total
            self.assertAlmostEqual(counts[name], p * len(flows),
                                   delta=4 * math.sqrt(len(flows) * p * (1 - p)), msg=name)

    def check_exact_shares(self, flows, delta=0):
        counts, total = shares(flows), sum(WEIGHTS.values())
        for name, weight in WEIGHTS.items():
            self.assertAlmostEqual(counts[name], weight * len(flows) / total, delta=delta,
                                   msg=str(counts))


@with_workers(1, 2)
class Source(ShareCase):
    """The consistent hash. First a run without packets, which is asked where they would go."""

    def hash_case(self, kind, sources, again=True, **options):
        config = {"frontends": [], "backends": []}
        add(config, kind, 1, **options)
        said = Run(config, workers=self.workers, then=lookup_all(kind, sources)).go().extra
        first = {"flags": "S"} if kind.l4 is TCP else {}
        later = {"flags": "A"} if kind.l4 is TCP else {}
        frames = [packet(kind, s, (kind.address, kind.port), l4=first) for s in sources]
        if again:
            frames += [packet(kind, s, (kind.address, kind.port), l4=later) for s in sources]
        result = Run(config, wan=frames, workers=self.workers).go()
        self.assertEqual(len(result.lan), len(frames))
        flows = chosen(config, result.lan)[kind.name]
        self.check_pinned(flows)
        self.assertEqual({flow: next(iter(s)) for flow, s in flows.items()}, said)
        return flows

    def test_2000_clients(self):
        """As many as two workers may pass on in one go; the shares are the same."""
        count = 2000 if self.workers == 1 else 1000
        kind = make_kind("app", 1)
        flows = self.hash_case(kind, [(c, 40000) for c in clients(4, count)], again=False)
        self.assertEqual(len(flows), count)
        self.check_hashed_shares(flows)

    def test_ip6_udp_clients(self):
        kind = make_kind("app", 1, 6, UDP)
        flows = self.hash_case(kind, [(c, 5000) for c in clients(6, 450)])
        self.check_hashed_shares(flows)

    def test_client_stays_with_server(self):
        """Whatever its port is."""
        kind = make_kind("app", 1)
        flows = self.hash_case(kind, [(c, p) for c in clients(4, 40) for p in range(2000, 2010)])
        by_client = collections.defaultdict(set)
        for (client, _), servers in flows.items():
            by_client[client] |= servers
        self.assertEqual({len(s) for s in by_client.values()}, {1})

    def test_source_port(self):
        kind = make_kind("app", 1)
        sources = [("203.0.113.9", port) for port in range(10000, 10450)]
        self.check_hashed_shares(self.hash_case(kind, sources, **{"hash-on": "source-port"}))

    def test_connection(self):
        kind = make_kind("app", 1)
        sources = [("203.0.113.9", port) for port in range(10000, 10450)]
        self.check_hashed_shares(self.hash_case(kind, sources, **{"hash-on": "connection"}))


@with_workers(1, 2)
class InTurn(ShareCase):
    """Round robin and least connections give exact shares; two workers that pick at the same time
    are off by a little."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config = {"frontends": [], "backends": []}
        frames = []
        for number, (name, l4) in enumerate((("roundrobin", TCP), ("leastconn", UDP)), 1):
            kind = make_kind(name, number, 4, l4)
            add(cls.config, kind, number, balance=name)
            flags = {"flags": "S"} if l4 is TCP else {}
            once = [packet(kind, (c, 40000), (kind.address, kind.port), l4=flags)
                    for c in clients(4, 240)]
            frames += once + once
        cls.result = Run(cls.config, wan=frames, workers=cls.workers).go()
        cls.flows = chosen(cls.config, cls.result.lan)

    def test_roundrobin(self):
        self.check_pinned(self.flows["roundrobin"])
        self.check_exact_shares(self.flows["roundrobin"], delta=0 if self.workers == 1 else 8)

    def test_leastconn(self):
        self.check_pinned(self.flows["leastconn"])
        self.check_exact_shares(self.flows["leastconn"], delta=0 if self.workers == 1 else 12)

    def test_sessions(self):
        """What is counted is what came out."""
        for name, flows in self.flows.items():
            counts = shares(flows)
            for server in WEIGHTS:
                counted = self.result.servers[f"{name}/{server}"]
                self.assertEqual(counted["sessions"], counts[server], f"{name}/{server}")
                self.assertEqual(counted["in_packets"], 2 * counts[server], f"{name}/{server}")


@with_workers(1, 2)
class Reuse:
    """A client that uses a port again is given a new server, and all that comes behind its SYN goes
    there too, also if the whole of it is received at once."""

    def test_port_again(self):
        kind = make_kind("again", 1)
        config = {"frontends": [], "backends": []}
        add(config, kind, 1, balance="roundrobin")
        story = ("S", "A", "FA", "S", "A", "A", "FA", "S", "S", "PA", "FA")
        frames = [packet(kind, (c, 40000), (kind.address, kind.port), l4={"flags": flags})
                  for c in clients(4, 50) for flags in story]
        result = Run(config, wan=frames, workers=self.workers).go()
        names = server_names(config)
        went = collections.defaultdict(list)
        for frame in result.lan:
            client, _, server, port, _ = flow_of(frame)
            went[client].append(names[server, port][1])
        changes = 0
        for client, servers in went.items():
            self.assertEqual(len(servers), len(story), client)
            first, second, third = servers[:3], servers[3:7], servers[7:]
            for connection in (first, second, third):
                self.assertEqual(len(set(connection)), 1, (client, servers))
            changes += (first[0] != second[0]) + (second[0] != third[0])
        self.assertEqual(len(went), 50)
        self.assertGreater(changes, 0, "no port used again got another server")
