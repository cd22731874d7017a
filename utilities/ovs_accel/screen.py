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

"""The live view of ovs-accel-top."""

import curses
import time

from ovs_accel import top
from ovs_accel.metrics import Difference
from ovs_accel.proc import Failure


class Screen:
    """The live view.  A daemon that goes away is waited for."""

    def __init__(self, window, source, interval):
        self._window = window
        self._source = source
        self._interval = interval
        self._old = source.snapshot()
        self._next = time.monotonic() + interval
        self._lines = []
        self._first = 0
        self._state = "the first %g s" % interval

    def run(self):
        try:
            curses.curs_set(0)
        except curses.error:
            pass                    # The terminal always shows it.
        while True:
            self._draw()
            left = self._next - time.monotonic()
            self._window.timeout(max(0, int(left * 1000)))
            if not self._handle(self._window.getch()):
                return
            if time.monotonic() >= self._next:
                self._renew()

    def _renew(self):
        try:
            new = self._source.snapshot()
            if self._old:
                self._lines = top.lines(top.view(Difference(self._old, new)))
            self._old = new
            self._state = "every %g s" % self._interval
        except Failure as e:
            self._old = None
            self._state = str(e)
        self._next = time.monotonic() + self._interval

    def _handle(self, key):
        page = max(1, self._window.getmaxyx()[0] - 2)
        steps = {curses.KEY_UP: -1, curses.KEY_DOWN: 1,
                 curses.KEY_PPAGE: -page, curses.KEY_NPAGE: page,
                 curses.KEY_HOME: -len(self._lines),
                 curses.KEY_END: len(self._lines)}
        last = max(0, len(self._lines) - page)
        self._first = max(0, min(last, self._first + steps.get(key, 0)))
        return key not in (ord("q"), ord("Q"))

    def _draw(self):
        height, width = self._window.getmaxyx()
        title = "ovs-accel-top  %s  %s  q: quit" % (
            time.strftime("%H:%M:%S"), self._state)
        shown = [(curses.A_REVERSE, title.ljust(width))]
        for is_title, text in self._lines[self._first:]:
            shown.append((curses.A_BOLD if is_title else 0, text))
        self._window.erase()
        for y, (attribute, text) in enumerate(shown[:height]):
            try:
                self._window.addnstr(y, 0, text, width, attribute)
            except curses.error:
                pass                # The last cell of the screen.
        self._window.refresh()
