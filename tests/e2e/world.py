"""What every scenario starts from: five backends with an agent each, one gateway, one controller.

A scenario is a function that gets a World, breaks something under load and returns facts to print.
The bar for each: no request failed, none had to be sent again by the client.
"""

import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'deploy'))

from local_cluster import Cluster, ClusterError, http, wait_until  # noqa: E402,F401
from table_watch import TableWatch  # noqa: E402,F401

BACKENDS = [f'web-{number}' for number in range(1, 6)]
RPS = 300
DELAY_MS = 5
# Requests that must be answered on each side of a fault before a scenario goes on.
REQUESTS = 300

CONFIG = """
services:
- name: web
  checks:
  - name: http
    http: {path: /healthz}
    interval: 0.3s
    timeout: 0.2s
    rise: 2
    fall: 2
  health: {silent_after: 2s, deregister_after: 5s}
  weights: {signal: LOAD_SIGNAL_IN_FLIGHT, slow_start: 1s}
  retries: {per_try_timeout: 0.3s}
routes:
- name: everything
  service: web
"""


class BarMissed(Exception):
    """Something that had to hold did not."""


def check(condition, what):
    if not condition:
        raise BarMissed(what)


class World(Cluster):

    def __init__(self, bin_folder):
        super().__init__(bin_folder, CONFIG)
        self.summaries = []

    def begin(self, restart=True, controller_options=()):
        """Everything up and every endpoint healthy."""
        self.start_controller(controller_options)
        for name in BACKENDS:
            self.start_backend(name, ['--delay-ms', str(DELAY_MS)])
            self.start_agent(name, restart=restart)
        self.start_gateway()
        self.wait_verdict(BACKENDS, 'HEALTHY')
        self.wait_routable()

    def wait_routable(self):
        """Until the gateway has adopted all the controller has published."""
        def adopted():
            gateways = self.listed('gateways')
            return gateways and all(one.get('connected') and not one.get('slices_behind')
                                    and one.get('slices') for one in gateways)
        wait_until(adopted, 20, 'the gateway to hold the newest table')

    def listed(self, what):
        """`pointsman get WHAT -o json` as a list."""
        return json.loads(self.cli('get', what, '-o', 'json')).get(what, [])

    def load(self, requests=REQUESTS):
        """A load that has answered `requests` and used every backend that is routable."""
        load = self.start_load(RPS, ['--connections', '64', '--timeout-ms', '5000'])
        load.wait_for_requests(requests)
        return load

    def finish(self, load):
        """Ends the load; its summary is held against the bar at the end."""
        self.summaries.append(load.stop())
        return self.summaries[-1]

    def gateway_metric(self, name):
        """The value of a series without labels on the gateway's /metrics."""
        page = http('GET', f"http://{self.processes['gateway'].ready['admin']}/metrics")
        values = [line.split()[1] for line in page.splitlines() if line.split()[0] == name]
        return float(values[0])

    def weights(self):
        return {name: state.get('weight', 0) for name, state in self.endpoints().items()}

    def hold_bar(self):
        """Counts of all loads; BarMissed unless all requests were answered well."""
        sent = sum(one['sent'] for one in self.summaries)
        ok = sum(one['ok'] for one in self.summaries)
        failed = sum(one['failed'] for one in self.summaries)
        resent = sum(one['resent'] for one in self.summaries)
        counts = f'sent {sent}, ok {ok}, failed {failed}, resent by the client {resent}'
        kinds = [one['failures'] for one in self.summaries if one['failed']]
        check(sent > 0 and ok == sent and failed == 0 and resent == 0, f'{counts} {kinds or ""}')
        return counts
