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

"""Megaflows, from the text of dpctl/dump-flows."""

import hashlib
import ipaddress
import re

FLOW = re.compile(r"(?:ufid:[-0-9a-f]+, )?(.*), packets:(\d+), bytes:(\d+), "
                  r"used:(?:never|[\d.]+s)(?:, flags:([^,]*))?, "
                  r"(?:offloaded:\w+, )?dp:\w+, actions:(.*?)"
                  r"(?:, dp-extra-info:.*)?$")
NAMES = re.compile(r"\b[na]-(?=p\d|br\b|under\b)|"
                   r"(?<=172\.31\.)[12](?=\.)")     # A side's underlay.
MASKED = re.compile(r"(\w+=)?([-0-9a-fx:.]+)/([-0-9a-fx:.]+)")
OTHER_PROTO = re.compile(r"proto=(?!58[,)])\d+[,)]")
CONTROLLER = re.compile(r"(?<=,recirc_id=)\d+(?=,rule_cookie=)")
LEAF = re.compile(r"(\w+)[=(]([^=(),]+)")
EMPTY = re.compile(r"\b\w+\(,*\),?")
RECIRC = re.compile(r"\brecirc(?:_id)?\((0x[0-9a-f]+|\d+)\)")


def number(text):
    """Returns the integer that 'text', an address or a number, stands for."""
    if text.count(":") == 5 and "::" not in text:
        return int(text.replace(":", ""), 16)
    if ":" in text or "." in text:
        return int(ipaddress.ip_address(text))
    return int(text, 0)


def masked(match):
    """Returns field NAME=VALUE/MASK with bits of the value that are not in
    the mask cleared, or nothing if there is no mask."""
    name, value, mask = match.groups()
    if not number(mask):
        return ""
    return "%s%#x/%#x" % (name or "", number(value) & number(mask),
                          number(mask))


def canonical(match):
    """Returns 'match', as dump-flows -m prints it, without what does not
    matter: bits that the mask excludes are those of the first packet in
    netdev's flows, and zero in accel's as in the kernel's."""
    match = MASKED.sub(masked, match)
    while EMPTY.search(match):
        match = EMPTY.sub("", match)
    match = re.sub(r",+", ",", match)
    return re.sub(r"\(,", "(", re.sub(r",+\)", ")", match)).strip(",")


class Megaflow:
    """A flow as a line of dump-flows -m tells of it."""

    def __init__(self, line):
        match = FLOW.match(line)
        if not match:
            raise ValueError("not a flow: " + line)
        full, packets, n_bytes, self.flags, actions = match.groups()
        self.match = canonical(full)
        self.actions = CONTROLLER.sub("*", actions)
        self.packets, self.bytes = int(packets), int(n_bytes)
        self.others = 0         # Like it: in other threads, or recirculated.

    def add(self, other):
        """The same flow of another thread, or with another recirculation id
        of the same name."""
        self.others += 1
        self.packets += other.packets
        self.bytes += other.bytes
        flags = set((self.flags or "").strip(".")) | \
            set((other.flags or "").strip("."))
        self.flags = "".join(sorted(flags)) or None

    def _counted_like(self, accel):
        """Each thread of netdev's has its own flows.  What goes into a tunnel
        in part is looked up again by whichever thread that is, and a packet
        for which there is no flow yet does not count in it."""
        misses = self.others - accel.others
        return (self.packets + misses == accel.packets
                and (self.bytes < accel.bytes if misses
                     else self.bytes == accel.bytes))

    def agrees(self, accel):
        """Returns true if our flow and accel's have done the same.  netdev
        takes the type of an option of neighbor discovery for TCP flags: so
        may have more of them where a packet can be ICMPv6."""
        flags = set(self.flags or "")
        other = set(accel.flags or "")
        return (self.actions == accel.actions
                and self._counted_like(accel)
                and (flags == other or flags > other
                     and not OTHER_PROTO.search(self.match)))

    def __str__(self):
        return "%s, packets:%d, bytes:%d, flags:%s, actions:%s" % (
            self.match, self.packets, self.bytes, self.flags, self.actions)


def recirc_names(flows):
    """Returns a name for each recirculation id that depends on which flows
    lead to it rather than on its number."""
    sources = {}
    for flow in flows:
        own = RECIRC.findall(flow.match)
        for i, recirc in enumerate(RECIRC.findall(flow.actions)):
            sources.setdefault(int(recirc, 0), []).append(
                (flow, int(own[0], 0) if own else 0, i))
    names = {0: "0"}

    def name(recirc):
        if recirc not in names:
            names[recirc] = "?"
            texts = sorted("%s %s %s %d" % (
                RECIRC.sub("", flow.match), name(own),
                RECIRC.sub("recirc()", flow.actions), i)
                for flow, own, i in sources.get(recirc, []))
            names[recirc] = hashlib.sha1(
                "\n".join(texts).encode()).hexdigest()[:12]
        return names[recirc]

    for recirc in list(sources):
        name(recirc)
    return names


def parse(text):
    """Returns a dict from match to Megaflow of what dump-flows printed."""
    flows = [Megaflow(NAMES.sub("", line)) for line in text.splitlines()
             if line and not line.startswith("flow-dump from")]
    names = recirc_names(flows)

    def rename(match):
        return "recirc(%s)" % names.get(int(match.group(1), 0), "?")

    result = {}
    for flow in flows:
        flow.match = RECIRC.sub(rename, flow.match)
        flow.actions = RECIRC.sub(rename, flow.actions)
        if flow.match in result:
            result[flow.match].add(flow)
        else:
            result[flow.match] = flow
    return result


def leaves(match):
    """Returns a dict from field to value and mask, as text, of 'match'.  A
    field that occurs again has another number."""
    fields = {}
    for name, value in LEAF.findall(match):
        n = 0
        while (name, n) in fields:
            n += 1
        fields[name, n] = value
    return fields


def contradict(a, b):
    """Returns true if no packet can have both values 'a' and 'b'."""
    try:
        (a, a_mask), (b, b_mask) = [
            (number(value), number(mask) if mask else -1)
            for value, _, mask in (a.partition("/"), b.partition("/"))]
    except ValueError:
        # Words; flags under a mask have signs.
        return a != b and not re.search("[-+]", a + b)
    return (a ^ b) & a_mask & b_mask != 0


def overlap(one, other):
    """Returns true if a packet may match both flows."""
    one, other = leaves(one.match), leaves(other.match)
    return not any(contradict(one[field], other[field])
                   for field in one.keys() & other.keys())


def excused(pairs):
    """Returns those of 'pairs' of flows that differ in statistics only
    because packets match several flows that do the same: which of them
    counts such a packet is up to the datapath."""
    result = []
    left = list(pairs)
    while left:
        group = [left.pop()]
        for pair in group:
            more = [other for other in left
                    if other[0].actions == pair[0].actions
                    and overlap(other[0], pair[0])]
            left = [other for other in left if other not in more]
            group += more
        if (len(group) > 1
                and sum(n.packets - a.packets for n, a in group) == 0
                and sum(n.bytes - a.bytes for n, a in group) == 0):
            result += group
    return result


def compare(netdev, accel):
    """Returns lines that tell in what two results of parse() differ."""
    lines = []
    differ = [(netdev.get(match), accel.get(match))
              for match in sorted(netdev.keys() | accel.keys())
              if match not in netdev or match not in accel
              or not netdev[match].agrees(accel[match])]
    fine = excused([(n, a) for n, a in differ
                    if n and a and n.actions == a.actions])
    for n, a in differ:
        if (n, a) in fine:
            continue
        match = (n or a).match
        lines.append("netdev: %s" % (n or "no flow " + match))
        lines.append("accel:  %s" % (a or "no flow " + match))
    return lines
