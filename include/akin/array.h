/*
 * array: tables of numbers in files that other tools write and read: NPY (NumPy), fvecs, bvecs and
 * ivecs (the TEXMEX sets), safetensors. Read a few rows at a time, so that a file may be larger than
 * memory; NPY is written likewise.
 *
 *     akin_array *array;
 *     akin_array_open(&array, "clip.npy", NULL, &err);
 *     const struct akin_array_info *info = akin_array_info(array);
 *     for (uint64_t at = 0; at < info->rows; at += n)
 *         akin_array_floats(array, at, n, vectors, &err);            vectors (n, info->cols)
 *     akin_array_close(array);
 *
 * An array belongs to one thread at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_ARRAY_H
#define AKIN_ARRAY_H

#include <stddef.h>
#include <stdint.h>

#include "akin/array/safetensors.h"
#include "akin/core.h"

#pragma GCC visibility push(default)

#define AKIN_ARRAY_COLS_MAX (1u << 20)

typedef struct akin_array akin_array;

struct akin_array_info {
    const char *format; /* "NPY", "fvecs", ... */
    uint64_t rows;
    uint32_t cols; /* 1..AKIN_ARRAY_COLS_MAX */
    uint32_t rank; /* of the file's array: 1 is one number a row */
    enum akin_tensor_type type;
    char time_unit[4]; /* of NumPy's datetime64: "s", "ms", "us", "ns", "m", "h", "D"; else "" */
};

/* NPY by its first bytes (format 1.0, 2.0, 3.0; C and Fortran order, either byte order), the others
 * by the end of the name: .fvecs, .bvecs, .ivecs, .safetensors, whose tensor is named by `tensor`
 * (NULL: it has only one). Ranks 1 and 2 are read. The size of the file is checked against what its
 * header says: AKIN_ERR_CORRUPT names what is missing; AKIN_ERR_UNSUPPORTED for text, objects,
 * records and complex numbers; AKIN_ERR_INVALID lists what can be read, or the tensors there are. */
akin_status akin_array_open(akin_array **out, const char *path, const char *tensor,
                            akin_error *err);
void akin_array_close(akin_array *array);                               /* takes NULL */
const struct akin_array_info *akin_array_info(const akin_array *array); /* borrowed */

/* Rows [first, first + n) into out (n, cols). Values are as they are, NaN included; as floats they
 * are rounded. first + n <= rows. AKIN_ERR_CORRUPT where the file has become shorter, or a row of a
 * vecs file says that it has another length. */
akin_status akin_array_floats(akin_array *array, uint64_t first, size_t n, float *out,
                              akin_error *err);
akin_status akin_array_doubles(akin_array *array, uint64_t first, size_t n, double *out,
                               akin_error *err);
/* Whole numbers only: AKIN_ERR_UNSUPPORTED for floats; AKIN_ERR_INVALID names the row of a u64 that
 * does not fit. */
akin_status akin_array_integers(akin_array *array, uint64_t first, size_t n, int64_t *out,
                                akin_error *err);

/* ---- writing NPY ---- */

/* Appends the head of an NPY file, version 1.0, of little-endian numbers in C order ("<f4" or
 * "<f2"). */
akin_status akin_npy_head(struct akin_buffer *out, const char *descr, const uint64_t *dims,
                          uint32_t rank, akin_error *err);

/* A table (rows, cols) written piece by piece, whole or not at all. Free with commit or abort. */
typedef struct akin_npy_writer akin_npy_writer;
/* type: AKIN_TENSOR_F32 or AKIN_TENSOR_F16. */
akin_status akin_npy_begin(akin_npy_writer **out, const char *path, enum akin_tensor_type type,
                           uint32_t cols, akin_error *err);
/* rows (n, cols); as f16 they are rounded to nearest. */
akin_status akin_npy_append(akin_npy_writer *writer, const float *rows, size_t n, akin_error *err);
/* Frees `writer` whether it works or not. */
akin_status akin_npy_commit(akin_npy_writer *writer, akin_error *err);
void akin_npy_abort(akin_npy_writer *writer); /* takes NULL */

#pragma GCC visibility pop

#endif
