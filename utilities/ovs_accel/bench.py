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

"""ovs-accel-bench: guest to guest, accel against netdev."""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import sys
import tempfile
import time

from ovs_accel import program, verify
from ovs_accel.proc import Failure, run, wait_until
from ovs_accel.program import say
from ovs_accel.switch import Switch, enough_huge_pages
from ovs_accel.testpmd import Testpmd, virtio_user

BRIDGE = "br0"
NAMES = ("vm1", "vm2")
MACS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
BASELINE = "netdev"

# Name: bytes of a frame, whether rings are packed.
SCENARIOS = {"%s-%d" % (ring, size): (size, ring == "packed")
             for size in (64, 512, 1518) for ring in ("split", "packed")}

# Frames that each guest sends while frames are verified.
VERIFIED_FRAMES = 20000
# As many bursts of 32 frames circulate in each direction; the rings hold them
# all, so that none is lost.
BURSTS = 16
# A switch that was busy for less than this was not the limit.
SATURATED = 0.95
# A polling thread that had its CPU for less than this was disturbed.
UNDISTURBED = 0.98

# Counters that only accel has: name in the results, name in pmd-stats-show.
COUNTERS = {"main_road_packets": "main road packets",
            "side_road_packets": "side road packets",
            "copies": "copies",
            "dp_packets_made": "dp_packets made"}

PROGRAMS = ("ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl",
            "ovs-ofctl", "ovs-appctl", "setpriv", "unshare", "taskset",
            "dpdk-testpmd", "stdbuf")


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="ovs-accel-bench",
        description="Measures how fast a bridge forwards between two guests, "
        "on datapath accel and on netdev (OVS-DPDK), in turn.  The guests are "
        "DPDK virtio-user ports of one testpmd on one CPU, the bridge is a "
        "learning switch with one polling thread on another CPU; frames go "
        "round in both directions.  Before that it verifies frames: payload, "
        "order and receiver.  Must run as root, on an otherwise idle machine "
        "with two CPUs or more.")
    parser.add_argument("--rounds", type=int, default=3, metavar="N",
                        help="rounds, of which the medians are reported "
                        "(default: 3)")
    parser.add_argument("--seconds", type=float, default=5, metavar="S",
                        help="seconds that each run is measured (default: 5)")
    parser.add_argument("--scenario", action="append", metavar="NAME",
                        choices=list(SCENARIOS),
                        help="measure only this one; may be repeated")
    parser.add_argument("--list", action="store_true",
                        help="print the names of the scenarios")
    parser.add_argument("--json", metavar="FILE",
                        help="write all results to FILE, too")
    parser.add_argument("--datapath", choices=sorted(Switch.PORT_TYPES),
                        default="accel",
                        help="what is compared with netdev (default: accel)")
    parser.add_argument(
        "--no-build", action="store_true",
        help="install and build nothing: use the programs that PATH and "
        "OVS_SRC name, see ovs-accel-env")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds are more than 0")
    return options


def pick_cpus():
    """Returns the CPUs for the guests, for the polling thread and, as
    taskset takes them, for everything else; no two of the first two share a
    core."""
    cores = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        path = "/sys/devices/system/cpu/cpu%d/topology/core_cpus_list" % cpu
        try:
            with open(path) as f:
                core = f.read()
        except OSError:
            core = str(cpu)
        cores.setdefault(core, cpu)
    cpus = list(cores.values())
    if len(cpus) < 2:
        raise Failure("two cores are needed, one for the switch and one for "
                      "the guests")
    return cpus[0], cpus[1], ",".join(map(str, cpus[2:] or cpus[:1]))


class Run:
    """One daemon, one bridge, two guests, in a directory of their own."""

    def __init__(self, datapath, packed, huge):
        self.datapath = datapath
        self.packed = packed
        self.huge = huge
        self.directory = tempfile.mkdtemp(prefix="ovs-accel-bench.")
        self.guest_cpu, self.pmd_cpu, others = pick_cpus()
        self.switch = Switch(self.directory, datapath, cpus=others)
        self.testpmd = Testpmd(self.directory)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.testpmd.stop()
        self.switch.stop()
        if isinstance(error, Exception):
            say("    the logs are in %s" % self.directory)
        else:
            shutil.rmtree(self.directory)

    def sock(self, name):
        return os.path.join(self.directory, name + ".sock")

    def start(self, devices, options):
        self.switch.start(pmd_cpu_mask="0x%x" % (1 << self.pmd_cpu))
        self.switch.add_bridge(BRIDGE)
        for name in NAMES:
            self.switch.add_port(BRIDGE, name, self.sock(name))
        self.testpmd.start(devices, ["--forward-mode=io"] + options,
                           huge=self.huge, cpu=self.guest_cpu)
        self.testpmd.wait_ready()
        for name in NAMES:
            self.switch.wait_link(name)

    def guest_ports(self):
        devices = []
        for number, name in enumerate(NAMES):
            devices += virtio_user(number, self.sock(name), MACS[number],
                                   self.packed)
        return devices

    def received(self, ports=(0, 1)):
        stats = self.testpmd.stats()
        return [stats[port]["RX-packets"] for port in ports]

    def measure(self, size, seconds):
        """Returns what was measured within 'seconds'."""
        # What testpmd receives on one port it sends on the other: guest 1's
        # frames go round as guest 1's frames.
        self.start(self.guest_ports(),
                   ["--txpkts=%d" % size, "--eth-peer=0," + MACS[1],
                    "--eth-peer=1," + MACS[0]])
        self.testpmd.command("start tx_first %d" % BURSTS)
        wait_until("frames to go round in both directions",
                   lambda: min(self.received()) > 1000, 20)
        time.sleep(1)
        command = "dpif-%s/pmd-stats-" % self.datapath
        self.switch.appctl(command + "clear")
        cpu_before = cpu_times(self.switch.vswitchd.pid)
        before, began = self.received(), time.monotonic()
        time.sleep(seconds)
        after, ended = self.received(), time.monotonic()
        cpu_after = cpu_times(self.switch.vswitchd.pid)
        result = pmd_stats(self.switch.appctl(command + "show"))
        result["cpu_share"] = min(1, max(
            used - cpu_before.get(thread, 0)
            for thread, used in cpu_after.items()) / (ended - began))
        result["mpps"] = ((sum(after) - sum(before)) / (ended - began) / 1e6)
        result["dropped"] = self.dropped()
        return result

    def dropped(self):
        """Returns the frames that the switch has counted as dropped."""
        total = 0
        for name in NAMES:
            text = self.switch.ofctl("dump-ports", BRIDGE, name)
            total += sum(map(int, re.findall(r"drop=(\d+)", text)))
        return total

    def verify(self, size, seed):
        """Sends frames both ways and checks every one that arrives."""
        sent, devices = [], []
        for number, name in enumerate(NAMES):
            path = os.path.join(self.directory, name)
            sent.append(verify.frames(number, MACS[number], MACS[1 - number],
                                      size, VERIFIED_FRAMES, seed))
            verify.write_pcap(path + ".in", sent[number])
            devices += ["--vdev", "net_pcap%d,rx_pcap=%s.in,tx_pcap=%s.out"
                        % (number, path, path)]
            devices += virtio_user(number, self.sock(name), MACS[number],
                                   self.packed)
        self.start(devices, ["--no-flush-rx"])
        self.testpmd.command("start")
        lost = self.settle()
        wait_until("the switch's books to balance",
                   lambda: not self.switch.unbalanced(), 10)
        self.testpmd.stop()
        verified = 0
        for number, name in enumerate(NAMES):
            received = verify.read_pcap(os.path.join(self.directory,
                                                     name + ".out"))
            verified += verify.check(received, 1 - number, sent[1 - number])
        if not verified:
            raise Failure("no frame arrived")
        return {"frames": verified, "lost": lost}

    def settle(self):
        """Waits until the frames of the pcap files are sent and what the
        guests have sent is received or, says the switch, dropped.  Returns
        how many were dropped."""
        def settled():
            stats = self.testpmd.stats()
            read = [stats[port]["RX-packets"] for port in (0, 2)]
            sent = sum(stats[port]["TX-packets"] for port in (1, 3))
            here = sum(stats[port]["RX-packets"] for port in (1, 3))
            return (read == [VERIFIED_FRAMES] * 2
                    and sent == here + self.dropped() and [sent - here])
        return wait_until("frames to arrive or to be counted as dropped",
                          settled, 20)[0]


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
    for name, text in COUNTERS.items():
        value = total(text)
        if value is not None:
            result[name] = value
    return result


def cpu_times(pid):
    """Returns the seconds of CPU that each thread of process 'pid' has had,
    by thread id."""
    times = {}
    for thread in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/schedstat" % (pid, thread)) as f:
                times[thread] = int(f.read().split()[0]) / 1e9
        except OSError:
            pass                # It has ended meanwhile.
    return times


def machine(huge):
    """Describes the machine and the software that were measured."""
    with open("/proc/cpuinfo") as f:
        cpuinfo = f.read()
    model = re.search(r"model name\s*:\s*(.*)", cpuinfo)
    with open("/proc/meminfo") as f:
        memory = int(re.search(r"MemTotal:\s*(\d+)", f.read()).group(1))
    return {"cpu": model.group(1) if model else platform.machine(),
            "cpus": os.cpu_count(), "memory_mib": memory // 1024,
            "virtual": "hypervisor" in cpuinfo,
            "kernel": platform.release(), "huge_pages": huge,
            "switch": run(["ovs-vswitchd", "--version"]).splitlines()}


class Bench:
    def __init__(self, options):
        self.options = options
        self.huge = enough_huge_pages()
        self.sides = (BASELINE, options.datapath)
        self.names = [name for name in SCENARIOS
                      if name in (options.scenario or SCENARIOS)]
        self.rows = {name: {"runs": ([], []), "verified": [None, None],
                            "failure": None} for name in self.names}
        self.seed = int.from_bytes(os.urandom(4), "big")
        self._done = 0
        self._total = len(self.names) * 2 * (1 + options.rounds)
        self._began = time.monotonic()

    def note(self, text):
        """Says what was done and how long the rest will take."""
        self._done += 1
        took = time.monotonic() - self._began
        left = took / self._done * (self._total - self._done)
        say("[%3d/%d, %d:%02d left] %s" % (self._done, self._total, left // 60,
                                         left % 60, text))

    def verify(self):
        for name in self.names:
            size, packed = SCENARIOS[name]
            for i, datapath in enumerate(self.sides):
                try:
                    with Run(datapath, packed, self.huge) as one:
                        result = one.verify(size, self.seed)
                    self.rows[name]["verified"][i] = result
                    text = "%d frames verified, %d dropped" % (
                        result["frames"], result["lost"])
                except Failure as e:
                    self.fail(name, datapath, e)
                    text = "FAILED: %s" % e
                self.note("%-12s %-6s %s" % (name, datapath, text))

    def measure(self):
        for number in range(self.options.rounds):
            for name in self.names:
                # Every other round the other one first: neither always has
                # the warmer machine.
                for i in (0, 1) if number % 2 == 0 else (1, 0):
                    self.note("%-12s %-6s %s" % (name, self.sides[i],
                                                 self.measure_one(name, i)))

    def measure_one(self, name, i):
        size, packed = SCENARIOS[name]
        try:
            with Run(self.sides[i], packed, self.huge) as one:
                result = one.measure(size, self.options.seconds)
        except Failure as e:
            self.fail(name, self.sides[i], e)
            return "FAILED: %s" % e
        self.rows[name]["runs"][i].append(result)
        return ("%.2f Mpps, %.0f cycles per packet, busy %.0f %%, had its CPU "
                "for %.0f %%"
                % (result["mpps"], result["cycles_per_packet"],
                   100 * result["busy_share"], 100 * result["cpu_share"]))

    def fail(self, name, datapath, error):
        if self.rows[name]["failure"] is None:
            self.rows[name]["failure"] = "%s: %s" % (datapath, error)

    def results(self):
        """Returns one dictionary per scenario."""
        results = []
        for name in self.names:
            size, packed = SCENARIOS[name]
            row = self.rows[name]
            result = {"scenario": name, "frame_bytes": size,
                      "ring": "packed" if packed else "split",
                      "failure": row["failure"]}
            sides = [summary(runs, verified) for runs, verified
                     in zip(row["runs"], row["verified"])]
            result["baseline"], result["measured"] = sides
            if all("mpps" in side for side in sides):
                result["ratio"] = sides[1]["mpps"] / sides[0]["mpps"]
                result["cycles_ratio"] = (sides[0]["cycles_per_packet"]
                                          / sides[1]["cycles_per_packet"])
            results.append(result)
        return results


def summary(runs, verified):
    """Returns the medians of 'runs' and the runs themselves."""
    result = {"runs": runs, "verified": verified}
    if runs:
        for name in ("mpps", "cycles_per_packet", "busy_share",
                     "cpu_share"):
            result[name] = statistics.median(r[name] for r in runs)
        if "main_road_packets" in runs[0]:
            for name in ["packets"] + list(COUNTERS):
                result[name] = sum(r[name] for r in runs)
            result["main_road_share"] = (result["main_road_packets"]
                                         / result["packets"])
    return result


def print_table(sides, results):
    say("\n%-12s %21s %7s %21s %7s %9s  %s"
        % ("", "Mpps", "", "busy cycles/packet", "", "main", ""))
    say("%-12s %10s %10s %7s %10s %10s %7s %9s  %s"
        % ("scenario", sides[0], sides[1], "ratio", sides[0], sides[1],
           "ratio", "road", "frames verified"))
    limited, disturbed, made = False, [], None
    for result in results:
        if "ratio" not in result or result["failure"]:
            say("%-12s FAILED: %s" % (result["scenario"], result["failure"]))
            continue
        both = result["baseline"], result["measured"]
        marks = ["*" if side["busy_share"] < SATURATED else " "
                 for side in both]
        limited = limited or "*" in marks
        if min(side["cpu_share"] for side in both) < UNDISTURBED:
            disturbed.append(result["scenario"])
        share = both[1].get("main_road_share")
        if share is not None:
            made = (made or 0) + both[1]["dp_packets_made"]
        say("%-12s %9.2f%s %9.2f%s %7.2f %10.0f %10.0f %7.2f %9s  %s" % (
            result["scenario"], both[0]["mpps"], marks[0], both[1]["mpps"],
            marks[1], result["ratio"], both[0]["cycles_per_packet"],
            both[1]["cycles_per_packet"], result["cycles_ratio"],
            "-" if share is None else "%.3f %%" % (100 * share),
            " + ".join(str(side["verified"]["frames"]) for side in both)))
    if made is not None:
        say("dp_packets that %s made in these runs: %d" % (sides[1], made))
    if disturbed:
        say("DISTURBED: %s: something else ran on the polling thread's CPU, "
            "which slows it down; measure again on an idle machine"
            % ", ".join(disturbed))
    if limited:
        say("* the switch had time to spare: the guests were the limit, so "
            "compare cycles")


def print_machine(about, options):
    say("%s, %d CPUs%s, %d MiB, Linux %s, %s"
        % (about["cpu"], about["cpus"],
           " (virtual)" if about["virtual"] else "", about["memory_mib"],
           about["kernel"],
           "huge pages" if about["huge_pages"] else "no huge pages"))
    say("; ".join(about["switch"]))
    say("medians of %d rounds of %g s; both guests on one CPU, one polling "
        "thread" % (options.rounds, options.seconds))


def work(options, stack):
    program.require_root()
    if not options.no_build:
        program.build("ovs-accel-bench")
    program.require_programs(PROGRAMS)
    pick_cpus()
    bench = Bench(options)
    about = machine(bench.huge)
    print_machine(about, options)
    bench.verify()
    bench.measure()
    results = bench.results()
    print_table(bench.sides, results)
    print_machine(about, options)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"date": time.strftime("%Y-%m-%dT%H:%M:%SZ",
                                             time.gmtime()),
                       "machine": about, "rounds": options.rounds,
                       "seconds": options.seconds, "seed": bench.seed,
                       "baseline": bench.sides[0],
                       "measured": bench.sides[1], "results": results},
                      f, indent=1)
            f.write("\n")
    failed = [result["scenario"] for result in results if result["failure"]]
    if failed:
        raise Failure(", ".join(failed))


def main(arguments):
    options = parse(arguments)
    if options.list:
        print("\n".join(SCENARIOS))
        return 0
    return program.main("bench", lambda stack: work(options, stack))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
