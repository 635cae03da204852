#!/usr/bin/env python3
"""Runs scenarios: e2e_test.py BIN_FOLDER [NAME...]. Exit code 1: one missed its bar."""

import sys
import time

from world import BarMissed, ClusterError, World
import scenarios


def run(bin_folder, scenario):
    """True when the bar held; prints the counts either way."""
    begun = time.monotonic()
    name = scenario.__name__
    with World(bin_folder) as world:
        try:
            seen = scenario(world)
            counts = world.hold_bar()
        except (BarMissed, ClusterError) as error:
            print(f'{name}: MISSED: {error}')
            for load in world.loads:
                print(f'  load: {load.total()}')
            for process in world.processes.values():
                print(f'--- {process.name}\n{process.log_end()}')
            return False
    print(f'{name}: {counts}; {seen} ({time.monotonic() - begun:.1f} s)')
    return True


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    known = {scenario.__name__: scenario for scenario in scenarios.ALL}
    names = sys.argv[2:] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f'unknown: {unknown}; known: {list(known)}', file=sys.stderr)
        return 2
    held = [run(sys.argv[1], known[name]) for name in names]
    return 0 if all(held) else 1


if __name__ == '__main__':
    sys.exit(main())
