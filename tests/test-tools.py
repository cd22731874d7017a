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

"""Tests of the tools' own arithmetic and words."""

import os
import tempfile
import unittest
from unittest import mock

from ovs_accel import top
from ovs_accel.bugreport import commands, conceal
from ovs_accel.metrics import Difference, Snapshot, Source
from ovs_accel.proc import Failure
from ovs_accel.screen import Screen
from ovs_accel.unixctl import control_socket

DP = 'datapath="ovs-accel"'
THREAD = DP + ',core="1",numa="0"'
PORT = DP + ',port="a\\"\\\\b\\n"'     # Escaped, as the daemon does it.
PORT_NAME = 'a"\\b\n'


def text(received, busy, dropped, cache=0):
    return """\
# TYPE ovs_accel_flows gauge
ovs_accel_flows{%(dp)s} 3
ovs_accel_upcalls_total{%(dp)s} 10
ovs_accel_thread_received_packets_total{%(thread)s} %(received)d
ovs_accel_thread_lookup_packets_total{%(thread)s,result="cache_hit"} %(cache)d
ovs_accel_thread_lookup_packets_total{%(thread)s,result="miss"} %(misses)d
ovs_accel_thread_cycles_total{%(thread)s,state="busy"} %(busy)d
ovs_accel_thread_cycles_total{%(thread)s,state="idle"} 1000
ovs_accel_port_info{%(port)s,number="1",type="accelvhost"} 1
ovs_accel_rxq_info{%(port)s,queue="0",core="2"} 1
ovs_accel_rxq_info{%(port)s,queue="1",core="1"} 1
ovs_accel_port_up{%(port)s} 1
ovs_accel_port_rx_queues{%(port)s} 2
ovs_accel_port_rx_queues_asleep{%(port)s} 1
ovs_accel_port_received_packets_total{%(port)s} %(received)d
ovs_accel_port_dropped_packets_total{%(port)s,reason="meter"} %(dropped)d
ovs_accel_port_dropped_packets_total{%(port)s,reason="no_such_port"} 0
ovs_accel_port_output_dropped_packets_total{%(port)s,reason="tx_no_desc"} 4
# EOF
""" % {"dp": DP, "thread": THREAD, "port": PORT, "received": received,
       "busy": busy, "dropped": dropped, "cache": cache,
       "misses": received - cache}


def view(old, new, seconds=2):
    return top.view(Difference(Snapshot(old, 100),
                               Snapshot(new, 100 + seconds)))


class Rates(unittest.TestCase):
    def test_of_thread(self):
        shown = view(text(100, 5000, 0), text(300, 9000, 0, 150))
        thread, = shown["datapaths"][0]["threads"]
        self.assertEqual(thread["packets_per_second"], 100)
        self.assertEqual(thread["cycles_per_packet"], 20)
        self.assertEqual(thread["busy_percent"], 100)
        self.assertEqual(thread["cache_hit_percent"], 75)

    def test_of_port(self):
        shown = view(text(100, 0, 1), text(300, 0, 9))
        port, = shown["datapaths"][0]["ports"]
        self.assertEqual(port["port"], PORT_NAME)
        self.assertEqual(port["cores"], ["1", "2"])
        self.assertEqual(port["received_packets_per_second"], 100)
        self.assertEqual(port["drops_per_second"], 4)
        self.assertIsNone(port["received_bits_per_second"])

    def test_drops_by_reason(self):
        shown = view(text(100, 0, 1), text(300, 0, 9))
        self.assertEqual([(d["where"], d["reason"], d["packets"],
                           d["drops_per_second"])
                          for d in shown["datapaths"][0]["drops"]],
                         [("received", "meter", 9, 4),
                          ("output", "tx_no_desc", 4, 0)])

    def test_counters_that_begin_anew(self):
        shown = view(text(1000, 0, 0), text(50, 0, 0))
        port, = shown["datapaths"][0]["ports"]
        self.assertEqual(port["received_packets_per_second"], 25)

    def test_what_is_new_has_no_rate_yet(self):
        shown = view("ovs_accel_flows{%s} 0\n" % DP, text(50, 0, 0))
        port, = shown["datapaths"][0]["ports"]
        self.assertIsNone(port["received_packets_per_second"])
        self.assertIsNone(port["drops_per_second"])
        thread, = shown["datapaths"][0]["threads"]
        self.assertIsNone(thread["cycles_per_packet"])

    def test_many_ports_in_time(self):
        ports = "".join("ovs_accel_port_dropped_packets_total{%s,port=\"p%d\","
                        "reason=\"r%d\"} 1\n" % (DP, i, j)
                        for i in range(500) for j in range(25))
        new = Snapshot(ports, 1)
        self.assertEqual(len(new.find("port_dropped_packets_total",
                                      port="p7")), 25)


class Text(unittest.TestCase):
    def test_short(self):
        for number, expected in ((None, "-"), (0, "0"), (7, "7"),
                                 (0.5, "0.50"), (999, "999"),
                                 (1234, "1.23k"), (999999, "1.00M"),
                                 (14880952, "14.9M"), (5e14, "500T")):
            self.assertEqual(top.short(number), expected)

    def test_names_cannot_harm_the_terminal(self):
        shown = view(text(1, 0, 1), text(2, 0, 2))
        for _, line in top.lines(shown):
            self.assertTrue(line.isprintable(), repr(line))

    def test_without_datapath(self):
        self.assertEqual(top.lines(view("# EOF\n", "# EOF\n")),
                         [(False, "No bridge has datapath_type=accel.")])


class Packages(unittest.TestCase):
    def test_are_those_of_the_machine(self):
        for debian, program in (True, "dpkg-query"), (False, "rpm"):
            with mock.patch("os.path.exists", return_value=debian):
                self.assertEqual(commands()["versions/packages"][0], program)


class Secrets(unittest.TestCase):
    def test_are_concealed_in_each_form(self):
        for told in ("options: {psk=herring, remote_ip=1.2.3.4}",
                     'options: {psk="kipper herring", remote_ip="1.2.3.4"}',
                     r'psk="a \"kipper\" herring", remote_ip=1.2.3.4',
                     "set Interface v options:psk=herring -- remote_ip=1.2.3.4",
                     '["map",[["psk","herring"],["remote_ip","1.2.3.4"]]]',
                     '{"auth-password": "herring", "ip": "1.2.3.4"}',
                     r'reply "{psk=\"kipper \\\"herring\", ip=\"1.2.3.4\"}"',
                     r'params=["[\"psk\",\"herring\"],\"1.2.3.4\""]',
                     "external_ids {API_Token=herring} 1.2.3.4"):
            shown = conceal(told)
            for word in ("kipper", "herring"):
                self.assertNotIn(word, shown)
            self.assertIn("1.2.3.4", shown)
            self.assertIn("(removed)", shown)

    def test_are_concealed_where_text_is_cut_off(self):
        for told in ('psk="kipper herring', 'psk="kipper herring\\',
                     r'reply "{psk=\"kipper herring',
                     r'"{psk=\"kipper herring\\',
                     r'reply "{psk=\"kipper \\\"herring'):
            shown = conceal("1.2.3.4\n%s\n5.6.7.8" % told)
            self.assertRegex(shown, r"^1.2.3.4\n.*psk=\(removed\)")
            for word in ("kipper", "herring"):
                self.assertNotIn(word, shown)
            self.assertTrue(shown.endswith("\n5.6.7.8"), shown)

    def test_long_words_take_no_longer(self):
        """With time that is quadratic this does not end."""
        size = 1 << 20
        for told in ("a" * size, "psk" * (size // 3), "psk" + " " * size,
                     "psk" + "\\" * size, 'psk=\\"' + "\\a" * (size // 2),
                     "psk=" + "\\" * size):
            self.assertIn("psk=(removed)", conceal(told + " psk=herring"))

    def test_private_keys_are_concealed(self):
        self.assertEqual(conceal("a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n"
                                 "-----END RSA PRIVATE KEY-----\nb"),
                         "a\n(removed)\nb")

    def test_all_else_stays(self):
        for told in ("options: {key=flow, remote_ip=flow}",
                     "private_key: \"/etc/openvswitch/sc-privkey.pem\"",
                     "tunnel(tun_id=0x7,src=1.1.1.1)"):
            self.assertEqual(conceal(told), told)


class Daemon(unittest.TestCase):
    def test_socket_of_name_and_path(self):
        with tempfile.TemporaryDirectory() as rundir, \
             mock.patch.dict(os.environ, OVS_RUNDIR=rundir):
            with open(rundir + "/ovs-vswitchd.pid", "w",
                      encoding="ascii") as f:
                f.write("42\n")
            self.assertEqual(control_socket("ovs-vswitchd"),
                             rundir + "/ovs-vswitchd.42.ctl")
            self.assertEqual(control_socket("/x.ctl"), "/x.ctl")
            # Its process has ended, and left the file behind.
            with self.assertRaisesRegex(Failure, "42.ctl: No such file"):
                Source("ovs-vswitchd").snapshot()

    def test_not_running(self):
        with mock.patch.dict(os.environ, OVS_RUNDIR="/nonexistent"), \
             self.assertRaisesRegex(Failure, "ovs-vswitchd is not running"):
            Source("ovs-vswitchd").snapshot()


class FakeWindow:
    """A curses window that ends the view after as many keys as it is given."""

    def __init__(self, keys):
        self.keys = keys
        self.texts = []

    def getmaxyx(self):
        return 24, 80

    def getch(self):
        return self.keys.pop(0) if self.keys else ord("q")

    def addnstr(self, y, x, text, width, attribute):
        self.texts.append(text[:width])

    def timeout(self, ms):
        pass

    def erase(self):
        self.texts = []

    def refresh(self):
        pass


class Live(unittest.TestCase):
    def shown(self, snapshots):
        """Returns what the screen shows after each of 'snapshots', some of
        which are Failures, was taken."""
        window = FakeWindow([-1] * (len(snapshots) - 1))
        source = mock.Mock()
        source.snapshot.side_effect = snapshots
        screens = []
        window.refresh = lambda: screens.append("\n".join(window.texts))
        with mock.patch("curses.curs_set"):
            Screen(window, source, 0).run()
        return screens

    def test_daemon_goes_and_comes_back(self):
        gone = Failure("it is not running")
        first, shown, away, back, again = self.shown(
            [Snapshot(text(100, 0, 0), 1), Snapshot(text(200, 0, 0), 2), gone,
             Snapshot(text(10, 0, 0), 4), Snapshot(text(310, 0, 0), 5)])
        self.assertNotIn("PKT/S", first)
        self.assertRegex(shown, r"accelvhost +up +1,2 +1/2 +100 ")
        self.assertIn("it is not running", away)
        self.assertNotIn("it is not running", back)
        self.assertRegex(again, r"accelvhost +up +1,2 +1/2 +300 ")


unittest.main()
