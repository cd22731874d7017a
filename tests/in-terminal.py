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

"""usage: in-terminal.py LINES COLUMNS COMMAND [ARG]... <SCRIPT

Runs COMMAND in a terminal of that size, does what the lines of SCRIPT say, and
ends with COMMAND's exit status.  In 60 seconds it must be done.

    wait WORD      until WORD has been written since the last command
    send KEYS      Python escapes, \\x1b for instance
    size LINES COLUMNS"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

END = time.monotonic() + 60


def resize(fd, lines, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ,
                struct.pack("HHHH", int(lines), int(columns), 0, 0))


def read(fd):
    """Returns what was written, or None once the command has ended."""
    if not select.select([fd], [], [], max(0, END - time.monotonic()))[0]:
        raise TimeoutError
    try:
        return os.read(fd, 65536) or None
    except OSError:
        return None


def obey(fd, pid, line):
    verb, _, rest = line.strip().partition(" ")
    if verb == "wait":
        written = b""
        while rest.encode() not in written:
            part = read(fd)
            if part is None:
                sys.exit("ended before %s was seen: %r" % (rest, written))
            written += part
    elif verb == "send":
        os.write(fd, rest.encode().decode("unicode_escape").encode())
    elif verb == "size":
        resize(fd, *rest.split())
        os.kill(pid, signal.SIGWINCH)
    else:
        sys.exit("unknown command: " + line)


def main():
    lines, columns, *command = sys.argv[1:]
    script = sys.stdin.readlines()
    pid, fd = pty.fork()
    if not pid:
        resize(0, lines, columns)
        os.execvp(command[0], command)
    try:
        for line in script:
            obey(fd, pid, line)
        while read(fd) is not None:
            pass
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        sys.exit("timed out")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


sys.exit(main())
