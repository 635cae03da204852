"""Processes, ports and folders of one run; everything is gone at its end."""

import contextlib
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

START_SECONDS = 15
STOP_SECONDS = 3


class LeftOut(Exception):
    """Something cannot be measured here; says why."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def raise_descriptor_limit():
    """Thousands of connections on both sides; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Cpus:
    """Which CPU is whose: proxies first, one each worker; the others share what is left."""

    def __init__(self):
        self.all = sorted(os.sched_getaffinity(0))

    def proxy(self, workers=1):
        return self.all[:workers]

    def others(self, workers=1):
        """Load generator and backends. With too few CPUs they share the proxy's last one."""
        return self.all[workers:] or self.all[-1:]


def cpu_list(cpus):
    return ",".join(map(str, cpus))


class Stage:
    """A folder, and processes that end with it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pm-bench-proxy-"))
        self.processes = []
        self.names = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(list(reversed(self.processes)))
        shutil.rmtree(self.folder, ignore_errors=True)

    def subfolder(self, name):
        self.names += 1
        folder = self.folder / f"{name}-{self.names}"
        folder.mkdir()
        # Some peers give up root; what they write must still have a place.
        folder.chmod(0o777)
        self.folder.chmod(0o755)
        return folder

    def start(self, argv, cpus, folder):
        """A process pinned to `cpus`; what it says is in `folder`/log."""
        with open(folder / "log", "ab") as log:
            process = subprocess.Popen(["taskset", "-c", cpu_list(cpus), *map(str, argv)],
                                       stdout=log, stderr=log, cwd=folder,
                                       start_new_session=True)
        process.folder = folder
        self.processes.append(process)
        return process

    def stop(self, processes):
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # Of this process's own session: its workers with it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process in self.processes:
                self.processes.remove(process)


def wait_for_port(port, process):
    """Until somebody listens; LeftOut with what the process said when nobody does."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    said = (process.folder / "log").read_text(errors="replace")[-2000:]
    raise LeftOut(f"nothing listens on port {port}: {said}")


def make_certificate(folder):
    """A P-256 certificate for "localhost" that signs itself: paths of certificate, key, and both
    in one file."""
    cert, key, both = folder / "cert.pem", folder / "key.pem", folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    both.write_text(cert.read_text() + key.read_text())
    for path in (cert, key, both):
        path.chmod(0o644)
    return cert, key, both
