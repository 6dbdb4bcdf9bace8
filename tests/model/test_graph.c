/*
 * What a graph refuses when it is built: types that the CPU has no instructions for, operations for
 * which oneDNN has only its reference code, more than fits. oneDNN is told to go no further than
 * AVX2 here, so that this is the same on every machine.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "../../src/model/graph_private.h"
#include "../check.h"

static float parameters[4096], gradients[4096], statistics[64];

static struct graph_options small_options(void)
{
    return (struct graph_options){.batch = 2,
                                  .training = true,
                                  .parameters = parameters,
                                  .gradients = gradients,
                                  .statistics = statistics};
}

TEST(no_bf16_where_the_cpu_has_none)
{
    struct graph_options options = small_options();
    struct graph *graph = NULL;
    akin_error err = {0};
    options.dtype = GRAPH_BF16;
    CHECK(graph_has_dtype(GRAPH_F32));
    CHECK(!graph_has_dtype(GRAPH_BF16));
    CHECK_EQ(graph_create(&graph, &options, &err), AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(err.text, "no bf16");
    CHECK(graph == NULL);
}

/* A convolution of three channels that lie side by side: oneDNN takes seconds for it. */
static dnnl_primitive_desc_t slow_convolution(struct graph *graph)
{
    const uint32_t in[4] = {2, 3, 16, 16}, kernel[4] = {5, 3, 3, 3}, out[4] = {2, 5, 16, 16};
    const graph_md x = graph_md_of(graph, 4, in, dnnl_f32, dnnl_nChw16c);
    const graph_md w = graph_md_of(graph, 4, kernel, dnnl_f32, dnnl_hwio);
    const graph_md y = graph_md_of(graph, 4, out, dnnl_f32, dnnl_nchw);
    const dnnl_dims_t stride = {1, 1}, padding = {1, 1};
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t chosen = NULL;
    graph_ok(graph,
             dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training,
                                                dnnl_convolution_direct, &x, &w, NULL, &y, stride,
                                                padding, padding),
             "a convolution");
    graph_ok(graph, dnnl_primitive_desc_create(&chosen, &desc, NULL, graph->engine, NULL),
             "a convolution");
    return chosen;
}

static akin_status take_slow_convolution(bool fast, akin_error *err)
{
    const struct graph_options options = small_options();
    struct graph *graph = NULL;
    akin_status status = graph_create(&graph, &options, err);
    if (status != AKIN_OK)
        return status;
    dnnl_primitive_desc_t desc = slow_convolution(graph);
    CHECK(graph_is_reference(desc));
    struct graph_step *step = graph_push(graph, &graph->forward, "convolution");
    graph_primitive(graph, step, desc, fast);
    CHECK_EQ(graph_input(graph, 3, 16) < 0, fast); /* after a failure nothing more is built */
    status = graph_finish(graph, -1, err);
    graph_free(graph);
    return status;
}

TEST(reference_code_is_refused_by_name)
{
    akin_error slow = {0};
    CHECK_EQ(take_slow_convolution(true, &slow), AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(slow.text, "slow reference for convolution");
    CHECK_CONTAINS(slow.text, "ref");
    REQUIRE_OK(take_slow_convolution(false, err));
}

/* The same met on the way: nobody gives a gradient to three channels quickly. */
TEST(a_net_that_would_be_slow_is_refused)
{
    const struct graph_options options = small_options();
    struct graph *graph = NULL;
    akin_error slow = {0};
    REQUIRE_OK(graph_create(&graph, &options, err));
    int x = graph_convolution(graph, graph_input(graph, 3, 16), 0, 3, 3, 1, false);
    CHECK(x >= 0);
    CHECK_EQ(graph_convolution(graph, x, 0, 3, 3, 1, false), -1);
    CHECK_EQ(graph_finish(graph, -1, &slow), AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(slow.text, "slow reference for data gradient");
    graph_free(graph);
}

TEST(more_steps_than_there_is_room_for)
{
    const struct graph_options options = small_options();
    struct graph *graph = NULL;
    akin_error many = {0};
    REQUIRE_OK(graph_create(&graph, &options, err));
    int x = graph_input(graph, 3, 16);
    for (int i = 0; i < 2000 && x >= 0; i++)
        x = graph_convolution(graph, x, 0, 16, 3, 1, false);
    CHECK_EQ(x, -1);
    CHECK_EQ(graph_convolution(graph, x, 0, 3, 3, 1, false), -1);
    CHECK_EQ(graph_linear(graph, x, 0, 8), -1);
    CHECK_EQ(graph_mean(graph, x), -1);
    CHECK_EQ(graph_max_pool(graph, x), -1);
    CHECK_EQ(graph_finish(graph, -1, &many), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(many.text, "more than");
    graph_free(graph);
}

int main(int argc, char **argv)
{
    setenv("DNNL_MAX_CPU_ISA", "AVX2", 1);
    return check_main(argc, argv);
}
