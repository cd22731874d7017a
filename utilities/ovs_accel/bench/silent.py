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


"""Ports whose guests are silent."""

from ovs_accel.bench.guest_to_guest import Unchanged
from ovs_accel.bench.near import worst
from ovs_accel.bench.results import share
from ovs_accel.bench.scenario import Scenario
from ovs_accel.bench.side import GUESTS


class BesideSilent(Unchanged):
    """The target has two parts: see results.SHARE_OF_ALONE, too."""

    name = "beside-silent"
    # The main thread, which has the guests' CPU, looks at all the ports every
    # few seconds.
    least_seconds = 1.5
    about = ("64 bytes, packed rings, in_port to output, beside "
             "--silent-ports silent ports")

    def __init__(self, options):
        super().__init__(options)
        self.target = 5
        self.seconds = None
        self.alone = None

    def set_up_to_verify(self, side):
        super().set_up_to_verify(side)
        side.start_silent(self.options.silent_ports, self.packed)
        side.wait_silent()

    def warm_up(self, side):
        """Measures without the silent ports, then adds them."""
        self.alone = side.measure(self.seconds)
        side.start_silent(self.options.silent_ports, self.packed)
        side.wait_silent()
        side.wait_flowing()

    def measure(self, side, seconds):
        self.seconds = seconds
        result = super().measure(side, seconds)
        result["alone_mpps"] = self.alone["mpps"]
        # It counts if both do.
        result.update(worst(result, self.alone))
        result["near"] = min(result["near"], self.alone["near"])
        result["share_of_alone"] = share(self.alone, result)
        return result


class Idle(Scenario):
    name = "idle"
    about = "processor time with 2 guests, connected and silent"
    metric = "cpu"
    target = 2
    verifiable = False
    floor = None
    silent = 0

    def set_up(self, side):
        super().set_up(side)
        side.start_silent(self.silent, self.packed)

    def measure(self, side, seconds):
        devices, options, ports, _ = self.generator(side)
        side.start_guests(devices, options, ports)
        self.set_up(side)
        side.wait_guests()
        side.wait_silent()
        return side.measure_cpu(seconds)


class IdleMany(Idle):
    name = "idle-many"
    about = "processor time with --silent-ports guests, connected and silent"

    def __init__(self, options):
        super().__init__(options)
        self.silent = max(0, options.silent_ports - len(GUESTS))


SCENARIOS = [BesideSilent, Idle, IdleMany]
