#!/usr/bin/env python3
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

"""Prints frames, in hexadecimal, as guests with offloads send and get them.

usage: tso-frames.py FRAME partial | whole | header | segments MSS
       tso-frames.py FRAME odd-headers
       tso-frames.py verify <FRAMES

FRAME is "tcp4", "tcp6", "udp4" or "udp6", a colon, the number of bytes of
payload, and perhaps changes: ":smac" (another source address), ":sip" (another
IPv4 source address), ":cwr" (flag CWR of TCP is set).  "partial" is what a guest sends that leaves the checksum
to others, "whole" the same with its checksum, and "segments" what TCP
segmentation makes of it.  "header" is the virtio-net header with which a guest
asks for that, with the given MSS, or for the checksum alone if it is 0.
"odd-headers" prints headers that do not fit the frame.  "verify" tells whether
IPv4 frames in hexadecimal have good UDP checksums.
"""

import struct
import sys

TCP, UDP = 6, 17
OPTIONS = bytes.fromhex("0101080a0102030405060708")


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Frame:
    def __init__(self, spec):
        kind, size, *changes = spec.split(":")
        self.tcp, self.v6 = kind[:3] == "tcp", kind[3] == "6"
        self.payload = bytes(i * 7 % 251 for i in range(int(size)))
        self.ethernet = bytes.fromhex(
            "020000000002" + ("020000000099" if "smac" in changes
                              else "020000000001")
            + ("86dd" if self.v6 else "0800"))
        self.addresses = bytes.fromhex(
            "fd" + "00" * 14 + "01" + "fd" + "00" * 14 + "02" if self.v6
            else ("0a090909" if "sip" in changes else "0a010001")
            + "0a020001")
        self.cwr = 0x80 if "cwr" in changes else 0
        self.l4 = 14 + (40 if self.v6 else 20)
        self.csum_offset = 16 if self.tcp else 6
        self.l4_len = 32 if self.tcp else 8

    def layer3(self, size, index):
        proto = TCP if self.tcp else UDP
        if self.v6:
            return struct.pack("!IHBB", 6 << 28, size, proto, 64) \
                + self.addresses
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 0x100 + index, 0,
                           64, proto, 0)
        csum = 0xffff ^ checksum(head + self.addresses)
        return head[:10] + struct.pack("!H", csum) + self.addresses

    def layer4(self, seq, flags, csum, size):
        if self.tcp:
            return struct.pack("!HHIIBBHHH", 1000, 2000, 0xffffff00 + seq
                               & 0xffffffff, 77, 8 << 4, flags, 500, csum,
                               0) + OPTIONS
        return struct.pack("!HHHH", 1000, 2000, 8 + size, csum)

    def make(self, start, end, partial=False, flags=0x18, index=0):
        payload = self.payload[start:end]
        flags |= 0 if index else self.cwr
        size = self.l4_len + len(payload)
        pseudo = checksum(self.addresses + struct.pack(
            "!HH", TCP if self.tcp else UDP, size))
        csum = pseudo
        if not partial:
            csum = 0xffff ^ checksum(
                self.layer4(start, flags, pseudo, len(payload)) + payload)
        return (self.ethernet + self.layer3(size, index)
                + self.layer4(start, flags, csum, len(payload)) + payload)

    def header(self, mss):
        gso = 0 if not mss else (4 if self.v6 else 1) | self.cwr
        return header(1, gso, 0, mss, self.l4, self.csum_offset)


def header(flags, gso_type, hdr_len, gso_size, csum_start, csum_offset):
    return struct.pack("<BBHHHHH", flags, gso_type, hdr_len, gso_size,
                       csum_start, csum_offset, 0)


def odd_headers(frame):
    total = len(frame.make(0, None))
    l4, ofs = frame.l4, frame.csum_offset
    gso = 4 if frame.v6 else 1
    return [header(*args) for args in (
        (1, 0, 0, 0, total - 1, 0),         # Sum beyond the end.
        (1, 0, 0, 0, total, 0),
        (1, 0, 0, 0, 0xffff, 0xffff),
        (1, 0, 0, 0, l4, total - l4 - 1),
        (1, 0, 0, 0, 13, 0),                # In the Ethernet header.
        (1, gso, 0, 0, l4, ofs),            # Segments of nothing.
        (1, gso, 0, 1, l4, ofs),            # Too many.
        (0, gso, 0, 1000, l4, ofs),         # Without a checksum.
        (1, gso, 0, 1000, l4 + 2, ofs),
        (1, gso, 0, 1000, l4, ofs + 2),
        (1, 5 - gso, 0, 1000, l4, ofs),     # Of the other IP.
        (1, 0x80, 0, 1000, l4, ofs),        # ECN of nothing.
        (1, 0x82, 0, 1000, l4, ofs),        # Not negotiated: UDP.
        (1, 3, 0, 1000, l4, ofs),
        (1, 5, 0, 1000, l4, ofs),
        (1, 0x40, 0, 1000, l4, ofs),
    )]


def segments(frame, mss):
    starts = range(0, len(frame.payload), mss)
    return [frame.make(s, s + mss, index=i,
                       flags=0x18 if s == starts[-1] else 0x10)
            for i, s in enumerate(starts)]


def verify(line):
    data = bytes.fromhex(line)
    pseudo = data[26:34] + struct.pack("!HH", data[23], len(data) - 34)
    return "good" if checksum(pseudo + data[34:]) == 0xffff else "bad"


def main():
    if sys.argv[1] == "verify":
        print(*(verify(line) for line in sys.stdin), sep="\n")
        return
    frame, what = Frame(sys.argv[1]), sys.argv[2]
    if what == "odd-headers":
        lines = odd_headers(frame)
    elif what == "header":
        lines = [frame.header(int(sys.argv[3]))]
    elif what == "segments":
        lines = segments(frame, int(sys.argv[3]))
    else:
        lines = [frame.make(0, None, what == "partial")]
    for line in lines:
        print(line.hex())


main()
