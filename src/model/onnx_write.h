/*
 * Writes a network as an .onnx file, so that every other tool can run what akin learnt: a graph is
 * put together call by call, and the whole file handed over at the end.
 *
 *     struct onnx_writer *onnx = NULL;
 *     akin_status status = onnx_begin(&onnx, "r10h", err);
 *     if (status != AKIN_OK) ...
 *     onnx_input(onnx, "x", 4, (const int64_t[]){-1, 3, 64, 64});
 *     onnx_tensor(onnx, "conv1.weight", 4, (const int64_t[]){32, 3, 3, 3}, weights);
 *     onnx_node(onnx, "Conv", "conv1", ONNX_NAMES("x", "conv1.weight"),
 *               ONNX_ATTRIBUTES(onnx_ints("strides", 2, 2, 2), onnx_ints("pads", 4, 1, 1, 1, 1)));
 *     onnx_output(onnx, "conv1", 4, (const int64_t[]){-1, 32, 32, 32});
 *     status = onnx_finish(onnx, &buffer, err);
 *
 * What fails on the way (memory, the 2 GB of a protobuf file) is kept and comes back from
 * onnx_finish, so that a net is written without a check a line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_ONNX_WRITE_H
#define MODEL_ONNX_WRITE_H

#include "onnx.h"

struct onnx_writer;

akin_status onnx_begin(struct onnx_writer **out, const char *graph_name, akin_error *err);
/* The graph's f32 inputs and outputs; a size of -1 is open: "n". */
void onnx_input(struct onnx_writer *writer, const char *name, uint32_t rank, const int64_t *dims);
void onnx_output(struct onnx_writer *writer, const char *name, uint32_t rank, const int64_t *dims);
/* Constants: weights in f32; shapes and axes in i64. Copied. Rank 0 is a single number. */
void onnx_tensor(struct onnx_writer *writer, const char *name, uint32_t rank, const int64_t *dims,
                 const float *data);
void onnx_tensor_i64(struct onnx_writer *writer, const char *name, size_t count,
                     const int64_t *data);
/* An operator with one output, in an order in which each comes after what it reads. `inputs` ends
 * with NULL, `attributes` (may be NULL) with one without a name. */
void onnx_node(struct onnx_writer *writer, const char *op, const char *output,
               const char *const *inputs, const struct onnx_attribute *attributes);
/* Words about the model, for people and tools. */
void onnx_metadata(struct onnx_writer *writer, const char *key, const char *value);
/* Appends the file to `out` (with room for ONNX_BYTES_MAX, if need be) and frees the writer,
 * whether it works or not. */
akin_status onnx_finish(struct onnx_writer *writer, struct akin_buffer *out, akin_error *err);
void onnx_abort(struct onnx_writer *writer); /* frees; takes NULL */

#define ONNX_NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ONNX_ATTRIBUTES(...) ((const struct onnx_attribute[]){__VA_ARGS__, {0}})
struct onnx_attribute onnx_int(const char *name, int64_t value);
struct onnx_attribute onnx_float(const char *name, float value);
/* `count` numbers follow, each an int. */
struct onnx_attribute onnx_ints(const char *name, uint32_t count, ...);

#endif
