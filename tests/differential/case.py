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

"""Cases: a random table and what is sent through it."""

import json
import random

from differential import frames, tables

CHUNK = 250                     # Frames of a step; queues hold more.

TUNNEL = "4"                    # Its packets are looked up again, too.

# How often a base frame or a near miss is sent, in the end.
BASES, MISSES = 0.1, 0.3


def make_case(seed, n_frames, ports, mark_rule, directory, conntrack):
    """Returns a case of about 'n_frames' frames: its rules, the MAC addresses
    that the bridges know, and its steps, each an in_port, whether frames go
    one by one, and frames.  'conntrack' says whether it may track
    connections."""
    rng = random.Random(seed)
    vlan_limit = rng.choice([1, 2])
    features = tables.random_features(rng, conntrack)
    rules, recirculates = tables.random_table(rng, ports, vlan_limit,
                                              features, mark_rule)
    case = {"seed": seed, "vlan_limit": vlan_limit, "rules": rules,
            "macs": tables.static_macs(rng, ports), "steps": []}
    steps = case["steps"]

    def add(batch, one_by_one=False, first=False):
        """Adds steps that send pairs of port and frame, maybe for the first
        time."""
        for port in ports:
            own = [frame for number, frame in batch if number == port]
            steps.extend((port, one_by_one or features.tracks
                          or first and port == TUNNEL,
                          own[i:i + CHUNK])
                         for i in range(0, len(own), CHUNK))

    # Recirculated packets that miss are asked about after others, or before,
    # which changes which megaflows there are; so packets that may miss go
    # alone where that can be.  One by one is slow: send fewer then.  Where
    # connections are tracked, all go one by one: batches are sorted by flow.
    n_bases = int(n_frames * (BASES / 3 if recirculates else BASES))
    n_misses = int(n_frames * (MISSES / 4 if recirculates else MISSES))

    def fit(frame):
        tracked = features.tracks and rng.random() < 0.85
        return frames.sound(rng, frame) if tracked else frame

    bases = [(rng.choice(ports), fit(frame)) for frame
             in frames.random_frames(rng, n_bases, directory)]
    misses = []
    for _ in range(n_misses):
        port, frame = rng.choice(bases)
        if rng.random() < 0.1:
            port = rng.choice(ports)
        elif features.tracks and rng.random() < 0.4:
            frame = fit(frames.reply(frame))
        else:
            frame = fit(frames.near_miss(rng, frame))
        misses.append((port, frame))

    add(bases, recirculates, True)
    add(rng.choices(bases, k=3 * n_bases))
    add(misses, recirculates, True)
    left = n_frames - 4 * n_bases - n_misses
    add(rng.choices(bases + misses, k=max(left, 0)))
    return case


def save(case, path):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(dict(case, steps=[
            (port, one_by_one, [frame.hex() for frame in batch])
            for port, one_by_one, batch in case["steps"]]), f, indent=1)


def load(path):
    with open(path, encoding="utf-8") as f:
        case = json.load(f)
    case["steps"] = [(port, one_by_one, [bytes.fromhex(s) for s in batch])
                     for port, one_by_one, batch in case["steps"]]
    return case


def count(case):
    return sum(len(batch) for _, _, batch in case["steps"])
