/*
 * The features against their definition, computed slowly and in doubles: responses one by one,
 * colours and gradients by their weights' formula, patterns by turning bits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/model/instant.h"
#include "../check.h"
#include "tiles.h"

#define PX 33 /* odd, so that halves leave a row over */

/* An encoder with weights of no meaning: features must not depend on where weights come from. */
static struct instant *make_encoder(uint32_t bands)
{
    struct akin_instant_options options = tiles_options(PX, bands);
    struct instant *instant = NULL;
    if (instant_create(&instant, &options, NULL) != AKIN_OK)
        return NULL;
    for (size_t i = 0; i < instant->weight_count; i++)
        instant->weights[i] = (float)(akin_random_unit(5, bands, i) - 0.5);
    for (uint32_t b = 0; b < bands; b++) {
        instant->band_mean[b] = 100 + (float)b;
        for (uint32_t c = 0; c < instant->channels; c++)
            instant->band_axes[c * bands + b] /= 60;
    }
    for (uint32_t c = 0; c < instant->channels; c++)
        instant->colour_scale[c] = 1 + (float)c;
    return instant;
}

static void slow_channels(const struct instant *instant, const uint8_t *input, double *out)
{
    uint32_t bands = instant->options.bands, channels = instant->channels;
    for (size_t i = 0; i < PX * PX * channels; i++) {
        out[i] = 0;
        for (uint32_t b = 0; b < bands; b++)
            out[i] += (double)instant->band_axes[i % channels * bands + b] *
                      (input[i / channels * bands + b] - (double)instant->band_mean[b]);
    }
}

static double slow_response(const struct instant *instant, const double *channels, size_t f,
                            size_t y, size_t x)
{
    size_t patch = instant->options.patch_px, c = instant->channels, n = instant->patch_values;
    double sum = instant->bias[f];
    for (size_t i = 0; i < n; i++) {
        size_t row = i / (patch * c), column = i % (patch * c) / c;
        sum += instant->filters[f / 16 * n * 16 + i * 16 + f % 16] *
               channels[((y + row) * PX + x + column) * c + i % c];
    }
    return sum;
}

/* Patches whose centre was filled do not count. */
static void check_rcf(const struct instant *instant, const double *channels, const uint8_t *filled,
                      const float *rcf)
{
    size_t filters = instant->options.filters, last = PX - instant->options.patch_px;
    size_t half = instant->options.patch_px / 2;
    for (size_t f = 0; f < filters; f++) {
        double above = 0, below = 0, count = 0;
        for (size_t y = 0; y <= last; y += INSTANT_STRIDE)
            for (size_t x = 0; x <= last; x += INSTANT_STRIDE) {
                if (filled && !filled[(y + half) * PX + x + half])
                    continue;
                count++;
                double response = slow_response(instant, channels, f, y, x);
                above += fmax(response, 0);
                below +=
                    fmax(-response - 1, 0); /* the dead zone of 0.5 on both sides is in the bias */
            }
        CHECK_NEAR(rcf[f], sqrt(above / count), 1e-4);
        CHECK_NEAR(rcf[filters + f], sqrt(below / count), 1e-4);
    }
}

/* The share of a value at `at` that bin `bin` gets: a triangle, flat beyond the first and last
 * bin. */
static double share(double at, size_t bin, size_t bins)
{
    at = fmin(fmax(at, 0), (double)bins - 1);
    return fmax(0, 1 - fabs(at - (double)bin));
}

static void check_colours(const struct instant *instant, const double *channels,
                          const uint8_t *filled, const float *out)
{
    static const size_t bins_of[] = {0, 32, 14, 6};
    size_t axes = instant->channels < 3 ? instant->channels : 3, bins = bins_of[axes];
    for (size_t cell = 0; cell < histogram_colour_size(instant->channels); cell++) {
        double sum = 0, count = 0;
        for (size_t i = 0; i < PX * PX; i++) {
            if (filled && !filled[i])
                continue;
            double weight = 1;
            for (size_t a = 0, rest = cell; a < axes; a++, rest /= bins) {
                double value = channels[i * instant->channels + a] * (1 + (double)a);
                weight *= share((value / 2.5 + 1) / 2 * (double)bins - 0.5, rest % bins, bins);
            }
            sum += weight;
            count++;
        }
        CHECK_NEAR(out[cell], sqrt(sum / count), 2e-3);
    }
}

/* log2, linear between powers of two. */
static double straight_log2(double v)
{
    int exponent;
    double fraction = frexp(v, &exponent);
    return exponent - 1 + 2 * fraction - 1;
}

static void check_gradients(double *plane, uint8_t *there, size_t px, const float *out)
{
    double bins[INSTANT_GRADIENT_BINS] = {0}, count = 0;
    for (size_t y = 1; y + 1 < px; y++)
        for (size_t x = 1; x + 1 < px; x++) {
            if (!there[y * px + x])
                continue;
            double dx = 40 * (plane[y * px + x + 1] - plane[y * px + x - 1]);
            double dy = 40 * (plane[y * px + px + x] - plane[y * px - px + x]);
            double at = 0.7 * straight_log2(1 + dx * dx + dy * dy);
            for (size_t b = 0; b < INSTANT_GRADIENT_BINS; b++)
                bins[b] += share(at, b, INSTANT_GRADIENT_BINS);
            count++;
        }
    for (size_t b = 0; b < INSTANT_GRADIENT_BINS; b++)
        CHECK_NEAR(out[b], count > 0 ? sqrt(bins[b] / count) : 0, 2e-3);
    for (size_t i = 0; i < px / 2 * (px / 2); i++) { /* in place: what is read lies ahead */
        size_t at = i / (px / 2) * 2 * px + i % (px / 2) * 2;
        plane[i] = (plane[at] + plane[at + 1] + plane[at + px] + plane[at + px + 1]) / 4;
        there[i] = there[at] && there[at + 1] && there[at + px] && there[at + px + 1];
    }
}

/* Classes in the order of their smallest member. */
static unsigned slow_class(unsigned pattern)
{
    bool smallest[256];
    unsigned least = 255, class = 0;
    for (unsigned p = 0; p < 256; p++) {
        smallest[p] = true;
        for (unsigned k = 1; k < 8; k++)
            smallest[p] &= ((p << k | p >> (8 - k)) & 255) >= p;
    }
    for (unsigned k = 0; k < 8; k++) {
        unsigned turned = (pattern << k | pattern >> (8 - k)) & 255;
        least = turned < least ? turned : least;
    }
    for (unsigned p = 0; p < least; p++)
        class += smallest[p];
    return class;
}

/* In the floats of the encoder itself: a comparison has no tolerance. */
static void check_patterns(const struct instant_scratch *scratch, const struct instant *instant,
                           const uint8_t *filled, int radius, const float *out)
{
    static const int right[8] = {1, 1, 0, -1, -1, -1, 0, 1}, down[8] = {0, 1, 1, 1, 0, -1, -1, -1};
    double classes[INSTANT_PATTERNS] = {0}, count = 0;
    for (int y = radius; y < PX - radius; y++)
        for (int x = radius; x < PX - radius; x++) {
            if (filled && !filled[y * PX + x])
                continue;
            unsigned pattern = 0;
            for (int k = 0; k < 8; k++) {
                int other = (y + radius * down[k]) * PX + x + radius * right[k];
                pattern |= (unsigned)(scratch->channels[(size_t)other * instant->channels] >
                                      scratch->channels[(size_t)(y * PX + x) * instant->channels])
                           << k;
            }
            classes[slow_class(pattern)]++;
            count++;
        }
    for (size_t i = 0; i < INSTANT_PATTERNS; i++)
        CHECK_NEAR(out[i], sqrt(classes[i] / count), 1e-5);
}

static void check_tile(uint32_t bands, const uint8_t *input, const uint8_t *filled)
{
    struct instant *instant = make_encoder(bands);
    REQUIRE(instant != NULL);
    struct instant_scratch scratch;
    void *memory = akin_alloc(instant_scratch_bytes(instant), 1);
    double *channels = malloc(PX * PX * INSTANT_CHANNELS_MAX * sizeof *channels), plane[PX * PX];
    uint8_t there[PX * PX];
    instant_scratch_init(&scratch, instant, memory);
    CHECK(instant_features(instant, &scratch, input, filled, scratch.rcf, scratch.histogram));
    slow_channels(instant, input, channels);
    check_rcf(instant, channels, filled, scratch.rcf);
    const float *out = scratch.histogram;
    check_colours(instant, channels, filled, out);
    out += histogram_colour_size(instant->channels);
    for (int radius = 1; radius <= INSTANT_PATTERN_RADII; radius++, out += INSTANT_PATTERNS)
        check_patterns(&scratch, instant, filled, radius, out);
    for (size_t i = 0; i < PX * PX; i++) {
        plane[i] = channels[i * instant->channels];
        there[i] = !filled || filled[i];
    }
    size_t px = PX;
    for (size_t level = 0; level < INSTANT_LEVELS; level++, px /= 2, out += INSTANT_GRADIENT_BINS)
        check_gradients(plane, there, px, out);
    CHECK_EQ(out - scratch.histogram, instant->histogram_size);
    free(channels);
    akin_free(memory);
    instant_free(instant);
}

TEST(features_by_their_definition)
{
    static const uint32_t bands[] = {1, 2, 3, 6};
    for (size_t b = 0; b < sizeof bands / sizeof *bands; b++) {
        struct tiles tiles = tiles_make(3, PX, bands[b]);
        for (size_t i = 0; i < tiles.count; i++)
            check_tile(bands[b], tiles.inputs[i], tiles.filled[i]);
        tiles_free(&tiles);
    }
}

/* What lies in filled cells is not counted as a colour. */
TEST(filled_cells_are_no_colours)
{
    struct instant *instant = make_encoder(3);
    struct tiles tiles = tiles_make(2, PX, 3);
    REQUIRE(instant != NULL);
    struct instant_scratch scratch;
    void *memory = akin_alloc(instant_scratch_bytes(instant), 1);
    float *first = malloc(instant->histogram_size * sizeof *first);
    uint8_t *input = tiles.bytes + tiles.tile_bytes; /* tile 1 has a mask */
    instant_scratch_init(&scratch, instant, memory);
    instant_features(instant, &scratch, input, tiles.filled[1], scratch.rcf, first);
    for (size_t i = 0; i < PX * PX; i++)
        if (!tiles.filled[1][i])
            memset(input + i * 3, 255, 3);
    instant_features(instant, &scratch, input, tiles.filled[1], scratch.rcf, scratch.histogram);
    size_t colours = histogram_colour_size(3);
    CHECK(!memcmp(first, scratch.histogram, colours * sizeof *first));
    CHECK(memcmp(first + colours, scratch.histogram + colours,
                 (instant->histogram_size - colours) * sizeof *first) != 0);
    free(first);
    akin_free(memory);
    instant_free(instant);
    tiles_free(&tiles);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
