"""h2load at an offered rate, and what it cost between two moments inside its run.

Connections are opened (and TLS is agreed on) before the window begins; the requests counted are
those whose answers ended inside of it.
"""

import subprocess
import time

from proxybench import backends, cases, procfs, stats
from proxybench.stage import cpu_list

WARM_SECONDS = 0.7
# The window begins a little after h2load's own, and ends a little before.
MARGIN_SECONDS = 0.2
TLS = ("--tls13-ciphers=TLS_AES_128_GCM_SHA256", "--groups=X25519")


class BadRun(Exception):
    """A run whose figures mean nothing; says why."""


def h2load(case, port, rate, seconds, folder):
    """The command; rate 0: as fast as answers come."""
    scheme = "https" if case.tls else "http"
    path = backends.GRPC_PATH if case.grpc else backends.WORK_PATH
    argv = ["h2load", "-t1", f"-c{case.connections}", f"-m{case.streams}",
            f"-D{int((seconds + 2 * MARGIN_SECONDS) * 1000)}ms",
            f"--warm-up-time={int(WARM_SECONDS * 1000)}ms",
            f"--log-file={folder / 'requests'}"]
    if rate > 0:
        argv.append(f"--rps={rate / case.connections:g}")
    if case.client == "h1":
        argv.append("--h1")
    if case.tls:
        argv += TLS
    if case.grpc:
        for field in cases.GRPC_FIELDS:
            argv += ["-H", field]
    if case.request_bytes > 0:
        body = folder / "body"
        body.write_bytes(b"\0" * case.request_bytes)
        argv.append(f"-d{body}")
    return argv + [f"{scheme}://127.0.0.1:{port}{path}"]


def read_requests(path, begin, end):
    """Latencies (us, sorted) of the answers that ended in the window, and how many failed."""
    latencies, failed = [], 0
    with open(path, encoding="ascii") as file:
        for line in file:
            start, status, micros = line.split("\t")[:3]
            ended = int(start) + int(micros)
            if not begin * 1e6 <= ended <= end * 1e6:
                continue
            if 200 <= int(status) < 300:
                latencies.append(int(micros))
            else:
                failed += 1
    latencies.sort()
    return latencies, failed


def measure(stage, case, proxy, rate, seconds, cpus):
    """One run: costs a request as procfs.cost() has them, and latencies."""
    folder = stage.folder / "load"
    folder.mkdir(exist_ok=True)
    requests = folder / "requests"
    requests.unlink(missing_ok=True)
    argv = ["taskset", "-c", cpu_list(cpus)] + h2load(case, proxy.port, rate, seconds, folder)
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        time.sleep(WARM_SECONDS + MARGIN_SECONDS)
        before = procfs.spent(proxy.pids())
        time.sleep(seconds)
        after = procfs.spent(proxy.pids())
        said, _ = process.communicate(timeout=60)
    except FileNotFoundError as error:
        raise BadRun(f"it died: {proxy.last_words()}") from error
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0 or not requests.exists():
        raise BadRun(f"h2load: {said[-500:]}")
    latencies, failed = read_requests(requests, before.wall, after.wall)
    if not latencies:
        raise BadRun(f"nothing was answered: {said[-500:]}")
    sample = procfs.cost(before, after, len(latencies))
    sample.update(peer=proxy.name, rate=rate, answered=len(latencies), failed=failed,
                  rps=len(latencies) / (after.wall - before.wall),
                  p50_us=stats.percentile(latencies, 0.5),
                  p99_us=stats.percentile(latencies, 0.99))
    return sample
