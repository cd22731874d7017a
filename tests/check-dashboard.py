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

"""usage: check-dashboard.py DASHBOARD METRICS [RULES]

Checks that METRICS, a file for node_exporter, is what Prometheus reads, and
that the queries of DASHBOARD are well-formed and ask for metrics and labels
that are there.  Writes the queries to RULES, as rules for promtool."""

import json
import re
import sys

from prometheus_client.parser import text_string_to_metric_families

TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([a-zA-Z_]\w*)|(\d+[smh]?)|'
                   r'([-+*/>(){}\[\],=]))')
# Of the target, not of the daemon.
TARGET_LABELS = {"instance", "job"}


class Query:
    """The part of PromQL that the dashboard uses."""

    def __init__(self, text, labels):
        self.labels = labels            # Of each metric.
        self.tokens = []
        end = 0
        text = text.strip()
        while end < len(text):
            match = TOKEN.match(text, end)
            if not match:
                raise ValueError("what is %s" % text[end:])
            self.tokens.append(match.group().strip())
            end = match.end()
        self.expression()
        if self.tokens:
            raise ValueError("%s is too much" % self.tokens[0])

    def next(self, expected=None):
        token = self.tokens.pop(0) if self.tokens else "the end"
        if expected and token != expected:
            raise ValueError("%s in place of %s" % (token, expected))
        return token

    def peek(self):
        return self.tokens[0] if self.tokens else None

    def expression(self):
        self.term()
        while self.peek() in list("-+*/>"):
            self.next()
            self.term()

    def term(self):
        """Returns the labels of what the term gives."""
        token = self.next()
        if token.isdigit():
            return set()
        if token == "sum":
            self.next("by")
            by = self.names()
            self.next("(")
            has = self.term()
            self.next(")")
            if not by <= has:
                raise ValueError("no label %s" % (by - has))
            return by
        if token == "rate":
            self.next("(")
            name = self.next()
            if not name.endswith("_total"):
                raise ValueError("%s is no counter" % name)
            has = self.selector(name)
            for part in ("[", "5m", "]", ")"):
                self.next(part)
            return has
        return self.selector(token)

    def names(self):
        self.next("(")
        names = {self.next()}
        while self.peek() == ",":
            self.next()
            names.add(self.next())
        self.next(")")
        return names

    def selector(self, name):
        if name not in self.labels:
            raise ValueError("there is no metric %s" % name)
        has = self.labels[name] | TARGET_LABELS
        self.next("{")
        while True:
            label = self.next()
            if label not in has:
                raise ValueError("%s has no label %s" % (name, label))
            self.next("=")
            if not self.next().startswith('"'):
                raise ValueError("no value of %s" % label)
            if self.next() == "}":
                return has


def metric_labels(path):
    """Returns the labels of each metric in the file."""
    labels = {}
    with open(path, encoding="utf-8") as f:
        for family in text_string_to_metric_families(f.read()):
            if family.type == "untyped" or not family.documentation:
                sys.exit("%s: has no type or help" % family.name)
            for sample in family.samples:
                labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        dashboard = json.load(f)
    labels = metric_labels(sys.argv[2])
    status = 0
    rules = ["groups:", "- name: dashboard", "  rules:"]
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            text = re.sub(r"\$(instance|datapath)", "x",
                          target["expr"].replace("$__rate_interval", "5m"))
            rules += ["  - record: ovs_accel:%d%s" % (panel["id"],
                                                     target["refId"]),
                      "    expr: %s" % json.dumps(text)]
            try:
                Query(text, labels)
            except ValueError as e:
                print("%s: %s: %s" % (panel["title"], target["expr"], e))
                status = 1
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)",
                                 variable["query"]["query"])
            if match.group(2) not in labels[match.group(1)] | TARGET_LABELS:
                print("%s: no such label" % variable["name"])
                status = 1
    if len(sys.argv) > 3:
        with open(sys.argv[3], "w", encoding="utf-8") as f:
            f.write("\n".join(rules) + "\n")
    return status


sys.exit(main())
