/*
 * Winograd's convolutions against plain sums in double precision: the shapes of every preset, ragged
 * maps, odd batches, both blocks, all three directions; tensors lie against forbidden pages.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/model/winograd.h"
#include "../check.h"

/* Of the result's root mean square. */
#define TOLERANCE 2e-5

/* `floats` right before a page that may not be touched. */
struct guarded {
    void *map;
    size_t bytes;
    float *values;
};

static struct guarded guarded_create(size_t floats)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t inside = (floats * sizeof(float) + page - 1) / page * page;
    struct guarded it = {.bytes = inside + 2 * page};
    it.map = mmap(NULL, it.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (it.map == MAP_FAILED || mprotect(it.map, page, PROT_NONE) ||
        mprotect((char *)it.map + page + inside, page, PROT_NONE))
        abort();
    it.values = (float *)(void *)((char *)it.map + page + inside) - floats;
    return it;
}

static struct guarded guarded_draw(size_t floats, uint64_t seed)
{
    struct guarded it = guarded_create(floats);
    for (size_t i = 0; i < floats; i++)
        it.values[i] = (float)akin_random_unit(seed, 1, i) * 2 - 1;
    return it;
}

static void guarded_free(struct guarded *it)
{
    munmap(it->map, it->bytes);
}

/* ---- the truth ---- */

/* Where (n, c, y, x) lies in the blocked layout. */
static size_t blocked(const struct winograd_shape *shape, uint32_t channels, size_t n, size_t c,
                      size_t y, size_t x)
{
    size_t px = shape->px, block = shape->block;
    return (((n * channels + c / block * block) * px + y * block) * px) + x * block + c % block;
}

static bool is_inside(const struct winograd_shape *shape, size_t y, size_t dy, size_t x, size_t dx)
{
    return y + dy >= 1 && x + dx >= 1 && y + dy <= shape->px && x + dx <= shape->px;
}

/* Calls for every product of the convolution: its places in y, x and w. */
typedef void product_fn(void *user, size_t y, size_t x, size_t w);
static void for_all_products(const struct winograd_shape *shape, product_fn *call, void *user)
{
    for (size_t n = 0; n < shape->batch; n++)
        for (size_t o = 0; o < shape->out; o++)
            for (size_t c = 0; c < shape->in; c++)
                for (size_t i = 0; i < (size_t)shape->px * shape->px * 9; i++) {
                    size_t tap = i % 9, y = i / 9 / shape->px, x = i / 9 % shape->px;
                    if (is_inside(shape, y, tap / 3, x, tap % 3))
                        call(user, blocked(shape, shape->out, n, o, y, x),
                             blocked(shape, shape->in, n, c, y + tap / 3 - 1, x + tap % 3 - 1),
                             (o * shape->in + c) * 9 + tap);
                }
}

struct sums {
    double *to;
    const float *left, *right;
};

static void add_forward(void *user, size_t y, size_t x, size_t w)
{
    struct sums *sums = user;
    sums->to[y] += (double)sums->left[x] * sums->right[w];
}

static void add_data_gradient(void *user, size_t y, size_t x, size_t w)
{
    struct sums *sums = user;
    sums->to[x] += (double)sums->left[y] * sums->right[w];
}

static void add_weight_gradient(void *user, size_t y, size_t x, size_t w)
{
    struct sums *sums = user;
    sums->to[w] += (double)sums->left[x] * sums->right[y];
}

/* The largest difference, of the truth's root mean square. */
static double error_of(const float *got, const double *truth, size_t n)
{
    double squares = 0, worst = 0;
    for (size_t i = 0; i < n; i++) {
        squares += truth[i] * truth[i];
        worst = fmax(worst, fabs(got[i] - truth[i]));
        if (!isfinite(got[i]))
            return INFINITY;
    }
    return worst / sqrt(squares / (double)n);
}

/* ---- the cases ---- */

struct problem {
    struct winograd_shape shape;
    size_t x_count, y_count, w_count;
    struct guarded x, y, w;
};

static struct problem problem_create(uint32_t in, uint32_t out, uint32_t px, uint32_t batch,
                                     uint32_t block)
{
    struct problem it = {.shape = {in, out, px, batch, block}};
    it.x_count = (size_t)batch * in * px * px;
    it.y_count = (size_t)batch * out * px * px;
    it.w_count = (size_t)in * out * 9;
    it.x = guarded_draw(it.x_count, 1);
    it.y = guarded_draw(it.y_count, 2);
    it.w = guarded_draw(it.w_count, 3);
    return it;
}

static void problem_free(struct problem *it)
{
    guarded_free(&it->x);
    guarded_free(&it->y);
    guarded_free(&it->w);
}

/* Scratch as the calls get it from a graph: aligned, full of another step's values. */
static float *scratch_of(size_t bytes)
{
    float *scratch = akin_alloc(bytes, 1);
    if (scratch)
        memset(scratch, 0xff, bytes); /* NaN */
    return scratch;
}

static void convolve(const struct winograd_shape *shape, const float *w, bool turned,
                     const float *x, float *y, const struct akin_square_end *end)
{
    struct winograd plan;
    REQUIRE_OK(winograd_init(&plan, shape, err));
    float *frequencies = scratch_of(winograd_weight_bytes(&plan));
    float *scratch = scratch_of(winograd_scratch_bytes(&plan));
    winograd_weights(&plan, frequencies, w, turned);
    winograd_run(&plan, frequencies, x, y, end, scratch);
    akin_free(frequencies);
    akin_free(scratch);
}

static double forward_error(struct problem *it)
{
    double *truth = akin_alloc_zero(it->y_count, sizeof *truth);
    struct guarded got = guarded_create(it->y_count);
    for_all_products(&it->shape, add_forward, &(struct sums){truth, it->x.values, it->w.values});
    convolve(&it->shape, it->w.values, false, it->x.values, got.values, NULL);
    double error = error_of(got.values, truth, it->y_count);
    guarded_free(&got);
    akin_free(truth);
    return error;
}

static double data_gradient_error(struct problem *it)
{
    double *truth = akin_alloc_zero(it->x_count, sizeof *truth);
    struct guarded got = guarded_create(it->x_count);
    struct winograd_shape back = it->shape;
    back.in = it->shape.out;
    back.out = it->shape.in;
    for_all_products(&it->shape, add_data_gradient,
                     &(struct sums){truth, it->y.values, it->w.values});
    convolve(&back, it->w.values, true, it->y.values, got.values, NULL);
    double error = error_of(got.values, truth, it->x_count);
    guarded_free(&got);
    akin_free(truth);
    return error;
}

static double weight_gradient_error(struct problem *it)
{
    double *truth = akin_alloc_zero(it->w_count, sizeof *truth), error = INFINITY;
    struct guarded got = guarded_create(it->w_count);
    struct winograd plan;
    if (winograd_init(&plan, &it->shape, NULL) == AKIN_OK) {
        float *scratch = scratch_of(winograd_gradient_scratch_bytes(&plan));
        for_all_products(&it->shape, add_weight_gradient,
                         &(struct sums){truth, it->x.values, it->y.values});
        winograd_weight_gradient(&plan, it->x.values, it->y.values, got.values, scratch);
        error = error_of(got.values, truth, it->w_count);
        akin_free(scratch);
    }
    guarded_free(&got);
    akin_free(truth);
    return error;
}

static void check_shape(uint32_t in, uint32_t out, uint32_t px, uint32_t batch, uint32_t block)
{
    struct problem it = problem_create(in, out, px, batch, block);
    double errors[3] = {forward_error(&it), data_gradient_error(&it), weight_gradient_error(&it)};
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(errors[i], 0, TOLERANCE);
    problem_free(&it);
}

TEST(the_shapes_of_the_presets)
{
    for (uint32_t block = 8; block <= 16; block += 8) {
        check_shape(32, 32, 32, 1, block);
        check_shape(64, 64, 16, 1, block);
        check_shape(128, 128, 8, 1, block);
        check_shape(256, 256, 4, 1, block);
        check_shape(512, 512, 2, 1, block);
    }
}

/* Maps that tiles do not cover evenly, sides of their own, groups that do not come out even. */
TEST(ragged_maps_and_odd_numbers)
{
    for (uint32_t px = 2; px <= 13; px++) {
        check_shape(8, 24, px, 1, 8);
        check_shape(40, 8, px, 5, 8);
        check_shape(16, 48, px, 7, 16);
    }
    check_shape(8, 8, 2, 131, 8);
    check_shape(8, 8, 4, 97, 8);
    check_shape(8, 16, 9, 49, 8);
}

/* What encoding adds in the same step. */
TEST(bias_sum_and_relu_follow)
{
    for (uint32_t px = 2; px <= 6; px += 2) {
        struct problem it = problem_create(16, 24, px, 3, 8);
        struct guarded got = guarded_create(it.y_count), bias = guarded_draw(24, 4);
        float *plain = akin_alloc(it.y_count, sizeof *plain);
        const struct akin_square_end ends[] = {{bias.values, true, true},
                                               {bias.values, false, false},
                                               {NULL, true, false},
                                               {NULL, false, true}};
        convolve(&it.shape, it.w.values, false, it.x.values, plain, NULL);
        for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
            bool right = true;
            memcpy(got.values, it.y.values, it.y_count * sizeof(float));
            convolve(&it.shape, it.w.values, false, it.x.values, got.values, &ends[e]);
            for (size_t i = 0; i < it.y_count; i++) {
                size_t channel = i / ((size_t)px * px * 8) % 3 * 8 + i % 8;
                float value = plain[i] + (ends[e].bias ? bias.values[channel] : 0) +
                              (ends[e].add ? it.y.values[i] : 0);
                right &= fabsf(got.values[i] - (ends[e].relu ? fmaxf(value, 0) : value)) < 1e-5f;
            }
            CHECK(right);
        }
        akin_free(plain);
        guarded_free(&bias);
        guarded_free(&got);
        problem_free(&it);
    }
}

/* A view's result does not depend on the views beside it: replicas and resumed runs rely on it. */
TEST(an_image_alone_or_among_others)
{
    struct problem it = problem_create(16, 16, 8, 40, 8);
    struct guarded all = guarded_create(it.y_count);
    convolve(&it.shape, it.w.values, false, it.x.values, all.values, NULL);
    size_t map = (size_t)16 * 8 * 8;
    struct guarded one = guarded_create(map);
    struct winograd_shape single = it.shape;
    single.batch = 1;
    for (size_t n = 0; n < 40; n += 13) {
        convolve(&single, it.w.values, false, it.x.values + n * map, one.values, NULL);
        CHECK(!memcmp(one.values, all.values + n * map, map * sizeof(float)));
    }
    guarded_free(&one);
    guarded_free(&all);
    problem_free(&it);
}

/* Activations behind a relu: all of one sign, many of them 0. Where values of one sign add up, the
 * root mean square is larger, but what cancels in the transforms is, too. */
TEST(rectified_activations)
{
    struct problem it = problem_create(64, 64, 16, 2, 8);
    for (size_t i = 0; i < it.x_count; i++)
        it.x.values[i] = fmaxf(it.x.values[i], 0);
    CHECK_NEAR(forward_error(&it), 0, TOLERANCE);
    CHECK_NEAR(weight_gradient_error(&it), 0, TOLERANCE);
    problem_free(&it);
}

TEST(shapes_that_are_none)
{
    static const struct winograd_shape bad[] = {
        {0, 8, 4, 1, 8},  {8, 0, 4, 1, 8},  {8, 8, 1, 1, 8},   {8, 8, 4, 0, 8},
        {12, 8, 4, 1, 8}, {8, 12, 4, 1, 8}, {8, 16, 4, 1, 16}, {8, 8, 4, 1, 1}};
    struct winograd plan;
    akin_error err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_EQ(winograd_init(&plan, &bad[i], &err), AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(err.text, "8 to 8 channels in blocks of 1");
    const struct winograd_shape wide = {8, 1u << 20, 4, 1, 8};
    CHECK_EQ(winograd_init(&plan, &wide, &err), AKIN_ERR_LIMIT);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
