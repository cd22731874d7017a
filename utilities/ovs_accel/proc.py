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

"""Processes, waiting and failing.

Everything here leaves a trace in the directory it is given: what a process
prints is in NAME.out, who it is in NAME.proc.  That file makes it possible to
find and stop a process from another run of the same program."""

import os
import signal
import subprocess
import time


class Failure(Exception):
    """Something did not work; the text is one sentence for the user."""


def run(argv, timeout=30, env=None, check=True, cwd=None):
    """Runs 'argv' to its end and returns what it printed.  With 'check', a
    failure of the command is a Failure."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, env=env,
                              cwd=cwd, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout,
                              encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise Failure("%s is not installed" % argv[0])
    except subprocess.TimeoutExpired:
        raise Failure("`%s' did not end within %d seconds"
                      % (" ".join(argv), timeout))
    if check and done.returncode:
        raise Failure("`%s' failed: %s" % (" ".join(argv),
                                           done.stdout.strip() or "status %d"
                                           % done.returncode))
    return done.stdout


def wait_until(what, condition, timeout, interval=0.05, alive=()):
    """Calls 'condition' until it returns something true, and returns that.
    Fails, naming 'what', after 'timeout' seconds or as soon as one of the
    processes 'alive' has ended."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        for process in alive:
            if not process.alive():
                raise Failure("waiting for %s: %s" % (what, process.ended()))
        if time.monotonic() > end:
            raise Failure("waited %d seconds for %s" % (timeout, what))
        time.sleep(interval)


def _start_time(pid):
    """Returns the start time of 'pid' in clock ticks since boot, or None if
    there is no such process or it only waits to be reaped."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8",
                  errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Process:
    """A background process.  It dies with the program that started it, unless
    'keep' is true."""

    def __init__(self, directory, name):
        self.name = name
        self.out = os.path.join(directory, name + ".out")
        self._file = os.path.join(directory, name + ".proc")
        self._popen = None
        self.pid = None
        self._ticks = None

    def start(self, argv, env=None, keep=False, stdin=subprocess.DEVNULL):
        if self.alive():
            raise Failure("%s is running already (process %d)"
                          % (self.name, self.pid))
        if not keep:
            argv = ["setpriv", "--pdeathsig", "KILL"] + argv
        with open(self.out, "wb") as out:
            self._popen = subprocess.Popen(argv, stdin=stdin, stdout=out,
                                           stderr=subprocess.STDOUT, env=env,
                                           start_new_session=True)
        self.pid = self._popen.pid
        self._ticks = _start_time(self.pid)
        with open(self._file, "w", encoding="utf-8") as f:
            f.write("%d %s\n" % (self.pid, self._ticks))
        return self

    @property
    def stdin(self):
        return self._popen.stdin

    def attach(self):
        """Finds a process that an earlier program started under this name.
        Returns false if it is gone."""
        try:
            with open(self._file, encoding="utf-8") as f:
                pid, ticks = f.read().split()
        except (OSError, ValueError):
            return False
        self.pid, self._ticks = int(pid), int(ticks)
        return self.alive()

    def alive(self):
        if self._popen is not None:
            return self._popen.poll() is None
        return self.pid is not None and _start_time(self.pid) == self._ticks

    def output(self):
        try:
            with open(self.out, encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def ended(self):
        """One sentence about how this process ended."""
        lines = [s for s in self.output().splitlines() if s.strip()]
        status = self._popen.returncode if self._popen is not None else None
        if status is not None and status < 0:
            how = "was killed by %s" % signal.Signals(-status).name
        else:
            how = "ended" if status is None else "ended (status %d)" % status
        return "%s %s%s" % (self.name, how,
                            ": " + lines[-1] if lines else "")

    def stop(self, grace=5):
        """Ends the process, if it runs: SIGTERM, then SIGKILL after 'grace'
        seconds."""
        for sig, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 10)):
            if not self.alive():
                break
            os.kill(self.pid, sig)
            end = time.monotonic() + seconds
            while self.alive() and time.monotonic() < end:
                time.sleep(0.02)
        try:
            os.unlink(self._file)
        except FileNotFoundError:
            pass


def started_in(directory):
    """Returns the processes that run and were started in 'directory'."""
    processes = []
    for name in sorted(os.listdir(directory)):
        if name.endswith(".proc"):
            process = Process(directory, name[:-len(".proc")])
            if process.attach():
                processes.append(process)
    return processes


def cleanly_on_signals():
    """Makes SIGTERM and SIGHUP end the program the way Ctrl-C does: through
    its 'finally' blocks."""
    def interrupt(signum, frame):
        raise KeyboardInterrupt
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupt)


def undisturbed():
    """From here on signals wait: what follows is the tidying up."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
