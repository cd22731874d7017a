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

#ifndef VHOST_GUARD_H
#define VHOST_GUARD_H 1

/* Surviving the loss of guest memory
 * ==================================
 *
 * Guest memory is a file that its owner can truncate at any time, and whoever
 * then touches it gets SIGBUS.  For the mappings guarded here, a handler of
 * that signal puts zeroed memory of our own in the place of the whole mapping,
 * stops the port, and lets the thread go on where it was.
 *
 * Any thread may add and remove guards.  A mapping must have no thread in it
 * when its guard is removed. */

#include <stddef.h>

struct guest_memory;

int vhost_guard_add(struct guest_memory *, void *map, size_t size);
void vhost_guard_remove(int guard);

#endif /* vhost/guard.h */
