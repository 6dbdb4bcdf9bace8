/*
 * Nets in bundles (bf16, kernels of our own) beside the same net in f32, whose gradients test_net.c
 * checks: results, every tensor's gradient, running statistics, and the maps of an encoder. bf16 has
 * 8 significant bits and a net is deep, so that gradients agree in direction only; oneDNN's bf16 is
 * .96 of f32 at worst in r10h, .88 in r18, and so is ours. Batches that fill their
 * bundles and such that do not. Skipped where the CPU has no such kernels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../check.h"
#include "cosine.h"
#include "learning_net.h"

static bool here(void)
{
    if (graph_bundles(GRAPH_BF16))
        return true;
    check_skip("no matrix instructions for bf16 here");
    return false;
}

static void draw_input(const struct learning_net *it)
{
    float *x = graph_data(it->net.graph, it->net.input);
    const size_t view = (size_t)it->table.arch.bands * it->px * it->px;
    for (size_t i = 0; i < it->batch * view; i++)
        x[i] = (float)akin_random_unit(1, 2, i) * 2 - 1 +
               (float)sin((double)(i % view) / (double)(3 + i / view));
}

static akin_status setup(struct learning_net *it, const char *preset, uint32_t bands,
                         uint32_t batch, uint32_t px, enum graph_dtype dtype, akin_error *err)
{
    akin_status status = learning_net_init(it, preset, bands, batch, px, dtype, err);
    if (status == AKIN_OK)
        draw_input(it);
    return status;
}

/* Forward and backward of a gradient of all the same sign and others. */
static void learn(struct learning_net *it)
{
    graph_set_momentum(it->net.graph, 0.5f);
    REQUIRE_OK(graph_refresh(it->net.graph, err));
    REQUIRE_OK(graph_forward(it->net.graph, err));
    float *dz = graph_gradient(it->net.graph, it->net.z);
    for (size_t i = 0; i < (size_t)it->batch * ARCH_OUT; i++)
        dz[i] = (float)akin_random_unit(1, 3, i) * 2 - 1;
    REQUIRE_OK(graph_backward(it->net.graph, err));
}

/* `least`: the cosine that every gradient has. */
static void compare(const struct learning_net *it, const struct learning_net *with, double least)
{
    CHECK(cosine(graph_data(it->net.graph, it->net.z), graph_data(with->net.graph, with->net.z),
                 (size_t)it->batch * ARCH_OUT) > 0.995);
    for (size_t t = 0; t < it->table.count; t++) {
        const struct arch_tensor *tensor = &it->table.tensors[t];
        bool counted = tensor->role == ARCH_MEAN || tensor->role == ARCH_VARIANCE;
        const float *a = (counted ? it->statistics : it->gradients) + tensor->offset;
        const float *b = (counted ? with->statistics : with->gradients) + tensor->offset;
        double like = cosine(a, b, tensor->count), ratio = 0, size = 0;
        for (size_t i = 0; i < tensor->count; i++) {
            ratio += (double)a[i] * a[i];
            size += (double)b[i] * b[i];
        }
        ratio = sqrt(ratio / size);
        if (!(like > (counted ? 0.9995 : least)) || !(fabs(ratio - 1) < 0.2)) {
            printf("%s: cosine %.4f, size %.3f\n", tensor->name, like, ratio);
            CHECK_TEXT(tensor->name, "a tensor that agrees with f32");
        }
    }
}

static void check_learning(const char *preset, uint32_t bands, uint32_t batch, uint32_t px,
                           double least)
{
    static struct learning_net bundled, plain;
    if (!here())
        return;
    REQUIRE_OK(setup(&bundled, preset, bands, batch, px, GRAPH_BF16, err));
    REQUIRE_OK(setup(&plain, preset, bands, batch, px, GRAPH_F32, err));
    for (int i = 0; i < 2; i++) { /* the second time in buffers that are not fresh */
        learn(&bundled);
        learn(&plain);
        compare(&bundled, &plain, least);
    }
    learning_net_fini(&bundled);
    learning_net_fini(&plain);
}

TEST(r10h_learns_as_in_f32)
{
    check_learning("r10h", 3, 64, 64, 0.94);
}

TEST(r18_learns_as_in_f32)
{
    check_learning("r18", 4, 32, 64, 0.85);
}

TEST(r18h_of_many_bands_learns_as_in_f32)
{
    check_learning("r18h", 13, 32, 32, 0.82);
}

TEST(a_bundle_that_is_not_full)
{
    check_learning("r10h", 1, 41, 64, 0.94);
}

TEST(an_encoder_gives_the_maps_of_f32)
{
    static const char *const presets[] = {"r10h", "r18"};
    static const enum graph_dtype dtypes[] = {GRAPH_BF16, GRAPH_F32};
    if (!here())
        return;
    for (size_t p = 0; p < 2; p++) {
        static struct learning_net learnt, coded[2];
        REQUIRE_OK(setup(&learnt, presets[p], 3, 32, 64, GRAPH_F32, err));
        learn(&learnt);
        float *folded = akin_alloc(learnt.table.parameter_count, sizeof *folded);
        net_fold(&learnt.table, learnt.parameters, learnt.statistics, folded);
        for (int i = 0; i < 2; i++) {
            const struct graph_options options = {
                .batch = 33, .dtype = dtypes[i], .parameters = folded};
            coded[i] = (struct learning_net){.table = learnt.table, .batch = 33, .px = 64};
            REQUIRE_OK(net_create_folded(&coded[i].net, &learnt.table, 64, &options, NULL, err));
            draw_input(&coded[i]);
            REQUIRE_OK(graph_forward(coded[i].net.graph, err));
        }
        for (unsigned s = 0; s < ARCH_STAGES; s++) {
            uint32_t channels, px;
            graph_map_size(coded[0].net.graph, coded[0].net.stage[s], &channels, &px);
            const size_t size = (size_t)channels * px * px;
            float *maps = akin_alloc(2 * size, sizeof *maps);
            for (size_t n = 0; n < 33; n += 16) {
                for (int i = 0; i < 2; i++)
                    graph_read_map(coded[i].net.graph, coded[i].net.stage[s], n, maps + i * size);
                CHECK(cosine(maps, maps + size, size) > 0.9995);
            }
            akin_free(maps);
        }
        net_fini(&coded[0].net);
        net_fini(&coded[1].net);
        akin_free(folded);
        learning_net_fini(&learnt);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
