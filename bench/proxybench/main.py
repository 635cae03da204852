"""The command line of bench/proxy.sh."""

import argparse
import dataclasses
import pathlib
import platform
import signal
import sys

from proxybench import cases, handshakes, idle, report, rounds, table
from proxybench.peers import all_peers
from proxybench.stage import Cpus, LeftOut, Stage, make_certificate, raise_descriptor_limit

SPECIAL = {"memory": idle.run, "handshakes": handshakes.run, "table": table.run}


@dataclasses.dataclass
class Common:
    """What all cases share."""

    build: pathlib.Path
    cpus: Cpus
    certificate: tuple


def parse_options():
    root = pathlib.Path(__file__).resolve().parents[2]
    names = ", ".join(case.name for case in cases.CASES)
    parser = argparse.ArgumentParser(prog="bench/proxy.sh", description=__doc__,
                                     epilog=f"cases: {names}; a name may end with *")
    parser.add_argument("--case", default="all", help="names, separated by commas")
    parser.add_argument("--only", default="", help="peers, separated by commas; all without it")
    parser.add_argument("--rounds", type=int, help="at least 10 for a result; 12 without it")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    parser.add_argument("--rates", default="",
                        help="requests/s, separated by commas; without it 20, 40 and 60 %% of what "
                             "the slowest peer answers")
    parser.add_argument("--quick", action="store_true", help="one rate, 3 rounds, no closed loop")
    parser.add_argument("--json", default="", help="file that every sample is added to")
    parser.add_argument("--build", type=pathlib.Path, default=root / "build")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.rates = [float(r) for r in options.rates.split(",") if r]
    options.rounds = options.rounds or (3 if options.quick else 12)
    try:
        options.cases = cases.chosen(options.case)
    except ValueError as error:
        parser.error(str(error))
    return options


def choose_peers(options):
    peers = all_peers(options.build)
    if not options.only:
        return list(peers.values())
    unknown = [name for name in options.only.split(",") if name not in peers]
    if unknown:
        raise SystemExit(f"no peer is named {', '.join(unknown)}; there are {', '.join(peers)}")
    return [peers[name] for name in options.only.split(",")]


def print_head(peers, cpus, lines):
    """The peers that can be had."""
    print(f"{platform.platform()}, CPUs {cpus.all}: proxies on {cpus.proxy()}, load generator and "
          f"backends on {cpus.others()}")
    if len(cpus.all) < 4:
        print("few CPUs: the load generator and the backends share what the proxies leave; "
              "latencies and requests/s say little")
    available = []
    for peer in peers:
        try:
            peer.prepare()
        except LeftOut as why:
            print(f"{peer.name:10} left out: {why}")
            lines.add(kind="left_out", peer=peer.name, why=str(why))
            continue
        available.append(peer)
        version = peer.version_text()
        print(f"{peer.name:10} {version}")
        if peer.switched_off != "-":
            print(f"{'':10}   does not: {peer.switched_off}")
        lines.add(kind="peer", peer=peer.name, version=version, switched_off=peer.switched_off)
    return available


def run_case(stage, case, peers, options, common, lines):
    if isinstance(case, cases.Special):
        SPECIAL[case.what](stage, case, peers, options, common, lines)
        return
    rates, measured, left_out, results = rounds.run(stage, case, peers, options, common)
    report.print_case(case, rates, measured, left_out, results, lines)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = parse_options()
    raise_descriptor_limit()
    peers = choose_peers(options)
    lines = report.Lines(options.json)
    with Stage() as stage:
        common = Common(options.build, Cpus(), make_certificate(stage.folder))
        peers = print_head(peers, common.cpus, lines)
        for case in options.cases:
            rounds.say(f"{case.name}:")
            try:
                run_case(stage, case, peers, options, common, lines)
            except LeftOut as why:
                print(f"\n{case.name}: left out: {why}")
                lines.add(kind="left_out", case=case.name, why=str(why))
    print()
    for line in lines.kept:
        print(line)


if __name__ == "__main__":
    main()
