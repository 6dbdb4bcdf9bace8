/*
 * Bringing an .onnx file in: what the options do not say the card beside it may, and what neither
 * says is read off the file's inputs and outputs. Then it is run once, to see what comes out; from
 * there on everything is settled and stored.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "brought.h"

#define CARD_BYTES_MAX (1u << 20)
#define ONNX_SUFFIX ".onnx"
#define NO_CHOICE 99

void akin_onnx_options_default(struct akin_onnx_options *out)
{
    *out = (struct akin_onnx_options){0};
}

/* ---- the card beside the file ---- */

/* "a.json" beside "a.onnx"; parsed into *out, or NULL where there is none. */
static akin_status read_card(akin_json **out, const char *onnx_path, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct akin_buffer text;
    size_t stem = strlen(onnx_path);
    if (akin_text_ends_with(onnx_path, ONNX_SUFFIX))
        stem -= strlen(ONNX_SUFFIX);
    int length = snprintf(path, sizeof path, "%.*s.json", (int)stem, onnx_path);
    if (length < 0 || (size_t)length >= sizeof path ||
        akin_file_stat(&(struct akin_file_stat){0}, path, NULL) == AKIN_ERR_NOT_FOUND)
        return AKIN_OK;
    akin_buffer_init(&text, CARD_BYTES_MAX);
    akin_status status = akin_file_read(&text, path, err);
    if (status == AKIN_OK)
        status = akin_json_parse(out, text.data ? text.data : "", text.size, path, err);
    akin_buffer_fini(&text);
    return status == AKIN_OK ? AKIN_OK : akin_error_context(err, status, "the model's card");
}

static akin_status card_text(const char **out, const akin_json *card, const char *key,
                             akin_error *err)
{
    return *out || !akin_json_get(card, key)
               ? AKIN_OK
               : akin_json_get_text(out, card, key, "the model's card", err);
}

/* mean or std: a number or up to AKIN_BANDS_MAX of them. */
static akin_status card_numbers(double *out, uint32_t *count, const akin_json *card,
                                const char *key, akin_error *err)
{
    const akin_json *list = akin_json_get(card, key);
    const bool is_list = akin_json_is_array(list);
    const size_t found = is_list ? akin_json_count(list) : 1;
    if (*count || !list)
        return AKIN_OK;
    bool good = found >= 1 && found <= AKIN_BANDS_MAX;
    for (size_t i = 0; i < found && good; i++)
        good = akin_json_number_value(&out[i], is_list ? akin_json_at(list, i) : list);
    if (!good)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the model's card: '%s' is not a number or a list of 1 to %d numbers",
                              key, AKIN_BANDS_MAX);
    *count = (uint32_t)found;
    return AKIN_OK;
}

/* Fills in what the options leave open; texts are borrowed from the card. */
static akin_status merge_card(struct akin_onnx_options *options, const akin_json *card,
                              akin_error *err)
{
    int64_t px = 0;
    akin_status status = card_text(&options->input, card, "input", err);
    if (status == AKIN_OK)
        status = card_text(&options->output, card, "output", err);
    if (status == AKIN_OK)
        status = card_text(&options->layout, card, "layout", err);
    if (status == AKIN_OK)
        status = card_text(&options->pooling, card, "pooling", err);
    if (status == AKIN_OK && !options->input_px && akin_json_get(card, "input_px")) {
        status = akin_json_get_integer(&px, card, "input_px", 1, BROUGHT_PX_MAX, "the model's card",
                                       err);
        options->input_px = (uint32_t)px;
    }
    if (status == AKIN_OK && options->scale == 0 && akin_json_get(card, "scale"))
        status =
            akin_json_get_number(&options->scale, card, "scale", 1, 255, "the model's card", err);
    if (status == AKIN_OK)
        status = card_numbers(options->mean, &options->mean_count, card, "mean", err);
    if (status == AKIN_OK)
        status = card_numbers(options->std, &options->std_count, card, "std", err);
    return status;
}

/* ---- what the file has ---- */

/* Inputs and outputs as ONNX Runtime tells them, or, of a file that akin's own engine runs, as the
 * file does. */
struct links {
    struct ort_value in[ORT_LINKS_MAX], out[ORT_LINKS_MAX];
    size_t in_count, out_count;
};

static void links_of_session(struct links *links, const struct ort_session *session)
{
    links->in_count = ort_input_count(session);
    links->out_count = ort_output_count(session);
    for (size_t i = 0; i < links->in_count; i++)
        links->in[i] = *ort_input(session, i);
    for (size_t i = 0; i < links->out_count; i++)
        links->out[i] = *ort_output(session, i);
}

/* Its only input and output, as the net has them. */
static akin_status links_of_net(struct links *links, const struct brought *brought, akin_error *err)
{
    const struct onnx_net *net = brought->net;
    const struct onnx_shape *in = &net->shapes[0], *result = &net->shapes[net->output];
    struct onnx_graph *graph = NULL;
    akin_status status =
        onnx_parse(&graph, brought->file.data, brought->file.size, BROUGHT_FILE_NAME, err);
    if (status != AKIN_OK)
        return status;
    const int64_t batch = graph->inputs[0].rank ? graph->inputs[0].dims[0] : -1;
    links->in_count = graph->input_count;
    links->out_count = graph->output_count;
    links->in[0] =
        (struct ort_value){.element = ONNX_FLOAT, .rank = 4, .dims = {batch, in->c, in->h, in->w}};
    links->out[0] = (struct ort_value){.element = ONNX_FLOAT,
                                       .rank = result->flat ? 2 : 4,
                                       .dims = {batch, result->c, result->h, result->w}};
    snprintf(links->in[0].name, ORT_NAME_MAX, "%s", graph->inputs[0].name);
    snprintf(links->out[0].name, ORT_NAME_MAX, "%s", graph->outputs[0].name);
    onnx_free(graph);
    return AKIN_OK;
}

/* ---- choosing ---- */

/* The place of `text` among `names`; NO_CHOICE for "auto" or none. */
static akin_status choose(unsigned *out, const char *text, const char *const *names, unsigned count,
                          const char *option, akin_error *err)
{
    *out = NO_CHOICE;
    if (!text || !strcmp(text, "auto"))
        return AKIN_OK;
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(text, names[i]))
            *out = i;
    if (*out != NO_CHOICE)
        return AKIN_OK;
    char choices[128] = "auto";
    for (unsigned i = 0; i < count; i++) {
        size_t used = strlen(choices);
        snprintf(choices + used, sizeof choices - used, ", %s", names[i]);
    }
    return akin_error_set(err, AKIN_ERR_INVALID, "%s '%.40s' is not one of %s", option, text,
                          choices);
}

/* "pixels float32 (-1, 3, 224, 224); mask int64 (1)". */
static void list_values(char *out, size_t size, const struct ort_value *values, size_t count)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && used + 1 < size; i++) {
        const struct ort_value *v = &values[i];
        used += (size_t)snprintf(out + used, size - used, "%s%s %s (", i ? "; " : "", v->name,
                                 onnx_element_name(v->element));
        for (uint32_t d = 0; d < v->rank && used + 1 < size; d++)
            used += (size_t)snprintf(out + used, size - used, d ? ", %lld" : "%lld",
                                     (long long)v->dims[d]);
        if (used + 1 < size)
            used += (size_t)snprintf(out + used, size - used, ")");
    }
}

/* The input or output of this name; AKIN_ERR_INVALID lists those that there are. */
static akin_status find_value(uint32_t *out, const struct ort_value *values, size_t count,
                              const char *name, const char *option, akin_error *err)
{
    char list[512];
    for (size_t i = 0; i < count; i++)
        if (!strcmp(values[i].name, name)) {
            *out = (uint32_t)i;
            return AKIN_OK;
        }
    list_values(list, sizeof list, values, count);
    return akin_error_set(err, AKIN_ERR_INVALID, "the network has no %s '%.80s': there are %s",
                          option, name, list);
}

/* Its only input, an image of f32. */
static akin_status choose_input(struct brought *brought, const struct links *links,
                                const char *name, akin_error *err)
{
    const size_t count = links->in_count;
    char list[512];
    akin_status status =
        name ? find_value(&brought->input, links->in, count, name, "input", err) : AKIN_OK;
    if (status != AKIN_OK)
        return status;
    const struct ort_value *input = &links->in[brought->input];
    list_values(list, sizeof list, links->in, count);
    if (count != 1)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "the network wants %zu inputs, of which akin can give only one, the "
                              "image: %s",
                              count, list);
    if (input->rank != 4 || input->element != ONNX_FLOAT)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "the network's input is no batch of images in float32 (4 "
                              "dimensions): %s",
                              list);
    return AKIN_OK;
}

/* A vector a tile before a map before tokens; logits, by their name, only where there is nothing
 * else. */
static unsigned preference(const struct ort_value *output)
{
    static const unsigned by_rank[5] = {0, 0, 4, 2, 3};
    if (output->element != ONNX_FLOAT || output->rank < 2 || output->rank > 4)
        return 0;
    return strstr(output->name, "logits") ? 1 : by_rank[output->rank];
}

static akin_status choose_output(struct brought *brought, const struct links *links,
                                 const char *name, akin_error *err)
{
    const size_t count = links->out_count;
    char list[512];
    unsigned best = 0;
    if (name)
        return find_value(&brought->output, links->out, count, name, "output", err);
    for (size_t i = 0; i < count; i++)
        if (preference(&links->out[i]) > best) {
            best = preference(&links->out[i]);
            brought->output = (uint32_t)i;
        }
    if (best)
        return AKIN_OK;
    list_values(list, sizeof list, links->out, count);
    return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                          "no output of the network is a vector, a map or tokens in float32: %s",
                          list);
}

/* ---- sizes ---- */

/* Channels last where the last size is small and the second is not. */
static enum brought_layout guess_layout(const int64_t *dims)
{
    return dims[3] > 0 && dims[3] <= AKIN_BANDS_MAX && (dims[1] < 0 || dims[1] > dims[3])
               ? BROUGHT_NHWC
               : BROUGHT_NCHW;
}

/* The file's size where it fixes one, else the asked one; 0 where neither does. */
static bool settle(uint32_t *out, int64_t fixed, uint32_t asked)
{
    *out = fixed > 0 && fixed <= UINT32_MAX ? (uint32_t)fixed : asked;
    return fixed <= 0 || !asked || fixed == (int64_t)asked;
}

static akin_status settle_sizes(struct brought *brought, const struct links *links,
                                const struct akin_onnx_options *options, akin_error *err)
{
    const int64_t *dims = links->in[brought->input].dims;
    const bool nchw = brought->layout == BROUGHT_NCHW;
    const int64_t rows = dims[nchw ? 2 : 1], cols = dims[nchw ? 3 : 2];
    uint32_t width;
    if (!settle(&brought->input_px, rows, options->input_px) ||
        !settle(&width, cols, brought->input_px) || width != brought->input_px)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the network takes images of %lld x %lld pixels (-1: any) in layout "
                              "%s; tiles are square, input_px is %u (0: what the file says)",
                              (long long)rows, (long long)cols, brought_layouts[brought->layout],
                              options->input_px);
    if (!brought->input_px || brought->input_px > BROUGHT_PX_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the network's input size is %u (0: left open): give one of 1 to %d "
                              "pixels, what it was trained with",
                              brought->input_px, BROUGHT_PX_MAX);
    settle(&brought->batch, dims[0], 1);
    if (brought->batch > BROUGHT_BATCH_MAX)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "the network takes batches of %u only, at most %d are made: export "
                              "it with an open batch",
                              brought->batch, BROUGHT_BATCH_MAX);
    return AKIN_OK;
}

static akin_status settle_channels(uint32_t *channels, uint32_t *bands, int64_t fixed,
                                   const struct akin_onnx_options *options, akin_error *err)
{
    const uint32_t open = options->bands ? options->bands : 3;
    *channels = fixed > 0 ? (uint32_t)(fixed <= AKIN_BANDS_MAX ? fixed : AKIN_BANDS_MAX + 1) : open;
    *bands = options->bands ? options->bands : *channels;
    if (*channels <= AKIN_BANDS_MAX && *bands <= AKIN_BANDS_MAX &&
        (*bands == 1 || *bands >= *channels))
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_INVALID,
                          "the network takes images of %lld channels (-1: any), the collection has "
                          "%u bands: it must be as many, fewer, or the bands only one",
                          (long long)fixed, *bands);
}

/* (value * scale / 255 - mean) / std as gain and offset. */
static akin_status settle_scale(struct brought *brought, const struct akin_onnx_options *options,
                                akin_error *err)
{
    const double scale = options->scale == 0 ? 1 : options->scale;
    const uint32_t n = brought->channels;
    if (scale != 1 && scale != 255)
        return akin_error_set(err, AKIN_ERR_INVALID, "scale %g is not 1 or 255", scale);
    if ((options->mean_count > 1 && options->mean_count != n) ||
        (options->std_count > 1 && options->std_count != n))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "%u means and %u deviations for the network's %u channels: give one "
                              "each, or one for all",
                              options->mean_count, options->std_count, n);
    for (uint32_t c = 0; c < n; c++) {
        const uint32_t m = options->mean_count > 1 ? c : 0, s = options->std_count > 1 ? c : 0;
        const double mean = options->mean_count ? options->mean[m] : 0;
        const double std = options->std_count ? options->std[s] : 1;
        if (!(std > 1e-6 && std < 1e6) || !(fabs(mean) < 1e6))
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "channel %u: a mean of %g and a deviation of %g make no sense", c,
                                  mean, std);
        brought->weights[c] = (float)(scale / 255 / std);
        brought->weights[n + c] = (float)(-mean / std);
    }
    return AKIN_OK;
}

/* ---- what comes out ---- */

static enum brought_pooling guess_pooling(const struct ort_result *result)
{
    const int64_t tokens = result->rank == 3 ? result->dims[1] : 0;
    const int64_t side = llround(sqrt((double)(tokens > 0 ? tokens - 1 : 0)));
    if (result->rank == 3 && tokens > 1 && side * side == tokens - 1)
        return BROUGHT_CLASS;
    return result->rank == 3 || result->rank == 4 ? BROUGHT_MEAN : BROUGHT_NONE;
}

/* One run on black; dimension and grid are those of what it gives. */
static akin_status try_run(struct brought *brought, const struct links *links,
                           struct onnx_engine *engine, unsigned pooling, akin_error *err)
{
    struct ort_result result = {0};
    struct brought_grid grid = {0};
    const size_t count = brought_input_count(brought);
    float *input = akin_alloc_zero(count, sizeof *input);
    if (!input)
        return akin_error_memory(err, count * sizeof *input, "a network's input");
    akin_status status = brought_run(brought, engine, input, &result, err);
    akin_free(input);
    if (status != AKIN_OK)
        return status;
    brought->pooling =
        pooling == NO_CHOICE ? guess_pooling(&result) : (enum brought_pooling)pooling;
    status = brought_grid_of(&grid, brought, &result, err);
    if (status == AKIN_OK && (grid.dim < 1 || grid.dim > AKIN_DIM_MAX))
        status = akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                                "the network gives %zu numbers a tile, at most %d make a vector: "
                                "choose another output or pooling",
                                grid.dim, AKIN_DIM_MAX);
    brought->dim = (uint32_t)grid.dim;
    brought->rows = grid.rows;
    brought->cols = grid.cols;
    ort_result_free(&result);
    return status == AKIN_ERR_UNSUPPORTED
               ? akin_error_context(err, status, "output '%s'", links->out[brought->output].name)
               : status;
}

/* An encoder that has all of `probe`, and weights, where it works. */
static akin_status settle_all(struct brought **out, struct brought probe, const struct links *links,
                              struct onnx_engine *engine, const struct akin_onnx_options *options,
                              akin_error *err)
{
    struct brought *brought = NULL;
    unsigned layout, pooling;
    uint32_t channels, bands;
    akin_status status = choose_input(&probe, links, options->input, err);
    if (status == AKIN_OK)
        status = choose_output(&probe, links, options->output, err);
    if (status == AKIN_OK)
        status = choose(&layout, options->layout, brought_layouts, BROUGHT_LAYOUTS, "layout", err);
    if (status == AKIN_OK)
        status =
            choose(&pooling, options->pooling, brought_poolings, BROUGHT_POOLINGS, "pooling", err);
    if (status != AKIN_OK)
        return status;
    const int64_t *dims = links->in[probe.input].dims;
    probe.layout = layout != NO_CHOICE ? (enum brought_layout)layout
                   : probe.net         ? BROUGHT_NCHW
                                       : guess_layout(dims);
    status = settle_channels(&channels, &bands, dims[probe.layout == BROUGHT_NCHW ? 1 : 3], options,
                             err);
    if (status == AKIN_OK)
        status = brought_create(&brought, channels, err);
    if (status != AKIN_OK)
        return status;
    probe.weights = brought->weights;
    probe.channels = channels;
    probe.bands = bands;
    *brought = probe;
    status = settle_sizes(brought, links, options, err);
    if (status == AKIN_OK)
        status = settle_scale(brought, options, err);
    if (status == AKIN_OK)
        status = try_run(brought, links, engine, pooling, err);
    if (status == AKIN_OK) {
        *out = brought;
        return AKIN_OK;
    }
    akin_free(brought->weights);
    akin_free(brought); /* the rest is the caller's */
    return status;
}

/* Who runs it: akin's own engine where it can, else ONNX Runtime. */
static akin_status open_file(struct brought *probe, struct links *links,
                             struct onnx_engine **engine, const char *path,
                             const struct akin_onnx_options *options, akin_error *err)
{
    const bool nhwc = options->layout && !strcmp(options->layout, "nhwc");
    akin_status status = akin_map_open(&probe->file, path, err);
    if (status == AKIN_OK)
        status = brought_plan(probe, engine, options->input_px, err);
    if (status == AKIN_OK && probe->net)
        status = links_of_net(links, probe, err);
    if (status != AKIN_OK ||
        (probe->net && links->out_count == 1 && links->in[0].dims[0] <= 1 && !nhwc))
        return status;
    onnx_engine_free(*engine);
    onnx_net_free(probe->net);
    *engine = NULL;
    probe->net = NULL;
    status = ort_session_create(&probe->session, options->library, probe->file.data,
                                probe->file.size, path, err);
    if (status == AKIN_OK)
        links_of_session(links, probe->session);
    return status;
}

static akin_status import_file(struct brought **out, const char *path,
                               const struct akin_onnx_options *options, akin_error *err)
{
    struct brought probe = {0}, *brought = NULL;
    struct onnx_engine *engine = NULL;
    struct links *links = akin_alloc_zero(1, sizeof *links);
    if (!links)
        return akin_error_memory(err, sizeof *links, "a network's inputs");
    akin_status status = open_file(&probe, links, &engine, path, options, err);
    if (status == AKIN_OK) {
        status = settle_all(&brought, probe, links, engine, options, err);
        if (status != AKIN_OK)
            status = akin_error_context(err, status, "'%s'", path);
    }
    onnx_engine_free(engine);
    akin_free(links);
    if (status != AKIN_OK) {
        ort_session_free(probe.session);
        onnx_net_free(probe.net);
        akin_map_close(&probe.file);
        return status;
    }
    brought->onnx_crc = akin_crc32c(0, brought->file.data, brought->file.size);
    *out = brought;
    return AKIN_OK;
}

akin_status akin_model_import_onnx(akin_model **out, const char *name, const char *onnx_path,
                                   const struct akin_onnx_options *options, akin_error *err)
{
    struct akin_onnx_options all = {0};
    struct brought *brought = NULL;
    akin_json *card = NULL;
    if (options)
        all = *options;
    akin_status status = akin_model_check_name(name, err);
    if (status == AKIN_OK && (all.mean_count > AKIN_BANDS_MAX || all.std_count > AKIN_BANDS_MAX))
        status = akin_error_set(err, AKIN_ERR_INVALID, "at most %d means and deviations",
                                AKIN_BANDS_MAX);
    if (status == AKIN_OK)
        status = read_card(&card, onnx_path, err);
    if (status == AKIN_OK && card)
        status = merge_card(&all, card, err);
    if (status == AKIN_OK)
        status = import_file(&brought, onnx_path, &all, err);
    if (status == AKIN_OK)
        status = model_create(out, name, &brought_kind, brought, &(struct akin_model_info){0}, err);
    if (status != AKIN_OK)
        brought_free(brought);
    akin_json_free(card);
    return status;
}
