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


"""Measuring in slices, while the two CPUs are near to each other and have
their cores for themselves.

Where a virtual machine's CPUs run on the machine beneath is not for it to
choose, and changes: at one moment they share a cache, at the next they do not,
and whatever passes from one to the other costs several times as much.  At one
moment a CPU has a core for itself, at the next it shares it, as a hyperthread,
with another virtual machine, and does half as much.  Two switches can only be
compared at moments that are alike."""

import contextlib
import math
import os
import signal
import statistics
import subprocess
import time

from ovs_accel import scripted
from ovs_accel.bench.machine import pick_cpus
from ovs_accel.proc import Failure

SLICE = 0.1                     # Seconds.
SETTLED = 0.02                  # Seconds from going on to measuring.
# CPUs are near while a cache line takes less than so many times the least
# that it was ever seen to take.
FAR = 2
# They have their cores for themselves while they compute in less than so many
# times the least: 1.2 times and more where they do not.
SHARED = 1.1
LOOKS = 200                     # To find that least, and
LOOK_EVERY = 0.01               # seconds between them.
# Measures for so many times the seconds that are to be measured, and
PATIENCE = 4
# waits before that for so many seconds, for the right moment to come.
WAIT = 15
# What is looked at, in cycles of the time stamp counter, and how many times
# the least that it was ever seen to take is too long.
LIMITS = {"transfer_cycles": FAR, "compute_cycles": SHARED}


def worst(*looks):
    """Returns the worst that any of the 'looks', or results, has found."""
    return {name: max(look[name] for look in looks) for name in LIMITS}


class Near:
    """Tells whether the CPUs are near to each other and have their cores for
    themselves: by the cycles that a cache line takes from one to the other,
    and those that both take to compute something."""

    def __init__(self):
        self._least = dict.fromkeys(LIMITS, math.inf)
        self._probe = None

    def __enter__(self):
        # It has its own session, to not get Ctrl-C, and ends with its input.
        self._probe = subprocess.Popen(
            [scripted.program("cpu-probe")] + [str(cpu) for cpu
                                               in pick_cpus()[:2]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            start_new_session=True)
        for _ in range(LOOKS):
            self._look()
            time.sleep(LOOK_EVERY)
        return self

    def __exit__(self, kind, error, trace):
        self._probe.stdin.close()
        self._probe.wait()

    def _ask(self, question):
        self._probe.stdin.write(question + "\n")
        self._probe.stdin.flush()
        answer = self._probe.stdout.readline()
        if not answer:
            raise Failure("cpu-probe has ended")
        return float(answer)

    def wake_us(self):
        """Returns how many microseconds it takes the guests' CPU to wake up a
        thread on the other one, after silence, with everything idle."""
        return self._ask("wake")

    def copy_cycles(self):
        """Returns how many cycles it takes the polling thread's CPU to copy a
        frame of 64 KB from one guest's receive buffers to another's, with
        everything idle."""
        return self._ask("copy")

    def _look(self):
        """Returns what LIMITS names, with nothing running that keeps the CPUs
        busy."""
        cycles = {"transfer_cycles": self._ask("transfer"),
                  "compute_cycles": self._ask("compute")}
        for name, value in cycles.items():
            self._least[name] = min(self._least[name], value)
        return cycles

    def look(self, processes):
        """Stops 'processes', which keep the CPUs busy, for a look.  Returns
        what LIMITS names."""
        with contextlib.ExitStack() as stack:
            for process in processes:
                os.kill(process.pid, signal.SIGSTOP)
                stack.callback(os.kill, process.pid, signal.SIGCONT)
            cycles = self._look()
        time.sleep(SETTLED)
        return cycles

    def wait(self):
        """Waits for a moment that is_near() likes, with nothing running that
        keeps the CPUs busy, for WAIT seconds at most."""
        began = time.monotonic()
        while (not self.is_near(self.look([]))
               and time.monotonic() - began < WAIT):
            continue

    def is_near(self, result):
        """Returns true if 'result' was measured while the CPUs were near and
        had their cores for themselves, by all that is known by now."""
        return all(result[name] < limit * self._least[name]
                   for name, limit in LIMITS.items())

    def medians(self, seconds, processes, measure):
        """Calls 'measure', which takes about SLICE seconds and returns a
        dictionary of numbers, with looks in between at the CPUs, until
        'seconds' of it lie between two looks that found them as is_near()
        wants them.
        Returns the medians of what it returned then.  If the machine does not
        allow that, they are those of all calls, and "near" is 0 and not 1."""
        everything = []
        taken, began = 0, time.monotonic()
        before = self.look(processes)
        while (taken < seconds
               and time.monotonic() - began < PATIENCE * seconds):
            start = time.monotonic()
            result = measure()
            took = time.monotonic() - start
            after = self.look(processes)
            result.update(worst(before, after))
            everything.append(result)
            if self.is_near(result):
                taken += took
            before = after
        near = [one for one in everything if self.is_near(one)]
        slices = near or everything
        return dict({name: statistics.median(one[name] for one in slices
                                             if name in one)
                     for name in set().union(*slices)}, near=int(bool(near)))
