"""Measures what a request costs in each proxy. See proxy.sh for the options.

Each proxy has one worker, pinned to the first CPU; backends and load generator share the second.
The same rate is offered to all, in rounds: every round measures each proxy once, in another order,
so that what else happens on the machine meets all alike. A ratio is taken within a round; its
interval is over the rounds (Student's t on the logarithms). CPU is the time on the CPU of all the
proxy's threads, from the kernel's schedstat (nanoseconds), over the requests answered.
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BACKENDS = 2
START_SECONDS = 10
# Two-sided 95 % of Student's t, by degrees of freedom.
T95 = [0, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, stage):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    said = "".join(log.read_text() for log in stage.folder.glob("*.log"))
    raise SystemExit(f"nothing listens on port {port}:\n{said}")


def version_of(argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0] if text else "?"


class Stage:
    """Processes and files of one run; all gone at its end."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pm-bench-proxy-"))
        self.processes = []

    def start(self, argv, cpu, name):
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen(["taskset", "-c", str(cpu), *map(str, argv)], stdout=log,
                                   stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Proxy:
    def __init__(self, name, port, process, version):
        self.name = name
        self.port = port
        self.process = process
        self.version = version

    def cpu_nanoseconds(self):
        """Of the process and its children (nginx's worker); and of the threads that forward."""
        total = 0
        workers = 0
        pids = [self.process.pid]
        while pids:
            pid = pids.pop()
            tasks = pathlib.Path(f"/proc/{pid}/task")
            for task in tasks.iterdir():
                spent = int((task / "schedstat").read_text().split()[0])
                total += spent
                if self.name != "pointsman" or (task / "comm").read_text().startswith("pm-worker"):
                    workers += spent
                pids += [int(c) for c in (task / "children").read_text().split()]
        return total, workers


def start_gateway(stage, build, backends, cpu):
    port = free_port()
    endpoints = ", ".join('{id: web-%d, address: "127.0.0.1:%d"}' % (i, p)
                          for i, p in enumerate(backends))
    static = stage.folder / "static.yaml"
    static.write_text(f"services:\n- name: web\n  endpoints: [{endpoints}]\n"
                      "routes:\n- name: web\n  service: web\n")
    argv = [build / "bin/pointsman-gateway", "--listen", f"127.0.0.1:{port}", "--admin",
            "127.0.0.1:0", "--static", static, "--state-dir", stage.folder, "--workers", "1",
            "--log-level", "warning"]
    process = stage.start(argv, cpu, "gateway")
    return Proxy("pointsman", port, process, version_of([str(argv[0]), "--version"]))


def start_relay(stage, build, backends, cpu):
    port = free_port()
    argv = [build / "bin/pm-relay", "--listen", f"127.0.0.1:{port}"]
    for backend in backends:
        argv += ["--backend", f"127.0.0.1:{backend}"]
    return Proxy("relay", port, stage.start(argv, cpu, "relay"), "of this build")


def start_haproxy(stage, _build, backends, cpu):
    if not shutil.which("haproxy"):
        return None
    port = free_port()
    servers = "\n".join(f"  server s{i} 127.0.0.1:{p}" for i, p in enumerate(backends))
    config = stage.folder / "haproxy.cfg"
    config.write_text(
        "global\n  nbthread 1\n  maxconn 4000\n"
        "defaults\n  mode http\n  option forwardfor\n  http-reuse always\n  timeout connect 1s\n"
        "  timeout client 60s\n  timeout server 30s\n"
        f"frontend f\n  bind 127.0.0.1:{port}\n  default_backend b\n"
        f"backend b\n  balance leastconn\n{servers}\n")
    process = stage.start(["haproxy", "-db", "-f", config], cpu, "haproxy")
    return Proxy("haproxy", port, process, version_of(["haproxy", "-v"]))


def start_nginx(stage, _build, backends, cpu):
    if not shutil.which("nginx"):
        return None
    port = free_port()
    servers = "\n".join(f"    server 127.0.0.1:{p};" for p in backends)
    config = stage.folder / "nginx.conf"
    config.write_text(
        f"daemon off;\nworker_processes 1;\npid {stage.folder}/nginx.pid;\n"
        f"error_log {stage.folder}/nginx-error.log;\nevents {{ worker_connections 8000; }}\n"
        "http {\n  access_log off;\n  keepalive_requests 1000000000;\n"
        + "".join(f"  {kind}_temp_path {stage.folder}/{kind};\n"
                  for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        + f"  upstream b {{\n    least_conn;\n{servers}\n    keepalive 64;\n"
        "    keepalive_requests 1000000000;\n  }\n"
        f"  server {{\n    listen 127.0.0.1:{port};\n    location / {{\n"
        "      proxy_pass http://b;\n      proxy_http_version 1.1;\n"
        "      proxy_set_header Connection \"\";\n"
        "      proxy_set_header X-Forwarded-For $remote_addr;\n    }\n  }\n}\n")
    # -e: also what is said before the configuration is read.
    process = stage.start(["nginx", "-p", stage.folder, "-e", stage.folder / "nginx-error.log",
                           "-c", config], cpu, "nginx")
    return Proxy("nginx", port, process, version_of(["nginx", "-v"]))


STARTERS = {"pointsman": start_gateway, "relay": start_relay, "haproxy": start_haproxy,
            "nginx": start_nginx}


def run_load(stage, options, port, cpu, seconds):
    argv = ["taskset", "-c", str(cpu), str(options.build / "bin/pm-load"), "--target",
            f"127.0.0.1:{port}", "--connections", str(options.connections), "--rps",
            str(options.rps), "--duration", str(seconds), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False,
                          timeout=seconds + 30)
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise SystemExit(f"pm-load said nothing: {done.stderr}")
    return json.loads(lines[-1])


def measure(stage, options, proxy, cpu):
    before = proxy.cpu_nanoseconds()
    report = run_load(stage, options, proxy.port, cpu, options.seconds)
    after = proxy.cpu_nanoseconds()
    answered = report["ok"]
    if answered == 0:
        raise SystemExit(f"{proxy.name} answered nothing: {report}")
    return {"us": (after[0] - before[0]) / 1000 / answered,
            "worker_us": (after[1] - before[1]) / 1000 / answered, "report": report}


def interval(ratios):
    """Geometric mean and its 95 % interval."""
    logs = [math.log(r) for r in ratios]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return math.exp(mean), math.nan, math.nan
    t = T95[len(logs) - 1] if len(logs) <= len(T95) else 2.0
    half = t * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def print_results(options, proxies, rounds):
    print(f"\n{options.rps:g} requests/s offered on {options.connections} connections, answers of "
          f"{options.bytes} bytes, {len(rounds)} rounds of {options.seconds:g} s, one worker each\n")
    print(f"{'proxy':10} {'us/request':>10} {'workers':>8} {'p50 us':>8} {'p99 us':>8} {'failed':>7}   "
          "pointsman's cost / this one's (95 %)")
    for proxy in proxies:
        mine = [r[proxy.name] for r in rounds]
        us = statistics.median(m["us"] for m in mine)
        worker_us = statistics.median(m["worker_us"] for m in mine)
        p50 = statistics.median(m["report"]["p50_ms"] * 1000 for m in mine)
        p99 = statistics.median(m["report"]["p99_ms"] * 1000 for m in mine)
        failed = sum(m["report"]["failed"] for m in mine)
        line = {"bench": "proxy", "proxy": proxy.name, "version": proxy.version,
                "rps": options.rps, "connections": options.connections, "bytes": options.bytes,
                "rounds": len(rounds), "seconds": options.seconds, "cpu_us_per_request": us,
                "worker_cpu_us_per_request": worker_us,
                "p50_us": p50, "p99_us": p99, "failed": failed}
        text = ""
        if proxy.name != "pointsman" and "pointsman" in rounds[0]:
            ratio, low, high = interval([r["pointsman"]["us"] / r[proxy.name]["us"]
                                         for r in rounds])
            line.update(ratio=ratio, ratio_low=low, ratio_high=high)
            text = f"{ratio:.3f} ({low:.3f} to {high:.3f})"
        print(f"{proxy.name:10} {us:10.2f} {worker_us:8.2f} {p50:8.0f} {p99:8.0f} {failed:7d}   {text}")
        options.json_lines.append(json.dumps(line))
    print()
    for line in options.json_lines:
        print(line)


def parse_options():
    here = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description="CPU per request of proxies")
    parser.add_argument("--build", type=pathlib.Path, default=here / "build")
    parser.add_argument("--rps", type=float, default=8000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--bytes", type=int, default=128)
    parser.add_argument("--only", default=",".join(STARTERS))
    options = parser.parse_args()
    options.json_lines = []
    return options


def main():
    options = parse_options()
    cpus = sorted(os.sched_getaffinity(0))
    proxy_cpu, other_cpu = cpus[0], cpus[-1]
    stage = Stage()
    try:
        backends = [free_port() for _ in range(BACKENDS)]
        for i, port in enumerate(backends):
            backend = stage.start(
                [options.build / "bin/pm-test-backend", "--listen", f"127.0.0.1:{port}",
                 "--bytes", options.bytes], other_cpu, f"backend-{i}")
            wait_for_port(port, backend, stage)
        proxies = []
        for name in options.only.split(","):
            proxy = STARTERS[name](stage, options.build, backends, proxy_cpu)
            if proxy is None:
                print(f"{name}: not installed, left out", file=sys.stderr)
                continue
            wait_for_port(proxy.port, proxy.process, stage)
            proxies.append(proxy)
            run_load(stage, options, proxy.port, other_cpu, 1)  # Warm.
        rounds = []
        for i in range(options.rounds):
            order = proxies[i % len(proxies):] + proxies[:i % len(proxies)]
            rounds.append({p.name: measure(stage, options, p, other_cpu) for p in order})
        print_results(options, proxies, rounds)
    finally:
        stage.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
