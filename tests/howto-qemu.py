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

"""usage: howto-qemu.py ARGUMENT...

What pages of Documentation/howto run as qemu-system-x86_64 when they are
tested (see run-howto.py): QEMU with the same arguments, but for

- the disk, in whose place the guest boots ovs-accel-guest's kernel and
  busybox;
- a console and a socket for commands, in directory $OVS_ACCEL_GUESTS;
- where there is no KVM, its emulation.
"""

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "utilities"))

from ovs_accel import image                               # noqa: E402
from ovs_accel import qemu                                # noqa: E402


def emulated(arguments):
    """Returns 'arguments' as they are for a machine without KVM."""
    changed = []
    for argument in arguments:
        argument = re.sub(r"\baccel=kvm\b", "accel=tcg", argument)
        if argument.startswith("virtio-net-pci,"):
            argument += "," + qemu.TCG_DEVICE
        changed.append("max" if argument == "host" else argument)
    return changed


def main():
    arguments = sys.argv[1:]
    name = arguments[arguments.index("-name") + 1]
    if qemu.accelerator() == "tcg":
        arguments = emulated(arguments)
    disk = arguments.index("-drive")
    arguments[disk:disk + 2] = qemu.boot_arguments(*image.prepare(), name)
    os.execvp(qemu.QEMU, [qemu.QEMU] + arguments + qemu.serial_arguments(
        os.environ["OVS_ACCEL_GUESTS"], name))


main()
