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


"""The machine: its CPUs, its huge pages, its description."""

import os
import platform
import re
import resource

from ovs_accel.proc import Failure, run
from ovs_accel.switch import ENOUGH_HUGE_PAGES, enough_huge_pages

# Huge pages of the kernel's default size.
NR_HUGEPAGES = "/proc/sys/vm/nr_hugepages"


def pick_cpus():
    """Returns the CPUs for the guests, for the polling thread and, as
    taskset takes them, for everything else; no two of the first two share a
    core."""
    cores = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        path = "/sys/devices/system/cpu/cpu%d/topology/core_cpus_list" % cpu
        try:
            with open(path) as f:
                core = f.read()
        except OSError:
            core = str(cpu)
        cores.setdefault(core, cpu)
    cpus = list(cores.values())
    if len(cpus) < 2:
        raise Failure("two cores are needed, one for the switch and one for "
                      "the guests")
    return cpus[0], cpus[1], ",".join(map(str, cpus[2:] or cpus[:1]))


def allow_files(number):
    """Lets this process and those it starts have 'number' file descriptors,
    or as many as the system allows."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _meminfo(name):
    """Returns a line of /proc/meminfo in bytes, or 0 if it is not there."""
    with open("/proc/meminfo") as f:
        found = re.search(r"(?m)^%s:\s*(\d+) kB" % name, f.read())
    return int(found.group(1)) * 1024 if found else 0


class HugePages:
    """Reserves the huge pages that a switch and its guests need, if the
    machine has not enough and can spare them, and gives them back at the end.
    DPDK takes them without a hugetlbfs being mounted (--in-memory)."""

    def __init__(self):
        self._before = None
        self.enough = enough_huge_pages()

    def __enter__(self):
        # Half of what is free stays for everything else.
        if not self.enough and _meminfo("MemAvailable") > (
                2 * ENOUGH_HUGE_PAGES):
            try:
                self._reserve()
            except OSError:
                pass            # Without huge pages, then.
            self.enough = enough_huge_pages()
            if not self.enough:
                self._give_back()
        return self

    def _reserve(self):
        with open(NR_HUGEPAGES) as f:
            before = int(f.read())
        size = _meminfo("Hugepagesize")
        if size:
            self._before = before
            self._write(before + -(-ENOUGH_HUGE_PAGES // size))

    @staticmethod
    def _write(number):
        with open(NR_HUGEPAGES, "w") as f:
            f.write("%d\n" % number)

    def _give_back(self):
        if self._before is not None:
            self._write(self._before)
            self._before = None

    def __exit__(self, kind, error, trace):
        self._give_back()


def describe(huge):
    """Describes the machine and the software that were measured."""
    with open("/proc/cpuinfo") as f:
        cpuinfo = f.read()
    model = re.search(r"model name\s*:\s*(.*)", cpuinfo)
    return {"cpu": model.group(1) if model else platform.machine(),
            "cpus": os.cpu_count(),
            "memory_mib": _meminfo("MemTotal") >> 20,
            "virtual": "hypervisor" in cpuinfo,
            "kernel": platform.release(), "huge_pages": huge,
            "switch": run(["ovs-vswitchd", "--version"]).splitlines()}
