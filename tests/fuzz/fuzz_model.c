/*
 * Fuzzes the reading of weights.bin. Inputs rarely have a right checksum, so both are put right
 * first: the checks behind them are what is to be tried. An encoder that opens must encode without
 * a NaN.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/model/model_kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Encodes a grey tile; small ones only, so that a run takes no time. */
static void encode(const akin_model *model)
{
    const struct akin_model_info *info = akin_model_info(model);
    akin_encoder *encoder = NULL;
    size_t bytes = (size_t)info->input_px * info->input_px * info->bands;
    if (bytes > 100000 || akin_encoder_create(&encoder, model, NULL) != AKIN_OK)
        return;
    uint8_t *input = malloc(bytes);
    float *out = malloc(info->dim * sizeof *out);
    for (size_t i = 0; i < bytes; i++)
        input[i] = (uint8_t)(i * 7);
    const uint8_t *const inputs[] = {input};
    /* Of a brought encoder these are the settings only: without its second file it refuses. */
    bool runs = akin_encoder_run(encoder, 1, inputs, NULL, out, NULL) == AKIN_OK;
    if (runs != (strcmp(info->kind, "brought") != 0))
        abort();
    for (uint32_t i = 0; runs && i < info->dim; i++)
        if (!isfinite(out[i]))
            abort();
    free(input);
    free(out);
    akin_encoder_free(encoder);
}

static void try(const uint8_t *bytes, size_t size)
{
    akin_model *model = NULL;
    akin_error err = {0};
    if (model_parse(&model, bytes, size, "fuzz", "input", &err) == AKIN_OK)
        encode(model);
    else if (!err.text[0])
        abort(); /* a refusal says why */
    akin_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model_header header;
    try(data, size);
    if (size < sizeof header)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    memcpy(&header, data, sizeof header);
    header.weights_crc = akin_crc32c(0, data + sizeof header, size - sizeof header);
    header.header_crc = akin_crc32c(0, &header, offsetof(struct model_header, header_crc));
    memcpy(copy, &header, sizeof header);
    try(copy, size);
    free(copy);
    return 0;
}
