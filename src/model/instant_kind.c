/*
 * The instant encoder as one of the kinds: its settings in a file, its words in a card, its run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "instant.h"
#include "model_kind.h"

enum { SETTING_FILTERS, SETTING_PATCH_PX, SETTING_RCF_DIM, SETTING_HISTOGRAM_DIM, SETTING_POWER };
#define POWER_UNIT 1e6 /* the power is stored in millionths */

void akin_instant_options_default(struct akin_instant_options *out, uint32_t input_px,
                                  uint32_t bands)
{
    *out = (struct akin_instant_options){.input_px = input_px,
                                         .bands = bands,
                                         .seed = 1,
                                         .filters = 256,
                                         .patch_px = 5,
                                         .rcf_dim = 128,
                                         .histogram_dim = 96,
                                         .power = 0.5};
}

static akin_status create(void **out, const struct model_header *header, akin_error *err)
{
    const struct akin_instant_options options = {
        .input_px = header->input_px,
        .bands = header->bands,
        .seed = header->seed,
        .filters = header->settings[SETTING_FILTERS],
        .patch_px = header->settings[SETTING_PATCH_PX],
        .rcf_dim = header->settings[SETTING_RCF_DIM],
        .histogram_dim = header->settings[SETTING_HISTOGRAM_DIM],
        .power = header->settings[SETTING_POWER] / POWER_UNIT,
    };
    struct instant *instant = NULL;
    akin_status status = instant_create(&instant, &options, err);
    if (status == AKIN_OK)
        *out = instant;
    return status;
}

static void destroy(void *state)
{
    instant_free(state);
}

static void describe(const void *state, struct model_header *out)
{
    const struct instant *instant = state;
    const struct akin_instant_options *options = &instant->options;
    out->input_px = options->input_px;
    out->bands = options->bands;
    out->dim = options->rcf_dim + options->histogram_dim;
    out->settings[SETTING_FILTERS] = options->filters;
    out->settings[SETTING_PATCH_PX] = options->patch_px;
    out->settings[SETTING_RCF_DIM] = options->rcf_dim;
    out->settings[SETTING_HISTOGRAM_DIM] = options->histogram_dim;
    out->settings[SETTING_POWER] = (uint32_t)lround(options->power * POWER_UNIT);
}

static void card(const void *state, akin_json *card)
{
    const struct akin_instant_options *options = &((const struct instant *)state)->options;
    akin_json *words = akin_json_object();
    akin_json_set(words, "filters", akin_json_integer(options->filters));
    akin_json_set(words, "patch_px", akin_json_integer(options->patch_px));
    akin_json_set(words, "rcf_dim", akin_json_integer(options->rcf_dim));
    akin_json_set(words, "histogram_dim", akin_json_integer(options->histogram_dim));
    akin_json_set(words, "power", akin_json_number(options->power));
    akin_json_set(card, "options", words);
    static const char *const references[] = {
        "Rolf et al., Nature Communications 12:4392, 2021 (MOSAIKS: random convolutional features)",
        "Coates and Ng, Learning feature representations with k-means, 2012 (whitened patches)",
        "Ojala, Pietikainen and Maenpaa, IEEE TPAMI 24(7), 2002 (local binary patterns)",
        "Jegou and Chum, ECCV 2012 (whitening of image descriptors)",
    };
    akin_json *list = akin_json_array();
    for (size_t i = 0; i < sizeof references / sizeof *references; i++)
        akin_json_append(list, akin_json_string(references[i]));
    akin_json_set(card, "references", list);
}

static float *weights(void *state, size_t *count)
{
    struct instant *instant = state;
    *count = instant->weight_count;
    return instant->weights;
}

/* Behind the scratch of a tile: a window of it, and the window's mask. */
static size_t scratch_bytes(const void *state)
{
    const struct instant *instant = state;
    size_t pixels = (size_t)instant->options.input_px * instant->options.input_px;
    return instant_scratch_bytes(instant) + pixels * (instant->options.bands + 1);
}

static akin_status scratch_create(void **out, const void *state, akin_error *err)
{
    size_t bytes = scratch_bytes(state);
    void *scratch = akin_alloc(bytes, 1);
    if (!scratch)
        return akin_error_memory(err, bytes, "an encoder's scratch");
    *out = scratch;
    return AKIN_OK;
}

static void scratch_free(void *scratch)
{
    akin_free(scratch);
}

static uint32_t batch(const void *state)
{
    (void)state;
    return 1; /* nothing is shared between tiles */
}

static void encode_one(const struct instant *instant, const struct instant_scratch *scratch,
                       const uint8_t *input, const uint8_t *filled, float *out)
{
    if (instant_features(instant, scratch, input, filled, scratch->rcf, scratch->histogram))
        instant_project(instant, scratch->rcf, scratch->histogram, out);
    else
        memset(out, 0, (instant->rcf.out + instant->histogram.out) * sizeof *out);
}

static akin_status encode(const void *state, void *memory, size_t n, const uint8_t *const *inputs,
                          const uint8_t *const *filled, float *out, akin_error *err)
{
    const struct instant *instant = state;
    const size_t dim = instant->rcf.out + instant->histogram.out;
    struct instant_scratch scratch;
    (void)err;
    instant_scratch_init(&scratch, instant, memory);
    for (size_t i = 0; i < n; i++)
        encode_one(instant, &scratch, inputs[i], filled[i], out + i * dim);
    return AKIN_OK;
}

/* ---- where inside a tile ---- */

#define CELLS 8          /* a side */
#define WINDOW_CELLS 3   /* a side of the window around a cell */
#define WINDOW_PX_MIN 16 /* less has no statistics: the smallest tile that there may be */

static size_t window_px(size_t px)
{
    size_t window = px * WINDOW_CELLS / CELLS;
    return window < WINDOW_PX_MIN ? WINDOW_PX_MIN : window;
}

/* Where the window around cell `cell` begins; at the edges it is shifted inward, as the windows of a
 * scene are. */
static size_t window_begin(size_t cell, size_t px, size_t window)
{
    size_t centre = (2 * cell + 1) * px / (2 * CELLS);
    size_t begin = centre > window / 2 ? centre - window / 2 : 0;
    return begin + window > px ? px - window : begin;
}

static void crop(uint8_t *out, const uint8_t *from, size_t px, size_t x, size_t y, size_t window,
                 size_t pixel_bytes)
{
    for (size_t row = 0; row < window; row++)
        memcpy(out + row * window * pixel_bytes, from + ((y + row) * px + x) * pixel_bytes,
               window * pixel_bytes);
}

/* A window is a small tile at the same scale, encoded as one: its features are the same means, over
 * fewer positions. */
static akin_status cells(const void *state, void *memory, const uint8_t *input,
                         const uint8_t *filled, uint32_t *rows, uint32_t *cols, float *out,
                         akin_error *err)
{
    struct instant small = *(const struct instant *)state; /* borrows the weights */
    const size_t px = small.options.input_px, window = window_px(px);
    struct instant_scratch scratch;
    (void)err;
    *rows = *cols = CELLS;
    if (!out)
        return AKIN_OK;
    uint8_t *bytes = (uint8_t *)memory + instant_scratch_bytes(state);
    uint8_t *mask = bytes + window * window * small.options.bands;
    instant_scratch_init(&scratch, state, memory);
    small.options.input_px = (uint32_t)window;
    for (size_t i = 0; i < (size_t)CELLS * CELLS; i++) {
        const size_t x = window_begin(i % CELLS, px, window);
        const size_t y = window_begin(i / CELLS, px, window);
        crop(bytes, input, px, x, y, window, small.options.bands);
        if (filled)
            crop(mask, filled, px, x, y, window, 1);
        encode_one(&small, &scratch, bytes, filled ? mask : NULL,
                   out + i * (small.rcf.out + small.histogram.out));
    }
    return AKIN_OK;
}

const struct model_kind instant_kind = {
    .name = "instant",
    .code = 1,
    .create = create,
    .free = destroy,
    .describe = describe,
    .card = card,
    .weights = weights,
    .batch = batch,
    .scratch_create = scratch_create,
    .scratch_free = scratch_free,
    .scratch_bytes = scratch_bytes,
    .encode = encode,
    .cells = cells,
};
