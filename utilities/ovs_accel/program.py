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

"""What ovs-accel-sandbox and ovs-accel-bench do alike before they begin:
install packages, build, find the programs, and say how far they are."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from ovs_accel.proc import Failure, cleanly_on_signals, undisturbed

UTILITIES = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

# Run with the name of the program as $0, the top of the source tree as $1
# and a file for the resulting environment as $2.
BUILD = """\
set -u
accel_top=$1
. "$accel_top/utilities/ovs-accel-lib.sh"
accel_require_root
shift
environment=$1
shift
accel_install $accel_packages_build $accel_packages_guest "$@"
accel_prepare
accel_build main
eval "$("$accel_work/main/utilities/ovs-accel-env")"
env -0 >"$environment"
"""


def build(program, packages=()):
    """Installs what is missing, also of 'packages', builds, and makes PATH,
    OVS_SRC and the like name the result."""
    with tempfile.NamedTemporaryFile() as environment:
        status = subprocess.call(["sh", "-c", BUILD, program,
                                  os.path.dirname(UTILITIES),
                                  environment.name] + list(packages),
                                 stdin=subprocess.DEVNULL)
        if status:
            raise Failure("installing and building did not work, see above")
        for line in environment.read().split(b"\0"):
            name, equals, value = line.partition(b"=")
            if equals:
                os.environb[name] = value


def require_programs(names):
    """Fails unless every program of 'names' is in PATH."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise Failure("not installed or not in PATH: " + ", ".join(missing))


def require_root():
    if os.geteuid():
        raise Failure("this needs root: switches and guests are made")


@contextlib.contextmanager
def progress(text):
    """Shows 'text' and, while the body runs, the seconds that it takes: on a
    terminal in place, else as a line every ten seconds."""
    done = threading.Event()
    began = time.monotonic()
    terminal = sys.stdout.isatty()

    def show():
        while not done.wait(1):
            seconds = int(time.monotonic() - began)
            if terminal:
                print("\r    %s: %d s " % (text, seconds), end="", flush=True)
            elif seconds % 10 == 0:
                print("    %s: %d s" % (text, seconds), flush=True)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if terminal:
            print("\r\033[K", end="", flush=True)


def say(text=""):
    print(text, flush=True)


def main(program, work):
    """Runs 'work', which is given an ExitStack whose contents are torn down
    whatever happens, and returns the program's exit status.  The last line
    that is printed tells how it went."""
    cleanly_on_signals()
    try:
        with contextlib.ExitStack() as stack:
            try:
                work(stack)
            finally:
                undisturbed()
    except Failure as e:
        say("%s: failed: %s" % (program, e))
        return 1
    except KeyboardInterrupt:
        say("%s: failed: interrupted" % program)
        return 1
    say("%s: ok" % program)
    return 0
