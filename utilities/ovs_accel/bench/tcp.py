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


"""TCP between two guests with a kernel of their own."""

import os
import re

from ovs_accel.bench.scenario import Scenario
from ovs_accel.bench.side import BRIDGE, GUESTS, MACS
from ovs_accel.proc import Failure
from ovs_accel.qemu import Guest

IPS = ("10.20.0.1", "10.20.0.2")
PORT = 5001
VERIFIED_MIB = 4


class Tcp(Scenario):
    """Where there is no KVM, the guests are emulated, and are the limit.  How
    fast they are is decided when they boot, so each run boots new ones."""

    name = "tcp"
    about = "TCP from one QEMU guest to another, bulk"
    metric = "gbps"
    main_road = False           # Address resolution, too.
    floor = None
    # Emulated guests are slow and uneven, and still slower at first.
    settle = 5
    least_seconds = 4

    PROGRAMS = ("qemu-system-x86_64", "busybox", "apt-get", "dpkg")

    def with_guests(self, side, work):
        """Returns what 'work' makes of the guests, once they have booted."""
        guests = [Guest(side.directory, name) for name in GUESTS]
        try:
            for guest, address in zip(guests, IPS):
                guest.start(side.path(guest.name + ".sock"), address + "/24",
                            MACS[guest.name], packed=self.packed)
                os.sched_setaffinity(guest.process.pid, {side.guest_cpu})
                side.others.append(guest.process)
            self.set_up(side)
            for guest in guests:
                guest.wait_booted()
            return work(*guests)
        finally:
            for guest in guests:
                guest.stop()

    def verify(self, side, seed):
        return {"frames": self.with_guests(side, self.verify_transfer),
                "lost": 0}

    def measure(self, side, seconds):
        def transfer(sender, receiver):
            # It ends with its standard input.
            receiver.run("sleep 86400 | nc -l -p %d >/dev/null 2>&1 &" % PORT)
            # Until the other one listens.
            sender.run("while sleep 1; do nc %s %d; done "
                       "</dev/zero >/dev/null 2>&1 &" % (IPS[1], PORT))
            side.wait_flowing(lambda: self.sent(side, "pkts"), self.settle)
            return self.measure_flowing(side, seconds)
        return self.with_guests(side, transfer)

    def measure_flowing(self, side, seconds):
        before = {unit: sum(self.sent(side, unit))
                  for unit in ("bytes", "pkts")}
        result = side.measure(seconds,
                              received=lambda: self.sent(side, "pkts"))
        size = ((sum(self.sent(side, "bytes")) - before["bytes"])
                / (sum(self.sent(side, "pkts")) - before["pkts"]))
        result["gbps"] = result["mpps"] * size * 8 / 1000
        return result

    @staticmethod
    def sent(side, unit):
        """Returns how much the switch has sent to each guest."""
        return [int(re.search(r"tx .*?\b%s=(\d+)" % unit, side.switch.ofctl(
            "dump-ports", BRIDGE, name)).group(1)) for name in GUESTS]

    @staticmethod
    def verify_transfer(sender, receiver):
        """Transfers something that must arrive as it was sent.  Returns the
        number of full-sized frames that it takes."""
        sender.run("mkdir -p /tmp/www && head -c %d /dev/urandom "
                   ">/tmp/www/file && httpd -p 80 -h /tmp/www"
                   % (VERIFIED_MIB << 20), timeout=120)
        sums = [sender.run("md5sum </tmp/www/file", timeout=120),
                receiver.run("wget -q -O - http://%s/file | md5sum" % IPS[0],
                             timeout=120)]
        if sums[0] != sums[1]:
            raise Failure("what arrived over TCP is not what was sent")
        return (VERIFIED_MIB << 20) // 1448


SCENARIOS = [Tcp]
