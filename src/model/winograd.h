/*
 * 3x3 convolutions of stride 1 and padding 1 in f32 with fewer multiplications (Winograd's minimal
 * filtering; Lavin and Gray, CVPR 2016): 4x4 pixels of a result by 36 products in place of 144, a
 * whole map of 2x2 by 9 in place of 36. Forward, data gradient (a convolution with turned weights)
 * and weight gradient, on activations as oneDNN has them, (n, c / block, h, w, block).
 *
 *     winograd_init(&plan, &shape, &err);
 *     winograd_weights(&plan, frequencies, weights, false);       after every update
 *     winograd_run(&plan, frequencies, x, y, NULL, scratch);
 *     winograd_weight_gradient(&plan, x, dy, dw, scratch);
 *
 *     winograd_init(&back, &shape_with_in_and_out_exchanged, &err);
 *     winograd_weights(&back, frequencies, weights, true);
 *     winograd_run(&back, frequencies, dy, dx, NULL, scratch);
 *
 * A plan owns nothing and is only read: any number of threads may share one, each with its own
 * scratch. Pointers to frequencies and scratch are aligned to AKIN_ALIGN, others to their elements.
 * An image's result is the same to the bit alone and among others. Values that are not finite come
 * out as values that are not finite, perhaps in more pixels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_WINOGRAD_H
#define MODEL_WINOGRAD_H

#include <stdbool.h>

#include "akin/core.h"
#include "akin/vec.h"

struct winograd_shape {
    uint32_t in, out; /* channels, multiples of block */
    uint32_t px;      /* the map's side, at least 2 */
    uint32_t batch;
    uint32_t block; /* channels side by side in the layout: 8 or 16 */
};

struct winograd {
    struct winograd_shape shape;
    uint32_t tile;      /* pixels of a result's tile: 4, or 2 where that is the whole map */
    uint32_t border;    /* pixels around it that the input has more */
    uint32_t across;    /* tiles in a row of the map */
    size_t tiles;       /* in the batch */
    size_t group;       /* tiles at a time */
    size_t plane_count; /* frequencies of a tile, (tile + 2)^2 or 9 */
    /* In floats: from tile to tile within a plane, and from plane to plane; odd numbers of cache
     * lines, so that planes and tiles do not fall on the same few sets of the cache. */
    size_t in_row, out_row, in_plane, out_plane, weight_plane;
};

/* AKIN_ERR_UNSUPPORTED where the shape is none of those above. */
akin_status winograd_init(struct winograd *plan, const struct winograd_shape *shape,
                          akin_error *err);
size_t winograd_weight_bytes(const struct winograd *plan);
size_t winograd_scratch_bytes(const struct winograd *plan);          /* of winograd_run */
size_t winograd_gradient_scratch_bytes(const struct winograd *plan); /* of the weight gradient */

/* frequencies <- plain weights: (out, in, 3, 3), or where they are turned, (in, out, 3, 3) of the
 * convolution whose data gradient this is. */
void winograd_weights(const struct winograd *plan, float *frequencies, const float *plain,
                      bool turned);
/* y <- convolution of x, and what `end` says (NULL: nothing). x and y do not overlap. */
void winograd_run(const struct winograd *plan, const float *frequencies, const float *x, float *y,
                  const struct akin_square_end *end, void *scratch);
/* dw (out, in, 3, 3), overwritten. */
void winograd_weight_gradient(const struct winograd *plan, const float *x, const float *dy,
                              float *dw, void *scratch);

#endif
