"""The backends with their agents, and the three balancers before them."""

import json
import os
import socket
import statistics
import subprocess
import time

from livebalance.crowd import pin
from local_cluster import Cluster, ClusterError, http, wait_until

CROWDED = "web-1"
BACKENDS = [CROWDED, "web-2", "web-3"]
BURN_MICROS = 4000
# The way of choosing, as haproxy names it.
PEERS = {"haproxy roundrobin": "roundrobin", "haproxy leastconn": "leastconn"}
OURS = "pointsman"
POLICIES = [*PEERS, OURS]
SAMPLE_SECONDS = 0.5

CONFIG = """
services: [{name: web, checks: [{http: {path: /healthz}}], weights: {signal: %s}}]
routes: [{name: web, service: web}]
"""


def _haproxy_config(balance, listener, addresses):
    servers = "\n".join(f"  server {name} {address} check inter 2s"
                        for name, address in addresses.items())
    return ("global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 1s\n"
            "  timeout client 60s\n  timeout server 30s\n  option httpchk GET /healthz\n"
            "  http-reuse always\n"
            f"frontend f\n  bind fd@{listener}\n  default_backend b\n"
            f"backend b\n  balance {balance}\n{servers}\n")


class Stage:
    """REQUIRES: at least two CPUs. The crowded backend has the first one to itself and the crowd;
    everything else shares the second."""

    def __init__(self, bin_folder, signal):
        self.crowded_cpu, self.other_cpu = sorted(os.sched_getaffinity(0))[:2]
        self.cluster = Cluster(bin_folder, CONFIG % signal)
        self.peers = []
        self.targets = {}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _start(self):
        cluster = self.cluster
        os.sched_setaffinity(0, {self.other_cpu})
        cluster.start_controller()
        for name in BACKENDS:
            cluster.start_backend(name, ["--burn-us", str(BURN_MICROS), "--concurrency", "1"])
            cluster.start_agent(name, restart=False)
        pin(cluster.processes[CROWDED].ready["pid"], {self.crowded_cpu})
        cluster.start_gateway(["--workers", "1"])
        cluster.wait_verdict(BACKENDS, "HEALTHY")
        self.targets[OURS] = cluster.gateway_address()
        addresses = {name: self.address(name) for name in BACKENDS}
        for title, balance in PEERS.items():
            self.targets[title] = self._start_haproxy(balance, addresses)

    def _start_haproxy(self, balance, addresses):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            path = self.cluster.path(balance + ".cfg")
            with open(path, "w", encoding="utf-8") as config:
                config.write(_haproxy_config(balance, listener.fileno(), addresses))
            with open(self.cluster.path(balance + ".log"), "ab") as log:
                self.peers.append(subprocess.Popen(
                    ["haproxy", "-db", "-f", path], stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, pass_fds=[listener.fileno()]))
            port = listener.getsockname()[1]
        target = f"127.0.0.1:{port}"
        wait_until(lambda: http("GET", f"http://{target}/"), 10, f"haproxy {balance} to answer")
        return target

    def address(self, backend):
        return self.cluster.processes[backend].ready["listen"]

    def utilisation(self, backend):
        """Share of the last second in which it had work."""
        return json.loads(http("GET", f"http://{self.address(backend)}/metrics.json"))["utilisation"]

    def offer(self, policy, rps, seconds):
        """The load's summary, and each backend's mean utilisation meanwhile."""
        argv = [self.cluster.program("pm-load"), "--target", self.targets[policy], "--rps",
                str(rps), "--connections", "256", "--duration", str(seconds), "--json"]
        samples = {name: [] for name in BACKENDS}
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              text=True) as load:
            try:
                limit = time.monotonic() + seconds + 60
                while True:
                    try:
                        said, _ = load.communicate(timeout=SAMPLE_SECONDS)
                        break
                    except subprocess.TimeoutExpired:
                        if time.monotonic() > limit:
                            raise
                        for name in BACKENDS:
                            samples[name].append(self.utilisation(name))
            finally:
                load.kill()
        if load.returncode not in (0, 1):  # 1: some requests failed.
            raise ClusterError(f"pm-load ended with {load.returncode}")
        means = {name: statistics.fmean(values) for name, values in samples.items()}
        return json.loads(said), means

    def close(self):
        for peer in self.peers:
            peer.kill()
            peer.wait()
        self.cluster.close()
