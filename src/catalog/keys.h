/*
 * A tile's key as SQLite keeps it: its integers are signed, so the top bit is flipped on the way in and
 * out, which keeps the order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CATALOG_KEYS_H
#define AKIN_CATALOG_KEYS_H

#include <stdint.h>

static inline int64_t key_to_sql(uint64_t key)
{
    return (int64_t)(key ^ (uint64_t)1 << 63);
}

static inline uint64_t key_from_sql(int64_t value)
{
    return (uint64_t)value ^ (uint64_t)1 << 63;
}

#endif
