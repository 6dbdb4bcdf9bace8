/*
 * Encoders of any kind: names, opening, closing. What differs between kinds is behind struct
 * model_kind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "akin/model.h"
#include "model_kind.h"

#define MODELS_MAX 4096 /* entries of DIR/models */

akin_status akin_model_check_name(const char *name, akin_error *err)
{
    size_t length = name ? strlen(name) : 0;
    size_t good = name ? strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789._-")
                       : 0;
    if (!length || length >= AKIN_NAME_MAX || good != length || name[0] == '.')
        return akin_error_set(
            err, AKIN_ERR_INVALID,
            "'%.80s' is not a name for an encoder: 1 to %d of a-z A-Z 0-9 . _ -, not "
            "beginning with a dot",
            name ? name : "", AKIN_NAME_MAX - 1);
    if (strstr(name, ".tmp-"))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' is not a name for an encoder: .tmp- marks unfinished ones",
                              name);
    return AKIN_OK;
}

/* An index says by it which encoder made it. A kind with a second file has that file's checksum
 * among its settings. */
static uint32_t fingerprint_of(const struct model_kind *kind, void *state,
                               const struct model_header *header)
{
    size_t count;
    const float *weights = kind->weights(state, &count);
    uint32_t crc = akin_crc32c(0, weights, count * sizeof *weights);
    return kind->load_extra ? akin_crc32c(crc, header->settings, sizeof header->settings) : crc;
}

akin_status model_create(akin_model **out, const char *name, const struct model_kind *kind,
                         void *state, const struct akin_model_info *info, akin_error *err)
{
    akin_model *model = akin_alloc_zero(1, sizeof *model);
    if (!model)
        return akin_error_memory(err, sizeof *model, "an encoder");
    struct model_header header = {0};
    kind->describe(state, &header);
    model->kind = kind;
    model->state = state;
    model->info = (struct akin_model_info){.bands = header.bands,
                                           .input_px = header.input_px,
                                           .dim = header.dim,
                                           .seed = info->seed,
                                           .fitted_tiles = info->fitted_tiles,
                                           .fingerprint = fingerprint_of(kind, state, &header)};
    strncpy(model->info.name, name, sizeof model->info.name - 1);
    strncpy(model->info.kind, kind->name, sizeof model->info.kind - 1);
    *out = model;
    return AKIN_OK;
}

void akin_model_free(akin_model *model)
{
    if (!model)
        return;
    model->kind->free(model->state);
    akin_free(model);
}

const struct akin_model_info *akin_model_info(const akin_model *model)
{
    return &model->info;
}

static bool has_file(const char *folder, const char *name)
{
    char path[AKIN_PATH_MAX];
    struct akin_file_stat stat;
    return akin_path_join(path, folder, name, NULL) == AKIN_OK &&
           akin_file_stat(&stat, path, NULL) == AKIN_OK && stat.is_regular;
}

bool akin_model_exists(const char *dir, const char *name)
{
    char folder[AKIN_PATH_MAX];
    return akin_model_check_name(name, NULL) == AKIN_OK &&
           model_folder(folder, dir, name, NULL) == AKIN_OK &&
           has_file(folder, MODEL_WEIGHTS_NAME) && has_file(folder, MODEL_CARD_NAME);
}

akin_status akin_model_list(char ***out, size_t *count, const char *dir, akin_error *err)
{
    char folder[AKIN_PATH_MAX], **names = NULL;
    size_t found = 0, kept = 0;
    akin_status status = model_folder(folder, dir, NULL, err);
    if (status == AKIN_OK)
        status = akin_dir_list(&names, &found, folder, MODELS_MAX, err);
    if (status != AKIN_OK)
        return status;
    for (size_t i = 0; i < found; i++) {
        if (akin_model_exists(dir, names[i]))
            names[kept++] = names[i];
        else
            akin_free(names[i]);
    }
    *out = names;
    *count = kept;
    return AKIN_OK;
}

/* "there are: a, b" or that there is none. */
static akin_status not_found(const char *dir, const char *name, akin_error *err)
{
    char **names = NULL, text[512] = "";
    size_t count = 0, used = 0;
    if (akin_model_list(&names, &count, dir, NULL) == AKIN_OK) {
        for (size_t i = 0; i < count && used + strlen(names[i]) + 3 < sizeof text; i++) {
            const char *parts[] = {used ? ", " : "", names[i]};
            for (size_t j = 0; j < 2; j++) {
                memcpy(text + used, parts[j], strlen(parts[j]) + 1);
                used += strlen(parts[j]);
            }
        }
        akin_names_free(names, count);
    }
    return akin_error_set(err, AKIN_ERR_NOT_FOUND, "there is no encoder '%s' in '%s' (there %s%s)",
                          name, dir, used ? "are: " : "",
                          used ? text : "is none yet: akin add makes one");
}

akin_status akin_model_open(akin_model **out, const char *dir, const char *name, akin_error *err)
{
    char folder[AKIN_PATH_MAX];
    akin_status status = akin_model_check_name(name, err);
    if (status == AKIN_OK)
        status = model_folder(folder, dir, name, err);
    if (status != AKIN_OK)
        return status;
    if (!akin_model_exists(dir, name))
        return not_found(dir, name, err);
    return model_load(out, folder, name, err);
}
