/* Copyright (c) 2026 The OVS-Accel Authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

/* "random-frames SEED N FILE" writes N random frames, none of them empty, to
 * pcap file FILE: for tests that are not programs of this kind. */

#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "dp-packet.h"
#include "ovstest.h"
#include "pcap-file.h"
#include "random.h"
#include "random-frame.h"
#include "util.h"

static void
random_frames_main(int argc, char *argv[])
{
    struct pcap_file *file;
    unsigned long int n;

    if (argc != 4) {
        ovs_fatal(0, "usage: %s SEED N FILE", argv[0]);
    }
    random_set_seed(strtoul(argv[1], NULL, 10));
    file = ovs_pcap_open(argv[3], "wb");
    if (!file) {
        ovs_fatal(errno, "%s", argv[3]);
    }
    n = strtoul(argv[2], NULL, 10);
    while (n) {
        uint8_t frame[RANDOM_FRAME_MAX];
        size_t len = random_frame(frame);

        if (len) {
            struct dp_packet packet;

            dp_packet_use_const(&packet, frame, len);
            ovs_pcap_write(file, &packet);
            n--;
        }
    }
    ovs_pcap_close(file);
}

OVSTEST_REGISTER("random-frames", random_frames_main);
