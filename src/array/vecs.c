/*
 * fvecs, bvecs, ivecs (corpus-texmex.irisa.fr): each row is its length as an i32 and as many f32, u8
 * or i32, little-endian. All rows have the length of the first; each is checked when it is read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "array_private.h"

akin_status vecs_open(akin_array *array, enum akin_tensor_type type, const char *format,
                      akin_error *err)
{
    int32_t cols;
    array->info.format = format;
    array->info.type = type;
    array->prefix = sizeof cols;
    if (array->file_bytes < sizeof cols)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' is empty: no %s file", array->path,
                              format);
    akin_status status = akin_file_read_at(array->fd, &cols, sizeof cols, 0, array->path, err);
    if (status != AKIN_OK)
        return status;
    if (cols < 1 || (uint32_t)cols > AKIN_ARRAY_COLS_MAX)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' is no %s file: its first row has %" PRId32
                              " numbers, 1 to %u are "
                              "read",
                              array->path, format, cols, AKIN_ARRAY_COLS_MAX);
    const uint64_t row_bytes = sizeof cols + (uint64_t)cols * elements_bytes(type);
    if (array->file_bytes % row_bytes)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' is cut short, or its rows differ: %" PRIu64
                              " bytes are no whole number of rows of %" PRIu64,
                              array->path, array->file_bytes, row_bytes);
    return array_set_shape(array, (const uint64_t[]){array->file_bytes / row_bytes, (uint64_t)cols},
                           2, err);
}
