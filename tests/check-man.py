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

"""usage: check-man.py SOURCE OVS_SOURCE

Checks that the man pages in SOURCE/Documentation/ref tell of each ovs-appctl
command and of each key that the code knows, and of no others, that
topics/counters.rst does of each reason for a drop, and that files that the
documentation names are there.
"""

import glob
import os
import re
import subprocess
import sys

# Functions that read a key, which is one of their arguments.
READERS = r"\b(?:smap_get\w*|parse_number|get_percent)\("
KEY = r"[a-z0-9_]+(?:-[a-z0-9]+)*"


def read(*patterns):
    return "\n".join(open(path, encoding="utf-8").read()
                     for pattern in patterns
                     for path in sorted(glob.glob(pattern)))


def commands(code):
    return set(re.findall(
        r'unixctl_command_register\(\s*"((?:dpif-accel|accelvhost)/[^"]+)"',
        code))


def keys(code):
    found = set()
    for match in re.finditer(READERS, code):
        call = code[match.end():code.index(";", match.end())]
        literal = re.search(r'"(%s)"' % KEY, call.split("?")[0])
        if literal:
            found.add(literal.group(1))
    # Those that have no effect are in a table, with a sentence that tells why;
    # socket paths are macros.
    found.update(re.findall(r'\{ "(%s)", "\w+ ' % KEY, code))
    found.update(re.findall(r'#define \w+_PATH "(%s)"' % KEY, code))
    return found


def metrics(code):
    """Returns the families of lib/dpif-accel-metrics.c."""
    return set(prefix + name for macro, prefix in
               (("PORT_FIELD", "port_"), ("DP_FIELD", ""),
                ("THREAD_FAMILY", ""))
               for name in re.findall(r'\b%s\("(\w+)"' % macro, code)) | set(
        re.findall(r'(?<!FIELD\()"(\w+)",\s*(?:COUNTER|GAUGE|INFO)\b', code))


def terms(page):
    """Returns the terms of a page's definition lists, and what is named in a
    paragraph, in literal text."""
    return set(re.findall(r"``(?:\w+ : )?([a-z][a-z0-9_/-]+)``", page))


def drops(code):
    """Returns the names of reasons for drops, and of Open vSwitch's counters
    that count them, too."""
    return set(re.findall(r'(?:PORT|VHOST)_DROP\(\w+, "(\w+)"', code) +
               re.findall(r"STOCK_COUNTER\(\w+, ([a-z_]+)\)", code))


def missing_files(source, ovs):
    """Yields a sentence for each file that the documentation names and that is
    neither in the source tree nor in Open vSwitch's."""
    pattern = (r"``((?:Documentation|build-aux|datapath-ext|debian|lib|tests|"
               r"utilities|vswitchd)/(?!\.)[\w./-]+\.\w+)``")
    pages = glob.glob(os.path.join(source, "Documentation", "**", "*.rst"),
                      recursive=True)
    pages += [os.path.join(source, name)
              for name in ("README.rst", "CONTRIBUTING.rst")]
    for page in pages:
        for name in re.findall(pattern, read(page)):
            if not any(os.path.exists(os.path.join(top, name))
                       for top in (source, ovs)):
                yield "%s, which %s names, is not there" % (
                    name, os.path.relpath(page, source))


def check_tool(source, page):
    """Returns what is wrong with the page of a tool."""
    name = os.path.basename(page).split(".")[0]
    if not os.path.exists(page):
        return ["%s has no page" % name]
    text = subprocess.run([os.path.join(source, "utilities", name), "--help"],
                          check=True, stdout=subprocess.PIPE,
                          encoding="utf-8").stdout
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))
    documented = set(option for line in read(page).splitlines()
                     if line.startswith("``-")
                     for option in re.findall(r"``(--?[a-z][a-z-]*)``", line))
    return (["%s is not in %s" % (option, os.path.basename(page))
             for option in options - documented]
            + ["%s has no option %s" % (name, option)
               for option in documented - options])


def main():
    source, ovs = sys.argv[1:]
    code = read(source + "/lib/*.c")
    upstream = read(ovs + "/lib/*.c", ovs + "/vswitchd/*.c")
    ref = os.path.join(source, "Documentation", "ref")
    daemon = read(ref + "/ovs-vswitchd-accel.8.rst")
    options = read(ref + "/accel-options.5.rst")
    documented = {name for name in terms(daemon)
                  if re.match("(dpif-accel|accelvhost)/", name)}
    wrong = ["%s is not in ovs-vswitchd-accel(8)" % name
             for name in commands(code) - documented]
    wrong += ["%s is no command" % name
              for name in documented - commands(code)]
    wrong += ["%s is not in accel-options(5)" % key
              for key in keys(code) - terms(options)]
    wrong += ["%s is no key" % key
              for key in re.findall(r"``(?:other_config|options) : (%s)``"
                                    % KEY, options)
              if '"%s"' % key not in code + upstream]
    counters = read(source + "/Documentation/topics/counters.rst")
    named = set(re.findall(r"``(\w+)``", counters))
    reasons = drops(read(source + "/datapath-ext/*/*.[ch]"))
    wrong += ["%s is not in topics/counters.rst" % name
              for name in reasons - named]
    wrong += ["%s, in topics/counters.rst, is no reason for a drop" % name
              for name in named - reasons
              if re.match("[rt]x_(?!q)|datapath_drop_", name)]
    wrong += missing_files(source, ovs)
    told = set(re.findall(r"``ovs_accel_(\w+)``", daemon))
    wrong += ["ovs_accel_%s is not in ovs-vswitchd-accel(8)" % name
              for name in metrics(code) - told]
    wrong += ["ovs_accel_%s is no metric" % name
              for name in told - metrics(code)]
    installed = re.search(r"dist_pkgdata_SCRIPTS = (.*?[^\\])\n",
                          read(source + "/utilities/automake.mk"), re.DOTALL)
    for name in re.findall(r"utilities/([\w-]+)", installed.group(1)):
        wrong += check_tool(source, "%s/%s.8.rst" % (ref, name))
    for sentence in sorted(wrong):
        print(sentence)
    return 1 if wrong else 0


sys.exit(main())
