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


"""Round trips: one frame in flight."""

import re

from ovs_accel.bench.guest_to_guest import STRAIGHT
from ovs_accel.bench.near import SLICE
from ovs_accel.bench.results import FLOOR
from ovs_accel.bench.scenario import Scenario
from ovs_accel.proc import Failure


WARM_UP_FRAMES = 1000
AFTER_SILENCE = 10              # Frames in a slice.


class Latency(Scenario):
    """Both guests are one process, which polls: two that share a CPU would
    wait for each other to run for longer than for the switch."""

    name = "latency"
    about = "60 bytes, packed rings, one frame in flight, there and back"
    metric = "latency"
    target = 1.05
    size = 60
    verifiable = False          # The guests verify each frame.
    gap = 0                     # Microseconds of silence before each frame.
    floor = None

    def flows(self):
        return STRAIGHT

    def measure(self, side, seconds):
        guest = side.start_pair(self.packed)
        self.set_up(side)
        side.wait_scripted()
        return side.near.medians(seconds, side.processes(),
                                 lambda: self.measure_slice(guest))

    def measure_slice(self, guest):
        """Returns percentiles, in microseconds, of what round trips take."""
        busy = self.round_trips(guest, 0, WARM_UP_FRAMES)["p50_us"]
        if not self.gap:
            return self.round_trips(guest, 0, int(SLICE * 1e6 // busy))
        result = self.round_trips(guest, self.gap, AFTER_SILENCE)
        return dict(result, busy_p50_us=busy)

    def round_trips(self, guest, gap, count):
        """Sends 'count' frames, each after 'gap' microseconds of silence."""
        text = guest.command("ping-pong", "gap=%d" % gap, "timeout=600",
                             "size=%d" % self.size, "count=%d" % count)
        values = dict(re.findall(r"(\S+)=(\d+)", text))
        if values["back"] != values["sent"]:
            raise Failure("%s of %s frames did not come back"
                          % (values["lost"], values["sent"]))
        return {name + "_us": int(values[name]) / 1000
                for name in ("p50", "p99", "p99.9")}


class LatencyAfterSilence(Latency):
    name = "latency-silence"
    about = ("60 bytes, packed rings, one frame after 20 ms of silence, there "
             "and back")
    gap = 20000
    floor = "floor-latency-silence"
    # Those before are the packets under load.
    metric = "wake"
    target = 100


class FloorOfSilence(Latency):
    """No switch that sleeps gets below this."""

    name = "floor-latency-silence"
    about = "waking a thread on the other CPU after 20 ms of silence"
    of = "latency-silence"
    sides = (FLOOR,)

    def measure(self, side, seconds):
        return side.near.medians(
            seconds, [], lambda: {"wake_us": side.near.wake_us()})


SCENARIOS = [Latency, LatencyAfterSilence]
FLOORS = [FloorOfSilence]
