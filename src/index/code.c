/*
 * Codes: what a row keeps of its residual, and the table that a query brings.
 *
 * The paper (Gao and Long, RaBitQ, SIGMOD 2024) takes the sign of each rotated dimension and
 * divides by <o, c>, the code's own inner product with what it stands for, which makes the estimate
 * unbiased. Deviations: more bits by the levels of Lloyd and Max for a normal variable instead of
 * the search over scales of its extension (SIGMOD 2025); the residual keeps its length, so that
 * nothing but two numbers a row is left; the query is quantised to about six bits a dimension
 * instead of four, deterministically, since the table's bytes hold that.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "code.h"

#include <math.h>
#include <string.h>

#define LEVELS_MAX 16
#define F16_MAX 65504.0f
#define LANES 8 /* sums side by side: their order is part of the format */

/* Levels of a normal variable of variance 1 with the least squared error (Max, 1960), and the bounds
 * between them. At one bit any size does: factors divide it out. */
struct levels {
    uint32_t count;
    float bounds[LEVELS_MAX - 1], values[LEVELS_MAX];
};
static const struct levels levels_1 = {2, {0}, {-1, 1}};
static const struct levels levels_2 = {
    4, {-0.9816f, 0, 0.9816f}, {-1.510f, -0.4528f, 0.4528f, 1.510f}};
static const struct levels levels_4 = {
    16,
    {-2.401f, -1.844f, -1.437f, -1.099f, -0.7996f, -0.5224f, -0.2582f, 0, 0.2582f, 0.5224f, 0.7996f,
     1.099f, 1.437f, 1.844f, 2.401f},
    {-2.733f, -2.069f, -1.618f, -1.256f, -0.9424f, -0.6568f, -0.3881f, -0.1284f, 0.1284f, 0.3881f,
     0.6568f, 0.9424f, 1.256f, 1.618f, 2.069f, 2.733f}};

static const struct levels *levels_of(uint32_t bits)
{
    return bits == 1 ? &levels_1 : bits == 2 ? &levels_2 : &levels_4;
}

akin_status code_shape_init(struct code_shape *out, enum akin_metric metric, uint32_t dim,
                            uint32_t bits, akin_error *err)
{
    if (dim < 1 || dim > CODE_DIM_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "codes are for 1 to %u dimensions, not %u",
                              CODE_DIM_MAX, dim);
    if (bits != 0 && bits != 1 && bits != 2 && bits != 4)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "a code has 1, 2 or 4 bits a dimension, not %u", bits);
    uint32_t wide = (dim + 63) / 64 * 64;
    if (!bits)
        bits = wide <= 64 ? 4 : wide <= 192 ? 2 : 1;
    if (wide * bits > 4 * CODE_NIBBLES_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "%u bits for each of %u dimensions: a code has %u bits at most", bits,
                              dim, 4 * CODE_NIBBLES_MAX);
    *out = (struct code_shape){.wide = wide, .bits = bits, .nibbles = wide * bits / 4};
    out->block_bytes = out->nibbles * 16 + 4 * AKIN_CODE_ROWS;
    out->metric = metric;
    return AKIN_OK;
}

/* ---- rows ---- */

static double add_lanes(const double *lanes)
{
    double sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += lanes[i];
    return sum;
}

/* What the factors are made of: |r|^2, <r, c>, <r, m>, <c, m>. */
struct products {
    double rr, rc, rm, cm;
};

/* Chooses the levels: numbers[j] and the sums with them. */
static struct products choose_levels(const struct code_shape *shape, uint8_t *numbers,
                                     const float *residual, const float *centroid, double rr)
{
    const struct levels *levels = levels_of(shape->bits);
    /* Equal residuals have equal codes in any tier: one division, then products of floats. */
    float per_level = rr > 0 ? (float)sqrt(shape->wide / rr) : 0;
    double rc[LANES] = {0}, rm[LANES] = {0}, cm[LANES] = {0};
    for (uint32_t j = 0; j < shape->wide; j += LANES) {
        uint32_t number[LANES] = {0};
        for (uint32_t b = 0; b + 1 < levels->count; b++)
            for (uint32_t i = 0; i < LANES; i++)
                number[i] += residual[j + i] * per_level > levels->bounds[b];
        for (uint32_t i = 0; i < LANES; i++) {
            double r = residual[j + i], m = centroid[j + i], c = levels->values[number[i]];
            numbers[j + i] = (uint8_t)number[i];
            rc[i] += r * c;
            rm[i] += r * m;
            cm[i] += c * m;
        }
    }
    return (struct products){rr, add_lanes(rc), add_lanes(rm), add_lanes(cm)};
}

static double square_of(const float *x, uint32_t n)
{
    double lanes[LANES] = {0};
    for (uint32_t j = 0; j < n; j += LANES)
        for (uint32_t i = 0; i < LANES; i++)
            lanes[i] += (double)x[j + i] * x[j + i];
    return add_lanes(lanes);
}

/* Cut off where f16 ends: a row thousands of times as long as others has an estimate that is wrong,
 * not one that is not a number. */
static akin_f16 half_of(double value)
{
    float cut = fminf(fmaxf((float)value, -F16_MAX), F16_MAX);
    akin_f16 half;
    akin_kernels()->f16_from_f32(&half, &cut, 1);
    return half;
}

static double value_of(akin_f16 half)
{
    float value;
    akin_kernels()->f32_from_f16(&value, &half, 1);
    return (double)value;
}

void code_encode(const struct code_shape *shape, struct code_row *out, const float *residual,
                 const float *centroid)
{
    uint8_t numbers[CODE_DIM_MAX] = {0};
    struct products sums =
        choose_levels(shape, numbers, residual, centroid, square_of(residual, shape->wide));
    out->factor = half_of(sums.rc > 0 ? sums.rr / sums.rc : 0);
    /* With the factor as it was rounded, so that the rounding scales <c, q - m> alone. */
    double fixed = shape->metric == AKIN_METRIC_L2 ? -sums.rr / 2 : sums.rm;
    out->addend = half_of(fixed - value_of(out->factor) * sums.cm);
    uint32_t per_nibble = 4 / shape->bits;
    for (uint32_t p = 0; p < shape->nibbles; p++) {
        uint32_t nibble = 0;
        for (uint32_t i = 0; i < per_nibble; i++)
            nibble |= (uint32_t)numbers[p * per_nibble + i] << i * shape->bits;
        out->nibbles[p] = (uint8_t)nibble;
    }
}

/* ---- blocks ---- */

static akin_f16 *block_terms(const struct code_shape *shape, uint8_t *block)
{
    return (akin_f16 *)(void *)(block + (size_t)shape->nibbles * 16);
}

void code_block_clear(const struct code_shape *shape, uint8_t *block)
{
    memset(block, 0, shape->block_bytes);
    akin_f16 none = half_of(-F16_MAX), *terms = block_terms(shape, block);
    for (size_t i = 0; i < AKIN_CODE_ROWS; i++)
        terms[AKIN_CODE_ROWS + i] = none;
}

void code_block_put(const struct code_shape *shape, uint8_t *block, size_t lane,
                    const struct code_row *row)
{
    unsigned shift = lane < 16 ? 0 : 4;
    uint8_t *at = block + lane % 16;
    for (size_t p = 0; p < shape->nibbles; p++, at += 16)
        *at = (uint8_t)((*at & ~(15u << shift)) | (unsigned)row->nibbles[p] << shift);
    akin_f16 *terms = block_terms(shape, block);
    terms[lane] = row->factor;
    terms[AKIN_CODE_ROWS + lane] = row->addend;
}

void code_block_get(const struct code_shape *shape, const uint8_t *block, size_t lane,
                    struct code_row *row)
{
    const uint8_t *at = block + lane % 16;
    for (size_t p = 0; p < shape->nibbles; p++, at += 16)
        row->nibbles[p] = lane < 16 ? *at & 15 : *at >> 4;
    const uint8_t *terms = block + (size_t)shape->nibbles * 16;
    memcpy(&row->factor, terms + lane * sizeof row->factor, sizeof row->factor);
    memcpy(&row->addend, terms + (AKIN_CODE_ROWS + lane) * sizeof row->addend, sizeof row->addend);
}

/* ---- queries ---- */

static uint32_t sign_bit(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31;
}

/* One bit: entry v is the sum over four dimensions of their steps or 0, by v's bits; 0 and the steps of
 * 2|q| stand for -|q| and |q|. An entry is a byte of two words; a product puts a dimension's steps
 * into those where its bit is that of its sign. Returns the sum of all steps. */
static uint64_t fill_1(uint8_t *table, const float *q, float per_step, uint32_t nibbles)
{
    static const uint64_t bytes[3][2] = {{0x0100010001000100u, 0x0001000100010001u},
                                         {0x0101000001010000u, 0x0000010100000101u},
                                         {0x0101010100000000u, 0x0000000001010101u}};
    uint32_t totals[16] = {0};
    uint64_t total = 0;
    for (uint32_t p = 0; p < nibbles; p += 4, q += 16) {
        uint32_t steps[16]; /* gcc -O2 makes vectors of these loops */
        for (int i = 0; i < 16; i++)
            steps[i] = (uint32_t)(int32_t)(fabsf(q[i]) * per_step + 0.5f);
        for (int i = 0; i < 16; i++)
            totals[i] += steps[i];
        for (int i = 0; i < 16; i += 4, table += 16) {
            const float *at = q + i;
            uint64_t sum = steps[i] * bytes[0][sign_bit(at[0])] +
                           steps[i + 1] * bytes[1][sign_bit(at[1])] +
                           steps[i + 2] * bytes[2][sign_bit(at[2])];
            uint64_t last = steps[i + 3] * 0x0101010101010101u, negative = sign_bit(at[3]);
            uint64_t words[2] = {sum + last * negative, sum + last * (1 - negative)};
            memcpy(table, words, sizeof words);
        }
    }
    for (int i = 0; i < 16; i++)
        total += totals[i];
    return total;
}

/* steps[level] of one dimension: (value + the largest) * |q|, the other way round where q < 0. */
static void fill_levels(uint8_t *steps, const struct levels *levels, float q, float per_step)
{
    float largest = levels->values[levels->count - 1], size = fabsf(q) * per_step;
    for (uint32_t i = 0; i < levels->count; i++) {
        float value = q < 0 ? -levels->values[i] : levels->values[i];
        steps[i] = (uint8_t)((value + largest) * size + 0.5f);
    }
}

static void fill_2(uint8_t *table, const float *q, float per_step, uint32_t nibbles)
{
    for (uint32_t p = 0; p < nibbles; p++, table += 16, q += 2) {
        uint8_t low[4], high[4];
        fill_levels(low, &levels_2, q[0], per_step);
        fill_levels(high, &levels_2, q[1], per_step);
        for (int v = 0; v < 16; v++)
            table[v] = (uint8_t)(low[v & 3] + high[v >> 2]);
    }
}

static void fill_4(uint8_t *table, const float *q, float per_step, uint32_t nibbles)
{
    for (uint32_t p = 0; p < nibbles; p++, table += 16)
        fill_levels(table, &levels_4, q[p], per_step);
}

/* The largest sum of |q| over the dimensions of a nibble; *total: of all. Sixteen dimensions a step, in
 * sums of their own; once for each number of bits. */
static inline __attribute__((always_inline)) float largest_nibble(const float *q, uint32_t wide,
                                                                  size_t per_nibble, float *total)
{
    float largest[4] = {0}, sums[4] = {0};
    for (uint32_t j = 0; j < wide; j += 4 * per_nibble, q += 4 * per_nibble) {
#pragma GCC unroll 4
        for (size_t n = 0; n < 4; n++) {
            float size = 0;
#pragma GCC unroll 4
            for (size_t k = 0; k < per_nibble; k++)
                size += fabsf(q[n * per_nibble + k]);
            largest[n] = size > largest[n] ? size : largest[n];
            sums[n] += size;
        }
    }
    for (int n = 1; n < 4; n++) {
        largest[0] = largest[n] > largest[0] ? largest[n] : largest[0];
        sums[0] += sums[n];
    }
    *total = sums[0];
    return largest[0];
}

void code_query_init(const struct code_shape *shape, struct akin_code_scan *out, uint8_t *table,
                     const float *rotated)
{
    const struct levels *levels = levels_of(shape->bits);
    float top = levels->values[levels->count - 1], total;
    uint32_t wide = shape->wide;
    float largest = shape->bits == 1   ? largest_nibble(rotated, wide, 4, &total)
                    : shape->bits == 2 ? largest_nibble(rotated, wide, 2, &total)
                                       : largest_nibble(rotated, wide, 1, &total);
    /* Four dimensions are rounded up by half a step each at most. */
    uint32_t entry_max = 65535 / shape->nibbles < 255 ? 65535 / shape->nibbles : 255;
    if (shape->bits < 4) /* finer steps would not show beside what so few bits leave open */
        entry_max = 63;
    float step = 2 * top * largest / (float)(entry_max - 2);
    float per_step = step > 0 ? 1 / step : 0;
    if (!isfinite(per_step)) /* lengths among the subnormals: as if zero */
        per_step = step = 0;
    out->table = table;
    out->nibbles = shape->nibbles;
    out->small = entry_max <= 63;
    out->scale = step;
    out->offset = -top * total;
    if (shape->bits == 1)
        out->offset = -step / 2 * (float)fill_1(table, rotated, 2 * per_step, shape->nibbles);
    else if (shape->bits == 2)
        fill_2(table, rotated, per_step, shape->nibbles);
    else
        fill_4(table, rotated, per_step, shape->nibbles);
}
