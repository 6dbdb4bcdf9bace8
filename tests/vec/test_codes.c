/*
 * The kernels of codes, int8 tiles and rotation: every tier that runs here against the scalar one,
 * and that one against sums written out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "guarded.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct akin_kernels *truth(void)
{
    return akin_kernels_named("scalar");
}

static void *place_bytes(int slot, size_t n, bool at_end)
{
    uint8_t *bytes = place(slot, n, at_end);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)((draw() + 1) * 128);
    return bytes;
}

/* ---- int8 tiles ---- */

/* Extremes among them: -128 in tiles, +-127 in queries. */
static void check_tiles(const struct akin_kernels *k, size_t queries, size_t tiles, size_t n4,
                        bool at_end)
{
    size_t stride = 16 * tiles + 3, n = 4 * n4;
    int8_t *query = place_bytes(0, queries * n, at_end),
           *tile = place_bytes(1, tiles * 16 * n, at_end);
    int32_t *sums = place(2, tiles * 16 * sizeof *sums, at_end);
    int32_t *out = place(3, queries * stride * sizeof *out, at_end);
    for (size_t i = 0; i < queries * n; i++)
        query[i] = query[i] == -128 || i % 7 == 0 ? (int8_t)(i % 2 ? 127 : -127) : query[i];
    for (size_t i = 0; i < tiles * 16 * n; i++)
        tile[i] = i % 11 == 0 ? -128 : tile[i];
    for (size_t v = 0; v < 16 * tiles; v++) {
        sums[v] = 0;
        for (size_t j = 0; j < n; j++)
            sums[v] += tile[((v / 16 * n4 + j / 4) * 16 + v % 16) * 4 + j % 4];
    }
    memset(out, 0x55, queries * stride * sizeof *out);
    k->dots_i8_tiles(out, stride, query, queries, tile, sums, tiles, n4);
    bool right = true;
    for (size_t q = 0; q < queries; q++) {
        for (size_t v = 0; v < stride; v++) {
            int32_t sum = v < 16 * tiles ? 0 : 0x55555555;
            for (size_t j = 0; j < n && v < 16 * tiles; j++)
                sum += query[q * n + j] * tile[((v / 16 * n4 + j / 4) * 16 + v % 16) * 4 + j % 4];
            right &= out[q * stride + v] == sum;
        }
    }
    if (!CHECK(right))
        printf("# %s: %zu queries, %zu tiles of %zu\n", k->name, queries, tiles, n);
}

TEST(dots_i8_tiles_are_exact_in_every_tier)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        for (size_t queries = 0; queries <= 19; queries++)
            for (size_t tiles = 0; tiles <= 6; tiles++)
                check_tiles(k, queries, tiles, (queries + tiles) % 5, tiles % 2);
        for (size_t n4 = 0; n4 <= 33; n4++)
            check_tiles(k, 1 + n4 % 4, 1 + n4 % 5, n4, n4 % 2);
        check_tiles(k, 49, 9, 64, true);
        check_tiles(k, 2, 1, 4096, true);
        check_tiles(k, 9, 2, 1024, false);
    }
}

TEST(best_of_dots_in_every_tier)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        for (size_t n = 0; n <= 70; n++) {
            bool at_end = n % 2;
            float *scales = place_floats(0, n, at_end), *halves = place_floats(1, n, at_end);
            int32_t *dots = place(2, n * sizeof *dots, at_end);
            for (size_t i = 0; i < n; i++) {
                dots[i] = (int32_t)(draw() * 1000);
                if (i % 5 == 3)
                    halves[i] = INFINITY, scales[i] = 0; /* unused */
                if (i >= 20 && i % 20 < 3)               /* ties with earlier ones */
                    dots[i] = dots[i - 20], halves[i] = halves[i - 20], scales[i] = scales[i - 20];
            }
            float best = n % 3 ? -INFINITY : 100, best_truth = best;
            uint32_t at = 7, at_truth = 7;
            k->best_of_dots(&best, &at, dots, scales, halves, n, 0.5f, 1000);
            truth()->best_of_dots(&best_truth, &at_truth, dots, scales, halves, n, 0.5f, 1000);
            CHECK(best == best_truth || fabsf(best - best_truth) <= 1e-4f);
            CHECK_EQ(at, at_truth);
        }
    }
}

/* ---- rotation ---- */

TEST(hadamard_is_equal_to_the_bit_in_every_tier)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        for (size_t n = 16; n <= 4096; n *= 2) {
            float *x = place_floats(0, n, true), *expected = place(1, n * sizeof *expected, false);
            float *odd =
                place(2, n * sizeof *odd + 4, false); /* 4 bytes off a vector's alignment */
            const float *factors = place_floats(3, n, true);
            memcpy(expected, x, n * sizeof *x);
            memcpy(odd + 1, x, n * sizeof *x);
            truth()->hadamard(expected, factors, n);
            akin_kernels_named(*name)->hadamard(x, factors, n);
            akin_kernels_named(*name)->hadamard(odd + 1, factors, n);
            CHECK(!memcmp(x, expected, n * sizeof *x));
            CHECK(!memcmp(odd + 1, expected, n * sizeof *x));
        }
    }
}

TEST(hadamard_is_the_matrix_of_signs)
{
    float x[64] = {0}, factors[64], sum[64] = {0};
    for (int i = 0; i < 64; i++)
        x[i] = (float)draw(), factors[i] = i % 3 ? 0.5f : -2;
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 64; j++)
            sum[i] += (__builtin_popcount((unsigned)(i & j)) % 2 ? -x[j] : x[j]) * factors[j];
    truth()->hadamard(x, factors, 64);
    for (int i = 0; i < 64; i++)
        CHECK_NEAR(x[i], sum[i], 1e-5);
}

/* ---- codes ---- */

static void check_sums(const struct akin_kernels *k, size_t nibbles, uint8_t entry_max, bool at_end)
{
    uint8_t *block = place_bytes(0, nibbles * 16, at_end);
    uint8_t *table = place_bytes(1, nibbles * 16, at_end); /* whole vectors: aligned either way */
    for (size_t i = 0; i < nibbles * 16; i++)
        table[i] = i % 3 ? table[i] % (entry_max + 1u) : entry_max;
    uint16_t sums[AKIN_CODE_ROWS], expected[AKIN_CODE_ROWS];
    for (size_t v = 0; v < AKIN_CODE_ROWS; v++) {
        expected[v] = 0;
        for (size_t p = 0; p < nibbles; p++)
            expected[v] = (uint16_t)(expected[v] +
                                     table[p * 16 + (block[p * 16 + v % 16] >> (v / 16 * 4) & 15)]);
    }
    k->sum_codes(sums, block, table, nibbles);
    if (!CHECK(!memcmp(sums, expected, sizeof sums)))
        printf("# %s: %zu nibbles of up to %u\n", k->name, nibbles, entry_max);
}

TEST(sum_codes_is_exact_in_every_tier)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        for (size_t nibbles = 0; nibbles <= 1024; nibbles += 16) {
            size_t most = nibbles ? 65535 / nibbles : 255;
            check_sums(k, nibbles, most < 255 ? (uint8_t)most : 255, nibbles / 16 % 2);
            check_sums(k, nibbles, 63, true);
        }
    }
}

/* A list of blocks with all factors in use. */
static uint8_t *make_blocks(size_t blocks, size_t nibbles, bool at_end)
{
    size_t block_bytes = nibbles * 16 + 4 * AKIN_CODE_ROWS;
    uint8_t *bytes = place_bytes(0, blocks * block_bytes, at_end);
    for (size_t b = 0; b < blocks; b++) {
        float terms[2 * AKIN_CODE_ROWS];
        akin_f16 halves[2 * AKIN_CODE_ROWS];
        for (size_t i = 0; i < 2 * AKIN_CODE_ROWS; i++)
            terms[i] = (float)draw();
        truth()->f16_from_f32(halves, terms, 2 * AKIN_CODE_ROWS);
        memcpy(bytes + b * block_bytes + nibbles * 16, halves, sizeof halves);
    }
    return bytes;
}

/* What must come out: every row well above the threshold, none well below, in order, estimates as
 * the scalar tier has them. */
static void check_scan(const struct akin_kernels *k, size_t rows, size_t nibbles, bool masked,
                       float threshold, bool at_end)
{
    static struct akin_candidate expected[2048];
    size_t blocks = (rows + 31) / 32;
    const uint8_t *bytes = make_blocks(blocks, nibbles, at_end);
    uint8_t *table = place_bytes(1, nibbles * 16, at_end);
    struct akin_candidate *out = place(2, blocks * 32 * sizeof *out, at_end);
    uint32_t *masks = place(3, blocks * sizeof *masks, at_end);
    for (size_t i = 0; i < nibbles * 16; i++)
        table[i] = masked ? table[i] % 64 : 63 - table[i] % 4 / 3; /* sums of fours up to 252 */
    for (size_t b = 0; b < blocks; b++)
        masks[b] = b % 4 == 1 ? 0 : (uint32_t)((draw() + 1) * 0x7fffffff);
    struct akin_code_scan scan = {
        table, nibbles, rows % 2 == 0, 0.01f, -0.01f * 32 * (float)nibbles, -INFINITY};
    size_t all =
        truth()->scan_codes(expected, &scan, bytes, rows, 500, 0.25f, masked ? masks : NULL);
    scan.threshold = threshold;
    size_t count = k->scan_codes(out, &scan, bytes, rows, 500, 0.25f, masked ? masks : NULL),
           at = 0;
    bool right = true;
    for (size_t i = 0; i < all; i++) {
        bool is_next = at < count && out[at].row == expected[i].row;
        bool near = fabsf(expected[i].score - threshold) < 1e-4f;
        right &= near || is_next == (expected[i].score >= threshold);
        right &= !is_next || fabsf(out[at].score - expected[i].score) < 1e-4f;
        at += is_next;
    }
    if (!CHECK(right && at == count))
        printf("# %s: %zu rows of %zu nibbles, masked %d\n", k->name, rows, nibbles, masked);
}

TEST(scan_codes_in_every_tier)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        for (size_t rows = 0; rows <= 130; rows++) {
            check_scan(k, rows, 16 + rows % 3 * 16, rows % 2, 0, rows % 4 < 2);
            check_scan(k, rows, 64, false, -INFINITY, true);
            check_scan(k, rows, 32, true, 0.5f, true);
        }
        check_scan(k, 1777, 64, false, 0.25f, true);
        check_scan(k, 1777, 64, true, 0.25f, false);
        check_scan(k, 320, 1024, false, 0.25f, true);
        check_scan(k, 320, 64, false, INFINITY, true);
    }
}

/* The truth itself, by hand: nibble 3 of every position for row 0, nibble 1 for row 16. */
TEST(scan_codes_by_hand)
{
    uint8_t block[16 * 16 + 128] = {0};
    _Alignas(64) uint8_t table[256];
    for (int i = 0; i < 256; i++)
        table[i] = (uint8_t)(i % 16 * 2 + (i < 16));
    for (int p = 0; p < 16; p++)
        block[p * 16] = 0x13;
    akin_f16 two = 0x4000, half = 0x3800;
    memcpy(block + 256, &two, 2), memcpy(block + 256 + 64, &half, 2);
    memcpy(block + 256 + 32, &half, 2);
    struct akin_code_scan scan = {table, 16, false, 0.5f, -1, 3};
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        struct akin_candidate out[32];
        CHECK_EQ(akin_kernels_named(*name)->scan_codes(out, &scan, block, 17, 9, 2, NULL), 2);
        /* 2 + 2 * (0.5 * (16 * 6 + 1) - 1) + 0.5; 2 + 0.5 * (0.5 * (16 * 2 + 1) - 1) */
        CHECK(out[0].row == 9 && out[0].score == 97.5f);
        CHECK(out[1].row == 25 && out[1].score == 9.75f);
    }
}

/* ---- the best of many ---- */

static int by_score(const void *a, const void *b)
{
    const struct akin_candidate *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

/* Scores of every sign and size, many of them equal where `steps` is small. */
static void check_keep(const struct akin_kernels *k, size_t count, size_t keep, int steps)
{
    static struct akin_candidate before[1000], sorted[1000];
    struct akin_candidate *at = place(0, count * sizeof *at, true);
    for (size_t i = 0; i < count; i++) {
        double value = steps ? floor(draw() * steps) : draw() * pow(10, floor(draw() * 30));
        at[i] = (struct akin_candidate){i % 17 == 5 ? -0.0f : (float)value, (uint32_t)i};
        if (i % 50 == 49)
            at[i].score = i % 100 == 99 ? INFINITY : -INFINITY;
    }
    memcpy(before, at, count * sizeof *at);
    memcpy(sorted, at, count * sizeof *at);
    qsort(sorted, count, sizeof *sorted, by_score);
    float threshold = 7;
    size_t kept = k->keep_best(at, count, keep, &threshold), expected = 0;
    bool right = kept >= (keep < count ? keep : count);
    for (size_t i = 0; i < count; i++) {
        bool stays = count <= keep || before[i].score >= sorted[keep - 1].score;
        right &= stays == (before[i].score >= threshold);
        if (stays)
            right &= expected < kept && !memcmp(&at[expected++], &before[i], sizeof *at);
    }
    right &= expected == kept && (count > keep || threshold == -INFINITY);
    if (!CHECK(right))
        printf("# %s: %zu of %zu, %d steps\n", k->name, keep, count, steps);
}

TEST(keep_best_in_every_tier)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        for (size_t count = 0; count <= 70; count++)
            for (size_t keep = 1; keep <= count + 1; keep += 1 + count / 9)
                check_keep(k, count, keep, (int)(count % 3 * 4));
        check_keep(k, 1000, 100, 0);
        check_keep(k, 1000, 999, 0);
        check_keep(k, 1000, 1, 0);
        check_keep(k, 997, 300, 3);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
