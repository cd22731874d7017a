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


"""Many flows."""

from ovs_accel.bench.scenario import Flowgen, Replay
from ovs_accel.bench.side import BRIDGE
from ovs_accel.proc import wait_until

# What the flows' first table lets through.
OUTPUTS = ["table=1,in_port=vm1,actions=output:vm2",
           "table=1,in_port=vm2,actions=output:vm1"]
OTHER_PROTOCOL = 253

# Both datapaths rank the subtables of their classifiers once a second, by what
# was found in them, and netdev caches the flow of one frame in 100 only: with
# many flows it may take twice the cycles at first.
RANKED = 2.5


class Wildcard(Flowgen):
    """Frames of another protocol are verified, too: they are dropped, so that
    no cache may answer by in_port."""

    name = "flows-wildcard"
    about = "64 bytes, 60,000 UDP flows, one wildcard rule"
    target = 2.5
    settle = RANKED

    def flows(self):
        return ["udp,actions=goto_table:1",
                "ip,nw_proto=%d,actions=drop" % OTHER_PROTOCOL] + OUTPUTS

    def header(self, sender, number):
        header = super().header(sender, number)
        return (header._replace(proto=OTHER_PROTOCOL) if number % 8 == 7
                else header)

    def outcome(self, sender, header):
        return header if header.proto == 17 else None


class Acl(Flowgen):
    name = "flows-acl"
    about = ("64 bytes, 60,000 UDP flows, an ACL of 64 prefixes of 16 "
             "lengths that output, drop or edit")
    target = 3
    settle = RANKED

    EDITED = "52:54:00:00:02:%02x"
    # How many prefixes there are of each length, which is also the priority.
    COUNTS = dict([(17, 2)] + [(length, 4) for length in range(18, 32)]
                  + [(32, 6)])

    def __init__(self, options):
        super().__init__(options)
        self.rules = {}         # By length and prefix: "drop", MAC, None.
        for length, count in self.COUNTS.items():
            step = (1 << 16) // count
            for i in range(count):
                # Not all in the same place: rules of all lengths overlap.
                address = self.NW_DST + (i * step + length * 997) % (1 << 16)
                prefix = address >> (32 - length)
                while (length, prefix) in self.rules:
                    prefix ^= 1
                number = len(self.rules)
                self.rules[length, prefix] = (
                    "drop" if number % 8 == 7
                    else self.EDITED % number if number % 4 == 2 else None)

    def rule(self, address):
        for length in sorted(self.COUNTS, reverse=True):
            key = length, address >> (32 - length)
            if key in self.rules:
                return self.rules[key]
        return None

    def flows(self):
        flows = list(OUTPUTS)
        for (length, prefix), action in self.rules.items():
            address = prefix << (32 - length)
            actions = ("drop" if action == "drop" else "goto_table:1"
                       if action is None else
                       "set_field:%s->eth_src,goto_table:1" % action)
            flows.append("priority=%d,udp,nw_dst=%s/%d,actions=%s" % (
                length, ".".join(map(str, address.to_bytes(4, "big"))),
                length, actions))
        return flows

    def outcome(self, sender, header):
        action = self.rule(header.nw_dst)
        if action == "drop":
            return None
        return header if action is None else header._replace(source=action)

    def delivered(self):
        flows = range(self.NW_DST, self.NW_DST + self.flow_count)
        return 1 - (sum(self.rule(address) == "drop" for address in flows)
                    / self.flow_count)


class Macs(Replay):
    """One frame in 16 goes to an address that lives where it comes from and
    is dropped, so that no cache may answer by in_port."""

    name = "macs"
    about = "64 bytes, NORMAL between 2 guests with 4,000 MACs each"
    target = 2.2
    settle = RANKED

    frame_count = 4000
    OWN = 16

    @staticmethod
    def mac(guest, number):
        return "52:54:%02x:00:%02x:%02x" % ((guest,) + divmod(number, 256))

    def header(self, sender, number):
        number %= self.frame_count
        own = number % 16 == 15
        to = (self.mac(sender, 0x8000 + number % 251 % self.OWN) if own
              else self.mac(1 - sender, number))
        return super().header(sender, number)._replace(
            source=self.mac(sender, number), destination=to)

    def outcome(self, sender, header):
        return (None if header.destination[6:8] == header.source[6:8]
                else header)

    def delivered(self):
        return 15 / 16

    def set_up(self, side):
        super().set_up(side)
        side.switch.vsctl("set", "bridge", BRIDGE,
                          "other_config:mac-table-size=16384")
        for guest in (0, 1):
            for number in range(self.OWN):
                side.switch.appctl("fdb/add", BRIDGE, "vm%d" % (guest + 1),
                                   "0", self.mac(guest, 0x8000 + number))

    def warm_up(self, side):
        wait_until("all MAC addresses to be learned", lambda: len(
            side.switch.appctl("fdb/show", BRIDGE).splitlines())
            > 2 * self.frame_count, 60)


SCENARIOS = [Wildcard, Acl, Macs]
