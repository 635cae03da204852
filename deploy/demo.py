#!/usr/bin/env python3
"""The demo: a real cluster on this host and three acts. Started by demo.sh with the folder of the
programs; options as there."""

import os
import signal
import sys
import time

import demo_acts
from demo_screen import Screen
from demo_stage import BACKENDS, DELAY_MS, RPS, SLOTS, Stage
from local_cluster import Cluster, ClusterError

CONFIG = """
services:
- name: web
  checks:
  - name: http
    http: {path: /healthz}
    interval: 0.5s
    timeout: 0.3s
    rise: 2
    fall: 2
  weights: {signal: LOAD_SIGNAL_IN_FLIGHT, slow_start: 4s}
  retries: {per_try_timeout: 1s}
routes:
- name: everything
  service: web
"""


# Ctrl-C, an orderly end, the end of the terminal.
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def raise_the_curtain(cluster, screen):
    """Starts everything; the load runs when this returns."""
    screen.say('Starting a controller (SQLite in a temporary folder), five backends with an agent'
               ' each, a gateway.')
    cluster.start_controller()
    for name in BACKENDS:
        cluster.start_backend(name, ['--delay-ms', str(DELAY_MS), '--concurrency', str(SLOTS)])
        cluster.start_agent(name)
    cluster.start_gateway()
    cluster.wait_verdict(BACKENDS, 'HEALTHY')
    screen.say(f'Sending {RPS} requests a second to http://{cluster.gateway_address()}/')
    return cluster.start_load(RPS, ['--connections', '128', '--timeout-ms', '5000'])


def summarise(stage, summary):
    """Prints the end; true when every bar held."""
    screen = stage.screen
    if summary['failed'] > 0:
        stage.missed.append(f"no request fails ({summary['failed']} did: {summary['failures']})")
    screen.say('\n' + screen.paint('Summary', 'title'))
    in_flight = summary['sent'] - summary['ok'] - summary['failed']
    screen.say(f"   requests sent {summary['sent']}, answered {summary['ok']}, "
               f"failed {summary['failed']}"
               f"{f', in flight {in_flight}' if in_flight else ''}, p50 {summary['p50_ms']:.1f} ms, "
               f"p99 {summary['p99_ms']:.1f} ms")
    screen.say('   time each change took to reach the gateway:')
    for what, seconds in stage.reached:
        screen.say(f'     {what:52} {seconds * 1000:8.0f} ms')
    for missed in stage.missed:
        screen.say('   ' + screen.paint('MISSED', 'bad') + f' {missed}')
    if not stage.missed:
        screen.say('   ' + screen.paint('every bar held', 'good'))
    return not stage.missed


def keep_running(stage):
    """What to try next; until Ctrl-C."""
    cluster = stage.cluster
    cli = f"{os.path.relpath(cluster.program('pointsman'))}"
    backend = cluster.processes[BACKENDS[0]].ready['listen']
    stage.screen.say(f"""
Everything goes on running until Ctrl-C. In another terminal:
   export POINTSMAN_CONTROLLER={cluster.controller_address()}
   {cli} get endpoints
   {cli} explain endpoint web/{BACKENDS[0]}
   {cli} watch endpoints
   {cli} drain web/{BACKENDS[0]}      and undrain
   {cli} get events
   curl -si http://{cluster.gateway_address()}/
   curl -X POST 'http://{backend}/_control?fail=0.5'     half of its answers become errors
   curl http://{cluster.processes['gateway'].ready['admin']}/metrics
""")
    while True:
        stage.look()
        time.sleep(0.1)


def play(cluster, options):
    screen = Screen(plain='--check' in options)
    load = raise_the_curtain(cluster, screen)
    stage = Stage(cluster, screen, load, short='--check' in options)
    stage.watch(6)
    for act in (demo_acts.slow_backend, demo_acts.killed_backend, demo_acts.killed_controller):
        act(stage)
    if '--keep' in options:
        summarise(stage, {**load.intervals()[-1], **load.total(), 'failures': 'see above'})
        keep_running(stage)
    return 0 if summarise(stage, load.stop()) else 1


def interrupt(*_):
    """The first one unwinds, so that the cluster is taken down; nothing disturbs that."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    bin_folder, options = sys.argv[1], sys.argv[2:]
    for ending in ENDINGS:
        signal.signal(ending, interrupt)
    try:
        with Cluster(bin_folder, CONFIG) as cluster:
            return play(cluster, options)
    except KeyboardInterrupt:
        print('\ndemo: ended; no process and no file is left')
        return 130
    except ClusterError as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
