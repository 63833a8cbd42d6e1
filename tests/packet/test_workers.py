# SPDX-License-Identifier: BSD-3-Clause
"""More workers than a port has queues: all transmit by the worker that owns the one there is."""

from exchange import KINDS, Exchange, by_flow, kinds_config
from harness import Run, with_workers

CLIENTS = 40


@with_workers(2, 3)
class OneQueue:
    """net_pcap has a transmit queue for each capture that it writes, so one here."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.x = Exchange()
        for port in range(2000, 2000 + CLIENTS):
            for kind in KINDS:
                cls.x.handshake(kind, port)
        cls.result = Run(kinds_config(), wan=cls.x.sent["wan"], workers=cls.workers).go()

    def test_every_frame_in_the_order_of_its_flow(self):
        for port in ("wan", "lan"):
            got = getattr(self.result, port)
            self.assertEqual(by_flow(got), by_flow(self.x.expected[port]))
        self.assertEqual(self.result.drops, {})

    def test_who_did_what(self):
        first, others = self.result.workers[0], self.result.workers[1:]
        sent = len(self.x.sent["wan"])
        self.assertEqual(first["rx_packets"], sent)
        self.assertEqual(first["tx_packets"], sent)
        self.assertEqual(first["tx_handed_over"], 0)
        # What the first has handed over comes back to it to be transmitted.
        self.assertEqual(first["handed_over"], sum(w["tx_handed_over"] for w in others))
        self.assertAlmostEqual(first["handed_over_share"], first["handed_over"] / sent)
        for worker in others:
            self.assertEqual((worker["rx_packets"], worker["tx_packets"]), (0, 0))
            self.assertEqual((worker["handed_over"], worker["handed_over_share"]), (0, 0))
            self.assertGreater(worker["flows_created"], 0)


@with_workers(2, 3)
class TwoQueuesIn:
    """Two workers receive, one transmits."""

    def test_every_frame(self):
        x, y = Exchange(1), Exchange(2)
        for port in range(2000, 2000 + CLIENTS):
            for kind in KINDS:
                x.ask(kind, port, l4={"flags": "S"} if kind.protocol == "tcp" else {})
                y.ask(kind, port, l4={"flags": "S"} if kind.protocol == "tcp" else {})
        result = Run(kinds_config(), wan=x.sent["wan"], wan_queue2=y.sent["wan"],
                     workers=self.workers).go()
        self.assertEqual(result.drops, {})
        self.assertEqual(sorted(result.lan), sorted(x.expected["lan"] + y.expected["lan"]))
        self.assertEqual([w["tx_packets"] for w in result.workers[1:]], [0] * (self.workers - 1))
        self.assertGreater(result.workers[0]["handed_over_share"], 0)
        self.assertGreater(result.workers[1]["handed_over_share"], 0)
