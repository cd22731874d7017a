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

#ifndef ACCEL_TEST_VRING_H
#define ACCEL_TEST_VRING_H 1

/* What the files of "test-accel test-vring" share. */

#include "vhost/vhost.h"
#include "vhost/vhost-private.h"
#include "vring-driver.h"

#define F(NAME) (1ull << (NAME))

/* One virtqueue with both its sides: a driver, and a port with one queue. */
struct bench {
    struct driver driver;
    struct vhost_port *port;
    struct vhost_ring *ring;
    unsigned int hdr_len;
    struct vhost_burst *burst;
};

void bench_init(struct bench *, bool packed, bool to_guest, unsigned int size,
                unsigned int start, bool wrap, uint64_t features);
void bench_uninit(struct bench *);

void test_vring_bad(void);
void test_vring_copy(unsigned int n_rounds);
void test_vring_memory(void);
void test_vring_quiesce(unsigned int n_rounds);
void test_vring_resume(unsigned int n_rounds);

#endif /* test-vring.h */
