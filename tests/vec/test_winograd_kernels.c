/*
 * Winograd's transforms and the strips of their products: every tier against the matrices that the
 * transforms stand for, in double precision. Any number of channels, squares with pixels missing,
 * buffers that end where a forbidden page begins.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "akin/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AREA_BYTES (1u << 20)
#define SIDE_MAX 6
#define UNTOUCHED 12345.0f

static uint64_t seed;

static double draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-52 - 1;
}

/* `n` floats at the end of the area `slot`, right before a forbidden page. */
static float *place(int slot, size_t n)
{
    static char *areas[3];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!areas[slot]) {
        areas[slot] = mmap(NULL, AREA_BYTES + page, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (areas[slot] == MAP_FAILED || mprotect(areas[slot] + AREA_BYTES, page, PROT_NONE))
            abort();
    }
    if (n * sizeof(float) > AREA_BYTES)
        abort();
    float *values = (float *)(void *)(areas[slot] + AREA_BYTES) - n;
    for (size_t i = 0; i < n; i++)
        values[i] = (float)draw();
    return values;
}

/* ---- the matrices ---- */

#define A 0.70710678118654752440
#define B 1.41421356237309504880

/* A line is y = M x or, where `transposed`, y = M^T x; M has `rows` of `columns`. */
struct line {
    double m[SIDE_MAX][SIDE_MAX];
    size_t rows, columns;
    bool transposed;
};

/* A polynomial product's values at 0, a, -a, b, -b and infinity, a = 1 / sqrt(2), b = sqrt(2). */
static const struct line line4[5] = {{{{1, 0, -2.5, 0, 1, 0},
                                       {0, -2 * A, -2, A, 1, 0},
                                       {0, 2 * A, -2, -A, 1, 0},
                                       {0, -B / 2, -.5, B, 1, 0},
                                       {0, B / 2, -.5, -B, 1, 0},
                                       {0, 1, 0, -2.5, 0, 1}},
                                      6,
                                      6,
                                      false},
                                     {{{1, 1, 1, 1, 1, 0},
                                       {0, A, -A, B, -B, 0},
                                       {0, .5, .5, 2, 2, 0},
                                       {0, A / 2, -A / 2, 2 * B, -2 * B, 1}},
                                      4,
                                      6,
                                      false},
                                     {{{1, 0, 0},
                                       {-2 / 3., -2 / 3. * A, -1 / 3.},
                                       {-2 / 3., 2 / 3. * A, -1 / 3.},
                                       {1 / 6., B / 6, 1 / 3.},
                                       {1 / 6., -B / 6, 1 / 3.},
                                       {0, 0, 1}},
                                      6,
                                      3,
                                      false},
                                     {{{1, 1, 1, 1, 1, 0},
                                       {0, A, -A, B, -B, 0},
                                       {0, .5, .5, 2, 2, 0},
                                       {0, A / 2, -A / 2, 2 * B, -2 * B, 1}},
                                      4,
                                      6,
                                      true},
                                     {{{1, 0, 0},
                                       {-2 / 3., -2 / 3. * A, -1 / 3.},
                                       {-2 / 3., 2 / 3. * A, -1 / 3.},
                                       {1 / 6., B / 6, 1 / 3.},
                                       {1 / 6., -B / 6, 1 / 3.},
                                       {0, 0, 1}},
                                      6,
                                      3,
                                      true}};

static const struct line line2[5] = {{{{1, 1}, {0, 1}, {1, 0}}, 3, 2, false},
                                     {{{1, 1, 0}, {1, 0, 1}}, 2, 3, false},
                                     {{{0, 1, 0}, {0, -1, 1}, {1, -1, 0}}, 3, 3, false},
                                     {{{1, 1, 0}, {1, 0, 1}}, 2, 3, true},
                                     {{{0, 1, 0}, {0, -1, 1}, {1, -1, 0}}, 3, 3, true}};

static double factor(const struct line *line, size_t to, size_t from)
{
    return line->transposed ? line->m[from][to] : line->m[to][from];
}

/* One value of M x M^T. */
static double transformed(const struct line *line, double x[SIDE_MAX][SIDE_MAX], size_t i, size_t j)
{
    double sum = 0;
    size_t side = line->transposed ? line->rows : line->columns;
    for (size_t p = 0; p < side; p++)
        for (size_t q = 0; q < side; q++)
            sum += factor(line, i, p) * factor(line, j, q) * x[p][q];
    return sum;
}

/* ---- transforms ---- */

/* Pixels far apart, with something between them that must stay; the last float is used. */
static struct akin_square square_of(size_t side, size_t channels, bool gaps)
{
    struct akin_square it = {.bottom = (uint32_t)side, .right = (uint32_t)side};
    if (gaps) {
        it.top = side > 3;
        it.left = side > 2;
        it.right -= side > 4;
        it.bottom -= side > 2;
    }
    it.column = channels + 3;
    it.row = it.column * side + 5;
    it.run = it.row * side + 7;
    return it;
}

static bool is_there(const struct akin_square *it, size_t i, size_t j)
{
    return i >= it->top && i < it->bottom && j >= it->left && j < it->right;
}

static size_t index_of(const struct akin_square *it, size_t i, size_t j, size_t run, size_t channel)
{
    return (i - it->top) * it->row + (j - it->left) * it->column + run * it->run + channel;
}

struct transform_case {
    akin_transform *transform;
    const struct line *line;
    size_t runs, channels;
    bool gaps_in, gaps_out;
    const struct akin_square_end *end;
};

static double expected(const struct transform_case *it, double value, float before, size_t channel)
{
    if (!it->end)
        return value;
    value += it->end->bias ? it->end->bias[channel] : 0;
    value += it->end->add ? before : 0;
    return it->end->relu && value < 0 ? 0 : value;
}

/* All of `out` against the truth: the channel's square, or what was there before. */
static bool is_right(const struct transform_case *it, const struct akin_square *from,
                     const struct akin_square *to, const float *in, const float *out, float *before)
{
    bool right = true;
    size_t side_in = it->line->transposed ? it->line->rows : it->line->columns;
    size_t side_out = it->line->transposed ? it->line->columns : it->line->rows;
    for (size_t run = 0; run < it->runs; run++)
        for (size_t c = 0; c < it->channels; c++) {
            double x[SIDE_MAX][SIDE_MAX] = {{0}};
            for (size_t i = 0; i < side_in * side_in; i++)
                if (is_there(from, i / side_in, i % side_in))
                    x[i / side_in][i % side_in] =
                        in[index_of(from, i / side_in, i % side_in, run, c)];
            for (size_t i = 0; i < side_out * side_out; i++) {
                if (!is_there(to, i / side_out, i % side_out))
                    continue;
                size_t at = index_of(to, i / side_out, i % side_out, run, c);
                double value = transformed(it->line, x, i / side_out, i % side_out);
                right &=
                    fabs(out[at] - expected(it, value, before[at], run * it->channels + c)) < 3e-5;
                before[at] = UNTOUCHED;
            }
        }
    return right;
}

static void check_transform(const struct transform_case *it)
{
    size_t side_in = it->line->transposed ? it->line->rows : it->line->columns;
    size_t side_out = it->line->transposed ? it->line->columns : it->line->rows;
    struct akin_square from = square_of(side_in, it->channels, it->gaps_in);
    struct akin_square to = square_of(side_out, it->channels, it->gaps_out);
    size_t in_count =
        index_of(&from, from.bottom - 1, from.right - 1, it->runs - 1, it->channels - 1) + 1;
    size_t out_count =
        index_of(&to, to.bottom - 1, to.right - 1, it->runs - 1, it->channels - 1) + 1;
    float *in = place(0, in_count), *out = place(1, out_count);
    float *before = malloc(out_count * sizeof *before);
    memcpy(before, out, out_count * sizeof *before);
    it->transform(out, &to, in, &from, it->runs, it->channels, it->end);
    CHECK(is_right(it, &from, &to, in, out, before));
    bool rest = true; /* between the pixels nothing is written */
    for (size_t i = 0; i < out_count; i++)
        rest &= before[i] == UNTOUCHED || before[i] == out[i];
    CHECK(rest);
    free(before);
}

static akin_transform *transform_of(const struct akin_winograd *winograd, size_t i)
{
    akin_transform *const all[] = {winograd->input, winograd->output, winograd->weights,
                                   winograd->output_gradient, winograd->weight_gradient};
    return all[i];
}

static void check_channels(const struct akin_kernels *k, size_t channels)
{
    for (size_t i = 0; i < 5; i++)
        for (int gaps = 0; gaps < 4; gaps++)
            for (size_t runs = 1; runs <= 3; runs += 2) {
                struct transform_case it = {.transform = transform_of(&k->winograd4, i),
                                            .line = &line4[i],
                                            .runs = runs,
                                            .channels = channels,
                                            .gaps_in = gaps & 1,
                                            .gaps_out = gaps & 2};
                check_transform(&it);
                it.transform = transform_of(&k->winograd2, i);
                it.line = &line2[i];
                check_transform(&it);
            }
}

TEST(transforms_in_every_tier)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        for (size_t channels = 1; channels <= 20; channels++)
            check_channels(akin_kernels_named(*name), channels);
        check_channels(akin_kernels_named(*name), 32);
    }
}

/* A point's product of transforms is a convolution: what the matrices above are for. */
TEST(matrices_make_a_convolution)
{
    double x[SIDE_MAX], w[3], worst = 0;
    for (size_t i = 0; i < SIDE_MAX; i++)
        x[i] = draw();
    for (size_t i = 0; i < 3; i++)
        w[i] = draw();
    for (size_t y = 0; y < 4; y++) {
        double sum = 0;
        for (size_t f = 0; f < 6; f++) {
            double in = 0, weight = 0;
            for (size_t i = 0; i < 6; i++)
                in += line4[0].m[f][i] * x[i];
            for (size_t i = 0; i < 3; i++)
                weight += line4[2].m[f][i] * w[i];
            sum += line4[1].m[y][f] * in * weight;
        }
        worst = fmax(worst, fabs(sum - (x[y] * w[0] + x[y + 1] * w[1] + x[y + 2] * w[2])));
    }
    CHECK_NEAR(worst, 0, 1e-14);
}

TEST(outputs_end_with_bias_sum_and_relu)
{
    for (const char *const *name = akin_kernels_list(); *name; name++)
        for (size_t channels = 1; channels <= 20; channels++)
            for (int which = 0; which < 16; which++) {
                const struct akin_square_end end = {which & 1 ? place(2, 2 * channels) : NULL,
                                                    which & 2, which & 4};
                const struct akin_kernels *k = akin_kernels_named(*name);
                check_transform(&(struct transform_case){k->winograd4.output, &line4[1], 2,
                                                         channels, false, which & 8, &end});
                check_transform(&(struct transform_case){k->winograd2.output, &line2[1], 2,
                                                         channels, false, false, &end});
            }
}

/* ---- strips ---- */

/* The left side by rows, or by columns; three floats behind every row of C, which must stay. */
static void check_strip(const struct akin_kernels *k, size_t m, size_t depth, bool by_columns,
                        bool add)
{
    size_t stride = AKIN_STRIP + 3, height = m ? m : 1, width = depth ? depth : 1;
    struct akin_strip_left left = {place(0, m * depth), by_columns ? 1 : width,
                                   by_columns ? height : 1};
    const float *b = place(1, depth ? (depth - 1) * stride + AKIN_STRIP : 0);
    float *c = place(2, m ? (m - 1) * stride + AKIN_STRIP : 0), before[64 * (AKIN_STRIP + 3)];
    bool right = true;
    if (m)
        memcpy(before, c, ((m - 1) * stride + AKIN_STRIP) * sizeof *c);
    k->multiply_strip(c, stride, &left, b, stride, m, depth, add);
    for (size_t i = 0; m && i < (m - 1) * stride + AKIN_STRIP; i++) {
        double sum = add || i % stride >= AKIN_STRIP ? before[i] : 0;
        for (size_t p = 0; p < depth && i % stride < AKIN_STRIP; p++)
            sum += (double)left.values[i / stride * left.row + p * left.column] *
                   b[p * stride + i % stride];
        right &= fabs(c[i] - sum) <= (i % stride < AKIN_STRIP ? 1e-5 : 0);
    }
    CHECK(right);
}

TEST(strips_in_every_tier)
{
    for (const char *const *name = akin_kernels_list(); *name; name++)
        for (size_t m = 0; m <= 50; m++)
            for (size_t depth = 0; depth <= 33; depth += depth < 3 ? 1 : 10)
                for (int which = 0; which < 4; which++)
                    check_strip(akin_kernels_named(*name), m, depth, which & 1, which & 2);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
