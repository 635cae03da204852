"""What processes and the machine spent, as the kernel counts it."""

import dataclasses
import os
import pathlib
import time

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid):
    """The process and all that it started."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in pathlib.Path(f"/proc/{one}/task").iterdir():
            waiting += [int(child) for child in (task / "children").read_text().split()]
    return found


@dataclasses.dataclass
class Spent:
    """Since boot: of one tree of processes, and of the machine. Seconds."""

    wall: float  # As load generators stamp: since 1970.
    proxy: float  # The scheduler's nanoseconds on the CPU, all threads.
    user: float  # In ticks; only their share of the sum is used.
    system: float
    machine: float  # Busy, all CPUs, interrupts included.
    stolen: float  # By other guests of the host.


def _machine():
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(f) for f in file.readline().split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq) / TICKS, steal / TICKS


def spent(pids):
    nanoseconds = user = system = 0
    for pid in pids:
        root = pathlib.Path(f"/proc/{pid}")
        for task in (root / "task").iterdir():
            nanoseconds += int((task / "schedstat").read_text().split()[0])
        after_name = (root / "stat").read_text().rsplit(")", 1)[1].split()
        user += int(after_name[11])
        system += int(after_name[12])
    machine, stolen = _machine()
    return Spent(time.time(), nanoseconds / 1e9, user / TICKS, system / TICKS, machine, stolen)


def cost(before, after, requests):
    """Microseconds of CPU a request between two Spent."""
    proxy = (after.proxy - before.proxy) / requests * 1e6
    ticks = (after.user - before.user) + (after.system - before.system)
    user_share = (after.user - before.user) / ticks if ticks > 0 else 0.0
    window = after.wall - before.wall
    return {
        "cpu_us": proxy,
        "ticks": ticks * TICKS,
        "user_us": proxy * user_share,
        "system_us": proxy * (1 - user_share),
        "machine_us": (after.machine - before.machine) / requests * 1e6,
        "busy": (after.proxy - before.proxy) / window,
        "stolen": (after.stolen - before.stolen) / window,
    }


def private_dirty_bytes(pids):
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty:"):
                total += int(line.split()[1]) * 1024
    return total
