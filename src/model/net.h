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
void net_fini(struct net *net);

#endif
