/*
 * A brought encoder: any .onnx file, run by ONNX Runtime or, where it is a plain convolutional
 * network, by akin's own engine (onnx_engine.h); and how tiles go into it and a vector comes out. brought_kind.c runs it, brought_import.c finds out what the file wants.
 *
 *   tile (px, px, bands) u8 -> x = gain * value + offset, by channel -> (1, channels, px, px) or
 *   (1, px, px, channels) -> the network -> vector, map or tokens -> pooled -> unit length
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_BROUGHT_H
#define MODEL_BROUGHT_H

#include "model_kind.h"
#include "onnx_engine.h"
#include "ort.h"

#define BROUGHT_FILE_NAME "model.onnx"
#define BROUGHT_PX_MAX 1024
#define BROUGHT_BATCH_MAX 256 /* a batch that the file fixes */

enum brought_layout { BROUGHT_NCHW, BROUGHT_NHWC, BROUGHT_LAYOUTS };
enum brought_pooling {
    BROUGHT_NONE,    /* (n, d), or anything flattened */
    BROUGHT_MEAN,    /* over the cells of a map, or over all tokens */
    BROUGHT_CLASS,   /* the first token */
    BROUGHT_PATCHES, /* the mean of all tokens but the first */
    BROUGHT_POOLINGS
};
extern const char *const brought_layouts[BROUGHT_LAYOUTS];
extern const char *const brought_poolings[BROUGHT_POOLINGS];

struct brought {
    uint32_t input_px, bands, dim;
    uint32_t channels; /* of the network: bands, fewer (the first), or any number of one band */
    uint32_t input, output;
    uint32_t batch; /* that the file fixes, else 1: only the first place is used */
    uint32_t onnx_crc;
    uint32_t rows, cols; /* of the map or of the patches; 0 where there is none */
    enum brought_layout layout;
    enum brought_pooling pooling;
    float *weights;       /* owned: gain (channels), offset (channels) */
    struct akin_map file; /* the .onnx file; empty before it is loaded, as are net and session */
    struct onnx_net *net; /* of a file that akin's own engine runs; then there is no session */
    struct ort_session *session;
};

/* Without file and session. */
akin_status brought_create(struct brought **out, uint32_t channels, akin_error *err);
void brought_free(struct brought *brought);
/* Where numbers lie in what the network gave: component i of cell k at
 * data[k * cell_stride + i * stride]. */
struct brought_grid {
    const float *data;
    size_t cells, dim, cell_stride, stride;
    uint32_t rows, cols; /* where the cells are a grid over the tile */
};
/* AKIN_ERR_UNSUPPORTED where this pooling cannot be of an output of this shape. */
akin_status brought_grid_of(struct brought_grid *out, const struct brought *brought,
                            const struct ort_result *result, akin_error *err);
/* The net of the file, if akin's own engine runs it: brought->net stays NULL where it does not. px: 0
 * or where the file leaves it open. The engine, if not NULL, is the caller's. */
akin_status brought_plan(struct brought *brought, struct onnx_engine **engine, uint32_t px,
                         akin_error *err);
/* Runs on `input` ((batch, ...) f32, only the first place filled); engine where there is a net, the
 * result lasts until its next run. */
akin_status brought_run(const struct brought *brought, struct onnx_engine *engine,
                        const float *input, struct ort_result *out, akin_error *err);
/* Values of one (batch, ...) input. */
size_t brought_input_count(const struct brought *brought);

#endif
