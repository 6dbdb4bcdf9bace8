/*
 * CRC32C by instruction. On x86 the instruction takes 8 bytes a cycle but answers after three, so
 * three runs of a block are summed side by side and joined: the sum of A followed by n bytes is A *
 * x^(8n) mod P, one carry-less multiplication (Gopal et al., "Fast CRC Computation for iSCSI
 * Polynomial Using CRC32 Instruction", Intel 2011). Measured on an EPYC of 2 shared cores: 11 GB/s
 * from cache on, against 1.25 for slicing by 8. Flags are a function's, not the file's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "crc32c.h"

#if defined(__x86_64__)

#include <nmmintrin.h>
#include <wmmintrin.h>

#define TIER __attribute__((target("sse4.2,pclmul")))

/* Bytes a lane: long ones for the bulk, short ones so that a few KB gain too. */
#define LANE_LONG 2048
#define LANE_SHORT 256
/* x^(8n - 33) mod P, reflected, for n = a lane and two lanes. A product of two reflected 32-bit
 * values is one bit short and the instruction multiplies by x^32, hence the 33. */
#define SHIFT_LONG 0xa51b6135u
#define SHIFT_LONG_2 0x82f89c77u
#define SHIFT_SHORT 0xb9e02b86u
#define SHIFT_SHORT_2 0xdd7e3b0cu

TIER static inline uint64_t word(const unsigned char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* crc * x^(8n) mod P. */
TIER static inline uint64_t shift(uint64_t crc, uint32_t factor)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc),
                                           _mm_cvtsi64_si128((long long)factor), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/* Sums three lanes of `lane` bytes each, from `at` on. */
TIER static inline uint64_t three_lanes(uint64_t crc, const unsigned char *at, size_t lane,
                                        uint32_t factor, uint32_t factor_2)
{
    uint64_t a = crc, b = 0, c = 0;
    for (size_t i = 0; i < lane; i += 8) {
        a = _mm_crc32_u64(a, word(at + i));
        b = _mm_crc32_u64(b, word(at + lane + i));
        c = _mm_crc32_u64(c, word(at + 2 * lane + i));
    }
    return shift(a, factor_2) ^ shift(b, factor) ^ c;
}

TIER static uint32_t crc32c_sse42(uint32_t start, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint64_t crc = ~start;
    for (; bytes >= 3 * LANE_LONG; bytes -= 3 * LANE_LONG, at += 3 * LANE_LONG)
        crc = three_lanes(crc, at, LANE_LONG, SHIFT_LONG, SHIFT_LONG_2);
    for (; bytes >= 3 * LANE_SHORT; bytes -= 3 * LANE_SHORT, at += 3 * LANE_SHORT)
        crc = three_lanes(crc, at, LANE_SHORT, SHIFT_SHORT, SHIFT_SHORT_2);
    for (; bytes >= 8; bytes -= 8, at += 8)
        crc = _mm_crc32_u64(crc, word(at));
    for (; bytes; bytes--)
        crc = _mm_crc32_u8((uint32_t)crc, *at++);
    return ~(uint32_t)crc;
}

crc32c_fn *crc32c_hardware(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul") ? crc32c_sse42
                                                                                : NULL;
}

#elif defined(__ARM_FEATURE_CRC32)

#include <arm_acle.h>

/* One run: ARM cores answer fast enough that the joining is not worth its code. */
static uint32_t crc32c_arm(uint32_t start, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    uint32_t crc = ~start;
    for (; bytes >= 8; bytes -= 8, at += 8) {
        uint64_t value;
        memcpy(&value, at, sizeof value);
        crc = __crc32cd(crc, value);
    }
    for (; bytes; bytes--)
        crc = __crc32cb(crc, *at++);
    return ~crc;
}

crc32c_fn *crc32c_hardware(void)
{
    return crc32c_arm;
}

#else

crc32c_fn *crc32c_hardware(void)
{
    return NULL;
}

#endif
