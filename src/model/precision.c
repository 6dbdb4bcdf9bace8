/*
 * In what precision an encoder's net calculates: the choice, the calibration that int8 needs, and
 * the file that remembers both. The file stands beside the weights and is no part of them: weights
 * never change, and an index made in one precision answers questions encoded in another.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "akin/vec.h"
#include "graph.h"
#include "model_kind.h"
#include "watch.h"

#define FORMAT 1
#define FILE_BYTES_MAX ((size_t)1 << 16)
#define RANGE_MAX 1e20
#define NEIGHBOURS 10

static const char *const names[AKIN_PRECISIONS] = {"auto", "f32", "bf16", "int8"};

const char *akin_precision_name(enum akin_precision precision)
{
    return (unsigned)precision < AKIN_PRECISIONS ? names[precision] : "?";
}

akin_status akin_precision_parse(enum akin_precision *out, const char *text, const char *what,
                                 akin_error *err)
{
    for (unsigned i = 0; i < AKIN_PRECISIONS; i++)
        if (!strcmp(text, names[i])) {
            *out = (enum akin_precision)i;
            return AKIN_OK;
        }
    return akin_error_set(err, AKIN_ERR_INVALID, "%s '%.40s': auto, f32, bf16 or int8", what, text);
}

/* ---- the choice ---- */

/* NULL where the kind has no net of ours. */
static struct model_precision *record_of(const akin_model *model)
{
    return model->kind->precision ? model->kind->precision(model->state) : NULL;
}

enum akin_precision precision_resolve(enum akin_precision chosen)
{
    if (chosen == AKIN_PRECISION_F32 || chosen == AKIN_PRECISION_INT8)
        return chosen;
    return graph_has_dtype(GRAPH_BF16) ? AKIN_PRECISION_BF16 : AKIN_PRECISION_F32;
}

enum akin_precision akin_model_precision(const akin_model *model)
{
    const struct model_precision *record = record_of(model);
    return record ? precision_resolve(record->chosen) : AKIN_PRECISION_F32;
}

bool akin_model_precision_open(const akin_model *model)
{
    const struct model_precision *record = record_of(model);
    return record && !record->decided && !record->measured.tiles && graph_int8_pays();
}

void akin_model_calibration(struct akin_calibration *out, const akin_model *model)
{
    const struct model_precision *record = record_of(model);
    *out = record ? record->measured : (struct akin_calibration){0};
}

static akin_status no_net(const akin_model *model, enum akin_precision precision, akin_error *err)
{
    return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                          "encoder '%s' (%s) cannot calculate in %s: only trained ones can",
                          model->info.name, model->info.kind, akin_precision_name(precision));
}

akin_status akin_model_set_precision(akin_model *model, enum akin_precision precision,
                                     akin_error *err)
{
    struct model_precision *record = record_of(model);
    if (!record)
        return precision == AKIN_PRECISION_AUTO || precision == AKIN_PRECISION_F32
                   ? AKIN_OK
                   : no_net(model, precision, err);
    if (precision == AKIN_PRECISION_BF16 && !graph_has_dtype(GRAPH_BF16))
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "this CPU has no bf16 instructions: take f32, int8 or auto");
    if (precision == AKIN_PRECISION_INT8 && !record->measured.tiles)
        return akin_error_set(err, AKIN_ERR_INVALID, "encoder '%s' is not calibrated for int8",
                              model->info.name);
    if (precision == AKIN_PRECISION_INT8 && record->measured.recall < AKIN_CALIBRATION_RECALL)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "int8 keeps only %.3f of the neighbours of encoder '%s', %.2f is "
                              "wanted",
                              record->measured.recall, model->info.name, AKIN_CALIBRATION_RECALL);
    record->chosen = precision;
    record->decided = true;
    return AKIN_OK;
}

/* ---- calibration ---- */

static akin_status encode_in(float *out, akin_model *model, enum akin_precision precision, size_t n,
                             const uint8_t *const *inputs, const uint8_t *const *filled,
                             akin_pool *pool, akin_error *err)
{
    struct model_precision *record = record_of(model);
    const enum akin_precision before = record->chosen;
    akin_encoder_pool *encoders = NULL;
    record->chosen = precision;
    akin_status status = akin_encoder_pool_create(&encoders, model, pool, err);
    if (status == AKIN_OK)
        status = akin_encoder_pool_run(encoders, n, inputs, filled, out, err);
    akin_encoder_pool_free(encoders);
    record->chosen = before;
    return status;
}

static akin_status compare(struct akin_calibration *out, akin_model *model, size_t n,
                           const uint8_t *const *inputs, const uint8_t *const *filled,
                           akin_pool *pool, akin_error *err)
{
    const size_t dim = model->info.dim;
    float *vectors = akin_alloc(n, 2 * dim * sizeof *vectors);
    if (!vectors)
        return akin_error_memory(err, n * 2 * dim * sizeof *vectors, "vectors to compare");
    float *floats = vectors, *steps = vectors + n * dim;
    *out = (struct akin_calibration){.tiles = n};
    akin_status status =
        encode_in(floats, model, AKIN_PRECISION_AUTO, n, inputs, filled, pool, err);
    if (status == AKIN_OK)
        status = encode_in(steps, model, AKIN_PRECISION_INT8, n, inputs, filled, pool, err);
    if (status == AKIN_OK)
        status = watch_agreement(&out->recall, floats, dim, steps, dim, n, NEIGHBOURS, pool, err);
    for (size_t i = 0; i < n && status == AKIN_OK; i++)
        out->cosine +=
            (double)akin_kernels()->dot(floats + i * dim, steps + i * dim, dim) / (double)n;
    akin_free(vectors);
    return status;
}

akin_status akin_model_calibrate(akin_model *model, size_t n, const uint8_t *const *inputs,
                                 const uint8_t *const *filled, akin_pool *pool, akin_error *err)
{
    struct model_precision *record = record_of(model);
    if (!record)
        return no_net(model, AKIN_PRECISION_INT8, err);
    if (n < AKIN_CALIBRATION_TILES_MIN)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "%zu tiles are too few to calibrate int8 on: %d are needed", n,
                              AKIN_CALIBRATION_TILES_MIN);
    const struct model_precision before = *record;
    struct akin_calibration measured;
    memset(record->range, 0, sizeof record->range);
    akin_status status =
        model->kind->measure_ranges(model->state, n / 2, inputs, record->range, err);
    if (status == AKIN_OK)
        status = compare(&measured, model, n, inputs, filled, pool, err);
    if (status == AKIN_OK)
        record->measured = measured;
    else
        *record = before;
    return status;
}

/* ---- the file ---- */

static akin_json *record_words(const akin_model *model, const struct model_precision *record)
{
    char fingerprint[9];
    akin_json *words = akin_json_object(), *ranges = akin_json_array();
    snprintf(fingerprint, sizeof fingerprint, "%08x", model->info.fingerprint);
    akin_json_set(words, "format", akin_json_integer(FORMAT));
    akin_json_set(words, "fingerprint", akin_json_string(fingerprint));
    akin_json_set(words, "precision", akin_json_string(akin_precision_name(record->chosen)));
    akin_json_set(words, "tiles", akin_json_integer((int64_t)record->measured.tiles));
    akin_json_set(words, "recall_at_10", akin_json_number(record->measured.recall));
    akin_json_set(words, "cosine", akin_json_number(record->measured.cosine));
    for (size_t i = 0; i < record->range_count && record->measured.tiles; i++)
        akin_json_append(ranges, akin_json_float(record->range[i]));
    akin_json_set(words, "ranges", ranges);
    return words;
}

static akin_status precision_path(char *out, const char *folder, akin_error *err)
{
    return akin_path_join(out, folder, MODEL_PRECISION_NAME, err);
}

akin_status akin_model_save_precision(const akin_model *model, const char *dir, akin_error *err)
{
    char folder[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    const struct model_precision *record = record_of(model);
    struct akin_buffer text;
    if (!record)
        return AKIN_OK; /* nothing to remember */
    akin_status status = model_folder(folder, dir, model->info.name, err);
    if (status == AKIN_OK)
        status = precision_path(path, folder, err);
    if (status != AKIN_OK)
        return status;
    akin_json *words = record_words(model, record);
    akin_buffer_init(&text, FILE_BYTES_MAX);
    status = akin_json_text(words, true, &text, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, text.data, text.size, err);
    akin_buffer_fini(&text);
    akin_json_free(words);
    return status;
}

/* All ranges of the net, or none where nothing was measured. */
static akin_status read_ranges(struct model_precision *out, const akin_json *words,
                               const char *path, akin_error *err)
{
    const akin_json *ranges = akin_json_get(words, "ranges");
    const size_t count = akin_json_count(ranges),
                 expected = out->measured.tiles ? out->range_count : 0;
    if (!akin_json_is_array(ranges) || count != expected)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' has %zu ranges where %zu belong", path,
                              count, expected);
    for (size_t i = 0; i < count; i++) {
        double value;
        if (!akin_json_number_value(&value, akin_json_at(ranges, i)) ||
            !(value >= 0 && value <= RANGE_MAX))
            return akin_error_set(err, AKIN_ERR_INVALID, "'%s': range %zu is no number of 0 to %g",
                                  path, i, RANGE_MAX);
        out->range[i] = (float)value;
    }
    return AKIN_OK;
}

static akin_status read_words(struct model_precision *out, const akin_model *model,
                              const akin_json *words, const char *path, akin_error *err)
{
    const char *fingerprint = NULL, *precision = NULL;
    char expected[9];
    int64_t format = 0, tiles = 0;
    akin_status status = akin_json_get_integer(&format, words, "format", 1, FORMAT, path, err);
    if (status == AKIN_OK)
        status = akin_json_get_text(&fingerprint, words, "fingerprint", path, err);
    if (status == AKIN_OK)
        status = akin_json_get_text(&precision, words, "precision", path, err);
    if (status == AKIN_OK)
        status = akin_precision_parse(&out->chosen, precision, path, err);
    if (status == AKIN_OK)
        status = akin_json_get_integer(&tiles, words, "tiles", 0, INT32_MAX, path, err);
    if (status == AKIN_OK)
        status =
            akin_json_get_number(&out->measured.recall, words, "recall_at_10", 0, 1, path, err);
    if (status == AKIN_OK)
        status =
            akin_json_get_number(&out->measured.cosine, words, "cosine", -1.01, 1.01, path, err);
    out->measured.tiles = (uint64_t)tiles;
    out->decided = true;
    if (status == AKIN_OK)
        status = read_ranges(out, words, path, err);
    if (status != AKIN_OK)
        return status;
    snprintf(expected, sizeof expected, "%08x", model->info.fingerprint);
    if (strcmp(fingerprint, expected))
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' is of another encoder", path);
    if (out->chosen == AKIN_PRECISION_INT8 && !tiles)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' says int8 without a calibration", path);
    return AKIN_OK;
}

akin_status precision_load(akin_model *model, const char *folder, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct model_precision *record = record_of(model), read;
    struct akin_file_stat stat;
    struct akin_buffer text;
    akin_json *words = NULL;
    akin_status status = precision_path(path, folder, err);
    if (status != AKIN_OK || !record || akin_file_stat(&stat, path, NULL) == AKIN_ERR_NOT_FOUND)
        return status;
    read = *record;
    akin_buffer_init(&text, FILE_BYTES_MAX);
    status = akin_file_read(&text, path, err);
    if (status == AKIN_OK)
        status = akin_json_parse(&words, text.data ? text.data : "", text.size, path, err);
    if (status == AKIN_OK)
        status = read_words(&read, model, words, path, err);
    if (status == AKIN_ERR_INVALID || status == AKIN_ERR_LIMIT)
        status = akin_error_context(
            err, AKIN_ERR_CORRUPT,
            "an encoder's precision is damaged (delete the file and embed again)");
    if (status == AKIN_OK)
        *record = read;
    akin_json_free(words);
    akin_buffer_fini(&text);
    return status;
}
