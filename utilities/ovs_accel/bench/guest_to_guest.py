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


"""Frames of several sizes, unchanged, from guest to guest."""

from ovs_accel.bench.scenario import Scenario


# Flows from each guest to the other.
STRAIGHT = ["in_port=vm1,actions=output:vm2", "in_port=vm2,actions=output:vm1"]


class Unchanged(Scenario):
    LEAST = {64: 2.2, 512: 2.0, 1518: 1.6, 9000: 1.8}

    def __init__(self, options):
        super().__init__(options)
        if self.size == 64 and not self.packed:
            self.metric = "cycles"
        self.target = self.LEAST[self.size]

    @property
    def about(self):
        return "%d bytes, %s rings, %s" % (
            self.size, "packed" if self.packed else "split",
            {64: "in_port to output", 9000: "mergeable, chained, NORMAL"}.get(
                self.size, "NORMAL"))

    def flows(self):
        return STRAIGHT if self.size == 64 else None


class Jumbo(Unchanged):
    """Five receive buffers hold one frame."""

    bursts = 4

    def set_up(self, side):
        super().set_up(side)
        for name in ("vm1", "vm2"):
            side.switch.vsctl("set", "interface", name, "mtu_request=9000")


SCENARIOS = [
    type("Unchanged", (Jumbo if size == 9000 else Unchanged,),
         {"name": "%s-%d" % (ring, size), "size": size,
          "packed": ring == "packed"})
    for size in (64, 512, 1518, 9000) for ring in ("packed", "split")]
