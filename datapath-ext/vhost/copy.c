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

#include <config.h>

#include "vhost/vring-private.h"

#ifdef __x86_64__

/* May lie anywhere. */
typedef long long int vector __attribute__((vector_size(32), aligned(1),
                                            may_alias));

#define VECTOR sizeof(vector)

/* Stores are aligned; the first and the last one may overlap others. */
__attribute__((target("avx2")))
void
copy_avx2(void *dst_, const void *src_, size_t n)
{
    const uint8_t *src = src_;
    const uint8_t *last = src + n - VECTOR;
    uint8_t *dst = dst_;
    uint8_t *end = dst + n - VECTOR;
    size_t head = VECTOR - (uintptr_t) dst % VECTOR;

    *(vector *) dst = *(const vector *) src;
    dst += head;
    src += head;
    for (; dst + 4 * VECTOR <= end; dst += 4 * VECTOR, src += 4 * VECTOR) {
        vector a = ((const vector *) src)[0];
        vector b = ((const vector *) src)[1];
        vector c = ((const vector *) src)[2];
        vector d = ((const vector *) src)[3];

        ((vector *) dst)[0] = a;
        ((vector *) dst)[1] = b;
        ((vector *) dst)[2] = c;
        ((vector *) dst)[3] = d;
    }
    for (; dst < end; dst += VECTOR, src += VECTOR) {
        *(vector *) dst = *(const vector *) src;
    }
    *(vector *) end = *(const vector *) last;
}

#endif /* __x86_64__ */
