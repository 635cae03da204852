"""A whole Pointsman on this host, of real processes: controller, gateway, backends, agents, load.

Used by the demo and by tests/e2e. Everything lives in one temporary folder; close() leaves no
process and no file. Python's standard library only. One thread calls; a load's lines are read on
a thread of its own.
"""

import collections
import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

START_SECONDS = 20
POLL_SECONDS = 0.02
_PR_SET_CHILD_SUBREAPER = 36


class ClusterError(Exception):
    """A process did not do what it must; the message says which and shows its log's end."""


def wait_until(condition, seconds, what):
    """Polls `condition` until it is true and returns its value; ClusterError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise ClusterError(f'waited {seconds} s for {what}')
        time.sleep(POLL_SECONDS)


def http(method, url, timeout=5):
    request = urllib.request.Request(url, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return response.read().decode()


class Process:
    """One program with its log and its ready-file."""

    def __init__(self, cluster, name, argv):
        self.name = name
        self.argv = argv
        self.log_path = os.path.join(cluster.folder, name + '.log')
        self.ready_path = os.path.join(cluster.folder, name + '.ready')
        self.ready = {}
        if os.path.exists(self.ready_path):
            os.unlink(self.ready_path)
        with open(self.log_path, 'ab') as log:
            self.popen = subprocess.Popen(
                argv + ['--ready-file', self.ready_path], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True)

    def wait_ready(self):
        def ready():
            if self.popen.poll() is not None:
                raise ClusterError(f'{self.name} ended with code {self.popen.returncode}:\n'
                                   + self.log_end())
            return os.path.exists(self.ready_path)
        try:
            wait_until(ready, START_SECONDS, f'{self.name} to be ready')
        except ClusterError as error:
            raise ClusterError(f'{error}\n{self.log_end()}') from None
        with open(self.ready_path, encoding='utf-8') as file:
            self.ready = json.load(file)
        return self

    def log_end(self, lines=15):
        with open(self.log_path, encoding='utf-8', errors='replace') as log:
            return ''.join(log.readlines()[-lines:])

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        if self.alive():
            self.popen.kill()
        self.popen.wait()

    def stop(self, seconds=10):
        """SIGTERM; its exit code. ClusterError when it does not end."""
        if self.alive():
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
        try:
            return self.popen.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ClusterError(f'{self.name} did not end within {seconds} s of SIGTERM:\n'
                               + self.log_end()) from None


class Load:
    """A running pm-load: its latest intervals, and its summary once stopped."""

    def __init__(self, cluster, target, rps, options=()):
        self.error_path = os.path.join(cluster.folder, 'load.log')
        argv = [cluster.program('pm-load'), '--target', target, '--rps', str(rps), '--live',
                '--interval-ms', '250', *options]
        with open(self.error_path, 'ab') as log:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                          stderr=log, start_new_session=True, text=True)
        self._lock = threading.Lock()
        self._intervals = collections.deque(maxlen=4000)
        self._summary = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.popen.stdout:
            report = json.loads(line)
            with self._lock:
                if report['kind'] == 'summary':
                    self._summary = report
                else:
                    self._intervals.append(report)

    def intervals(self, since=0.0):
        """Intervals that ended after `since` (seconds of the steady clock)."""
        with self._lock:
            return [one for one in self._intervals if one['now'] > since]

    def latest(self):
        with self._lock:
            return self._intervals[-1] if self._intervals else None

    def total(self):
        latest = self.latest()
        return latest['total'] if latest else {'sent': 0, 'ok': 0, 'failed': 0}

    def last_response_of(self, backend):
        """When `backend` last answered (steady clock); 0: never."""
        return max([one['backends'][backend]['last'] for one in self.intervals()
                    if backend in one['backends']], default=0.0)

    def wait_for_requests(self, count, seconds=30):
        """Until `count` more requests have been answered."""
        goal = self.total()['ok'] + self.total()['failed'] + count
        wait_until(lambda: self.total()['ok'] + self.total()['failed'] >= goal, seconds,
                   f'{count} more requests to be answered')

    def stop(self, seconds=30):
        """Ends it and returns the summary; requests in flight are waited for."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        self.popen.wait(timeout=seconds)
        self._reader.join(timeout=seconds)
        if self._summary is None:
            with open(self.error_path, encoding='utf-8') as log:
                raise ClusterError('pm-load gave no summary: ' + log.read())
        return self._summary


class Cluster:
    """REQUIRES: the programs are built in `bin_folder`."""

    def __init__(self, bin_folder, config):
        self.bin_folder = os.path.abspath(bin_folder)
        self.folder = tempfile.mkdtemp(prefix='pointsman-')
        self.config_path = os.path.join(self.folder, 'config.yaml')
        self.config(config)
        self.processes = {}
        self.loads = []
        # A backend that an agent started outlives the agent: it becomes ours and is ended here.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def config(self, text):
        with open(self.config_path, 'w', encoding='utf-8') as file:
            file.write(text)

    def program(self, name):
        own = self.path('bin', name)
        return own if os.path.exists(own) else os.path.join(self.bin_folder, name)

    def replaceable(self, name):
        """Path of a copy of the program, which is started from there from now on."""
        os.makedirs(self.path('bin'), exist_ok=True)
        return shutil.copy(self.program(name), self.path('bin', name))

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def start(self, name, argv):
        """Starts (or starts again) the process `name` and waits until it serves."""
        self.processes[name] = Process(self, name, argv)
        return self.processes[name].wait_ready()

    def start_controller(self, options=()):
        """On its old addresses when it ran before."""
        old = self.processes.get('controller')
        ready = old.ready if old else {'grpc': '127.0.0.1:0', 'admin': '127.0.0.1:0'}
        return self.start('controller', [
            self.program('pointsman-controller'), '--listen', ready['grpc'],
            '--admin', ready['admin'], '--data-dir', self.path('controller'),
            '--config', self.config_path, *options])

    def start_gateway(self, options=()):
        old = self.processes.get('gateway')
        ready = old.ready if old else {'listen': ['127.0.0.1:0'], 'admin': '127.0.0.1:0'}
        return self.start('gateway', [
            self.program('pointsman-gateway'), '--listen', ready['listen'][0],
            '--admin', ready['admin'], '--controller', self.controller_address(),
            '--id', 'gw-1', '--state-dir', self.path('gateway'),
            # Clients that ask nothing are waited for during two thirds of it.
            '--drain-seconds', '6', *options])

    def start_backend(self, name, options=()):
        """A test backend whose X-Backend is `name`."""
        argv = [self.program('pm-test-backend'), '--name', name, '--listen', '127.0.0.1:0',
                '--pid-file', self.path(name + '.pid'), *options]
        return self.start(name, argv)

    def start_agent(self, backend, service='web', restart=True):
        """An agent beside the backend; its id is agent-BACKEND."""
        name = 'agent-' + backend
        file = self.path(name + '.yaml')
        with open(file, 'w', encoding='utf-8') as out:
            out.write(self._agent_yaml(backend, service, restart))
        return self.start(name, [
            self.program('pointsman-agent'), '--config', file, '--id', name,
            '--controller', self.controller_address(), '--admin', '127.0.0.1:0',
            '--state-dir', self.path(name)])

    def _agent_yaml(self, backend, service, restart):
        process = self.processes[backend]
        address = process.ready['listen']
        argv = process.argv + ['--ready-file', process.ready_path]
        argv[argv.index('--listen') + 1] = address
        instance = {'service': service, 'id': backend, 'address': address,
                    'pid_file': self.path(backend + '.pid'),
                    'metrics_url': f'http://{address}/metrics.json'}
        if restart:
            instance['restart'] = {'argv': argv, 'type': 'simple', 'output': process.log_path}
        # JSON is YAML.
        return json.dumps({'instances': [instance]}, indent=2) + '\n'

    def start_load(self, rps, options=()):
        load = Load(self, self.gateway_address(), rps, options)
        self.loads.append(load)
        wait_until(lambda: load.total()['ok'] > 0 or load.popen.poll() is not None, START_SECONDS,
                   'the first answered request')
        return load

    def controller_address(self):
        return self.processes['controller'].ready['grpc']

    def gateway_address(self):
        return self.processes['gateway'].ready['listen'][0]

    def admin(self, name, path):
        """Body of an admin page of the controller, the gateway or an agent."""
        return http('GET', f"http://{self.processes[name].ready['admin']}{path}")

    def control(self, backend, settings):
        """Tells a backend how to behave: control('web-1', 'delay_ms=100')."""
        address = self.processes[backend].ready['listen']
        return json.loads(http('POST', f'http://{address}/_control?{settings}'))

    def backend_pid(self, backend):
        """Of the running process, whoever started it."""
        with open(self.path(backend + '.pid'), encoding='utf-8') as file:
            return int(file.read())

    def cli(self, *arguments):
        """Standard output of `pointsman ARGUMENTS`; ClusterError when it fails."""
        argv = [self.program('pointsman'), '--controller', self.controller_address(), *arguments]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=30, check=False)
        if done.returncode != 0:
            raise ClusterError(f"pointsman {' '.join(arguments)}: exit code {done.returncode}: "
                               f'{done.stderr.strip()}')
        return done.stdout

    def endpoints(self, service='web'):
        """Endpoint states as the controller sees them, by endpoint id."""
        listed = json.loads(self.cli('get', 'endpoints', '-o', 'json')).get('endpoints', [])
        prefix = f'services/{service}/endpoints/'
        return {one['name'][len(prefix):]: one for one in listed
                if one['name'].startswith(prefix)}

    def wait_verdict(self, names, verdict, seconds=30):
        """Until the controller holds all of `names` for `verdict` ("HEALTHY")."""
        def reached():
            states = self.endpoints()
            return all(states.get(name, {}).get('verdict') == 'VERDICT_' + verdict
                       for name in names)
        wait_until(reached, seconds, f"{', '.join(names)} to be {verdict}")

    def close(self):
        """Ends every process, waits for each, removes the folder. Ctrl-C waits meanwhile."""
        interrupts = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, interrupts)
        try:
            self._close()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts)

    def _close(self):
        for load in self.loads:
            if load.popen.poll() is None:
                load.popen.kill()
            load.popen.wait()
        # Agents first: they would start a backend again.
        order = sorted(self.processes, key=lambda name: not name.startswith('agent-'))
        for process in [self.processes[name] for name in order]:
            process.kill()
        self._end_adopted()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_adopted(self):
        """Ends what agents started: orphans became children of this process."""
        for pid in children(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def children(parent):
    """Process ids whose parent is `parent`."""
    found = []
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            try:
                with open(f'/proc/{entry}/stat', encoding='utf-8', errors='replace') as stat:
                    fields = stat.read().rpartition(')')[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry))
    return found
