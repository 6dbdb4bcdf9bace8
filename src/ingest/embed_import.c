/*
 * An encoder brought in to embed with: imported, and saved beside the collection's others. The same
 * file with the same options brought in again is the encoder that is there already, so that a stopped
 * run goes on when the same command is given.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "embed_batch.h"

/* "nets/resnet 50.onnx" -> "resnet-50": the file's name without folder and suffix, and with "-" for
 * what no encoder's name may have. */
static void name_of_file(char out[AKIN_NAME_MAX], const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name) - (akin_text_ends_with(name, ".onnx") ? strlen(".onnx") : 0);
    if (length >= AKIN_NAME_MAX)
        length = AKIN_NAME_MAX - 1;
    for (size_t i = 0; i < length; i++) {
        const char one[2] = {name[i], '\0'};
        const bool good = akin_model_check_name(one, NULL) == AKIN_OK || (i > 0 && name[i] == '.');
        out[i] = good ? name[i] : '-';
    }
    out[length] = '\0';
}

/* AKIN_ERR_EXISTS where the encoder of this name is another one. */
static akin_status check_same(const akin_model *brought, const char *dir, akin_error *err)
{
    const struct akin_model_info *info = akin_model_info(brought);
    akin_model *there = NULL;
    akin_status status = akin_model_open(&there, dir, info->name, err);
    if (status != AKIN_OK)
        return status;
    if (strcmp(akin_model_info(there)->kind, info->kind) ||
        akin_model_info(there)->fingerprint != info->fingerprint)
        status =
            akin_error_set(err, AKIN_ERR_EXISTS,
                           "the collection has an encoder '%s' already, which is not this file "
                           "with these options: give another name",
                           info->name);
    akin_model_free(there);
    return status;
}

akin_status embed_import(akin_model **out, const akin_catalog *catalog, const char *name,
                         const char *path, const struct akin_onnx_options *options, akin_error *err)
{
    const char *dir = akin_catalog_dir(catalog);
    char own[AKIN_NAME_MAX];
    struct akin_onnx_options onnx;
    akin_model *model = NULL;
    akin_onnx_options_default(&onnx);
    if (options)
        onnx = *options;
    onnx.bands = akin_catalog_settings(catalog)->bands;
    name_of_file(own, path);
    akin_status status = akin_model_import_onnx(&model, name ? name : own, path, &onnx, err);
    if (status == AKIN_OK && akin_model_exists(dir, akin_model_info(model)->name))
        status = check_same(model, dir, err);
    else if (status == AKIN_OK)
        status = akin_model_save(model, dir, err);
    if (status == AKIN_OK)
        *out = model;
    else
        akin_model_free(model);
    return status;
}
