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
import sys
import unittest
from contextlib import redirect_stdout

from ovs_accel import verify
from ovs_accel.bench import report, results
from ovs_accel.bench.__main__ import parse
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
            "cpu_share": 1.0, "packets": 100, "dropped": 1}


def whole(**values):
    return {"results": [{"scenario": name, "value": value, "failure": None}
                        for name, value in values.items()]}


def trip(p50, p99):
    return {"p50_us": p50, "p99_us": p99, "p99.9_us": 2 * p99}


class Results(unittest.TestCase):
    def test_stats(self):
        stats = results.pmd_stats(STATS)
        self.assertEqual(stats["packets"], 2000)
        self.assertEqual(stats["cycles_per_packet"], 90)
        self.assertEqual(stats["busy_share"], 0.9)
        self.assertEqual(stats["main_road_packets"], 1990)
        self.assertNotIn("copies", stats)
        with self.assertRaises(Failure):
            results.pmd_stats("main thread:\n  packets received: 7\n")

    def test_summary(self):
        side = results.summary([run(1, 300), run(5, 100), run(2, 200)], None)
        self.assertEqual((side["mpps"], side["cycles_per_packet"]), (2, 200))
        self.assertEqual((side["packets"], side["dropped"]), (300, 3))

    def test_judge(self):
        slow, fast = run(1, 300), run(2.5, 100)
        self.assertEqual(results.judge("speed", slow, fast), (2.5, "mpps"))
        self.assertEqual(results.judge("cycles", slow, fast), (3, "cycles"))
        # The guests were the limit: packets per second tell nothing.
        fast["busy_share"] = 0.5
        self.assertEqual(results.judge("speed", slow, fast), (3, "cycles"))
        self.assertEqual(results.judge("mpps", slow, fast), (2.5, "mpps"))

    def test_row(self):
        scenario = argparse.Namespace(name="x", about="", target=2,
                                      metric="speed")
        runs = [run(1, 300)], [run(2.5, 100)]
        self.assertTrue(results.row(scenario, runs, (None, None),
                                    None)["met"])
        self.assertFalse(results.row(scenario, runs, (None, None),
                                     "failed")["met"])
        scenario.target = 2.6
        self.assertFalse(results.row(scenario, runs, (None, None),
                                     None)["met"])
        idle = [{"cpu_percent": 100}], [{"cpu_percent": 1}]
        scenario.metric = "cpu"
        self.assertTrue(results.row(scenario, idle, (None, None),
                                    None)["met"])
        self.assertNotIn("met", results.row(scenario, ([], []), (None, None),
                                            "failed"))

    def test_latency(self):
        def judge(metric, *pair):
            return results.judge(metric, *(results.summary([one], None)
                                           for one in pair))
        self.assertEqual(judge("latency", trip(20, 40), trip(22, 40)),
                         (1.1, "latency"))
        self.assertEqual(judge("latency", trip(20, 40), trip(10, 80)),
                         (2, "latency"))
        self.assertEqual(judge("wake", trip(20, 40), trip(90, 40)),
                         (70, "wake"))

    def test_compare(self):
        lines = results.compare(whole(a=2, b=2, c=1), whole(a=2.2, b=2.3, d=1))
        self.assertEqual(lines, [("a", 2, 2.2, True), ("b", 2, 2.3, False),
                                 ("c", 1, None, False), ("d", None, 1, False)])

    def test_report(self):
        rows = []
        for number, kind in enumerate(SCENARIOS.values()):
            scenario = kind(parse([]))
            one = {"cpu": {"cpu_percent": 9}, "latency": trip(20, 40),
                   "wake": trip(20, 40)}.get(scenario.metric,
                                             run(1, 300, 0.5))
            rows.append(results.row(scenario, ([one], [one]), (None, None),
                                    None if number else "broken"))
        results.relate(rows)
        all_of_it = {"results": rows, "baseline": "netdev",
                     "measured": "accel", "rounds": 1, "seconds": 1,
                     "machine": {"cpu": "c", "cpus": 2, "virtual": True,
                                 "memory_mib": 3, "kernel": "k",
                                 "huge_pages": True, "switch": ["s"]}}
        text = report.restructured(all_of_it)
        for name in SCENARIOS:
            self.assertIn("\n" + name, text)
        self.assertIn("FAILED", text)
        self.assertIn("1.00\\*", text)
        self.assertIn('"macs" 1 2.2',
                      report.gnuplot_script(all_of_it, "x.svg"))
        with self.assertRaises(Failure):
            report.gnuplot_script(all_of_it, "x.txt")
        with redirect_stdout(io.StringIO()) as out:
            report.show(all_of_it)
        self.assertIn("FAILED: broken", out.getvalue())


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
