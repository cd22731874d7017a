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

"""usage: check-metrics.py FILE [FAMILY]

Checks that FILE, the output of dpif-accel/metrics, is OpenMetrics text by the
parser of prometheus_client, and that the books of each port balance.  Prints
the values of FAMILY, with the labels but for the datapath's name, those of
zero left out."""

import re
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def check_form(families):
    wrong = []
    for family in families:
        if not re.fullmatch("ovs_accel_[a-z0-9_]+", family.name):
            wrong.append("%s: is no name of ours" % family.name)
        if not family.documentation.endswith("."):
            wrong.append("%s: has no sentence of help" % family.name)
        for unit in ("packets", "bytes", "cycles"):
            if (family.unit == unit) != family.name.endswith("_" + unit):
                wrong.append("%s: has unit \"%s\"" % (family.name,
                                                      family.unit))
        for sample in family.samples:
            if sample.value < 0:
                wrong.append("%s: is negative" % (sample,))
    return wrong


def port_sums(families, names):
    """Returns the sum of all samples of the families, of each port."""
    sums = {}
    for family in families:
        if family.name[len("ovs_accel_port_"):] in names:
            for sample in family.samples:
                key = sample.labels["datapath"], sample.labels["port"]
                sums[key] = sums.get(key, 0) + sample.value
    return sums


LAWS = (({"received_packets"},
         {"forwarded_packets", "consumed_packets", "in_flight_packets",
          "dropped_packets"}),
        ({"output_packets"}, {"sent_packets", "output_dropped_packets"}))


def check_books(families):
    return ["%s: %s, but %s" % (sides, port_sums(families, sides[0]),
                                port_sums(families, sides[1]))
            for sides in LAWS
            if port_sums(families, sides[0]) != port_sums(families, sides[1])]


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        families = list(text_string_to_metric_families(f.read()))
    for family in families:
        for sample in family.samples:
            if family.name == "ovs_accel_" + sys.argv[2] and sample.value:
                print(" ".join([v for k, v in sorted(sample.labels.items())
                                if k != "datapath"] + ["%d" % sample.value]))
    wrong = check_form(families) + check_books(families)
    for sentence in wrong:
        print(sentence)
    return 1 if wrong else 0


sys.argv.append("")
sys.exit(main())
