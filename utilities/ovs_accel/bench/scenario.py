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


"""What a scenario is."""

from ovs_accel import verify
from ovs_accel.bench.results import BASELINE, MEASURED
from ovs_accel.bench.side import GUESTS, MACS, SETTLE

# Frames that each guest sends while frames are verified, and their bytes at
# most.
VERIFIED_FRAMES = 20000
VERIFIED_BYTES = 40 << 20


class Scenario:
    """One row of the table.  What differs between rows is overridden; a new
    object serves each run."""

    # What --list shows; the names are unique.
    name = None
    about = None
    # What makes the ratio, one of results.METRICS, and the target for it, None
    # if it is only reported.
    metric = "speed"
    target = None

    sides = (BASELINE, MEASURED)
    # Whether measured packets have to take the main road.
    main_road = True

    size = 64                   # Bytes of a frame.
    buffer_size = 1800          # Bytes of a frame in one buffer, at most.
    packed = True               # Whether rings are packed.
    verifiable = True           # Whether verify() does anything.
    lossy = False               # Whether frames get lost that nobody counts.

    # How testpmd makes frames.  The rings hold all that circulate, so that
    # none is lost.
    bursts = 16
    topology = "paired"

    def __init__(self, options):
        self.options = options

    @property
    def floor(self):
        """The name of the scenario that tells what is possible at best."""
        return "floor-%s-%d" % ("packed" if self.packed else "split",
                                self.size)

    # The switch.

    def flows(self):
        """Returns the OpenFlow flows, None if the bridge just learns."""
        return None

    def other_config(self, side):
        """Returns what the switch on 'side' is configured with."""
        return {}

    def set_up(self, side):
        side.start_switch(**self.other_config(side))
        side.add_ports(GUESTS)
        if self.flows() is not None:
            side.set_flows(self.flows())

    # Verifying.

    def set_up_to_verify(self, side):
        self.set_up(side)

    def header(self, sender, number):
        """Returns the headers of frame 'number' that guest 'sender' sends."""
        return verify.Header(MACS[GUESTS[sender]], MACS[GUESTS[1 - sender]])

    def outcome(self, sender, header):
        """Returns the headers with which a frame arrives at the other guest,
        or None if the flows drop it."""
        return header

    def verify(self, side, seed):
        """Sends frames both ways and checks every one that arrives."""
        count = min(VERIFIED_FRAMES, VERIFIED_BYTES // self.size)
        sent, expected = ([], []), ({}, {})
        for sender in (0, 1):
            payloads = verify.payloads(sender, self.size, count, seed)
            for number, payload in enumerate(payloads):
                header = self.header(sender, number)
                sent[sender].append(verify.frame(header, payload))
                after = self.outcome(sender, header)
                if after is not None:
                    expected[1 - sender][sender, number] = (
                        header, verify.frame(after, payload))
        return side.verify(self.set_up_to_verify, self.packed, sent, expected,
                           self.others, self.lossy)

    # Measuring.

    others = ()                 # Guests that send back what they get.
    settle = SETTLE             # Seconds from the first frames to measuring.
    least_seconds = 0           # Seconds that a run is measured at least.

    def delivered(self):
        """Returns the share of the frames that the flows do not drop."""
        return 1

    def generator(self, side):
        """Returns testpmd's devices and options, which of its ports are
        guests, and the command that starts it."""
        devices = []
        for number, name in enumerate(GUESTS + self.others):
            devices += side.guest(number, name, self.packed)
        segments = -(-self.size // self.buffer_size)
        options = ["--forward-mode=io", "--port-topology=" + self.topology,
                   "--txpkts=" + ",".join([str(self.size // segments)]
                                          * segments),
                   "--eth-peer=0," + MACS[GUESTS[1]],
                   "--eth-peer=1," + MACS[GUESTS[0]]]
        if segments > 1:
            options.append("--tx-offloads=0x8000")
        return devices, options, (0, 1), "start tx_first %d" % self.bursts

    def warm_up(self, side):
        """Waits until the switch is in the state that is to be measured."""

    def measure(self, side, seconds):
        """Returns what side.measure() tells."""
        devices, options, ports, command = self.generator(side)
        side.start_guests(devices, options, ports)
        self.set_up(side)
        side.wait_guests()
        side.testpmd.command(command)
        side.wait_flowing(settle=self.settle)
        self.warm_up(side)
        return side.measure(seconds, self.delivered())


class Flowgen(Scenario):
    """testpmd makes frames of many flows, which are not sent again: UDP to
    10.253.0.0 and the addresses that follow."""

    flow_count = 60000
    NW_DST = (10 << 24) + (253 << 16)

    def header(self, sender, number):
        return super().header(sender, number)._replace(
            nw_dst=self.NW_DST + number * 7919 % self.flow_count)

    def generator(self, side):
        devices, options, ports, _ = super().generator(side)
        options[0] = "--forward-mode=flowgen"
        return (devices,
                options + ["--flowgen-flows=%d" % self.flow_count], ports,
                "start")


class Replay(Scenario):
    """testpmd sends the frames of a file, which are those that are verified,
    again and again."""

    frame_count = None

    def generator(self, side):
        devices = []
        for number, name in enumerate(GUESTS):
            path = side.path(name + ".frames")
            payloads = verify.payloads(number, self.size, self.frame_count, 0)
            verify.write_pcap(path, [
                verify.frame(self.header(number, n), payload)
                for n, payload in enumerate(payloads)])
            devices += ["--vdev", "net_pcap%d,rx_pcap=%s,infinite_rx=1"
                        % (number, path)]
            devices += side.guest(number, name, self.packed)
        return (devices, ["--forward-mode=io", "--no-flush-rx",
                          "--total-num-mbufs=%d" % (16384
                                                    + 3 * self.frame_count)],
                (1, 3), "start")
