/*
 * The trained encoder as one of the kinds: its settings in a file, its words in a card, its run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "model_kind.h"
#include "trained_export.h"

enum {
    SETTING_PRESET,
    SETTING_TRAIN_PX,
    SETTING_EPOCHS,
    SETTING_INSTANT_PX,
    SETTING_FILTERS,
    SETTING_PATCH_PX,
    SETTING_RCF_DIM,
    SETTING_HISTOGRAM_DIM,
    SETTING_POWER
};
#define POWER_UNIT 1e6 /* the power is stored in millionths */

static akin_status create(void **out, const struct model_header *header, akin_error *err)
{
    const struct akin_instant_options options = {
        .input_px = header->settings[SETTING_INSTANT_PX],
        .bands = header->bands,
        .seed = header->seed,
        .filters = header->settings[SETTING_FILTERS],
        .patch_px = header->settings[SETTING_PATCH_PX],
        .rcf_dim = header->settings[SETTING_RCF_DIM],
        .histogram_dim = header->settings[SETTING_HISTOGRAM_DIM],
        .power = header->settings[SETTING_POWER] / POWER_UNIT,
    };
    struct trained *trained = NULL;
    akin_status status = trained_create(&trained, header->settings[SETTING_PRESET],
                                        header->input_px, header->settings[SETTING_TRAIN_PX],
                                        header->settings[SETTING_EPOCHS], &options, err);
    if (status == AKIN_OK)
        *out = trained;
    return status;
}

static void destroy(void *state)
{
    trained_free(state);
}

static void describe(const void *state, struct model_header *out)
{
    const struct trained *trained = state;
    const struct akin_instant_options *options = &trained->instant_options;
    out->input_px = trained->px;
    out->bands = trained->table.arch.bands;
    out->dim = trained->instant_pca.out + trained->net_pca.out;
    out->settings[SETTING_PRESET] = trained->table.arch.preset;
    out->settings[SETTING_TRAIN_PX] = trained->train_px;
    out->settings[SETTING_EPOCHS] = trained->epochs;
    out->settings[SETTING_INSTANT_PX] = options->input_px;
    out->settings[SETTING_FILTERS] = options->filters;
    out->settings[SETTING_PATCH_PX] = options->patch_px;
    out->settings[SETTING_RCF_DIM] = options->rcf_dim;
    out->settings[SETTING_HISTOGRAM_DIM] = options->histogram_dim;
    out->settings[SETTING_POWER] = (uint32_t)lround(options->power * POWER_UNIT);
}

/* How much of their neighbours tiles keep when they are turned: a judge without labels. */
static void agreement_words(const struct trained *trained, akin_json *card)
{
    static const char *const parts[3] = {"instant", "net", "both"};
    const float *agreement = trained->agreement;
    akin_json *words = akin_json_object();
    for (int i = 0; i < 3; i++)
        akin_json_set(words, parts[i], akin_json_number(agreement[i]));
    akin_json_set(card, "neighbours_kept_under_turns", words);
    bool better = agreement[2] >= agreement[0] && agreement[2] >= agreement[1];
    akin_json_set(card, "verdict",
                  akin_json_string(better ? "both parts together keep their neighbours better "
                                            "than either alone"
                                          : "both parts together do not keep their neighbours "
                                            "better than the better part alone"));
}

static void card(const void *state, akin_json *card)
{
    const struct trained *trained = state;
    akin_json *words = akin_json_object();
    akin_json_set(words, "preset", akin_json_string(arch_name(trained->table.arch.preset)));
    akin_json_set(words, "train_px", akin_json_integer(trained->train_px));
    akin_json_set(words, "epochs", akin_json_integer(trained->epochs));
    akin_json_set(words, "net_dim", akin_json_integer(trained->net_pca.out));
    akin_json_set(words, "instant_dim", akin_json_integer(trained->instant_pca.out));
    akin_json_set(words, "instant_px", akin_json_integer(trained->instant_options.input_px));
    akin_json_set(card, "options", words);
    akin_json_set(
        card, "for_other_tools",
        akin_json_string(TRAINED_ONNX_NAME
                         ": pixel values of 0 to 255 to the net's part of the vector (its "
                         "last net_dim numbers, at unit length); " TRAINED_SAFETENSORS_NAME
                         ": the net's weights under torchvision's names"));
    agreement_words(trained, card);
    static const char *const references[] = {
        "Chen et al., A simple framework for contrastive learning (SimCLR), ICML 2020",
        "He et al., Deep residual learning for image recognition, CVPR 2016",
        "Jegou and Chum, ECCV 2012 (whitening of image descriptors)",
        "Rolf et al., Nature Communications 12:4392, 2021 (the instant part)",
    };
    akin_json *list = akin_json_array();
    for (size_t i = 0; i < sizeof references / sizeof *references; i++)
        akin_json_append(list, akin_json_string(references[i]));
    akin_json_set(card, "references", list);
}

static float *weights(void *state, size_t *count)
{
    struct trained *trained = state;
    *count = trained->weight_count;
    return trained->weights;
}

/* ---- encoding ---- */

struct scratch {
    struct trained_scratch *inner;
    float *net, *instant; /* (trained_batch, ...) */
};

static uint32_t batch(const void *state)
{
    (void)state;
    return trained_batch();
}

static void scratch_free(void *memory)
{
    struct scratch *scratch = memory;
    if (!scratch)
        return;
    trained_scratch_free(scratch->inner);
    akin_free(scratch->net);
    akin_free(scratch);
}

static akin_status scratch_create(void **out, const void *state, akin_error *err)
{
    const struct trained *trained = state;
    const size_t floats = (size_t)trained->net_pca.in + trained->instant_pca.in;
    struct scratch *scratch = akin_alloc_zero(1, sizeof *scratch);
    if (!scratch)
        return akin_error_memory(err, sizeof *scratch, "an encoder's scratch");
    scratch->net = akin_alloc(trained_batch(), floats * sizeof(float));
    akin_status status = scratch->net ? trained_scratch_create(&scratch->inner, trained, err)
                                      : akin_error_memory(err, floats, "an encoder's scratch");
    if (status != AKIN_OK) {
        scratch_free(scratch);
        return status;
    }
    scratch->instant = scratch->net + (size_t)trained_batch() * trained->net_pca.in;
    *out = scratch;
    return AKIN_OK;
}

/* An estimate: weights twice, and of activations the three largest maps at a time. */
static size_t scratch_bytes(const void *state)
{
    const struct trained *trained = state;
    size_t map = (size_t)trained->px / 2 * (trained->px / 2) * trained->table.arch.width[0];
    return (2 * trained->table.parameter_count + (size_t)trained_batch() * 4 * map) * sizeof(float);
}

static akin_status encode(const void *state, void *memory, size_t n, const uint8_t *const *inputs,
                          const uint8_t *const *filled, float *out, akin_error *err)
{
    const struct trained *trained = state;
    const struct scratch *scratch = memory;
    const size_t dim = (size_t)trained->net_pca.out + trained->instant_pca.out;
    bool there[TRAINED_BATCH_MAX];
    akin_status status = trained_features(trained, scratch->inner, n, inputs, filled, 0,
                                          scratch->net, scratch->instant, there, err);
    for (size_t i = 0; i < n && status == AKIN_OK; i++) {
        if (there[i])
            trained_project(trained, scratch->net + i * trained->net_pca.in,
                            scratch->instant + i * trained->instant_pca.in, 3, out + i * dim);
        else
            memset(out + i * dim, 0, dim * sizeof *out);
    }
    return status;
}

/* ---- precision ---- */

static struct model_precision *precision(void *state)
{
    return &((struct trained *)state)->precision;
}

static akin_status measure_ranges(const void *state, size_t n, const uint8_t *const *inputs,
                                  float *ranges, akin_error *err)
{
    return trained_measure_ranges(state, n, inputs, ranges, err);
}

static akin_status cells(const void *state, void *memory, const uint8_t *input,
                         const uint8_t *filled, uint32_t *rows, uint32_t *cols, float *out,
                         akin_error *err)
{
    const struct scratch *scratch = memory;
    *rows = *cols = trained_cells_side(scratch->inner);
    return out ? trained_cells(state, scratch->inner, input, filled, scratch->net, out, err)
               : AKIN_OK;
}

static akin_status save_extra(const void *state, const char *folder, akin_error *err)
{
    return trained_export(state, folder, err);
}

const struct model_kind trained_kind = {
    .name = "trained",
    .code = 2,
    .create = create,
    .free = destroy,
    .describe = describe,
    .card = card,
    .weights = weights,
    .save_extra = save_extra,
    .batch = batch,
    .scratch_create = scratch_create,
    .scratch_free = scratch_free,
    .scratch_bytes = scratch_bytes,
    .encode = encode,
    .precision = precision,
    .measure_ranges = measure_ranges,
    .cells = cells,
};

bool akin_model_kept(const akin_model *model, double *instant, double *net, double *both)
{
    if (model->kind != &trained_kind)
        return false;
    const struct trained *trained = model->state;
    *instant = trained->agreement[0];
    *net = trained->agreement[1];
    *both = trained->agreement[2];
    return true;
}
