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

"""DPDK testpmd as one or more guests: each of its virtio-user ports listens
on a vhost-user socket and has rings like a virtual machine's.

testpmd reads commands from NAME.stdin, a named pipe, so that another program
can go on talking to it."""

import os
import re

from ovs_accel.proc import Failure, Process, wait_until

PROMPT = "testpmd> "

# Guest memory has to be shared with the switch; a memory file does that with
# and without huge pages.
MEMORY_HUGE = ["--in-memory", "--single-file-segments"]
MEMORY_SMALL = ["--no-huge", "-m", "512", "--single-file-segments"]


def virtio_user(number, sock, mac, packed=False, queue_size=1024, queues=1):
    """Returns the EAL arguments for guest port 'number', which waits on
    'sock' for the switch."""
    return ["--vdev",
            "net_virtio_user%d,path=%s,server=1,mac=%s,queues=%d,"
            "queue_size=%d,packed_vq=%d,mrg_rxbuf=1"
            % (number, sock, mac, queues, queue_size, packed)]


class Testpmd:
    def __init__(self, directory, name="testpmd"):
        self.directory = directory
        self.process = Process(directory, name)
        self._stdin = os.path.join(directory, name + ".stdin")

    def start(self, devices, options=(), huge=False, cpu=0, keep=False):
        """Starts testpmd on CPU 'cpu' with the EAL arguments 'devices' and
        testpmd's own 'options'."""
        if os.path.exists(self._stdin):
            os.unlink(self._stdin)
        os.mkfifo(self._stdin, 0o600)
        pipe = os.open(self._stdin, os.O_RDWR)
        env = dict(os.environ, RUNTIME_DIRECTORY=self.directory)
        try:
            self.process.start(
                ["stdbuf", "-oL", "dpdk-testpmd", "--no-pci",
                 "--lcores", "0@%d,1@%d" % (cpu, cpu),
                 "--file-prefix", self.process.name]
                + (MEMORY_HUGE if huge else MEMORY_SMALL) + list(devices)
                + ["--", "--interactive", "--nb-cores=1", "--txd=1024",
                   "--rxd=1024", "--total-num-mbufs=16384"] + list(options),
                env=env, keep=keep, stdin=pipe)
        finally:
            os.close(pipe)

    def wait_ready(self, timeout=60):
        """Waits until the switch is connected to all ports."""
        wait_until("testpmd's ports to be connected",
                   lambda: PROMPT in self.process.output(), timeout,
                   alive=[self.process])

    def attach(self):
        return self.process.attach()

    def command(self, command, timeout=20):
        """Gives testpmd 'command' and returns what it answers."""
        if not self.process.alive():
            raise Failure(self.process.ended())
        seen = len(self.process.output())
        pipe = os.open(self._stdin, os.O_RDWR)
        try:
            os.write(pipe, command.encode() + b"\n")
            answer = wait_until("testpmd's answer to `%s'" % command,
                                lambda: self._answer(seen, command), timeout,
                                interval=0.005, alive=[self.process])
        finally:
            os.close(pipe)
        return answer[0]

    def _answer(self, seen, command):
        """Returns what came after the echo of 'command' in a list, or None
        while the prompt has not come back."""
        _, echo, rest = self.process.output()[seen:].partition(command)
        end = rest.find(PROMPT)
        return [rest[:end]] if echo and end >= 0 else None

    def stats(self):
        """Returns for each port a dictionary of the counters that `show port
        stats all' prints (RX-packets, TX-packets, RX-missed, ...)."""
        text = self.command("show port stats all")
        blocks = re.split(r"NIC statistics for port (\d+)", text)[1:]
        return {int(port): {name: int(value) for name, value in
                            re.findall(r"([RT]X-\w+):\s+(\d+)", block)}
                for port, block in zip(blocks[::2], blocks[1::2])}

    def stop(self):
        if self.process.alive():
            try:
                pipe = os.open(self._stdin, os.O_RDWR)
                os.write(pipe, b"stop\nquit\n")
                wait_until("testpmd to quit",
                           lambda: not self.process.alive(), 10)
                os.close(pipe)
            except (Failure, OSError):
                pass
        self.process.stop()
        if os.path.exists(self._stdin):
            os.unlink(self._stdin)
