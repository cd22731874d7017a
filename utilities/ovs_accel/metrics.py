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

"""What dpif-accel/metrics says, read and compared with what it said before."""

import re
import time

from ovs_accel.proc import Failure
from ovs_accel.unixctl import Unixctl, control_socket

ANSWER_SECONDS = 5              # A view that stands still is of no use.

SAMPLE = re.compile(r'ovs_accel_(\w+)\{(.*)\} (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\(.)")


def unescape(value):
    return ESCAPE.sub(lambda m: "\n" if m.group(1) == "n" else m.group(1),
                      value)


def parse(text):
    """Returns the samples of 'text' as a dictionary from names without
    "ovs_accel_" to lists of pairs: labels, as a dictionary, and a number."""
    samples = {}
    for line in text.splitlines():
        match = SAMPLE.fullmatch(line)
        if match:
            labels = {name: unescape(value)
                      for name, value in LABEL.findall(match.group(2))}
            samples.setdefault(match.group(1), []).append(
                (labels, float(match.group(3))))
    return samples


class Snapshot:
    """The metrics of a daemon at one moment."""

    def __init__(self, text, now):
        self.time = now
        self._samples = parse(text)
        # There may be thousands, so those of a port or thread are found by it.
        self._index = {}
        for name, samples in self._samples.items():
            for sample in samples:
                for key in ("port", "core"):
                    if key in sample[0]:
                        self._index.setdefault((name, key, sample[0][key]),
                                               []).append(sample)

    def find(self, name, **labels):
        """Returns the samples of 'name' that have 'labels'."""
        for key in ("port", "core"):
            if key in labels:
                samples = self._index.get((name, key, labels[key]), ())
                break
        else:
            samples = self._samples.get(name, ())
        return [(its, value) for its, value in samples
                if all(its.get(k) == v for k, v in labels.items())]

    def value(self, name, **labels):
        """The sum of those samples, or None if there is none."""
        values = [value for its, value in self.find(name, **labels)]
        return sum(values) if values else None

    def labels(self, name, **labels):
        """The labels of those samples."""
        return [its for its, value in self.find(name, **labels)]


def increase(old, new):
    """How much a counter has grown from 'old' to 'new'.  One that is less than
    before has started anew in between."""
    if old is None or new is None:
        return None
    return new - old if new >= old else new


class Difference:
    """What counted from one snapshot to the next."""

    def __init__(self, old, new):
        self.old = old
        self.new = new
        self.seconds = new.time - old.time

    def count(self, name, **labels):
        return increase(self.old.value(name, **labels),
                        self.new.value(name, **labels))

    def rate(self, name, **labels):
        """Per second, or None if that is not known."""
        count = self.count(name, **labels)
        return None if count is None else count / self.seconds


class Source:
    """A daemon to take snapshots of."""

    def __init__(self, target):
        self._target = target
        self._unixctl = None

    def text(self):
        """Returns what dpif-accel/metrics says.  After a Failure it may be
        asked again: the daemon may have been started meanwhile."""
        try:
            if self._unixctl is None:
                self._unixctl = Unixctl(control_socket(self._target),
                                        ANSWER_SECONDS)
            return self._unixctl.command("dpif-accel/metrics")
        except Failure as e:
            self.close()
            if "is not a valid command" in str(e):
                raise Failure("%s has no accel datapath: it is not the daemon "
                              "of OVS-Accel, see ovs-vswitchd-accel(8)"
                              % self._target)
            raise

    def snapshot(self):
        text = self.text()
        return Snapshot(text, time.monotonic())

    def close(self):
        if self._unixctl is not None:
            self._unixctl.close()
            self._unixctl = None
