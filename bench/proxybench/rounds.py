"""A case under load: every peer at equal offered rates, interleaved.

A round measures every peer once at every rate, in an order that rotates from round to round, so
that what else happens on the machine meets all alike. Ratios are taken within a round.
"""

import sys

from proxybench import backends, load
from proxybench.peers import Setup
from proxybench.stage import LeftOut

CALIBRATION_SECONDS = 0.8
# Rates, as shares of what the slowest peer answers in a closed loop.
SHARES = (0.2, 0.4, 0.6)
# A run that answered less than this of what was offered compares nothing.
KEPT_UP = 0.95


def say(text):
    print(text, file=sys.stderr, flush=True)


def start_peers(stage, peers, setup, cpus, common):
    """Those that can do what the setup asks, and why the others cannot."""
    running, left_out = [], {}
    for peer in peers:
        try:
            running.append(peer.start(stage, setup, cpus, common))
        except LeftOut as why:
            left_out[peer.name] = str(why)
            say(f"  {peer.name}: left out: {why}")
    return running, left_out


def rounded(rate):
    """To two digits."""
    digits = len(str(int(rate))) - 2
    return max(1, int(round(rate, -digits))) if digits > 0 else max(1, int(rate))


def calibrate(stage, case, proxies, cpus):
    """Rates that every peer can hold, from a closed loop with each; a peer that cannot be
    measured at all ends here. Returns (rates, peers that work, why others do not)."""
    slowest, working, broken = None, [], {}
    for proxy in proxies:
        try:
            sample = load.measure(stage, case, proxy, 0, CALIBRATION_SECONDS, cpus)
            if sample["failed"] > 0:
                raise load.BadRun(f"{sample['failed']} of {sample['answered']} requests failed")
        except load.BadRun as why:
            broken[proxy.name] = str(why)
            say(f"  {proxy.name}: left out: {why}")
            continue
        working.append(proxy)
        slowest = sample["rps"] if slowest is None else min(slowest, sample["rps"])
        say(f"  {proxy.name}: {sample['rps']:.0f} requests/s in a closed loop, "
            f"{sample['busy'] * 100:.0f} % busy")
    if slowest is None:
        raise LeftOut("no proxy works")
    return [rounded(slowest * share) for share in SHARES], working, broken


def rotated(items, by):
    by %= len(items)
    return items[by:] + items[:by]


def measure_rounds(stage, case, proxies, rates, options, cpus):
    """A list of rounds: {(peer, rate): sample}; rate 0 is the closed loop."""
    rounds = []
    for i in range(options.rounds):
        results = {}
        for j, rate in enumerate(list(rates) + ([] if options.quick else [0])):
            for proxy in rotated(proxies, i + j):
                results[proxy.name, rate] = load.measure(stage, case, proxy, rate,
                                                         options.seconds, cpus)
        say(f"  round {i + 1} of {options.rounds}")
        rounds.append(results)
    return rounds


def run(stage, case, peers, options, common):
    """(rates, peers measured, left out with reasons, rounds)."""
    ports, behind = backends.start(stage, common.build, common.cpus.others(), case.upstream,
                                   case.answer_bytes, case.grpc)
    setup = Setup(client=case.client, tls=case.tls, upstream=case.upstream, backends=ports)
    proxies, left_out = start_peers(stage, peers, setup, common.cpus.proxy(), common)
    try:
        rates, working, broken = calibrate(stage, case, proxies, common.cpus.others())
        left_out.update(broken)
        if options.rates:
            rates = options.rates
        elif options.quick:
            rates = rates[1:2]
        say(f"  offered: {', '.join(map(str, rates))} requests/s")
        rounds = measure_rounds(stage, case, working, rates, options, common.cpus.others())
    finally:
        stage.stop([p.process for p in proxies] + behind)
    return rates, [p.name for p in working], left_out, rounds


def kept_up(samples, rate):
    """Whether the offered rate was answered, without failures, in every round."""
    return all(s["failed"] == 0 and s["rps"] >= KEPT_UP * rate for s in samples)
