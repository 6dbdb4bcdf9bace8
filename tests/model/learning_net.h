/*
 * A net that learns, with the vectors that it learns in, at weights drawn from one seed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_LEARNING_NET_H
#define AKIN_TESTS_LEARNING_NET_H

#include <string.h>

#include "../../src/model/net.h"

struct learning_net {
    struct arch_table table;
    struct net net;
    uint32_t batch, px;
    float *parameters, *gradients, *statistics;
};

static inline akin_status learning_net_init(struct learning_net *it, const char *preset,
                                            uint32_t bands, uint32_t batch, uint32_t px,
                                            enum graph_dtype dtype, akin_error *err)
{
    struct arch arch;
    memset(it, 0, sizeof *it);
    it->batch = batch;
    it->px = px;
    akin_status status = arch_init(&arch, preset, bands, err);
    if (status != AKIN_OK)
        return status;
    arch_table_init(&it->table, &arch);
    it->parameters = akin_alloc_zero(it->table.parameter_count, sizeof(float));
    it->gradients = akin_alloc_zero(it->table.parameter_count, sizeof(float));
    it->statistics = akin_alloc_zero(it->table.statistic_count, sizeof(float));
    arch_initialise(&it->table, 7, it->parameters, it->statistics);
    const struct graph_options options = {.batch = batch,
                                          .dtype = dtype,
                                          .training = true,
                                          .parameters = it->parameters,
                                          .gradients = it->gradients,
                                          .statistics = it->statistics};
    return net_create(&it->net, &it->table, px, &options, err);
}

static inline void learning_net_fini(struct learning_net *it)
{
    net_fini(&it->net);
    akin_free(it->parameters);
    akin_free(it->gradients);
    akin_free(it->statistics);
}

#endif
