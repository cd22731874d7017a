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


"""Results as a table, as reStructuredText, as a plot."""

import os
import subprocess

from ovs_accel.bench.near import SLICE
from ovs_accel.bench.results import METRICS, limited
from ovs_accel.proc import Failure
from ovs_accel.program import say

# A polling thread that had its CPU for less than this was disturbed.
UNDISTURBED = 0.98

UNITS = {"mpps": "Mpps", "cycles": "cycles", "gbps": "Gb/s",
         "bytes": "cycles/byte", "cpu": "% CPU", "latency": "p50, p99",
         "wake": "us more"}
# What the table has of each side: name, head, format.
COLUMNS = (("mpps", "Mpps", "%.2f"), ("gbps", "Gb/s", "%.3g"),
           ("cycles_per_packet", "cycles", "%.0f"),
           ("cpu_percent", "% CPU", "%.1f"), ("p50_us", "p50 us", "%.1f"),
           ("p99_us", "p99 us", "%.1f"), ("p99.9_us", "p99.9 us", "%.1f"))


def bound(metric, target):
    """Returns the text of a target."""
    if target is None:
        return "-"
    return "%s %g%s" % (">=" if METRICS[metric][0] else "<=", target,
                        {"cpu": " %", "wake": " us"}.get(metric, ""))


def _number(side, name, form):
    value = side.get(name)
    if value is None:
        return "-"
    mark = "*" if name in ("mpps", "gbps") and limited(side) else ""
    return form % value + mark


def _verdict(result):
    """Returns the cells about the ratio and the target of a row."""
    if result["failure"]:
        return ["-"] * 7 + ["FAILED"]
    if "value" not in result:
        return ["-"] * 8
    best, margin = result.get("best"), result.get("margin")
    return ["%.2f" % result["value"],
            "-" if margin is None else "%.0f %%" % (100 * margin),
            str(result.get("pairs", "-")),
            "%.2f-%.2f" % tuple(result["spread"]),
            "-" if best is None else "%.2f" % best,
            UNITS[result["metric"]], bound(result["metric"], result["target"]),
            {True: "yes", False: "no", None: "-"}[result["met"]]]


def cells(results):
    """Returns the table's head and rows, as texts."""
    sides = results["baseline"], results["measured"]
    head = (["scenario"] + ["%s %s" % (side, unit) for _, unit, _ in COLUMNS
                            for side in sides]
            + ["floor cycles", "floor us", "floor ratio", "floor best", "ratio",
               "+-", "of pairs", "from-to", "best", "of", "target", "met"])
    names = [result["scenario"] for result in results["results"]]
    lines = []
    for result in results["results"]:
        if result.get("floor_of") in names:
            continue            # A column of that row.
        both = result["baseline"], result["measured"]
        line = [result["scenario"]] + [_number(side, name, form)
                                       for name, _, form in COLUMNS
                                       for side in both]
        line += [_number(result.get("floor", {}), "cycles_per_packet", "%.0f"),
                 _number(result.get("floor", {}), "wake_us", "%.1f"),
                 *("%.2f" % result[name] if name in result else "-"
                   for name in ("floor_value", "floor_best"))]
        lines.append(line + _verdict(result))
    # A column that no row fills is none.
    used = [i for i in range(len(head))
            if any(line[i] != "-" for line in lines)]
    return ([head[i] for i in used], [[line[i] for i in used]
                                      for line in lines])


def restructured(results):
    """Returns the table as reStructuredText."""
    head, lines = cells(results)
    lines = [[cell.replace("*", "\\*") for cell in line] for line in lines]
    widths = [max(len(line[i]) for line in [head] + lines)
              for i in range(len(head))]

    def text(line):
        return "  ".join(cell.ljust(width) for cell, width
                         in zip(line, widths)).rstrip()

    rule = text(["=" * width for width in widths])
    return "\n".join([rule, text(head), rule] + [text(line) for line in lines]
                     + [rule, "", notes(results), ""])


def notes(results):
    about = results["machine"]
    text = ("Medians of rounds of %g s, the ratio that of the ratios of "
            "each round's pair of runs; both guests on one CPU, one polling "
            "thread on another.  %s, %d CPUs%s, %d MiB, Linux %s, %s."
            % (results["seconds"], about["cpu"],
               about["cpus"], " (virtual)" if about["virtual"] else "",
               about["memory_mib"], about["kernel"],
               "huge pages" if about["huge_pages"] else "no huge pages"))
    runs = [run for result in results["results"]
            for side in ("baseline", "measured", "floor")
            for run in result.get(side, {}).get("runs", ())
            if "near" in run]
    transfers = sorted(run["transfer_cycles"] for run in runs if run["near"])
    if transfers:
        text += ("  Slices of %g s count while the two CPUs are near to each "
                 "other (a cache line took %.0f to %.0f cycles from one to "
                 "the other) and have their cores for themselves."
                 % (SLICE, transfers[0], transfers[-1]))
    if len(transfers) < len(runs):
        text += ("  %d of %d runs found no such moment."
                 % (len(runs) - len(transfers), len(runs)))
    if any("busy_share" in side and limited(side)
           for result in results["results"]
           for side in (result["baseline"], result["measured"])):
        text += ("\n\\* The switch had time to spare: the guests were the "
                 "limit.")
    return text


def show(results):
    """Prints the table and what there is to know about it."""
    head, lines = cells(results)
    widths = [max(len(line[i]) for line in [head] + lines)
              for i in range(len(head))]
    say()
    for line in [head] + lines:
        say("  ".join([line[0].ljust(widths[0])]
                      + [cell.rjust(width) for cell, width
                         in zip(line[1:], widths[1:])]))
    for result in results["results"]:
        show_remarks(results, result)
    say(notes(results).replace("\\*", "*"))
    say("; ".join(results["machine"]["switch"]))


def show_remarks(results, result):
    name, both = result["scenario"], (result["baseline"], result["measured"])
    if result["failure"]:
        say("%s FAILED: %s" % (name, result["failure"]))
    frames = [(side["verified"] or {}).get("frames", 0)
              + side.get("frames_verified", 0) for side in both]
    if any(frames):
        say("%s: %d + %d frames verified" % (name, *frames))
    if "main_road_share" in both[1]:
        say("%s: %.3f %% on the main road, %d dp_packets made"
            % (name, 100 * both[1]["main_road_share"],
               both[1]["dp_packets_made"]))
    for label, side in zip((results["baseline"], results["measured"]), both):
        if "busy_p50_us" in side:
            say("%s: %s takes %.1f us longer than under load"
                % (name, label, side["p50_us"] - side["busy_p50_us"]))
        if "share_of_alone" in side:
            say("%s: %s keeps %.3f of what it does without the silent ports"
                % (name, label, side["share_of_alone"]))
    # A thread that has time to spare may sleep.
    if any(side.get("cpu_share", 1) < UNDISTURBED and not limited(side)
           for side in both):
        say("%s DISTURBED: something else ran on the polling thread's CPU; "
            "measure again on an idle machine" % name)


def show_comparison(lines):
    """Prints what results.compare() returned."""
    width = max([len(line[0]) for line in lines] + [8])
    say("%s  %7s  %7s  %7s" % ("scenario".ljust(width), "first", "second",
                               "change"))
    for name, first, second, alike in lines:
        change = ("-" if first is None or second is None or not first
                  else "%+.1f %%" % (100 * (second / first - 1)))
        say("%s  %7s  %7s  %7s%s"
            % (name.ljust(width), "-" if first is None else "%.2f" % first,
               "-" if second is None else "%.2f" % second, change,
               "" if alike else "  DIFFERENT"))


def gnuplot_script(results, path):
    """Returns what makes gnuplot draw the ratios and their targets."""
    terminal = {".svg": "svg size 1100,500",
                ".png": "pngcairo size 1100,500"}
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in terminal:
        raise Failure("%s: a plot is named *.svg or *.png" % path)
    rows = [result for result in results["results"]
            if "value" in result and METRICS[result["metric"]][1]]
    if not rows:
        raise Failure("there is no ratio to plot")
    data = "".join('"%s" %g %s %s\n' % (
        result["scenario"], result["value"], result["target"] or "NaN",
        result.get("floor_value", "NaN")) for result in rows)
    return """\
set terminal %s
set output "%s"
set style fill solid 0.7
set boxwidth 0.7
set grid ytics
set yrange [0:*]
set xtics rotate by -40
set key top left
set ylabel "%s / %s"
$rows << END
%sEND
plot $rows using 0:2:xtic(1) with boxes title "ratio", \\
     $rows using 0:3 with points pt 9 ps 1.5 title "target", \\
     $rows using 0:4 with points pt 11 ps 1.5 title "bare loop", \\
     1 with lines dt 2 notitle
""" % (terminal[suffix], path, results["measured"], results["baseline"], data)


def plot(results, path):
    done = subprocess.run(["gnuplot"], input=gnuplot_script(results, path),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", check=False)
    if done.returncode:
        raise Failure("gnuplot failed: %s" % done.stdout.strip())
