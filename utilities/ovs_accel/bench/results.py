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


"""From what pmd-stats-show prints to ratios and verdicts."""

import math
import re
import statistics

from ovs_accel.proc import Failure

# The sides of a comparison, as indexes.
BASELINE, MEASURED, FLOOR = range(3)

# A switch that was busy for less than this was not the limit.
SATURATED = 0.95
# Two results are alike if their ratios differ by no more than this.
ALIKE = 0.10
# How likely it is, at most, that the median of more and more rounds would end up
# beyond the margin on one of its sides.
DOUBT = 0.05
# A ratio is known if its margin is no more than this.
KNOWN = 0.05
# The least share of packets that take the main road where they should.
MAIN_ROAD = 0.999
# The least share of its speed that a switch keeps beside silent ports.
SHARE_OF_ALONE = 0.95

# What is counted: name in the results, name in pmd-stats-show.  The last ones
# are accel's only.
COUNTERS = {"packets": "packets received",
            "busy": "processing cycles",
            "idle": "idle cycles",
            "main_road_packets": "main road packets",
            "side_road_packets": "side road packets",
            "copies": "copies",
            "dp_packets_made": "dp_packets made"}

# What a row is judged by: whether more of it is better, and whether it is a
# ratio of two sides.
METRICS = {
    # "mpps" if the guests are not the limit of either side, else "cycles".
    "speed": (True, True),
    # Packets per second, measured by baseline.
    "mpps": (True, True),
    # Busy cycles per packet, baseline by measured.
    "cycles": (True, True),
    # "gbps" if the guests are not the limit of either side, else "bytes".
    "bits": (True, True),
    # Bits per second, measured by baseline.
    "gbps": (True, True),
    # Busy cycles per byte, baseline by measured.
    "bytes": (True, True),
    # Round trip, measured by baseline: the worse of p50 and p99.
    "latency": (False, True),
    # Microseconds that a round trip takes longer after silence than under
    # load: p50, less what it does so with baseline, whose threads never
    # sleep.  That is the guests' share.
    "wake": (False, False),
    # Percent of a processor, measured side only.
    "cpu": (False, False)}


def pmd_totals(text):
    """Returns the sums over all polling threads of what pmd-stats-show
    prints."""
    threads = [part for part in re.split(r"(?m)^(?=\S)", text)
               if part.startswith("pmd thread")]

    def total(name):
        values = [re.search(name + r": (\d+)", thread) for thread in threads]
        if not any(values):
            return None
        return sum(int(value.group(1)) for value in values if value)

    result = {name: total(line) for name, line in COUNTERS.items()}
    if None in (result["packets"], result["busy"], result["idle"]):
        raise Failure("pmd-stats-show counts no packets or no cycles")
    return {name: value for name, value in result.items()
            if value is not None}


def difference(before, after):
    """Returns what was counted between two totals."""
    return {name: after[name] - before[name] for name in after}


def rates(totals):
    """Returns what there is to know about the cycles in 'totals', nothing if
    there were no packets."""
    if not totals["packets"]:
        return {}
    return {"cycles_per_packet": totals["busy"] / totals["packets"],
            "busy_share": totals["busy"] / (totals["busy"] + totals["idle"])}


def was_near(run):
    """Returns true if 'run' was made while the CPUs were near to each other,
    with cores for themselves, or if that does not matter."""
    return run.get("near", 1)


def summary(runs, verified=None):
    """Returns the medians of 'runs' (counters are added up instead) and the
    runs themselves.  Those that were made while the CPUs were far from each
    other, or shared their cores with others, count only if there is no
    other."""
    result = {"runs": runs, "verified": verified}
    counters = ["frames_verified"] + list(COUNTERS)
    counted = list(filter(was_near, runs)) or runs
    for name in counted[0] if counted else ():
        values = [run[name] for run in counted]
        result[name] = (sum(values) if name in counters
                        else statistics.median(values))
    if result.get("main_road_packets") is not None:
        result["main_road_share"] = (result["main_road_packets"]
                                     / result["packets"])
    return result


def limited(side):
    """Returns true if the guests, and not the switch, were the limit."""
    return side["busy_share"] < SATURATED


def resolve(metric, baseline, measured):
    """Returns the metric that 'metric' really is for two summaries."""
    choice = {"speed": ("mpps", "cycles"),
              "bits": ("gbps", "bytes")}.get(metric)
    if choice is None:
        return metric
    return choice[limited(baseline) or limited(measured)]


def judge(metric, baseline, measured):
    """Returns the values of 'metric', which is resolved, for one run of each
    side: the worst of them counts."""
    if metric == "cpu":
        return [measured["cpu_percent"]]
    if metric == "wake":
        return [measured["p50_us"] - measured["busy_p50_us"]
                - (baseline["p50_us"] - baseline["busy_p50_us"])]
    if metric == "latency":
        return [measured[name] / baseline[name]
                for name in ("p50_us", "p99_us")]
    name = {"cycles": "cycles_per_packet",
            "bytes": "cycles_per_byte"}.get(metric)
    if name is not None:
        return [baseline[name] / measured[name]]
    return [measured[metric] / baseline[metric]]


def share(alone, beside):
    """Returns the share of its speed 'alone', as one run of a side has it,
    that the side keeps in another run 'beside' other ports."""
    return judge(resolve("speed", alone, beside), alone, beside)[0]


# Where the best run of each side can be told: what is compared, and which is
# the best.
BEST = {"mpps": ("mpps", max), "gbps": ("gbps", max),
        "cycles": ("cycles_per_packet", min),
        "bytes": ("cycles_per_byte", min)}


def best(metric, pairs):
    """Returns the ratio of the best runs of each side, None if it has no
    meaning for 'metric'."""
    if metric not in BEST:
        return None
    name, choose = BEST[metric]
    return judge(metric, *({name: choose(pair[i][name] for pair in pairs)}
                           for i in (0, 1)))[0]


def values(metric, pairs):
    """Returns 'metric' of each pair of runs, which were made one after the
    other."""
    both = list(zip(*(judge(metric, *pair) for pair in pairs)))
    return (min if METRICS[metric][0] else max)(both, key=statistics.median)


def middle(each):
    """Returns the median of 'each', and the least and the most of them."""
    return statistics.median(each), [min(each), max(each)]


def value(metric, pairs):
    """Returns the same of 'metric' over pairs of runs."""
    return middle(values(metric, pairs))


def margin(each):
    """Returns by how much, in proportion, the median of the sample 'each' may
    differ from that of what it is a sample of, whose distribution nobody knows:
    half the distance between the two values of the sample between which that
    is, see DOUBT.  None if the sample is too small."""
    ordered, n = sorted(each), len(each)
    outside = 0
    while (sum(math.comb(n, i) for i in range(outside + 1))
           <= DOUBT * 2 ** n):
        outside += 1
    if not outside:
        return None
    return ((ordered[n - outside] - ordered[outside - 1])
            / (2 * statistics.median(ordered)))


def pairs_of(rounds, others, side):
    """Returns the pairs of a run of the baseline, in 'rounds', and one of
    'side', in 'others', that can be compared: those of the same round that
    were made while the CPUs were near to each other, with cores for
    themselves; if there is none, those of different rounds that were; and if
    there is none, all of the same round."""
    same = [(each[BASELINE], other[side])
            for each, other in zip(rounds, others)
            if BASELINE in each and side in other]
    return ([pair for pair in same if all(map(was_near, pair))]
            or list(zip(filter(was_near, runs_of(rounds, BASELINE)),
                        filter(was_near, runs_of(others, side))))
            or same)


def runs_of(rounds, side):
    return [each[side] for each in rounds if side in each]


def row(scenario, rounds, verified, failure):
    """Returns the row of 'scenario'.  'rounds' has what each round's runs
    measured, by side, 'verified' what was verified of each side."""
    sides = [summary(runs_of(rounds, i), verified[i])
             for i in (BASELINE, MEASURED)]
    result = {"scenario": scenario.name, "about": scenario.about,
              "target": scenario.target, "failure": failure,
              "baseline": sides[0], "measured": sides[1]}
    share = sides[1].get("main_road_share", 1)
    if scenario.main_road and share < MAIN_ROAD and not failure:
        result["failure"] = ("only %.2f %% of the packets took the main road"
                             % (100 * share))
    pairs = pairs_of(rounds, rounds, MEASURED)
    if pairs:
        metric = resolve(scenario.metric, *sides)
        result["metric"] = metric
        each = values(metric, pairs)
        result["value"], result["spread"] = middle(each)
        result["pairs"] = len(each)
        if METRICS[metric][1]:
            result["margin"] = margin(each)
        result["best"] = best(metric, pairs)
        result["met"] = met(result)
    if FLOOR in scenario.sides:
        result["floor"] = summary(runs_of(rounds, FLOOR))
        result["floor_of"] = scenario.of
    return result


def met(result):
    """Returns whether the target is met, or None if there is none."""
    if result["target"] is None:
        return None
    return (not result["failure"]
            and (result["value"] >= result["target"]
                 if METRICS[result["metric"]][0]
                 else result["value"] <= result["target"])
            and result["measured"].get("share_of_alone", 1) >= SHARE_OF_ALONE)


def add_floor(result, rounds, floor):
    """Adds to a row the best that a switch could have.  'floor' has the rounds
    of what the bare loop made of the same guests, whose ratio to the baseline
    is in busy cycles per packet, or per byte where that is told, or of what it
    takes to wake a thread up."""
    pairs = pairs_of(rounds, floor, FLOOR)
    if pairs:
        result["floor"] = summary([pair[1] for pair in pairs])
        if "cycles_per_packet" in result["floor"]:
            metric = ("bytes" if "cycles_per_byte" in result["floor"]
                      else "cycles")
            result["floor_value"], result["floor_spread"] = value(metric,
                                                                  pairs)
            result["floor_best"] = best(metric, pairs)


def compare(first, second):
    """Compares two results.  Returns a list of scenario, value in the first,
    value in the second, and whether they are alike; the values are None where
    there is none.  Those that are no ratios are alike if both meet the target
    or neither does; those without target are."""
    rows = [{result["scenario"]: result for result in results["results"]
             if not result["failure"] and "value" in result}
            for results in (first, second)]
    lines = []
    for name in list(rows[0]) + [name for name in rows[1]
                                 if name not in rows[0]]:
        pair = [each.get(name) for each in rows]
        values = [each and each["value"] for each in pair]
        lines.append((name, *values, None not in pair and alike(*pair)))
    return lines


def alike(first, second):
    values = first["value"], second["value"]
    if first["target"] is None:
        return True
    if not METRICS[first["metric"]][1]:
        return first["met"] == second["met"]
    return abs(values[1] - values[0]) <= ALIKE * max(map(abs, values))
