"""Command line: rounds of all policies in turn, a table, one line of JSON."""

import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import sys

from livebalance.crowd import Crowd
from livebalance.stage import BACKENDS, BURN_MICROS, CROWDED, OURS, POLICIES, SAMPLE_SECONDS, Stage
from proxybench.stats import ratio_interval

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"


def options():
    parser = argparse.ArgumentParser(
        prog="bench/live_balance.sh",
        description="Three backends, one of them beside processes that burn its CPU.")
    parser.add_argument("--build", type=pathlib.Path, default=BUILD, help="build folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--settle", type=float, default=20, help="seconds of load not counted")
    parser.add_argument("--seconds", type=float, default=20, help="counted, for each policy")
    parser.add_argument("--rps", type=float, default=180)
    parser.add_argument("--crowd", type=int, default=4, help="processes beside " + CROWDED)
    parser.add_argument("--signal", default="LOAD_SIGNAL_MAX", help="what load is to ours")
    wanted = parser.parse_args()
    if min(wanted.settle, wanted.seconds) < 2 * SAMPLE_SECONDS:
        parser.error(f"--settle and --seconds: at least {2 * SAMPLE_SECONDS:.0f}")
    return wanted


def measure(stage, policy, wanted):
    """One policy's figures in one round; its first seconds are not counted."""
    stage.offer(policy, wanted.rps, wanted.settle)
    load, utilisation = stage.offer(policy, wanted.rps, wanted.seconds)
    total = sum(one["ok"] for one in load["backends"].values())
    return {
        "policy": policy, "requests": load["sent"], "failed": load["failed"],
        "p50_ms": load["p50_ms"], "p99_ms": load["p99_ms"], "max_ms": load["max_ms"],
        "utilisation": utilisation,
        "max_over_mean": max(utilisation.values()) / statistics.fmean(utilisation.values()),
        "share": {name: load["backends"].get(name, {}).get("ok", 0) / total for name in BACKENDS},
    }


def rows(results, policy):
    return [one for one in results if one["policy"] == policy]


def median(results, key):
    return statistics.median(one[key] for one in results)


def print_table(results):
    print(f"{'':20} {'requests':>9} {'failed':>7} {'p50 ms':>8} {'p99 ms':>9} {'max/mean':>9}"
          f"  utilisation of {', '.join(BACKENDS)}")
    for policy in POLICIES:
        mine = rows(results, policy)
        busy = "  ".join(f"{statistics.median(one['utilisation'][name] for one in mine):.2f}"
                         for name in BACKENDS)
        print(f"{policy:20} {sum(one['requests'] for one in mine):9} "
              f"{sum(one['failed'] for one in mine):7} {median(mine, 'p50_ms'):8.1f} "
              f"{median(mine, 'p99_ms'):9.1f} {median(mine, 'max_over_mean'):9.2f}  {busy}")
    if len(rows(results, OURS)) < 2:
        return
    print("\nours / theirs, in pairs (95 %)")
    for policy in POLICIES:
        if policy == OURS:
            continue
        for key in ("p99_ms", "max_over_mean"):
            ratio = ratio_interval([one[key] for one in rows(results, OURS)],
                                   [one[key] for one in rows(results, policy)])
            print(f"  {policy:20} {key:14} {ratio[0]:.3f} ({ratio[1]:.3f} to {ratio[2]:.3f})")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    wanted = options()
    version = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True).stdout
    print(version.splitlines()[0])
    print(f"{len(BACKENDS)} backends of one slot, {BURN_MICROS / 1000:.0f} ms of CPU a request, "
          f"{wanted.rps:.0f} requests/s; {wanted.crowd} processes burn beside {CROWDED}\n")
    results = []
    with Stage(wanted.build / "bin", wanted.signal) as stage, \
            Crowd(wanted.crowd, stage.crowded_cpu):
        for number in range(wanted.rounds):
            turn = number % len(POLICIES)
            for policy in POLICIES[turn:] + POLICIES[:turn]:
                print(f"round {number + 1} of {wanted.rounds}: {policy}", file=sys.stderr)
                results.append(measure(stage, policy, wanted))
    print_table(results)
    print(json.dumps({"bench": "live_balance", "rps": wanted.rps, "signal": wanted.signal,
                      "results": results}))


if __name__ == "__main__":
    main()
