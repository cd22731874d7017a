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


"""All scenarios, in the order of the table."""

from ovs_accel.bench import (edits, floor, flows, guest_to_guest, latency,
                             side_road, silent, tcp, tso)


def _all():
    """Each floor comes next to the scenario that it is the floor of: the
    machine is much the same then."""
    floors = {scenario.name: scenario
              for scenario in floor.SCENARIOS + latency.FLOORS + tso.FLOORS}
    for module in (guest_to_guest, flows, edits, tso, tcp, side_road, silent,
                   latency):
        for scenario in module.SCENARIOS:
            yield scenario
            if "floor-" + scenario.name in floors:
                yield floors["floor-" + scenario.name]


SCENARIOS = {scenario.name: scenario for scenario in _all()}
