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

"""What ovs-accel-bugreport collects, and what it leaves out."""

import glob
import itertools
import json
import os
import re

from ovs_accel import proc
from ovs_accel.proc import Failure
from ovs_accel.unixctl import Refused, Unixctl, control_socket, daemon_pid

# Names of keys whose values are nobody's business.  (Those of SSL's tables are
# paths of files, which stay where they are.)  A word is looked at once, as a
# whole: the time is linear, however long it is.
SECRET = (r'(?<![\w-])(?=[\w-]*?(?:psk|passw(?:or)?d|passphrase|secret|token|'
          r'credential))[\w-]+(?![\w-])')
# Quotes may be escaped: a log has text that has been quoted once more.  What
# nothing closes has been cut off.
SECRET_VALUE = re.compile(
    r'(%s\\*"?\s*[=:,]\s*)'
    r'(?:"(?:[^"\\]|\\.)*"|(\\+)".*?(?<!\\)\2"|\\*"[^\n]*|'
    r'[^\s,}\]"\\]+)' % SECRET,
    re.IGNORECASE)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?"
                         r"(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
                         re.DOTALL)
REMOVED = "(removed)"

LOG_BYTES = 1 << 20             # Of the end of each log.
OUTPUT_BYTES = 32 << 20         # Of each command.
COMMAND_SECONDS = 20
DAEMON_SECONDS = 10

# What the database's file says, for when nobody serves it.
DATABASE = os.path.join(os.environ.get("OVS_DBDIR", "/etc/openvswitch"),
                        "conf.db")
QUERY = json.dumps(["Open_vSwitch"] + [
    {"op": "select", "table": table, "where": []}
    for table in ("Open_vSwitch", "Bridge", "Port", "Interface", "Controller",
                  "Manager", "SSL", "QoS", "Queue", "Mirror")])

COMMANDS = {
    "versions/uname": ["uname", "-a"],
    "versions/alternatives": ["update-alternatives", "--display",
                              "ovs-vswitchd"],
    "versions/ovs-vsctl": ["ovs-vsctl", "--version"],
    "database/show": ["ovs-vsctl", "--timeout=10", "show"],
    "database/dump": ["ovsdb-client", "--timeout=10", "--format=list", "dump"],
    "database/file": ["ovsdb-tool", "query", DATABASE, QUERY],
    "machine/lscpu": ["lscpu"],
    "machine/lscpu-e": ["lscpu", "-e"],
    "machine/numactl": ["numactl", "--hardware"],
    "machine/ip-link": ["ip", "-s", "-d", "link"],
    # Debian's, Fedora's, and those that both have.
    "machine/service": ["systemctl", "status", "--no-pager", "--lines=0",
                        "openvswitch-switch", "openvswitch", "ovs-vswitchd",
                        "ovsdb-server"],
}
DEBS = ["dpkg-query", "--no-pager", "--list", "openvswitch*", "ovn*", "dpdk*",
        "librte*", "qemu-system*", "libvirt-daemon*", "linux-image*"]
RPMS = ["rpm", "-qa", "openvswitch*", "ovn*", "dpdk*", "qemu-*",
        "libvirt-daemon*", "kernel*"]

APPCTL = (
    ("version",), ("dpif/show",), ("dpctl/show", "-s"),
    ("dpctl/dump-flows", "-m"), ("dpctl/ct-stats-show",), ("upcall/show",),
    ("bond/show",), ("coverage/show",), ("memory/show",), ("vlog/list",),
    ("dpdk/get-malloc-stats",),
    ("dpif-accel/stats-show",), ("dpif-accel/pmd-stats-show",),
    ("dpif-accel/pmd-rxq-show",), ("dpif-accel/pmd-perf-show",),
    ("dpif-accel/bond-show",), ("dpif-accel/offload-stats-show",),
    ("dpif-accel/metrics",), ("accelvhost/show",),
)

# Files of the machine, as they are, under the names that they have.
FILES = (
    "/etc/os-release", "/etc/debian_version",
    "/etc/default/openvswitch-switch", "/etc/sysconfig/openvswitch",
    "/proc/cmdline", "/proc/cpuinfo", "/proc/meminfo", "/proc/mounts",
    "/proc/sys/kernel/core_pattern", "/proc/sys/vm/nr_hugepages",
    "/sys/devices/system/cpu/isolated",
    "/sys/devices/system/cpu/vulnerabilities/*",
    "/sys/devices/system/node/node*/cpulist",
    "/sys/devices/system/node/node*/distance",
    "/sys/devices/system/node/node*/meminfo",
    "/sys/devices/system/node/node*/hugepages/hugepages-*/*_hugepages",
    "/sys/kernel/mm/hugepages/hugepages-*/*_hugepages",
    "/sys/kernel/mm/transparent_hugepage/enabled",
)
# And of the daemon's process, of /proc/PID.
PROCESS_FILES = ("cgroup", "cmdline", "limits", "maps", "sched", "status",
                 "task/*/comm", "task/*/sched", "task/*/stat",
                 "task/*/status")


def conceal(text):
    """Returns 'text' without values that look secret by their names, whether
    as name=value, name: value or "name","value"."""
    return PRIVATE_KEY.sub(REMOVED, SECRET_VALUE.sub(r"\1" + REMOVED, text))


class Report:
    """What is collected, as files below 'directory', and an index of them."""

    def __init__(self, directory):
        self._directory = directory
        self._index = []

    def add(self, name, text, command=None):
        path = os.path.join(self._directory, name.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(conceal(text))
        self._index.append(name + (": %s" % command if command else ""))

    def miss(self, what, why):
        self._index.append("missing: %s: %s" % (what, why))

    def finish(self, introduction):
        with open(os.path.join(self._directory, "README"), "w",
                  encoding="utf-8") as f:
            f.write(introduction + "\n" + "\n".join(self._index) + "\n")


def commands():
    """Returns the commands to run by the names of what they print."""
    # Debian has rpm, too, which would make itself a database in $HOME.
    debian = os.path.exists("/etc/debian_version")
    return {**COMMANDS, "versions/packages": DEBS if debian else RPMS}


def add_commands(report):
    for name, argv in commands().items():
        try:
            output = proc.run(argv, COMMAND_SECONDS, check=False)
            report.add(name, output[:OUTPUT_BYTES], " ".join(argv))
        except Failure as e:
            report.miss(name, e)


def read_end(path, size):
    """Returns the last 'size' bytes of a file, from the start of a line: what
    follows a name that is cut off could be a secret."""
    with open(path, "rb", buffering=0) as f:
        first = os.fstat(f.fileno()).st_size - size
        if first > 0:
            f.seek(first)
        # Files of /proc have no size, and refuse to be read in large pieces.
        parts = iter(lambda: f.read(1 << 16), b"")
        data = b"".join(itertools.islice(parts, OUTPUT_BYTES >> 16))
    if first > 0:
        data = data.partition(b"\n")[2]
    return data.replace(b"\0", b" ").decode("utf-8", "replace")


def add_files(report, patterns, size=OUTPUT_BYTES):
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            try:
                report.add(path, read_end(path, size))
            except OSError as e:
                report.miss(path, e.strerror)


def add_daemon(report):
    """Asks ovs-vswitchd.  One that does not answer is not asked again."""
    try:
        unixctl = Unixctl(control_socket("ovs-vswitchd"), DAEMON_SECONDS)
    except Failure as e:
        report.miss("answers of ovs-vswitchd", e)
        return
    for command in APPCTL:
        name = "ovs-vswitchd/" + command[0].replace("/", "-")
        try:
            report.add(name, unixctl.command(*command)[:OUTPUT_BYTES],
                       "ovs-appctl " + " ".join(command))
        except Refused as e:
            report.miss(name, e)
        except Failure as e:
            report.miss("answers of ovs-vswitchd", e)
            break
    unixctl.close()


def add_process(report):
    try:
        process = "/proc/%d/" % daemon_pid("ovs-vswitchd")
    except Failure as e:
        report.miss("process of ovs-vswitchd", e)
        return
    if not os.path.isdir(process):
        report.miss("process of ovs-vswitchd", "it has ended: %s" % process)
        return
    try:
        report.add(process + "exe", os.readlink(process + "exe") + "\n")
    except OSError as e:
        report.miss(process + "exe", e.strerror)
    add_files(report, [process + name for name in PROCESS_FILES])


INTRODUCTION = """\
What ovs-accel-bugreport has collected of this machine: its Open vSwitch
configuration and counters, flows (with addresses of guests), the ends of logs,
CPUs, memory and versions.  Values of keys that are called password, secret,
token, psk and the like are removed, and so are private keys; of TLS there are
the paths of files, not what is in them.  Read it before you give it away.
"""


def collect(directory):
    """Collects everything below 'directory'.  What cannot be had is noted."""
    report = Report(directory)
    add_commands(report)
    add_daemon(report)
    add_process(report)
    add_files(report, FILES)
    logs = os.environ.get("OVS_LOGDIR", "/var/log/openvswitch")
    add_files(report, [os.path.join(logs, "ovs-vswitchd.log"),
                       os.path.join(logs, "ovsdb-server.log"),
                       os.path.join(logs, "ovs-ctl.log")], LOG_BYTES)
    report.finish(INTRODUCTION)
