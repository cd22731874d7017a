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

"""What a QEMU guest boots: Debian's cloud kernel, taken out of its package
without installing it, and an initramfs made of busybox and the kernel's
modules for virtio and bridges.  Both stay in the cache directory."""

import fcntl
import glob
import lzma
import os
import re
import shutil
import struct

from ovs_accel.proc import Failure, run

KERNEL_PACKAGE = "linux-image-cloud-amd64"

# In the order in which they have to be loaded.
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev",
           "virtio_pci_modern_dev", "virtio_pci", "failover", "net_failover",
           "virtio_net", "llc", "stp", "bridge")

# The guest's first process.  The first serial port gets a shell for people,
# the second one a loop that runs one command per line for programs:
#
#     ID SECONDS COMMAND...
#
# is answered by what COMMAND prints and a last line "ID=STATUS".
INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /tmp /root
mount -t devpts devpts /dev/pts
for module in %(modules)s; do
    [ -e /modules/$module.ko ] && insmod /modules/$module.ko
done
for word in $(cat /proc/cmdline); do
    case $word in
    accel.name=*) name=${word#*=} ;;
    accel.ip=*) ip=${word#*=} ;;
    esac
done
hostname "$name"
export PS1="$name# "
ip link set lo up
ip link set eth0 up
[ -z "$ip" ] || ip addr add "$ip" dev eth0
echo "guest $name is up"
setsid sh /agent <>/dev/ttyS1 >&0 2>/dev/null &
while :; do
    setsid cttyhack sh
done
"""

AGENT = """\
stty raw -echo
while IFS=' ' read -r id seconds command; do
    timeout "$seconds" sh -c "$command" </dev/null 2>&1
    status=$?
    echo
    echo "$id=$status"
done
"""


# What udhcpc does with a lease.
DHCP = """\
#!/bin/sh
case $1 in
deconfig)
    ip addr flush dev "$interface"
    ;;
bound | renew)
    ip addr flush dev "$interface"
    ip addr add "$ip/$mask" dev "$interface"
    [ -z "$router" ] || ip route add default via "${router%% *}"
    ;;
esac
"""


def cache_directory():
    """Returns (and makes) the directory that outlives this run."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "ovs-accel", "guest")
    os.makedirs(path, exist_ok=True)
    return path


def _kernel_package():
    """Returns the package that KERNEL_PACKAGE stands for at present."""
    pattern = re.compile(r"Depends: (linux-image-\d\S*)")
    found = pattern.search(run(["apt-cache", "depends", KERNEL_PACKAGE],
                               check=False))
    if found is None:
        run(["apt-get", "update"], timeout=600)
        found = pattern.search(run(["apt-cache", "depends", KERNEL_PACKAGE],
                                   check=False))
    if found is None:
        raise Failure("no package %s: the guests need a kernel from Debian"
                      % KERNEL_PACKAGE)
    return found.group(1)


def _download(package, directory):
    """Puts 'package', unpacked, into 'directory'."""
    os.makedirs(directory)
    fetch = ["apt-get", "-o", "APT::Sandbox::User=root", "download", package]
    try:
        run(fetch, timeout=900, cwd=directory)
    except Failure:
        # The package lists may be older than the package.
        run(["apt-get", "update"], timeout=600)
        run(fetch, timeout=900, cwd=directory)
    for deb in glob.glob(os.path.join(directory, "*.deb")):
        run(["dpkg", "-x", deb, directory], timeout=300)
        os.unlink(deb)


def _module(root, name):
    """Returns the contents of kernel module 'name', or None if the kernel
    has it built in."""
    for dash in (name, name.replace("_", "-")):
        for path in glob.glob(os.path.join(root, "**", dash + ".ko*"),
                              recursive=True):
            with open(path, "rb") as f:
                data = f.read()
            return lzma.decompress(data) if path.endswith(".xz") else data
    return None


def _cpio(entries):
    """Returns a cpio archive (format "newc") of 'entries', which are (name,
    mode, contents)."""
    archive = bytearray()

    def pad():
        archive.extend(b"\0" * (-len(archive) % 4))

    for number, (name, mode, data) in enumerate(
            entries + [("TRAILER!!!", 0, b"")]):
        encoded = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0,
                  len(encoded), 0)
        archive.extend(b"070701" + b"".join(b"%08x" % x for x in fields))
        archive.extend(encoded)
        pad()
        archive.extend(data)
        pad()
    return bytes(archive)


def _needs_interpreter(program):
    """Returns true if the ELF file 'program' is dynamically linked: one of
    its program headers is PT_INTERP (3)."""
    offset, = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    return any(struct.unpack_from("<I", program, offset + i * size)[0] == 3
               for i in range(count))


def _initramfs(modules_root):
    busybox = shutil.which("busybox")
    if busybox is None:
        raise Failure("busybox is not installed: apt-get install "
                      "busybox-static")
    with open(busybox, "rb") as f:
        program = f.read()
    if _needs_interpreter(program):
        raise Failure("%s needs libraries that a guest lacks: apt-get install "
                      "busybox-static" % busybox)
    entries = [("bin/busybox", 0o100755, program)]
    for name in MODULES:
        data = _module(modules_root, name)
        if data is not None:
            entries.append(("modules/%s.ko" % name, 0o100644, data))
    entries.append(("init", 0o100755,
                    (INIT % {"modules": " ".join(MODULES)}).encode()))
    entries.append(("agent", 0o100644, AGENT.encode()))
    entries.append(("etc/udhcpc/default.script", 0o100755, DHCP.encode()))
    directories = [(name, 0o040755, b"") for name in
                   ("bin", "dev", "etc", "etc/udhcpc", "modules", "proc",
                    "sys")]
    return _cpio(directories + entries)


def prepare(say=lambda text: None):
    """Returns the paths of a kernel and of an initramfs.  The kernel is
    downloaded once; 'say' is called before that."""
    cache = cache_directory()
    with open(os.path.join(cache, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kernel = _cached_kernel(cache)
        if kernel is None:
            package = _kernel_package()
            say("downloading the guests' kernel, %s" % package)
            unpacked = os.path.join(cache, "unpacking")
            shutil.rmtree(unpacked, ignore_errors=True)
            _download(package, unpacked)
            os.rename(unpacked, os.path.join(cache, package))
            kernel = _cached_kernel(cache)
            if kernel is None:
                raise Failure("%s has no /boot/vmlinuz-*" % package)
        initramfs = os.path.join(cache, "initramfs")
        with open(initramfs + ".new", "wb") as f:
            f.write(_initramfs(os.path.dirname(os.path.dirname(kernel))))
        os.rename(initramfs + ".new", initramfs)
    return kernel, initramfs


def _cached_kernel(cache):
    found = glob.glob(os.path.join(cache, "linux-image-*", "boot",
                                   "vmlinuz-*"))
    return max(found, key=os.path.getmtime) if found else None
