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

#ifndef ACCEL_RANDOM_FRAME_H
#define ACCEL_RANDOM_FRAME_H 1

/* Random Ethernet frames for tests
 * ================================
 *
 * Most are valid: ARP, IPv4 and IPv6 with TCP, UDP, SCTP, ICMP, ICMPv6 (with
 * neighbor discovery) or IGMP, under up to three VLAN tags.  The others are
 * odd or malformed: header lengths below the minimum or beyond the frame,
 * total lengths too short or too long, over 255 bytes of padding, fragments,
 * IPv6 extension headers up to the end of the frame, a VLAN tag in the last
 * bytes, MPLS, NSH, LLC, cut frames, flipped bytes and runts.
 *
 * Addresses, tags and ports come from small sets, so that frames often agree
 * in some of them.  Uses OVS's random(), see random_set_seed(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANDOM_FRAME_MAX 1600

/* Stores a frame and returns its length: 0 to RANDOM_FRAME_MAX bytes, mostly
 * 14 or more. */
size_t random_frame(uint8_t frame[RANDOM_FRAME_MAX]);

/* Returns true with probability 1/n. */
bool random_one_in(uint32_t n);

#endif /* random-frame.h */
