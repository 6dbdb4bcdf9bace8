/*
 * The kind of those vectors that come without an encoder (akin import): a name and a dimension, in
 * the folder and by the rules of all encoders, so that a collection of them is listed, verified and
 * searched as any other. Its one weight is the dimension.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model_kind.h"

struct imported {
    uint32_t dim;
    float weight;
};

static akin_status create(void **out, const struct model_header *header, akin_error *err)
{
    if (header->bands || header->input_px || !header->dim || header->dim > AKIN_DIM_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "settings of imported vectors that are out of range");
    struct imported *imported = akin_alloc_zero(1, sizeof *imported);
    if (!imported)
        return akin_error_memory(err, sizeof *imported, "imported vectors");
    imported->dim = header->dim;
    imported->weight = (float)header->dim;
    *out = imported;
    return AKIN_OK;
}

static void destroy(void *state)
{
    akin_free(state);
}

static void describe(const void *state, struct model_header *out)
{
    const struct imported *imported = state;
    out->dim = imported->dim;
}

static void card(const void *state, akin_json *card)
{
    (void)state;
    akin_json_set(card, "about", akin_json_string("vectors that were made elsewhere: akin import"));
}

static float *weights(void *state, size_t *count)
{
    struct imported *imported = state;
    *count = 1;
    return &imported->weight;
}

static uint32_t batch(const void *state)
{
    (void)state;
    return 1;
}

static size_t scratch_bytes(const void *state)
{
    (void)state;
    return 0;
}

const struct model_kind imported_kind = {
    .name = "imported",
    .code = 4,
    .create = create,
    .free = destroy,
    .describe = describe,
    .card = card,
    .weights = weights,
    .batch = batch,
    .scratch_bytes = scratch_bytes,
};

akin_status akin_model_create_imported(akin_model **out, const char *name, uint32_t dim,
                                       akin_error *err)
{
    const struct model_header header = {.dim = dim};
    const struct akin_model_info info = {.seed = 0};
    void *state = NULL;
    akin_status status = akin_model_check_name(name, err);
    if (status == AKIN_OK && (!dim || dim > AKIN_DIM_MAX))
        status = akin_error_set(err, AKIN_ERR_INVALID, "vectors of %u numbers: 1 to %d are kept",
                                dim, AKIN_DIM_MAX);
    if (status == AKIN_OK)
        status = create(&state, &header, err);
    if (status == AKIN_OK)
        status = model_create(out, name, &imported_kind, state, &info, err);
    if (status != AKIN_OK)
        destroy(state);
    return status;
}

bool akin_model_encodes(const akin_model *model)
{
    return model->kind->encode != NULL;
}
