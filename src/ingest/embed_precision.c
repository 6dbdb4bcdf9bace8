/*
 * What the encoder's net calculates in while it embeds, and from then on. int8 has to be calibrated
 * on tiles of the collection first, and to keep their neighbours; where it does not, that is said and
 * all stays as it was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "embed_batch.h"

static bool keeps_recall(const akin_model *model)
{
    struct akin_calibration measured;
    akin_model_calibration(&measured, model);
    return measured.tiles && measured.recall >= AKIN_CALIBRATION_RECALL;
}

bool embed_precision_measures(const akin_model *model, enum akin_precision wanted)
{
    if (wanted == AKIN_PRECISION_AUTO)
        return akin_model_precision_open(model);
    return wanted == AKIN_PRECISION_INT8 && !keeps_recall(model);
}

/* Fills the batch with tiles of the sample, as many as it holds. */
static akin_status read_sample(struct embed_batch *batch, akin_catalog *catalog, akin_index *index,
                               akin_error *err)
{
    struct akin_columns *columns = NULL;
    size_t count = 0;
    const uint64_t seed = akin_catalog_settings(catalog)->seed;
    akin_status status = embed_sample(&columns, &count, index, seed, AKIN_CALIBRATION_TILES, err);
    for (size_t i = 0; i < count && status == AKIN_OK && !embed_batch_is_full(batch); i++)
        status = embed_batch_push(batch, &columns[i], err);
    if (status == AKIN_OK)
        embed_batch_decode(batch);
    batch->failed = 0; /* they are met, and counted, again */
    akin_free(columns);
    return status;
}

static void say_calibration(const akin_model *model, const struct embed_batch *batch)
{
    struct akin_calibration measured;
    akin_model_calibration(&measured, model);
    const bool kept = keeps_recall(model);
    akin_log(batch->talk, kept ? AKIN_LEVEL_INFO : AKIN_LEVEL_WARN, STAGE,
             "int8 keeps %.3f of the 10 nearest on %" PRIu64
             " tiles, mean cosine %.4f: %s (%.2f is wanted)",
             measured.recall, measured.tiles, measured.cosine,
             kept ? "it is used" : akin_precision_name(akin_model_precision(model)),
             AKIN_CALIBRATION_RECALL);
}

/* *measured is false where there are too few tiles: nothing is said of int8 then, and a later call
 * may find more. */
static akin_status calibrate(bool *measured, akin_model *model, akin_catalog *catalog,
                             akin_index *index, struct embed_batch *batch, akin_error *err)
{
    akin_status status = read_sample(batch, catalog, index, err);
    *measured = status == AKIN_OK && batch->count >= AKIN_CALIBRATION_TILES_MIN;
    if (*measured)
        status = akin_model_calibrate(model, batch->count, batch->inputs, batch->filled,
                                      batch->pool, err);
    else if (status == AKIN_OK)
        akin_log(batch->talk, AKIN_LEVEL_INFO, STAGE,
                 "%zu tiles are too few to calibrate int8 on (%d): %s", batch->count,
                 AKIN_CALIBRATION_TILES_MIN, akin_precision_name(akin_model_precision(model)));
    embed_batch_clear(batch);
    return status;
}

akin_status embed_precision(akin_model *model, enum akin_precision wanted, akin_catalog *catalog,
                            akin_index *index, struct embed_batch *batch, akin_error *err)
{
    akin_status status = AKIN_OK;
    bool measured = false;
    if (embed_precision_measures(model, wanted)) {
        status = calibrate(&measured, model, catalog, index, batch, err);
        if (status != AKIN_OK || !measured)
            return status;
        say_calibration(model, batch);
        if (keeps_recall(model))
            status = akin_model_set_precision(model, AKIN_PRECISION_INT8, err);
    } else if (wanted != AKIN_PRECISION_AUTO) {
        status = akin_model_set_precision(model, wanted, err);
    } else {
        return AKIN_OK; /* as it was decided before, or has to be on this CPU */
    }
    return status == AKIN_OK ? akin_model_save_precision(model, akin_catalog_dir(catalog), err)
                             : status;
}
