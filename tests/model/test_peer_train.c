/*
 * Learning beside PyTorch: the same net, weights, views and schedule give the same losses, step by
 * step; and the encoder that comes of it, batch normalisation folded away, gives the features that
 * PyTorch's net in evaluation mode gives. The C side is driven by hand, without a trainer, so that
 * both see the very same views.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "../../src/model/loss.h"
#include "../../src/model/map_features.h"
#include "../../src/model/optimiser.h"
#include "cosine.h"
#include "peer.h"

#define PEER_TRAIN "/usr/bin/python3 tests/model/peer_train.py"
#define BANDS 3
#define PX 32
#define VIEWS 32
#define STEPS 20
#define FLOATS ((size_t)BANDS * PX * PX) /* a view */
#define TEMPERATURE 0.2
/* Small, as Adam makes whole steps of gradients that are all rounding. PyTorch's own losses in f32 and f64 part by 2e-2
 * within these steps at 1e-3, ours and its by 7e-4 to 1.1e-3 at 1e-4 (as the compiler contracts and Winograd's kernels
 * round), by 2e-5 to 8e-5 at this rate. */
#define RATE 3e-5

struct run {
    struct arch_table table;
    struct net net;
    float *parameters, *gradients, *statistics, *moments, *x, *z, *dz;
    uint8_t *decay;
    struct loss *loss;
    struct optimiser_options optimiser;
    const char *folder;
    enum graph_dtype dtype;
    double tolerance; /* of a loss: half of what is asked in f32, as the rate is small */
};

static akin_status run_init(struct run *it, const char *preset, enum graph_dtype dtype,
                            akin_error *err)
{
    struct arch arch;
    memset(it, 0, sizeof *it);
    it->dtype = dtype;
    it->tolerance = dtype == GRAPH_BF16 ? 2e-2 : 5e-4;
    it->folder = check_folder();
    akin_status status = arch_init(&arch, preset, BANDS, err);
    if (status != AKIN_OK)
        return status;
    arch_table_init(&it->table, &arch);
    const size_t count = it->table.parameter_count;
    it->parameters = akin_alloc_zero(count, sizeof(float));
    it->gradients = akin_alloc_zero(count, sizeof(float));
    it->moments = akin_alloc_zero(count, 2 * sizeof(float));
    it->statistics = akin_alloc_zero(it->table.statistic_count, sizeof(float));
    it->decay = akin_alloc(count, 1);
    it->x = akin_alloc(STEPS * VIEWS, FLOATS * sizeof(float));
    it->dz = akin_alloc(VIEWS, ARCH_OUT * sizeof(float));
    arch_initialise(&it->table, 5, it->parameters, it->statistics);
    arch_decay_mask(&it->table, it->decay);
    optimiser_options_default(&it->optimiser, OPTIMISER_ADAMW);
    it->optimiser.weight_decay = 0.01;
    it->optimiser.rate = RATE;
    return loss_create(&it->loss, LOSS_NT_XENT, VIEWS, ARCH_OUT, TEMPERATURE, err);
}

static void run_fini(struct run *it)
{
    net_fini(&it->net);
    loss_free(it->loss);
    akin_free(it->parameters);
    akin_free(it->gradients);
    akin_free(it->moments);
    akin_free(it->statistics);
    akin_free(it->decay);
    akin_free(it->x);
    akin_free(it->dz);
}

/* A tile is a pattern of its own; its two views differ by noise. */
static void draw_views(float *x, uint64_t step)
{
    for (size_t v = 0; v < VIEWS; v++) {
        uint64_t tile = step * VIEWS + v % (VIEWS / 2);
        double turn = 3.14 * akin_random_unit(3, 1, tile),
               size = 2 + 8 * akin_random_unit(3, 2, tile);
        for (size_t i = 0; i < FLOATS; i++) {
            double column = (double)(i % PX), row = (double)(i / PX % PX);
            double wave =
                sin((column * cos(turn) + row * sin(turn)) / size + (double)(i / PX / PX));
            x[v * FLOATS + i] =
                (float)(wave + 0.5 * akin_random_unit(4, step * VIEWS + v, i) - 0.25);
        }
    }
}

/* Weights, their table and the size for PyTorch to read. */
static bool write_net(const struct run *it)
{
    struct akin_buffer text;
    const int32_t px = PX;
    akin_buffer_init(&text, 1 << 20);
    akin_status status = AKIN_OK;
    for (size_t t = 0; t < it->table.count && status == AKIN_OK; t++) {
        const struct arch_tensor *tensor = &it->table.tensors[t];
        status = akin_buffer_printf(&text, NULL, "%s %zu", tensor->name, tensor->offset);
        for (uint32_t d = 0; d < tensor->rank && status == AKIN_OK; d++)
            status = akin_buffer_printf(&text, NULL, " %u", tensor->dims[d]);
        if (status == AKIN_OK)
            status = akin_buffer_append(&text, "\n", 1, NULL);
    }
    bool good = status == AKIN_OK && peer_write(it->folder, "table.txt", text.data, text.size) &&
                peer_write(it->folder, "px.i32", &px, sizeof px) &&
                peer_write(it->folder, "parameters.f32", it->parameters,
                           it->table.parameter_count * sizeof(float)) &&
                peer_write(it->folder, "statistics.f32", it->statistics,
                           it->table.statistic_count * sizeof(float));
    akin_buffer_fini(&text);
    return good;
}

/* One step of learning from views x; its loss, NaN where something failed. */
static double learn(struct run *it, const float *x, uint64_t step, double rate, float momentum)
{
    const size_t count = it->table.parameter_count;
    struct graph *graph = it->net.graph;
    memcpy(graph_data(graph, it->net.input), x, VIEWS * FLOATS * sizeof *x);
    graph_set_momentum(graph, momentum);
    if (graph_refresh(graph, NULL) != AKIN_OK || graph_forward(graph, NULL) != AKIN_OK)
        return NAN;
    double loss = loss_run(it->loss, graph_data(graph, it->net.z), it->dz);
    memcpy(graph_gradient(graph, it->net.z), it->dz, VIEWS * ARCH_OUT * sizeof *it->dz);
    if (graph_backward(graph, NULL) != AKIN_OK)
        return NAN;
    optimiser_step(&it->optimiser, rate, step, it->parameters, it->gradients, it->moments,
                   it->decay, count, 0, count);
    return loss;
}

static akin_status make_net(struct run *it, akin_error *err)
{
    const struct graph_options options = {.batch = VIEWS,
                                          .dtype = it->dtype,
                                          .training = true,
                                          .parameters = it->parameters,
                                          .gradients = it->gradients,
                                          .statistics = it->statistics};
    return net_create(&it->net, &it->table, PX, &options, err);
}

static void check_losses(struct run *it)
{
    double rates[STEPS], momenta[STEPS], ours[STEPS], theirs[STEPS];
    for (uint64_t s = 0; s < STEPS; s++) {
        rates[s] = optimiser_rate(&it->optimiser, s, STEPS);
        momenta[s] = s < 10 ? 1.0 / (double)(s + 1) : 0.1;
        draw_views(it->x + s * VIEWS * FLOATS, s);
    }
    REQUIRE(write_net(it));
    REQUIRE(peer_write(it->folder, "x.f32", it->x, STEPS * VIEWS * FLOATS * sizeof *it->x));
    REQUIRE(peer_write(it->folder, "rate.f64", rates, sizeof rates));
    REQUIRE(peer_write(it->folder, "momentum.f64", momenta, sizeof momenta));
    REQUIRE_OK(make_net(it, err));
    for (uint64_t s = 0; s < STEPS; s++)
        ours[s] = learn(it, it->x + s * VIEWS * FLOATS, s, rates[s], (float)momenta[s]);
    REQUIRE(peer_run(PEER_TRAIN " '%s' steps %.17g %.17g %.17g %.17g", it->folder, TEMPERATURE,
                     it->optimiser.weight_decay, it->optimiser.momentum, it->optimiser.beta2) == 0);
    REQUIRE(peer_read(it->folder, "loss.f64", theirs, sizeof theirs));
    for (size_t s = 0; s < STEPS; s++)
        CHECK_NEAR(ours[s], theirs[s], it->tolerance);
    CHECK(theirs[STEPS - 1] < theirs[0] - 0.1); /* it learnt: the losses were not all one number */
}

/* Features of what was learnt, of the first views. */
static void check_features(struct run *it)
{
    const size_t size = map_features_size(&it->table.arch);
    float *folded = akin_alloc(it->table.parameter_count, sizeof *folded);
    float *scratch = akin_alloc(map_features_scratch(&it->table.arch, PX), sizeof *scratch);
    float *ours = akin_alloc(size, sizeof *ours),
          *theirs = akin_alloc(VIEWS * size, sizeof *theirs);
    const struct graph_options options = {.batch = VIEWS, .parameters = folded};
    struct net net;
    REQUIRE(folded && scratch && ours && theirs);
    REQUIRE(write_net(it) &&
            peer_write(it->folder, "x.f32", it->x, VIEWS * FLOATS * sizeof *it->x));
    net_fold(&it->table, it->parameters, it->statistics, folded);
    REQUIRE_OK(net_create_folded(&net, &it->table, PX, &options, NULL, err));
    memcpy(graph_data(net.graph, net.input), it->x, VIEWS * FLOATS * sizeof *it->x);
    REQUIRE_OK(graph_forward(net.graph, err));
    REQUIRE(peer_run(PEER_TRAIN " '%s' features", it->folder) == 0);
    REQUIRE(peer_read(it->folder, "features.f32", theirs, VIEWS * size * sizeof *theirs));
    for (size_t n = 0; n < VIEWS; n++) {
        CHECK(map_features_pool(&net, &it->table.arch, PX, n, NULL, scratch, ours));
        CHECK_NEAR(cosine(ours, theirs + n * size, size), 1, 1e-6);
        CHECK_NEAR(ours[size - 1], theirs[n * size + size - 1], 1e-3);
    }
    CHECK(cosine(theirs, theirs + 3 * size, size) < 0.9999); /* tiles differ by more than that */
    net_fini(&net);
    akin_free(folded);
    akin_free(scratch);
    akin_free(ours);
    akin_free(theirs);
}

TEST(r10h_learns_as_in_pytorch)
{
    struct run it;
    if (!peer_has_torch())
        return;
    REQUIRE_OK(run_init(&it, "r10h", GRAPH_F32, err));
    check_losses(&it);
    check_features(&it);
    run_fini(&it);
}

/* Masters, loss and update are f32 in both, activations are not: losses stay together all the same. */
TEST(r10h_learns_in_bf16_as_pytorch_in_f32)
{
    struct run it;
    if (!graph_has_dtype(GRAPH_BF16)) {
        check_skip("no bf16 instructions here");
        return;
    }
    if (!peer_has_torch())
        return;
    REQUIRE_OK(run_init(&it, "r10h", GRAPH_BF16, err));
    check_losses(&it);
    run_fini(&it);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
