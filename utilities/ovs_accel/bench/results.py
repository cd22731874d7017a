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


"""From what pmd-stats-show prints to medians, ratios and verdicts."""

import re
import statistics

from ovs_accel.proc import Failure

# A switch that was busy for less than this was not the limit.
SATURATED = 0.95
# Two results are alike if their ratios differ by no more than this.
ALIKE = 0.10

# Counters that only accel has: name in the results, name in pmd-stats-show.
COUNTERS = {"main_road_packets": "main road packets",
            "side_road_packets": "side road packets",
            "copies": "copies",
            "dp_packets_made": "dp_packets made"}

# What a row is judged by, and whether more of it is better.
METRICS = {"speed": True,       # "mpps" if the guests are not the limit of
                                # either side, else "cycles".
           "mpps": True,        # Packets per second, measured by baseline.
           "cycles": True,      # Busy cycles per packet, baseline by measured.
           "latency": False,    # Round trip, measured by baseline: the worse
                                # of p50 and p99.
           "wake": False,       # Microseconds that a round trip takes longer
                                # than with baseline, whose threads do not
                                # sleep: p50.
           "cpu": False}        # Percent of a processor, measured side only.


def pmd_stats(text):
    """Returns the sums over all polling threads of what pmd-stats-show
    prints."""
    threads = [part for part in re.split(r"(?m)^(?=\S)", text)
               if part.startswith("pmd thread")]

    def total(name):
        values = [re.search(name + r": (\d+)", thread) for thread in threads]
        if not any(values):
            return None
        return sum(int(value.group(1)) for value in values if value)

    packets = total("packets received")
    busy, idle = total("processing cycles"), total("idle cycles")
    if not packets or busy is None or idle is None:
        raise Failure("pmd-stats-show counts no packets or no cycles")
    result = {"packets": packets, "cycles_per_packet": busy / packets,
              "busy_share": busy / (busy + idle)}
    for name, line in COUNTERS.items():
        value = total(line)
        if value is not None:
            result[name] = value
    return result


def summary(runs, verified):
    """Returns the medians of 'runs' (counters are added up instead) and the
    runs themselves."""
    result = {"runs": runs, "verified": verified}
    counters = ["packets", "dropped"] + list(COUNTERS)
    for name in runs[0] if runs else ():
        values = [run[name] for run in runs]
        result[name] = (sum(values) if name in counters
                        else statistics.median(values))
    if result.get("main_road_packets") is not None:
        result["main_road_share"] = (result["main_road_packets"]
                                     / result["packets"])
    return result


def limited(side):
    """Returns true if the guests, and not the switch, were the limit."""
    return side["busy_share"] < SATURATED


def judge(metric, baseline, measured):
    """Returns the value of 'metric' for two summaries, and the metric that it
    really is."""
    if metric == "cpu":
        return measured["cpu_percent"], metric
    if metric == "latency":
        return max(measured[name] / baseline[name]
                   for name in ("p50_us", "p99_us")), metric
    if metric == "wake":
        return measured["p50_us"] - baseline["p50_us"], metric
    if metric == "speed":
        metric = "cycles" if limited(baseline) or limited(measured) else "mpps"
    if metric == "cycles":
        return (baseline["cycles_per_packet"]
                / measured["cycles_per_packet"]), metric
    return measured["mpps"] / baseline["mpps"], metric


def row(scenario, runs, verified, failure):
    """Returns the row of 'scenario': 'runs' and 'verified' are pairs."""
    sides = [summary(*pair) for pair in zip(runs, verified)]
    result = {"scenario": scenario.name, "about": scenario.about,
              "target": scenario.target, "failure": failure,
              "baseline": sides[0], "measured": sides[1]}
    if all(runs):
        result["value"], result["metric"] = judge(scenario.metric, *sides)
        result["met"] = failure is None and (
            result["value"] >= scenario.target if METRICS[scenario.metric]
            else result["value"] <= scenario.target)
    return result


def relate(rows):
    """Adds to the row beside silent ports what share it is of the row without
    them, both of the measured side."""
    by_name = {result["scenario"]: result for result in rows}
    pair = [by_name.get(name) for name in ("packed-64", "beside-silent")]
    if all(result and "value" in result for result in pair):
        alone, beside = [result["measured"] for result in pair]
        pair[1]["share_of_alone"] = judge("speed", alone, beside)[0]


def compare(first, second):
    """Compares two results.  Returns a list of scenario, value in the first,
    value in the second, and whether they are alike; the values are None where
    there is none."""
    values = [{result["scenario"]: result.get("value")
               for result in results["results"] if not result["failure"]}
              for results in (first, second)]
    lines = []
    for name in list(values[0]) + [name for name in values[1]
                                   if name not in values[0]]:
        pair = [each.get(name) for each in values]
        alike = None not in pair and (abs(pair[1] - pair[0])
                                      <= ALIKE * max(map(abs, pair)))
        lines.append((name, pair[0], pair[1], alike))
    return lines
