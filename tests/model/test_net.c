/*
 * The net against finite differences: every tensor's gradient, through both kinds of block; its
 * running statistics; its shapes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "../check.h"
#include "learning_net.h"

#define BATCH 8
#define PX 32

struct fixture {
    struct learning_net own;
    float target[BATCH * ARCH_OUT];
};

static akin_status setup(struct fixture *it, const char *preset, uint32_t bands, akin_error *err)
{
    akin_status status = learning_net_init(&it->own, preset, bands, BATCH, PX, GRAPH_F32, err);
    if (status != AKIN_OK)
        return status;
    float *x = graph_data(it->own.net.graph, it->own.net.input);
    for (size_t i = 0; i < (size_t)BATCH * bands * PX * PX; i++)
        x[i] = (float)akin_random_unit(1, 2, i) * 2 - 1;
    for (size_t i = 0; i < BATCH * ARCH_OUT; i++)
        it->target[i] = (float)akin_random_unit(1, 3, i) * 2 - 1;
    return AKIN_OK;
}

/* <z, target>, whose gradient by z is `target`. */
static double value(struct fixture *it)
{
    double sum = 0;
    CHECK(graph_refresh(it->own.net.graph, NULL) == AKIN_OK);
    CHECK(graph_forward(it->own.net.graph, NULL) == AKIN_OK);
    const float *z = graph_data(it->own.net.graph, it->own.net.z);
    for (size_t i = 0; i < BATCH * ARCH_OUT; i++)
        sum += (double)z[i] * it->target[i];
    return sum;
}

/* Moves one tensor by h along its own gradient. */
static void move(struct fixture *it, const struct arch_tensor *tensor, const float *from, double h)
{
    for (size_t i = 0; i < tensor->count; i++)
        it->own.parameters[tensor->offset + i] =
            from[i] + (float)(h * it->own.gradients[tensor->offset + i]);
}

static void check_tensor(struct fixture *it, const struct arch_tensor *tensor)
{
    double norm = 0;
    float *from = akin_alloc(tensor->count, sizeof *from);
    REQUIRE(from != NULL);
    memcpy(from, it->own.parameters + tensor->offset, tensor->count * sizeof *from);
    for (size_t i = 0; i < tensor->count; i++)
        norm +=
            (double)it->own.gradients[tensor->offset + i] * it->own.gradients[tensor->offset + i];
    norm = sqrt(norm);
    CHECK(norm > 0);
    double h = 2e-3;
    move(it, tensor, from, h / norm);
    double up = value(it);
    move(it, tensor, from, -h / norm);
    double down = value(it);
    move(it, tensor, from, 0);
    double ratio = (up - down) / (2 * h) / norm;
    if (!(fabs(ratio - 1) < 0.03))
        CHECK_TEXT(tensor->name, "a tensor whose gradient is right");
    CHECK_NEAR(ratio, 1, 0.03);
    akin_free(from);
}

static void check_gradients(const char *preset, uint32_t bands)
{
    struct fixture *it = akin_alloc(1, sizeof *it);
    REQUIRE(it != NULL);
    REQUIRE_OK(setup(it, preset, bands, err));
    value(it);
    memcpy(graph_gradient(it->own.net.graph, it->own.net.z), it->target, sizeof it->target);
    REQUIRE_OK(graph_backward(it->own.net.graph, err));
    for (size_t t = 0; t < it->own.table.count; t++) {
        const struct arch_tensor *tensor = &it->own.table.tensors[t];
        if (tensor->role != ARCH_MEAN && tensor->role != ARCH_VARIANCE)
            check_tensor(it, tensor);
    }
    learning_net_fini(&it->own);
    akin_free(it);
}

TEST(gradients_of_r10h)
{
    check_gradients("r10h", 3);
}

TEST(gradients_of_r18h_with_eight_bands)
{
    check_gradients("r18h", 8);
}

TEST(gradients_of_r18_with_one_band)
{
    check_gradients("r18", 1);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
