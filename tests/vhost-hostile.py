#!/usr/bin/env python3
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

"""A vhost-user front end that misbehaves.

usage: vhost-hostile.py SOCKET CASE [SEED]
       vhost-hostile.py --list

Connects to the switch at SOCKET and does what CASE says, see --list.  Fails if
the switch does not answer as it should, or not at all to a new connection
afterwards.  A case that leaves the port broken keeps the connection until
standard input ends, so that others can have a look.
"""

import array
import os
import random
import socket
import struct
import sys
import time

# Requests, and flags of messages, of the vhost-user protocol.
GET_FEATURES = 1
SET_FEATURES = 2
SET_OWNER = 3
RESET_OWNER = 4
SET_MEM_TABLE = 5
SET_LOG_BASE = 6
SET_VRING_NUM = 8
SET_VRING_ADDR = 9
SET_VRING_BASE = 10
GET_VRING_BASE = 11
SET_VRING_KICK = 12
SET_VRING_CALL = 13
GET_PROTOCOL_FEATURES = 15
SET_PROTOCOL_FEATURES = 16
GET_QUEUE_NUM = 17
SET_VRING_ENABLE = 18
GET_INFLIGHT_FD = 31
VERSION = 1
NEED_REPLY = 8

F_VERSION_1 = 1 << 32
F_PROTOCOL_FEATURES = 1 << 30
PF_MQ_REPLY_ACK = 1 | 8

# Guest memory: one region.
SIZE = 1 << 20
USER_ADDR = 0x100000000
RING_SIZE = 16
RING_STRIDE = 0x4000            # Descriptors, used ring 4 kB on, available
AVAIL = 0x2000                  # ring 8 kB on.
USED = 0x1000


class Mismatch(Exception):
    pass


def check(ok, what):
    if not ok:
        raise Mismatch(what)


class FrontEnd:
    def __init__(self, path):
        self.fds = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.socket.settimeout(10)

    def close(self):
        self.socket.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def memfd(self, size=SIZE):
        fd = os.memfd_create("guest")
        os.ftruncate(fd, size)
        self.fds.append(fd)
        return fd

    def eventfd(self):
        fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.fds.append(fd)
        return fd

    def send(self, request, payload=b"", flags=VERSION, fds=(), size=None):
        size = len(payload) if size is None else size
        data = struct.pack("<III", request, flags, size) + payload
        anc = []
        if fds:
            anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array("i", fds))]
        self.socket.sendmsg([data], anc)

    def receive(self):
        """Returns the payload of a reply, None if there is no peer any
        more."""
        try:
            header = self.socket.recv(12, socket.MSG_WAITALL)
            if len(header) < 12:
                return None
            size = struct.unpack("<III", header)[2]
            return self.socket.recv(size, socket.MSG_WAITALL)
        except ConnectionError:
            return None

    def get(self, request):
        self.send(request)
        return struct.unpack("<Q", self.receive())[0]

    def ask(self, request, payload, fds=()):
        """Returns True if the switch accepts a message, False if it refuses
        it, None if it hangs up."""
        try:
            self.send(request, payload, VERSION | NEED_REPLY, fds)
            reply = self.receive()
        except ConnectionError:
            return None
        return None if not reply else struct.unpack("<Q", reply)[0] == 0

    def negotiate(self):
        self.get(GET_FEATURES)
        self.get(GET_PROTOCOL_FEATURES)
        self.send(SET_PROTOCOL_FEATURES, struct.pack("<Q", PF_MQ_REPLY_ACK))
        self.send(SET_OWNER)
        self.send(SET_FEATURES,
                  struct.pack("<Q", F_VERSION_1 | F_PROTOCOL_FEATURES))

    def set_memory(self, fd, gpa=0, size=SIZE, offset=0):
        region = struct.pack("<QQQQ", gpa, size, USER_ADDR, offset)
        return self.ask(SET_MEM_TABLE,
                        struct.pack("<II", 1, 0) + region + bytes(7 * 32),
                        [fd])

    def set_num(self, i, num):
        return self.ask(SET_VRING_NUM, struct.pack("<II", i, num))

    def set_addr(self, i, skew=0):
        addr = USER_ADDR + i * RING_STRIDE
        return self.ask(SET_VRING_ADDR,
                        struct.pack("<IIQQQQ", i, 0, addr, addr + USED + skew,
                                    addr + AVAIL, 0))

    def set_base(self, i, base):
        return self.ask(SET_VRING_BASE, struct.pack("<II", i, base))

    def set_fd(self, request, i):
        return self.ask(request, struct.pack("<Q", i), [self.eventfd()])

    def enable(self, i, on=1):
        return self.ask(SET_VRING_ENABLE, struct.pack("<II", i, on))

    def start_ring(self, i):
        steps = (lambda: self.set_num(i, RING_SIZE),
                 lambda: self.set_base(i, 0),
                 lambda: self.set_addr(i),
                 lambda: self.set_fd(SET_VRING_KICK, i),
                 lambda: self.set_fd(SET_VRING_CALL, i),
                 lambda: self.enable(i))
        for step in steps:
            check(step(), "setting up ring %d" % i)

    def start(self):
        """A device that runs; returns its memory's descriptor."""
        self.negotiate()
        fd = self.memfd()
        check(self.set_memory(fd), "sharing memory")
        self.start_ring(0)
        self.start_ring(1)
        return fd


def answers(path):
    """Does the switch talk to others?"""
    other = FrontEnd(path)
    features = other.get(GET_FEATURES)
    other.close()
    return features != 0


def write16(fd, ring, area, offset, *values):
    os.pwrite(fd, struct.pack("<%dH" % len(values), *values),
              ring * RING_STRIDE + area + offset)


CASES = {}


def case(f):
    CASES[f.__name__.replace("_", "-")] = f
    return f


# Messages

@case
def half_header(path):
    """Part of a message header."""
    fe = FrontEnd(path)
    fe.socket.send(b"\1\0\0")
    check(answers(path), "others")
    fe.close()


@case
def half_payload(path):
    """A message header whose payload never comes."""
    fe = FrontEnd(path)
    fe.send(SET_FEATURES, size=8)
    check(answers(path), "others")
    fe.close()


@case
def silence(path):
    """Requests whose replies are not read."""
    fe = FrontEnd(path)
    fe.socket.setblocking(False)
    try:
        while True:
            fe.send(GET_FEATURES)
    except OSError:
        pass
    check(answers(path), "others")
    fe.close()


@case
def huge_payload(path):
    """A message of 4 GB."""
    fe = FrontEnd(path)
    fe.send(SET_FEATURES, bytes(8), size=0xffffffff)
    check(fe.receive() is None, "connection stays")
    fe.close()


@case
def not_offered(path):
    """Requests that need features that were not offered, with
    descriptors."""
    for request in (SET_LOG_BASE, 7, 19, 21, 22, 24, 25, 26, 27, 28, 29, 30,
                    GET_INFLIGHT_FD, 32, 33, 37, 41, 200, 0xffffffff):
        fe = FrontEnd(path)
        fe.negotiate()
        check(not fe.ask(request, bytes(64), [fe.memfd(4096)]),
              "request %d" % request)
        fe.close()


@case
def bad_features(path):
    """Features that were not offered."""
    fe = FrontEnd(path)
    offered = fe.get(GET_FEATURES)
    fe.negotiate()
    for bit in range(64):
        if not offered & 1 << bit:
            check(not fe.ask(SET_FEATURES, struct.pack("<Q", 1 << bit)),
                  "feature %d" % bit)
    fe.close()


@case
def ring_index(path):
    """Rings that do not exist."""
    fe = FrontEnd(path)
    fe.negotiate()
    n = 2 * fe.get(GET_QUEUE_NUM)
    fe.close()
    for index in (n, n + 1, 0x10000, 0x10001, 0xffffffff):
        fe = FrontEnd(path)
        fe.negotiate()
        check(not fe.set_num(index, RING_SIZE), "ring %d" % index)
        fe.close()


@case
def ring_size(path):
    """Sizes that rings must not have, and a thousand good ones."""
    fe = FrontEnd(path)
    fe.negotiate()
    for num in (3, 32769, 65535, 0xffffffff):
        check(not fe.set_num(0, num), "size %d" % num)
    for i in range(1000):
        check(fe.set_num(0, 1 << i % 16), "size %d" % (1 << i % 16))
    fe.close()


@case
def surplus_fds(path):
    """Descriptors that nobody asked for."""
    for i in range(50):
        fe = FrontEnd(path)
        fe.negotiate()
        fd = fe.memfd(4096)
        try:
            fe.send(SET_VRING_NUM, struct.pack("<II", 0, 16), fds=[fd] * 8)
        except OSError:
            pass
        fe.close()


@case
def memory_beyond_file(path):
    """Memory that the file behind it does not have."""
    for size, offset in ((SIZE, 0), (4096, 4096), (4096, 2**64 - 4096),
                         (2**64 - 4096, 4096), (2**64 - 1, 0)):
        fe = FrontEnd(path)
        fe.negotiate()
        check(not fe.set_memory(fe.memfd(4096), 0, size, offset),
              "%d bytes at %d" % (size, offset))
        fe.close()


@case
def reset_owner(path):
    """A reset in the midst of work."""
    fe = FrontEnd(path)
    fe.start()
    fe.send(RESET_OWNER)
    check(fe.get(GET_FEATURES) != 0, "answer after reset")
    fe.close()


@case
def enable_flood(path):
    """Rings that go on and off."""
    fe = FrontEnd(path)
    fe.start()
    for i in range(1000):
        check(fe.enable(i % 2, i // 2 % 2), "enable")
    fe.close()


@case
def early_end(path):
    """Connections that end at every step of their set-up."""
    for n in range(12):
        fe = FrontEnd(path)
        steps = [lambda: fe.send(GET_FEATURES), fe.receive, fe.negotiate,
                 lambda: fe.set_memory(fe.memfd()),
                 lambda: fe.set_num(0, RING_SIZE),
                 lambda: fe.set_addr(0),
                 lambda: fe.set_fd(SET_VRING_KICK, 0),
                 lambda: fe.set_fd(SET_VRING_CALL, 0),
                 lambda: fe.enable(0),
                 lambda: fe.start_ring(1),
                 lambda: fe.send(GET_VRING_BASE, struct.pack("<II", 0, 0))]
        for step in steps[:n]:
            step()
        fe.close()


@case
def reconnects(path):
    """A thousand connections."""
    for i in range(1000):
        FrontEnd(path).close()


@case
def random_changes(path):
    """Configuration, good and bad, changes while the rings run."""
    for i in range(20):
        fe = FrontEnd(path)
        fe.start()
        alive = True
        for j in range(200):
            ring = random.randrange(2)
            alive = random.choice((
                lambda: fe.set_memory(fe.memfd(),
                                      random.randrange(2) * 4096),
                lambda: fe.set_num(ring, random.choice((16, 32, 0, 3, 32768))),
                lambda: fe.set_addr(ring, random.choice((0, 0, 1, SIZE))),
                lambda: fe.set_base(ring, random.choice((0, 1, 65535))),
                lambda: fe.set_fd(SET_VRING_KICK, ring),
                lambda: fe.set_fd(SET_VRING_CALL, ring),
                lambda: fe.enable(ring, random.randrange(2))))()
            if alive is None:
                break
        fe.close()


# Rings.  The port stays broken while the caller looks at it.

def stay(fe):
    print("ready")
    sys.stdout.flush()
    sys.stdin.read()
    fe.close()


@case
def truncated_memory(path):
    """Memory whose file is truncated while the rings run."""
    fe = FrontEnd(path)
    fd = fe.start()
    os.ftruncate(fd, 0)
    stay(fe)


@case
def available_ahead(path):
    """An available index that is ahead by more than the ring's size."""
    fe = FrontEnd(path)
    fd = fe.start()
    write16(fd, 1, AVAIL, 2, RING_SIZE + 1)
    stay(fe)


@case
def chain_loop(path):
    """A descriptor chain that loops."""
    fe = FrontEnd(path)
    fd = fe.start()
    for i in range(2):
        os.pwrite(fd, struct.pack("<QIHH", 0x10000, 100, 1, 1 - i),
                  RING_STRIDE + 16 * i)
    write16(fd, 1, AVAIL, 4, 0)
    write16(fd, 1, AVAIL, 2, 1)
    stay(fe)


def main():
    if sys.argv[1:] == ["--list"]:
        for name in CASES:
            print(name)
        return 0
    if len(sys.argv) not in (3, 4) or sys.argv[2] not in CASES:
        sys.stderr.write(__doc__)
        return 2

    path, name = sys.argv[1:3]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
    random.seed(seed)
    print("%s: seed %d" % (name, seed))
    try:
        CASES[name](path)
        check(answers(path), "not answered afterwards")
    except (Mismatch, OSError) as e:
        print("%s: %s" % (name, e))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
