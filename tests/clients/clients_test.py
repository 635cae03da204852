#!/usr/bin/env python3
"""The gateway under clients that others wrote: clients_test.py BIN_FOLDER [curl|grpc|node...].
Exit code 1: something was wrong."""

import os
import subprocess
import sys
import time

import curl_checks
from stage import GRPC_SERVICES, HERE, NODE_SERVICES, ClusterError, Stage, host_of

PATIENCE_SECONDS = 100


def _run(argv):
    """Runs a client that prints its checks; what was wrong."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        return [f'{argv[0]} did not end: {error.stdout}']
    good = [line for line in done.stdout.splitlines() if line.startswith('ok ')]
    print(f'{os.path.basename(argv[0])}: {len(good)} checks held')
    if done.returncode == 0 and good:
        return []
    return [line for line in done.stdout.splitlines() if not line.startswith('ok ')] + [
        f'{argv[0]} ended with {done.returncode}: {done.stderr[-2000:]}']


def curl(stage):
    return curl_checks.run(stage)


def grpc(stage):
    wrong = []
    for service in GRPC_SERVICES:
        argv = [stage.program('pm-grpc-peer'), 'check', '--authority', host_of(service)]
        wrong += _run(argv + ['--target', stage.addresses['http']])
        wrong += _run(argv + ['--target', stage.addresses['https'], '--ca', stage.authority])
    return wrong


def node(stage):
    return _run(['node', os.path.join(HERE, 'node_client.js'),
                 '--plain', stage.addresses['http'], '--tls', stage.addresses['https'],
                 '--hosts', ','.join(host_of(one) for one in NODE_SERVICES)])


CLIENTS = {'curl': curl, 'grpc': grpc, 'node': node}


def run(bin_folder, name):
    """True when nothing was wrong."""
    begun = time.monotonic()
    with Stage(bin_folder) as stage:
        try:
            stage.begin()
            wrong = CLIENTS[name](stage)
            if not stage.processes['gateway'].alive():
                wrong.append('the gateway has ended')
            elif not wrong and stage.processes['gateway'].stop() != 0:
                wrong.append('the gateway ended badly')
        except ClusterError as error:
            wrong = [str(error)]
        for line in wrong:
            print(f'{name}: WRONG: {line}')
        if wrong and 'gateway' in stage.processes:
            print(stage.processes['gateway'].log_end())
    print(f'{name}: {len(wrong)} wrong ({time.monotonic() - begun:.1f} s)')
    return not wrong


def main():
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(CLIENTS):
        print(__doc__, file=sys.stderr)
        return 2
    held = [run(sys.argv[1], name) for name in sys.argv[2:] or CLIENTS]
    return 0 if all(held) else 1


if __name__ == '__main__':
    sys.exit(main())
