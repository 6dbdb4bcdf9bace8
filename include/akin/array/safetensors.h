/*
 * safetensors (Hugging Face, github.com/huggingface/safetensors, format 0.x): named tensors in one
 * file, the way that weights go in and out of other tools. An 8-byte little-endian length, a JSON
 * object of names (type, shape, place), then the numbers (docs/FORMATS.md).
 *
 *     akin_safetensors *file = NULL;
 *     akin_safetensors_open(&file, "r10h.safetensors", err);
 *     const struct akin_tensor *stem = akin_safetensors_find(file, "conv1.weight");
 *     akin_safetensors_floats(file, stem, weights, err);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_ARRAY_SAFETENSORS_H
#define AKIN_ARRAY_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "akin/core/status.h"

#pragma GCC visibility push(default)

#define AKIN_TENSOR_RANK_MAX 8
#define AKIN_TENSORS_MAX 65536

/* name, bytes of an element */
#define AKIN_TENSOR_TYPES(X)                                                                       \
    X(F32, 4)                                                                                      \
    X(F16, 2)                                                                                      \
    X(BF16, 2)                                                                                     \
    X(I8, 1)                                                                                       \
    X(U8, 1)                                                                                       \
    X(BOOL, 1)                                                                                     \
    X(I16, 2) X(U16, 2) X(I32, 4) X(U32, 4) X(I64, 8) X(U64, 8) X(F64, 8)

enum akin_tensor_type {
#define X(name, bytes) AKIN_TENSOR_##name,
    AKIN_TENSOR_TYPES(X)
#undef X
        AKIN_TENSOR_TYPE_COUNT
};

struct akin_tensor {
    const char *name; /* borrowed from the file, or from the caller who writes */
    enum akin_tensor_type type;
    uint32_t rank; /* 0 for a single number */
    uint64_t dims[AKIN_TENSOR_RANK_MAX];
    size_t count;     /* of elements: the product of dims */
    uint64_t offset;  /* of data in the file; not used in writing */
    const void *data; /* as stored, little-endian, perhaps unaligned; in writing F32 only */
};

/* ---- reading ---- */

typedef struct akin_safetensors akin_safetensors;

/* Maps the file until close. Everything is checked here: lengths, shapes, that the tensors fill the
 * file without a gap or an overlap. AKIN_ERR_CORRUPT says which tensor is wrong. */
akin_status akin_safetensors_open(akin_safetensors **out, const char *path, akin_error *err);
/* The same from bytes, borrowed until close; `what` names them in errors. */
akin_status akin_safetensors_parse(akin_safetensors **out, const void *bytes, size_t size,
                                   const char *what, akin_error *err);
void akin_safetensors_close(akin_safetensors *file);

size_t akin_safetensors_count(const akin_safetensors *file);
/* In the order of their names; index < count. */
const struct akin_tensor *akin_safetensors_at(const akin_safetensors *file, size_t index);
const struct akin_tensor *akin_safetensors_find(const akin_safetensors *file, const char *name);
/* A text of "__metadata__", NULL where there is none of this key. */
const char *akin_safetensors_metadata(const akin_safetensors *file, const char *key);
/* Elements of F32, F16, BF16, I8 or U8 as f32, out (tensor->count); other types are
 * AKIN_ERR_UNSUPPORTED. Values are as they are, NaN included. */
akin_status akin_safetensors_floats(const akin_safetensors *file, const struct akin_tensor *tensor,
                                    float *out, akin_error *err);

/* ---- writing ---- */

/* Writes `count` tensors of type F32, in the order given, whole or not at all. `metadata`: pairs of
 * texts, key and value, ended by NULL, or NULL. AKIN_ERR_INVALID for a name twice. */
akin_status akin_safetensors_write(const char *path, const struct akin_tensor *tensors,
                                   size_t count, const char *const *metadata, akin_error *err);

#pragma GCC visibility pop

#endif
