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
from typing import NamedTuple, Optional

from ovs_accel.proc import Failure

MAGIC = b"OA"
# Ethernet, IPv4 and UDP headers; then MAGIC, sender, sequence number.
HEADERS = 14 + 20 + 8
_TAG_FORMAT = "!2sHI"
MINIMUM = HEADERS + struct.calcsize(_TAG_FORMAT)
_VLAN = b"\x81\x00"


class Header(NamedTuple):
    """What the headers of a frame say."""
    source: str                 # MAC address.
    destination: str            # MAC address.
    vlan: Optional[int] = None
    nw_src: int = 0x0a000001
    nw_dst: int = 0x0a0000fe
    ttl: int = 64
    proto: int = 17
    tp_dst: int = 9


def _mac(text):
    return bytes.fromhex(text.replace(":", ""))


def _checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(header, payload):
    """Returns an Ethernet frame of a UDP packet, without UDP checksum."""
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 28 + len(payload), 0, 0,
                     header.ttl, header.proto, 0, header.nw_src,
                     header.nw_dst)
    ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
    vlan = (b"" if header.vlan is None
            else _VLAN + struct.pack("!H", header.vlan))
    return (_mac(header.destination) + _mac(header.source) + vlan
            + b"\x08\x00" + ip
            + struct.pack("!HHHH", 9, header.tp_dst, 8 + len(payload), 0)
            + payload)


def segment(header, payload, partial):
    """Returns an Ethernet frame of a TCP segment.  If it is 'partial', its
    checksum covers only the pseudo header: somebody else is to complete it."""
    length = 20 + len(payload)
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + length, 0, 0x4000,
                     header.ttl, 6, 0, header.nw_src, header.nw_dst)
    ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
    pseudo = ip[12:] + struct.pack("!HH", 6, length)
    tcp = struct.pack("!HHIIBBHHH", 9, header.tp_dst, 1, 1, 0x50, 0x10, 65535,
                      0, 0)
    checksum = (~_checksum(pseudo) & 0xffff if partial
                else _checksum(pseudo + tcp + payload))
    tcp = tcp[:16] + struct.pack("!H", checksum) + tcp[18:]
    return (_mac(header.destination) + _mac(header.source) + b"\x08\x00" + ip
            + tcp + payload)


def payloads(sender, size, count, seed):
    """Returns the payloads of 'count' frames that have 'size' bytes, without
    VLAN.  Number 'sender' and 'seed' make their contents unique."""
    if size < MINIMUM:
        raise Failure("a frame to verify has at least %d bytes" % MINIMUM)
    generator = random.Random(seed * 256 + sender)
    return [struct.pack(_TAG_FORMAT, MAGIC, sender, number)
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


def check(received, expected):
    """Checks that 'received' is some of what 'expected' tells: for a sender
    and the number of one of its frames, the flow of that frame and the frame.
    Each comes at most once, unchanged, and in order within its flow.  Returns
    how many there are."""
    seen, following = set(), {}
    for position, got in enumerate(received):
        where = "frame %d of those received" % position
        tag = HEADERS + (4 if got[12:14] == _VLAN else 0)
        if len(got) < tag + struct.calcsize(_TAG_FORMAT):
            raise Failure("%s has only %d bytes" % (where, len(got)))
        magic, sender, number = struct.unpack_from(_TAG_FORMAT, got, tag)
        if magic != MAGIC:
            raise Failure("%s is none of those sent" % where)
        where += ", number %d of guest %d," % (number, sender)
        if (sender, number) not in expected:
            raise Failure("%s should have been dropped or gone to another "
                          "guest" % where)
        flow, frame_expected = expected[sender, number]
        if (sender, number) in seen:
            raise Failure("%s comes twice" % where)
        if number < following.get((sender, flow), 0):
            raise Failure("%s comes too late" % where)
        if got != frame_expected:
            raise Failure("%s is not what the flows make of it" % where)
        seen.add((sender, number))
        following[sender, flow] = number
    return len(received)
