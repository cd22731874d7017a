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

"""ovs-accel-sandbox: two guests, a bridge between them, and a tour."""

import argparse
import os
import re
import shlex
import shutil
import sys
import tempfile
import time

from ovs_accel import image, program
from ovs_accel.proc import Failure, started_in, wait_until
from ovs_accel.program import progress, say
from ovs_accel.qemu import Guest, accelerator
from ovs_accel.switch import Switch, problems
from ovs_accel.testpmd import Testpmd, virtio_user

BRIDGE = "br0"
NAMES = ("vm1", "vm2")
IPS = {"vm1": "10.20.0.1", "vm2": "10.20.0.2"}
MACS = {"vm1": "52:54:00:00:00:01", "vm2": "52:54:00:00:00:02"}
TCP_PORT = 80
TCP_MIB = 64

SWITCH_PROGRAMS = ("ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl",
                   "ovs-ofctl", "ovs-appctl", "setpriv", "unshare", "taskset")
QEMU_PROGRAMS = ("qemu-system-x86_64", "busybox", "apt-get", "dpkg")


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="ovs-accel-sandbox",
        description="Builds OVS-Accel, starts a switch in a directory of its "
        "own, boots two guests on an accel bridge and shows that and how they "
        "reach each other.  Everything is torn down at the end; a switch that "
        "runs on this machine is not disturbed.  Must run as root.")
    parser.add_argument(
        "--keep", action="store_true",
        help="leave everything running and say how to use it")
    parser.add_argument(
        "--stop", metavar="DIR",
        help="end what an earlier --keep left running in DIR")
    parser.add_argument(
        "--generator", action="store_true",
        help="put DPDK testpmd guests in place of QEMU and print rates")
    parser.add_argument(
        "--datapath", choices=sorted(Switch.PORT_TYPES), default="accel",
        help="the bridge's datapath type (default: accel; netdev is "
        "OVS-DPDK's, for comparison)")
    parser.add_argument(
        "--no-build", action="store_true",
        help="install and build nothing: use the programs that PATH and "
        "OVS_SRC name, see ovs-accel-env")
    return parser.parse_args(arguments)


class Sandbox:
    """The tour.  Each step prints what it does and what came back, and raises
    Failure when that is not what it should be."""

    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.switch = Switch(directory, options.datapath, keep=options.keep)
        self.guests = {name: Guest(directory, name) for name in NAMES}
        self.testpmd = Testpmd(directory)
        self._steps = 0

    def sock(self, name):
        return os.path.join(self.directory, name + ".sock")

    def run(self, steps):
        for title, step in steps:
            self._steps += 1
            say("\n== %d. %s" % (self._steps, title))
            try:
                step()
            except Failure as e:
                self._explain()
                raise Failure("step %d, %s: %s" % (self._steps, title, e))

    def _explain(self):
        if not self.switch.vswitchd.alive():
            say("    ovs-vswitchd does not run any more")
        for line in problems(self.directory)[-5:]:
            say("    log: " + line)

    # What the steps are made of.

    def tool(self, program_name, *args):
        """Runs one of the switch's tools before the user's eyes."""
        say("    $ %s %s" % (program_name, " ".join(map(shlex.quote, args))))
        output = {"ovs-vsctl": self.switch.vsctl,
                  "ovs-ofctl": self.switch.ofctl,
                  "ovs-appctl": self.switch.appctl}[program_name](*args)
        self.show(output)
        return output

    @staticmethod
    def show(output):
        for line in output.splitlines():
            if line.strip():
                say("      " + line.rstrip())

    def in_guest(self, name, command, timeout=30, check=True):
        say("    %s# %s" % (name, command))
        status, output = self.guests[name].run(command, timeout, check=False)
        self.show(output)
        if check and status:
            raise Failure("the command ended with status %d" % status)
        return output

    def ping(self, name, expect=True):
        """Pings the other guest; an answer must come, or must not.  A change
        of flows takes a moment to reach the datapath, hence three tries."""
        other = NAMES[1 - NAMES.index(name)]
        for _ in range(3):
            output = self.in_guest(name, "ping -c 3 -W 1 " + IPS[other],
                                   check=False)
            received = re.search(r"(\d+) packets received", output)
            if received is None:
                raise Failure("ping did not run")
            if bool(int(received.group(1))) == expect:
                say("    as it should be: they "
                    + ("reach each other" if expect else "are apart"))
                return
        raise Failure("%s %s %s%s" % ((name, "does not reach", other, "")
                                      if expect else
                                      (name, "reaches", other,
                                       " although it must not")))

    # The steps.

    def start_switch(self):
        self.switch.start()
        say("    ovsdb-server and ovs-vswitchd run in %s, in a network "
            "namespace of their own" % self.directory)
        self.show(self.switch.appctl("version"))

    def make_bridge(self):
        self.tool("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge",
                  BRIDGE, "datapath_type=" + self.options.datapath)
        self.switch.check_datapath()
        for name in NAMES:
            self.tool("ovs-vsctl", *self.switch.port_commands(
                BRIDGE, name, self.sock(name)))
        for name in NAMES:
            error = self.switch.vsctl("get", "interface", name,
                                      "error").strip()
            if error != "[]":
                raise Failure("port %s: %s" % (name, error))
        self.tool("ovs-vsctl", "show")

    def boot(self):
        with progress("preparing kernel and initramfs"):
            kernel, _ = image.prepare(lambda text: say("    " + text))
            accel = accelerator(lambda text: say("    " + text))
        say("    kernel %s, %s" % (os.path.basename(kernel), {
            "kvm": "under KVM",
            "tcg": "emulated (no guest boots under KVM on this machine)"
        }[accel]))
        began = time.monotonic()
        for name, guest in self.guests.items():
            guest.start(self.sock(name), IPS[name] + "/24", MACS[name],
                        keep=self.options.keep)
        with progress("booting vm1 and vm2"):
            for name, guest in self.guests.items():
                guest.wait_booted()
                self.switch.wait_link(name)
        say("    both are up after %d s" % (time.monotonic() - began))
        for name in NAMES:
            self.in_guest(name, "uname -sr; ip -4 -o addr show eth0")

    def tcp(self):
        sender, receiver = self.guests["vm1"], self.guests["vm2"]
        sender.run("mkdir -p /tmp/www && head -c 1048576 /dev/urandom "
                   ">/tmp/mib && for i in $(seq %d); do cat /tmp/mib; done "
                   ">/tmp/www/file" % TCP_MIB, timeout=120)
        sender.run("httpd -p %d -h /tmp/www" % TCP_PORT)
        say("    vm1 serves a file of %d MiB, vm2 fetches it" % TCP_MIB)
        began = time.monotonic()
        with progress("transferring"):
            self.in_guest("vm2", "wget -q -O /tmp/got http://%s:%d/file"
                          % (IPS["vm1"], TCP_PORT), timeout=300)
        seconds = time.monotonic() - began
        sums = [guest.run("md5sum <" + path, timeout=120).split()[0]
                for guest, path in ((sender, "/tmp/www/file"),
                                    (receiver, "/tmp/got"))]
        sender.run("killall httpd; rm -r /tmp/www /tmp/mib")
        receiver.run("rm /tmp/got")
        say("    md5 of what was sent: %s, of what arrived: %s" % tuple(sums))
        if sums[0] != sums[1]:
            raise Failure("what arrived differs from what was sent")
        say("    %d MiB in %.1f s: %.0f Mbit/s"
            % (TCP_MIB, seconds, TCP_MIB * 8.388608 / seconds))

    def vlan_flows(self):
        say("    A flow puts what vm1 sends into VLAN 10:")
        self.tool("ovs-ofctl", "add-flow", BRIDGE,
                  "priority=100,in_port=vm1,actions=mod_vlan_vid:10,normal")
        self.ping("vm1", expect=False)
        self.tool("ovs-ofctl", "del-flows", BRIDGE, "in_port=vm1")
        self.ping("vm1")

    def vlan_tags(self):
        say("    The ports become access ports of different VLANs:")
        self.tool("ovs-vsctl", "set", "port", "vm1", "tag=10", "--", "set",
                  "port", "vm2", "tag=20")
        self.ping("vm1", expect=False)
        say("    Of the same VLAN:")
        self.tool("ovs-vsctl", "set", "port", "vm2", "tag=10")
        self.ping("vm1")
        self.tool("ovs-vsctl", "clear", "port", "vm1", "tag", "--", "clear",
                  "port", "vm2", "tag")

    def drop_flow(self):
        self.tool("ovs-ofctl", "add-flow", BRIDGE,
                  "priority=200,icmp,actions=drop")
        self.ping("vm2", expect=False)
        wait_until("the drop flow to count packets", lambda: re.search(
            r"n_packets=[1-9]\d*,.*actions=drop",
            self.switch.ofctl("dump-flows", BRIDGE)), 10)
        self.tool("ovs-ofctl", "dump-flows", BRIDGE)
        self.tool("ovs-ofctl", "--strict", "del-flows", BRIDGE,
                  "priority=200,icmp")
        self.ping("vm2")

    def megaflows(self):
        if not self.options.generator:
            self.guests["vm1"].run("ping -c 20 -i 0.2 %s >/dev/null 2>&1 &"
                                   % IPS["vm2"])
        wait_until("megaflows between the guests",
                   lambda: "actions:" in self.switch.appctl(
                       "dpctl/dump-flows"), 10)
        self.tool("ovs-appctl", "dpctl/dump-flows")

    def counters(self):
        for name in NAMES:
            self.tool("ovs-vsctl", "get", "interface", name, "status")
            say("    $ ovs-vsctl get interface %s statistics     "
                "(those that are not 0)" % name)
            self.show(", ".join(re.findall(
                r"\w+=[1-9]\d*", self.switch.vsctl("get", "interface", name,
                                                  "statistics"))))
        if self.options.datapath == "accel":
            if not self.options.generator:
                wait_until("every packet to be accounted for",
                           lambda: not self.switch.unbalanced(), 20)
            self.tool("ovs-appctl", "dpif-accel/stats-show")
            self.tool("ovs-appctl", "dpif-accel/pmd-stats-show")
        else:
            self.tool("ovs-appctl", "dpif-netdev/pmd-stats-show")
        if not self.switch.vswitchd.alive():
            raise Failure(self.switch.vswitchd.ended())

    def start_generator(self):
        devices = []
        for number, name in enumerate(NAMES):
            devices += virtio_user(number, self.sock(name), MACS[name])
        self.testpmd.start(devices, [
            "--forward-mode=io", "--txpkts=64",
            "--eth-peer=0," + MACS["vm2"], "--eth-peer=1," + MACS["vm1"]],
            keep=self.options.keep)
        with progress("starting testpmd"):
            self.testpmd.wait_ready()
            for name in NAMES:
                self.switch.wait_link(name)
        say("    one testpmd is both guests: it sends as one what it has "
            "received as the other")

    def rates(self):
        self.testpmd.command("start tx_first 16")
        say("    frames of 64 bytes, million packets per second:")
        before, then = self.testpmd.stats(), time.monotonic()
        total = 0
        for _ in range(5):
            time.sleep(1)
            after, now = self.testpmd.stats(), time.monotonic()
            rates = [(after[port]["RX-packets"] - before[port]["RX-packets"])
                     / (now - then) / 1e6 for port in (0, 1)]
            say("      vm1 to vm2 %.2f, vm2 to vm1 %.2f, together %.2f"
                % (rates[1], rates[0], sum(rates)))
            before, then = after, now
            total += sum(rates)
        if not total:
            raise Failure("no packet came through")

    def steps(self):
        steps = [("Start a switch", self.start_switch),
                 ("Make a bridge with two vhost-user ports", self.make_bridge)]
        if self.options.generator:
            return steps + [("Start two testpmd guests", self.start_generator),
                            ("Rates", self.rates),
                            ("Megaflows", self.megaflows),
                            ("Counters", self.counters)]
        return steps + [
            ("Boot two guests", self.boot),
            ("Ping from vm1 to vm2", lambda: self.ping("vm1")),
            ("Ping from vm2 to vm1", lambda: self.ping("vm2")),
            ("Transfer over TCP", self.tcp),
            ("A flow that isolates by VLAN", self.vlan_flows),
            ("Ports in different VLANs", self.vlan_tags),
            ("A flow that drops, and its removal", self.drop_flow),
            ("Megaflows", self.megaflows),
            ("Counters", self.counters)]

    def stop(self):
        if self.options.generator:
            self.testpmd.stop()
        for guest in self.guests.values():
            guest.stop()
        self.switch.stop()

    def how_to_use(self):
        """Says how to use what goes on running."""
        env = os.path.join(self.directory, "env")
        with open(env, "w", encoding="utf-8") as f:
            for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR",
                         "OVS_SYSCONFDIR", "PATH"):
                f.write("export %s=%s\n"
                        % (name, shlex.quote(self.switch.env[name])))
        say("\nEverything goes on running in %s." % self.directory)
        say("To use the switch, in a shell of root's:")
        say("    . %s" % env)
        say("    ovs-vsctl show; ovs-ofctl dump-flows %s; "
            "ovs-appctl dpctl/dump-flows" % BRIDGE)
        say("The bridge's own device is in the switch's network namespace:")
        say("    nsenter --net --target %d ip addr"
            % self.switch.vswitchd.pid)
        if self.options.generator:
            say("testpmd takes commands in one file and answers in another:")
            say("    echo show port stats all >%s/testpmd.stdin"
                % self.directory)
            say("    tail -f %s" % self.testpmd.process.out)
        else:
            say("A guest's console (Enter for a prompt, Ctrl-] to leave):")
            for name in NAMES:
                say("    socat -,raw,echo=0,escape=0x1d UNIX-CONNECT:%s"
                    % self.guests[name].console)
        say("To end it all:")
        say("    sudo %s --stop %s\n" % (
            os.path.join(program.UTILITIES, "ovs-accel-sandbox"),
            self.directory))


def stop_kept(directory):
    """Ends what runs in 'directory', the switch last, and removes it."""
    if not os.path.exists(os.path.join(directory, "ovsdb-server.out")):
        raise Failure("%s is not a directory of the sandbox" % directory)
    daemons = ("ovs-vswitchd", "ovsdb-server")
    processes = started_in(directory)
    for process in sorted(processes, key=lambda p: p.name in daemons):
        say("stopping %s" % process.name)
        process.stop()
    shutil.rmtree(directory)


def work(options, stack):
    program.require_root()
    if options.stop is not None:
        stop_kept(os.path.abspath(options.stop))
        return
    if not options.no_build:
        program.build("ovs-accel-sandbox")
    program.require_programs(
        SWITCH_PROGRAMS + (("dpdk-testpmd", "stdbuf") if options.generator
                           else QEMU_PROGRAMS))
    directory = tempfile.mkdtemp(prefix="ovs-accel-sandbox.")
    sandbox = Sandbox(options, directory)

    def tear_down(kind, error, trace):
        if options.keep and error is None:
            return
        say("\nstopping everything")
        sandbox.stop()
        if isinstance(error, Exception):
            say("the logs stay in %s" % directory)
        else:
            shutil.rmtree(directory)

    stack.push(tear_down)
    sandbox.run(sandbox.steps())
    if options.keep:
        sandbox.how_to_use()


def main(arguments):
    options = parse(arguments)
    return program.main("sandbox", lambda stack: work(options, stack))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
