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

"""Random frames, and frames that differ from others in one field."""

import os
import struct

from differential.pcap import read_pcap
from ovs_accel.proc import run

# As in random-frame.c: what frames and flow tables have in common.
MACS = ["02:00:00:00:00:%02x" % i for i in range(3)]
IPV4 = ["10.0.%d.%d" % (i, j) for i in range(2) for j in range(3)]
IPV6 = ["2001:db8:0:%d::%d" % (i, j) for i in range(2) for j in range(3)]
VIDS = [0, 1, 2]
PORTS = [53, 80, 443, 0x5051, 0xffff]
TAGS = (0x8100, 0x88a8)


def random_frames(rng, n, directory):
    """Returns 'n' random frames."""
    path = os.path.join(directory, "random.pcap")
    run(["test-accel", "random-frames", str(rng.randrange(1, 1 << 31)),
         str(n), path])
    return [odd(rng, frame) for frame in read_pcap(path)]


def odd(rng, frame):
    """Makes of some frames what random_frame() makes none of."""
    if rng.random() < 0.08 and len(frame) > 18:
        return with_labels(rng, frame)
    return frame


def with_labels(rng, frame):
    """Returns 'frame' with MPLS labels before its layer 3, which is right or
    not what the bottom of the stack should be followed by."""
    ofs = l3_offset(frame) - 2
    labels = b""
    n = rng.randrange(1, 4)
    for i in range(n):
        bottom = i == n - 1 or rng.random() < 0.05
        labels += struct.pack(">I", rng.randrange(16, 20) << 12
                              | rng.randrange(2) << 9 | bottom << 8
                              | rng.randrange(63, 65))
    return (frame[:ofs] + struct.pack(">H", rng.choice([0x8847, 0x8847,
                                                        0x8848]))
            + labels + frame[ofs + 2:])


def l3_offset(frame):
    """Returns where what follows the Ethertype starts."""
    ofs = 12
    while (ofs + 6 <= len(frame)
           and struct.unpack_from(">H", frame, ofs)[0] in TAGS):
        ofs += 4
    return ofs + 2


def _checksum(data):
    data = bytes(data) + bytes(len(data) % 2)
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


# By protocol: where the checksum is, and the least length.
SUMS = {1: (2, 8), 6: (16, 20), 17: (6, 8), 58: (2, 8)}
TCP_FLAGS = [0x02, 0x02, 0x12, 0x10, 0x10, 0x18, 0x11, 0x04]


def sound(rng, frame):
    """Returns 'frame', if it is of a protocol whose connections are tracked,
    with what a connection tracker wants: good checksums and UDP lengths, and
    TCP numbers within the window."""
    data = bytearray(frame)
    l3 = l3_offset(frame)
    ethertype = frame[l3 - 2:l3]
    if ethertype == b"\x08\x00" and len(frame) >= l3 + 20:
        l4 = l3 + 4 * (data[l3] & 15)
        end = l3 + struct.unpack_from(">H", data, l3 + 2)[0]
        proto, addresses = data[l3 + 9], l3 + 12
        if l3 + 20 <= l4 <= len(frame):
            data[l3 + 10:l3 + 12] = bytes(2)
            struct.pack_into(">H", data, l3 + 10, _checksum(data[l3:l4]))
    elif ethertype == b"\x86\xdd" and len(frame) >= l3 + 40:
        l4 = l3 + 40
        end = l4 + struct.unpack_from(">H", data, l3 + 4)[0]
        proto, addresses = data[l3 + 6], l3 + 8
    else:
        return frame
    ofs, least = SUMS.get(proto, (0, 1 << 16))
    if l4 + least > end or end > len(frame):
        return bytes(data)
    if proto == 17:
        struct.pack_into(">H", data, l4 + 4, end - l4)
    elif proto == 6:
        struct.pack_into(">II", data, l4 + 4, 1000, 1000)
        struct.pack_into(">H", data, l4 + 14, 0x7fff)
        if rng.random() < 0.8:
            data[l4 + 12:l4 + 14] = bytes([0x50, rng.choice(TCP_FLAGS)])
    data[l4 + ofs:l4 + ofs + 2] = bytes(2)
    pseudo = (b"" if proto == 1 else bytes(data[addresses:l3 + 20])
              if ethertype == b"\x08\x00" else bytes(data[addresses:l4]))
    pseudo += struct.pack(">HH", proto, end - l4) if pseudo else b""
    struct.pack_into(">H", data, l4 + ofs,
                     _checksum(pseudo + bytes(data[l4:end])) or 0xffff)
    return bytes(data)


def reply(frame):
    """Returns 'frame' with the ends of its connection exchanged."""
    l3 = l3_offset(frame)
    ethertype = frame[l3 - 2:l3]
    first, size = {b"\x08\x00": (l3 + 12, 4),
                   b"\x86\xdd": (l3 + 8, 16)}.get(ethertype, (0, 6))
    for ofs, n in [(first, size)] + [(first + 2 * size, 2)] * (first > 0):
        frame = (frame[:ofs] + frame[ofs + n:ofs + 2 * n]
                 + frame[ofs:ofs + n] + frame[ofs + 2 * n:])
    return frame


def _flip_bit(rng, frame):
    data = bytearray(frame)
    data[rng.randrange(min(len(data), 80))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _other_mac(rng, frame):
    ofs = rng.choice([5, 11])
    return frame[:ofs] + bytes([rng.randrange(3)]) + frame[ofs + 1:]


def _other_tag(rng, frame):
    if l3_offset(frame) > 14 and rng.random() < 0.6:
        if rng.random() < 0.5:
            return frame[:12] + frame[16:]
        tci = rng.randrange(4) << 13 | rng.randrange(2) << 12 \
            | rng.choice(VIDS)
        return frame[:14] + struct.pack(">H", tci) + frame[16:]
    return (frame[:12] + struct.pack(">HH", rng.choice(TAGS),
                                     0x1000 * rng.randrange(4)
                                     | rng.choice(VIDS)) + frame[12:])


def _other_length(rng, frame):
    if rng.random() < 0.5:
        return frame[:max(14, len(frame) - rng.randrange(1, 30))]
    return frame + bytes(rng.randrange(1, 300))


# Offsets from the start of layer 3, and bytes, of fields worth changing.
IPV4_FIELDS = [(1, 1), (6, 2), (8, 1), (9, 1), (15, 1), (19, 1), (20, 2),
               (22, 2), (33, 1), (0, 1), (2, 2)]
IPV6_FIELDS = [(0, 4), (6, 1), (7, 1), (23, 1), (39, 1), (40, 2), (42, 2),
               (53, 1), (4, 2), (48, 16)]
OTHER_FIELDS = [(0, 1), (2, 1), (3, 1), (7, 1), (13, 1), (17, 1), (27, 1)]


def _other_field(rng, frame):
    l3 = l3_offset(frame)
    fields = {b"\x08\x00": IPV4_FIELDS,
              b"\x86\xdd": IPV6_FIELDS}.get(frame[l3 - 2:l3], OTHER_FIELDS)
    ofs, n = rng.choice(fields)
    ofs += l3
    if ofs + n > len(frame):
        return _flip_bit(rng, frame)
    old = frame[ofs:ofs + n]
    new = (struct.pack(">H", rng.choice(PORTS)) if n == 2
           and rng.random() < 0.7
           else bytes(rng.randrange(256) for _ in range(n))
           if rng.random() < 0.3
           else old[:-1] + bytes([old[-1] ^ 1 << rng.randrange(3)]))
    return frame[:ofs] + new + frame[ofs + n:]


def near_miss(rng, frame):
    """Returns a frame that differs from 'frame' in one field or in length."""
    if len(frame) < 20:
        return _flip_bit(rng, frame)
    return rng.choice([_flip_bit, _other_mac, _other_tag, _other_length,
                       _other_field, _other_field, _other_field])(rng, frame)
