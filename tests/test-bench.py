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


"""Tests of what ovs-accel-bench makes of what it measures."""

import argparse
import io
import json
import os
import shutil
import struct
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from unittest import mock

from ovs_accel import verify
from ovs_accel.bench import near, report, results
from ovs_accel.bench.__main__ import Bench, main, parse
from ovs_accel.bench.catalog import SCENARIOS
from ovs_accel.proc import Failure

STATS = """\
pmd thread numa_id 0 core_id 1:
  packets received: 1000
  idle cycles: 20000 (20.00%)
  processing cycles: 80000 (80.00%)
  main road packets: 990
pmd thread numa_id 0 core_id 2:
  packets received: 1000
  idle cycles: 0 (0.00%)
  processing cycles: 100000 (100.00%)
  main road packets: 1000
main thread:
  packets received: 77
  processing cycles: 7777 (100.00%)
"""


def run(mpps, cycles, busy=1.0):
    return {"mpps": mpps, "cycles_per_packet": cycles, "busy_share": busy,
            "cpu_share": 1.0, "packets": 100, "transfer_cycles": 90,
            "compute_cycles": 10, "near": 1}


def whole(**values):
    return {"results": [{"scenario": name, "value": value, "failure": None,
                         "metric": "mpps", "target": 2}
                        for name, value in values.items()]}


def trip(p50, p99):
    return {"p50_us": p50, "p99_us": p99, "p99.9_us": 2 * p99,
            "busy_p50_us": 15, "transfer_cycles": 90, "compute_cycles": 10,
            "near": 1}


def scenario(**values):
    return argparse.Namespace(**dict(
        {"name": "x", "about": "", "target": 2, "metric": "speed",
         "sides": (0, 1), "main_road": True}, **values))


def row(rounds, failure=None, **values):
    return results.row(scenario(**values), rounds, (None, None), failure)


class Results(unittest.TestCase):
    def test_stats(self):
        totals = results.pmd_totals(STATS)
        self.assertEqual(totals, {"packets": 2000, "busy": 180000,
                                  "idle": 20000, "main_road_packets": 1990})
        self.assertEqual(results.rates(totals), {"cycles_per_packet": 90,
                                                 "busy_share": 0.9})
        self.assertEqual(results.difference(
            totals, dict(totals, packets=2007))["packets"], 7)
        with self.assertRaises(Failure):
            results.pmd_totals("main thread:\n  packets received: 7\n")
        self.assertEqual(results.rates(results.difference(totals, totals)), {})

    def test_summary(self):
        side = results.summary([run(1, 300), run(5, 100), run(2, 200)], None)
        self.assertEqual((side["mpps"], side["cycles_per_packet"]), (2, 200))
        self.assertEqual(side["packets"], 300)
        far = dict(run(9, 900), near=0)
        self.assertEqual(results.summary([run(1, 300), far])["mpps"], 1)
        self.assertEqual(results.summary([far])["mpps"], 9)

    def test_judge(self):
        slow, fast = run(1, 300), run(2.5, 100)

        def judge(metric):
            metric = results.resolve(metric, slow, fast)
            return results.judge(metric, slow, fast), metric
        self.assertEqual(judge("speed"), ([2.5], "mpps"))
        self.assertEqual(judge("cycles"), ([3], "cycles"))
        # The guests were the limit: packets per second tell nothing.
        fast["busy_share"] = 0.5
        self.assertEqual(judge("speed"), ([3], "cycles"))
        self.assertEqual(judge("mpps"), ([2.5], "mpps"))
        slow.update(gbps=10, cycles_per_byte=0.6)
        fast.update(gbps=15, cycles_per_byte=0.3)
        self.assertEqual(judge("bits"), ([2], "bytes"))
        fast["busy_share"] = 1
        self.assertEqual(judge("bits"), ([1.5], "gbps"))

    def test_pairs(self):
        """The machine changed its speed: the ratios of pairs are steady."""
        rounds = [{0: run(1, 300), 1: run(2.5, 100)},
                  {0: run(4, 300), 1: run(8, 100)},
                  {0: run(2, 300), 1: run(6, 100)},
                  {0: run(9, 300)},
                  # The CPUs were far from each other.
                  {0: run(1, 300), 1: dict(run(9, 100), near=0)}]
        result = row(rounds)
        self.assertEqual((result["value"], result["spread"]), (2.5, [2, 3]))
        self.assertEqual(result["best"], 2)
        self.assertTrue(result["met"])
        results.add_floor(result, rounds, [{2: run(5, 100)}, {2: run(5, 50)},
                                           {}, {2: run(5, 60)}])
        self.assertEqual((result["floor_value"], result["floor_spread"]),
                         (5, [3, 6]))
        self.assertEqual(result["floor_best"], 6)
        # Near runs of different rounds, before those that are not.
        far = [{0: dict(run(1, 300), near=0), 1: run(4, 100)},
               {0: run(2, 300), 1: dict(run(9, 100), near=0)},
               {0: run(2, 300)}]
        self.assertEqual(row(far)["value"], 2)
        self.assertEqual(row(far[:1])["value"], 4)
        # Large frames are compared by their bytes.
        for each in rounds[:3]:
            for side in each.values():
                side.update(cycles_per_byte=0.6, gbps=1)
        results.add_floor(result, rounds[:1], [
            {2: dict(run(5, 9000), cycles_per_byte=0.1)}])
        self.assertAlmostEqual(result["floor_value"], 6)
        results.add_floor(result, rounds[:1], [{2: {"wake_us": 90}}])
        self.assertEqual(result["floor"]["wake_us"], 90)

    def test_row(self):
        rounds = [{0: run(1, 300), 1: run(2.5, 100)}]
        self.assertTrue(row(rounds)["met"])
        self.assertFalse(row(rounds, "failed")["met"])
        self.assertFalse(row(rounds, target=2.6)["met"])
        self.assertIsNone(row(rounds, target=None)["met"])
        self.assertNotIn("met", row([{}], "failed"))
        self.assertNotIn("met", row([{0: run(1, 300)}], "failed"))
        self.assertEqual(row(rounds, metric="cycles")["best"], 3)
        idle = [{0: {"cpu_percent": 100}, 1: {"cpu_percent": 1}}]
        self.assertTrue(row(idle, metric="cpu")["met"])
        rounds[0][1]["share_of_alone"] = 0.94
        self.assertFalse(row(rounds)["met"])
        rounds[0][1]["share_of_alone"] = 0.95
        self.assertTrue(row(rounds)["met"])

    def test_share(self):
        self.assertEqual(results.share(run(4, 100), run(3, 125)), 0.75)
        # The guests were the limit of one of them.
        self.assertEqual(results.share(run(4, 100, busy=0.9), run(3, 125)),
                         0.8)
        self.assertEqual(results.share(run(4, 100), run(3, 125, busy=0.9)),
                         0.8)

    def test_main_road(self):
        rounds = [{0: run(1, 300), 1: dict(run(3, 100), packets=10000,
                                           main_road_packets=9990)}]
        self.assertIsNone(row(rounds)["failure"])
        rounds[0][1]["main_road_packets"] = 9989
        self.assertIn("99.89 %", row(rounds)["failure"])
        self.assertFalse(row(rounds)["met"])
        self.assertIsNone(row(rounds, main_road=False)["failure"])

    def test_latency(self):
        def value(metric, *pairs):
            return results.value(metric, pairs)[0]
        self.assertEqual(value("latency", (trip(20, 40), trip(22, 40))), 1.1)
        self.assertEqual(value("latency", (trip(20, 40), trip(10, 80))), 2)
        self.assertEqual(value("latency", (trip(20, 40), trip(22, 40)),
                               (trip(20, 40), trip(10, 80)),
                               (trip(20, 40), trip(10, 40))), 1)
        self.assertEqual(value("wake", (trip(20, 40), trip(90, 40))), 70)

    def test_compare(self):
        lines = results.compare(whole(a=2, b=2, c=1), whole(a=2.2, b=2.3, d=1))
        self.assertEqual(lines, [("a", 2, 2.2, True), ("b", 2, 2.3, False),
                                 ("c", 1, None, False), ("d", None, 1, False)])
        # No ratios: whether the target is met.
        first, second = whole(a=0.01), whole(a=0.02)
        for each, is_met in ((first, True), (second, True)):
            each["results"][0].update(metric="cpu", met=is_met)
        self.assertTrue(results.compare(first, second)[0][3])
        second["results"][0]["met"] = False
        self.assertFalse(results.compare(first, second)[0][3])

    def test_compare_fails(self):
        """The program: fails above 10 %, and for what is missing."""
        with tempfile.TemporaryDirectory() as directory:
            paths = []
            for number, value in enumerate((2, 2.2, 2.3)):
                paths.append(os.path.join(directory, str(number)))
                with open(paths[-1], "w", encoding="utf-8") as f:
                    json.dump(whole(a=value), f)
            for other, status in (paths[1], 0), (paths[2], 1), ("none", 1):
                with redirect_stdout(io.StringIO()):
                    self.assertEqual(main(["--compare", paths[0], other]),
                                     status)

    def measured(self):
        """A result of all scenarios; the first one failed."""
        rows, runs = [], {}
        for number, kind in enumerate(SCENARIOS.values()):
            each = kind(parse([]))
            one = {"cpu": {"cpu_percent": 9},
                   "latency": trip(20, 40),
                   "wake": trip(20, 40)}.get(
                       each.metric, dict(run(1, 300, 0.5), gbps=9,
                                         cycles_per_byte=1))
            runs[each.name] = [{i: one for i in each.sides}]
            rows.append(results.row(each, runs[each.name], (None, None),
                                    None if number else "broken"))
        results.add_floor(rows[1], runs["packed-64"],
                          [{2: run(3, 100, 0.5)}])
        return {"results": rows, "baseline": "netdev", "measured": "accel",
                "rounds": 1, "seconds": 1,
                "machine": {"cpu": "c", "cpus": 2, "virtual": True,
                            "memory_mib": 3, "kernel": "k",
                            "huge_pages": True, "switch": ["s"]}}

    def test_report(self):
        all_of_it = self.measured()
        text = report.restructured(all_of_it)
        for name, kind in SCENARIOS.items():
            # The floors are columns of others.
            self.assertEqual("\n%s " % name in text, 2 not in kind.sides)
        self.assertIn("FAILED", text)
        self.assertIn("1.00\\*", text)
        self.assertIn("90 to 90 cycles", text)
        self.assertNotIn("far", text)
        all_of_it["results"][1]["floor"]["runs"][0]["near"] = 0
        self.assertRegex(report.restructured(all_of_it),
                         r"1 of \d+ runs found no such moment")
        self.assertIn('"macs" 1 2.2 NaN',
                      report.gnuplot_script(all_of_it, "x.svg"))
        with self.assertRaises(Failure):
            report.gnuplot_script(all_of_it, "x.txt")
        with redirect_stdout(io.StringIO()) as out:
            report.show(all_of_it)
        self.assertIn("FAILED: broken", out.getvalue())

    def test_report_of_older_results(self):
        """Of those that do not tell how many pairs there were."""
        all_of_it = self.measured()
        for result in all_of_it["results"]:
            result.pop("pairs", None)
        head, _ = report.cells(all_of_it)
        self.assertIn("from-to", head)
        self.assertNotIn("of pairs", head)

    def test_read(self):
        """The program: --read with --rst and, if there is gnuplot, --plot."""
        with tempfile.TemporaryDirectory() as directory:
            def path(suffix):
                return os.path.join(directory, "result." + suffix)
            all_of_it = self.measured()
            all_of_it["results"][0]["failure"] = None
            with open(path("json"), "w", encoding="utf-8") as f:
                json.dump(all_of_it, f)
            plots = ["svg", "png"] if shutil.which("gnuplot") else []
            for suffix in plots or [None]:
                with redirect_stdout(io.StringIO()):
                    self.assertEqual(0, main(
                        ["--read", path("json"), "--rst", path("rst")]
                        + (["--plot", path(suffix)] if suffix else [])))
                if suffix:
                    self.assertGreater(os.path.getsize(path(suffix)), 1000)
            with open(path("rst"), encoding="utf-8") as f:
                self.assertEqual(f.read(), report.restructured(all_of_it))


    def test_margin(self):
        self.assertIsNone(results.margin([2, 2, 2, 2]))
        self.assertEqual(results.margin([2, 2, 2, 2, 2]), 0)
        self.assertEqual(results.margin([3, 5, 4, 2, 1]), 4 / 2 / 3)
        # The first and the last one may be anything.
        self.assertEqual(results.margin([900, 11, 8, 12, 9, 10, 10, 1]),
                         (12 - 8) / 2 / 10)
        pairs = [{0: run(1, 300), 1: run(value, 100)}
                 for value in (2, 2, 2, 2, 2.5)]
        result = row(pairs)
        self.assertEqual((result["margin"], result["pairs"]), (0.125, 5))
        self.assertNotIn("margin", row(
            [{0: {"cpu_percent": 100}, 1: {"cpu_percent": 1}}] * 5,
            metric="cpu"))


class Rounds(unittest.TestCase):
    """How many rounds there are: until the ratio is known."""

    def measure(self, speeds, *arguments):
        """Returns the speeds, out of those that accel has in each round, that
        were measured."""
        bench = Bench(parse(["--scenario=macs", *arguments]), True,
                      near.Near())
        bench.near._least = {"transfer_cycles": 90, "compute_cycles": 10}
        bench.near.wait = lambda: None

        def one(name, i, work):
            number = len(bench.rounds[name]) - 1
            return run(speeds[number], 100) if i else run(1, 300)
        bench.one = one
        bench.measure()
        return [each[1]["mpps"] for each in bench.rounds["macs"]]

    def test_steady(self):
        for arguments, n in ((["--most-rounds=9"], 5), (["--rounds=7"], 7),
                             (["--rounds=3"], 3),
                             (["--rounds=3", "--most-rounds=9"], 5)):
            self.assertEqual(self.measure([2] * 9, *arguments), [2] * n)

    def test_unsteady(self):
        speeds = [2, 3, 2, 2, 2, 2, 2, 2, 2, 3, 3, 2]
        self.assertEqual(self.measure(speeds, "--most-rounds=20"), speeds[:8])
        self.assertEqual(self.measure([2, 3] * 9), [2, 3, 2, 3, 2])
        self.assertEqual(self.measure([2, 3] * 9, "--most-rounds=18"),
                         [2, 3] * 9)


class Clock:
    """Takes the place of module time."""
    now = 0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Slices(unittest.TestCase):
    def call(self, transfers, shared, function):
        """Returns what 'function' does with a Near whose looks find
        'transfers', those of the numbers in 'shared' with a CPU that shares
        its core, and a clock."""
        clock = Clock()
        answers = [100, 10] * near.LOOKS
        for i, cycles in enumerate(transfers):
            answers += [cycles, 12 if i in shared else 10]
        answers = iter(answers)
        cpus = near.Near()
        cpus._ask = lambda question: next(answers)
        with mock.patch.multiple(near, time=clock, PATIENCE=8,
                                 pick_cpus=mock.DEFAULT,
                                 scripted=mock.DEFAULT,
                                 subprocess=mock.DEFAULT), cpus:
            result = function(cpus, clock)
        return result, len(list(answers)) // 2

    def medians(self, transfers, values, shared=()):
        """Returns the medians of slices of a second that yield 'values'.
        Patience ends with the last of them."""
        slices = iter(values)

        def measure(clock):
            clock.sleep(1)
            return {"x": next(slices)}
        result, _ = self.call(transfers, shared, lambda cpus, clock:
                              cpus.medians(len(values) / near.PATIENCE, [],
                                           lambda: measure(clock)))
        return result["x"], result["transfer_cycles"], result["near"]

    def test_near(self):
        result = self.medians([90, 110, 400, 410, 100, 400, 95, 105],
                              [1, 50, 60, 70, 80, 90, 3])
        self.assertEqual(result, (1, 110, 1))

    def test_nearer(self):
        """What was near at first is not any more."""
        result = self.medians([190, 190, 90, 90], [7, 8, 1] + 13 * [None])
        self.assertEqual(result, (1, 90, 1))

    def test_far(self):
        result = self.medians([400, 110, 400, 410], [5, 6, 90])
        self.assertEqual(result, (6, 400, 0))

    def test_shared(self):
        """A CPU that shares its core does half as much."""
        result = self.medians([90, 95, 100, 105, 95], [7, 8, 1] + 5 * [None],
                              shared=(0, 1))
        self.assertEqual(result, (1, 105, 1))

    def wait(self, transfers, shared=()):
        """Returns how many looks are left when waiting is over, and for how
        many seconds it was waited."""
        took, left = self.call(transfers, shared, lambda cpus, clock:
                               (clock.now, cpus.wait(), clock.now))
        return left, took[2] - took[0]

    def test_wait(self):
        left, took = self.wait([400, 100, 100, 100], shared=(1,))
        self.assertEqual(left, 1)
        self.assertLess(took, 1)
        left, took = self.wait(5000 * [400])
        self.assertTrue(near.WAIT <= took < near.WAIT + 1)


class Verify(unittest.TestCase):
    def setUp(self):
        """Four frames of guest 0 in two flows."""
        self.expected = {}
        for number, payload in enumerate(verify.payloads(0, 80, 4, 1)):
            header = verify.Header("02:00:00:00:00:01", "02:00:00:00:00:02",
                                   vlan=(None, 5)[number % 2])
            self.expected[0, number] = header, verify.frame(header, payload)
        self.frames = [frame for _, frame in self.expected.values()]

    def check(self, *frames):
        return verify.check(frames, self.expected)

    def bad(self, sentence, *frames):
        with self.assertRaisesRegex(Failure, sentence):
            self.check(*frames)

    def test_good(self):
        a, b, c, d = self.frames
        self.assertEqual(len(a), 80)
        self.assertEqual(len(b), 84)
        self.assertEqual(self.check(a, b, c, d), 4)
        self.assertEqual(self.check(a, d), 2)
        self.assertEqual(self.check(b, d, a, c), 4)     # By flow.

    def test_bad(self):
        a, b, c, d = self.frames
        self.bad("comes too late", c, a)
        self.bad("comes twice", a, b, a)
        self.bad("not what the flows make", a[:-1] + bytes([a[-1] ^ 1]))
        self.bad("not what the flows make", a[:-1])
        self.bad("only", a[:20])
        self.bad("none of those sent", a[:42] + b"xx" + a[44:])
        del self.expected[0, 3]
        self.bad("should have been dropped", d)


class Scenarios(unittest.TestCase):
    def test_acl(self):
        acl = SCENARIOS["flows-acl"](parse([]))
        self.assertEqual(len(acl.rules), 64)
        self.assertEqual(len({length for length, _ in acl.rules}), 16)
        self.assertEqual(len(acl.flows()), 66)
        outcomes = {acl.rule(acl.NW_DST + i) for i in range(acl.flow_count)}
        self.assertIn("drop", outcomes)
        self.assertIn(None, outcomes)
        self.assertGreater(len(outcomes), 3)
        self.assertTrue(0.5 < acl.delivered() < 1)

    def test_tso(self):
        """Frames of both kinds, and what is wrong with those received."""
        kinds = {}
        for name, datapath in (("tso", "accel"), ("tso", "netdev"),
                               ("tso-default", "accel"),
                               ("tso-default", "netdev")):
            tso = SCENARIOS[name](parse([]))
            side = argparse.Namespace(datapath=datapath)
            frames = tso.frames(side, 0, 1)
            kind = tso.kind(side)
            self.assertEqual({len(frame) for frame in frames}, {kind.size})
            self.assertEqual(len(set(frames)), kind.count)
            self.assertEqual(bool(tso.other_config(side)), kind.partial)
            kinds[name, datapath] = kind.size
        self.assertEqual(kinds.pop(("tso-default", "netdev")), 1514)
        self.assertEqual(set(kinds.values()), {64294})
        # The checksum of a whole segment, over pseudo header and segment.
        whole = verify.segment(verify.Header("02:00:00:00:00:01",
                                             "02:00:00:00:00:02"), b"odd",
                               False)
        summed = whole[26:34] + b"\0\6\0\x17" + whole[34:] + b"\0"
        self.assertEqual(sum(struct.unpack("!18H", summed)) % 0xffff, 0)

    def test_all(self):
        """Every frame to verify can be made, and some arrive."""
        for kind in SCENARIOS.values():
            scenario = kind(parse([]))
            self.assertTrue(scenario.about)
            for sender in (0, 1):
                headers = [scenario.header(sender, n) for n in range(100)]
                self.assertTrue(any(scenario.outcome(sender, header)
                                    for header in headers))
                for header in headers:
                    verify.frame(header, b"")


if __name__ == "__main__":
    sys.exit(unittest.main())
