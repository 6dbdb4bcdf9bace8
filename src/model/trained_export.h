/*
 * A trained encoder for other tools: two files in its folder that akin itself never reads.
 *
 *   model.onnx           "image" (n, bands, px, px), pixel values 0..255 -> "embedding" (n,
 *                        TRAINED_NET_DIM), unit length: the net's part of the encoder's vector, as
 *                        it is for a tile of which all is there
 *   weights.safetensors  the net as it learnt, its tensors under torchvision's names
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_TRAINED_EXPORT_H
#define MODEL_TRAINED_EXPORT_H

#include "trained.h"

#define TRAINED_ONNX_NAME "model.onnx"
#define TRAINED_SAFETENSORS_NAME "weights.safetensors"

/* Both into `folder`, which exists. */
akin_status trained_export(const struct trained *trained, const char *folder, akin_error *err);

#endif
