"""The scenarios. Each takes a World that has not begun and returns what it saw, in words."""

import json
import os
import shutil
import signal
import subprocess
import time

from h2_load import H2Load
from post_load import PostLoad
from world import BACKENDS, CONFIG, REQUESTS, ClusterError, TableWatch, check, wait_until

VICTIM = BACKENDS[0]
OTHERS = BACKENDS[1:]
# Longer than a try may take (world.CONFIG), shorter than clients wait and a session's lease.
STOPPED_SECONDS = 3


def _requests_after(world, load, backend, count=20):
    """Until `backend` has answered `count` requests from now on."""
    since = load.latest()['now']
    wait_until(lambda: sum(one['backends'].get(backend, {}).get('ok', 0)
                           for one in load.intervals(since)) >= count,
               30, f'{backend} to answer {count} requests')


def backend_sigkill(world):
    """A backend dies: traffic leaves it, its agent starts it again, traffic returns."""
    world.begin()
    load = world.load()
    _requests_after(world, load, VICTIM)
    pid = world.backend_pid(VICTIM)
    world.processes[VICTIM].kill()
    killed = load.latest()['now']
    wait_until(lambda: world.backend_pid(VICTIM) != pid, 30, 'the agent to start the backend again')
    world.wait_verdict([VICTIM], 'HEALTHY')
    _requests_after(world, load, VICTIM)
    load.wait_for_requests(REQUESTS)
    world.finish(load)
    restarts = world.endpoints()[VICTIM].get('restarts')
    check(int(restarts) == 1, f'restarts reported: {restarts}')
    return f'killed at {killed:.3f}, restarted once by its agent, back in traffic'


def backend_sigstop(world):
    """A backend accepts and never answers: tries time out and go elsewhere, then it is left."""
    world.begin(restart=False)
    load = world.load()
    _requests_after(world, load, VICTIM)
    world.processes[VICTIM].signal(signal.SIGSTOP)
    world.wait_verdict([VICTIM], 'UNHEALTHY')
    load.wait_for_requests(REQUESTS)
    world.processes[VICTIM].signal(signal.SIGCONT)
    world.wait_verdict([VICTIM], 'HEALTHY')
    _requests_after(world, load, VICTIM)
    summary = world.finish(load)
    return f"stopped and continued; the longest request took {summary['max_ms']:.0f} ms"


def gateway_sigstop(world):
    """The gateway stands still for seconds under load, and goes on: nobody was left without an answer.

    Each answer takes longer than the gateway needs to be stopped, so that many are under way and
    come while it stands. Their tries are long over by then; what came is looked at first all the
    same: nothing is taken for a time-out, no endpoint gets a bad name, and POSTs, which nobody could
    send again, are answered too.
    """
    world.begin()
    for name in BACKENDS:
        world.control(name, 'delay_ms=150')
    load = world.load()
    h2 = H2Load(world.gateway_address())
    posts = PostLoad(world.gateway_address(), 'web', connections=16)
    wait_until(lambda: h2.ok > 50 and posts.ok > 50, 30, 'all clients to be answered')
    world.processes['gateway'].signal(signal.SIGSTOP)
    time.sleep(STOPPED_SECONDS)
    # What comes all at once afterwards is answered well within what a try may take.
    for name in BACKENDS:
        world.control(name, 'delay_ms=5')
    world.processes['gateway'].signal(signal.SIGCONT)
    load.wait_for_requests(REQUESTS)
    check(world.processes['gateway'].alive(), 'the gateway did not live on')
    retries = world.gateway_metric('pointsman_gateway_retries_total')
    check(retries == 0, f'{retries:.0f} tries were given up although their answers had come')
    wait_until(lambda: load.total()['sent'] - load.total()['ok'] < 20, 30,
               'what was to be sent meanwhile to be answered')
    failures = h2.finish() + posts.finish()
    check(not failures, f'{h2.ok} over HTTP/2 and {posts.ok} POSTs, not so: {failures[:5]}')
    summary = world.finish(load)
    check(summary['max_ms'] > 500 * STOPPED_SECONDS, 'no client waited: it was never stopped')
    return (f"the longest request took {summary['max_ms']:.0f} ms; {h2.ok} over HTTP/2 and "
            f'{posts.ok} POSTs beside')


def agent_sighup(world):
    """An agent reads its file again: a bad one changes nothing, a good one adds and takes away."""
    world.begin()
    load = world.load()
    agent = world.processes['agent-' + VICTIM]
    file = world.path('agent-' + VICTIM + '.yaml')
    with open(file, encoding='utf-8') as source:
        config = json.load(source)
    with open(file, 'w', encoding='utf-8') as out:
        out.write('instances: [{service: web, no_such_field: 1}]\n')
    agent.signal(signal.SIGHUP)
    wait_until(lambda: 'config.refused' in agent.log_end(1000), 30, 'the bad file to be refused')
    check(world.endpoints()[VICTIM].get('routable'), 'a bad file took the endpoint away')
    config['instances'].append({**config['instances'][0], 'id': 'second-name'})
    with open(file, 'w', encoding='utf-8') as out:
        json.dump(config, out)
    agent.signal(signal.SIGHUP)
    world.wait_verdict(['second-name'], 'HEALTHY')
    del config['instances'][1]
    with open(file, 'w', encoding='utf-8') as out:
        json.dump(config, out)
    agent.signal(signal.SIGHUP)
    wait_until(lambda: 'second-name' not in world.endpoints(), 30, 'the second endpoint to leave')
    load.wait_for_requests(REQUESTS)
    world.finish(load)
    return 'refused a bad file, then added and took away an endpoint'


def agent_sigkill(world):
    """An agent dies: its service lives on and keeps its traffic; the agent returns."""
    world.begin()
    load = world.load()
    agent = 'agent-' + VICTIM
    world.processes[agent].kill()

    def silent():
        agents = {one['name']: one for one in world.listed('agents')}
        return not agents.get('agents/' + agent, {}).get('connected', False)
    wait_until(silent, 30, 'the controller to see that the agent is gone')
    check(world.processes[VICTIM].alive(), 'the backend died with its agent')
    # Longer than silent_after (2 s): the silence itself has become evidence by then.
    load.wait_for_requests(4 * REQUESTS)
    check(world.endpoints()[VICTIM].get('routable'), 'silence alone took the endpoint away')
    _requests_after(world, load, VICTIM)
    world.start_agent(VICTIM)
    wait_until(lambda: not silent(), 30, 'the agent to be connected again')
    world.wait_verdict([VICTIM], 'HEALTHY')
    load.wait_for_requests(REQUESTS)
    world.finish(load)
    return 'service kept its traffic without its agent'


def _all_connected(world):
    agents = world.listed('agents')
    return len(agents) == len(BACKENDS) and all(one.get('connected') for one in agents)


def controller_sigkill(world):
    """The controller dies after a backend came back: traffic goes on and no weight jumps.

    The controller saves its weights every 10 s. A backend is killed just before that, so that what
    is saved is its weight in slow start, while the gateway holds its full one by the time the
    controller dies: the newer table must win.
    """
    world.config(CONFIG.replace('slow_start: 1s', 'slow_start: 4s'))
    world.begin()
    load = world.load()
    watch = TableWatch(world.processes['gateway'].ready['admin'])
    wait_until(lambda: VICTIM in watch.latest(), 20, 'the table to be read')
    wait_until(lambda: _uptime(world) > 8.3, 20, 'the controller to come close to saving')
    world.processes[VICTIM].kill()
    wait_until(lambda: not watch.latest()[VICTIM][0], 20, 'the table to leave the backend out')
    wait_until(lambda: watch.latest()[VICTIM][0], 20, 'the table to take the backend in')
    wait_until(lambda: _near_others(watch.latest(), VICTIM), 40, 'slow start to end')
    killed = time.monotonic()
    before = watch.latest()
    world.processes['controller'].kill()
    load.wait_for_requests(2 * REQUESTS)
    world.start_controller()
    wait_until(lambda: _all_connected(world), 30, 'all agents to be connected again')
    world.wait_verdict(BACKENDS, 'HEALTHY')
    world.wait_routable()
    load.wait_for_requests(2 * REQUESTS)
    world.finish(load)
    watch.stop()
    jumps = _jumps([before] + [table for at, table in watch.changes() if at > killed])
    check(not jumps, f'weights of the gateway jumped: {jumps}')
    return f'{len(watch.changes())} tables, none with a jump'


def _uptime(world):
    return float(json.loads(world.cli('status', '-o', 'json'))['uptime'].rstrip('s'))


def _near_others(table, name):
    weights = sorted(weight for other, (_, weight) in table.items() if other != name)
    return table[name][1] >= 0.85 * weights[len(weights) // 2]


def _jumps(tables):
    """(endpoint, before, after) of each change of weight beyond one bounded step: x0.5 to x1.25."""
    found = []
    for old, new in zip(tables, tables[1:]):
        for name in old.keys() | new.keys():
            before, after = old.get(name, (False, 0))[1], new.get(name, (False, 0))[1]
            if not 0.49 * before <= after <= 1.26 * before:
                found.append((name, before, after))
    return found


def controller_database_deleted(world):
    """The controller dies and its database with it: gateways are not stranded by a new store."""
    world.begin()
    load = world.load()
    store = json.loads(world.cli('status', '-o', 'json'))
    world.processes['controller'].kill()
    shutil.rmtree(world.path('controller'))
    load.wait_for_requests(REQUESTS)
    world.start_controller()
    wait_until(lambda: _all_connected(world), 30, 'all agents to be connected again')
    world.wait_verdict(BACKENDS, 'HEALTHY')
    world.wait_routable()
    # The gateway takes changes from the new store: a drained endpoint gets nothing more.
    world.cli('drain', f'web/{VICTIM}')
    _no_requests(load, VICTIM)
    load.wait_for_requests(REQUESTS)
    world.finish(load)
    after = json.loads(world.cli('status', '-o', 'json'))
    check(after['store_id'] != store['store_id'], 'the store kept its identity')
    check(int(after['epoch']) > int(store['epoch']),
          f"epoch {after['epoch']} after {store['epoch']}")
    return f"store {store['store_id']} became {after['store_id']}, epoch {after['epoch']}"


def _no_requests(load, backend):
    """Until two whole intervals passed in which `backend` answered nothing."""
    def quiet():
        last = load.intervals(load.latest()['now'] - 1.0)[-2:]
        return len(last) == 2 and all(backend not in one['backends'] for one in last)
    wait_until(quiet, 30, f'{backend} to get no more requests')


def gateway_restart_without_controller(world):
    """No controller, and the gateway restarts: it serves the last good table from disk.

    Requests that are refused while no gateway listens cannot be the gateway's to answer: each load
    starts when the gateway says that it is ready, and the first ends before it goes down.
    """
    world.begin()
    load = world.load()
    for name in OTHERS:
        _requests_after(world, load, name)
    world.processes['controller'].kill()
    # Tables are saved every few seconds; now that nothing changes any more, the last one is.
    wait_until(lambda: world.gateway_metric('pointsman_gateway_snapshot_pending') == 0, 30,
               'the gateway to save its table')
    codes = []
    for how in ('kill', 'stop'):
        world.finish(load)
        codes.append(getattr(world.processes['gateway'], how)())
        world.start_gateway()
        load = world.load()
        for name in BACKENDS:
            _requests_after(world, load, name)
    world.finish(load)
    check(codes[1] == 0, f'exit code {codes[1]} of the gateway after SIGTERM')
    return 'after SIGKILL and after SIGTERM it served all five backends from its snapshot'


def store_failing(world):
    """Every write of the store fails: verdicts still reach gateways, configuration is refused."""
    fault = world.path('fault')
    world.begin(controller_options=['--store-fault-file', fault])
    load = world.load()
    with open(fault, 'w', encoding='utf-8'):
        pass
    refused = subprocess.run(
        [world.program('pointsman'), '--controller', world.controller_address(), 'drain',
         f'web/{OTHERS[0]}'], capture_output=True, text=True, timeout=30, check=False)
    check(refused.returncode != 0, 'a drain was accepted by a store that does not take writes')
    pid = world.backend_pid(VICTIM)
    world.processes[VICTIM].kill()
    wait_until(lambda: world.backend_pid(VICTIM) != pid, 30, 'the agent to start the backend again')
    world.wait_verdict([VICTIM], 'HEALTHY')
    _requests_after(world, load, VICTIM)
    os.unlink(fault)
    world.cli('drain', f'web/{OTHERS[0]}')
    _no_requests(load, OTHERS[0])
    world.finish(load)
    return f'drain refused while it failed ("{refused.stderr.strip()[:100]}"), taken afterwards'


def table_update_every_10_ms(world):
    """The table changes all the time: a weight is pinned anew every 10 ms."""
    world.begin()
    load = world.load()
    churn = subprocess.run(
        [world.program('pm-table-churn'), '--controller', world.controller_address(),
         '--service', 'web', '--endpoints', ','.join(BACKENDS), '--period-ms', '10',
         '--updates', '400'], capture_output=True, text=True, timeout=60, check=False)
    check(churn.returncode == 0, f'pm-table-churn: {churn.stderr}')
    done = json.loads(churn.stdout)
    world.wait_routable()
    load.wait_for_requests(REQUESTS)
    world.finish(load)
    return (f"{done['updates']} updates in {done['seconds']:.2f} s, one each "
            f"{1000 * done['seconds'] / done['updates']:.1f} ms")


def _avoidance_logged(world):
    lines = world.processes['gateway'].log_end(1000).splitlines()
    return [line for line in lines if 'gateway.endpoint_avoided ' in line
            and f'endpoint={VICTIM} ' in line and 'reason=no_answer' in line]


def scale_in_without_drain(world):
    """A host vanishes, backend and agent at once, and nobody drained it.

    The gateway avoids it at once by itself, and says so once in its log.
    """
    world.begin()
    load = world.load()
    _requests_after(world, load, VICTIM)
    world.processes['agent-' + VICTIM].kill()
    world.processes[VICTIM].kill()
    _no_requests(load, VICTIM)
    wait_until(lambda: _avoidance_logged(world), 10, 'the gateway to log that it avoids it')
    wait_until(lambda: VICTIM not in world.endpoints(), 60, 'the endpoint to be deregistered')
    load.wait_for_requests(REQUESTS)
    world.finish(load)
    check(len(_avoidance_logged(world)) == 1, f'logged more than once: {_avoidance_logged(world)}')
    return 'left all counts after its deregistration time'


def _upgraded(world, how):
    """Replaces the gateway's process, and waits until the old one has ended by itself."""
    gateway = world.processes['gateway']
    with open(gateway.ready_path, encoding='utf-8') as file:
        old = json.load(file)['pid']
    how(old)

    def new_pid():
        with open(gateway.ready_path, encoding='utf-8') as file:
            pid = json.load(file)['pid']
        return pid if pid != old else None
    pid = wait_until(new_pid, 30, 'a new gateway process to serve')

    def gone():
        try:
            return os.waitpid(old, os.WNOHANG)[0] == old
        except ChildProcessError:
            return True
    wait_until(gone, 30, f'gateway process {old} to drain and end')
    return pid


def gateway_upgrade(world):
    """New gateway processes take over under HTTP/1, HTTP/2 and POST; one that cannot changes nothing."""
    program = world.replaceable('pointsman-gateway')
    good = program + '.good'
    shutil.copy(program, good)
    world.begin()
    load = world.load()
    h2 = H2Load(world.gateway_address())
    posts = PostLoad(world.gateway_address(), 'web')
    admin = world.processes['gateway'].ready['admin']

    with open(program + '.bad', 'w', encoding='utf-8') as file:
        file.write('#!/bin/sh\nexit 7\n')
    os.chmod(program + '.bad', 0o755)
    os.replace(program + '.bad', program)
    try:
        world.cli('gateway', 'upgrade', '--admin', admin)
        check(False, 'an upgrade to a program that ends at once was said to have gone well')
    except ClusterError as error:
        check('goes on' in str(error), f'the failed upgrade says: {error}')
    load.wait_for_requests(REQUESTS)
    check(h2.told == posts.told == 0, 'a failed upgrade sent clients away')

    pids = []
    for how in (lambda _: world.cli('gateway', 'upgrade', '--admin', admin),
                lambda pid: os.kill(pid, signal.SIGUSR2)):
        shutil.copy(good, program + '.new')
        os.replace(program + '.new', program)
        told = h2.told, posts.told
        pids.append(_upgraded(world, how))
        load.wait_for_requests(REQUESTS)
        check(h2.told > told[0], 'no HTTP/2 client was told to go')
        check(posts.told > told[1], 'no HTTP/1 client was told to close')
    world.wait_routable()
    world.finish(load)
    failures = h2.finish()
    check(not failures and h2.ok > REQUESTS, f'HTTP/2: {h2.ok} went well, not so: {failures[:5]}')
    failures = posts.finish()
    check(not failures and posts.ok > REQUESTS, f'POST: {posts.ok} went well, not so: {failures[:5]}')
    return (f'processes {pids} took over one after the other; {h2.ok} requests over HTTP/2 and '
            f'{posts.ok} of POST beside')


ALL = [backend_sigkill, backend_sigstop, gateway_sigstop, agent_sigkill, agent_sighup,
       controller_sigkill, controller_database_deleted, gateway_restart_without_controller,
       store_failing, table_update_every_10_ms, scale_in_without_drain, gateway_upgrade]
