/*
 * ONNX Runtime, loaded when the first brought model asks for it: it runs any .onnx file. The only
 * file that knows its API is ort.c; nothing is linked, so akin works without it.
 *
 * Where it is looked for, in this order: the path that the caller gives; the environment variable
 * AKIN_ONNXRUNTIME; the loader's own folders; node_modules/onnxruntime-node below the working
 * folder (npm install --ignore-scripts onnxruntime-node); /usr/local/lib and /usr/lib. A path that
 * is given and does not work is an error: no other is tried.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_ORT_H
#define MODEL_ORT_H

#include "onnx.h"

#define ORT_LINKS_MAX 64 /* inputs, or outputs, of a model */
#define ORT_NAME_MAX 256

/* An input or an output. */
struct ort_value {
    char name[ORT_NAME_MAX];
    int element; /* enum onnx_element; 0 for what is no tensor */
    uint32_t rank;
    int64_t dims[ONNX_RANK_MAX]; /* -1: open */
};

/* A loaded model. Safe to run from several threads at once; each run is on its caller's thread. */
struct ort_session;

/* A model from bytes, which are the caller's and not needed afterwards; `what` names it in errors.
 * `library` is a path or NULL. AKIN_ERR_NOT_FOUND with the install command where there is no ONNX
 * Runtime; AKIN_ERR_CORRUPT with its own words where it does not take the file. */
akin_status ort_session_create(struct ort_session **out, const char *library, const void *bytes,
                               size_t size, const char *what, akin_error *err);
void ort_session_free(struct ort_session *session);

size_t ort_input_count(const struct ort_session *session);
size_t ort_output_count(const struct ort_session *session);
/* Borrowed; index < count. */
const struct ort_value *ort_input(const struct ort_session *session, size_t index);
const struct ort_value *ort_output(const struct ort_session *session, size_t index);

/* What a run gave: one tensor of f32, in ONNX Runtime's own memory until ort_result_free. */
struct ort_result {
    const float *data;
    uint32_t rank;
    int64_t dims[ONNX_RANK_MAX];
    size_t count;
    void *value; /* private */
};

/* Runs the model on one f32 tensor (rank, dims), borrowed; all other inputs must not exist. The
 * batch must be one that the model takes (its first size, or any where that is open). */
akin_status ort_run(const struct ort_session *session, size_t input, size_t output,
                    const float *data, uint32_t rank, const int64_t *dims, struct ort_result *out,
                    akin_error *err);
void ort_result_free(struct ort_result *result); /* takes a zeroed one */

/* "1.24.3", of the library that is loaded; "" before. */
const char *ort_version(void);

#endif
