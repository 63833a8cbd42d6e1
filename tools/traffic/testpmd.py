# SPDX-License-Identifier: BSD-3-Clause
"""A dpdk-testpmd process, driven through its prompt as a person would."""

import os
import queue
import re
import subprocess
import threading
import time

# Only what hangs should reach these, however busy the machine is.
ANSWER_SECONDS = 30
STOP_SECONDS = 10

PORT_BLOCK = re.compile(
    r"Forward statistics for port (\d+).*?RX-packets: (\d+).*?TX-packets: (\d+)\s+TX-dropped: (\d+)",
    re.S)


class Failed(Exception):
    pass


def worker_cpu_seconds(pid):
    """CPU time that the forwarding threads of a DPDK process have had."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
        if name.startswith("rte-worker"):
            total += sum(map(int, rest.split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def lcores(main, workers):
    """--lcores of a main thread on one CPU and of workers on others: a number, or a list of them."""
    workers = workers if isinstance(workers, list) else [workers]
    return ",".join(f"{n}@{cpu}" for n, cpu in enumerate([main] + workers))


class Testpmd:
    """A forwarding core on each of these CPUs, a number or several; the core that reads the prompt may share its CPU, as it only waits."""

    def __init__(self, cpu, vdevs, *args, prompt_cpu=None, hugepages=False):
        cpu = cpu if isinstance(cpu, list) else [cpu]
        words = ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", lcores(cpu[0] if prompt_cpu is None else prompt_cpu, cpu), "--no-pci", "--no-telemetry"]
        # Nothing is shared by name, so any number of these may run at a time.
        words += ["--in-memory"] if hugepages else ["--no-huge", "--no-shconf", "-m", "512"]
        for vdev in vdevs:
            words += ["--vdev", vdev]
        words += ["--", "-i", f"--nb-cores={len(cpu)}", "--no-flush-rx", *args]
        self.output = []
        self.lines = queue.Queue()
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, bufsize=1)
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.ask("Checking link statuses")
        except Failed:
            self.quit()
            raise

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def say(self, command):
        try:
            self.process.stdin.write(command + "\n")
        except BrokenPipeError:
            pass  # who waits for the answer will see the end of the output

    def ask(self, end, command=None):
        """What is printed from here to a line with that end."""
        if command:
            self.say(command)
        seen = []
        until = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                line = self.lines.get(timeout=max(0, until - time.monotonic()))
            except queue.Empty:
                raise Failed("dpdk-testpmd did not answer:\n" + "".join(self.output[-40:])) from None
            if line is None:
                raise Failed("dpdk-testpmd ended:\n" + "".join(self.output[-40:]))
            self.output.append(line)
            seen.append(line)
            if end in line:
                return "".join(seen)

    def link_is_up(self, port):
        return "Link status: up" in self.ask("Device error handling mode", f"show port info {port}")

    def start(self):
        """Starts to forward; all counters begin at 0."""
        self.say("start")

    def counts(self, command="show fwd stats all"):
        """{port: (received, sent, dropped as the port was full)} since start()."""
        text = self.ask("Accumulated forward statistics", command)
        return {int(port): (int(received), int(sent), int(dropped))
                for port, received, sent, dropped in PORT_BLOCK.findall(text)}

    def stop(self):
        """Stops, and returns the last counts()."""
        return self.counts("stop")

    def stopped(self):
        """What stop() returns, if "stop" has been said."""
        return self.counts(None)

    def quit(self):
        self.say("quit")
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
