# SPDX-License-Identifier: BSD-3-Clause
"""A dpdk-testpmd in the balancer's place, that only swaps MAC addresses: what the devices and the
generator would let through if balancing cost nothing."""

from testpmd import Testpmd, worker_cpu_seconds


class Reference:
    """As Balancer, for who measures it."""

    def __init__(self, devices, cpus, *words, hugepages):
        self.pmd = Testpmd(cpus["worker"], devices, "--forward-mode=macswap", *words,
                           prompt_cpu=cpus["main"], hugepages=hugepages)
        self.pmd.start()

    def counters(self):
        counts = self.pmd.counts()
        # In by the first port; out by its peer, or by itself if it is the only one.
        _, sent, dropped = counts[max(counts)]
        return {"received": counts[0][0], "sent": sent, "flows": 0, "drops": {"tx-full": dropped}}

    def cpu_seconds(self):
        return worker_cpu_seconds(self.pmd.process.pid)

    def stop(self):
        self.pmd.quit()
