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

"""dpif-accel/metrics for the textfile collector of Prometheus's node_exporter,
which reads the older text format: there the name in a TYPE or HELP line is that
of the samples, and types are fewer."""

import os
import tempfile

# Of OpenMetrics: the older type, and what sample names end with.
TYPES = {"counter": ("counter", "_total"),
         "gauge": ("gauge", ""),
         "info": ("gauge", "_info")}

UP = """\
# HELP ovs_accel_up 1 if ovs-vswitchd told its metrics, 0 if not.
# TYPE ovs_accel_up gauge
ovs_accel_up %d
"""


def convert(text):
    """Returns the output of dpif-accel/metrics in the older format."""
    suffixes = {}
    result = []
    for line in text.splitlines():
        words = line.split(" ", 3)
        if line.startswith("# TYPE "):
            kind, suffixes[words[2]] = TYPES[words[3]]
            line = "# TYPE %s%s %s" % (words[2], suffixes[words[2]], kind)
        elif line.startswith("# HELP "):
            line = "# HELP %s%s %s" % (words[2], suffixes[words[2]], words[3])
        elif line.startswith("#"):
            continue
        result.append(line + "\n")
    return "".join(result)


def replace(path, text):
    """Puts 'text' in file 'path' at once, so that nobody reads half of it.  The
    temporary file has a name that the collector does not look for."""
    directory, name = os.path.split(os.path.abspath(path))
    fd, temporary = tempfile.mkstemp(prefix="." + name + ".", dir=directory)
    try:
        with open(fd, "w", encoding="utf-8") as f:
            f.write(text)
            # Not by name: the directory may be somebody else's.
            os.fchmod(fd, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
