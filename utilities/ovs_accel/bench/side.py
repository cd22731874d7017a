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


"""One side of a comparison: one daemon, one bridge, the guests, in a directory
of their own."""

import os
import re
import shutil
import subprocess
import tempfile
import time

from ovs_accel import scripted, verify
from ovs_accel.bench.machine import pick_cpus
from ovs_accel.bench.near import SLICE
from ovs_accel.bench.results import difference, pmd_totals, rates
from ovs_accel.proc import Failure, Process, run, wait_until
from ovs_accel.program import say
from ovs_accel.scripted import ScriptedGuest
from ovs_accel.switch import Switch
from ovs_accel.testpmd import Testpmd, virtio_user
from ovs_accel.unixctl import Unixctl

BRIDGE = "br0"
GUESTS = ("vm1", "vm2")
SETTLE = 0.3                    # Seconds from the first frames to measuring.
MACS = {"vm1": "52:54:00:00:00:01", "vm2": "52:54:00:00:00:02",
        "nic": "52:54:00:00:00:03"}


class Side:
    def __init__(self, datapath, huge, near):
        self.datapath = datapath
        self.huge = huge
        self.near = near
        self.directory = tempfile.mkdtemp(prefix="ovs-accel-bench.")
        self.guest_cpu, self.pmd_cpu, others = pick_cpus()
        self.switch = Switch(self.directory, datapath, cpus=others)
        self.testpmd = Testpmd(self.directory)
        self._silent = Process(self.directory, "vhost-guest")
        self._silent_ports = []
        self._ports = []
        self._watched = ()
        self._unixctl = None
        # Further guests: processes that are not started here.
        self.others = []
        self._scripted = [ScriptedGuest(self.directory, name, number)
                          for number, name in enumerate(GUESTS)]
        self.floor = Process(self.directory, "vhost-floor")
        self._polling = self.switch.vswitchd

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self._unixctl is not None:
            self._unixctl.close()
        self.testpmd.stop()
        for guest in self._scripted:
            guest.stop()
        self._silent.stop()
        self.floor.stop()
        # Hundreds of ports take seconds to go, one by one.
        self.switch.stop(orderly=not self._silent_ports)
        if isinstance(error, Exception):
            say("    the logs are in %s" % self.directory)
        else:
            shutil.rmtree(self.directory)

    def path(self, name):
        return os.path.join(self.directory, name)

    # The switch.

    def start_switch(self, **other_config):
        self.switch.start(pmd_cpu_mask="0x%x" % (1 << self.pmd_cpu),
                          **other_config)
        self.switch.add_bridge(BRIDGE)

    def add_ports(self, names, bridge=BRIDGE):
        """Adds ports for guests that have been started.  testpmd's listen one
        after the other, once the one before is connected; who comes too early
        is made to wait for a second by librte_vhost."""
        for name in names:
            sock = self.path(name + ".sock")
            wait_until("guest %s to listen" % name,
                       lambda: os.path.exists(sock), 30, 0.02)
            self.switch.add_port(bridge, name, sock)
            self._ports.append((bridge, name))

    def set_flows(self, flows, bridge=BRIDGE):
        path = self.path(bridge + ".flows")
        with open(path, "w", encoding="utf-8") as f:
            f.write("".join(flow + "\n" for flow in flows))
        self.switch.ofctl("-O", "OpenFlow15", "replace-flows", bridge, path)

    def in_netns(self, *command):
        """Runs 'command' in the switch's network namespace."""
        return run(["nsenter", "--net", "--target",
                    str(self.switch.vswitchd.pid)] + list(command))

    def dropped(self):
        """Returns the frames that the switch has counted as dropped on the
        guests' ports, or as missed and lost."""
        text = self.switch.appctl("dpctl/show")
        total = sum(map(int, re.findall(r"lost:(\d+)", text)))
        for bridge, name in self._ports:
            text = self.switch.ofctl("dump-ports", bridge, name)
            total += sum(map(int, re.findall(r"drop=(\d+)", text)))
        return total

    def start_floor(self):
        """Starts the bare loop, in place of a switch, between the guests."""
        self._polling = self.floor
        self.floor.start(
            [scripted.program("vhost-floor"), "--cpu=%d" % self.pmd_cpu]
            + [self.path(name + ".sock") for name in GUESTS],
            stdin=subprocess.PIPE)
        wait_until("the bare loop to run",
                   lambda: "running" in self.floor.output(), 20, 0.02,
                   alive=[self.floor])

    # The guests.

    def guest(self, number, name, packed):
        return virtio_user(number, self.path(name + ".sock"), MACS[name],
                           packed)

    def start_guests(self, devices, options, watched):
        """Starts testpmd, before the switch gets the guests' ports, which are
        numbers 'watched' of its."""
        self._watched = watched
        self.testpmd.start(devices, options, huge=self.huge,
                           cpu=self.guest_cpu)

    def wait_guests(self):
        """Waits until the switch is connected to all guests."""
        self.testpmd.wait_ready()
        for _, name in self._ports:
            self.switch.wait_link(name)

    def start_scripted(self, packed, options=()):
        """Starts scripted guests in place of testpmd's, before the switch
        gets their ports, and returns them."""
        for guest in self._scripted:
            guest.start(self.path(guest.name + ".sock"), self.guest_cpu,
                        packed, options)
        return self._scripted

    def start_pair(self, packed):
        """Starts one process that is both guests, never sleeps, and as the
        second one echoes.  Returns the first one."""
        guest = self._scripted[0]
        guest.start(self.path(GUESTS[0] + ".sock"), self.guest_cpu, packed,
                    ["--echo=" + self.path(GUESTS[1] + ".sock"),
                     "--spins=1000000000"])
        return guest

    def wait_scripted(self):
        """Waits until the switch is connected to the scripted guests."""
        for guest in self._scripted:
            self.switch.wait_link(guest.name)
            if guest.process.alive():
                guest.command("wait", "link=1")

    def start_silent(self, count, packed):
        """Adds 'count' ports whose guests, all in one process, never send nor
        receive."""
        if not count:
            return
        sock = self.path("silent.sock")
        self._silent.start(
            [scripted.program(), "run", "--listen=" + sock,
             "--silent=%d" % (count - 1),
             "--unixctl=" + self.path("silent.ctl")]
            + (["--packed"] if packed else []), env=self.switch.env)
        ports = [("s%d" % n, sock + (".%d" % n if n else ""))
                 for n in range(count)]
        wait_until("the silent guests to listen",
                   lambda: os.path.exists(ports[-1][1]), 60,
                   alive=[self._silent])
        self.switch.add_ports(BRIDGE, ports)
        self._silent_ports = [name for name, _ in ports]

    def wait_silent(self):
        """Waits until the switch is connected to the silent guests, too."""
        wait_until("the links of all silent guests",
                   lambda: self.switch.links_up(self._silent_ports), 120,
                   interval=0.5, alive=[self.switch.vswitchd])

    def received(self):
        stats = self.testpmd.stats()
        return [stats[port]["RX-packets"] for port in self._watched]

    # Measuring.

    def wait_flowing(self, received=None, settle=SETTLE):
        """Waits until frames flow, and 'settle' seconds more; 'received' as
        for measure()."""
        received = received or self.received
        wait_until("frames to arrive at all guests",
                   lambda: min(received()) > 1000, 20)
        time.sleep(settle)

    def processes(self):
        """Returns the processes that keep the two CPUs busy."""
        return [process for process in
                [self._polling, self.testpmd.process]
                + [guest.process for guest in self._scripted] + self.others
                if process.alive()]

    def totals(self):
        """Returns what the polling threads have counted so far."""
        if self._polling is self.floor:
            return self._floor_totals()
        if self._unixctl is None:
            self._unixctl = Unixctl(self.path(
                "ovs-vswitchd.%d.ctl" % self.switch.vswitchd.pid))
        return pmd_totals(self._unixctl.command(
            "dpif-%s/pmd-stats-show" % self.datapath))

    def _floor_totals(self):
        seen = self.floor.output().count("\n")
        self.floor.stdin.write(b"\n")
        self.floor.stdin.flush()
        wait_until("the bare loop to answer",
                   lambda: self.floor.output().count("\n") > seen, 10, 0.001,
                   alive=[self.floor])
        last = self.floor.output().splitlines()[-1]
        return {name: int(value)
                for name, value in re.findall(r"(\w+)=(\d+)", last)}

    def measure(self, seconds, delivered=1, received=None):
        """Returns what was measured within 'seconds' of frames flowing, of
        which the flows let 'delivered' through.  'received' returns how many
        frames each guest has received; without it they are testpmd's."""
        received = received or self.received
        before = sum(received()), self.totals()
        result = self.near.medians(seconds, self.processes(), self._slice)
        after = sum(received()), self.totals()
        result.update(difference(before[1], after[1]))
        if not result["packets"]:
            raise Failure("no packets were forwarded")
        # The guests are too slow to be asked in each slice.
        result["mpps"] *= ((after[0] - before[0]) / delivered
                           / result["packets"])
        return result

    def _slice(self):
        """Returns what is measured within a moment; "mpps" are the packets
        that the polling threads receive."""
        pid = self._polling.pid
        cpu_before = cpu_times(pid)
        before, began = self.totals(), time.monotonic()
        time.sleep(SLICE)
        totals, took = (difference(before, self.totals()),
                        time.monotonic() - began)
        cpu_after = cpu_times(pid)
        return dict(rates(totals), mpps=totals["packets"] / took / 1e6,
                    cpu_share=min(1, max(
                        used - cpu_before.get(thread, 0)
                        for thread, used in cpu_after.items()) / took))

    def measure_cpu(self, seconds):
        """Returns the processor time that the switch takes."""
        # The process's clock, see clock_getcpuclockid(3): it also counts
        # threads that end meanwhile.
        clock = ~self.switch.vswitchd.pid << 3 | 2
        time.sleep(1)           # The guests have only just come.
        before, began = time.clock_gettime(clock), time.monotonic()
        time.sleep(seconds)
        used = time.clock_gettime(clock) - before
        return {"cpu_percent": 100 * used / (time.monotonic() - began)}

    # Verifying.

    def verify(self, set_up, packed, sent, expected, others=(), lossy=False):
        """Sends the frames 'sent' of each guest through the switch that
        'set_up' makes and checks those that arrive against 'expected', see
        verify.check().  Guests 'others' send back what they get.  With
        'lossy', frames may get lost uncounted."""
        devices = []
        for number, name in enumerate(GUESTS):
            path = self.path(name)
            verify.write_pcap(path + ".in", sent[number])
            devices += ["--vdev", "net_pcap%d,rx_pcap=%s.in,tx_pcap=%s.out"
                        % (number, path, path)]
            devices += self.guest(number, name, packed)
        for number, name in enumerate(others):
            devices += self.guest(len(GUESTS) + number, name, packed)
        self.start_guests(devices, ["--forward-mode=io", "--no-flush-rx"],
                          (1, 3))
        set_up(self)
        self.wait_guests()
        # Wait, for a while, where a ring is full.
        self.testpmd.command("set fwd io retry")
        self.testpmd.command("set burst tx delay 100 retry 1000")
        self.testpmd.command("start")
        wanted = len(expected[0]) + len(expected[1])
        lost = self._settle(len(sent[0]), sum(map(len, sent)) - wanted,
                            lossy)
        wait_until("the switch's books to balance",
                   lambda: not self.switch.unbalanced(), 10)
        self.testpmd.stop()
        verified = 0
        for number, name in enumerate(GUESTS):
            received = verify.read_pcap(self.path(name + ".out"))
            verified += verify.check(received, expected[number])
        return {"frames": verified, "lost": lost}

    def _settle(self, each, ruled_out, lossy):
        """Waits until 'each' frames of each pcap file are sent and no more
        arrive.  Returns how many of those sent, less the 'ruled_out' ones that
        the flows drop, did not arrive."""
        last = []

        def settled():
            stats = self.testpmd.stats()
            read = [stats[port]["RX-packets"] for port in (0, 2)]
            sent = sum(stats[port]["TX-packets"] for port in (1, 3))
            here = sum(stats[port]["RX-packets"] for port in (1, 3))
            last.append(here)
            # What testpmd itself failed to send cannot arrive, either.
            quiet = len(last) > 5 and len(set(last[-5:])) == 1
            # What the others failed to send back.
            here += sum(stats[port]["RX-packets"] - stats[port]["TX-packets"]
                        for port in range(4, len(stats)))
            missing = sent - here
            return (read == [each] * 2 and quiet and here
                    and (lossy or missing <= ruled_out + self.dropped())
                    and [max(0, missing - ruled_out)])
        return wait_until("frames to arrive or to be counted as dropped",
                          settled, 30)[0]


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
