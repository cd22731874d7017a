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


"""The floor: tests/vhost-floor, a bare loop that copies each frame once, in
the place of a switch."""

from ovs_accel.bench import guest_to_guest
from ovs_accel.bench.results import FLOOR
from ovs_accel.bench.scenario import Scenario


class Floor(Scenario):
    of = None                   # The scenario whose floor this is.
    sides = (FLOOR,)
    main_road = False
    verifiable = False          # It is a yardstick, not for use.

    @property
    def about(self):
        return ("%d bytes, %s rings, a bare loop instead of a switch"
                % (self.size, "packed" if self.packed else "split"))

    def set_up(self, side):
        side.start_floor()


class Jumbo(Floor):
    bursts = guest_to_guest.Jumbo.bursts


SCENARIOS = [
    type("Floor", (Jumbo if size == 9000 else Floor,),
         {"name": "floor-%s-%d" % (ring, size), "size": size,
          "packed": ring == "packed", "of": "%s-%d" % (ring, size)})
    for size in (64, 512, 1518, 9000) for ring in ("packed", "split")]
