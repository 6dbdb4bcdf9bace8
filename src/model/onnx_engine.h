/*
 * A plain convolutional network (onnx_net.h) on akin's own engine (graph.h), without ONNX Runtime:
 * convolutions take what follows them (norm, sum, relu) into their own step, and what comes behind
 * the last map (means, layers of a vector) is done by hand.
 *
 * Networks whose operators follow each other otherwise, and shapes that the engine does not have
 * (kernels that are not square and odd, padding other than k / 2, pooling other than 3x3 at stride
 * 2), are refused: ONNX Runtime runs those.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_ONNX_ENGINE_H
#define MODEL_ONNX_ENGINE_H

#include "onnx_net.h"

/* One thread's; keeps nothing of the net but its tail, and so borrows it. */
struct onnx_engine;

/* AKIN_ERR_UNSUPPORTED says what the engine does not have. */
akin_status onnx_engine_create(struct onnx_engine **out, const struct onnx_net *net,
                               akin_error *err);
void onnx_engine_free(struct onnx_engine *engine); /* takes NULL */
/* One image (c, h, w) -> *out (c, h, w) or (c), the net's output; borrowed until the next run. */
akin_status onnx_engine_run(struct onnx_engine *engine, const float *input, const float **out,
                            akin_error *err);

#endif
