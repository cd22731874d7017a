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

"""Frames that tell where they come from and in which order they were sent,
and the check that what a guest has received is some of them, unchanged.

testpmd sends them out of one pcap file and writes what arrives to another,
so they travel through the same driver and the same rings as in a measured
run."""

import random
import struct

from ovs_accel.proc import Failure

MAGIC = b"OA"
# Ethernet, IPv4 and UDP headers; then MAGIC, sender, sequence number.
_TAG = 14 + 20 + 8
_TAG_FORMAT = "!2sHI"
MINIMUM = _TAG + struct.calcsize(_TAG_FORMAT)


def _mac(text):
    return bytes.fromhex(text.replace(":", ""))


def _checksum(header):
    total = sum(struct.unpack("!%dH" % (len(header) // 2), header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frames(sender, source, destination, size, count, seed):
    """Returns 'count' UDP frames of 'size' bytes from MAC address 'source' to
    'destination'.  Number 'sender' and 'seed' make their contents unique."""
    if size < MINIMUM:
        raise Failure("a frame to verify has at least %d bytes" % MINIMUM)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size - 14, 0, 0, 64, 17, 0,
                     bytes([10, 0, 0, sender]), bytes([10, 0, 0, 254]))
    ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
    start = (_mac(destination) + _mac(source) + b"\x08\x00" + ip
             + struct.pack("!HHHH", 9, 9, size - 34, 0))
    generator = random.Random(seed * 256 + sender)
    return [start + struct.pack(_TAG_FORMAT, MAGIC, sender, number)
            + generator.randbytes(size - MINIMUM) for number in range(count)]


def write_pcap(path, contents):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in contents:
            f.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)))
            f.write(frame)


def read_pcap(path):
    with open(path, "rb") as f:
        data = f.read()
    offset, contents = 24, []
    while offset + 16 <= len(data):
        length, = struct.unpack_from("<I", data, offset + 8)
        contents.append(data[offset + 16:offset + 16 + length])
        offset += 16 + length
    return contents


def check(received, sender, sent):
    """Checks that 'received' is some of 'sent' by 'sender', each at most
    once, in order and unchanged.  Returns how many there are."""
    expected = 0
    for position, frame in enumerate(received):
        where = "frame %d of those received" % position
        if len(frame) < MINIMUM:
            raise Failure("%s has only %d bytes" % (where, len(frame)))
        magic, source, number = struct.unpack_from(_TAG_FORMAT, frame, _TAG)
        if magic != MAGIC:
            raise Failure("%s is none of those sent" % where)
        if source != sender:
            raise Failure("%s was sent by guest %d and not by guest %d"
                          % (where, source, sender))
        if number < expected:
            raise Failure("%s, number %d, comes twice or too late"
                          % (where, number))
        if number >= len(sent) or frame != sent[number]:
            raise Failure("%s, number %d, has changed on its way"
                          % (where, number))
        expected = number + 1
    return len(received)
