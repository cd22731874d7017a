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


"""What ovs-appctl does, without a process of its own for each command."""

import json
import os
import socket

from ovs_accel.proc import Failure


def rundir():
    return os.environ.get("OVS_RUNDIR", "/var/run/openvswitch")


def daemon_pid(target):
    """Returns the process id that daemon 'target' has left in its file."""
    pidfile = os.path.join(rundir(), target + ".pid")
    try:
        with open(pidfile, encoding="utf-8") as f:
            return int(f.read())
    except FileNotFoundError:
        raise Failure("%s is not running: there is no %s" % (target, pidfile))
    except (OSError, ValueError) as e:
        raise Failure("%s: cannot be read: %s" % (pidfile, e))


def control_socket(target):
    """Returns the path of the control socket of daemon 'target', which is a
    name or a path, as for ovs-appctl(8)."""
    if "/" in target:
        return target
    return os.path.join(rundir(), "%s.%d.ctl" % (target, daemon_pid(target)))


class Refused(Failure):
    """The daemon replied with an error, and may be asked other things."""


class Unixctl:
    """A connection to the control socket 'path' of an OVS daemon, see
    ovs-appctl(8).  After a Failure that is not Refused it is of no use."""

    def __init__(self, path, timeout=30):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(path)
        except OSError as e:
            self.close()
            raise Failure("%s: %s" % (path, e.strerror))

    def close(self):
        self._socket.close()

    def command(self, name, *arguments):
        """Runs a command and returns what it prints."""
        request = {"id": 0, "method": name, "params": list(arguments)}
        answer = b""
        try:
            self._socket.sendall(json.dumps(request).encode())
            while True:
                part = self._socket.recv(1 << 16)
                if not part:
                    raise Failure("%s: the daemon has gone" % name)
                answer += part
                try:
                    reply = json.loads(answer)
                    break
                except ValueError:
                    pass        # There is more to come.
        except OSError as e:
            raise Failure("%s: %s" % (name, e))
        if reply["error"]:
            raise Refused("%s: %s" % (name, reply["error"].strip()))
        return reply["result"]
