# SPDX-License-Identifier: BSD-3-Clause
"""Both processes of the balancer, as they are, between ports of net_memif; and their counters."""

import json
import os
import pathlib
import statistics
import subprocess
import time

from testpmd import lcores, worker_cpu_seconds

START_SECONDS = 30
STOP_SECONDS = 15

MACS = {"wan": "02:00:00:00:0a:01", "lan": "02:00:00:00:0a:02", "lan2": "02:00:00:00:0a:03"}


class Failed(Exception):
    pass


def memif(number, directory, name, role, ring_log2):
    """A device's arguments: the client chooses the rings' size, 2 to this power."""
    words = [f"net_memif{number}", f"role={role}", f"id={number}",
             f"socket={directory}/{name}.sock", "socket-abstract=no"]
    words.append(f"mac={MACS[name]}" if role == "server" else f"rsize={ring_log2}")
    return ",".join(words)


def configuration(ports, binds, cpus, args):
    """UDP services at these addresses, and servers behind all ports but the first, in turn. With one
    port all is there. cpus: of the main thread, and of the workers, a number or several."""
    behind = [name for name, _ in ports[1:] or ports]
    own_port = args.forward == "nat"
    servers = [{"name": f"s{n}", "address": f"10.0.{n >> 8}.{n & 255}" + (":8080" if own_port else "")}
               for n in range(1, args.servers + 1)]
    return {
        "dataplane": {"lcores": lcores(cpus["main"], cpus["worker"]), "memory": args.memory,
                      "flow-table-size": "1M",
                      "ports": [{"name": name, "device": device} for name, device in ports]},
        "global": {"hash-secret": "3b1e5a7c9d2f40618aa4c0de17f29b64"},
        "defaults": {"check": False},
        "frontends": [{"name": "service", "bind": binds, "protocol": "udp", "announce": "none",
                       "default-backend": "app"}],
        "backends": [{"name": "app", "forward": args.forward, "hash-on": "connection",
                      "servers": servers}],
        "neighbors": [{"address": s["address"].split(":")[0], "port": behind[n % len(behind)],
                       "mac": f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}"}
                      for n, s in enumerate(servers, 1)],
    }


class Balancer:
    def __init__(self, build, directory, config):
        self.build = pathlib.Path(build)
        self.directory = directory
        self.processes = []
        file = os.path.join(directory, "shunt.json")
        with open(file, "w", encoding="ascii") as output:
            json.dump(config, output)
        try:
            self._start("dataplane/shunt-dataplane", file, "dataplane.sock")
            self._start("control/shunt-control", file, "control.sock")
            # Workers receive as soon as there is a generation.
            self._until(lambda: self.ask("show", "info")["generation"] > 0, "no generation")
        except Failed:
            self.stop()
            raise

    def _log(self, name):
        return os.path.join(self.directory, name + ".log")

    def _start(self, binary, file, sock):
        name = os.path.basename(binary)
        with open(self._log(name), "w", encoding="ascii") as log:
            process = subprocess.Popen([self.build / binary, "-c", file, "--run-dir", self.directory],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        self._until(lambda: os.path.exists(os.path.join(self.directory, sock)), f"{name} did not start",
                    process)

    def _until(self, true, what, process=None):
        end = time.monotonic() + START_SECONDS
        while not true():
            if time.monotonic() > end or (process and process.poll() is not None):
                raise Failed(what + "\n" + self.logs())
            time.sleep(0.02)

    def logs(self):
        texts = []
        for name in ("shunt-dataplane", "shunt-control"):
            if os.path.exists(self._log(name)):
                with open(self._log(name), encoding="utf-8") as log:
                    texts.append("".join(log.readlines()[-10:]))
        return "".join(texts)

    def ask(self, *words):
        answer = subprocess.run([self.build / "tools/shuntctl", "--run-dir", self.directory, "-j", *words],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True)
        if answer.returncode:
            raise Failed(f"shuntctl {' '.join(words)}: {answer.stderr}")
        return json.loads(answer.stdout)

    def counters(self):
        workers = self.ask("show", "workers")
        return {"received": sum(w["rx_packets"] for w in workers),
                "sent": sum(w["tx_packets"] for w in workers),
                "flows": sum(w["flows"] for w in workers),
                "drops": self.ask("show", "drops")}

    def cpu_seconds(self):
        return worker_cpu_seconds(self.processes[0].pid)

    def stop(self):
        """Both have gone when this returns."""
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []


def difference(after, before):
    """Of two counters(): what came between them. Reasons that dropped nothing are left out."""
    drops = {reason: count - before["drops"].get(reason, 0) for reason, count in after["drops"].items()}
    return {"received": after["received"] - before["received"], "sent": after["sent"] - before["sent"],
            "flows": after["flows"], "drops": {reason: n for reason, n in drops.items() if n}}


def spread(values):
    """Of one ratio in several rounds."""
    return {"median": round(statistics.median(values), 3), "min": round(min(values), 3),
            "max": round(max(values), 3)}
