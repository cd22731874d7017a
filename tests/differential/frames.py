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
