"""What the demo's acts are played on: a cluster, its load, the table shown, the bars held."""

import statistics
import time

from demo_screen import bar
from local_cluster import POLL_SECONDS, ClusterError
from table_watch import TableWatch

BACKENDS = [f'web-{number}' for number in range(1, 6)]
DELAY_MS = 20
SLOW_FACTOR = 5
SLOTS = 4
RPS = 400
NOMINAL_WEIGHT = 65536
DRAW_SECONDS = 0.4


class Stage:

    def __init__(self, cluster, screen, load, short):
        self.cluster = cluster
        self.table = TableWatch(cluster.processes['gateway'].ready['admin'])
        self.screen = screen
        self.load = load
        self.short = short
        self.states = {}
        self.controller_up = True
        self.reached = []  # (what, seconds): how long changes took to reach the gateway.
        self.missed = []
        self._drawn = 0.0

    # -- What is seen -------------------------------------------------------------------------

    def look(self):
        """Asks the controller for the endpoints' states; keeps the old ones when it is down."""
        try:
            self.states = self.cluster.endpoints()
            self.controller_up = True
        except ClusterError:
            self.controller_up = False
        if time.monotonic() - self._drawn >= DRAW_SECONDS:
            self._drawn = time.monotonic()
            self.screen.draw(*self._table())

    def weight(self, name):
        return int(self.states.get(name, {}).get('weight', 0))

    def verdict(self, name):
        return self.states.get(name, {}).get('verdict', 'VERDICT_?').replace('VERDICT_', '')

    def median_weight(self, without):
        return statistics.median(self.weight(name) for name in BACKENDS if name != without)

    def _table(self):
        """Heading and rows, as Screen.draw() takes them."""
        latest = self.load.latest() or {'backends': {}, 'rps': 0, 'p50_ms': 0, 'p99_ms': 0}
        total = self.load.total()
        heading = ([(f"{'backend':9}{'verdict':11}{'weight':>7}  {'':12}  {'req/s':>6}"
                     f"{'p50 ms':>8}{'p99 ms':>8}{'failed':>7}", 'title')], [('  why', 'title')])
        rows = [self._row(name, latest) for name in BACKENDS]
        controller = ('controller up', 'good') if self.controller_up else (
            'controller DOWN: the gateway goes on with its last table', 'bad')
        rows.append(([(f"{'all':20}{'':21}  {latest['rps']:6.0f}{latest['p50_ms']:8.1f}"
                       f"{latest['p99_ms']:8.1f}{total['failed']:7}", None)],
                     [(f"  sent {total['sent']}, ", None), controller]))
        return heading, rows

    def _row(self, name, latest):
        count = latest['backends'].get(name, {'ok': 0, 'failed': 0, 'p50_ms': 0, 'p99_ms': 0})
        state = self.states.get(name, {})
        verdict = self.verdict(name)
        weight = self.weight(name) / NOMINAL_WEIGHT
        rate = count['ok'] / latest['seconds'] if latest.get('seconds') else 0
        return ([(f'{name:9}', None), (f'{verdict:11}', verdict),
                 (f'{weight:7.2f}  {bar(weight / 1.5)}  {rate:6.0f}{count["p50_ms"]:8.1f}'
                  f'{count["p99_ms"]:8.1f}{count["failed"]:7}', None)],
                [('  ' + state.get('cause', ''), 'dim')])

    # -- How the story goes on ------------------------------------------------------------------

    def say(self, text):
        self.screen.say(text)

    def until(self, condition, seconds, bar_text):
        """Watches until `condition` holds; a bar is missed when it does not within `seconds`."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            self.look()
            if condition():
                return time.monotonic() - begun
            time.sleep(POLL_SECONDS)
        self.missed.append(f'{bar_text} (not within {seconds} s)')
        self.say(self.screen.paint(f'   MISSED: {bar_text}', 'bad'))
        return None

    def watch(self, seconds):
        """Shows what happens for a while; halved in the short form."""
        end = time.monotonic() + (seconds / 2 if self.short else seconds)
        while time.monotonic() < end:
            self.look()
            time.sleep(POLL_SECONDS)

    def hold(self, condition, bar_text):
        if not condition:
            self.missed.append(bar_text)
            self.say(self.screen.paint(f'   MISSED: {bar_text}', 'bad'))

    def p99_since(self, since):
        """Median of the intervals' p99 since then, in milliseconds."""
        return statistics.median([one['p99_ms'] for one in self.load.intervals(since)] or [0])

    def served(self, name):
        """Requests that `name` has answered so far."""
        return sum(one['backends'].get(name, {}).get('ok', 0) for one in self.load.intervals())

    def share(self, name, seconds=2.0):
        """Share of the requests of the last seconds that `name` answered."""
        recent = self.load.intervals(time.monotonic() - seconds)
        answered = sum(one['ok'] for one in recent)
        own = sum(one['backends'].get(name, {}).get('ok', 0) for one in recent)
        return own / answered if answered else 0.0

    def routable(self, name):
        return self.states.get(name, {}).get('routable', False)

    def reach(self, what, begun, condition, seconds=10, since=None):
        """Notes how long after `begun` the gateway's table came to `condition`.

        `condition` is given {endpoint: (routable, weight)}; tables before `since` (default:
        `begun`) do not count. A bar is missed when it never holds.
        """
        since = since or begun
        if self.until(lambda: self.table.first_since(since, condition) is not None, seconds,
                      f'{what} (in the gateway)') is None:
            return
        took = self.table.first_since(since, condition) - begun
        self.reached.append((what, took))
        self.say(f'   {what}: {took * 1000:.0f} ms')

    def gateway_connected(self):
        """True when the gateway itself says that it has a controller."""
        metrics = self.cluster.admin('gateway', '/metrics')
        return any(line.split() == ['pointsman_gateway_connected', '1']
                   for line in metrics.splitlines())
