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

"""Random OpenFlow tables whose matches are about what frames.py makes."""

import collections

from differential.frames import IPV4, IPV6, MACS, PORTS, VIDS

# Tables with random rules.  Table 0 comes before them.
FIRST, LAST = 1, 4

TAP = "3"                       # The port that is one.

# If ofproto handles two tags (other_config:vlan-limit), only what is untagged
# gets tags, only these are taken away again, and no rule says NORMAL: what
# these do then depends on whether there is a second tag, but the megaflow that
# ofproto makes for a packet without one does not match on its absence.  So two
# megaflows with different actions match a packet with two tags, and which of
# them does is chance, with either datapath.
UNTAGGED = "0x0000/0x1000"

# Makes megaflows match on the type and code of ICMPv6.  Without it they may
# match on neighbor discovery's fields and on some bits of the type.  Where the
# first packet of such a megaflow is not neighbor discovery, dpif-netdev leaves
# those fields out, and then applies the megaflow to packets that are.
READ_TYPE = ("move:OXM_OF_ICMPV6_TYPE[]->NXM_NX_REG7[0..7],"
             "move:OXM_OF_ICMPV6_CODE[]->NXM_NX_REG7[8..15]")

# Ethertypes by the words that stand for layer 3 in a match.
L3 = {"ip": 8, "ipv6": 8, "arp": 2, "mpls": 2, "mplsm": 1, "": 6,
      "dl_type=0x894f": 0.3, "dl_type=0x88cc": 0.3}
L4 = {"ip": ["tcp", "tcp", "udp", "udp", "sctp", "icmp"],
      "ipv6": ["tcp6", "tcp6", "udp6", "udp6", "sctp6", "icmp6,icmp_type=128",
               "icmp6,icmp_type=135,icmp_code=0",
               "icmp6,icmp_type=136,icmp_code=0"]}


# What a table may have beyond flows whose outcome each packet decides alone.
#
# 'copies': clone(), check_pkt_larger(), meters, outputs of a part.
# odp_execute makes copies of packets that end where the frame does, and writes
# fields of ARP, MPLS and ICMP without a look at where that is: there are no
# such actions then.
#
# 'tracks': connection tracking.  What becomes of a packet then depends on the
# packets before it, and on the order in which its own copies are tracked.  If
# a copy misses after it has recirculated, accel's upcall threads deal with it
# while the actions after it go on, and netdev does all in the order of the
# actions: so only the last action leads to other rules.  The rest is as with
# 'copies', as ct() copies too.
#
# 'nats': NAT, but for TCP: where a connection is closed and opened again, its
# old addresses are taken for as long as the tracker likes.  Without it
# ct(commit,force) may be: OVS's connection tracker aborts if it finds what that
# leaves of a connection with NAT.
Features = collections.namedtuple("Features", ["copies", "tracks", "nats"])

ZONES = [0, 1, 2]
CT_STATES = ["-trk", "+trk", "+trk+new", "+trk+est", "+trk-new", "+trk+rpl",
             "+trk-rpl", "+trk+inv", "+trk-inv", "+trk+rel", "+trk+snat",
             "+trk-dnat", "+est-rpl"]
METERS = ["meter=%d %s bands=type=drop rate=4000000000" % pair
          for pair in [(1, "pktps"), (2, "kbps"), (3, "kbps stats")]]


def random_features(rng, conntrack):
    kind = rng.random()
    return Features(copies=kind < 0.6, tracks=conntrack and kind < 0.25,
                    nats=conntrack and kind < 0.15)


def weighted(rng, weights):
    return rng.choices(list(weights), list(weights.values()))[0]


def masked(rng, value, bits):
    """Returns number 'value' under a mask of 'bits' bits: none, a prefix, or
    any."""
    full = (1 << bits) - 1
    kind = rng.random()
    if kind < 0.6:
        return "%#x" % value
    mask = (full << rng.randrange(bits)) & full
    if kind > 0.8:
        mask = rng.randrange(1, full + 1)
    return "%#x/%#x" % (value & mask, mask)


def mac(rng):
    return rng.choice(MACS + ["ff:ff:ff:ff:ff:ff"])


def ipv4(rng):
    return rng.choice(IPV4) + rng.choice(["", "", "/32", "/31", "/24", "/23",
                                          "/255.255.255.1", "/0.0.1.1"])


def ipv6(rng):
    return rng.choice(IPV6) + rng.choice(["", "", "/127", "/126", "/64",
                                          "/63", "/ffff::1"])


class Rule:
    """A rule of table 'table', being made.  Matches may only be about fields
    that the packet certainly has, and so may actions."""

    def __init__(self, rng, table, ports, vlan_limit, features):
        self.rng = rng
        self.features = features
        self.vlan_limit = vlan_limit
        self.table = table
        self.ports = ports
        self.match = []
        self.actions = []
        self.l3 = weighted(rng, L3)
        self.l4 = ""
        self.tagged = False
        self.n_tags = 2         # At most.
        self.recirculates = False
        self.cloning = False
        self.popped = False     # Now IPv4 only according to pop_mpls.
        self._make_match()

    def one_in(self, n):
        return self.rng.randrange(n) == 0

    # Matches.

    def _make_match(self):
        rng = self.rng
        if self.l3 in L4 and rng.random() < 0.6:
            self.l4 = rng.choice(L4[self.l3])
        if self.l4 or self.l3:
            self.match.append(self.l4 or self.l3)
        pool = [self._match_l2, self._match_l2]
        if self.l3 in ("ip", "ipv6"):
            pool += [self._match_ip] * 3
        if self.l4:
            pool += [self._match_l4] * 3
        if self.l3 == "arp":
            pool += [self._match_arp] * 3
        if self.l3 in ("mpls", "mplsm"):
            pool += [self._match_mpls] * 3
        if self.table > FIRST:
            pool += [self._match_register]
        if self.features.tracks:
            pool += [self._match_ct] * 2
        fields = {}
        for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3])):
            name, value = rng.choice(pool)()
            fields.setdefault(name, value)
        # These two are ways to say the same.
        if "dl_vlan" in fields:
            fields.pop("vlan_tci", None)
        if "dl_vlan" not in fields and self.one_in(3):
            fields["vlan_tci"] = UNTAGGED
        self.tagged = "dl_vlan" in fields
        self.n_tags = (0 if fields.get("vlan_tci") == UNTAGGED
                       else int(self.tagged or "vlan_tci" in fields)
                       if self.vlan_limit == 1 else 2)
        if self.features.tracks and self.l3 in ("ip", "ipv6"):
            fields["ip_frag"] = "no"
        self.match += ["%s=%s" % field for field in fields.items()]

    def _match_l2(self):
        rng = self.rng
        return rng.choice([
            lambda: ("in_port", rng.choice(self.ports)),
            lambda: ("dl_src", mac(rng)),
            lambda: ("dl_dst", mac(rng)),
            lambda: ("dl_dst", "01:00:00:00:00:00/01:00:00:00:00:00"),
            lambda: ("tun_id", rng.choice(["0", "1", "0/1"])),
            lambda: ("dl_vlan", rng.choice(VIDS)),
            lambda: ("vlan_tci", rng.choice([
                "0x1000/0x1000", "0x1001/0x1fff", "0x2000/0x2000",
                "0x0002/0x0002", UNTAGGED])),
        ])()

    def _match_ip(self):
        rng = self.rng
        v4 = self.l3 == "ip"
        choices = [
            lambda: ("nw_src", ipv4(rng)) if v4 else ("ipv6_src", ipv6(rng)),
            lambda: ("nw_dst", ipv4(rng)) if v4 else ("ipv6_dst", ipv6(rng)),
            lambda: ("nw_tos", rng.choice([0, 4, 8])),
            lambda: ("nw_ecn", rng.choice([0, 1])),
            lambda: ("nw_ttl", rng.choice([63, 64])),
            lambda: ("ip_frag", rng.choice(
                ["no", "first", "not_later"]
                + ([] if self.l4 else ["yes", "later"]))),
        ]
        if not v4:
            choices.append(lambda: ("ipv6_label", rng.choice(["0", "1"])))
        if not self.l4:
            choices.append(lambda: ("nw_proto", rng.choice(
                [0, 1, 2, 6, 17, 47, 58, 132])))
        return rng.choice(choices)()

    def _match_l4(self):
        rng = self.rng
        if self.l4 == "icmp":
            return rng.choice([("icmp_type", rng.choice([0, 8])),
                               ("icmp_code", rng.choice([0, 1]))])
        if "icmp6" in self.l4:
            return rng.choice(
                [("icmp_code", 0)] if "=128" in self.l4
                else [("nd_target", ipv6(rng)), (self._nd_link(), mac(rng))])
        choices = [lambda: ("tp_src", masked(rng, rng.choice(PORTS), 16)),
                   lambda: ("tp_dst", masked(rng, rng.choice(PORTS), 16))]
        if self.l4 in ("tcp", "tcp6"):
            choices.append(lambda: ("tcp_flags", rng.choice(
                ["+syn", "-fin", "+fin", "+syn-ack", "0x3/0x3", "0"])))
        return rng.choice(choices)()

    def _nd_link(self):
        return "nd_sll" if "=135" in self.l4 else "nd_tll"

    def _match_arp(self):
        rng = self.rng
        return rng.choice([
            lambda: ("arp_op", rng.choice([1, 2])),
            lambda: ("arp_spa", ipv4(rng)), lambda: ("arp_tpa", ipv4(rng)),
            lambda: ("arp_sha", mac(rng)), lambda: ("arp_tha", mac(rng)),
        ])()

    def _match_mpls(self):
        rng = self.rng
        return rng.choice([
            ("mpls_label", rng.randrange(16, 20)),
            ("mpls_tc", rng.randrange(2)), ("mpls_bos", rng.randrange(2)),
            ("mpls_ttl", rng.choice([63, 64]))])

    def _match_register(self):
        return "reg0", masked(self.rng, self.rng.randrange(4), 2)

    def _match_ct(self):
        rng = self.rng
        choices = [("ct_state", rng.choice(CT_STATES))] * 4
        choices += [("ct_zone", rng.choice(ZONES)),
                    ("ct_mark", masked(rng, rng.randrange(4), 2)),
                    ("ct_label", masked(rng, rng.randrange(4), 2))]
        return rng.choice(choices)

    # Actions.

    def set(self, field, value):
        self.actions.append("set_field:%s->%s" % (value, field))

    def output(self):
        rng = self.rng
        self.actions.append(rng.choice(
            ["output:%s" % port for port in self.ports] * 3
            + ["in_port", "FLOOD", "ALL"]))

    def edit(self):
        """Adds an action that changes the packet."""
        rng = self.rng
        pool = [self._edit_l2, self._edit_l2]
        if self.l3 in ("ip", "ipv6"):
            pool += [self._edit_ip] * 4
        if self.l4:
            pool += [self._edit_l4] * 3
        if self.l3 == "arp" and not self.features.copies:
            pool += [self._edit_arp] * 3
        if self.l3 in ("mpls", "mplsm") and not self.features.copies:
            pool += [self._edit_mpls] * 4
        rng.choice(pool)()

    def _edit_l2(self):
        rng = self.rng
        kind = rng.randrange(9)
        if kind == 8:
            self.set("tun_id", rng.randrange(3))
        elif kind < 2:
            self.set("eth_src", mac(rng))
        elif kind < 4:
            self.set("eth_dst", mac(rng))
        elif kind == 4 or not self.tagged:
            if kind == 7 and self.l3 and not self.cloning:
                self.actions.append("push_mpls:%s"
                                    % rng.choice(["0x8847", "0x8848"]))
                self.l3, self.l4 = "mpls", ""
                self.recirculates = True
            elif self.n_tags < 2:
                self.n_tags += 1
                self.actions.append("push_vlan:%s"
                                    % rng.choice(["0x8100", "0x88a8"]))
                self.tagged = True
        elif kind == 5:
            if self.n_tags <= 1 and not self.cloning:
                self.actions.append("pop_vlan")
                self.tagged = False
        elif kind == 6:
            self.set("vlan_vid", 0x1000 | rng.choice(VIDS))
        else:
            self.set("vlan_pcp", rng.randrange(8))

    def _edit_ip(self):
        rng = self.rng
        v4 = self.l3 == "ip"
        pool, prefix = (IPV4, "ip") if v4 else (IPV6, "ipv6")
        kind = rng.randrange(7)
        if kind == 0:
            self.set(prefix + "_src", rng.choice(pool))
        elif kind == 1:
            self.set(prefix + "_dst", rng.choice(pool))
        elif kind == 2:
            self.set("ip_dscp", rng.randrange(64))
        elif kind == 3:
            self.set("nw_ecn", rng.randrange(4))
        elif kind == 4:
            self.set("nw_ttl", rng.randrange(256))
        elif kind == 5 or v4:
            self.actions.append("dec_ttl")
        else:
            self.set("ipv6_label", rng.randrange(1 << 20))

    def _edit_l4(self):
        rng = self.rng
        name = self.l4.rstrip("6")
        if name in ("tcp", "udp", "sctp"):
            self.set("%s_%s" % (name, rng.choice(["src", "dst"])),
                     rng.choice(PORTS))
        elif self.l4 == "icmp" and not self.features.copies:
            self.set(rng.choice(["icmp_type", "icmp_code"]), rng.randrange(9))
        elif "icmp_code=0" in self.l4:
            self.set(*rng.choice([("nd_target", rng.choice(IPV6)),
                                  (self._nd_link(), mac(rng))]))

    def _edit_arp(self):
        rng = self.rng
        field, value = rng.choice([
            ("arp_op", rng.randrange(1, 3)), ("arp_spa", rng.choice(IPV4)),
            ("arp_tpa", rng.choice(IPV4)), ("arp_sha", mac(rng)),
            ("arp_tha", mac(rng))])
        self.set(field, value)

    def _edit_mpls(self):
        rng = self.rng
        kind = rng.randrange(5)
        if kind == 0:
            self.set("mpls_label", rng.randrange(16, 20))
        elif kind == 1:
            self.set("mpls_tc", rng.randrange(8))
        elif kind == 2:
            self.set("mpls_ttl", rng.randrange(2, 256))
        elif kind == 3:
            self.actions.append("dec_mpls_ttl")
        else:
            self.actions.append("pop_mpls:0x0800")
            self.l3, self.l4 = "ip", ""
            self.popped = self.recirculates = True

    def go_on(self):
        """Adds a lookup in a later table."""
        rng = self.rng
        self.actions.append("set_field:%s->reg0" % rng.randrange(4))
        if self.one_in(3):
            self.actions.append("move:NXM_OF_ETH_SRC[0..1]->NXM_NX_REG0[0..1]")
        self.actions.append("resubmit(,%d)"
                            % rng.randrange(self.table + 1, LAST + 1))

    def _meter(self):
        """Adds what may only be the first action."""
        self.actions.append("meter:%d" % self.rng.randrange(1,
                                                            len(METERS) + 1))

    def output_cut(self):
        """A frame may be cut before it loses tags and labels, two of each.  A
        tap refuses what has less than an Ethernet header then, and all that
        would come after it in the batch, which need not be the same batch in
        both datapaths."""
        port = self.rng.choice(self.ports)
        shortest = 14 + 2 * 4 + 2 * 4 if port == TAP else 14
        self.actions.append("output(port=%s,max_len=%d)"
                            % (port,
                               self.rng.choice([shortest, 60, 100, 1000])))

    def _in_clone(self, add):
        """Has 'add' add actions to the packet's copy.  Afterwards the packet
        is as before, but not in the eyes of ofproto's check of actions: so
        the copy loses no tag and gets no label."""
        before = self.actions, self.l3, self.l4, self.tagged, self.n_tags
        self.actions = []
        self.cloning = True
        # Without an action that cannot be undone ofproto makes no copy.
        if self.one_in(2):
            self.output_cut()
        for _ in range(self.rng.randrange(3)):
            self.edit()
        add()
        inner, self.cloning = self.actions, False
        self.actions, self.l3, self.l4, self.tagged, self.n_tags = before
        self.actions.append("clone(%s)" % ",".join(inner))

    def go_on_by_size(self):
        """Adds a lookup in a later table, which can tell the size."""
        self.actions.append("check_pkt_larger(%d)->reg0[0]"
                            % self.rng.choice([60, 100, 300, 420, 1000]))
        self.actions.append("resubmit(,%d)"
                            % self.rng.randrange(self.table + 1, LAST + 1))

    def track(self, onward):
        """Adds an action for the connection tracker, and maybe, if 'onward',
        a lookup of the result."""
        rng = self.rng
        if self.one_in(10):
            self.actions.append("ct_clear")
            return
        args = ["zone=%d" % rng.choice(ZONES)]
        commits = self.one_in(2)
        if commits:
            args.append(rng.choice(["commit", "commit", "commit"
                                    if self.features.nats
                                    else "commit,force"]))
            if self.one_in(2):
                args.append("exec(set_field:%d->ct_mark)" % rng.randrange(4))
            elif self.one_in(2):
                args.append("exec(set_field:%d->ct_label)" % rng.randrange(4))
        if self.features.nats and self.one_in(2):
            if not commits:
                args.append("nat")
            elif self.l4 and not self.l4.startswith("tcp"):
                args.append("nat(%s)" % self._nat_range())
        if onward and self.one_in(2):
            self.recirculates = True
            args.append("table=%d" % rng.randrange(self.table + 1, LAST + 1))
        self.actions.append("ct(%s)" % ",".join(args))

    def _nat_range(self):
        """Returns what leaves nothing to the random seed of a connection
        tracker."""
        address = self.rng.choice(IPV4 if self.l3 == "ip" else IPV6)
        if self.one_in(2):
            address = ("%s:%d" if self.l3 == "ip" else "[%s]:%d") % (
                address, self.rng.choice(PORTS))
        return "%s=%s" % (self.rng.choice(["src", "dst"]), address)

    def may_track(self):
        """Fragments wait for others, and for how long is time's business.
        What is invalid cannot be committed."""
        return (self.features.tracks and self.l3 in ("ip", "ipv6")
                and "ct_state=+trk+inv" not in self.match
                and "ip_frag=no" in self.match and not self.popped)

    def deliver(self, last):
        """Adds what brings the packet to ports, or nearer.  'last' says that
        no more actions follow."""
        rng = self.rng
        onward = self.table < LAST and (last or not self.features.tracks)
        ways = [self.output] * 6
        if onward:
            ways += [self.go_on] * 3
        if self.features.copies:
            ways += [self.output_cut, lambda: self._in_clone(self.output)]
            if onward:
                ways += [self.go_on_by_size]
            if onward and not self.features.tracks:
                ways += [lambda: self._in_clone(self.go_on)]
        if self.may_track():
            ways += [lambda: self.track(onward)] * 9
        rng.choice(ways)()

    def make_actions(self, normal):
        rng = self.rng
        if normal and self.vlan_limit == 1 and self.one_in(8):
            # Nothing is to be learned: see static_macs().  Whether a tag with
            # VID 0 stays depends on its priority, but ofproto does not always
            # make the megaflow match on that.
            self.match = ["dl_src=" + rng.choice(MACS),
                          rng.choice(["vlan_tci=0/0x1fff"]
                                     + ["vlan_tci=%#x/0x1fff" % (0x1000 | vid)
                                        for vid in VIDS if vid])]
            self.actions = ["NORMAL"]
            return
        if self.one_in(12):
            self.actions = ["drop"]
            return
        if self.features.copies and self.one_in(5):
            self._meter()
        n = rng.choice([1, 1, 1, 2, 2, 3])
        for i in range(n):
            for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
                self.edit()
            self.deliver(i == n - 1)

    def __str__(self):
        return ",".join(self.match + ["actions=" + ",".join(self.actions)])


def random_table(rng, ports, vlan_limit, features, mark_rule):
    """Returns rules, as ovs-ofctl takes them, and whether packets may
    recirculate."""
    lines = ["priority=2," + mark_rule,
             "priority=1,icmp6,actions=%s,resubmit(,%d)" % (READ_TYPE, FIRST),
             "priority=0,actions=resubmit(,%d)" % FIRST]
    recirculates = features.tracks
    if features.tracks:
        lines += ["priority=1,%s,ip_frag=no,actions=ct(%stable=%d)"
                  % (match, rng.choice(["", "nat,", "commit,", nat]
                                       if features.nats
                                       else ["", "commit,"]), FIRST)
                  for match, nat in (
                      ("udp", "commit,nat(src=10.0.1.9),"),
                      ("tcp", "commit,"),
                      ("tcp6", "nat,"),
                      ("udp6", "commit,nat(src=[2001:db8::9]:80),"))]
    for table in range(FIRST, LAST + 1):
        n = rng.randrange(4, 30)
        priorities = rng.sample(range(1, 100), n)
        for priority in priorities:
            rule = Rule(rng, table, ports, vlan_limit, features)
            rule.make_actions(normal=True)
            recirculates |= rule.recirculates
            lines.append("table=%d,priority=%d,%s" % (table, priority, rule))
        last = Rule(rng, table, ports, vlan_limit, features)
        last.match, last.l3, last.l4, last.tagged = [], "", "", False
        last.n_tags = 0 if vlan_limit == 1 else 2
        last.make_actions(normal=False)
        lines.append("table=%d,priority=0,%s" % (table, str(last)))
    return lines, recirculates


def static_macs(rng, ports):
    """Returns (port, VLAN, MAC) of entries that leave a learning bridge
    nothing to learn from frames that NORMAL rules match."""
    return [(rng.choice(ports), vid, address)
            for vid in VIDS for address in MACS]
