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

"""Ports of a bridge, seen from outside: frames go in and come out."""

import os
import socket
import struct
import time
import zlib

from differential.pcap import PcapTail, write_pcap
from differential.unixctl import Unixctl
from ovs_accel.proc import Failure, Process, run, wait_until

# From <linux/if_packet.h> and <linux/socket.h>.
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3

PATIENCE = 60                   # Seconds.
MAX_VHOST_FRAME = 2048
MIN_TAP_FRAME, MAX_TAP_FRAME = 14, 1514         # What the kernel takes.

# Frames that may come out of a port between two looks at it.
RING_SIZE = 4096


class VhostPort:
    """A vhost-user port with a scripted guest behind it.  Packets marks have
    to come from generator 'mark_id'."""

    def __init__(self, switch, bridge, name, port_type, mark_id, guest_args):
        self.name = name
        self._directory = switch.directory
        self._mark_id = mark_id
        self._marks = 0
        sock = os.path.join(self._directory, name + ".sock")
        ctl = os.path.join(self._directory, name + ".ctl")
        self._process = Process(self._directory, name)
        self._process.start(
            ["vhost-guest", "run", "--listen=" + sock, "--unixctl=" + ctl,
             "--ring-size=%d" % RING_SIZE,
             "--max-frame=%d" % MAX_VHOST_FRAME, "--keep=0",
             "--id=%d" % mark_id] + list(guest_args), env=switch.env)
        wait_until("%s to listen" % name, lambda: os.path.exists(ctl), 20,
                   alive=[self._process])
        self._ctl = Unixctl(ctl)
        switch.vsctl("add-port", bridge, name, "--", "set", "interface", name,
                     "type=" + port_type, "options:vhost-server-path=" + sock)
        error = switch.vsctl("get", "interface", name, "error").strip()
        if error != "[]":
            raise Failure("port %s: %s" % (name, error))
        self._ctl.call("wait", "link=1", "timeout=%d" % PATIENCE)
        record = os.path.join(self._directory, name + ".pcap")
        self._ctl.call("record", record)
        self._tail = PcapTail(record)

    def takes(self, frame):
        """Returns true if 'frame' can go in here."""
        return len(frame) <= MAX_VHOST_FRAME

    def make_mark(self, src_mac):
        """Sends a numbered frame, which is then the mark."""
        self._ctl.call("generate", "count=1", "src-mac=" + src_mac)

    def start_sending(self, frames):
        """Starts to send 'frames'.  finish_sending() must follow."""
        if len(frames) == 1:
            self._ctl.start("send", frames[0].hex())
        else:
            path = os.path.join(self._directory, self.name + ".tx.pcap")
            write_pcap(path, frames)
            self._ctl.start("play", path, "timeout=%d" % PATIENCE)

    def finish_sending(self):
        """Waits until the switch has taken all of them."""
        self._ctl.finish()

    def await_mark(self):
        """Waits until one more mark has come out."""
        self._marks += 1
        if self._marks == 1:
            condition = "gen%d.good>=1" % self._mark_id
        else:
            condition = "gen%d.duplicate>=%d" % (self._mark_id,
                                                 self._marks - 1)
        self._ctl.call("wait", condition, "timeout=%d" % PATIENCE)

    def take(self):
        """Returns the frames that have come out since the last time."""
        return self._tail.read()

    def problems(self):
        """Returns what is wrong with the rings, or nothing."""
        return [line for line in self._ctl.call("counters").splitlines()
                if line.split("=")[0] in ("rx_errors", "broken")
                and not line.endswith("=0")]


class TapPort:
    """A tap device.  Set 'mark' before await_mark()."""

    mark = None

    def __init__(self, switch, bridge, name):
        self.name = name
        self._frames = []
        self._taken = []
        self._marks = 0
        switch.vsctl("add-port", bridge, name, "--", "set", "interface", name,
                     "type=tap")
        # The kernel shall send nothing by itself.
        with open("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name, "w") as f:
            f.write("1")
        run(["ip", "link", "set", name, "txqueuelen", "10000", "up"])
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                     socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._socket.bind((name, 0))
        self._socket.setblocking(False)

    def takes(self, frame):
        return MIN_TAP_FRAME <= len(frame) <= MAX_TAP_FRAME

    def start_sending(self, frames):
        for frame in frames:
            self._socket.send(frame)

    def finish_sending(self):
        pass

    def _drain(self):
        while True:
            try:
                frame, ancillary, _, address = self._socket.recvmsg(65536, 64)
            except BlockingIOError:
                return
            if address[2] == PACKET_OUTGOING:
                continue
            for level, kind, data in ancillary:
                if level == SOL_PACKET and kind == PACKET_AUXDATA:
                    frame = restore_tag(frame, data)
            self._frames.append(frame)
            self._marks += frame == self.mark

    def await_mark(self):
        end = time.monotonic() + PATIENCE
        self._drain()
        while not self._marks:
            if time.monotonic() > end:
                raise Failure("%s: no mark came out" % self.name)
            time.sleep(0.0002)
            self._drain()
        self._marks -= 1

    def take(self):
        self._drain()
        frames, self._frames = self._frames, []
        return frames

    def problems(self):
        return []


# What the encapsulated frames of a tunnel have in common.
LOCAL_MAC, REMOTE_MAC = "aa:55:aa:55:00:01", "aa:55:aa:55:00:02"
VXLAN_PORT = 4789
OUTER = 50                      # Bytes, of Ethernet, IPv4, UDP and VXLAN.


def header_sum(header):
    total = sum(struct.unpack("!10H", header))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


class VxlanPort:
    """A native tunnel, seen from behind 'wire', the vhost port of its
    underlay bridge, between addresses 'local' and 'remote'.  Frames go in as
    the tunnel's payload, marks plain, and what comes out is encapsulated,
    without what is not the same on both sides."""

    def __init__(self, name, wire, local, remote):
        self.name = name
        self.mark = None
        self._wire = wire
        self._addresses = [bytes(map(int, address.split(".")))
                           for address in (local, remote)]

    def takes(self, frame):
        return self._wire.takes(bytes(OUTER) + frame)

    def _encapsulate(self, frame):
        dice = zlib.crc32(frame)
        local, remote = self._addresses
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, OUTER - 14 + len(frame),
                         dice & 0xffff, 0x4000, 64, 17, 0, remote, local)
        ip = ip[:10] + struct.pack("!H", header_sum(ip)) + ip[12:]
        flags = 8 if dice % 32 else 0
        return (bytes.fromhex((LOCAL_MAC + REMOTE_MAC).replace(":", ""))
                + b"\x08\x00" + ip
                + struct.pack("!HHHH", 0xc000 | dice >> 18, VXLAN_PORT,
                              16 + len(frame), 0)
                + struct.pack("!II", flags << 24, dice % 3 << 8) + frame)

    def start_sending(self, frames):
        self._wire.start_sending([
            frame if frame == self.mark else self._encapsulate(frame)
            for frame in frames])

    def finish_sending(self):
        self._wire.finish_sending()

    def await_mark(self):
        self._wire.await_mark()

    def _neutral(self, frame):
        """Returns 'frame' without outer addresses and checksum, if they are
        right, and without the UDP source port, which is made of a hash."""
        ends = b"".join(self._addresses)
        if frame[26:34] == ends and not header_sum(frame[14:34]):
            frame = frame[:24] + bytes(12) + frame[36:]
        return frame

    def take(self):
        return [self._neutral(frame) for frame in self._wire.take()]

    def problems(self):
        return self._wire.problems()


def restore_tag(frame, auxdata):
    """Puts the VLAN tag that the kernel took out back into 'frame'."""
    (status, _, _, _, _, tci, tpid) = struct.unpack_from("=IIIHHHH", auxdata)
    if not status & TP_STATUS_VLAN_VALID:
        return frame
    if not status & TP_STATUS_VLAN_TPID_VALID:
        tpid = 0x8100
    return frame[:12] + struct.pack(">HH", tpid, tci) + frame[12:]
