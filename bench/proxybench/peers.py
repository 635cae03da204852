"""The proxies that are measured: how each is started, and what it leaves out that ours does.

A peer is started for one Setup with one worker pinned to one CPU (or as many as the case asks
for). Ours runs as it comes; the others get what makes them comparable (least connections,
kept upstream connections, no access log, X-Forwarded-For) and nothing that makes them slower.
"""

import dataclasses
import pathlib
import shutil
import subprocess

from proxybench import envoy, peer_configs, procfs
from proxybench.stage import LeftOut, free_port, wait_for_port


@dataclasses.dataclass(frozen=True)
class Setup:
    """What stands in front of and behind a proxy."""

    client: str = "h1"  # Or h2.
    tls: bool = False  # From clients.
    upstream: str = "h1"  # Or h2 with prior knowledge.
    workers: int = 1
    backends: tuple = ()  # Ports.


@dataclasses.dataclass
class Launch:
    """What a peer's configuration is made of."""

    setup: Setup
    port: int
    folder: pathlib.Path
    certificate: tuple
    build: pathlib.Path


class Proxy:
    """One that runs."""

    def __init__(self, peer, setup, port, process):
        self.name = peer.name
        self.setup = setup
        self.port = port
        self.process = process

    def pids(self):
        return procfs.tree(self.process.pid)

    def last_words(self):
        return (self.process.folder / "log").read_text(errors="replace")[-500:]


@dataclasses.dataclass
class Peer:
    name: str
    # (launch) -> argv; LeftOut when it cannot do what the setup asks.
    command: object
    # argv that says the version, or the version.
    version: object
    # What our defaults do for each request and this one, as configured, does not.
    switched_off: str
    # Makes it available; LeftOut: it cannot be had.
    prepare: object = lambda: None

    def version_text(self):
        """REQUIRES: prepare() succeeded."""
        if isinstance(self.version, str):
            return self.version
        done = subprocess.run(self.version, capture_output=True, text=True, check=False)
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return said[0].replace(f"{self.version[0]}  version: ", "") if said else "?"

    def start(self, stage, setup, cpus, common):
        folder = stage.subfolder(self.name)
        launch = Launch(setup, free_port(), folder, common.certificate, common.build)
        argv = self.command(launch)
        process = stage.start(argv, cpus, folder)
        wait_for_port(launch.port, process)
        return Proxy(self, setup, launch.port, process)


def _installed(program):
    def prepare():
        if not shutil.which(program):
            raise LeftOut("not installed (bench/proxy.sh --install)")
    return prepare


def _relay(launch):
    if launch.setup.tls or launch.setup.workers > 1:
        raise LeftOut("speaks no TLS and has one thread")
    argv = [launch.build / "bin/pm-relay", "--listen", f"127.0.0.1:{launch.port}"]
    for backend in launch.setup.backends:
        argv += ["--backend", f"127.0.0.1:{backend}"]
    return argv


def _pointsman(launch):
    setup = launch.setup
    static, listeners = peer_configs.pointsman(launch)
    argv = [launch.build / "bin/pointsman-gateway", "--admin", "127.0.0.1:0", "--static", static,
            "--state-dir", launch.folder, "--workers", setup.workers, "--log-level", "warning"]
    if setup.tls:
        return argv + ["--listeners", listeners]
    return argv + ["--listen", f"127.0.0.1:{launch.port}"]


def _haproxy(launch):
    return ["haproxy", "-db", "-f", peer_configs.haproxy(launch)]


def _nginx(launch):
    # -e: also what is said before the configuration is read.
    return ["nginx", "-p", launch.folder, "-e", launch.folder / "error.log", "-c",
            peer_configs.nginx(launch)]


def _h2o(launch):
    if launch.setup.upstream == "h2":
        raise LeftOut("2.2 speaks no HTTP/2 to backends")
    return ["h2o", "-c", peer_configs.h2o(launch)]


def _nghttpx(launch):
    setup = launch.setup
    options = "" if setup.tls else ";no-tls"
    proto = "h2" if setup.upstream == "h2" else "http/1.1"
    # Its configuration is the command line; an empty file keeps the system's away.
    empty = launch.folder / "nghttpx.conf"
    empty.write_text("")
    argv = ["nghttpx", f"--conf={empty}", f"--frontend=127.0.0.1,{launch.port}{options}",
            f"--workers={setup.workers}", "--add-x-forwarded-for", "--log-level=ERROR",
            "--no-ocsp"]
    argv += [f"--backend=127.0.0.1,{port};;proto={proto}" for port in setup.backends]
    if setup.tls:
        argv += [str(launch.certificate[1]), str(launch.certificate[0])]
    return argv


def _envoy(launch):
    return [envoy.program(launch.build), "-c", peer_configs.envoy(launch), "--concurrency",
            launch.setup.workers, "--disable-hot-restart", "--log-level", "error"]


def all_peers(build):
    """By name, in the order in which tables show them."""
    ours = build / "bin/pointsman-gateway"
    peers = [
        Peer("pointsman", _pointsman, [str(ours), "--version"], "-"),
        Peer("relay", _relay, "of this build",
             "everything: parses nothing, a connection to a backend for each of a client"),
        Peer("haproxy", _haproxy, ["haproxy", "-v"],
             "request id, via, x-forwarded-proto, canonical paths, metrics by endpoint and kind of "
             "failure, passive avoidance, retries of requests that were sent", _installed("haproxy")),
        Peer("nginx", _nginx, ["nginx", "-v"],
             "request id, via, x-forwarded-proto, metrics, passive avoidance by latency, retry "
             "budget; bodies are passed on unbuffered, access_log off", _installed("nginx")),
        Peer("nghttpx", _nghttpx, ["nghttpx", "--version"],
             "request id, metrics, passive avoidance, retries, OCSP; access log off by default",
             _installed("nghttpx")),
        Peer("h2o", _h2o, ["h2o", "--version"],
             "request id, load balancing (one backend), metrics, retries, access log", _installed("h2o")),
        Peer("envoy", _envoy, envoy.version_command(build),
             "via, retries, outlier detection, path normalisation, access log",
             lambda: envoy.program(build)),
    ]
    return {peer.name: peer for peer in peers}
