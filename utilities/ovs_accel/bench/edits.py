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


"""Flows that change frames."""

from ovs_accel.bench.scenario import Scenario
from ovs_accel.bench.side import MACS

ROUTER = ("52:54:00:00:01:01", "52:54:00:00:01:02")
VLAN = 10
TTL = (63, 64)                  # As set on the way from guest 1 and guest 2.


class Edits(Scenario):
    name = "edits"
    about = ("64 bytes, set-field of MAC addresses and TTL, VLAN pushed one "
             "way, popped the other")
    target = 2.2

    # A frame goes to and fro: what one way changes the other changes back.
    topology = "loop"
    bursts = 12

    def flows(self):
        def edits(way):
            return ("set_field:%s->eth_src,set_field:%s->eth_dst,"
                    "set_field:%d->nw_ttl,"
                    % (ROUTER[way], MACS["vm%d" % (2 - way)], TTL[way]))
        return [
            "ip,in_port=vm1,vlan_tci=0,actions=%s"
            "push_vlan:0x8100,set_field:%d->vlan_vid,output:vm2"
            % (edits(0), 4096 + VLAN),
            "ip,in_port=vm2,dl_vlan=%d,actions=%s"
            "pop_vlan,output:vm1" % (VLAN, edits(1)),
            # Guest 2's first frames.
            "ip,in_port=vm2,vlan_tci=0,actions=%soutput:vm1" % edits(1)]

    def header(self, sender, number):
        # Some without VLAN, and some, with another one, that no flow takes.
        vlan = ((None, VLAN, VLAN, VLAN + 1) if sender else
                (None, None, None, VLAN))[number % 4]
        return super().header(sender, number)._replace(vlan=vlan)

    def outcome(self, sender, header):
        if header.vlan not in ((None, VLAN) if sender else (None,)):
            return None
        return header._replace(
            source=ROUTER[sender], ttl=TTL[sender],
            vlan=None if sender else VLAN)


SCENARIOS = [Edits]
