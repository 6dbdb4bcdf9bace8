/*
 * Views of a tile: drawn, resampled, coloured, blurred and noised, in that order.
 *
 * Resampling is separable: a row of output is first a weighted sum of a few rows of the tile, bytes
 * of all bands side by side, then its pixels are weighted sums of a few of that row's. The weights
 * are the triangle of the bilinear filter, widened to output pixels where the view shrinks the
 * tile, so that fine texture does not come back as aliasing. Flips only turn the tables round, a
 * quarter turn writes rows as columns. Normalisation and all changes of colour are one affine map
 * of the raw values.
 *
 * Inner loops run in pieces of RUN, a constant: gcc-12 vectorises no other loops at -O2. One core
 * of a Zen 3, 96 px to 64, 3 bands: 40 us a view on average, 23 of them to resample; a blur 25.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "augment.h"

#define SIDE_MAX 512
#define RUN 16
#define LANES 4
/* A vector register of any CPU, from and to anywhere. */
typedef float lanes __attribute__((vector_size(16), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))

#define ASPECT_MAX (4.0 / 3)
#define BLUR_REACH 3 /* pixels: 2.5 deviations of the widest */
#define BLUR_TAPS (2 * BLUR_REACH + 1)
#define BLUR_MIN 0.3
#define BLUR_MAX 1.2
#define NOISE_MAX 0.1

/* Under the run's seed; its numbers, one an epoch, are the seeds of the views' own. */
#define STREAM_AUGMENT 0x41554700

void augment_options_default(struct augment_options *out)
{
    *out = (struct augment_options){.crop_min = 0.35,
                                    .gain = 0.1,
                                    .offset = 0.3,
                                    .contrast = 0.4,
                                    .saturation = 0.4,
                                    .grey = 0.2,
                                    .blur = 0.3,
                                    .noise = 0.2,
                                    .turn = true};
}

/* ---- draws ---- */

/* Each number of a view has a place of its own: a change of one option moves no other draw. */
enum draw {
    DRAW_TURN,
    DRAW_AREA,
    DRAW_ASPECT,
    DRAW_LEFT,
    DRAW_TOP,
    DRAW_OFFSET,
    DRAW_CONTRAST,
    DRAW_SATURATION,
    DRAW_GREY,
    DRAW_BLUR,
    DRAW_BLUR_WIDTH,
    DRAW_NOISE,
    DRAW_NOISE_SIZE,
    DRAW_NOISE_SEED,
    DRAW_GAIN = DRAW_NOISE_SEED + RUN /* one a band */
};

struct dice {
    uint64_t key, tile, view;
};

static uint64_t draw_bits(const struct dice *dice, unsigned what)
{
    return akin_random_u64(dice->key, dice->tile, dice->view << 32 | what);
}

/* Uniform in [low, high). */
static double draw_between(const struct dice *dice, unsigned what, double low, double high)
{
    return low + (double)(draw_bits(dice, what) >> 11) * 0x1p-53 * (high - low);
}

static bool draw_chance(const struct dice *dice, unsigned what, double chance)
{
    return draw_between(dice, what, 0, 1) < chance;
}

/* ---- resampling ---- */

/* The part of the tile that a view shows, in pixels, and the symmetry: 1 = left and right change
 * places, 2 = top and bottom, then 4 = rows become columns. */
struct crop {
    double left, top, width, height;
    unsigned d4;
};

/* Along one axis: output i is the sum of weight[i * count + t] * input[first[i] + t], t < count. */
struct taps {
    uint32_t count;
    uint32_t first[SIDE_MAX];
    float weight[3 * SIDE_MAX]; /* px * ceil(2 * max(1, extent / px)) <= 2 * extent + px */
};

/* Of the triangle at x. */
static double height(double x, double reach)
{
    double y = reach - fabs(x);
    return y > 0 ? y : 0;
}

/* Pixels beyond an edge of the tile count as the edge. */
static void make_taps(struct taps *taps, double start, double extent, uint32_t side, uint32_t px,
                      bool flip)
{
    double scale = extent / px, reach = fmax(scale, 1);
    int count = (int)ceil(2 * reach);
    taps->count = (uint32_t)count;
    for (uint32_t i = 0; i < px; i++) {
        uint32_t slot = flip ? px - 1 - i : i;
        float *weight = taps->weight + (size_t)slot * taps->count;
        double centre = start + (i + 0.5) * scale - 0.5, sum = 0;
        int begin = (int)floor(centre - reach) + 1, last = (int)side - 1;
        int first = begin < 0 ? 0 : begin > last + 1 - count ? last + 1 - count : begin;
        memset(weight, 0, taps->count * sizeof *weight);
        for (int t = begin; t < begin + count; t++)
            sum += height(t - centre, reach);
        for (int t = begin; t < begin + count; t++) {
            int inside = t < 0 ? 0 : t > last ? last : t;
            weight[inside - first] += (float)(height(t - centre, reach) / sum);
        }
        taps->first[slot] = (uint32_t)first;
    }
}

INLINE void blend_run(float *restrict out, const uint8_t *restrict rows, size_t stride,
                      const float *restrict weight, size_t count, size_t n)
{
    float sum[RUN];
    for (size_t i = 0; i < n; i++)
        sum[i] = weight[0] * rows[i];
    for (size_t t = 1; t < count; t++)
        for (size_t i = 0; i < n; i++)
            sum[i] += weight[t] * rows[t * stride + i];
    for (size_t i = 0; i < n; i++)
        out[i] = sum[i];
}

INLINE void blend_count(float *out, const uint8_t *rows, size_t stride, const float *weight,
                        size_t count, size_t n)
{
    size_t i = 0;
    for (; i + RUN <= n; i += RUN)
        blend_run(out + i, rows + i, stride, weight, count, RUN);
    blend_run(out + i, rows + i, stride, weight, count, n - i);
}

/* out (n) = the sum of `count` rows of bytes, `stride` apart. The usual counts are unrolled. */
static void blend(float *out, const uint8_t *rows, size_t stride, const float *weight, size_t count,
                  size_t n)
{
    if (count == 2)
        blend_count(out, rows, stride, weight, 2, n);
    else if (count == 3)
        blend_count(out, rows, stride, weight, 3, n);
    else
        blend_count(out, rows, stride, weight, count, n);
}

/* line (px, bands) from a row of pixels. LANES values are summed at once, be there so many bands or
 * not: what is too much is overwritten by the next pixel, and both ends have room behind them. */
INLINE void gather_run(float *restrict line, const float *restrict row, size_t bands,
                       const struct taps *restrict taps, size_t count, size_t px)
{
    for (size_t i = 0; i < px; i++) {
        const float *from = row + taps->first[i] * bands, *weight = taps->weight + i * count;
        for (size_t b = 0; b < bands; b += LANES) {
            lanes sum = weight[0] * *(const lanes *)(from + b);
            for (size_t t = 1; t < count; t++)
                sum += weight[t] * *(const lanes *)(from + t * bands + b);
            *(lanes *)(line + i * bands + b) = sum;
        }
    }
}

/* The usual counts are unrolled. */
static void gather(float *line, const float *row, size_t bands, const struct taps *taps, size_t px)
{
    if (taps->count == 2)
        gather_run(line, row, bands, taps, 2, px);
    else if (taps->count == 3)
        gather_run(line, row, bands, taps, 3, px);
    else
        gather_run(line, row, bands, taps, taps->count, px);
}

/* Band by band, values `step` apart. */
static void spread(float *restrict out, size_t step, size_t pixels, const float *restrict line,
                   size_t bands, size_t px)
{
    for (size_t b = 0; b < bands; b++)
        for (size_t i = 0; i < px; i++)
            out[b * pixels + i * step] = line[i * bands + b];
}

/* out (bands, px, px): the crop's raw values. */
static void resample(float *out, const uint8_t *tile, uint32_t side_px, uint32_t bands, uint32_t px,
                     const struct crop *crop)
{
    struct taps across, down;
    float row[SIDE_MAX * AKIN_BANDS_MAX + LANES], line[SIDE_MAX * AKIN_BANDS_MAX + LANES];
    bool turned = crop->d4 & 4;
    size_t stride = (size_t)side_px * bands, pixels = (size_t)px * px;
    if (!px) /* never, but static analysis cannot know */
        return;
    make_taps(&across, crop->left, crop->width, side_px, px, crop->d4 & 1);
    make_taps(&down, crop->top, crop->height, side_px, px, crop->d4 & 2);
    uint32_t left = across.first[crop->d4 & 1 ? px - 1 : 0];
    uint32_t right = across.first[crop->d4 & 1 ? 0 : px - 1] + across.count;
    size_t begin = (size_t)left * bands, end = (size_t)right * bands;
    memset(row + end, 0, LANES * sizeof *row);
    for (uint32_t y = 0; y < px; y++) {
        blend(row + begin, tile + down.first[y] * stride + begin, stride,
              down.weight + (size_t)y * down.count, down.count, end - begin);
        gather(line, row, bands, &across, px);
        spread(out + (turned ? y : (size_t)y * px), turned ? px : 1, pixels, line, bands, px);
    }
}

/* Any area from crop_min to the whole, log-uniform among the aspects that fit into the tile. */
static struct crop draw_crop(const struct augment_options *options, uint32_t side_px,
                             const struct dice *dice)
{
    struct crop crop = {.d4 = options->turn ? (unsigned)(draw_bits(dice, DRAW_TURN) >> 61) : 0};
    double area = draw_between(dice, DRAW_AREA, options->crop_min, 1);
    double widest = fmin(log(ASPECT_MAX), -log(area));
    double aspect = exp(draw_between(dice, DRAW_ASPECT, -widest, widest));
    crop.width = fmin(sqrt(area * aspect), 1) * side_px;
    crop.height = fmin(sqrt(area / aspect), 1) * side_px;
    crop.left = draw_between(dice, DRAW_LEFT, 0, side_px - crop.width);
    crop.top = draw_between(dice, DRAW_TOP, 0, side_px - crop.height);
    return crop;
}

/* ---- colour ---- */

INLINE void mix_run(float *x, float factor, const float *y, float y_factor, float plus, size_t n)
{
    float sum[RUN];
    for (size_t i = 0; i < n; i++)
        sum[i] = factor * x[i] + y_factor * y[i] + plus;
    for (size_t i = 0; i < n; i++)
        x[i] = sum[i];
}

/* x (n) <- factor * x + y_factor * y + plus; y may be x. */
static void mix(float *x, float factor, const float *y, float y_factor, float plus, size_t n)
{
    size_t i = 0;
    for (; i + RUN <= n; i += RUN)
        mix_run(x + i, factor, y + i, y_factor, plus, RUN);
    mix_run(x + i, factor, y + i, y_factor, plus, n - i);
}

INLINE void sum_run(float *restrict sums, const float *restrict x)
{
    for (size_t i = 0; i < RUN; i++)
        sums[i] += x[i];
}

static double plane_mean(const float *x, size_t n)
{
    float sums[RUN] = {0};
    double sum = 0;
    size_t i = 0;
    for (; i + RUN <= n; i += RUN)
        sum_run(sums, x + i);
    for (; i < n; i++)
        sum += x[i];
    for (size_t lane = 0; lane < RUN; lane++)
        sum += sums[lane];
    return sum / (double)n;
}

/* With n the normalised value of a pixel in band b, m the mean of gain[b] * n over its bands, and
 * M that of m over the view, it becomes
 *
 *     M + contrast * (m + saturation * (gain[b] * n - m) - M) + offset.
 */
struct look {
    double gain[AKIN_BANDS_MAX], saturation, contrast, offset;
};

static struct look draw_look(const struct augment_options *options, uint32_t bands,
                             const struct dice *dice)
{
    struct look look = {.saturation = 1};
    for (uint32_t b = 0; b < bands; b++)
        look.gain[b] = 1 + draw_between(dice, DRAW_GAIN + b, -options->gain, options->gain);
    look.contrast = 1 + draw_between(dice, DRAW_CONTRAST, -options->contrast, options->contrast);
    look.offset = draw_between(dice, DRAW_OFFSET, -options->offset, options->offset);
    if (bands < 2)
        return look;
    look.saturation +=
        draw_between(dice, DRAW_SATURATION, -options->saturation, options->saturation);
    if (draw_chance(dice, DRAW_GREY, options->grey))
        look.saturation = 0;
    return look;
}

/* out (bands, pixels) from raw values to those of that look; grey (pixels) receives m. */
static void apply_look(float *out, const struct look *look, const struct augment_normal *normal,
                       uint32_t bands, size_t pixels, float *grey)
{
    memset(grey, 0, pixels * sizeof *grey);
    for (uint32_t b = 0; b < bands; b++) {
        double factor = look->gain[b] * normal->scale[b] / bands;
        mix(grey, 1, out + b * pixels, (float)factor, (float)(-factor * normal->mean[b]), pixels);
    }
    double plus = (1 - look->contrast) * plane_mean(grey, pixels) + look->offset;
    double rest = look->contrast * (1 - look->saturation);
    for (uint32_t b = 0; b < bands; b++) {
        double factor = look->contrast * look->saturation * look->gain[b] * normal->scale[b];
        mix(out + b * pixels, (float)factor, grey, (float)rest,
            (float)(plus - factor * normal->mean[b]), pixels);
    }
}

/* ---- blur and noise ---- */

/* weight[k] is that of the two rows k before and k behind the middle one. */
INLINE void blur_run(float *out, const float *const rows[BLUR_TAPS], const float *weight, size_t at,
                     size_t n)
{
    float sum[RUN];
    for (size_t i = 0; i < n; i++)
        sum[i] = weight[0] * rows[BLUR_REACH][at + i];
    for (size_t k = 1; k <= BLUR_REACH; k++)
        for (size_t i = 0; i < n; i++)
            sum[i] += weight[k] * (rows[BLUR_REACH - k][at + i] + rows[BLUR_REACH + k][at + i]);
    for (size_t i = 0; i < n; i++)
        out[at + i] = sum[i];
}

static void blur_row(float *out, const float *const rows[BLUR_TAPS], const float *weight, size_t n)
{
    size_t i = 0;
    for (; i + RUN <= n; i += RUN)
        blur_run(out, rows, weight, i, RUN);
    blur_run(out, rows, weight, i, n - i);
}

/* Along the rows into scratch, down the columns back; pixels beyond an edge are the edge's. */
static void blur_plane(float *plane, float *scratch, uint32_t px, const float *weight)
{
    const float *rows[BLUR_TAPS];
    float wide[SIDE_MAX + 2 * BLUR_REACH];
    for (uint32_t k = 0; k < BLUR_TAPS; k++)
        rows[k] = wide + k;
    for (uint32_t y = 0; y < px; y++) {
        const float *row = plane + (size_t)y * px;
        memcpy(wide + BLUR_REACH, row, px * sizeof *row);
        for (uint32_t k = 0; k < BLUR_REACH; k++) {
            wide[k] = row[0];
            wide[BLUR_REACH + px + k] = row[px - 1];
        }
        blur_row(scratch + (size_t)y * px, rows, weight, px);
    }
    for (int y = 0, last = (int)px - 1; y <= last; y++) {
        for (int k = 0; k < BLUR_TAPS; k++) {
            int at = y + k - BLUR_REACH;
            rows[k] = scratch + (size_t)(at < 0 ? 0 : at > last ? last : at) * px;
        }
        blur_row(plane + (size_t)y * px, rows, weight, px);
    }
}

static void blur(float *out, uint32_t bands, uint32_t px, double deviation, float *scratch)
{
    double weight[BLUR_REACH + 1], sum = 0;
    float unit[BLUR_REACH + 1];
    for (int k = 0; k <= BLUR_REACH; k++) {
        weight[k] = exp(-0.5 * k * k / (deviation * deviation));
        sum += k ? 2 * weight[k] : weight[k];
    }
    for (int k = 0; k <= BLUR_REACH; k++)
        unit[k] = (float)(weight[k] / sum);
    for (uint32_t b = 0; b < bands; b++)
        blur_plane(out + (size_t)b * px * px, scratch, px, unit);
}

/* A step of RUN xorshift generators (Marsaglia, 2003) side by side; the sum of the four bytes of
 * each is near enough to a Gaussian of mean 510 and variance 4 (2^16 - 1) / 12. A Philox draw a
 * pixel would cost more than all the rest of a view. */
INLINE void noise_run(float *x, uint32_t *restrict state, float size, size_t n)
{
    float noise[RUN];
    for (size_t i = 0; i < RUN; i++) {
        uint32_t s = state[i];
        s ^= s << 13;
        s ^= s >> 17;
        s ^= s << 5;
        state[i] = s;
        uint32_t bytes = (s & 0x00ff00ff) + (s >> 8 & 0x00ff00ff);
        noise[i] = (float)(int32_t)((bytes & 0xffff) + (bytes >> 16)) - 510;
    }
    for (size_t i = 0; i < n; i++)
        x[i] += size * noise[i];
}

/* x (n) plus white noise of that deviation. */
static void add_noise(float *x, size_t n, double deviation, const struct dice *dice)
{
    uint32_t state[RUN];
    float size = (float)(deviation / sqrt(4 * 65535 / 12.0));
    for (unsigned i = 0; i < RUN; i++)
        state[i] = (uint32_t)draw_bits(dice, DRAW_NOISE_SEED + i) | 1; /* 0 would stay 0 */
    size_t i = 0;
    for (; i + RUN <= n; i += RUN)
        noise_run(x + i, state, size, RUN);
    noise_run(x + i, state, size, n - i);
}

/* ---- views ---- */

void augment_view(const struct augment_options *options, const struct augment_normal *normal,
                  const uint8_t *tile, uint32_t side_px, uint32_t bands, uint32_t px, uint64_t seed,
                  uint64_t epoch, uint64_t tile_id, uint32_t view, float *out, float *scratch)
{
    struct dice dice = {akin_random_u64(seed, STREAM_AUGMENT, epoch), tile_id, view};
    size_t pixels = (size_t)px * px;
    struct crop crop = draw_crop(options, side_px, &dice);
    resample(out, tile, side_px, bands, px, &crop);
    struct look look = draw_look(options, bands, &dice);
    apply_look(out, &look, normal, bands, pixels, scratch);
    if (draw_chance(&dice, DRAW_BLUR, options->blur))
        blur(out, bands, px, draw_between(&dice, DRAW_BLUR_WIDTH, BLUR_MIN, BLUR_MAX), scratch);
    if (draw_chance(&dice, DRAW_NOISE, options->noise))
        add_noise(out, pixels * bands, draw_between(&dice, DRAW_NOISE_SIZE, 0, NOISE_MAX), &dice);
}

void augment_plain(const struct augment_normal *normal, const uint8_t *tile, uint32_t side_px,
                   uint32_t bands, uint32_t px, unsigned d4, float *out)
{
    struct crop whole = {.width = side_px, .height = side_px, .d4 = d4};
    size_t pixels = (size_t)px * px;
    resample(out, tile, side_px, bands, px, &whole);
    for (uint32_t b = 0; b < bands; b++) {
        float *plane = out + b * pixels;
        mix(plane, normal->scale[b], plane, 0, -normal->scale[b] * normal->mean[b], pixels);
    }
}
