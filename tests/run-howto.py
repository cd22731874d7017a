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

"""usage: run-howto.py HOWTO.rst
       run-howto.py --check HOWTO.rst...

Tests pages of Documentation/howto.  What they show stands in code blocks:

- Commands, in blocks of language "console".  A line "# COMMAND" is for root on
  the host, "outside# COMMAND" for another host, "vm1# COMMAND" for guest vm1,
  and goes on after a backslash at its end.  Other lines are the output, of
  which "..." stands for any part; further lines may stand between them.  Each
  block is of one of these classes:

  run   This test runs the commands, one after the other.  A command without
        output must succeed; one with output is repeated until it prints that.
        Only what tells that nothing came through (NOTHING) is not waited for:
        the command must print it each of several times.
  show  The commands want what a test cannot have.  Not run.

- Files, in blocks of other languages: each must be well-formed, and XML of
  libvirt must fit its schema.  One with a caption is written to the file of
  that name, for commands that follow.

With --check, looks at files and at the form of blocks only, and whether pages
with commands that can be run have a group of tests/system-accel-howto.at.

Else runs the commands of HOWTO with a /run and a switch of its own, and with a
device eth0, at the other end of which is another host, 203.0.113.1; it wants
build-aux/isolated around it, and utilities/ovs-accel-env.  If the page is
about netdev bridges, DPDK is set up for them; if it is about OVN, the daemons
of build-aux/ovn-programs run.  A command qemu-system-x86_64 boots the kernel and
the busybox that ovs-accel-guest has in place of the disk that it names:
howto-qemu.py.
"""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "utilities"))

from ovs_accel.proc import Failure                        # noqa: E402
from ovs_accel.qemu import Guest                          # noqa: E402
from ovs_accel.switch import Switch, problems             # noqa: E402

SECONDS = 60                    # For what a command's output has to become.
BOOT_SECONDS = 180              # For a guest to take its first command.
NOTHING = ("100% packet loss", "no answer")
NOTHING_TIMES = 3               # That a command has to print one of them.


class Block:
    """A code block: 'language', 'options', a dictionary, its 'lines', and
    'where' it is."""

    def __init__(self, where, language, options, lines):
        self.where, self.language = where, language
        self.options, self.lines = options, lines

    def commands(self):
        """Yields (prompt, command, output lines)."""
        command = None
        for line in self.lines:
            if command and command[1].endswith("\\"):
                command[1] += "\n" + line
                continue
            prompt = re.match(r"([\w-]*)# (.*)", line)
            if prompt:
                if command:
                    yield command
                command = [prompt.group(1), prompt.group(2), []]
            elif line.strip():
                if not command:
                    raise Failure("%s: output before the first command"
                                  % self.where)
                command[2].append(line)
        if command:
            yield command


def parse(path):
    """Returns the code blocks of page 'path'."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    blocks = []
    for number, line in enumerate(lines, 1):
        where = "%s:%d" % (os.path.basename(path), number)
        if line.endswith("::") and not line.startswith(".. "):
            raise Failure("%s: a literal block; say what it is with "
                          ".. code-block::" % where)
        start = re.match(r"( *)\.\. code-block:: *(\S+)", line)
        if start:
            body = []
            for other in lines[number:]:
                if other.strip() and not other.startswith(
                        start.group(1) + "   "):
                    break
                body.append(other[len(start.group(1)) + 3:])
            options = {}
            while body and body[0].startswith(":"):
                name, _, value = body.pop(0)[1:].partition(":")
                options[name] = value.strip()
            text = "\n".join(body).strip("\n")
            blocks.append(Block(where, start.group(2), options,
                                text.split("\n")))
    return blocks


# Files.

def check_xml(text):
    root = xml.etree.ElementTree.fromstring(text)
    if root.tag == "domain" and shutil.which("virt-xml-validate"):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as f:
            f.write(text)
            f.flush()
            done = subprocess.run(["virt-xml-validate", f.name, "domain"],
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
        if done.returncode:
            raise ValueError(done.stdout.decode())


def check_yaml(text):
    import yaml
    for document in yaml.safe_load_all(text):
        # A network attachment has JSON inside.
        if document["kind"] == "NetworkAttachmentDefinition":
            json.loads(document["spec"]["config"])


def check_ini(text):
    parser = configparser.ConfigParser()
    parser.read_string(text)
    if not parser.sections():
        raise ValueError("no section")


FORMS = {"xml": check_xml, "yaml": check_yaml, "ini": check_ini,
         "json": json.loads, "text": lambda text: None}


def check(blocks):
    """Fails unless each block has the form that it says it has."""
    for block in blocks:
        if block.language == "console":
            if block.options.get("class") not in ("run", "show"):
                raise Failure("%s: of neither class run nor show"
                              % block.where)
            if not list(block.commands()):
                raise Failure("%s: no command" % block.where)
            for prompt, command, _ in block.commands():
                done = subprocess.run(["bash", "-n", "-c", command],
                                      stderr=subprocess.PIPE)
                if done.returncode:
                    raise Failure("%s: %s: %s" % (block.where, command,
                                                  done.stderr.decode()))
        elif block.language not in FORMS:
            raise Failure("%s: language %s is not known"
                          % (block.where, block.language))
        else:
            try:
                FORMS[block.language]("\n".join(block.lines) + "\n")
            except Exception as e:
                raise Failure("%s: not well-formed: %s" % (block.where, e))


def check_group(path, blocks):
    """Fails if 'path' has commands that can be run and no group runs it."""
    name = os.path.basename(path)[:-len(".rst")]
    with open(os.path.join(TOP, "tests", "system-accel-howto.at")) as f:
        has_group = "\nACCEL_HOWTO([%s]" % name in f.read()
    if not has_group and any(block.options.get("class") == "run"
                             for block in blocks):
        raise Failure("%s: system-accel-howto.at does not run it" % path)


# Commands.

def fits(expected, output):
    """Returns true if the lines 'expected' are in 'output', in this order."""
    lines = iter([" ".join(line.split()) for line in output.splitlines()])
    for line in expected:
        if line.strip() == "...":
            continue
        words = [re.escape(" ".join(part.split()))
                 for part in line.split("...")]
        pattern = re.compile(r" ?.*? ?".join(words) + "$")
        if not any(pattern.match(other) for other in lines):
            return False
    return True


class Machine:
    """What a page's commands run on."""

    def __init__(self, datapath):
        self.booted = set()
        self.directory = "/run/guests"
        subprocess.check_call(["mount", "-t", "tmpfs", "tmpfs", "/run"])
        for name in ("netns", "openvswitch", "guests"):
            os.mkdir(os.path.join("/run", name))
        tools = os.path.join(self.directory, "bin")
        os.mkdir(tools)
        with open(os.path.join(tools, "qemu-system-x86_64"), "w") as f:
            f.write('#!/bin/sh\nPATH=%s exec python3 %s/tests/howto-qemu.py '
                    '"$@"\n' % (os.environ["PATH"], TOP))
            os.fchmod(f.fileno(), 0o755)
        # With the switch's runtime files where they are on a machine.
        self.switch = Switch("/run/openvswitch", datapath, own_net=False)
        self.switch.env["PATH"] = "%s:%s" % (tools, os.environ["PATH"])
        self.switch.env["OVS_ACCEL_GUESTS"] = self.directory
        self.switch.start()
        self.connect_outside()
        os.chdir(self.directory)

    @staticmethod
    def connect_outside():
        for command in ("netns add outside",
                        "link add eth0 type veth peer eth0 netns outside",
                        "addr add 203.0.113.2/24 dev eth0", "link set eth0 up",
                        "-n outside addr add 203.0.113.1/24 dev eth0",
                        "-n outside link set eth0 up"):
            subprocess.check_call(["ip"] + command.split())

    def start_ovn(self):
        """Starts OVN's databases and daemons, with their files where they are
        on a machine."""
        root = subprocess.check_output(
            [TOP + "/build-aux/ovn-programs"], encoding="utf-8").strip()
        os.mkdir("/run/ovn")
        env = self.switch.env
        env["PATH"] += ":%s/usr/bin" % root
        for name in ("RUN", "LOG", "DB"):
            env["OVN_%sDIR" % name] = "/run/ovn"
        options = ["-vconsole:off", "--detach", "--no-chdir", "--pidfile",
                   "--log-file"]
        server = ["ovsdb-server"] + options + ["--unixctl=/run/ovn/db.ctl"]
        for db in ("nb", "sb"):
            path = "/run/ovn/ovn%s.db" % db
            subprocess.check_call(
                ["ovsdb-tool", "create", path,
                 "%s/usr/share/ovn/ovn-%s.ovsschema" % (root, db)], env=env)
            server += [path, "--remote=punix:/run/ovn/ovn%s_db.sock" % db]
        subprocess.check_call(server, env=dict(env, OVS_RUNDIR="/run/ovn",
                                               OVS_LOGDIR="/run/ovn"))
        subprocess.check_call(["ovn-northd"] + options, env=env)
        subprocess.check_call(["ovn-controller",
                               "unix:/run/openvswitch/db.sock"] + options,
                              env=env)

    def host(self, command):
        done = subprocess.run(["bash", "-c", command],
                              stdin=subprocess.DEVNULL, env=self.switch.env,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=SECONDS * 2,
                              encoding="utf-8", errors="replace")
        return done.returncode, done.stdout

    def guest(self, name, command):
        guest = Guest(self.directory, name)
        if name not in self.booted:
            end = time.monotonic() + BOOT_SECONDS
            while not guest.answers():
                if time.monotonic() > end:
                    raise Failure("guest %s does not answer" % name)
                time.sleep(0.2)
            self.booted.add(name)
        return guest.run(command.replace("\\\n", ""), SECONDS, check=False)

    def try_once(self, prompt, command):
        if prompt == "outside":
            return self.host("ip netns exec outside " + command)
        if prompt:
            return self.guest(prompt, command)
        return self.host(command)

    def run(self, where, prompt, command, expected):
        nothing = any(line.endswith(NOTHING) for line in expected)
        # What does not come through at first may only be late, so that once
        # says nothing, and waiting for it would find a packet lost by chance.
        left = NOTHING_TIMES if nothing else 1
        end = time.monotonic() + (SECONDS if expected and not nothing else 0)
        while True:
            status, output = self.try_once(prompt, command)
            if fits(expected, output) and (expected or status == 0):
                left -= 1
                if not left:
                    return
            elif time.monotonic() >= end:
                raise Failure("%s: %s# %s\nended with status %d: %s\n%s"
                              % (where, prompt, command, status, output,
                                 "expected:\n" + "\n".join(expected)
                                 if expected else ""))
            time.sleep(0.2)


def run(path):
    blocks = parse(path)
    check(blocks)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    machine = Machine("netdev" if "set bridge br0 datapath_type=netdev" in text
                      else "accel")
    try:
        if "ovn-nbctl" in text:
            machine.start_ovn()
        for block in blocks:
            if block.language != "console":
                if "caption" in block.options:
                    with open(block.options["caption"], "w") as f:
                        f.write("\n".join(block.lines) + "\n")
            elif block.options["class"] == "run":
                for prompt, command, expected in block.commands():
                    print("%s: %s# %s" % (block.where, prompt, command),
                          flush=True)
                    machine.run(block.where, prompt, command, expected)
        if not machine.switch.vswitchd.alive():
            raise Failure(machine.switch.vswitchd.ended())
    except Failure:
        for line in problems("/run/openvswitch"):
            print(line)
        raise
    finally:
        machine.switch.stop()


def main():
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["--check"]:
            for path in arguments[1:]:
                blocks = parse(path)
                check(blocks)
                check_group(path, blocks)
        else:
            run(*arguments)
    except Failure as e:
        print(e)
        return 1
    return 0


sys.exit(main())
