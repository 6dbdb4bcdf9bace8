/*
 * CRC32C (Castagnoli, polynomial 0x1EDC6F41 reflected, as in RFC 3720): the checksum of every
 * file that akin writes. Hardware instructions where the CPU has them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_CHECKSUM_H
#define AKIN_CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

/* Continues from `crc` (0 to begin): crc32c(crc32c(0, a), b) is that of a and b joined. */
uint32_t akin_crc32c(uint32_t crc, const void *data, size_t bytes);

#pragma GCC visibility pop

#endif
