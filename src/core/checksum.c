/*
 * CRC32C: a table-driven scalar version (slicing by 8; Kounavis and Berry, 2005) and which tier
 * runs. The tables and the choice are made once, at the first call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/checksum.h"

#include <pthread.h>

#include "crc32c.h"

/* 0x1EDC6F41, reflected. */
#define POLYNOMIAL 0x82f63b78u

/* slices[k][b]: the sum of byte b followed by k zero bytes. */
static uint32_t slices[8][256];
static crc32c_fn *tier;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void set_up(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        slices[0][b] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int b = 0; b < 256; b++)
            slices[k][b] = slices[k - 1][b] >> 8 ^ slices[0][slices[k - 1][b] & 255];
    crc32c_fn *hardware = crc32c_hardware();
    tier = hardware ? hardware : crc32c_scalar;
}

static uint32_t read_le32(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t crc32c_scalar(uint32_t crc, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    pthread_once(&once, set_up);
    crc = ~crc;
    for (; bytes >= 8; bytes -= 8, at += 8) {
        uint32_t a = read_le32(at) ^ crc, b = read_le32(at + 4);
        crc = slices[7][a & 255] ^ slices[6][a >> 8 & 255] ^ slices[5][a >> 16 & 255] ^
              slices[4][a >> 24] ^ slices[3][b & 255] ^ slices[2][b >> 8 & 255] ^
              slices[1][b >> 16 & 255] ^ slices[0][b >> 24];
    }
    for (; bytes; bytes--)
        crc = crc >> 8 ^ slices[0][(crc ^ *at++) & 255];
    return ~crc;
}

uint32_t akin_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    pthread_once(&once, set_up);
    return tier(crc, data, bytes);
}
