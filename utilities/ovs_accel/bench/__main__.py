# Copyright (c) 2026 The OVS-Accel Authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.


"""The program: its options, and the order of its runs."""

import argparse
import json
import os
import sys
import time

from ovs_accel import program
from ovs_accel.bench import machine, report, results, tcp
from ovs_accel.bench.catalog import SCENARIOS
from ovs_accel.bench.near import Near
from ovs_accel.bench.side import Side
from ovs_accel.proc import Failure
from ovs_accel.program import say
from ovs_accel.switch import Switch

BASELINE_DATAPATH = "netdev"

PROGRAMS = ("ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl",
            "ovs-ofctl", "ovs-appctl", "setpriv", "unshare", "nsenter", "ip",
            "taskset", "dpdk-testpmd", "stdbuf")

FILES = 65536                   # Descriptors that a crowd of guests may take.


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="ovs-accel-bench",
        description="Measures how fast a bridge forwards between two guests, "
        "on datapath accel and on netdev (OVS-DPDK), in turn.  The guests are "
        "DPDK virtio-user ports of one testpmd on one CPU, the bridge has one "
        "polling thread on another CPU.  Before that it verifies frames: "
        "payload, order, receiver and what the flows change.  Must run as "
        "root, on an otherwise idle machine with two CPUs or more.")
    parser.add_argument("--list", action="store_true",
                        help="tell the scenarios and their targets")
    parser.add_argument("--scenario", action="append", metavar="NAME",
                        choices=list(SCENARIOS),
                        help="measure only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=5, metavar="N",
                        help="rounds, of whose ratios the medians are "
                        "reported (default: 5)")
    parser.add_argument("--most-rounds", type=int, default=0, metavar="N",
                        help="go on, up to N rounds, with scenarios whose "
                        "ratio is not yet known to 5 %%")
    parser.add_argument("--seconds", type=float, default=1, metavar="S",
                        help="seconds that each run is measured (default: 1)")
    parser.add_argument("--silent-ports", type=int, default=500, metavar="N",
                        help="silent ports in the scenarios that have some "
                        "(default: 500)")
    parser.add_argument("--datapath", choices=sorted(Switch.PORT_TYPES),
                        default="accel",
                        help="what is compared with netdev (default: accel)")
    parser.add_argument(
        "--no-build", action="store_true",
        help="install and build nothing: use the programs that PATH and "
        "other variables name, see ovs-accel-env")
    parser.add_argument("--json", metavar="FILE",
                        help="write all results to FILE, too")
    parser.add_argument("--rst", metavar="FILE",
                        help="write the table to FILE as reStructuredText")
    parser.add_argument("--plot", metavar="FILE",
                        help="draw the ratios in FILE (*.svg or *.png), by "
                        "gnuplot")
    parser.add_argument("--read", metavar="FILE",
                        help="measure nothing, take the results from FILE "
                        "that --json wrote")
    parser.add_argument("--compare", nargs=2, metavar="FILE",
                        help="measure nothing, compare two files that --json "
                        "wrote; fails if a ratio differs by more than 10 %%")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds <= 0 or options.silent_ports < 1:
        parser.error("--rounds, --seconds and --silent-ports are more than 0")
    return options


DESCRIPTIONS = (("cache line %.0f", ("transfer_cycles",)),
                ("%.2f Mpps", ("mpps",)),
                ("%.3g Gb/s", ("gbps",)),
                ("%.0f cycles per packet", ("cycles_per_packet",)),
                ("%.1f %% of a CPU", ("cpu_percent",)),
                ("p50 %.1f us, p99 %.1f us, p99.9 %.1f us",
                 ("p50_us", "p99_us", "p99.9_us")),
                ("under load p50 %.1f us", ("busy_p50_us",)),
                ("%.1f us to wake up a thread", ("wake_us",)),
                ("%.2f Mpps without the silent ports", ("alone_mpps",)))


class Bench:
    def __init__(self, options, huge, near):
        self.options = options
        self.huge = huge
        self.near = near
        self.sides = (BASELINE_DATAPATH, options.datapath, "floor")
        self.names = [name for name in SCENARIOS
                      if name in (options.scenario or SCENARIOS)]
        # By scenario and round what was measured, by side.
        self.rounds = {name: [] for name in self.names}
        self.verified = {name: [None, None] for name in self.names}
        self.failures = {name: None for name in self.names}
        self.seed = int.from_bytes(os.urandom(4), "big")
        self._done = 0
        self._total = sum(
            len(kind.sides) * (kind.verifiable + options.rounds)
            for kind in map(SCENARIOS.get, self.names))
        self._began = time.monotonic()

    def one(self, name, i, work, *arguments):
        """Runs one side of a scenario.  Returns what 'work' does with it, or
        None if it failed, and says how long the rest will take."""
        scenario = SCENARIOS[name](self.options)
        result = None
        try:
            # The bare loop takes the place of a switch.
            with Side(BASELINE_DATAPATH if i == results.FLOOR
                      else self.sides[i], self.huge, self.near) as side:
                result = work(scenario, side, *arguments)
                text = self.describe(result)
        except (Failure, OSError) as e:
            self.failures[name] = (self.failures[name]
                                   or "%s: %s" % (self.sides[i], e))
            text = "FAILED: %s" % e
        self._done += 1
        took = time.monotonic() - self._began
        left = took / self._done * (self._total - self._done)
        say("[%3d/%d, %d:%02d left] %-15s %-6s %s" % (
            self._done, self._total, left // 60, left % 60, name,
            self.sides[i], text))
        return result

    @staticmethod
    def describe(result):
        if "frames" in result:
            return "%d frames verified, %d dropped" % (result["frames"],
                                                       result["lost"])
        texts = [text % tuple(result[name] for name in names)
                 for text, names in DESCRIPTIONS
                 if all(name in result for name in names)]
        if "busy_share" in result:
            texts.append("busy %.0f %%" % (100 * result["busy_share"]))
        if result.get("cpu_share", 1) < report.UNDISTURBED:
            texts.append("had its CPU for %.0f %%"
                         % (100 * result["cpu_share"]))
        return ", ".join(texts)

    def verify(self):
        for name in self.names:
            if not SCENARIOS[name].verifiable:
                continue
            for i in SCENARIOS[name].sides:
                self.verified[name][i] = self.one(
                    name, i, lambda scenario, side: scenario.verify(
                        side, self.seed))

    def measure(self):
        names = self.names
        for number in range(max(self.options.rounds,
                                self.options.most_rounds)):
            if number >= self.options.rounds:
                self.judge_again()
                names = [name for name in names if not self.is_known(name)]
                self._total += sum(len(SCENARIOS[name].sides)
                                   for name in names)
            for name in names:
                self.round(name)

    def round(self, name):
        """Measures each side of a scenario, every other round the other one
        first: neither always has the warmer machine."""
        sides = SCENARIOS[name].sides
        if len(self.rounds[name]) % 2:
            sides = sides[::-1]
        self.rounds[name].append({})
        self.near.wait()
        for i in sides:
            result = self.one(
                name, i, lambda scenario, side: scenario.measure(
                    side, max(self.options.seconds,
                              scenario.least_seconds)))
            if result is not None:
                self.rounds[name][-1][i] = result

    def is_known(self, name):
        """Returns true if further rounds of a scenario would tell little."""
        row = self.row(name)
        margin = row.get("margin", 0)
        return bool(row["failure"]
                    or margin is not None and margin <= results.KNOWN)

    def row(self, name):
        return results.row(SCENARIOS[name](self.options), self.rounds[name],
                           self.verified[name], self.failures[name])

    def judge_again(self):
        """What was taken for near at first may be far by what came later."""
        for rounds in self.rounds.values():
            for run in (run for each in rounds for run in each.values()):
                if "near" in run:
                    run["near"] = int(self.near.is_near(run))

    def results(self):
        self.judge_again()
        rows = []
        for name in self.names:
            rows.append(self.row(name))
            of = SCENARIOS[name](self.options).floor
            floor = self.rounds.get(of)
            if floor and name != of:
                results.add_floor(rows[-1], self.rounds[name], floor)
        return {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "machine": machine.describe(self.huge),
                "rounds": self.options.rounds,
                "seconds": self.options.seconds, "seed": self.seed,
                "silent_ports": self.options.silent_ports,
                "baseline": self.sides[0], "measured": self.sides[1],
                "results": rows}


def load(path):
    try:
        with open(path, encoding="utf-8") as f:
            loaded = json.load(f)
        if "results" not in loaded:
            raise ValueError("no results in it")
        return loaded
    except (OSError, ValueError) as e:
        raise Failure("%s cannot be read: %s" % (path, e))


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def run_all(options):
    program.require_root()
    if not options.no_build:
        program.build("ovs-accel-bench",
                      ["gnuplot-nox"] if options.plot else [])
    names = options.scenario or SCENARIOS
    program.require_programs(PROGRAMS + (
        tcp.Tcp.PROGRAMS if tcp.Tcp.name in names else ()))
    machine.pick_cpus()
    machine.allow_files(FILES)
    with machine.HugePages() as pages, Near() as near:
        say("huge pages: %s" % ("yes" if pages.enough else "no"))
        bench = Bench(options, pages.enough, near)
        bench.verify()
        bench.measure()
        return bench.results()


def work(options, stack):
    if options.compare:
        lines = results.compare(*map(load, options.compare))
        report.show_comparison(lines)
        different = [line[0] for line in lines if not line[3]]
        if different:
            raise Failure("different: " + ", ".join(different))
        return
    if options.plot and (options.no_build or options.read):
        program.require_programs(["gnuplot"])
    measured = load(options.read) if options.read else run_all(options)
    report.show(measured)
    if options.json:
        write(options.json, json.dumps(measured, indent=1) + "\n")
    if options.rst:
        write(options.rst, report.restructured(measured))
    if options.plot:
        report.plot(measured, options.plot)
    failed = [result["scenario"] for result in measured["results"]
              if result["failure"]]
    if failed:
        raise Failure(", ".join(failed))


def print_list():
    defaults = parse([])
    width = max(map(len, SCENARIOS))
    for name, kind in SCENARIOS.items():
        scenario = kind(defaults)
        print("%s  %-9s %s" % (
            name.ljust(width), report.bound(scenario.metric, scenario.target),
            scenario.about))


def main(arguments):
    options = parse(arguments)
    if options.list:
        print_list()
        return 0
    return program.main("bench", lambda stack: work(options, stack))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
