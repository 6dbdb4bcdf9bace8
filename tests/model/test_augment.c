/*
 * Views against what they must be: exact symmetries, a plain reference of the resampling, crops
 * measured on ramps, every change of colour by itself and all together, and how often each comes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/model/augment.h"
#include "../check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VIEWS 2000

/* A tile, its scaling, and room for a view of it; exactly as large as promised. */
struct scene {
    uint32_t side, bands, px;
    size_t pixels;
    uint8_t *tile;
    float *view, *plain, *scratch;
    struct augment_normal normal;
};

static struct scene make_scene(uint32_t side, uint32_t bands, uint32_t px)
{
    struct scene s = {side, bands, px, (size_t)px * px, NULL, NULL, NULL, NULL, {{0}, {0}}};
    size_t bytes = (size_t)side * side * bands;
    s.tile = malloc(bytes);
    s.view = malloc(s.pixels * bands * sizeof *s.view);
    s.plain = malloc(s.pixels * bands * sizeof *s.plain);
    s.scratch = malloc(s.pixels * sizeof *s.scratch);
    for (size_t i = 0; i < bytes; i++)
        s.tile[i] = (uint8_t)(akin_random_u64(3, bands, i) >> 56);
    for (uint32_t b = 0; b < bands; b++) {
        s.normal.mean[b] = 90 + 2.5f * (float)b;
        s.normal.scale[b] = 0.02f + 0.001f * (float)b;
    }
    return s;
}

static void free_scene(struct scene *s)
{
    free(s->tile);
    free(s->view);
    free(s->plain);
    free(s->scratch);
}

/* Neither crop nor colour: the tile as it is. */
static struct augment_options nothing(void)
{
    return (struct augment_options){.crop_min = 1};
}

static void draw(struct scene *s, const struct augment_options *options, uint64_t tile)
{
    augment_view(options, &s->normal, s->tile, s->side, s->bands, s->px, 7, 2, tile, 1, s->view,
                 s->scratch);
}

static void draw_plain(struct scene *s, unsigned d4, float *out)
{
    augment_plain(&s->normal, s->tile, s->side, s->bands, s->px, d4, out);
}

static double largest_difference(const float *a, const float *b, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - b[i]) <= largest))
            largest = fabs((double)a[i] - b[i]); /* NaN is the largest of all */
    return largest;
}

static double mean_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* ---- symmetries and resampling ---- */

/* Where pixel (x, y) of symmetry d4 comes from: rows become columns last. */
static size_t source_of(uint32_t x, uint32_t y, unsigned d4, uint32_t n)
{
    uint32_t u = d4 & 4 ? y : x, v = d4 & 4 ? x : y;
    return (size_t)(d4 & 2 ? n - 1 - v : v) * n + (d4 & 1 ? n - 1 - u : u);
}

static bool is_turned(const struct scene *s, const float *view, unsigned d4)
{
    for (size_t i = 0; i < s->pixels * s->bands; i++) {
        size_t plane = i / s->pixels * s->pixels, at = i % s->pixels;
        size_t from = source_of((uint32_t)(at % s->px), (uint32_t)(at / s->px), d4, s->px);
        if (view[i] != s->plain[plane + from])
            return false;
    }
    return true;
}

TEST(a_tile_of_the_nets_size_is_only_normalised)
{
    struct scene s = make_scene(37, 3, 37);
    draw_plain(&s, 0, s.view);
    double largest = 0;
    for (size_t i = 0; i < s.pixels * 3; i++) {
        size_t b = i / s.pixels, at = i % s.pixels;
        double value = (s.tile[at * 3 + b] - (double)s.normal.mean[b]) * s.normal.scale[b];
        largest = fmax(largest, fabs(value - s.view[i]));
    }
    CHECK(largest < 1e-6);
    free_scene(&s);
}

TEST(plain_tiles_turn_exactly)
{
    struct scene s = make_scene(33, 5, 33);
    draw_plain(&s, 0, s.plain);
    for (unsigned d4 = 0; d4 < 8; d4++) {
        draw_plain(&s, d4, s.view);
        for (unsigned other = 0; other < 8; other++)
            CHECK_EQ(is_turned(&s, s.view, other), other == d4);
    }
    free_scene(&s);
}

TEST(views_turn_exactly_and_each_way_as_often)
{
    struct scene s = make_scene(16, 3, 16);
    struct augment_options options = nothing();
    draw_plain(&s, 0, s.plain);
    draw(&s, &options, 0);
    CHECK(largest_difference(s.view, s.plain, s.pixels * 3) < 1e-5);
    options.turn = true;
    int seen[8] = {0};
    for (uint64_t tile = 0; tile < VIEWS; tile++) {
        draw(&s, &options, tile);
        unsigned best = 8;
        for (unsigned d4 = 0; d4 < 8; d4++) {
            draw_plain(&s, d4, s.plain);
            if (largest_difference(s.view, s.plain, s.pixels * 3) < 1e-5)
                best = d4;
        }
        REQUIRE(best < 8);
        seen[best]++;
    }
    for (unsigned d4 = 0; d4 < 8; d4++)
        CHECK_NEAR(seen[d4], VIEWS / 8, 4 * sqrt(VIEWS / 8.0));
    free_scene(&s);
}

/* Weight of the pixel at `at` for output i along one axis that shows `extent` pixels in `px`, by
 * the definition; pixels beyond an edge are the edge. Not divided by their sum. */
static double reference_weight(uint32_t i, uint32_t at, double extent, uint32_t side, uint32_t px)
{
    double scale = extent / px, centre = (i + 0.5) * scale - 0.5, sum = 0;
    double reach = scale > 1 ? scale : 1;
    for (int t = -(int)side; t < 2 * (int)side; t++) {
        uint32_t inside = t < 0 ? 0 : t >= (int)side ? side - 1 : (uint32_t)t;
        if (inside == at)
            sum += fmax(0, 1 - fabs(t - centre) / reach);
    }
    return sum;
}

static void make_reference(const struct scene *s, float *out)
{
    double *weight = malloc((size_t)s->px * s->side * sizeof *weight);
    for (uint32_t i = 0; i < s->px; i++) {
        double sum = 0;
        for (uint32_t at = 0; at < s->side; at++)
            sum += weight[i * s->side + at] = reference_weight(i, at, s->side, s->side, s->px);
        for (uint32_t at = 0; at < s->side; at++)
            weight[i * s->side + at] /= sum;
    }
    for (size_t o = 0; o < s->pixels * s->bands; o++) {
        size_t b = o / s->pixels, y = o % s->pixels / s->px, x = o % s->px;
        double sum = 0;
        for (uint32_t v = 0; v < s->side; v++)
            for (uint32_t u = 0; u < s->side && weight[y * s->side + v] > 0; u++)
                sum += weight[y * s->side + v] * weight[x * s->side + u] *
                       s->tile[((size_t)v * s->side + u) * s->bands + b];
        out[o] = (float)((sum - s->normal.mean[b]) * s->normal.scale[b]);
    }
    free(weight);
}

TEST(resampling_is_the_triangle_filter)
{
    static const uint32_t shapes[][3] = {/* side, bands, px */
                                         {96, 3, 64}, {64, 3, 96}, {40, 1, 8},  {8, 1, 41},
                                         {51, 8, 37}, {9, 64, 8},  {64, 4, 32}, {8, 5, 9}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct scene s = make_scene(shapes[i][0], shapes[i][1], shapes[i][2]);
        make_reference(&s, s.plain);
        draw_plain(&s, 0, s.view);
        CHECK(largest_difference(s.view, s.plain, s.pixels * s.bands) < 2e-5);
        free_scene(&s);
    }
}

TEST(the_largest_and_the_smallest_tile)
{
    static const uint32_t shapes[][3] = {{512, 64, 8}, {8, 3, 512}, {512, 1, 512}, {8, 1, 8}};
    struct augment_options options;
    augment_options_default(&options);
    options.blur = options.noise = 1;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct scene s = make_scene(shapes[i][0], shapes[i][1], shapes[i][2]);
        for (uint64_t tile = 0; tile < 4; tile++) {
            draw(&s, &options, tile);
            for (size_t at = 0; at < s.pixels * s.bands; at++)
                if (!isfinite(s.view[at]) || fabsf(s.view[at]) > 50)
                    REQUIRE(!"finite and of a size that 255 * scale allows");
        }
        free_scene(&s);
    }
}

/* ---- crops ---- */

/* Where a crop begins and how many pixels it spans along an axis, from a view of a ramp, whose
 * inner values are those of the ramp itself where it enlarges. first and last: values at outputs a
 * and b of px. */
struct span {
    double start, extent;
};
static struct span measure(double first, double last, uint32_t a, uint32_t b, uint32_t px)
{
    double scale = (last - first) / (b - a);
    return (struct span){.start = first + 0.5 - (a + 0.5) * scale, .extent = scale * px};
}

TEST(crops_have_the_areas_aspects_and_places_asked_for)
{
    struct scene s = make_scene(100, 2, 128); /* band 0 is x, band 1 is y */
    struct augment_options options = {.crop_min = 0.35};
    double area_mean = 0, left_mean = 0, top_mean = 0, aspect_mean = 0;
    for (size_t i = 0; i < (size_t)100 * 100; i++) {
        s.tile[2 * i] = (uint8_t)(i % 100);
        s.tile[2 * i + 1] = (uint8_t)(i / 100);
    }
    s.normal = (struct augment_normal){.mean = {0, 0}, .scale = {1, 1}};
    for (uint64_t tile = 0; tile < VIEWS; tile++) {
        draw(&s, &options, tile);
        struct span x = measure(s.view[4], s.view[123], 4, 123, 128);
        const float *rows = s.view + s.pixels;
        struct span y = measure(rows[4 * 128], rows[123 * 128], 4, 123, 128);
        double area = x.extent * y.extent / 1e4, aspect = x.extent / y.extent;
        REQUIRE(area > 0.3499 && area < 1.0001 && aspect > 0.7499 && aspect < 1.3334);
        REQUIRE(x.start > -0.01 && x.start + x.extent < 100.01);
        REQUIRE(y.start > -0.01 && y.start + y.extent < 100.01);
        area_mean += area / VIEWS;
        aspect_mean += log(aspect) / VIEWS;
        left_mean += (x.start + x.extent / 2) / VIEWS;
        top_mean += (y.start + y.extent / 2) / VIEWS;
    }
    CHECK_NEAR(area_mean, (1 + 0.35) / 2, 4 * 0.65 / sqrt(12.0 * VIEWS));
    CHECK_NEAR(aspect_mean, 0, 4 * 0.17 / sqrt(VIEWS));
    CHECK_NEAR(left_mean, 50, 4 * 8 / sqrt(VIEWS));
    CHECK_NEAR(top_mean, 50, 4 * 8 / sqrt(VIEWS));
    free_scene(&s);
}

/* ---- colour ---- */

/* What one view was given, each measured in a view that has only that. */
struct measured {
    double gain[8], offset, contrast, saturation;
};

/* The factor between two planes whose means are taken off. */
static double factor_of(const float *view, const float *plain, size_t n)
{
    double a = mean_of(view, n), b = mean_of(plain, n), both = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        both += (view[i] - a) * (plain[i] - b);
        square += (plain[i] - b) * (plain[i] - b);
    }
    return both / square;
}

static struct measured measure_look(struct scene *s, uint64_t tile)
{
    struct augment_options only_gain = nothing(), only_offset = nothing();
    struct augment_options only_contrast = nothing(), only_saturation = nothing();
    only_gain.gain = 0.1;
    only_offset.offset = 0.3;
    only_contrast.contrast = only_saturation.saturation = 0.4;
    struct measured m = {.saturation = 1};
    draw(s, &only_gain, tile);
    for (uint32_t b = 0; b < s->bands; b++)
        m.gain[b] = factor_of(s->view + b * s->pixels, s->plain + b * s->pixels, s->pixels);
    draw(s, &only_offset, tile);
    m.offset = s->view[5] - s->plain[5];
    draw(s, &only_contrast, tile);
    m.contrast = factor_of(s->view, s->plain, s->pixels);
    draw(s, &only_saturation, tile);
    double bands = 0, before = 0;
    for (uint32_t b = 0; b < s->bands && s->bands > 1; b++) { /* of one pixel, about its mean */
        bands += s->view[b * s->pixels] / s->bands;
        before += s->plain[b * s->pixels] / s->bands;
    }
    if (s->bands > 1)
        m.saturation = (s->view[0] - bands) / (s->plain[0] - before);
    return m;
}

/* By the definition, in doubles; grey where saturation is 0. */
static void apply_measured(const struct scene *s, const struct measured *m, float *out)
{
    double view_mean = 0;
    for (size_t i = 0; i < s->pixels * s->bands; i++)
        view_mean += m->gain[i / s->pixels] * s->plain[i] / ((double)s->pixels * (double)s->bands);
    for (size_t i = 0; i < s->pixels; i++) {
        double mean = 0;
        for (uint32_t b = 0; b < s->bands; b++)
            mean += m->gain[b] * s->plain[b * s->pixels + i] / s->bands;
        for (uint32_t b = 0; b < s->bands; b++) {
            double value = m->gain[b] * s->plain[b * s->pixels + i];
            value = mean + m->saturation * (value - mean);
            out[b * s->pixels + i] =
                (float)(view_mean + m->contrast * (value - view_mean) + m->offset);
        }
    }
}

static void check_looks(uint32_t bands)
{
    struct scene s = make_scene(24, bands, 24);
    float *expected = malloc(s.pixels * bands * sizeof *expected);
    struct augment_options options;
    augment_options_default(&options);
    options.crop_min = 1;
    options.turn = false;
    options.blur = options.noise = options.grey = 0;
    draw_plain(&s, 0, s.plain);
    double sums[4] = {0}, squares[4] = {0};
    for (uint64_t tile = 0; tile < 400; tile++) {
        struct measured m = measure_look(&s, tile);
        double drawn[4] = {(m.gain[bands - 1] - 1) / 0.1, m.offset / 0.3, (m.contrast - 1) / 0.4,
                           (m.saturation - 1) / 0.4};
        for (int i = 0; i < 4; i++) {
            REQUIRE(fabs(drawn[i]) < 1.001);
            sums[i] += drawn[i];
            squares[i] += drawn[i] * drawn[i];
        }
        draw(&s, &options, tile);
        apply_measured(&s, &m, expected);
        REQUIRE(largest_difference(s.view, expected, s.pixels * bands) < 1e-4);
    }
    for (int i = 0; i < (bands > 1 ? 4 : 3); i++) { /* uniform over -1..1 */
        CHECK_NEAR(sums[i] / 400, 0, 4 * sqrt(1 / 3.0 / 400));
        CHECK_NEAR(squares[i] / 400, 1 / 3.0, 4 * sqrt(4 / 45.0 / 400));
    }
    free(expected);
    free_scene(&s);
}

TEST(colours_of_three_bands)
{
    check_looks(3);
}

TEST(colours_of_one_band_and_of_eight)
{
    check_looks(1);
    check_looks(8);
}

TEST(grey_is_the_mean_of_normalised_bands_as_often_as_asked)
{
    struct scene s = make_scene(16, 4, 16);
    struct augment_options options = nothing();
    struct measured grey = {.gain = {1, 1, 1, 1}, .contrast = 1};
    float *expected = malloc(s.pixels * 4 * sizeof *expected);
    options.grey = 0.2;
    draw_plain(&s, 0, s.plain);
    apply_measured(&s, &grey, expected);
    int count = 0;
    for (uint64_t tile = 0; tile < VIEWS; tile++) {
        draw(&s, &options, tile);
        bool is_grey = largest_difference(s.view, expected, s.pixels * 4) < 1e-5;
        REQUIRE(is_grey || largest_difference(s.view, s.plain, s.pixels * 4) < 1e-5);
        count += is_grey;
    }
    CHECK_NEAR(count, 0.2 * VIEWS, 4 * sqrt(0.16 * VIEWS));
    free(expected);
    free_scene(&s);
}

/* ---- blur and noise ---- */

/* Share of a deviation's Gaussian at k pixels of -3..3. */
static double gaussian(int k, double deviation)
{
    double sum = 0;
    for (int i = -3; i <= 3; i++)
        sum += exp(-0.5 * i * i / (deviation * deviation));
    return exp(-0.5 * k * k / (deviation * deviation)) / sum;
}

TEST(a_blur_is_a_gaussian_of_the_width_drawn)
{
    enum { SIDE = 21 };
    struct scene s = make_scene(SIDE, 2, SIDE);
    struct augment_options options = nothing();
    s.normal = (struct augment_normal){.mean = {0, 0}, .scale = {1, 1}};
    options.blur = 0.3;
    memset(s.tile, 0, (size_t)SIDE * SIDE * 2);
    s.tile[(10 * SIDE + 10) * 2] = 200; /* inside, in band 0 */
    s.tile[1] = 200;                    /* in the corner of band 1 */
    double width_mean = 0;
    int count = 0;
    for (uint64_t tile = 0; tile < VIEWS; tile++) {
        draw(&s, &options, tile);
        if (fabs(s.view[10 * SIDE + 10] - 200) < 1e-3 && s.view[10 * SIDE + 11] == 0)
            continue;
        double ratio = s.view[10 * SIDE + 11] / s.view[10 * SIDE + 10];
        double width = sqrt(-0.5 / log(ratio)), worst = 0, edge = 0;
        REQUIRE(width > 0.2999 && width < 1.2001);
        for (int i = 0; i < SIDE * SIDE; i++) {
            int x = abs(i % SIDE - 10), y = abs(i / SIDE - 10);
            double share = x > 3 || y > 3 ? 0 : gaussian(x, width) * gaussian(y, width);
            worst = fmax(worst, fabs(s.view[i] - 200 * share));
        }
        for (int k = 0; k <= 3; k++) /* pixels before the edge are the corner once more */
            edge += gaussian(k, width);
        worst = fmax(worst, fabs(s.view[s.pixels] - 200 * edge * edge));
        REQUIRE(worst < 1e-2);
        width_mean += width;
        count++;
    }
    CHECK_NEAR(count, 0.3 * VIEWS, 4 * sqrt(0.21 * VIEWS));
    CHECK_NEAR(width_mean / count, 0.75, 4 * 0.9 / sqrt(12.0 * count));
    free_scene(&s);
}

TEST(noise_is_white_and_of_the_sizes_asked_for)
{
    struct scene s = make_scene(64, 2, 64);
    struct augment_options options = nothing();
    options.noise = 0.2;
    draw_plain(&s, 0, s.plain);
    size_t n = s.pixels * 2;
    int count = 0;
    double size_mean = 0, beside = 0, below = 0, across = 0;
    for (uint64_t tile = 0; tile < VIEWS; tile++) {
        draw(&s, &options, tile);
        double square = 0, next = 0, down = 0, bands = 0, mean = 0;
        for (size_t i = 0; i < n; i++)
            s.view[i] -= s.plain[i];
        for (size_t i = 0; i < n; i++) {
            mean += s.view[i] / (double)n;
            square += s.view[i] * s.view[i] / (double)n;
            next += i + 1 < n ? s.view[i] * s.view[i + 1] / (double)n : 0;
            down += i + 64 < n ? s.view[i] * s.view[i + 64] / (double)n : 0;
            bands += i < s.pixels ? 2 * s.view[i] * s.view[i + s.pixels] / (double)n : 0;
        }
        double size = sqrt(square);
        REQUIRE(size < 0.102);
        if (size < 2e-4) /* no noise, or as good as none */
            continue;
        REQUIRE(fabs(mean) < 6 * size / sqrt((double)n));
        size_mean += size;
        beside += next / square;
        below += down / square;
        across += bands / square;
        count++;
    }
    CHECK_NEAR(count, 0.2 * VIEWS, 4 * sqrt(0.16 * VIEWS));
    CHECK_NEAR(size_mean / count, 0.05, 4 * 0.1 / sqrt(12.0 * count));
    double rounding = 4 / sqrt((double)n * count);
    CHECK_NEAR(beside / count, 0, rounding);
    CHECK_NEAR(below / count, 0, rounding);
    CHECK_NEAR(across / count, 0, rounding * sqrt(2));
    free_scene(&s);
}

/* ---- draws ---- */

TEST(a_view_is_fixed_by_seed_epoch_tile_and_number)
{
    struct scene s = make_scene(48, 3, 32);
    struct augment_options options;
    augment_options_default(&options);
    uint64_t high = UINT64_C(1) << 40;
    static const uint64_t keys[][4] = {{1, 2, 3, 0},  {2, 2, 3, 0}, {1, 3, 3, 0}, {1, 2, 4, 0},
                                       {1, 2, 3, 1},  {3, 2, 1, 0}, {2, 1, 3, 0}, {0, 0, 0, 0},
                                       {1, 2, 3, 77}, {2, 3, 1, 0}};
    enum { KEYS = sizeof keys / sizeof *keys };
    size_t n = s.pixels * 3;
    float *views = malloc(2 * KEYS * n * sizeof *views);
    for (size_t i = 0; i < 2 * KEYS; i++) { /* each twice, once with what is high up as well */
        const uint64_t *key = keys[i % KEYS];
        uint64_t more = i < KEYS ? 0 : high;
        for (int again = 0; again < 2; again++) {
            memcpy(s.plain, s.view, n * sizeof *s.plain);
            memset(s.scratch, again, s.pixels * sizeof *s.scratch);
            memset(s.view, again, n * sizeof *s.view);
            augment_view(&options, &s.normal, s.tile, 48, 3, 32, key[0], key[1], key[2] + more,
                         (uint32_t)key[3], s.view, s.scratch);
        }
        CHECK(memcmp(s.plain, s.view, n * sizeof *s.plain) == 0);
        memcpy(views + i * n, s.view, n * sizeof *s.view);
    }
    for (size_t i = 0; i < 2 * KEYS; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(largest_difference(views + i * n, views + j * n, n) > 0.01);
    free(views);
    free_scene(&s);
}

TEST(the_defaults_are_those_of_the_header)
{
    struct augment_options o;
    augment_options_default(&o);
    CHECK(o.crop_min == 0.35 && o.gain == 0.1 && o.offset == 0.3 && o.contrast == 0.4);
    CHECK(o.saturation == 0.4 && o.grey == 0.2 && o.blur == 0.3 && o.noise == 0.2 && o.turn);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
