/*
 * Fuzzes the safetensors reader. What it takes lies within the input, fills it, and can be found by
 * its name; what it refuses it says why.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "akin/array.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const akin_safetensors *file, size_t index, size_t size)
{
    const struct akin_tensor *tensor = akin_safetensors_at(file, index);
    if (tensor->count > size || akin_safetensors_find(file, tensor->name) != tensor)
        abort();
    float *out = malloc((tensor->count + 1) * sizeof *out);
    akin_error err = {0};
    if (akin_safetensors_floats(file, tensor, out, &err) != AKIN_OK && !err.text[0])
        abort();
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    akin_safetensors *file = NULL;
    akin_error err = {0};
    if (akin_safetensors_parse(&file, data, size, "input", &err) != AKIN_OK) {
        if (file || !err.text[0])
            abort();
        return 0;
    }
    for (size_t i = 0; i < akin_safetensors_count(file); i++)
        look_at(file, i, size);
    akin_safetensors_close(file);
    return 0;
}
