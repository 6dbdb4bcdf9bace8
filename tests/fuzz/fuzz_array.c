/*
 * Fuzzes arrays in files. The input's first byte says which ending the name has; what opens must be
 * readable to its last row, whole and in pieces, or say why not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../index/fuzz_folder.h"
#include "akin/array.h"

#define VALUES_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(akin_array *array)
{
    const struct akin_array_info *info = akin_array_info(array);
    akin_error err = {0};
    if (!info->cols || info->rows * info->cols > VALUES_MAX)
        return;
    const size_t rows = (size_t)info->rows, values = rows * info->cols;
    double *whole = malloc((values + 1) * sizeof *whole), *row = malloc(info->cols * sizeof *row);
    int64_t *integers = malloc((values + 1) * sizeof *integers);
    const akin_status status = akin_array_doubles(array, 0, rows, whole, &err);
    if (status != AKIN_OK && !err.text[0])
        abort();
    for (size_t i = 0; i < rows && status == AKIN_OK; i++)
        if (akin_array_doubles(array, i, 1, row, NULL) != AKIN_OK ||
            memcmp(row, whole + i * info->cols, info->cols * sizeof *row) != 0)
            abort();
    akin_array_integers(array, 0, rows, integers, NULL);
    if (akin_array_doubles(array, rows, 1, whole, NULL) == AKIN_OK)
        abort();
    free(whole);
    free(row);
    free(integers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a.npy", "a.fvecs", "a.bvecs", "a.ivecs", "a.safetensors"};
    char path[200], named[200];
    akin_array *array = NULL;
    akin_error err = {0};
    if (!size)
        return 0;
    const char *folder = fuzz_folder("a", data + 1, size - 1);
    snprintf(path, sizeof path, "%s/a", folder);
    snprintf(named, sizeof named, "%s/%s", folder, names[data[0] % 5]);
    if (rename(path, named) != 0)
        abort();
    const akin_status status = akin_array_open(&array, named, NULL, &err);
    if (status == AKIN_OK)
        read_all(array);
    else if (array || !err.text[0])
        abort();
    akin_array_close(array);
    remove(named);
    return 0;
}
