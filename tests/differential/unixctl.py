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

"""A connection to a control socket, as ovs-appctl makes one, that stays open
from command to command."""

import json
import socket

from ovs_accel.proc import Failure


class Unixctl:
    """Commands to the program that listens on 'path'."""

    def __init__(self, path, timeout=60):
        self._path = path
        self._decoder = json.JSONDecoder()
        self._rest = ""
        self._id = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect(path)

    def start(self, command, *args):
        """Sends 'command'.  finish() must follow before the next one."""
        self._id += 1
        self._socket.sendall(json.dumps(
            {"id": self._id, "method": command,
             "params": [str(arg) for arg in args]}).encode())

    def finish(self):
        """Returns what the command printed.  An error is a Failure."""
        while True:
            try:
                reply, end = self._decoder.raw_decode(self._rest)
                break
            except ValueError:
                pass
            try:
                data = self._socket.recv(1 << 20)
            except OSError as e:
                raise Failure("%s: no answer: %s" % (self._path, e))
            if not data:
                raise Failure("%s: the connection ended" % self._path)
            self._rest += data.decode("utf-8", "replace")
        self._rest = self._rest[end:].lstrip()
        if reply["error"] is not None:
            raise Failure("%s: %s" % (self._path,
                                      str(reply["error"]).strip()))
        return reply["result"] or ""

    def call(self, command, *args):
        self.start(command, *args)
        return self.finish()
