/*
 * The tiers of CRC32C, for akin_crc32c and for the tests that hold one against the other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_CRC32C_H
#define AKIN_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t crc32c_fn(uint32_t crc, const void *data, size_t bytes);

/* The definition of truth; works everywhere. */
uint32_t crc32c_scalar(uint32_t crc, const void *data, size_t bytes);
/* With the CPU's own instruction, or NULL where it has none. */
crc32c_fn *crc32c_hardware(void);

#endif
