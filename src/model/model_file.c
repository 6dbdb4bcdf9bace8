/*
 * An encoder's folder: weights.bin (docs/FORMATS.md, "Encoders") and card.json, written together
 * into a temporary folder that is renamed when all of it is on disk. Everything read is checked
 * before it is used: sizes against the file's, both checksums, every float for being finite, the
 * card against the weights.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model_kind.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weights.bin is written as it lies in memory, which must be little-endian"
#endif

#define CARD_BYTES_MAX (1u << 20)
#define WEIGHTS_BYTES_MAX ((size_t)1 << 32)
#define FOLDER_ENTRIES_MAX 4096

static const char magic[8] = "AKMODL";

static const struct model_kind *const kinds[] = {&instant_kind, &trained_kind, &brought_kind,
                                                 &imported_kind};

akin_status model_folder(char *out, const char *dir, const char *name, akin_error *err)
{
    char models[AKIN_PATH_MAX];
    akin_status status = akin_path_join(name ? models : out, dir, "models", err);
    if (status == AKIN_OK && name)
        status = akin_path_join(out, models, name, err);
    return status;
}

/* ---- reading ---- */

static akin_status check_header(const struct model_header *header, size_t size, const char *what,
                                akin_error *err)
{
    if (memcmp(header->magic, magic, sizeof magic) != 0)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' is not an encoder's weights", what);
    if (akin_crc32c(0, header, offsetof(struct model_header, header_crc)) != header->header_crc)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s': the header is damaged", what);
    if (header->version > MODEL_FILE_VERSION)
        return akin_error_set(err, AKIN_ERR_VERSION,
                              "'%s' has format version %u, this akin reads up to %u: upgrade akin",
                              what, header->version, MODEL_FILE_VERSION);
    if (header->version == 0 || header->weight_count > WEIGHTS_BYTES_MAX / sizeof(float) ||
        size - sizeof *header != header->weight_count * sizeof(float))
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' has %zu bytes, its header tells of %llu weights", what, size,
                              (unsigned long long)header->weight_count);
    return AKIN_OK;
}

static const struct model_kind *find_kind(uint32_t code)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i]->code == code)
            return kinds[i];
    return NULL;
}

/* Into a state of zeros that was made by the same header. */
static akin_status read_weights(const struct model_kind *kind, void *state,
                                const unsigned char *bytes, const struct model_header *header,
                                const char *what, akin_error *err)
{
    struct model_header expected = {0};
    size_t count;
    float *weights = kind->weights(state, &count);
    kind->describe(state, &expected);
    if (count != header->weight_count || expected.dim != header->dim)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' has %llu weights for %u dimensions where %zu for %u belong",
                              what, (unsigned long long)header->weight_count, header->dim, count,
                              expected.dim);
    if (akin_crc32c(0, bytes, count * sizeof *weights) != header->weights_crc)
        return akin_error_set(
            err, AKIN_ERR_CORRUPT,
            "'%s' is damaged: the checksum does not fit (restore it, or fit again)", what);
    memcpy(weights, bytes, count * sizeof *weights);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(weights[i]))
            return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s': weight %zu is not finite", what, i);
    return AKIN_OK;
}

akin_status model_parse(akin_model **out, const void *bytes, size_t size, const char *name,
                        const char *what, akin_error *err)
{
    struct model_header header;
    if (size < sizeof header)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' is cut short: %zu bytes", what, size);
    memcpy(&header, bytes, sizeof header);
    akin_status status = check_header(&header, size, what, err);
    if (status != AKIN_OK)
        return status;
    const struct model_kind *kind = find_kind(header.kind);
    if (!kind)
        return akin_error_set(
            err, AKIN_ERR_VERSION,
            "'%s' is an encoder of a kind that this akin does not know (%u): upgrade akin", what,
            header.kind);
    void *state = NULL;
    status = kind->create(&state, &header, err);
    if (status == AKIN_ERR_INVALID)
        return akin_error_context(err, AKIN_ERR_CORRUPT, "'%s'", what);
    if (status != AKIN_OK)
        return status;
    struct akin_model_info info = {.seed = header.seed, .fitted_tiles = header.fitted_tiles};
    status =
        read_weights(kind, state, (const unsigned char *)bytes + sizeof header, &header, what, err);
    if (status == AKIN_OK)
        status = model_create(out, name, kind, state, &info, err);
    if (status != AKIN_OK)
        kind->free(state);
    return status;
}

static void fingerprint_text(char out[9], uint32_t fingerprint)
{
    snprintf(out, 9, "%08x", fingerprint);
}

/* The card is for people, but it must speak of these weights. */
static akin_status check_card(const struct akin_model_info *info, const char *path, akin_error *err)
{
    struct akin_buffer text;
    akin_json *card = NULL;
    const char *kind = NULL, *fingerprint = NULL;
    char expected[9];
    int64_t dim = 0;
    akin_buffer_init(&text, CARD_BYTES_MAX);
    akin_status status = akin_file_read(&text, path, err);
    if (status == AKIN_OK)
        status = akin_json_parse(&card, text.data ? text.data : "", text.size, path, err);
    if (status == AKIN_OK)
        status = akin_json_get_text(&kind, card, "kind", path, err);
    if (status == AKIN_OK)
        status = akin_json_get_text(&fingerprint, card, "fingerprint", path, err);
    if (status == AKIN_OK)
        status = akin_json_get_integer(&dim, card, "dim", 1, AKIN_DIM_MAX, path, err);
    fingerprint_text(expected, info->fingerprint);
    if (status == AKIN_OK &&
        (strcmp(kind, info->kind) || strcmp(fingerprint, expected) || dim != (int64_t)info->dim))
        status =
            akin_error_set(err, AKIN_ERR_CORRUPT,
                           "'%s' is the card of another encoder than the weights beside it", path);
    if (status == AKIN_ERR_INVALID || status == AKIN_ERR_LIMIT)
        status = akin_error_context(err, AKIN_ERR_CORRUPT, "an encoder's card");
    akin_json_free(card);
    akin_buffer_fini(&text);
    return status;
}

akin_status model_load(akin_model **out, const char *folder, const char *name, akin_error *err)
{
    char weights[AKIN_PATH_MAX], card[AKIN_PATH_MAX];
    struct akin_map map = {0};
    akin_model *model = NULL;
    akin_status status = akin_path_join(weights, folder, MODEL_WEIGHTS_NAME, err);
    if (status == AKIN_OK)
        status = akin_path_join(card, folder, MODEL_CARD_NAME, err);
    if (status == AKIN_OK)
        status = akin_map_open(&map, weights, err);
    if (status == AKIN_OK)
        status = model_parse(&model, map.data, map.size, name, weights, err);
    if (status == AKIN_OK)
        status = check_card(&model->info, card, err);
    if (status == AKIN_OK && model->kind->load_extra)
        status = model->kind->load_extra(model->state, folder, err);
    if (status == AKIN_OK)
        status = precision_load(model, folder, err);
    akin_map_close(&map);
    if (status == AKIN_OK)
        *out = model;
    else
        akin_model_free(model);
    return status;
}

/* ---- writing ---- */

static akin_status write_weights(const akin_model *model, const char *path, akin_error *err)
{
    struct model_header header = {.version = MODEL_FILE_VERSION,
                                  .kind = model->kind->code,
                                  .seed = model->info.seed,
                                  .fitted_tiles = model->info.fitted_tiles};
    size_t count;
    const float *weights = model->kind->weights(model->state, &count);
    memcpy(header.magic, magic, sizeof magic);
    header.weight_count = count;
    header.weights_crc = akin_crc32c(0, weights, count * sizeof *weights);
    model->kind->describe(model->state, &header);
    header.header_crc = akin_crc32c(0, &header, offsetof(struct model_header, header_crc));
    akin_atomic_file *file = NULL;
    akin_status status = akin_atomic_begin(&file, path, err);
    if (status == AKIN_OK)
        status = akin_atomic_write(file, &header, sizeof header, err);
    if (status == AKIN_OK)
        status = akin_atomic_write(file, weights, count * sizeof *weights, err);
    if (status == AKIN_OK)
        return akin_atomic_commit(file, err);
    akin_atomic_abort(file);
    return status;
}

static akin_status write_card(const akin_model *model, const char *path, akin_error *err)
{
    const struct akin_model_info *info = &model->info;
    char fingerprint[9], seed[24], created[AKIN_INTERVAL_TEXT_MAX];
    struct akin_buffer text;
    akin_json *card = akin_json_object();
    fingerprint_text(fingerprint, info->fingerprint);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)info->seed);
    akin_time_format(created, akin_time_now_ms());
    akin_json_set(card, "format", akin_json_integer(MODEL_FILE_VERSION));
    akin_json_set(card, "name", akin_json_string(info->name));
    akin_json_set(card, "kind", akin_json_string(info->kind));
    akin_json_set(card, "dim", akin_json_integer(info->dim));
    akin_json_set(card, "input_px", akin_json_integer(info->input_px));
    akin_json_set(card, "bands", akin_json_integer(info->bands));
    akin_json_set(card, "seed", akin_json_string(seed)); /* 64 bits are too many for a number */
    akin_json_set(card, "fitted_tiles", akin_json_integer((int64_t)info->fitted_tiles));
    akin_json_set(card, "fingerprint", akin_json_string(fingerprint));
    akin_json_set(card, "created", akin_json_string(created));
    model->kind->card(model->state, card);
    akin_buffer_init(&text, CARD_BYTES_MAX);
    akin_status status = akin_json_text(card, true, &text, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, text.data, text.size, err);
    akin_buffer_fini(&text);
    akin_json_free(card);
    return status;
}

/* Removes a folder of files; what cannot be removed is left: it is only a temporary one. */
static void remove_folder(const char *path)
{
    char **names = NULL, file[AKIN_PATH_MAX];
    size_t count = 0;
    if (akin_dir_list(&names, &count, path, FOLDER_ENTRIES_MAX, NULL) != AKIN_OK)
        return;
    for (size_t i = 0; i < count; i++)
        if (akin_path_join(file, path, names[i], NULL) == AKIN_OK)
            unlink(file);
    akin_names_free(names, count);
    rmdir(path);
}

/* Temporary folders that a killed process left: the collection has one writer, so none is in
 * use. */
static void sweep(const char *models)
{
    char **names = NULL, path[AKIN_PATH_MAX];
    size_t count = 0;
    if (akin_dir_list(&names, &count, models, FOLDER_ENTRIES_MAX, NULL) != AKIN_OK)
        return;
    for (size_t i = 0; i < count; i++)
        if (strstr(names[i], ".tmp-") && akin_path_join(path, models, names[i], NULL) == AKIN_OK)
            remove_folder(path);
    akin_names_free(names, count);
}

static akin_status write_folder(const akin_model *model, const char *folder, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    akin_status status = akin_dir_create(folder, err);
    if (status == AKIN_OK)
        status = akin_path_join(path, folder, MODEL_WEIGHTS_NAME, err);
    if (status == AKIN_OK)
        status = write_weights(model, path, err);
    if (status == AKIN_OK)
        status = akin_path_join(path, folder, MODEL_CARD_NAME, err);
    if (status == AKIN_OK)
        status = write_card(model, path, err);
    if (status == AKIN_OK && model->kind->save_extra)
        status = model->kind->save_extra(model->state, folder, err);
    if (status == AKIN_OK)
        status = akin_dir_sync(folder, err);
    return status;
}

/* rename refuses to replace a folder that is not empty: what is there stays. */
static akin_status move_folder(const char *from, const char *to, akin_error *err)
{
    if (rename(from, to) == 0)
        return AKIN_OK;
    if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
        return akin_error_set(err, AKIN_ERR_EXISTS,
                              "'%s' is there already: an encoder never changes, take another name",
                              to);
    return akin_error_errno(err, errno, "cannot rename '%s' to '%s'", from, to);
}

akin_status akin_model_save(const akin_model *model, const char *dir, akin_error *err)
{
    char models[AKIN_PATH_MAX], folder[AKIN_PATH_MAX], temporary[AKIN_PATH_MAX];
    char name[AKIN_NAME_MAX + 24];
    struct akin_file_stat stat;
    snprintf(name, sizeof name, "%s.tmp-%ld", model->info.name, (long)getpid());
    akin_status status = model_folder(models, dir, NULL, err);
    if (status == AKIN_OK)
        status = model_folder(folder, dir, model->info.name, err);
    if (status == AKIN_OK)
        status = model_folder(temporary, dir, name, err);
    if (status == AKIN_OK && akin_file_stat(&stat, folder, NULL) == AKIN_OK)
        status = akin_error_set(
            err, AKIN_ERR_EXISTS,
            "'%s' is there already: an encoder never changes, take another name", folder);
    if (status == AKIN_OK)
        status = akin_dir_create(models, err);
    if (status != AKIN_OK)
        return status;
    sweep(models);
    status = write_folder(model, temporary, err);
    if (status == AKIN_OK)
        status = move_folder(temporary, folder, err);
    if (status == AKIN_OK)
        return akin_dir_sync(models, err);
    remove_folder(temporary);
    return status;
}
