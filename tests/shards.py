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

"""Runs groups of an Autotest suite in parallel, isolated from the machine and
from each other.  For the run-* scripts."""

import glob
import importlib.machinery
import importlib.util
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

# Of a batch of groups, in seconds: several times what the longest one takes.
LIMIT = 300

BUILD_AUX = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                         "../build-aux")
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader(
    "run_suite", os.path.join(BUILD_AUX, "run-suite"))
run_suite = importlib.util.module_from_spec(
    importlib.util.spec_from_loader(loader.name, loader))
loader.exec_module(run_suite)


class Shard(threading.Thread):
    """Takes lists of groups off 'todo' and runs them, in a directory of its
    own."""

    def __init__(self, suite, directory, todo):
        super().__init__()
        self.suite = suite
        self.todo = todo
        self.results = {}       # From group to (outcome, title, reason).
        self.process = None
        self.stopping = False
        self.directory = directory
        os.makedirs(self.directory)
        for name in "testsuite", "atconfig", "atlocal":
            shutil.copy(os.path.join(suite.directory, name), self.directory)
        with open(os.path.join(self.directory, "atconfig"), "a",
                  encoding="utf-8") as f:
            f.write("abs_builddir='%s'\n" % self.directory)

    def run(self):
        while not self.stopping:
            try:
                groups = self.todo.get_nowait()
            except queue.Empty:
                return
            self.run_groups(groups)

    def run_groups(self, groups):
        self.process = subprocess.Popen(
            [os.path.join(BUILD_AUX, "isolated"), "./testsuite"] + groups,
            cwd=self.directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            universal_newlines=True, errors="replace")
        if self.stopping:
            self.process.kill()
        try:
            output = self.process.communicate(timeout=LIMIT)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            output = self.process.communicate()[0]
            for group in groups:
                self.results[group] = ("failed", "group " + group,
                                       "ended after %d s" % LIMIT)
        with open(os.path.join(self.directory, "output"), "a",
                  encoding="utf-8") as log:
            log.write(output)
        for line in output.splitlines():
            result = run_suite.parse_result(line, [self.suite.source])
            if result and result[0] in groups:
                self.results[result[0]] = result[1]
                print("%s: %s" % (self.suite.name, line.strip()), flush=True)

    def stop(self):
        self.stopping = True
        if self.process:
            self.process.kill()


class Suite:
    """What system-suite made in 'directory', of .at files of 'source'.  Its
    output tells it by 'name'.  Groups run 'batch' at a time."""

    def __init__(self, name, directory, source, batch=1):
        self.name = name
        self.directory = os.path.abspath(directory)
        self.source = source
        self.batch = batch
        self.runs = 0
        # Nothing of an earlier run may pass for a result of this one.
        for entry in glob.glob(os.path.join(self.directory, "run-*")):
            shutil.rmtree(entry)

    def groups(self, flags):
        """Returns the groups that arguments 'flags' of testsuite select, as a
        dict from number to title, in order."""
        listing = subprocess.run(["./testsuite", "--list"] + flags,
                                 cwd=self.directory, check=True,
                                 stdout=subprocess.PIPE,
                                 universal_newlines=True)
        return dict(re.findall(r"^ *(\d+): \S+:\d+ +(.*?) *$",
                               listing.stdout, re.M))

    def run(self, groups, shards):
        """Runs 'groups' and returns a dict from group to (outcome, title,
        reason), without those that left no result."""
        start = time.monotonic()
        self.runs += 1
        logs = os.path.join(self.directory, "run-%d" % self.runs)
        groups = list(groups)
        todo = queue.Queue()
        # Groups that are neighbours are often slow together: to different
        # batches with them.
        n = -(-len(groups) // self.batch)
        for i in range(n):
            todo.put(groups[i::n])
        threads = [Shard(self, os.path.join(logs, "shard-%d" % i), todo)
                   for i in range(1, min(shards, todo.qsize()) + 1)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            for thread in threads:
                thread.stop()

        results = {}
        for thread in threads:
            results.update(thread.results)
        print("%s: %d of %d groups ran in %d s, logs in %s"
              % (self.name, len(results), len(groups),
                 time.monotonic() - start, logs), flush=True)
        return results
