/*
 * One tensor of a safetensors file as an array. The file is mapped for its header alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "array_private.h"

#define NAMES_MAX 400

/* "a, b, c", cut where it gets long. */
static void list_names(char out[NAMES_MAX], const akin_safetensors *file)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < akin_safetensors_count(file) && used < NAMES_MAX; i++) {
        const int length = snprintf(out + used, NAMES_MAX - used, "%s%.60s", i ? ", " : "",
                                    akin_safetensors_at(file, i)->name);
        used += (size_t)(length > 0 ? length : 0);
    }
}

static akin_status choose(const struct akin_tensor **out, const akin_safetensors *file,
                          const char *name, const char *path, akin_error *err)
{
    char names[NAMES_MAX];
    if (!name && akin_safetensors_count(file) == 1)
        *out = akin_safetensors_at(file, 0);
    else
        *out = name ? akin_safetensors_find(file, name) : NULL;
    if (*out)
        return AKIN_OK;
    list_names(names, file);
    if (name)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' has no tensor '%.80s' (it has: %s)",
                              path, name, names);
    return akin_error_set(err, AKIN_ERR_INVALID, "which tensor of '%s'? It has: %s", path, names);
}

akin_status tensor_open(akin_array *array, const char *name, akin_error *err)
{
    akin_safetensors *file = NULL;
    const struct akin_tensor *tensor;
    akin_status status = akin_safetensors_open(&file, array->path, err);
    if (status != AKIN_OK)
        return status;
    status = choose(&tensor, file, name, array->path, err);
    if (status == AKIN_OK) {
        array->info.format = "safetensors";
        array->info.type = tensor->type;
        array->offset = tensor->offset;
        status = array_set_shape(array, tensor->dims, tensor->rank, err);
    }
    akin_safetensors_close(file);
    return status;
}
