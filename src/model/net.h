/*
 * A backbone (arch.h) built out of a graph's operations (graph.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_NET_H
#define MODEL_NET_H

#include "arch.h"
#include "graph.h"

struct net {
    struct graph *graph; /* owned */
    int input;           /* (batch, bands, px, px) */
    int stage[ARCH_STAGES];
    int z; /* (batch, ARCH_OUT): what the loss reads */
};

/* A net that learns: backbone and head. `options` as graph_create has it, training set. */
akin_status net_create(struct net *out, const struct arch_table *table, uint32_t px,
                       const struct graph_options *options, akin_error *err);

/* Batch normalisation folded into the convolutions before it, by the running statistics: out
 * (parameter_count) has the new weights where the old ones were, and each norm's bias where its
 * shift was. */
void net_fold(const struct arch_table *table, const float *parameters, const float *statistics,
              float *out);
/* The norm behind a convolution: "layer1.0.conv1" -> "layer1.0.bn1", "downsample.0" ->
 * "downsample.1". */
void net_norm_name(char *out, size_t size, const char *convolution);
/* A net that encodes, over folded parameters (in options->parameters): no head; the maps of all
 * stages are kept. z is -1. measured NULL, or (net_range_count), borrowed: what
 * each convolution's results reach in forward passes (graph_measure_range). */
akin_status net_create_folded(struct net *out, const struct arch_table *table, uint32_t px,
                              const struct graph_options *options, float *measured,
                              akin_error *err);
/* The same in 8 bits from the stem on, by ranges that were measured; only read here. */
akin_status net_create_int8(struct net *out, const struct arch_table *table, uint32_t px,
                            const struct graph_options *options, const float *ranges,
                            akin_error *err);
size_t net_range_count(const struct arch_table *table);
void net_fini(struct net *net);

#endif
