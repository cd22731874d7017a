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


"""The scripted guest, tests/vhost-guest, and other programs of the tests."""

import os

from ovs_accel.proc import Process, run, wait_until


def program(name="vhost-guest"):
    """Returns the path of a program of the tests."""
    return os.path.join(os.environ.get("OVS_ACCEL_BUILD", ""), "tests", name)


class ScriptedGuest:
    def __init__(self, directory, name, number):
        """'number' tells the frames of guests apart."""
        self.name = name
        self.process = Process(directory, "guest-" + name)
        self._number = number
        self._control = os.path.join(directory, name + ".ctl")

    def start(self, sock, cpu, packed=False, options=()):
        """Starts a guest that waits on 'sock' for the switch, on CPU 'cpu',
        and sleeps when there is nothing to do, unless 'options' say that it
        does not."""
        self.process.start(
            ["taskset", "-c", str(cpu), program(), "run", "--listen=" + sock,
             "--unixctl=" + self._control, "--id=%d" % self._number,
             "--spins=0", "--ring-size=1024"]
            + (["--packed"] if packed else []) + list(options))
        wait_until("scripted guest %s to start" % self.name,
                   lambda: os.path.exists(self._control), 20,
                   alive=[self.process])

    def command(self, *words, timeout=700):
        return run([program(), "ctl", self._control] + list(words),
                   timeout=timeout)

    def counter(self, name):
        return int(self.command("get", name))

    def stop(self):
        self.process.stop()
