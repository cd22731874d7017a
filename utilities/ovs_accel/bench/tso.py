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


"""TCP segments of 64 KB that nobody cuts (TSO)."""

import time

from ovs_accel import verify
from ovs_accel.bench.guest_to_guest import STRAIGHT
from ovs_accel.bench.results import FLOOR
from ovs_accel.bench.scenario import Scenario
from ovs_accel.bench.side import SETTLE
from ovs_accel.proc import Failure, wait_until

MSS = 1460
HEADERS = 14 + 20 + 20
# struct virtio_net_hdr_mrg_rxbuf, for TSO with this MSS.
TSO_HEADER = "0101" + "".join(
    number.to_bytes(2, "little").hex() for number in (HEADERS, MSS, 34, 16, 0))


class Kind:
    """What the frames are like, and how many of each guest circulate: a
    receive ring holds all twice, for the guest that it belongs to sends out of
    its buffers and may be slow to take them back."""

    def __init__(self, payload, count, partial):
        self.payload = payload
        self.size = HEADERS + payload
        self.count = count
        self.partial = partial


LARGE = Kind(44 * MSS, 12, True)
MTU_SIZED = Kind(MSS, 512, False)


class Tso(Scenario):
    """The guests send back what they receive out of the same memory, as
    testpmd does in other rows.  At the end they keep what they receive, and
    every frame, which has gone to and fro thousands of times, is verified."""

    name = "tso"
    about = ("TCP segments of 64 KB from guest to guest, against netdev with "
             "userspace-tso-enable")
    metric = "bits"
    target = 1.3
    verifiable = False          # They are while measuring.
    floor = "floor-tso"

    def flows(self):
        return STRAIGHT

    def kind(self, side):
        """Returns what the frames are like on 'side'."""
        return LARGE

    def other_config(self, side):
        return ({"userspace_tso_enable": "true"}
                if self.kind(side).partial else {})

    def frames(self, side, number, seed):
        kind = self.kind(side)
        tagged = verify.payloads(number, verify.HEADERS + kind.payload,
                                 kind.count, seed)
        return [verify.segment(self.header(number, i), payload, kind.partial)
                for i, payload in enumerate(tagged)]

    def measure(self, side, seconds):
        kind = self.kind(side)
        guests = side.start_scripted(self.packed, [
            "--ring-size=1024", "--region-mb=256"] + ([
                "--tx-offloads", "--rx-tso", "--max-frame=65535"]
                if kind.partial else []))
        self.set_up(side)
        side.wait_scripted()
        sent = self.send(side, guests)
        result = side.measure(seconds, received=lambda: [
            guest.counter("rx_frames") for guest in guests])
        result["frames_verified"] = self.check(side, guests, sent)
        result["gbps"] = result["mpps"] * kind.size * 8 / 1000
        result["cycles_per_byte"] = result["cycles_per_packet"] / kind.size
        return result

    def send(self, side, guests):
        """Sets all frames going and returns them."""
        everything = []
        for number, guest in enumerate(guests):
            frames = self.frames(side, number, 0)
            everything += frames
            verify.write_pcap(side.path(guest.name + ".in"), frames)
            guest.command("bounce", "on")
        for guest in guests:
            guest.command("play", side.path(guest.name + ".in"),
                          *(["hdr=" + TSO_HEADER] if self.kind(side).partial
                            else []))
        time.sleep(SETTLE)
        return everything

    def known(self, side, frame):
        """Returns 'frame' without what nobody has to keep: netdev replaces
        checksums that are yet to be completed by what network cards want."""
        return frame[:50] + frame[52:] if self.kind(side).partial else frame

    def check(self, side, guests, sent):
        """Stops the frames and checks that those that arrive are 'sent'.
        Returns how many there are."""
        for guest in guests:
            guest.command("record", side.path(guest.name + ".out"))
            guest.command("bounce", "off")

        def arrived():
            return sum(guest.counter("rx_foreign") for guest in guests)
        wait_until("all frames to arrive or to be counted as dropped",
                   lambda: arrived() + side.dropped() >= len(sent), 10)
        left = [self.known(side, frame) for frame in sent]
        for guest in guests:
            guest.command("record", "off")
            for frame in verify.read_pcap(side.path(guest.name + ".out")):
                frame = self.known(side, frame)
                if frame not in left:
                    raise Failure("what guest %s has received is not what was "
                                  "sent, or comes twice" % guest.name)
                left.remove(frame)
        if not len(sent) - len(left):
            raise Failure("no frame came to the end")
        return len(sent) - len(left)


class TsoDefault(Tso):
    name = "tso-default"
    about = ("TCP segments of 64 KB from guest to guest, against netdev's "
             "default: MTU-sized ones")
    target = 3

    def kind(self, side):
        return LARGE if side.datapath == "accel" else MTU_SIZED


class FloorOfTso(Tso):
    """No switch that copies gets below this."""

    name = "floor-tso"
    about = "copying 64 KB from buffers to buffers of 2 KB"
    of = "tso"
    sides = (FLOOR,)
    main_road = False
    size = 65536

    def measure(self, side, seconds):
        return side.near.medians(seconds, [], lambda: self.slice(side))

    def slice(self, side):
        cycles = side.near.copy_cycles()
        return {"cycles_per_packet": cycles,
                "cycles_per_byte": cycles / self.size}


SCENARIOS = [TsoDefault, Tso]
FLOORS = [FloorOfTso]
