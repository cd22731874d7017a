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

"""A switch of one's own: ovsdb-server and ovs-vswitchd in a directory and a
network namespace of their own, so that nothing else on the machine notices.

The programs are found through PATH, the database schema in $OVS_SRC, as
`utilities/ovs-accel-env' sets them."""

import os
import re

from ovs_accel.proc import Failure, Process, run, wait_until

# What makes DPDK's EAL start on a machine without huge pages.  OVS adds
# --in-memory, which --no-huge excludes, unless it sees --legacy-mem.  The
# packet buffers of all ports together would be 262144, and OVS gives up when
# they do not fit; per port there are as many as its rings need.
NO_HUGE = {"dpdk_extra": "--no-huge --legacy-mem -m 512 --no-pci",
           "per_port_memory": "true"}


# Huge pages below this are too few for a switch and its guests.
ENOUGH_HUGE_PAGES = 4 << 30


def enough_huge_pages():
    """Returns true if this machine has huge pages to spare."""
    free = 0
    root = "/sys/kernel/mm/hugepages"
    for size in os.listdir(root) if os.path.isdir(root) else []:
        with open(os.path.join(root, size, "free_hugepages")) as f:
            kib = int(size[len("hugepages-"):-len("kB")])
            free += int(f.read()) * kib * 1024
    return free >= ENOUGH_HUGE_PAGES


class Switch:
    """An OVS whose bridges have datapath type 'datapath'."""

    PORT_TYPES = {"accel": "accelvhost", "netdev": "dpdkvhostuserclient"}

    def __init__(self, directory, datapath="accel", keep=False, cpus=None,
                 own_net=True):
        """'cpus' restricts every thread but the polling ones to a list of
        CPUs, as taskset understands it.  Without 'own_net' ovs-vswitchd
        shares the caller's network namespace."""
        self.directory = directory
        self.datapath = datapath
        self.port_type = self.PORT_TYPES[datapath]
        self._keep = keep
        self._cpus = cpus
        self._own_net = own_net
        self._db = Process(directory, "ovsdb-server")
        self.vswitchd = Process(directory, "ovs-vswitchd")
        self.env = dict(os.environ)
        for name in ("RUN", "LOG", "DB", "SYSCONF"):
            self.env["OVS_%sDIR" % name] = directory
        # DPDK keeps its own files under this one, not under /var/run.
        self.env["RUNTIME_DIRECTORY"] = directory

    def start(self, **other_config):
        """Starts both daemons, with Open_vSwitch other_config as given
        (underscores in names become dashes)."""
        settings = dict(other_config)
        if self.datapath == "netdev":
            settings.setdefault("dpdk_init", "true")
            if not enough_huge_pages():
                settings = dict(NO_HUGE, **settings)
        self._start_db()
        self.vsctl("--no-wait", "init", *[
            word for name, value in sorted(settings.items())
            for word in ("--", "set", "Open_vSwitch", ".",
                         'other_config:%s="%s"' % (name.replace("_", "-"),
                                                   value))])
        command = ["ovs-vswitchd", "--pidfile", "--log-file",
                   "-vconsole:off", "--no-chdir"]
        if self._own_net:
            command = ["unshare", "--net"] + command
        if self._cpus is not None:
            command = ["taskset", "-c", self._cpus] + command
        self.vswitchd.start(command, env=self.env, keep=self._keep)
        wait_until("ovs-vswitchd to answer", self._answers, 60,
                   alive=[self.vswitchd])

    def _start_db(self):
        db = os.path.join(self.directory, "conf.db")
        if not os.path.exists(db):
            run(["ovsdb-tool", "create", db, self._schema()], env=self.env)
        sock = os.path.join(self.directory, "db.sock")
        self._db.start(["ovsdb-server", db, "--remote=punix:" + sock,
                        "--pidfile", "--log-file", "-vconsole:off",
                        "--no-chdir"], env=self.env, keep=self._keep)
        wait_until("ovsdb-server to listen", lambda: os.path.exists(sock), 20,
                   alive=[self._db])

    def _schema(self):
        source = self.env.get("OVS_SRC")
        if source is None:
            raise Failure("OVS_SRC is not set: run "
                          "eval \"$(utilities/ovs-accel-env)\" first")
        return os.path.join(source, "vswitchd", "vswitch.ovsschema")

    def _answers(self):
        return run(["ovs-appctl", "--timeout=5", "version"], env=self.env,
                   check=False).startswith("ovs-vswitchd (")

    def vsctl(self, *args):
        return run(["ovs-vsctl", "--timeout=60"] + list(args), timeout=70,
                   env=self.env)

    def ofctl(self, *args):
        return run(["ovs-ofctl", "--timeout=30"] + list(args), env=self.env)

    def appctl(self, *args):
        return run(["ovs-appctl", "--timeout=30"] + list(args), env=self.env)

    def add_bridge(self, name):
        self.vsctl("add-br", name, "--", "set", "bridge", name,
                   "datapath_type=" + self.datapath)
        self.check_datapath()

    def check_datapath(self):
        """Fails unless ovs-vswitchd serves our datapath type.  A bridge must
        have been added before."""
        types = self.vsctl("get", "Open_vSwitch", ".", "datapath_types")
        if self.datapath not in re.findall(r"[\w-]+", types):
            raise Failure("the ovs-vswitchd in PATH does not serve datapath "
                          "type %s, only %s" % (self.datapath, types.strip()))

    def port_commands(self, bridge, port, sock):
        """The words of ovs-vsctl that add a vhost-user port: we connect, the
        guest listens on 'sock'."""
        return ["add-port", bridge, port, "--", "set", "interface", port,
                "type=" + self.port_type,
                "options:vhost-server-path=" + sock]

    def add_port(self, bridge, port, sock):
        """Adds a vhost-user port and fails if OVS reports an error for it."""
        self.vsctl(*self.port_commands(bridge, port, sock))
        error = self.vsctl("get", "interface", port, "error").strip()
        if error != "[]":
            raise Failure("port %s: %s" % (port, error))

    def add_ports(self, bridge, ports):
        """Adds vhost-user ports, pairs of name and socket, all at once."""
        self.vsctl(*[word for port, sock in ports for word in
                     ["--"] + self.port_commands(bridge, port, sock)])
        for name, error in self._column("error").items():
            if error and name in dict(ports):
                raise Failure("port %s: %s" % (name, error))

    def links_up(self, ports):
        """Returns true if all links of 'ports' are up."""
        states = self._column("link_state")
        return all(states.get(port) == "up" for port in ports)

    def _column(self, column):
        """Returns a column of all interfaces, by name."""
        text = self.vsctl("--format=csv", "--data=bare", "--no-headings",
                          "--columns=name," + column, "list", "interface")
        return dict(line.split(",", 1) for line in text.splitlines() if line)

    def wait_link(self, port, state="up", timeout=60):
        wait_until("the link of %s to be %s" % (port, state),
                   lambda: self.vsctl("get", "interface", port, "link_state")
                   .strip() == state, timeout, alive=[self.vswitchd])

    def unbalanced(self):
        """Returns what dpif-accel/stats-show tells of ports that do not
        account for each packet; nothing if all do, or on netdev."""
        if self.datapath != "accel":
            return ""
        text = self.appctl("dpif-accel/stats-show")
        return text if "DO NOT BALANCE" in text else ""

    def stop(self, orderly=True):
        """Stops both daemons, vswitchd in an orderly way if it can, unless
        that would take too long."""
        if orderly and self.vswitchd.alive():
            try:
                self.appctl("exit", "--cleanup")
                wait_until("ovs-vswitchd to exit",
                           lambda: not self.vswitchd.alive(), 15)
            except Failure:
                pass
        self.vswitchd.stop(grace=5 if orderly else 0)
        self._db.stop()


def problems(directory):
    """Returns the warnings and errors that ovs-vswitchd has logged."""
    try:
        with open(os.path.join(directory, "ovs-vswitchd.log"),
                  encoding="utf-8", errors="replace") as log:
            return [line.rstrip() for line in log
                    if re.search(r"\|(WARN|ERR|EMER)\|", line)]
    except OSError:
        return []
