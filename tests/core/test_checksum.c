/*
 * CRC32C: the vectors of RFC 3720, section B.4, a bit-by-bit truth, and every tier against it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/checksum.h"

#include <string.h>

#include "../../src/core/crc32c.h"
#include "../check.h"

/* Straight from the definition, one bit at a time. */
static uint32_t bitwise(uint32_t crc, const unsigned char *data, size_t bytes)
{
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static unsigned char bytes[20000];

static void fill(void)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        x = x * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(x >> 24);
    }
}

TEST(vectors_of_rfc_3720)
{
    unsigned char data[32];
    static const unsigned char iscsi[48] = {
        0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, 0x28, [40] = 0x02};
    memset(data, 0, 32);
    CHECK_EQ(akin_crc32c(0, data, 32), 0x8a9136aau);
    memset(data, 0xff, 32);
    CHECK_EQ(akin_crc32c(0, data, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++)
        data[i] = (unsigned char)i;
    CHECK_EQ(akin_crc32c(0, data, 32), 0x46dd794eu);
    for (int i = 0; i < 32; i++)
        data[i] = (unsigned char)(31 - i);
    CHECK_EQ(akin_crc32c(0, data, 32), 0x113fdb5cu);
    CHECK_EQ(akin_crc32c(0, iscsi, 48), 0xd9963a56u);
    CHECK_EQ(akin_crc32c(0, "123456789", 9), 0xe3069283u);
    CHECK_EQ(akin_crc32c(0, NULL, 0), 0);
    CHECK_EQ(akin_crc32c(0x1234, NULL, 0), 0x1234);
}

static void against_truth(crc32c_fn *fn)
{
    fill();
    for (size_t n = 0; n <= 300; n++)
        for (size_t start = 0; start < 9; start++)
            CHECK_EQ(fn((uint32_t)n * 77, bytes + start, n),
                     bitwise((uint32_t)n * 77, bytes + start, n));
    /* around the lanes' lengths, and long enough for both */
    static const size_t lengths[] = {767, 768, 769, 1536, 6143, 6144, 6145, 6912, 12288, 19990};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        CHECK_EQ(fn(5, bytes + 3, lengths[i]), bitwise(5, bytes + 3, lengths[i]));
}

TEST(scalar_is_the_definition)
{
    against_truth(crc32c_scalar);
}

TEST(hardware_is_the_same)
{
    if (!crc32c_hardware()) {
        check_skip("this CPU has no CRC32C instruction");
        return;
    }
    against_truth(crc32c_hardware());
}

TEST(pieces_join)
{
    fill();
    uint32_t whole = akin_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 997)
        CHECK_EQ(akin_crc32c(akin_crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut), whole);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
