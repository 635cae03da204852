"""The three acts of the demo: each breaks something, watches, and holds bars."""

import statistics
import time

from demo_stage import BACKENDS, DELAY_MS, SLOW_FACTOR, Stage

SLOW, KILLED = BACKENDS[1], BACKENDS[3]
# A weight counts as fallen below this share of the others', and as back above that one.
FALLEN, BACK = 0.6, 0.85
# Rates are compared over this long.
WINDOW_SECONDS = 2.0


def others(table, but):
    """Median weight of the other backends in a table {endpoint: (routable, weight)}."""
    return statistics.median(weight for name, (_, weight) in table.items() if name != but)


def slow_backend(stage: Stage):
    """Act 1: a backend becomes slower; its weight falls, the service's p99 recovers."""
    stage.say(f'\nAct 1. {SLOW} now takes {SLOW_FACTOR} times as long ({SLOW_FACTOR * DELAY_MS} ms'
             ' instead of 20 ms). Its checks still pass; its requests in flight give it away.')
    share_before = stage.share(SLOW)
    begun = time.monotonic()
    stage.cluster.control(SLOW, f'delay_ms={SLOW_FACTOR * DELAY_MS}')
    stage.reach(f'{SLOW} slower: weight under {FALLEN:.0%} of the others', begun,
                lambda table: table[SLOW][1] < FALLEN * others(table, SLOW), 20)
    stage.watch(6)
    share = stage.share(SLOW)
    p99 = stage.p99_since(time.monotonic() - WINDOW_SECONDS)
    worst = max((one['p99_ms'] for one in stage.load.intervals(begun)), default=0)
    stage.say(f'   Its share of requests went from {share_before:.0%} to {share:.1%}; the service\'s'
             f' p99 went up to {worst:.0f} ms and is {p99:.0f} ms now.')
    stage.hold(share < share_before / 2, f'{SLOW} gets less than half of its old share')
    stage.hold(p99 < 1.5 * SLOW_FACTOR * DELAY_MS, 'nobody waits in a queue: p99 is under '
              f'{1.5 * SLOW_FACTOR * DELAY_MS:.0f} ms')
    stage.say(f'   {SLOW} is as fast as before again; its weight comes back.')
    stage.cluster.control(SLOW, f'delay_ms={DELAY_MS}')
    stage.until(lambda: stage.weight(SLOW) > BACK * stage.median_weight(SLOW), 40,
               f'the weight of {SLOW} comes back')


def killed_backend(stage: Stage):
    """Act 2: a backend dies; traffic leaves it, its agent restarts it, slow start follows."""
    stage.say(f'\nAct 2. {KILLED} is killed (SIGKILL). The gateway tries its requests elsewhere, its'
             ' agent starts it again, and it comes back step by step.')
    begun = time.monotonic()
    stage.cluster.processes[KILLED].kill()
    stage.reach(f'{KILLED} killed: out of the table', begun, lambda table: not table[KILLED][0])
    gone = time.monotonic()
    served = stage.served(KILLED)
    stage.reach(f'{KILLED} restarted by its agent: in the table again', begun,
                lambda table: table[KILLED][0], 20, since=gone)
    lowest = stage.table.latest()[KILLED][1] / others(stage.table.latest(), KILLED)
    stage.until(lambda: stage.weight(KILLED) > BACK * stage.median_weight(KILLED), 30,
               f'{KILLED} comes back through slow start')
    stage.hold(lowest < BACK, f'{KILLED} begins below its full weight (it began at {lowest:.0%})')
    stage.until(lambda: stage.served(KILLED) > served, 10, f'{KILLED} answers requests again')


def jumped(before, tables):
    """Backends whose weight the gateway saw change by more than one bounded step at once (x1.25 up,
    x0.5 down), or fall under half of what it was."""
    names = set()
    previous = before
    for table in tables:
        for name in BACKENDS:
            old, new = previous[name][1], table[name][1]
            if not 0.49 * old <= new <= 1.26 * old or new < 0.5 * before[name][1]:
                names.add(f'{name} from {old} to {new}')
        previous = table
    return sorted(names)


def killed_controller(stage: Stage):
    """Act 3: the controller dies and returns; traffic goes on, weights do not jump."""
    stage.say('\nAct 3. The controller is killed (SIGKILL). The gateway keeps its last table.')
    before = stage.table.latest()
    answered = stage.load.total()['ok']
    killed = time.monotonic()
    stage.cluster.processes['controller'].kill()
    stage.watch(6)
    stage.hold(stage.load.total()['ok'] > answered, 'requests are answered without a controller')
    stage.say('   It starts again, continues the table and waits for fresh evidence.')
    stage.cluster.start_controller()
    begun = time.monotonic()
    stage.until(lambda: stage.controller_up and set(stage.states) == set(BACKENDS), 15,
               'the controller knows all backends again')
    stage.until(lambda: all(stage.verdict(name) == 'HEALTHY' for name in BACKENDS), 20,
               'every backend is confirmed healthy')
    stage.until(stage.gateway_connected, 10, 'the gateway is connected again')
    jumps = jumped(before, [table for at, table in stage.table.changes() if at >= killed])
    stage.hold(not jumps, f'weights do not jump at the restart (jumped: {jumps})')
    stage.say(f'   Gateway connected and all backends confirmed {time.monotonic() - begun:.1f} s after'
              ' the start.')
    stage.watch(4)
