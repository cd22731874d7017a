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

"""Files of frames."""

import struct

FILE_HEADER = struct.pack("=IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
RECORD = struct.Struct("=IIII")


def write_pcap(path, frames):
    with open(path, "wb") as f:
        f.write(FILE_HEADER + b"".join(
            RECORD.pack(0, 0, len(frame), len(frame)) + frame
            for frame in frames))


class PcapTail:
    """Reads a file that grows."""

    def __init__(self, path):
        self._file = open(path, "rb")
        self._file.read(len(FILE_HEADER))
        self._rest = b""

    def read(self):
        """Returns the frames that were added since the last call."""
        data = self._rest + self._file.read()
        frames = []
        ofs = 0
        while ofs + RECORD.size <= len(data):
            n = RECORD.unpack_from(data, ofs)[2]
            if ofs + RECORD.size + n > len(data):
                break
            ofs += RECORD.size
            frames.append(data[ofs:ofs + n])
            ofs += n
        self._rest = data[ofs:]
        return frames


def read_pcap(path):
    return PcapTail(path).read()
