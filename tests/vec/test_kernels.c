/*
 * Every tier that runs here against the scalar one, in the manner of dav1d's checkasm: all small
 * sizes, a few large ones, odd alignments, and guarded buffers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "akin/vec.h"
#include "guarded.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define N_SMALL 130

static akin_f16 *place_halves(int slot, size_t n, bool at_end)
{
    akin_f16 *x = place(slot, n * sizeof *x, at_end);
    for (size_t i = 0; i < n; i++) {
        float value = (float)draw();
        akin_kernels_named("scalar")->f16_from_f32(&x[i], &value, 1);
    }
    return x;
}

/* Calls `check` for every tier, size and side. */
typedef void size_check(const struct akin_kernels *k, size_t n, bool at_end);
static void for_all_sizes(size_check *check)
{
    static const size_t large[] = {255, 256, 257, 511, 1000, 4099};
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        for (int at_end = 0; at_end < 2; at_end++) {
            for (size_t n = 0; n <= N_SMALL; n++)
                check(akin_kernels_named(*name), n, at_end);
            for (size_t i = 0; i < sizeof large / sizeof *large; i++)
                check(akin_kernels_named(*name), large[i], at_end);
        }
    }
}

static void check_sums(const struct akin_kernels *k, size_t n, bool at_end)
{
    const float *a = place_floats(0, n, at_end), *b = place_floats(1, n, at_end);
    double product = 0, size = 0, distance = 0;
    for (size_t i = 0; i < n; i++) {
        product += (double)a[i] * b[i];
        size += fabs((double)a[i] * b[i]);
        distance += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    }
    double rounding = 1e-7 * (4 + sqrt((double)n));
    CHECK_NEAR(k->dot(a, b, n), product, rounding * size);
    CHECK_NEAR(k->squared_distance(a, b, n), distance, rounding * distance);
}

TEST(dot_and_squared_distance_in_every_tier)
{
    for_all_sizes(check_sums);
}

static void check_dot_i8(const struct akin_kernels *k, size_t n, bool at_end)
{
    int8_t *a = place(0, n, at_end), *b = place(1, n, at_end);
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        a[i] = (int8_t)(draw() * 128);
        b[i] = i % 5 ? (int8_t)(draw() * 128) : -128;
        sum += a[i] * b[i];
    }
    CHECK_EQ(k->dot_i8(a, b, n), sum);
}

TEST(dot_i8_is_exact_in_every_tier)
{
    for_all_sizes(check_dot_i8);
    size_t n = 131071; /* the longest whose sum always fits */
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        int8_t *a = place(0, n, true), *b = place(1, n, true);
        memset(a, -128, n), memset(b, -128, n);
        CHECK_EQ(akin_kernels_named(*name)->dot_i8(a, b, n), 131071 * 16384);
        memset(b, 127, n);
        CHECK_EQ(akin_kernels_named(*name)->dot_i8(a, b, n), -131071 * 16256);
    }
}

static void check_axpy(const struct akin_kernels *k, size_t n, bool at_end)
{
    const float *x = place_floats(0, n, at_end);
    float *y = place_floats(1, n + 2, at_end), before[4200];
    memcpy(before, y, (n + 2) * sizeof *y);
    size_t shift = at_end ? 2 : 0; /* two values beside, which must stay */
    k->axpy(y + shift, -1.5f, x, n);
    bool right = !memcmp(y + (at_end ? 0 : n), before + (at_end ? 0 : n), 2 * sizeof *y);
    for (size_t i = 0; i < n; i++)
        right &= fabs(y[shift + i] - (before[shift + i] - 1.5 * x[i])) < 4e-7;
    CHECK(right);
}

TEST(axpy_in_every_tier)
{
    for_all_sizes(check_axpy);
}

static void check_conversions(const struct akin_kernels *k, size_t n, bool at_end)
{
    const struct akin_kernels *truth = akin_kernels_named("scalar");
    const float *in = place_floats(0, n, at_end);
    akin_f16 *half = place(1, n * sizeof *half, at_end), half_truth[4200];
    float *back = place(2, n * sizeof *back, at_end), back_truth[4200];
    k->f16_from_f32(half, in, n);
    truth->f16_from_f32(half_truth, in, n);
    CHECK(!memcmp(half, half_truth, n * sizeof *half));
    k->f32_from_f16(back, half, n);
    truth->f32_from_f16(back_truth, half, n);
    CHECK(!memcmp(back, back_truth, n * sizeof *back));
}

TEST(f16_conversions_of_every_size_in_every_tier)
{
    for_all_sizes(check_conversions);
}

/* One query, then blocks of them; a pair's result is the same to the bit wherever it stands. */
static void check_dots(const struct akin_kernels *k, size_t queries, size_t rows, size_t n)
{
    for (int at_end = 0; at_end < 2; at_end++) {
        const float *query = place_floats(0, queries * n, at_end);
        const akin_f16 *row = place_halves(1, rows * n, at_end);
        size_t stride = rows + 1;
        float *out = place(2, queries * stride * sizeof *out, at_end), single[100], truth;
        memset(out, 0x55, queries * stride * sizeof *out);
        k->dots_f16_block(out, stride, query, queries, row, rows, n);
        bool right = true;
        for (size_t q = 0; q < queries; q++) {
            k->dots_f16(single, query + q * n, row, rows, n);
            right &= !memcmp(single, out + q * stride, rows * sizeof *out);
            right &= !memcmp(out + q * stride + rows, "UUUU", 4);
            for (size_t r = 0; r < rows; r++) {
                akin_kernels_named("scalar")->dots_f16(&truth, query + q * n, row + r * n, 1, n);
                right &= fabs(single[r] - truth) <= 1e-7 * (4 + (double)n);
            }
        }
        CHECK(right);
    }
}

TEST(dots_f16_in_every_tier)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        for (size_t n = 0; n <= N_SMALL; n++)
            check_dots(k, 1 + n % 6, 1 + n % 7, n);
        for (size_t queries = 0; queries <= 9; queries++)
            for (size_t rows = 0; rows <= 9; rows++)
                check_dots(k, queries, rows, 37);
        check_dots(k, 11, 99, 224);
        check_dots(k, 5, 67, 1001);
    }
}

static void check_gemm(const struct akin_kernels *k, size_t m, size_t n, size_t depth, bool at_end)
{
    size_t c_stride = n + 3, a_stride = depth + 2, b_stride = n + 1;
    /* The last row ends where its contract does: nothing may be read or written behind. */
    size_t c_count = m ? (m - 1) * c_stride + n : 0, a_count = m ? (m - 1) * a_stride + depth : 0;
    size_t b_count = depth ? (depth - 1) * b_stride + n : 0;
    const float *a = place_floats(0, a_count, at_end), *b = place_floats(1, b_count, at_end);
    float *c = place_floats(2, c_count, at_end), *truth = place(3, c_count * sizeof *c, true);
    memcpy(truth, c, c_count * sizeof *c);
    k->gemm(c, c_stride, a, a_stride, b, b_stride, m, n, depth);
    bool right = true;
    for (size_t i = 0; i < c_count; i++) {
        if (i % c_stride >= n) {
            right &= c[i] == truth[i];
            continue;
        }
        double sum = truth[i];
        for (size_t p = 0; p < depth; p++)
            sum += (double)a[i / c_stride * a_stride + p] * b[p * b_stride + i % c_stride];
        right &= fabs(c[i] - sum) <= 1e-6 * (4 + (double)depth / 8);
    }
    if (!CHECK(right))
        printf("# %s: (%zu, %zu) of %zu\n", k->name, m, n, depth);
}

TEST(gemm_in_every_tier)
{
    static const size_t sizes[] = {0, 1, 2, 5, 6, 7, 12, 13, 16, 17, 31, 32, 33, 49};
    size_t count = sizeof sizes / sizeof *sizes;
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < count; j++)
                for (size_t p = 0; p < count; p += 1 + (i + j) % 3)
                    check_gemm(k, sizes[i], sizes[j], sizes[p], (i + j + p) % 2);
        check_gemm(k, 145, 65, 257, true);
        check_gemm(k, 288, 48, 513, false);
        check_gemm(k, 3, 200, 1000, true);
        check_gemm(k, 301, 1, 300, false);
    }
}

struct conv_shape {
    size_t count, filters, rows, run, x_step, x_stride;
    float gap;
};

static void check_conv(const struct akin_kernels *k, const struct conv_shape *s, bool at_end)
{
    size_t x_count =
        s->count ? (s->rows - 1) * s->x_stride + (s->count - 1) * s->x_step + s->run : 0;
    const float *x = place_floats(0, x_count, at_end);
    const float *w = place_floats(1, s->filters * s->rows * s->run, at_end);
    const float *bias = place_floats(2, s->filters, at_end);
    float *positive = place_floats(3, s->filters, at_end);
    float *negative = place_floats(4, s->filters, at_end), truth[2][256];
    memcpy(truth[0], positive, s->filters * sizeof *positive);
    memcpy(truth[1], negative, s->filters * sizeof *negative);
    akin_kernels_named("scalar")->conv_rectify_sum(truth[0], truth[1], x, s->x_stride, s->x_step,
                                                   s->count, w, bias, s->filters, s->rows, s->run,
                                                   s->gap);
    k->conv_rectify_sum(positive, negative, x, s->x_stride, s->x_step, s->count, w, bias,
                        s->filters, s->rows, s->run, s->gap);
    bool right = true;
    double tolerance = 1e-6 * (double)(s->count + 1) * (2 + (double)(s->rows * s->run) / 8);
    for (size_t f = 0; f < s->filters; f++) {
        right &= fabs(positive[f] - truth[0][f]) <= tolerance;
        right &= fabs(negative[f] - truth[1][f]) <= tolerance;
    }
    if (!CHECK(right))
        printf("# %s: %zu positions, %zu filters of %zu x %zu\n", k->name, s->count, s->filters,
               s->rows, s->run);
}

TEST(conv_rectify_sum_in_every_tier)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        for (size_t count = 0; count <= 31; count++) {
            for (size_t bands = 1; bands <= 4; bands++) {
                struct conv_shape s = {.count = count, .filters = 16 * (1 + count % 3)};
                s.rows = 1 + (count + bands) % 5;
                s.run = (1 + count % 5) * bands;
                s.x_step = 2 * bands;
                s.x_stride = count * s.x_step + s.run + 1;
                s.gap = bands % 2 ? 0.25f : 0;
                check_conv(k, &s, false);
                check_conv(k, &s, true);
            }
        }
        check_conv(k, &(struct conv_shape){30, 256, 5, 15, 6, 192, 0.5f}, true);
        check_conv(k, &(struct conv_shape){30, 0, 5, 15, 6, 192, 0.5f}, true);
    }
}

/* The truth itself, by hand: two filters that see x and -2x + 1 at x = 1, 2, 3, -4. */
TEST(conv_rectify_sum_by_hand)
{
    static const float x[] = {1, 99, 2, 99, 3, 99, -4};
    float w[16] = {1, -2}, bias[16] = {0, 1}, positive[16] = {10}, negative[16] = {20};
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        positive[0] = 10, positive[1] = 0, negative[0] = 20, negative[1] = 0;
        akin_kernels_named(*name)->conv_rectify_sum(positive, negative, x, 7, 2, 4, w, bias, 16, 1,
                                                    1, 0.5f);
        CHECK(positive[0] == 16 && negative[0] == 23.5f); /* 1 + 2 + 3; 4 - gap */
        CHECK(positive[1] == 9 && negative[1] == 7.5f);   /* 9; 1 + 3 + 5 less three gaps */
        CHECK(positive[15] == 0 && negative[15] == 0);
    }
}

static void check_weigh_rows(const struct akin_kernels *k, size_t n, bool at_end)
{
    static const size_t counts[] = {1, 2, 3, 6, 259};
    static const float weights[3] = {25, 64, 7};
    for (size_t c = 0; c < (n > 1000 ? 4 : 5); c++) {
        size_t count = counts[c];
        uint8_t *rows = place(0, count * n, at_end);
        float *out = place(1, n * sizeof *out, at_end);
        for (size_t i = 0; i < count * n; i++)
            rows[i] = i % 7 ? (uint8_t)(draw() * 128 + 128) : 255;
        k->weigh_rows_u8(out, rows, count, weights, n);
        for (size_t i = 0; i < n; i++) {
            int64_t sum = 25 * rows[i] + (count > 1 ? 7 * rows[(count - 1) * n + i] : 0);
            for (size_t r = 1; r + 1 < count; r++)
                sum += 64 * rows[r * n + i];
            CHECK_EQ((int64_t)out[i], sum);
        }
    }
}

TEST(weigh_rows_u8_is_exact_in_every_tier)
{
    for_all_sizes(check_weigh_rows);
}

/* `cells` cells over `width` pixels as akin_tile_input has them. */
static void check_boxes(const struct akin_kernels *k, size_t width, size_t cells, size_t bands,
                        bool at_end)
{
    struct akin_box *boxes = place(0, cells * sizeof *boxes, at_end);
    float *row = place(1, width * bands * sizeof *row, at_end);
    double *out = place(2, cells * bands * sizeof *out, at_end);
    for (size_t i = 0; i < width * bands; i++)
        row[i] = (float)(int)(draw() * 65536);
    for (size_t i = 0; i < cells; i++) {
        size_t first = i * width / cells, last = ((i + 1) * width - 1) / cells;
        boxes[i] = (struct akin_box){(uint32_t)first, (uint32_t)last, 3, first == last ? 0 : 5};
    }
    k->sum_boxes(out, row, width, boxes, cells, 11, bands);
    for (size_t i = 0; i < cells * bands; i++) {
        const struct akin_box *box = &boxes[i / bands];
        double sum = 0;
        for (size_t p = box->first; p <= box->last; p++)
            sum += (double)row[p * bands + i % bands] * (p == box->first  ? box->head
                                                         : p == box->last ? box->tail
                                                                          : 11);
        CHECK(out[i] == sum);
    }
}

static void check_sum_boxes(const struct akin_kernels *k, size_t n, bool at_end)
{
    for (size_t bands = 1; bands <= 9 && n > 0 && n <= 256; bands += n > N_SMALL ? 4 : 1) {
        check_boxes(k, n, 1, bands, at_end);
        check_boxes(k, n, n / 3 + 1, bands, at_end);
        check_boxes(k, n, n, bands, at_end);
        check_boxes(k, n, 2 * n + 1, bands, at_end);
    }
}

TEST(sum_boxes_is_exact_in_every_tier)
{
    for_all_sizes(check_sum_boxes);
}

/* Values of eighths, so that no rounding hides a wrong cut. */
static void check_bytes(const struct akin_kernels *k, size_t n, bool at_end)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, 1e300, -1e300};
    double *in = place(0, n * sizeof *in, at_end), *scale = place(1, n * sizeof *in, at_end);
    double *shift = place(2, n * sizeof *in, at_end);
    uint8_t *out = place(3, n, at_end);
    for (size_t i = 0; i < n; i++) {
        in[i] = i % 9 == 4 ? odd[i / 9 % 5] : floor(draw() * 2000 + 1000);
        scale[i] = i % 2 ? 0.125 : 0.25;
        shift[i] = i % 3 ? 0.5 : -40;
    }
    k->bytes_from_f64(out, in, scale, shift, n);
    for (size_t i = 0; i < n; i++) {
        double value = in[i] * scale[i] + shift[i];
        CHECK_EQ(out[i], isnan(value) || value >= 255 ? 255 : value <= 0 ? 0 : (int)value);
    }
}

TEST(bytes_from_f64_in_every_tier)
{
    for_all_sizes(check_bytes);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
