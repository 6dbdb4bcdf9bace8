/*
 * Winograd's convolution around the kernels of vec. The map is cut into tiles, numbered through the
 * batch; a group of tiles at a time is brought to frequencies, which stay in the cache for
 *
 *     forward           Y~_f (tiles, out) = X~_f (tiles, in) * W~_f (in, out)
 *     weight gradient   W~_f (in, out)   += X~_f (tiles, in)^T * Y~_f (tiles, out)
 *
 * for every frequency f, and back. Weights in frequencies lie in strips (f, out / 16, in, 16), with
 * zeros behind the last channel: 4 times (2x2 maps: once) the bytes of the plain ones.
 *
 * Beside a direct sum in double precision the largest error is below 1e-5 of the result's root mean
 * square for up to 512 channels, rectified inputs among them; a plain f32 sum has 0.2 to 1.1e-5.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "winograd.h"

#include <string.h>

#define LINE (AKIN_ALIGN / sizeof(float))
#define KERNEL 9 /* weights of a 3x3 */
#define CHANNELS_MAX 8192
#define DEPTH_MAX 128 /* channels in one product: shorter sums round less, and B stays in L1 */

static size_t strips(uint32_t channels)
{
    return (channels + AKIN_STRIP - 1) / AKIN_STRIP;
}

/* At least `floats`, an odd number of cache lines. */
static size_t odd_lines(size_t floats)
{
    return ((floats + LINE - 1) / LINE | 1) * LINE;
}

static const struct akin_winograd *kernels_of(const struct winograd *plan)
{
    return plan->tile == 4 ? &akin_kernels()->winograd4 : &akin_kernels()->winograd2;
}

/* Of few channels, tiles that stay in a core's 512 KB together with the weights; of many, for which
 * the weights are larger than that, enough tiles for each time that they are read. Measured with 12
 * to 96 tiles on a Zen 3: 10 % between the best and the others. Multiples of the kernels' rows. */
static size_t group_of(const struct winograd *plan)
{
    size_t group = plan->shape.in + plan->shape.out < 512 ? 24 : 48;
    return plan->tiles < group ? plan->tiles : group;
}

akin_status winograd_init(struct winograd *out, const struct winograd_shape *shape, akin_error *err)
{
    bool whole = shape->px == 2;
    struct winograd plan = {.shape = *shape,
                            .tile = whole ? 2 : 4,
                            .border = whole ? 0 : 1,
                            .plane_count = whole ? 9 : 36};
    if ((shape->block != 8 && shape->block != 16) || !shape->in || !shape->out || shape->px < 2 ||
        !shape->batch || shape->in % shape->block || shape->out % shape->block)
        return akin_error_set(
            err, AKIN_ERR_UNSUPPORTED,
            "no Winograd convolution of %u images, %u to %u channels in blocks of "
            "%u, %u px",
            shape->batch, shape->in, shape->out, shape->block, shape->px);
    if (shape->in > CHANNELS_MAX || shape->out > CHANNELS_MAX || shape->px > CHANNELS_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "a convolution of more than %d channels or pixels", CHANNELS_MAX);
    plan.across = (shape->px + plan.tile - 1) / plan.tile;
    plan.tiles = (size_t)shape->batch * plan.across * plan.across;
    plan.group = group_of(&plan);
    plan.in_row = odd_lines(shape->in);
    plan.out_row = odd_lines(strips(shape->out) * AKIN_STRIP);
    plan.in_plane = odd_lines(plan.group * plan.in_row);
    plan.out_plane = odd_lines(plan.group * plan.out_row);
    plan.weight_plane = odd_lines(strips(shape->out) * AKIN_STRIP * shape->in);
    *out = plan;
    return AKIN_OK;
}

size_t winograd_weight_bytes(const struct winograd *plan)
{
    return plan->plane_count * plan->weight_plane * sizeof(float);
}

size_t winograd_scratch_bytes(const struct winograd *plan)
{
    return plan->plane_count * (plan->in_plane + plan->out_plane) * sizeof(float);
}

size_t winograd_gradient_scratch_bytes(const struct winograd *plan)
{
    return winograd_scratch_bytes(plan) + winograd_weight_bytes(plan);
}

/* ---- squares ---- */

/* The frequencies of one tile, or of one strip of weights: planes apart. */
static struct akin_square in_planes(const struct winograd *plan, size_t plane, size_t run)
{
    uint32_t side = plan->plane_count == 9 ? 3 : 6;
    return (struct akin_square){
        .row = side * plane, .column = plane, .run = run, .bottom = side, .right = side};
}

/* `side` pixels from `first` on, which may hang over the map: which of them there are. */
static void clip(int32_t first, uint32_t side, uint32_t px, uint32_t *begin, uint32_t *end)
{
    *begin = first < 0 ? (uint32_t)-first : 0;
    *end = first + (int32_t)side > (int32_t)px ? (uint32_t)((int32_t)px - first) : side;
}

/* Tile number `tile` of a tensor of that many channels, `border` pixels wider on each side: its
 * square, and where the first of its pixels lies. */
static size_t tile_square(const struct winograd *plan, uint32_t channels, size_t tile,
                          uint32_t border, struct akin_square *square)
{
    const uint32_t px = plan->shape.px, block = plan->shape.block, side = plan->tile + 2 * border;
    size_t image = tile / plan->across / plan->across;
    int32_t y = (int32_t)(tile / plan->across % plan->across * plan->tile) - (int32_t)border;
    int32_t x = (int32_t)(tile % plan->across * plan->tile) - (int32_t)border;
    *square = (struct akin_square){
        .row = (size_t)px * block, .column = block, .run = (size_t)px * px * block};
    clip(y, side, px, &square->top, &square->bottom);
    clip(x, side, px, &square->left, &square->right);
    size_t top = (size_t)(y + (int32_t)square->top), left = (size_t)(x + (int32_t)square->left);
    return image * channels * px * px + (top * px + left) * block;
}

/* Rows of a tile are far apart, several streams for every block of channels, which no hardware
 * prefetcher follows: asked for a few tiles ahead, 32 channels take a third less time. */
#define AHEAD 3
static void prefetch_tile(const struct winograd *plan, const float *tensor, uint32_t channels,
                          size_t tile)
{
    if (tile >= plan->tiles)
        return;
    struct akin_square square;
    const float *at = tensor + tile_square(plan, channels, tile, 0, &square);
    const uint32_t block = plan->shape.block;
    for (uint32_t c = 0; c < channels; c += block, at += square.run)
        for (uint32_t i = 0; i < square.bottom; i++)
            for (uint32_t j = 0; j < square.right * block; j += LINE)
                __builtin_prefetch(at + i * square.row + j);
}

/* planes (f, count, row) <- `count` tiles of a tensor from the first on. */
static void read_tiles(const struct winograd *plan, float *planes, size_t plane, size_t row,
                       akin_transform *transform, const float *from, uint32_t channels,
                       uint32_t border, size_t first, size_t count)
{
    const uint32_t block = plan->shape.block;
    const struct akin_square to = in_planes(plan, plane, block);
    for (size_t t = 0; t < count; t++) {
        prefetch_tile(plan, from, channels, first + t + AHEAD);
        struct akin_square square;
        size_t at = tile_square(plan, channels, first + t, border, &square);
        transform(planes + t * row, &to, from + at, &square, channels / block, block, NULL);
    }
}

static void read_input(const struct winograd *plan, float *planes, const float *x, size_t first,
                       size_t count)
{
    read_tiles(plan, planes, plan->in_plane, plan->in_row, kernels_of(plan)->input, x,
               plan->shape.in, plan->border, first, count);
}

/* ---- forward ---- */

void winograd_weights(const struct winograd *plan, float *frequencies, const float *plain,
                      bool turned)
{
    const uint32_t in = plan->shape.in, out = plan->shape.out;
    const struct akin_square to = in_planes(plan, plan->weight_plane, 0);
    const struct akin_square from = {
        .row = 3 * AKIN_STRIP, .column = AKIN_STRIP, .bottom = 3, .right = 3};
    for (size_t o = 0; o < out; o += AKIN_STRIP)
        for (size_t c = 0; c < in; c++, frequencies += AKIN_STRIP) {
            float strip[KERNEL * AKIN_STRIP] = {0};
            size_t some = out - o < AKIN_STRIP ? out - o : AKIN_STRIP;
            for (size_t s = 0; s < some; s++) {
                const float *w = plain + (turned ? c * out + o + s : (o + s) * in + c) * KERNEL;
                for (size_t i = 0; i < KERNEL; i++)
                    strip[i * AKIN_STRIP + s] = w[turned ? KERNEL - 1 - i : i];
            }
            kernels_of(plan)->weights(frequencies, &to, strip, &from, 1, AKIN_STRIP, NULL);
        }
}

static void multiply_forward(const struct winograd *plan, float *y, const float *x,
                             const float *weights, size_t count)
{
    const struct akin_kernels *kernels = akin_kernels();
    const size_t in = plan->shape.in, strip_count = strips(plan->shape.out);
    for (size_t i = 0; i < plan->plane_count * strip_count; i++) {
        size_t f = i / strip_count, s = i % strip_count;
        float *c = y + f * plan->out_plane + s * AKIN_STRIP;
        const float *b = weights + f * plan->weight_plane + s * AKIN_STRIP * in;
        for (size_t k = 0; k < in; k += DEPTH_MAX) {
            const struct akin_strip_left left = {x + f * plan->in_plane + k, plan->in_row, 1};
            size_t depth = in - k < DEPTH_MAX ? in - k : DEPTH_MAX;
            kernels->multiply_strip(c, plan->out_row, &left, b + k * AKIN_STRIP, AKIN_STRIP, count,
                                    depth, k > 0);
        }
    }
}

static void write_tiles(const struct winograd *plan, float *y, const float *planes, size_t first,
                        size_t count, const struct akin_square_end *end)
{
    const uint32_t out = plan->shape.out, block = plan->shape.block;
    const struct akin_square from = in_planes(plan, plan->out_plane, block);
    for (size_t t = 0; t < count; t++) {
        prefetch_tile(plan, y, out, first + t + AHEAD);
        struct akin_square square;
        size_t at = tile_square(plan, out, first + t, 0, &square);
        kernels_of(plan)->output(y + at, &square, planes + t * plan->out_row, &from, out / block,
                                 block, end);
    }
}

void winograd_run(const struct winograd *plan, const float *frequencies, const float *x, float *y,
                  const struct akin_square_end *end, void *scratch)
{
    float *in = scratch, *out = in + plan->plane_count * plan->in_plane;
    for (size_t first = 0; first < plan->tiles; first += plan->group) {
        size_t count = plan->tiles - first < plan->group ? plan->tiles - first : plan->group;
        read_input(plan, in, x, first, count);
        multiply_forward(plan, out, in, frequencies, count);
        write_tiles(plan, y, out, first, count, end);
    }
}

/* ---- weight gradient ---- */

/* `add`: to what the groups before have left. */
static void multiply_backward(const struct winograd *plan, float *dw, const float *x,
                              const float *dy, size_t count, bool add)
{
    const struct akin_kernels *kernels = akin_kernels();
    const uint32_t in = plan->shape.in;
    for (size_t f = 0; f < plan->plane_count; f++) {
        const struct akin_strip_left left = {x + f * plan->in_plane, 1, plan->in_row};
        for (size_t s = 0; s < strips(plan->shape.out); s++)
            kernels->multiply_strip(dw + f * plan->weight_plane + s * AKIN_STRIP * in, AKIN_STRIP,
                                    &left, dy + f * plan->out_plane + s * AKIN_STRIP, plan->out_row,
                                    in, count, add);
    }
}

static void write_weight_gradient(const struct winograd *plan, float *dw, const float *planes)
{
    const uint32_t in = plan->shape.in, out = plan->shape.out;
    const struct akin_square from = in_planes(plan, plan->weight_plane, 0);
    const struct akin_square to = {
        .row = 3 * AKIN_STRIP, .column = AKIN_STRIP, .bottom = 3, .right = 3};
    for (size_t o = 0; o < out; o += AKIN_STRIP)
        for (size_t c = 0; c < in; c++, planes += AKIN_STRIP) {
            float strip[KERNEL * AKIN_STRIP];
            size_t some = out - o < AKIN_STRIP ? out - o : AKIN_STRIP;
            kernels_of(plan)->weight_gradient(strip, &to, planes, &from, 1, AKIN_STRIP, NULL);
            for (size_t s = 0; s < some; s++)
                for (size_t i = 0; i < KERNEL; i++)
                    dw[((o + s) * in + c) * KERNEL + i] = strip[i * AKIN_STRIP + s];
        }
}

void winograd_weight_gradient(const struct winograd *plan, const float *x, const float *dy,
                              float *dw, void *scratch)
{
    float *in = scratch, *out = in + plan->plane_count * plan->in_plane;
    float *sums = out + plan->plane_count * plan->out_plane;
    if (plan->shape.out % AKIN_STRIP) /* the last strip reaches past the last channel */
        memset(out, 0, plan->plane_count * plan->out_plane * sizeof *out);
    for (size_t first = 0; first < plan->tiles; first += plan->group) {
        size_t count = plan->tiles - first < plan->group ? plan->tiles - first : plan->group;
        read_input(plan, in, x, first, count);
        read_tiles(plan, out, plan->out_plane, plan->out_row, kernels_of(plan)->output_gradient, dy,
                   plan->shape.out, 0, first, count);
        multiply_backward(plan, sums, in, out, count, first > 0);
    }
    write_weight_gradient(plan, dw, sums);
}
