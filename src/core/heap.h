/*
 * Heap memory for a third-party library's many small nodes: counted and failed like akin_alloc's,
 * but aligned only as malloc does, since 64-byte alignment would double their size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_HEAP_H
#define AKIN_CORE_HEAP_H

#include <stddef.h>

/* Freed by akin_free. */
void *heap_alloc_small(size_t bytes);

#endif
