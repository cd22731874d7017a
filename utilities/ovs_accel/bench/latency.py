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
from ovs_accel.bench.scenario import Scenario
from ovs_accel.proc import Failure


class Latency(Scenario):
    """Both guests share a CPU, so they sleep until the switch calls: to poll
    each would need one of its own."""

    name = "latency"
    about = "60 bytes, packed rings, one frame in flight, there and back"
    metric = "latency"
    target = 1.05
    size = 60
    verifiable = False          # The guests verify each frame.
    gap = 0                     # Microseconds of silence before each frame.
    warm_up_frames = 1000
    floor = None

    def flows(self):
        return STRAIGHT

    def measure(self, side, seconds):
        guests = side.start_scripted(self.packed)
        self.set_up(side)
        side.wait_scripted()
        guests[1].command("echo", "on")
        return self.round_trips(guests[0], seconds)

    def round_trips(self, guest, seconds):
        """Sends frames for about 'seconds', after some that do not count.
        Returns percentiles of what they took, in microseconds."""
        text = guest.command("ping-pong", "count=%d" % self.warm_up_frames,
                             "size=%d" % self.size)
        each = float(re.search(r" p50=(\d+)", text).group(1)) / 1e9
        text = guest.command("ping-pong", "gap=%d" % self.gap,
                             "size=%d" % self.size, "timeout=600",
                             "count=%d" % max(100, seconds
                                              // (each + self.gap / 1e6)))
        values = dict(re.findall(r"(\S+)=(\d+)", text))
        if values["back"] != values["sent"]:
            raise Failure("%s of %s frames did not come back"
                          % (values["lost"], values["sent"]))
        result = {name + "_us": int(values[name]) / 1000
                  for name in ("p50", "p99", "p99.9")}
        if self.gap:
            result["busy_p50_us"] = 1e6 * each
        return result


class LatencyAfterSilence(Latency):
    name = "latency-silence"
    about = ("60 bytes, packed rings, one frame after 20 ms of silence, there "
             "and back")
    gap = 20000
    # Those before are the packets under load.
    metric = "wake"
    target = 100


SCENARIOS = [Latency, LatencyAfterSilence]
