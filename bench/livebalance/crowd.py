"""Processes that burn CPU beside a backend, and where processes run."""

import os
import signal
import subprocess
import sys

# They end with whoever started them (PR_SET_PDEATHSIG), and by themselves after an hour.
_BURN = ("import ctypes, signal\n"
         "ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)\n"
         "signal.alarm(3600)\n"
         "while True: pass")


def threads(pid):
    return [int(one) for one in os.listdir(f"/proc/{pid}/task")]


def pin(pid, cpus):
    """All threads that the process has, and by that those it will have."""
    for thread in threads(pid):
        os.sched_setaffinity(thread, cpus)


class Crowd:
    """`count` processes that keep a CPU busy while the block runs."""

    def __init__(self, count, cpu):
        self.count = count
        self.cpu = cpu
        self.burning = []

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        for _ in range(self.count):
            # Sessions of their own: the scheduler may share a CPU among sessions first.
            self.burning.append(subprocess.Popen([sys.executable, "-c", _BURN],
                                                 stdin=subprocess.DEVNULL, start_new_session=True))
            pin(self.burning[-1].pid, {self.cpu})

    def __exit__(self, *_):
        for one in self.burning:
            one.send_signal(signal.SIGKILL)
            one.wait()
