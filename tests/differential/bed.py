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

"""The test bed: one switch with a netdev and an accel bridge alike."""

import contextlib
import os
import re

from differential import flows, tables
from differential.ports import (LOCAL_MAC, REMOTE_MAC, TapPort, VhostPort,
                                VxlanPort)
from differential.unixctl import Unixctl
from ovs_accel.proc import Failure, run, wait_until
from ovs_accel.switch import Switch, problems

MARK_MAC = "06:00:00:00:00:01"
MARK_ID = 9
MARK_RULE = "dl_src=%s,actions=output:1,output:2,output:3,output:9,in_port" \
    % MARK_MAC

BUSY = re.compile(r"in flight: [1-9]|queued: [1-9]")

CT_TIMEOUTS = ["%s=86400" % state for state in (
    "tcp_syn_sent", "tcp_syn_recv", "tcp_established", "tcp_fin_wait",
    "tcp_time_wait", "tcp_close", "udp_first", "udp_single", "udp_multiple",
    "icmp_first", "icmp_reply")]

SETTINGS = {"pmd_maxsleep": "100", "flow_limit": "200000"}


class Side:
    """One bridge.  Port N of it is called PREFIX-pN."""

    def __init__(self, switch, prefix, datapath, vhost_type, net):
        self.datapath = datapath
        self.bridge = prefix + "-br"
        self._switch = switch
        self._add_bridge(self.bridge, "aa:55:aa:55:00:00")
        for meter in tables.METERS:
            self.ofctl("add-meter", self.bridge, meter)
        self.ports = {
            "1": self._vhost(prefix + "-p1", vhost_type, []),
            "2": self._vhost(prefix + "-p2", vhost_type, ["--packed"]),
            "3": TapPort(switch, self.bridge, prefix + "-p3"),
            "4": self._tunnel(prefix, vhost_type, net),
        }
        for number, port in self.ports.items():
            switch.vsctl("set", "interface", port.name,
                         "ofport_request=" + number)

    def _vhost(self, name, vhost_type, guest_args):
        return VhostPort(self._switch, self.bridge, name, vhost_type, MARK_ID,
                         guest_args)

    def _add_bridge(self, name, mac):
        self._switch.vsctl("add-br", name, "--", "set", "bridge", name,
                           "datapath_type=" + self.datapath,
                           "fail-mode=secure", "other-config:hwaddr=" + mac)

    def _tunnel(self, prefix, vhost_type, net):
        """Returns a tunnel whose packets, and no others, go through an
        underlay bridge of its own, as do marks, by a pair of patch ports."""
        name, under = prefix + "-p4", prefix + "-under"
        local, remote = net + ".1", net + ".2"
        self._add_bridge(under, LOCAL_MAC)
        with open("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % under,
                  "w") as f:
            f.write("1")
        run(["ip", "addr", "add", local + "/24", "dev", under])
        run(["ip", "link", "set", under, "up"])
        wire = VhostPort(self._switch, under, prefix + "-p5", vhost_type,
                         MARK_ID, [])
        ends = [prefix + "-p9", prefix + "-under-p9"]
        for bridge, end, peer in ((self.bridge, ends[0], ends[1]),
                                  (under, ends[1], ends[0])):
            self._switch.vsctl("add-port", bridge, end, "--", "set",
                               "interface", end, "type=patch",
                               "options:peer=" + peer, "ofport_request=9")
        self._switch.vsctl("set", "interface", wire.name, "ofport_request=1")
        self._switch.vsctl("add-port", self.bridge, name, "--", "set",
                           "interface", name, "type=vxlan",
                           "options:remote_ip=" + remote, "options:key=flow")
        self._switch.appctl("tnl/neigh/set", under, remote, REMOTE_MAC)
        tunnel = "udp,ip_frag=no,tp_dst=4789,actions="
        for rule in ("in_port=1,nw_dst=%s,%sLOCAL" % (local, tunnel),
                     "in_port=LOCAL,%soutput:1" % tunnel,
                     "in_port=1,dl_src=%s,actions=output:9" % MARK_MAC,
                     "in_port=9,dl_src=%s,actions=output:1" % MARK_MAC):
            self.ofctl("add-flow", under, rule)
        return VxlanPort(name, wire, local, remote)

    def patient_tracker(self):
        """Has connections last as long as a table is tested."""
        self._switch.vsctl("--", "--id=@dp", "create", "Datapath",
                           "datapath_version=0", "--", "set", "Open_vSwitch",
                           ".", "datapaths:%s=@dp" % self.datapath)
        for zone in tables.ZONES:
            self._switch.vsctl("add-zone-tp", self.datapath,
                               "zone=%d" % zone, *CT_TIMEOUTS)

    def ofctl(self, *args):
        return self._switch.ofctl("-O", "OpenFlow15", *args)


class Bed:
    """A switch in 'directory', which exists."""

    def __init__(self, stack, directory):
        self.directory = directory
        self.mark = None
        self._switch = Switch(directory, "netdev", own_net=False)
        stack.callback(self._switch.stop)
        self._switch.start(**SETTINGS)
        pid = self._switch.vswitchd.pid
        self._appctl = Unixctl(os.path.join(directory,
                                            "ovs-vswitchd.%d.ctl" % pid))
        self.sides = [Side(self._switch, "n", "netdev",
                           "dpdkvhostuserclient", "172.31.1"),
                      Side(self._switch, "a", "accel", "accelvhost",
                           "172.31.2")]
        self.ports = list(self.sides[0].ports)
        for side in self.sides:
            side.patient_tracker()
        self._make_mark()

    def _make_mark(self):
        """Has each bridge show every port a numbered frame.  From then on
        this frame is the mark: one that comes out of all ports after what
        went in before it."""
        for side in self.sides:
            side.ofctl("add-flow", side.bridge, MARK_RULE)
            side.ports["1"].make_mark(MARK_MAC)
            side.ports["2"].await_mark()
            self.mark = side.ports["2"].take()[0]
            for port in side.ports.values():
                port.mark = self.mark
                if port is not side.ports["2"]:
                    port.await_mark()
                port.take()

    # Tables.

    @contextlib.contextmanager
    def loaded(self, case):
        """Both bridges have the flow tables of 'case', and start without
        megaflows and connections.  Nothing revalidates flows meanwhile, for
        that could delete one on one side before it does on the other."""
        self._load(case)
        self._appctl.call("revalidator/pause")
        try:
            wait_until("no megaflow to be there", self._purge, 60,
                       interval=0.01, alive=[self._switch.vswitchd])
            for side in self.sides:
                side.ofctl("ct-flush", side.bridge)
            yield
        finally:
            if self._switch.vswitchd.alive():
                # Revalidating the megaflows of one table by the rules of
                # another, of which a part may be there, Open vSwitch 3.1.0
                # fails an assertion in clone_xlate_actions() at times.
                self._appctl.call("revalidator/purge")
                self._appctl.call("revalidator/resume")

    def _load(self, case):
        self._switch.vsctl("set", "Open_vSwitch", ".",
                           "other_config:vlan-limit=%d" % case["vlan_limit"])
        path = os.path.join(self.directory, "table")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(case["rules"]) + "\n")
        for side in self.sides:
            side.ofctl("replace-flows", side.bridge, path)
            for port, vid, address in case["macs"]:
                self._appctl.call("fdb/add", side.bridge,
                                  side.ports[port].name, vid, address)

    def _purge(self):
        self._appctl.call("revalidator/purge")
        return not any(flows.parse(self.dump(side)) for side in self.sides)

    def dump(self, side):
        return self._appctl.call("dpctl/dump-flows", "-m", "--names",
                                 "%s@ovs-%s" % (side.datapath, side.datapath))

    def differing_flows(self):
        """Returns lines that tell how the bridges' megaflows differ."""
        return flows.compare(*[flows.parse(self.dump(side))
                               for side in self.sides])

    def trace(self, in_port, frame):
        return self._appctl.call("ofproto/trace", self.sides[0].bridge,
                                 "in_port=" + in_port, frame.hex())

    # Frames.

    def _await_quiet(self):
        """Waits until no packet waits for upcall threads."""
        while BUSY.search(self._appctl.call("dpif-accel/stats-show")):
            if not self._switch.vswitchd.alive():
                raise Failure(self._switch.vswitchd.ended())

    def _send(self, in_port, frames):
        for side in self.sides:
            side.ports[in_port].start_sending(frames)
        for side in self.sides:
            side.ports[in_port].finish_sending()

    def _flush(self, in_port):
        """Waits until everything that went in has come out: once the first
        mark is out nothing waits to be received but the second, which can
        no longer get into one batch with what came before."""
        for _ in range(2):
            self._send(in_port, [self.mark])
            for side in self.sides:
                for port in side.ports.values():
                    port.await_mark()
            self._await_quiet()

    def exchange(self, in_port, frames, one_by_one):
        """Sends 'frames' into both bridges and returns what comes out, a dict
        from port to list of frames for each side."""
        usable = [frame for frame in frames
                  if self.sides[0].ports[in_port].takes(frame)]
        if not one_by_one:
            self._send(in_port, usable)
        else:
            for frame in usable:
                self._send(in_port, [frame])
                # ovs-vswitchd's main thread, which answers here, polls taps
                # between two answers.
                self._await_quiet()
                self._await_quiet()
        self._flush(in_port)
        return [{number: [frame for frame in port.take()
                          if frame != self.mark]
                 for number, port in side.ports.items()}
                for side in self.sides]

    def problems(self):
        """Returns what the switch and its guests complain of at the end."""
        books = self._appctl.call("dpif-accel/stats-show")
        lines = [books] if "DO NOT BALANCE" in books else []
        for side in self.sides:
            for port in side.ports.values():
                lines += ["%s: %s" % (port.name, s) for s in port.problems()]
        return lines

    def log(self):
        return problems(self.directory)
