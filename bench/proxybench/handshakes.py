"""TLS handshakes: what a connection costs that is opened, asks once and is closed; full ones and
resumed ones, with one worker and with two."""

import json
import subprocess

from proxybench import backends, cases, load, procfs, report, rounds, stats
from proxybench.peers import Setup
from proxybench.stage import LeftOut, cpu_list

BEST = cases.Aim("best", 1.0)
# CPU of a handshake with two workers, of that with one: no lock is shared.
TWO_OF_ONE = 1.1
WORKERS = (1, 2)
CONNECTIONS = 32


def measure(case, proxy, rate, seconds, common):
    """One run; the whole of it is counted, since opening connections is what is measured."""
    workers = proxy.setup.workers
    argv = ["taskset", "-c", cpu_list(common.cpus.others(workers)),
            str(common.build / "bin/pm-tls-load"), "--target", f"127.0.0.1:{proxy.port}",
            "--connections", str(CONNECTIONS), "--rps", str(rate), "--duration", str(seconds)]
    if case.name == "tls-resumed":
        argv.append("--resume")
    before = procfs.spent(proxy.pids())
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds + 60)
    after = procfs.spent(proxy.pids())
    if not done.stdout:
        raise load.BadRun(f"pm-tls-load: {done.stderr}")
    said = json.loads(done.stdout)
    if said["done"] == 0:
        raise load.BadRun("no handshake ended well")
    if case.name == "tls-resumed" and said["resumed"] < 0.9 * said["done"]:
        raise load.BadRun(f"{said['resumed']} of {said['done']} sessions were resumed")
    sample = procfs.cost(before, after, said["done"])
    sample["busy"] /= workers
    sample.update(peer=proxy.name, workers=workers, rate=rate, answered=said["done"],
                  failed=said["failed"], rps=said["done"] / said["seconds"],
                  p50_us=said["p50_us"], p99_us=said["p99_us"])
    return sample


def _calibrate(case, proxies, common):
    slowest, working = None, []
    for proxy in proxies:
        try:
            sample = measure(case, proxy, 0, rounds.CALIBRATION_SECONDS, common)
            if sample["failed"] > 0:
                raise load.BadRun(f"{sample['failed']} connections failed")
        except load.BadRun as why:
            rounds.say(f"  {proxy.name}, {proxy.setup.workers} workers: left out: {why}")
            continue
        slowest = min(slowest or sample["rps"], sample["rps"])
        working.append(proxy)
        rounds.say(f"  {proxy.name}, {proxy.setup.workers} workers: {sample['rps']:.0f} "
                   f"connections/s in a closed loop, {sample['busy'] * 100:.0f} % busy")
    if not working:
        raise LeftOut("no proxy works")
    return [rounds.rounded(slowest * share) for share in rounds.SHARES], working


def _measure_rounds(case, proxies, rates, options, common):
    """Rounds of {(peer, workers, rate): sample}."""
    found = []
    for i in range(options.rounds):
        results = {}
        for j, rate in enumerate(rates):
            for proxy in rounds.rotated(proxies, i + j):
                key = (proxy.name, proxy.setup.workers, rate)
                results[key] = measure(case, proxy, rate, options.seconds, common)
        rounds.say(f"  round {i + 1} of {options.rounds}")
        found.append(results)
    return found


def _print(case, workers, rates, found, lines):
    of_these = [{(name, rate): sample for (name, w, rate), sample in one.items() if w == workers}
                for one in found]
    names = list(dict.fromkeys(name for name, _ in of_these[0]))
    if not names:
        return
    name = f"{case.name}-{workers}"
    print(f"\n{name}: TLS 1.3, P-256, AES-128-GCM, X25519; a connection with one request, "
          f"{workers} worker(s), {len(found)} rounds")
    ratios = {rate: report.print_rate(name, rate, names, of_these, lines) for rate in rates}
    if report.OURS in names:
        report.print_aim(name, BEST.text(), *report.judge(BEST, rates, of_these, ratios), lines)


def _print_two_of_one(case, rates, found, lines):
    intervals = []
    for rate in rates:
        both = [[one.get((report.OURS, w, rate)) for one in found] for w in WORKERS]
        if None in both[0] or None in both[1]:
            return
        intervals.append(stats.ratio_interval([s["cpu_us"] for s in both[1]],
                                              [s["cpu_us"] for s in both[0]]))
    worst = max(intervals, key=lambda interval: interval[2])
    report.print_aim(case.name, f"CPU with 2 workers at most {TWO_OF_ONE:g} of one's",
                     report.verdict(intervals, TWO_OF_ONE, len(found)),
                     "%.3f (%.3f to %.3f)" % worst, lines)


def run(stage, case, peers, options, common, lines):
    ports, behind = backends.start(stage, common.build, common.cpus.others(max(WORKERS)), "h1",
                                   cases.SMALL)
    proxies = []
    try:
        for workers in WORKERS:
            setup = Setup(tls=True, workers=workers, backends=ports)
            proxies += rounds.start_peers(stage, peers, setup, common.cpus.proxy(workers),
                                          common)[0]
        rates, working = _calibrate(case, proxies, common)
        if options.rates:
            rates = options.rates
        elif options.quick:
            rates = rates[1:2]
        found = _measure_rounds(case, working, rates, options, common)
    finally:
        stage.stop([p.process for p in proxies] + behind)
    for workers in WORKERS:
        _print(case, workers, rates, found, lines)
    report.add_samples(case.name, found, lines)
    _print_two_of_one(case, rates, found, lines)
