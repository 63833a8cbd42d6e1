# SPDX-License-Identifier: BSD-3-Clause
"""What `show servers` counts: sessions, and packets and bytes both ways."""

from exchange import UDP, TCP, Exchange, Kind
from harness import Run, backend, frontend, with_workers


def connection(x, kind, port=40000):
    x.handshake(kind, port)
    x.ask(kind, port, l4={"flags": "PA"}, payload=b"question")
    x.answer(kind, port, l4={"flags": "PA"}, payload=b"a longer answer")


def close(x, kind, port=40000):
    x.ask(kind, port, l4={"flags": "FA"})
    x.answer(kind, port, l4={"flags": "FA"})
    x.ask(kind, port, l4={"flags": "A"})


def half_open(x, kind):
    x.ask(kind, l4={"flags": "S"})


def syn_again(x, kind):
    x.ask(kind, l4={"flags": "S"})
    x.ask(kind, l4={"flags": "S"})


def opened(x, kind):
    connection(x, kind)


def closed(x, kind):
    connection(x, kind)
    close(x, kind)


def closed_by_server(x, kind):
    connection(x, kind)
    x.answer(kind, l4={"flags": "FA"})
    x.ask(kind, l4={"flags": "FA"})
    x.answer(kind, l4={"flags": "A"})


def half_closed(x, kind):
    connection(x, kind)
    x.ask(kind, l4={"flags": "FA"})
    x.answer(kind, l4={"flags": "PA"}, payload=b"still talking")


def given_up(x, kind):
    """A reset before the connection is established could be anybody's: see test_resets.py."""
    x.ask(kind, l4={"flags": "S"})
    x.answer(kind, l4={"flags": "SA"})
    x.ask(kind, l4={"flags": "R"})


def reset_by_server(x, kind):
    x.ask(kind, l4={"flags": "S"})
    x.answer(kind, l4={"flags": "RA"})


def trailing(x, kind):
    """What comes behind a closed connection begins nothing."""
    closed(x, kind)
    x.ask(kind, l4={"flags": "A"})
    x.answer(kind, l4={"flags": "FA"})
    x.answer(kind, l4={"flags": "R"})


def same_port_again(x, kind):
    closed(x, kind)
    connection(x, kind)


def three_times(x, kind):
    for _ in range(3):
        closed(x, kind)


def three_clients(x, kind):
    for port in (1, 2, 3):
        connection(x, kind, port)
    close(x, kind, 2)


def fin_of_nothing(x, kind):
    x.ask(kind, l4={"flags": "FA"})


def reset_of_nothing(x, kind):
    x.ask(kind, l4={"flags": "R"})


def midway(x, kind):
    x.ask(kind, l4={"flags": "A"}, payload=b"known before")
    x.answer(kind, l4={"flags": "A"})


def datagrams(x, kind):
    for size in range(20):
        x.ask(kind, payload=bytes(size))
        x.answer(kind, payload=bytes(2 * size))


def datagrams_of_three(x, kind):
    for port in (1, 2, 3, 1, 2, 3):
        x.ask(kind, port)


# (what happens, over what, sessions that remain, sessions there were)
STORIES = (
    (half_open, TCP, 1, 1),
    (syn_again, TCP, 1, 1),
    (opened, TCP, 1, 1),
    (closed, TCP, 0, 1),
    (closed_by_server, TCP, 0, 1),
    (half_closed, TCP, 1, 1),
    (given_up, TCP, 1, 1),
    (reset_by_server, TCP, 0, 1),
    (trailing, TCP, 0, 1),
    (same_port_again, TCP, 1, 2),
    (three_times, TCP, 0, 3),
    (three_clients, TCP, 2, 3),
    (fin_of_nothing, TCP, 0, 0),
    (reset_of_nothing, TCP, 0, 0),
    (midway, TCP, 1, 1),
    (datagrams, UDP, 1, 1),
    (datagrams_of_three, UDP, 3, 3),
)


def kinds_of(number, story, l4):
    """A service of each family for each story, so that each has counters of its own."""
    name = story.__name__
    return (Kind(f"{name}4", 4, l4, "198.51.100.20", 1000 + number, f"10.99.2.{number}", 80),
            Kind(f"{name}6", 6, l4, "2001:db8:1::20", 1000 + number, f"2001:db8:a:2::{number:x}",
                 80))


def ip_bytes(frames):
    return sum(len(frame) - 14 for frame in frames)


@with_workers(1, 2)
class Sessions:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = {"frontends": [], "backends": []}
        cls.exchanges = {}
        sent = []
        for number, (story, l4, _, _) in enumerate(STORIES, 1):
            for kind in kinds_of(number, story, l4):
                config["frontends"].append(frontend(
                    kind.name, kind.endpoint(kind.address, kind.port), kind.name, kind.protocol))
                config["backends"].append(backend(
                    kind.name, kind.endpoint(kind.server, kind.server_port)))
                x = cls.exchanges[kind.name] = Exchange(number)
                story(x, kind)
                sent += x.sent["wan"]
        cls.result = Run(config, wan=sent, workers=cls.workers).go()

    def check(self, story, sessions, total):
        for version in (4, 6):
            name = f"{story.__name__}{version}"
            expected = self.exchanges[name].expected
            server = self.result.servers[f"{name}/s1"]
            wanted = {
                "state": "no-check",
                "sessions": sessions,
                "sessions_total": total,
                "in_packets": len(expected["lan"]),
                "in_bytes": ip_bytes(expected["lan"]),
                "out_packets": len(expected["wan"]),
                "out_bytes": ip_bytes(expected["wan"]),
            }
            self.assertEqual({key: server[key] for key in wanted}, wanted, name)

    def test_all_came_out(self):
        for port in ("wan", "lan"):
            expected = [f for x in self.exchanges.values() for f in x.expected[port]]
            self.assertEqual(sorted(getattr(self.result, port)), sorted(expected))
        self.assertEqual(self.result.drops, {})

    def test_flows(self):
        """One was made for each session."""
        total = sum(server["sessions_total"] for server in self.result.servers.values())
        self.assertEqual(self.result.total("flows_created"), total)


def add_cases():
    """A case for each story."""
    for story, _, sessions, total in STORIES:
        def case(self, story=story, sessions=sessions, total=total):
            self.check(story, sessions, total)

        for cls in (Sessions1, Sessions2):  # noqa: F821 (made by with_workers)
            setattr(cls, f"test_{story.__name__}", case)


add_cases()
