"""Tables for people and JSON lines for scripts."""

import json
import statistics

from proxybench import rounds as rounds_of
from proxybench import stats

OURS = "pointsman"
BUSY = 0.95
# User and system time are told apart by clock ticks: fewer than this say nothing.
TICKS_MIN = 200
# An aim is judged by no fewer.
ROUNDS_MIN = 10
HEAD = (f"  {'proxy':10} {'CPU us':>8} {'user':>7} {'system':>7} {'machine':>8} {'p50 us':>8} "
        f"{'p99 us':>8} {'busy':>5}   pointsman / this one (95 %)")


class Lines:
    """JSON lines: kept for the end, and written to a file at once when one is given."""

    def __init__(self, path):
        self.kept = []
        self.file = open(path, "a", encoding="utf-8") if path else None

    def add(self, keep=True, **fields):
        line = json.dumps({"bench": "proxy", **fields})
        if keep:
            self.kept.append(line)
        if self.file:
            print(line, file=self.file, flush=True)


def _median(samples, key):
    return statistics.median(s[key] for s in samples)


def _mean(samples, key):
    return statistics.fmean(s[key] for s in samples)


def _compared(rounds, rate, peer):
    """Ratio of ours to the peer's CPU at a rate with its interval; None: not comparable."""
    if (OURS, rate) not in rounds[0]:
        return None
    ours = [r[OURS, rate] for r in rounds]
    theirs = [r[peer, rate] for r in rounds]
    if not (rounds_of.kept_up(ours, rate) and rounds_of.kept_up(theirs, rate)):
        return None
    return stats.ratio_interval([s["cpu_us"] for s in ours], [s["cpu_us"] for s in theirs])


def print_rate(name, rate, peers, rounds, lines):
    """One table; the ratios by peer."""
    ratios = {}
    print(f"\n  {rate} requests/s offered\n{HEAD}")
    for peer in peers:
        samples = [r[peer, rate] for r in rounds]
        failed = sum(s["failed"] for s in samples)
        line = {key: _median(samples, key) for key in ("cpu_us", "machine_us", "p50_us", "p99_us",
                                                       "busy", "rps")}
        # Means: ticks are too coarse for a median of shares.
        line.update({key: _mean(samples, key) for key in ("user_us", "system_us")},
                    stolen=_mean(samples, "stolen"), failed=failed, rounds=len(rounds))
        note = "" if rounds_of.kept_up(samples, rate) else f"did not keep up, {failed} failed"
        if peer != OURS:
            ratio = _compared(rounds, rate, peer)
            ratios[peer] = ratio
            if ratio:
                line.update(zip(("ratio", "ratio_low", "ratio_high"), ratio))
                note = "%.3f (%.3f to %.3f)" % ratio
        print(f"  {peer:10} {line['cpu_us']:8.2f} {line['user_us']:7.2f} {line['system_us']:7.2f} "
              f"{line['machine_us']:8.1f} {line['p50_us']:8.0f} {line['p99_us']:8.0f} "
              f"{line['busy'] * 100:4.0f}%   {note}")
        lines.add(kind="cost", case=name, rate=rate, peer=peer, **line)
    return ratios


def _print_closed_loop(case, peers, rounds, lines):
    print("\n  closed loop, requests/s (only where the proxy was at least 95 % busy)")
    for peer in peers:
        samples = [r[peer, 0] for r in rounds]
        busy, rps = _median(samples, "busy"), _median(samples, "rps")
        shown = f"{rps:.0f}" if busy >= BUSY else f"- ({busy * 100:.0f} % busy)"
        print(f"  {peer:10} {shown}")
        lines.add(kind="closed_loop", case=case.name, peer=peer, busy=busy,
                  rps=rps if busy >= BUSY else None)


def verdict(intervals, limit, rounds):
    """Met: every interval clears the limit; missed: one lies beyond it; else not decided."""
    if rounds < ROUNDS_MIN:
        return f"undecided: fewer than {ROUNDS_MIN} rounds"
    if all(high <= limit for _, _, high in intervals):
        return "met"
    if any(low > limit for _, low, _ in intervals):
        return "missed"
    return "undecided: the interval does not clear it"


def judge(aim, rates, rounds, ratios):
    """(verdict, what was found)."""
    if aim.against == "user":
        if min(sum(r[OURS, rate]["ticks"] for r in rounds) for rate in rates) < TICKS_MIN:
            return "undecided: too few ticks to tell user from system time", "-"
        found = [stats.mean_interval([r[OURS, rate]["user_us"] for r in rounds]) for rate in rates]
    else:
        names = [aim.against]
        if aim.against == "best":
            names = [name for name in ratios[rates[0]] if name != "relay"]
        found = [ratios[rate].get(name) for rate in rates for name in names]
        if not found or any(ratio is None for ratio in found):
            return "undecided: not comparable at every rate", "-"
    worst = max(found, key=lambda ratio: ratio[2])
    return verdict(found, aim.limit, len(rounds)), "%.3f (%.3f to %.3f)" % worst


def add_samples(name, rounds, lines):
    for i, one in enumerate(rounds):
        for sample in one.values():
            lines.add(keep=False, kind="sample", case=name, round=i, **sample)


def print_case(case, rates, peers, left_out, rounds, lines):
    print(f"\n{case.name}: {case.client}{' over TLS' if case.tls else ''} to {case.upstream}, "
          f"{case.connections} connections x {case.streams}, request body {case.request_bytes}, "
          f"answer {case.answer_bytes} bytes, {len(rounds)} rounds")
    for name, why in left_out.items():
        print(f"  {name}: left out: {why}")
        lines.add(kind="left_out", case=case.name, peer=name, why=why)
    add_samples(case.name, rounds, lines)
    ratios = {rate: print_rate(case.name, rate, peers, rounds, lines) for rate in rates}
    if (peers[0], 0) in rounds[0]:
        _print_closed_loop(case, peers, rounds, lines)
    if OURS in peers:
        for aim in case.aims:
            print_aim(case.name, aim.text(), *judge(aim, rates, rounds, ratios), lines)


def print_aim(case, aim, judged, found, lines):
    print(f"  aim: {aim}: {found}: {judged}")
    lines.add(kind="aim", case=case, aim=aim, found=found, verdict=judged)
