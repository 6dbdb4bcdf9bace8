/*
 * The brought encoder as one of the kinds. Its folder holds the .onnx file beside weights.bin; the
 * file's CRC32C is among the settings, so that a file that was exchanged is found.
 *
 * One tile a run, whatever the batch: the arithmetic of a library may differ in the last bit with
 * the batch and with the place in it, and a tile's vector must not (akin_encoder_run). A network
 * exported with a fixed batch runs with the rest of it empty.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "brought.h"
#include "onnx_read.h"

enum {
    SETTING_ONNX_CRC,
    SETTING_LINKS, /* input + 65536 * output */
    SETTING_LAYOUT,
    SETTING_POOLING,
    SETTING_CHANNELS,
    SETTING_BATCH,
    SETTING_ROWS,
    SETTING_COLS
};

const char *const brought_layouts[BROUGHT_LAYOUTS] = {"nchw", "nhwc"};
const char *const brought_poolings[BROUGHT_POOLINGS] = {"none", "mean", "cls", "patches-mean"};

akin_status brought_create(struct brought **out, uint32_t channels, akin_error *err)
{
    struct brought *brought = akin_alloc_zero(1, sizeof *brought);
    float *weights = akin_alloc_zero(channels, 2 * sizeof *weights);
    if (!brought || !weights) {
        akin_free(brought);
        akin_free(weights);
        return akin_error_memory(err, sizeof *brought, "a brought encoder");
    }
    brought->channels = channels;
    brought->weights = weights;
    *out = brought;
    return AKIN_OK;
}

void brought_free(struct brought *brought)
{
    if (!brought)
        return;
    ort_session_free(brought->session);
    onnx_net_free(brought->net);
    akin_map_close(&brought->file);
    akin_free(brought->weights);
    akin_free(brought);
}

/* ---- files ---- */

static akin_status create(void **out, const struct model_header *header, akin_error *err)
{
    const uint32_t *s = header->settings;
    struct brought *brought = NULL;
    if (!header->input_px || header->input_px > BROUGHT_PX_MAX || !header->bands ||
        header->bands > AKIN_BANDS_MAX || !header->dim || header->dim > AKIN_DIM_MAX ||
        !s[SETTING_CHANNELS] || s[SETTING_CHANNELS] > AKIN_BANDS_MAX ||
        (header->bands > 1 && header->bands < s[SETTING_CHANNELS]) ||
        s[SETTING_LAYOUT] >= BROUGHT_LAYOUTS || s[SETTING_POOLING] >= BROUGHT_POOLINGS ||
        !s[SETTING_BATCH] || s[SETTING_BATCH] > BROUGHT_BATCH_MAX ||
        s[SETTING_ROWS] > AKIN_CELLS_MAX || s[SETTING_COLS] > AKIN_CELLS_MAX ||
        !s[SETTING_ROWS] != !s[SETTING_COLS])
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "settings of a brought encoder that are out of range");
    akin_status status = brought_create(&brought, s[SETTING_CHANNELS], err);
    if (status != AKIN_OK)
        return status;
    brought->input_px = header->input_px;
    brought->bands = header->bands;
    brought->dim = header->dim;
    brought->onnx_crc = s[SETTING_ONNX_CRC];
    brought->input = s[SETTING_LINKS] & 0xffff;
    brought->output = s[SETTING_LINKS] >> 16;
    brought->layout = (enum brought_layout)s[SETTING_LAYOUT];
    brought->pooling = (enum brought_pooling)s[SETTING_POOLING];
    brought->batch = s[SETTING_BATCH];
    brought->rows = s[SETTING_ROWS];
    brought->cols = s[SETTING_COLS];
    *out = brought;
    return AKIN_OK;
}

static void destroy(void *state)
{
    brought_free(state);
}

static void describe(const void *state, struct model_header *out)
{
    const struct brought *brought = state;
    out->input_px = brought->input_px;
    out->bands = brought->bands;
    out->dim = brought->dim;
    out->settings[SETTING_ONNX_CRC] = brought->onnx_crc;
    out->settings[SETTING_LINKS] = brought->input | brought->output << 16;
    out->settings[SETTING_LAYOUT] = brought->layout;
    out->settings[SETTING_POOLING] = brought->pooling;
    out->settings[SETTING_CHANNELS] = brought->channels;
    out->settings[SETTING_BATCH] = brought->batch;
    out->settings[SETTING_ROWS] = brought->rows;
    out->settings[SETTING_COLS] = brought->cols;
}

static float *weights(void *state, size_t *count)
{
    struct brought *brought = state;
    *count = 2 * (size_t)brought->channels;
    return brought->weights;
}

static akin_json *floats_of(const float *values, uint32_t count)
{
    akin_json *list = akin_json_array();
    for (uint32_t i = 0; i < count; i++)
        akin_json_append(list, akin_json_float(values[i]));
    return list;
}

/* What the file is made of, for people; a file that only ONNX Runtime can read has no such words. */
static void describe_file(const struct brought *brought, akin_json *words)
{
    struct onnx_graph *graph = NULL;
    char operators[1024];
    if (onnx_parse(&graph, brought->file.data, brought->file.size, BROUGHT_FILE_NAME, NULL))
        return;
    onnx_operators(graph, operators, sizeof operators);
    if (brought->net) {
        akin_json_set(words, "input", akin_json_string(graph->inputs[0].name));
        akin_json_set(words, "output", akin_json_string(graph->outputs[0].name));
        akin_json_set(words, "engine", akin_json_string("akin"));
    }
    akin_json_set(words, "producer", akin_json_string(graph->producer));
    akin_json_set(words, "opset", akin_json_integer(graph->opset));
    akin_json_set(words, "operators", akin_json_string(operators));
    onnx_free(graph);
}

static void card(const void *state, akin_json *card)
{
    const struct brought *brought = state;
    akin_json *words = akin_json_object();
    akin_json_set(words, "file", akin_json_string(BROUGHT_FILE_NAME));
    if (brought->session) {
        akin_json_set(words, "input",
                      akin_json_string(ort_input(brought->session, brought->input)->name));
        akin_json_set(words, "output",
                      akin_json_string(ort_output(brought->session, brought->output)->name));
        akin_json_set(words, "onnxruntime", akin_json_string(ort_version()));
    }
    akin_json_set(words, "layout", akin_json_string(brought_layouts[brought->layout]));
    akin_json_set(words, "pooling", akin_json_string(brought_poolings[brought->pooling]));
    akin_json_set(words, "channels", akin_json_integer(brought->channels));
    akin_json_set(words, "gain", floats_of(brought->weights, brought->channels));
    akin_json_set(words, "offset",
                  floats_of(brought->weights + brought->channels, brought->channels));
    describe_file(brought, words);
    akin_json_set(card, "options", words);
}

/* What was settled at import must still be what the file has. */
static akin_status check_session(const struct brought *brought, const char *path, akin_error *err)
{
    if (brought->input >= ort_input_count(brought->session) ||
        brought->output >= ort_output_count(brought->session) ||
        ort_input(brought->session, brought->input)->rank != 4)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' has other inputs and outputs than the settings beside it tell",
                              path);
    return AKIN_OK;
}

akin_status brought_plan(struct brought *brought, struct onnx_engine **engine, uint32_t px,
                         akin_error *err)
{
    struct onnx_graph *graph = NULL;
    struct onnx_net *net = NULL;
    struct onnx_engine *made = NULL;
    akin_error why = {0};
    akin_status status =
        onnx_parse(&graph, brought->file.data, brought->file.size, BROUGHT_FILE_NAME, &why);
    if (status == AKIN_OK)
        status = onnx_net_create(&net, graph, px, &why);
    if (status == AKIN_OK)
        status = onnx_engine_create(&made, net, &why);
    onnx_free(graph);
    if (status == AKIN_OK && engine)
        *engine = made;
    else
        onnx_engine_free(made);
    if (status == AKIN_OK)
        brought->net = net;
    else
        onnx_net_free(net);
    /* What it cannot read or run is ONNX Runtime's to judge. */
    return status == AKIN_ERR_NO_MEMORY ? akin_error_set(err, status, "%s", why.text) : AKIN_OK;
}

/* Whether what was settled at import is this net's: else ONNX Runtime runs it. */
static bool net_fits(const struct brought *brought)
{
    const struct onnx_shape *image = &brought->net->shapes[0];
    return brought->input == 0 && brought->output == 0 && brought->batch == 1 &&
           brought->layout == BROUGHT_NCHW && image->c == brought->channels &&
           image->h == brought->input_px && image->w == brought->input_px;
}

static akin_status load_extra(void *state, const char *folder, akin_error *err)
{
    struct brought *brought = state;
    char path[AKIN_PATH_MAX];
    akin_status status = akin_path_join(path, folder, BROUGHT_FILE_NAME, err);
    if (status == AKIN_OK)
        status = akin_map_open(&brought->file, path, err);
    if (status == AKIN_OK &&
        akin_crc32c(0, brought->file.data, brought->file.size) != brought->onnx_crc)
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "'%s' is damaged: the checksum does not fit (restore it, or import "
                                "the model again)",
                                path);
    if (status == AKIN_OK)
        status = brought_plan(brought, NULL, brought->input_px, err);
    if (status != AKIN_OK || (brought->net && net_fits(brought)))
        return status;
    onnx_net_free(brought->net);
    brought->net = NULL;
    status = ort_session_create(&brought->session, NULL, brought->file.data, brought->file.size,
                                path, err);
    return status == AKIN_OK ? check_session(brought, path, err) : status;
}

static akin_status save_extra(const void *state, const char *folder, akin_error *err)
{
    const struct brought *brought = state;
    char path[AKIN_PATH_MAX];
    akin_status status = akin_path_join(path, folder, BROUGHT_FILE_NAME, err);
    /* Mapped from where the user has it: it may have been changed since it was imported. */
    if (status == AKIN_OK &&
        akin_crc32c(0, brought->file.data, brought->file.size) != brought->onnx_crc)
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "the ONNX file was changed while it was imported");
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, brought->file.data, brought->file.size, err);
    return status;
}

/* ---- running ---- */

size_t brought_input_count(const struct brought *brought)
{
    return (size_t)brought->batch * brought->channels * brought->input_px * brought->input_px;
}

static akin_status run_engine(const struct brought *brought, struct onnx_engine *engine,
                              const float *input, struct ort_result *out, akin_error *err)
{
    const struct onnx_shape *shape = &brought->net->shapes[brought->net->output];
    struct ort_result result = {.rank = shape->flat ? 2 : 4,
                                .dims = {1, shape->c, shape->h, shape->w},
                                .count = (size_t)shape->c * shape->h * shape->w};
    akin_status status = onnx_engine_run(engine, input, &result.data, err);
    if (status == AKIN_OK)
        *out = result;
    return status;
}

akin_status brought_run(const struct brought *brought, struct onnx_engine *engine,
                        const float *input, struct ort_result *out, akin_error *err)
{
    if (brought->net)
        return run_engine(brought, engine, input, out, err);
    const int64_t px = brought->input_px, channels = brought->channels;
    const bool nchw = brought->layout == BROUGHT_NCHW;
    const int64_t dims[4] = {brought->batch, nchw ? channels : px, px, nchw ? px : channels};
    if (!brought->session)
        return akin_error_set(err, AKIN_ERR_INVALID, "a brought encoder without its ONNX file");
    return ort_run(brought->session, brought->input, brought->output, input, 4, dims, out, err);
}

static uint32_t square_root(size_t n)
{
    uint32_t root = (uint32_t)lround(sqrt((double)n));
    return root <= AKIN_CELLS_MAX && (size_t)root * root == n ? root : 0;
}

/* (n, tokens, d): the first of them is a class token where pooling says so. */
static void grid_of_tokens(struct brought_grid *grid, enum brought_pooling pooling, size_t tokens)
{
    const size_t skip = pooling == BROUGHT_PATCHES;
    grid->cells = pooling == BROUGHT_CLASS ? 1 : tokens - skip;
    grid->data += skip * grid->dim;
    grid->cell_stride = grid->dim;
    grid->rows = grid->cols = pooling == BROUGHT_CLASS ? 0 : square_root(grid->cells);
}

/* (n, c, h, w) or (n, h, w, c). */
static void grid_of_map(struct brought_grid *grid, enum brought_layout layout, const int64_t *dims)
{
    const int64_t *sides = layout == BROUGHT_NCHW ? dims + 2 : dims + 1;
    grid->dim = (size_t)(layout == BROUGHT_NCHW ? dims[1] : dims[3]);
    grid->cells = (size_t)sides[0] * (size_t)sides[1];
    grid->cell_stride = layout == BROUGHT_NCHW ? 1 : grid->dim;
    grid->stride = layout == BROUGHT_NCHW ? grid->cells : 1;
    if (sides[0] <= AKIN_CELLS_MAX && sides[1] <= AKIN_CELLS_MAX) {
        grid->rows = (uint32_t)sides[0];
        grid->cols = (uint32_t)sides[1];
    }
}

akin_status brought_grid_of(struct brought_grid *out, const struct brought *brought,
                            const struct ort_result *result, akin_error *err)
{
    const enum brought_pooling pooling = brought->pooling;
    const bool of_tokens = pooling == BROUGHT_CLASS || pooling == BROUGHT_PATCHES;
    struct brought_grid grid = {.data = result->data, .cells = 1, .stride = 1};
    if (result->rank < 1 || result->count == 0 || result->dims[0] != brought->batch ||
        (of_tokens && (result->rank != 3 || result->dims[1] < 2)) ||
        (pooling == BROUGHT_MEAN && result->rank != 3 && result->rank != 4))
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "the network's output has %u dimensions: pooling '%s' is of %s",
                              result->rank, brought_poolings[pooling],
                              of_tokens                 ? "tokens (n, t, d)"
                              : pooling == BROUGHT_MEAN ? "a map of 4 or tokens of 3"
                                                        : "one vector or more a tile");
    grid.dim = pooling == BROUGHT_NONE ? result->count / brought->batch
                                       : (size_t)result->dims[result->rank - 1];
    if (pooling != BROUGHT_NONE && result->rank == 3)
        grid_of_tokens(&grid, pooling, (size_t)result->dims[1]);
    else if (pooling != BROUGHT_NONE)
        grid_of_map(&grid, brought->layout, result->dims);
    *out = grid;
    return AKIN_OK;
}

/* One thread's memory, after this head. */
struct scratch {
    float *input, *cell_weights; /* (AKIN_CELLS_MAX^2) */
    struct onnx_engine *engine;  /* where there is a net */
};

static size_t scratch_floats(const struct brought *brought)
{
    return brought_input_count(brought) + (size_t)AKIN_CELLS_MAX * AKIN_CELLS_MAX;
}

static size_t scratch_bytes(const void *state)
{
    return sizeof(struct scratch) + scratch_floats(state) * sizeof(float);
}

static void scratch_free(void *memory)
{
    struct scratch *scratch = memory;
    if (!scratch)
        return;
    onnx_engine_free(scratch->engine);
    akin_free(scratch->input);
    akin_free(scratch);
}

static akin_status scratch_create(void **out, const void *state, akin_error *err)
{
    const struct brought *brought = state;
    struct scratch *scratch = akin_alloc_zero(1, sizeof *scratch);
    float *block = akin_alloc_zero(scratch_floats(brought), sizeof *block);
    if (!scratch || !block) {
        akin_free(scratch);
        akin_free(block);
        return akin_error_memory(err, scratch_bytes(state), "a brought encoder's input");
    }
    *scratch = (struct scratch){block, block + brought_input_count(brought), NULL};
    akin_status status =
        brought->net ? onnx_engine_create(&scratch->engine, brought->net, err) : AKIN_OK;
    if (status == AKIN_OK)
        *out = scratch;
    else
        scratch_free(scratch);
    return status;
}

/* u8 (px, px, bands) to what the network wants, in the first place of the batch. */
static void fill_input(const struct brought *brought, const uint8_t *tile, float *out)
{
    const size_t pixels = (size_t)brought->input_px * brought->input_px;
    const bool nchw = brought->layout == BROUGHT_NCHW;
    const size_t channel_step = nchw ? pixels : 1, pixel_step = nchw ? 1 : brought->channels;
    for (uint32_t c = 0; c < brought->channels; c++) {
        const float gain = brought->weights[c], offset = brought->weights[brought->channels + c];
        const uint8_t *band = tile + (brought->bands == 1 ? 0 : c);
        for (size_t i = 0; i < pixels; i++)
            out[c * channel_step + i * pixel_step] = gain * band[i * brought->bands] + offset;
    }
}

/* Share of the pixels under each cell that are there; all 1 without a mask. The sum of all. */
static double weigh_cells(const struct brought_grid *grid, const uint8_t *filled, size_t px,
                          float *out)
{
    double sum = 0;
    for (size_t k = 0; k < grid->cells; k++) {
        out[k] = 1;
        if (filled) {
            size_t row = k / grid->cols, col = k % grid->cols, there = 0, all = 0;
            size_t bottom = (row + 1) * px / grid->rows, right = (col + 1) * px / grid->cols;
            for (size_t y = row * px / grid->rows; y < bottom; y++)
                for (size_t x = col * px / grid->cols; x < right; x++, all++)
                    there += filled[y * px + x] != 0;
            out[k] = all ? (float)there / (float)all : 1;
        }
        sum += out[k];
    }
    return sum;
}

/* Unit length, or zeros where nothing can be said. */
static void make_unit(float *vector, size_t n)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += (double)vector[i] * vector[i];
    const double factor = isfinite(square) && square > 0 ? 1 / sqrt(square) : 0;
    for (size_t i = 0; i < n; i++)
        vector[i] = factor > 0 ? (float)(vector[i] * factor) : 0;
}

/* Missing pixels count for nothing where the network tells cell from cell. */
static void pool(const struct brought_grid *grid, const uint8_t *filled, size_t px,
                 float *cell_weights, float *out)
{
    const bool weighed = filled && grid->rows;
    const double sum = weighed ? weigh_cells(grid, filled, px, cell_weights) : (double)grid->cells;
    for (size_t i = 0; i < grid->dim; i++) {
        double value = 0;
        for (size_t k = 0; k < grid->cells; k++)
            value += (weighed ? (double)cell_weights[k] : 1) *
                     (double)grid->data[k * grid->cell_stride + i * grid->stride];
        out[i] = sum > 0 ? (float)(value / sum) : 0;
    }
    make_unit(out, grid->dim);
}

/* Runs one tile; the grid is valid until the result is freed. */
static akin_status run_tile(const struct brought *brought, const struct scratch *scratch,
                            const uint8_t *tile, struct ort_result *result,
                            struct brought_grid *grid, akin_error *err)
{
    fill_input(brought, tile, scratch->input);
    akin_status status = brought_run(brought, scratch->engine, scratch->input, result, err);
    if (status == AKIN_OK)
        status = brought_grid_of(grid, brought, result, err);
    if (status == AKIN_OK &&
        (grid->dim != brought->dim || grid->rows != brought->rows || grid->cols != brought->cols))
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "the network gave %zu numbers a vector where %u were expected",
                                grid->dim, brought->dim);
    return status;
}

static bool nothing_there(const uint8_t *filled, size_t px)
{
    return filled && !filled[0] && !memcmp(filled, filled + 1, px * px - 1);
}

static akin_status encode(const void *state, void *memory, size_t n, const uint8_t *const *inputs,
                          const uint8_t *const *filled, float *out, akin_error *err)
{
    const struct brought *brought = state;
    const struct scratch *scratch = memory;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < n && status == AKIN_OK; i++) {
        float *vector = out + i * brought->dim;
        struct ort_result result = {0};
        struct brought_grid grid;
        memset(vector, 0, brought->dim * sizeof *vector);
        if (nothing_there(filled[i], brought->input_px))
            continue;
        status = run_tile(brought, scratch, inputs[i], &result, &grid, err);
        if (status == AKIN_OK)
            pool(&grid, filled[i], brought->input_px, scratch->cell_weights, vector);
        ort_result_free(&result);
    }
    return status;
}

static akin_status cells(const void *state, void *memory, const uint8_t *input,
                         const uint8_t *filled, uint32_t *rows, uint32_t *cols, float *out,
                         akin_error *err)
{
    const struct brought *brought = state;
    const struct scratch *scratch = memory;
    struct ort_result result = {0};
    struct brought_grid grid;
    if (!brought->rows)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "this brought encoder gives one vector a tile: it cannot tell where "
                              "inside (give it an output that is a map, or patches-mean)");
    akin_status status = out ? run_tile(brought, scratch, input, &result, &grid, err) : AKIN_OK;
    if (status == AKIN_OK) {
        *rows = brought->rows;
        *cols = brought->cols;
    }
    if (status == AKIN_OK && out) {
        for (size_t k = 0; k < grid.cells; k++)
            scratch->cell_weights[k] = 1;
        if (filled)
            weigh_cells(&grid, filled, brought->input_px, scratch->cell_weights);
        for (size_t k = 0; k < grid.cells; k++) {
            float *vector = out + k * grid.dim;
            for (size_t i = 0; i < grid.dim; i++)
                vector[i] = scratch->cell_weights[k] > 0
                                ? grid.data[k * grid.cell_stride + i * grid.stride]
                                : 0;
            make_unit(vector, grid.dim);
        }
    }
    ort_result_free(&result);
    return status;
}

static uint32_t batch(const void *state)
{
    (void)state;
    return 1;
}

const struct model_kind brought_kind = {
    .name = "brought",
    .code = 3,
    .create = create,
    .free = destroy,
    .describe = describe,
    .card = card,
    .weights = weights,
    .load_extra = load_extra,
    .save_extra = save_extra,
    .batch = batch,
    .scratch_create = scratch_create,
    .scratch_free = scratch_free,
    .scratch_bytes = scratch_bytes,
    .encode = encode,
    .cells = cells,
};
