"""A table of 10,000 services and 100,000 endpoints in one gateway: applied whole, changed by one
endpoint, and changed 100 times a second under load."""

import json
import subprocess

from proxybench import backends, cases, report, stats
from proxybench.stage import LeftOut, cpu_list

APPLY_MS = 1000.0
DELTA_MS = 1.0
# Of the p99 without changes: what counts as unchanged.
UNCHANGED = 1.1


def _say(found, pairs, lines):
    still, changing = found["still_p99_ms"], found["changing_p99_ms"]
    ratio = stats.ratio_interval(changing, still)
    print(f"\ntable: {found['services']} services, {found['endpoints']} endpoints, one worker; from "
          "the controller's bytes until the worker runs them")
    print(f"  applied whole: {found['apply_ms']:.0f} ms; one endpoint: p50 "
          f"{found['delta_p50_ms']:.3f}, p99 {found['delta_p99_ms']:.3f}, max "
          f"{found['delta_max_ms']:.3f} ms")
    print(f"  p99 of requests, ms: {stats.mean_interval(still)[0]:.2f} without changes, "
          f"{stats.mean_interval(changing)[0]:.2f} with 100 a second ({found['changes']} in all), "
          f"{pairs} pairs, {found['failed']} failed")
    lines.add(kind="table", ratio=ratio, **found)
    applied = "met" if found["apply_ms"] <= APPLY_MS else "missed"
    report.print_aim("table", f"applied whole in {APPLY_MS:g} ms", applied,
                     f"{found['apply_ms']:.0f} ms", lines)
    changed = "met" if found["delta_p99_ms"] <= DELTA_MS else "missed"
    report.print_aim("table", f"one endpoint in {DELTA_MS:g} ms (p99)", changed,
                     f"{found['delta_p99_ms']:.3f} ms", lines)
    report.print_aim("table", f"p99 with changes at most {UNCHANGED:g} of without",
                     report.verdict([ratio], UNCHANGED, pairs), "%.3f (%.3f to %.3f)" % ratio,
                     lines)


def run(stage, _case, _peers, options, common, lines):
    ports, behind = backends.start(stage, common.build, common.cpus.others(), "h1", cases.SMALL)
    argv = ["taskset", "-c", cpu_list(common.cpus.all), str(common.build / "bin/pm-bench-table"),
            "--backend", f"127.0.0.1:{ports[0]}", "--pairs", str(options.rounds), "--seconds",
            str(options.seconds), "--deltas", "200" if options.quick else "2000"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False,
                          timeout=120 + 4 * options.rounds * options.seconds)
    stage.stop(behind)
    if done.returncode != 0:
        raise LeftOut(f"pm-bench-table: {done.stderr}")
    _say(json.loads(done.stdout), options.rounds, lines)
