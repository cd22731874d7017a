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


"""What the main road does not serve: packets that need a dp_packet."""

from ovs_accel.bench.scenario import Flowgen, Scenario
from ovs_accel.bench.side import BRIDGE, GUESTS, MACS


class SideRoad(Scenario):
    metric = "mpps"
    target = 1.0
    main_road = False
    floor = None


class Kernel(SideRoad, Flowgen):
    """The kernel drops what its sockets cannot hold."""

    name = "kernel"
    about = "64 bytes, to one end of a veth pair and in again by the other"
    flow_count = 1000
    lossy = True
    # What comes in again is the main thread's to receive, when it gets the
    # guests' CPU.
    least_seconds = 1.5

    def set_up(self, side):
        side.start_switch()
        side.in_netns("ip", "link", "add", "veth1", "type", "veth", "peer",
                      "name", "veth2")
        for name in ("veth1", "veth2"):
            side.in_netns("sysctl", "-qw",
                          "net.ipv6.conf.%s.disable_ipv6=1" % name)
            side.in_netns("ip", "link", "set", name, "up")
            side.switch.vsctl("add-port", BRIDGE, name)
        side.add_ports(GUESTS)
        side.set_flows(["in_port=vm1,actions=output:veth1",
                        "in_port=veth2,actions=output:vm2",
                        "in_port=vm2,actions=output:veth2",
                        "in_port=veth1,actions=output:vm1"])


class Conntrack(SideRoad, Flowgen):
    name = "conntrack"
    about = "64 bytes, 1,000 established connections through conntrack"
    flow_count = 1000

    def flows(self):
        return ["ip,in_port=%s,actions=ct(table=1,zone=%d)" % (name, zone)
                for zone, name in enumerate(GUESTS, 1)] + [
            "table=1,ct_state=+new+trk,ip,in_port=%s,"
            "actions=ct(commit,zone=%d),goto_table:2" % (name, zone)
            for zone, name in enumerate(GUESTS, 1)] + [
            "table=1,ct_state=+est+trk,ip,actions=goto_table:2",
            "table=2,in_port=vm1,actions=output:vm2",
            "table=2,in_port=vm2,actions=output:vm1"]


class Vxlan(SideRoad):
    """The bridge of the underlay swaps the addresses of what the guest "nic"
    sends back, which makes it come from the tunnel's other end."""

    name = "vxlan"
    about = "64 bytes, to a VXLAN tunnel, whose packets a third guest returns"
    topology = "loop"
    bursts = 8
    others = ("nic",)

    UNDERLAY = "br1"
    LOCAL, REMOTE = "172.31.1.1", "172.31.1.2"
    LOCAL_MAC, REMOTE_MAC = "52:54:00:00:03:01", MACS["nic"]

    def set_up(self, side):
        side.start_switch()
        switch = side.switch
        switch.add_bridge(self.UNDERLAY)
        switch.vsctl("set", "bridge", self.UNDERLAY,
                     'other_config:hwaddr="%s"' % self.LOCAL_MAC)
        side.in_netns("ip", "addr", "add", self.LOCAL + "/24", "dev",
                      self.UNDERLAY)
        side.in_netns("ip", "link", "set", self.UNDERLAY, "up")
        switch.vsctl("add-port", BRIDGE, "vxlan0", "--", "set", "interface",
                     "vxlan0", "type=vxlan", "options:key=flow",
                     "options:remote_ip=" + self.REMOTE)
        switch.appctl("tnl/neigh/set", self.UNDERLAY, self.REMOTE,
                      self.REMOTE_MAC)
        side.add_ports(GUESTS)
        side.add_ports(self.others, self.UNDERLAY)
        side.set_flows([
            "in_port=vm1,actions=set_field:1->tun_id,output:vxlan0",
            "in_port=vm2,actions=set_field:2->tun_id,output:vxlan0",
            "in_port=vxlan0,tun_id=1,actions=output:vm2",
            "in_port=vxlan0,tun_id=2,actions=output:vm1"])
        side.set_flows([
            "in_port=LOCAL,actions=output:nic",
            "udp,in_port=nic,actions=set_field:%s->eth_src,"
            "set_field:%s->eth_dst,set_field:%s->nw_src,"
            "set_field:%s->nw_dst,output:LOCAL"
            % (self.REMOTE_MAC, self.LOCAL_MAC, self.REMOTE, self.LOCAL)],
            self.UNDERLAY)


SCENARIOS = [Kernel, Conntrack, Vxlan]
