# SPDX-License-Identifier: BSD-3-Clause
"""Sends captures through the real shunt-dataplane and shunt-control, and brings back what came out.

A Run has two ports, "wan" and "lan", which are net_pcap devices: they receive from one capture
file and transmit into another. The workers start to receive when the first generation has arrived,
so the order of the packets and the state they meet are the same every time.
"""

import copy
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
KEEP = False  # leave the directories of runs behind

# Only what hangs should reach these, however busy the machine is.
START_SECONDS = 60
PACKET_SECONDS = 60
STOP_SECONDS = 30

# The addresses that DPDK's net_pcap driver gives its first and second device.
PORT_MACS = {"wan": "02:70:63:61:70:00", "lan": "02:70:63:61:70:01"}

SECRET = "6c1d0f4e2b9a48d7935e80c2f1a7b364"

# With two workers only worker 0 receives, since net_pcap has one queue, and hands over at once what
# the other one owns. The ring between them must hold it all, or the run would depend on luck.
TWO_WORKERS_MAX_PACKETS = 1000


def lcores(workers):
    """The main lcore on the first CPU, the workers together on the second, if there is one."""
    cpus = sorted(os.sched_getaffinity(0))
    worker_cpu = cpus[1] if len(cpus) > 1 else cpus[0]
    ids = ",".join(str(i + 1) for i in range(workers))
    return f"0@{cpus[0]},({ids})@{worker_cpu}"


def server_mac(address):
    """What neighbors() says of a server: its last two bytes are those of the address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    tail = socket.inet_pton(family, address)[-2:]
    return f"02:00:00:00:{tail[0]:02x}:{tail[1]:02x}"


def host_of(endpoint):
    """The address of one with or without a port."""
    bare = endpoint.endswith("]") or ":" not in endpoint
    return (endpoint if bare else endpoint.rsplit(":", 1)[0]).strip("[]")


def neighbors(backends):
    hosts = sorted({host_of(s["address"]) for b in backends for s in b["servers"]})
    return [{"address": h, "mac": server_mac(h), "port": "lan"} for h in hosts]


def frontend(name, bind, backend, protocol="tcp", **more):
    return {"name": name, "bind": bind, "protocol": protocol, "announce": "none",
            "default-backend": backend, **more}


def backend(name, *endpoints, **more):
    """Endpoints are "ADDRESS:PORT" or (endpoint, weight); the servers are called s1, s2, ..."""
    servers = []
    for i, endpoint in enumerate(endpoints, 1):
        address, weight = endpoint if isinstance(endpoint, tuple) else (endpoint, 1)
        servers.append({"name": f"s{i}", "address": address, "weight": weight})
    return {"name": name, "servers": servers, **more}


def whole_config(config, workers, flow_table_size):
    """Adds to a test's frontends and backends what every run needs, where the test has not."""
    whole = copy.deepcopy(config)
    whole.setdefault("global", {"hash-secret": SECRET})
    whole.setdefault("defaults", {"check": False})
    whole.setdefault("neighbors", neighbors(whole["backends"]))
    whole["dataplane"] = {
        "lcores": lcores(workers),
        "memory": "pages",
        "idle": "adaptive",
        "flow-table-size": flow_table_size,
        "half-open-max": flow_table_size,
        "ports": [
            {"name": name,
             "device": f"net_pcap{i},rx_pcap={name}-in.pcap,tx_pcap={name}-out.pcap"}
            for i, name in enumerate(PORT_MACS)
        ],
    }
    return whole


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 0x40000, 1))
        for i, frame in enumerate(frames):
            file.write(struct.pack("=IIII", 0, i, len(frame), len(frame)))
            file.write(frame)


def read_pcap(path):
    data = path.read_bytes()
    frames, at = [], 24
    if len(data) < at or struct.unpack_from("=I", data)[0] not in (0xa1b2c3d4, 0xa1b23c4d):
        raise RuntimeError(f"{path} is no capture file")
    while at < len(data):
        length = struct.unpack_from("=I", data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames


def wait_for(what, seconds, condition):
    """The first true value of condition(), which is asked every few milliseconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.005)


class Api:
    """The control API, for questions that are asked too often to start a process for each."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(START_SECONDS)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rwb")

    def ask(self, command, **args):
        self.file.write(json.dumps({"command": command, "args": args}).encode() + b"\n")
        self.file.flush()
        answer = json.loads(self.file.readline())
        if not answer.get("ok"):
            raise RuntimeError(f"{command} {args}: {answer}")
        return answer.get("data")

    def close(self):
        self.file.close()
        self.socket.close()


@dataclasses.dataclass
class Result:
    wan: list  # frames that left by the port, in order
    lan: list
    info: dict
    drops: dict  # without the reasons that did not occur
    drop_names: set  # all reasons
    servers: dict  # by "backend/server"
    workers: list
    extra: object  # what the test's own function has returned

    def total(self, key):
        return sum(worker[key] for worker in self.workers)


class Run:
    """One start and stop of both processes. All packets are counted before `then` is called."""

    def __init__(self, config, wan=(), lan=(), workers=1, flow_table_size="4K", then=None,
                 good_packets=None, wan_queue2=()):
        """good_packets: how many are not dropped on sight, and may go from worker to worker.
        wan_queue2: frames for a second receive queue of wan, which is the second worker's."""
        self.config = whole_config(config, workers, flow_table_size)
        self.frames = {"wan": [bytes(f) for f in wan], "lan": [bytes(f) for f in lan]}
        if wan_queue2:
            self.frames["wan-queue2"] = [bytes(f) for f in wan_queue2]
            self.config["dataplane"]["ports"][0]["device"] += ",rx_pcap=wan-queue2-in.pcap"
        self.packets = sum(len(f) for f in self.frames.values())
        self.then = then
        self.processes = {}
        if good_packets is None:
            good_packets = self.packets
        if workers > 1 and good_packets > TWO_WORKERS_MAX_PACKETS:
            raise ValueError(f"{good_packets} packets do not fit the ring between two workers")

    def go(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="shunt-packet-"))
        try:
            return self.go_in_dir()
        except BaseException:
            self.print_logs()
            raise
        finally:
            for process in self.processes.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()
            if KEEP:
                print(f"kept: {self.dir}", file=sys.stderr)
            else:
                shutil.rmtree(self.dir, ignore_errors=True)

    def go_in_dir(self):
        (self.dir / "shunt.json").write_text(json.dumps(self.config, indent=2))
        for port, frames in self.frames.items():
            write_pcap(self.dir / f"{port}-in.pcap", frames)
        self.start("dataplane", "dataplane.sock")
        self.start("control", "control.sock")
        answers = self.talk()
        self.stop()
        wan, lan = (read_pcap(self.dir / f"{port}-out.pcap") for port in PORT_MACS)
        return Result(wan=wan, lan=lan, **answers)

    def start(self, name, socket_name):
        path = self.dir / "run" / socket_name
        with open(self.dir / f"{name}.log", "wb") as log:
            self.processes[name] = subprocess.Popen(
                [BUILD / name / f"shunt-{name}", "-c", "shunt.json", "--run-dir", "run"],
                cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(f"shunt-{name} to listen", START_SECONDS,
                 lambda: self.check_alive() or path.exists())

    def check_alive(self):
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"shunt-{name} has ended with {process.returncode}")

    def talk(self):
        api = Api(self.dir / "run" / "control.sock")
        try:
            info = self.wait_for_packets(api)
            extra = self.then(api) if self.then else None
        finally:
            api.close()
        drops = self.shuntctl("show", "drops")
        return {
            "info": info,
            "drops": {reason: count for reason, count in drops.items() if count},
            "drop_names": set(drops),
            "servers": {f"{s['backend']}/{s['server']}": s
                        for s in self.shuntctl("show", "servers")},
            "workers": self.shuntctl("show", "workers"),
            "extra": extra,
        }

    def wait_for_packets(self, api):
        """Every packet is received once, and then either transmitted or dropped. What a worker
        sends of its own, in answer to some that it drops, comes on top."""
        last = {}

        def all_done():
            self.check_alive()
            info = api.ask("show info")
            last.update(info)
            sums = {k: sum(w[k] for w in api.ask("show workers"))
                    for k in ("rx_packets", "tx_packets", "drops", "icmp_sent", "tcp_challenges",
                              "tcp_resets")}
            if not info["dataplane_connected"] or not info["generation"]:
                return None
            if sums["rx_packets"] < self.packets:
                return None
            own = sums["icmp_sent"] + sums["tcp_challenges"] + sums["tcp_resets"]
            done = sums["tx_packets"] + sums["drops"] - own
            return info if done >= self.packets else None

        try:
            return wait_for(f"{self.packets} packets", PACKET_SECONDS, all_done)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; last: {last}") from None

    def shuntctl(self, *words):
        done = subprocess.run(
            [BUILD / "tools" / "shuntctl", "--run-dir", "run", "-j", *words], cwd=self.dir,
            capture_output=True, timeout=START_SECONDS, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"shuntctl {' '.join(words)}: exit status {done.returncode}, "
                               f"{done.stderr.decode(errors='replace')}")
        return json.loads(done.stdout)

    def stop(self):
        for name in ("control", "dataplane"):
            process = self.processes[name]
            process.send_signal(signal.SIGTERM)
            if process.wait(STOP_SECONDS) != 0:
                raise RuntimeError(f"shunt-{name} has ended with {process.returncode}")
            log = (self.dir / f"{name}.log").read_text(errors="replace")
            if " error " in log or "Sanitizer" in log or "runtime error" in log:
                raise RuntimeError(f"shunt-{name} has logged errors")

    def print_logs(self):
        for name in self.processes:
            log = (self.dir / f"{name}.log").read_text(errors="replace")
            print(f"--- shunt-{name} said:\n{log}---", file=sys.stderr)


def with_workers(*counts):
    """Makes of a class of cases one for each number of workers, with the attribute `workers`."""

    def make(cls):
        module = sys.modules[cls.__module__]
        for count in counts:
            name = f"{cls.__name__}{count}"
            made = type(name, (cls, unittest.TestCase), {"workers": count, "maxDiff": 2000})
            made.__module__ = cls.__module__
            setattr(module, name, made)
        return cls

    return make
