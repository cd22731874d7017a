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

"""QEMU guests on vhost-user ports.

A guest's state is in the directory it is started in: NAME.console is a unix
socket with a shell for people (NAME.console.log has all that was printed
there), NAME.control the one through which programs run commands."""

import itertools
import os
import socket
import time

from ovs_accel import image
from ovs_accel.proc import Failure, Process, wait_until

QEMU = "qemu-system-x86_64"
KVM_SECONDS = 8

# QEMU 7.2 crashes when a vhost-user device uses MSI-X under TCG.
TCG_DEVICE = "vectors=0"

_serial = itertools.count(1)


def _machine(accel):
    return [QEMU, "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot", "-machine", "pc,accel=" + accel,
            "-cpu", "host" if accel == "kvm" else "max"]


def boot_arguments(kernel, initramfs, name, ip=None):
    """Returns QEMU's arguments that boot a guest of this name."""
    words = ["console=ttyS0", "quiet", "panic=-1", "accel.name=" + name]
    if ip:
        words.append("accel.ip=" + ip)
    return ["-kernel", kernel, "-initrd", initramfs,
            "-append", " ".join(words)]


def serial_arguments(directory, name):
    """Returns QEMU's arguments that make guest 'name' take commands: Guest
    with the same arguments sends them."""
    console = os.path.join(directory, name + ".console")
    return ["-chardev", "socket,id=con,server=on,wait=off,path=%s,logfile=%s"
            % (console, console + ".log"),
            "-serial", "chardev:con",
            "-chardev", "socket,id=ctl,server=on,wait=off,path=%s"
            % os.path.join(directory, name + ".control"),
            "-serial", "chardev:ctl"]


def accelerator(say=lambda text: None):
    """Returns "kvm" if a guest really boots under KVM within a few seconds,
    else "tcg".  (There are machines with a /dev/kvm under which guests hang.)
    What was found holds until the machine is booted again."""
    with open("/proc/sys/kernel/random/boot_id") as f:
        boot = f.read().strip()
    cache = os.path.join(image.cache_directory(), "accelerator")
    try:
        with open(cache) as f:
            known, verdict = f.read().split()
        if known == boot and verdict in ("kvm", "tcg"):
            return verdict
    except (OSError, ValueError):
        pass
    verdict = "kvm" if _kvm_boots(say) else "tcg"
    with open(cache, "w") as f:
        f.write("%s %s\n" % (boot, verdict))
    return verdict


def _kvm_boots(say):
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    say("trying whether a guest boots under KVM")
    boot = boot_arguments(*image.prepare(), "probe")
    probe = Process(image.cache_directory(), "kvm-probe")
    try:
        probe.start(_machine("kvm") + ["-m", "128", "-serial", "stdio"]
                    + boot)
        wait_until("a guest under KVM",
                   lambda: "guest probe is up" in probe.output(), KVM_SECONDS,
                   alive=[probe])
        return True
    except Failure:
        return False
    finally:
        probe.stop(grace=1)


class Guest:
    """A guest with one network device on the vhost-user socket 'sock', which
    QEMU makes and listens on."""

    def __init__(self, directory, name):
        self.directory = directory
        self.name = name
        self.console = os.path.join(directory, name + ".console")
        self._control = os.path.join(directory, name + ".control")
        self.process = Process(directory, name)

    def attach(self):
        """Finds the guest that another program started.  Returns false if it
        does not run."""
        return self.process.attach()

    def start(self, sock, ip=None, mac=None, queues=1, packed=False,
              memory=256, mrg_rxbuf=True, keep=False):
        """Starts QEMU, which boots as soon as a switch serves 'sock'."""
        if self.attach():
            raise Failure("guest %s runs already" % self.name)
        accel = accelerator()
        device = ["virtio-net-pci", "netdev=n0",
                  "packed=" + ("on" if packed else "off"),
                  "mrg_rxbuf=" + ("on" if mrg_rxbuf else "off")]
        if accel == "tcg":
            device.append(TCG_DEVICE)
        if queues > 1:
            device += ["mq=on"]
        if mac:
            device.append("mac=" + mac)
        for path in (sock, self.console, self._control):
            if os.path.exists(path):
                os.unlink(path)
        argv = _machine(accel) + [
            "-m", "%dM" % memory, "-smp", str(queues),
            "-object", "memory-backend-memfd,id=m,size=%dM,share=on" % memory,
            "-numa", "node,memdev=m",
            "-chardev", "socket,id=c,server=on,wait=off,path=" + sock,
            "-netdev", "vhost-user,id=n0,chardev=c,queues=%d" % queues,
            "-device", ",".join(device),
        ] + serial_arguments(self.directory, self.name)
        argv += boot_arguments(*image.prepare(), self.name, ip)
        self.process.start(argv, keep=keep)
        return accel

    def wait_booted(self, timeout=120):
        """Waits until the guest takes commands and its device has a link."""
        wait_until("guest %s to boot" % self.name, self._ready, timeout,
                   interval=0.2, alive=[self.process])

    def _ready(self):
        return self._succeeds("grep -q up /sys/class/net/eth0/operstate")

    def answers(self):
        """Returns true if the guest takes commands."""
        return self._succeeds("true")

    def _succeeds(self, command):
        try:
            return self._command(command, 1, 0.7)[0] == 0
        except OSError:
            return False

    def run(self, command, timeout=30, check=True):
        """Runs the line of shell 'command' in the guest and returns its exit
        status and output.  'timeout' is in seconds; a command that takes
        longer is ended in the guest.  With 'check' a status other than 0 is
        a Failure, and only the output is returned."""
        if "\n" in command:
            raise Failure("a command for a guest is one line: %r" % command)
        try:
            status, output = self._command(command, timeout, timeout + 15)
        except OSError as e:
            raise Failure("guest %s cannot be reached: %s" % (self.name, e))
        if status is None:
            raise Failure("guest %s did not answer `%s'"
                          % (self.name, command))
        if not check:
            return status, output
        if status:
            raise Failure("guest %s: `%s' ended with status %d: %s"
                          % (self.name, command, status, output.strip()))
        return output

    def _command(self, command, timeout, patience):
        """Returns the command's status and output; the status is None if the
        guest does not answer within 'patience' seconds."""
        name = "%d.%d.%d" % (os.getpid(), time.monotonic_ns(), next(_serial))
        mark = "\n%s=" % name
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self._control)
            s.sendall(("%s %d %s\n" % (name, timeout, command)).encode())
            end = time.monotonic() + patience
            text = ""
            while True:
                before, found, after = text.partition(mark)
                if found and "\n" in after:
                    output = before.replace("\r", "")
                    return int(after.split("\n")[0]), output
                s.settimeout(max(end - time.monotonic(), 0.01))
                try:
                    data = s.recv(65536)
                except socket.timeout:
                    return None, text
                if not data:
                    return None, text
                text += data.decode("utf-8", "replace")

    def stop(self):
        self.process.stop(grace=3)
        for path in (self.console, self._control):
            if os.path.exists(path):
                os.unlink(path)
