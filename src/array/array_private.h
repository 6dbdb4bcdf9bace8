/*
 * Private to array: what all formats come down to. Rows of `cols` elements, one behind the other (in
 * Fortran order: columns of `rows` elements), each row with `prefix` bytes before it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ARRAY_PRIVATE_H
#define ARRAY_PRIVATE_H

#include "elements.h"

struct akin_array {
    struct akin_array_info info;
    char *path;
    int fd;
    uint64_t file_bytes;
    uint64_t offset; /* of the first row */
    uint32_t prefix; /* 4 in vecs files: the row's length, which is checked */
    bool fortran, swap;
    unsigned char *scratch; /* what is read at once: some rows, or a part of a column */
    size_t scratch_bytes;
};

/* Each fills in info and where the elements are. */
akin_status npy_open(akin_array *array, akin_error *err);
akin_status vecs_open(akin_array *array, enum akin_tensor_type type, const char *format,
                      akin_error *err);
akin_status tensor_open(akin_array *array, const char *name, akin_error *err);

/* The magic of NPY files. */
#define NPY_MAGIC "\x93NUMPY"
#define NPY_MAGIC_BYTES 6

/* rank, dims -> info. AKIN_ERR_INVALID for another rank than 1 and 2 or a row that is too long. */
akin_status array_set_shape(akin_array *array, const uint64_t *dims, uint32_t rank,
                            akin_error *err);
size_t array_row_bytes(const akin_array *array); /* prefix included */

#endif
