/*
 * One replica's share of a training step:
 *
 *     views of its tiles -> forward -> z of all replicas -> the whole loss, on each -> gradient of its
 *     own z -> backward -> gradients of all replicas summed -> the same update on each
 *
 * Batch normalisation sees a replica's own views (so the number of replicas is part of the recipe);
 * running statistics are averaged over replicas, so that all of them hold one and the same state.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "trainer.h"

#define STREAM_PARTNER 0x706172746e6572u
#define STREAM_INSTEAD 0x696e7374656164u
#define TRIES 16            /* at tiles that can be read, in place of one that cannot */
#define NORM_MOMENTUM 0.1f  /* of running statistics */
#define NORM_FIRST_STEPS 10 /* in which they are a plain mean instead */

double trainer_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- life ---- */

akin_status replica_init(struct replica *replica, struct akin_trainer *trainer, unsigned index,
                         struct comm *comm, akin_error *err)
{
    const struct arch_table *table = &trainer->table;
    const size_t views = 2 * (size_t)trainer->share, all = views * comm->size;
    const uint32_t px = trainer->options.input_px;
    const size_t moments = optimiser_moments(trainer->optimiser.kind);
    *replica = (struct replica){.trainer = trainer, .index = index, .comm = comm};
    replica->parameters = akin_alloc_zero(table->parameter_count, sizeof(float));
    replica->gradients = akin_alloc_zero(table->parameter_count, sizeof(float));
    replica->moments = akin_alloc_zero(table->parameter_count * moments, sizeof(float));
    replica->statistics = akin_alloc_zero(table->statistic_count, sizeof(float));
    replica->mean_statistics = akin_alloc_zero(table->statistic_count, sizeof(float));
    replica->z = akin_alloc_zero(all * ARCH_OUT, sizeof(float));
    replica->all = akin_alloc_zero(all * ARCH_OUT, sizeof(float));
    replica->dz = akin_alloc_zero(all * ARCH_OUT, sizeof(float));
    replica->scratch = akin_alloc_zero((size_t)px * px, sizeof(float));
    if (!replica->parameters || !replica->gradients || !replica->moments || !replica->statistics ||
        !replica->mean_statistics || !replica->z || !replica->all || !replica->dz ||
        !replica->scratch)
        return akin_error_memory(err, table->parameter_count * sizeof(float), "a replica");
    arch_initialise(table, trainer->options.seed, replica->parameters, replica->statistics);
    const struct graph_options options = {.batch = (uint32_t)views,
                                          .dtype =
                                              graph_has_dtype(GRAPH_BF16) ? GRAPH_BF16 : GRAPH_F32,
                                          .training = true,
                                          .parameters = replica->parameters,
                                          .gradients = replica->gradients,
                                          .statistics = replica->statistics};
    akin_status status = loss_create(&replica->loss, trainer->loss, all, ARCH_OUT,
                                     trainer->options.temperature, err);
    if (status == AKIN_OK)
        status = net_create(&replica->net, table, px, &options, err);
    return status;
}

void replica_fini(struct replica *replica)
{
    net_fini(&replica->net);
    loss_free(replica->loss);
    akin_free(replica->parameters);
    akin_free(replica->gradients);
    akin_free(replica->moments);
    akin_free(replica->statistics);
    akin_free(replica->mean_statistics);
    akin_free(replica->z);
    akin_free(replica->all);
    akin_free(replica->dz);
    akin_free(replica->scratch);
}

size_t replica_bytes(const struct replica *replica)
{
    const struct akin_trainer *trainer = replica->trainer;
    size_t moments = optimiser_moments(trainer->optimiser.kind);
    return graph_bytes(replica->net.graph) +
           (2 + moments) * trainer->table.parameter_count * sizeof(float) +
           6 * (size_t)trainer->share * replica->comm->size * ARCH_OUT * sizeof(float);
}

/* ---- views ---- */

/* The tile, or another drawn in its place. */
static const uint8_t *read_tile(struct replica *replica, size_t index, uint64_t epoch)
{
    const struct akin_train_tiles *tiles = &replica->trainer->tiles;
    const uint64_t seed = replica->trainer->options.seed;
    const uint8_t *pixels = tiles->get(tiles->user, index, replica->index, NULL);
    for (uint64_t i = 0; i < TRIES && !pixels; i++) {
        replica->unread += i == 0;
        size_t other =
            akin_random_below(seed, STREAM_INSTEAD + i, epoch << 32 | index, tiles->count);
        pixels = tiles->get(tiles->user, other, replica->index, NULL);
    }
    return pixels;
}

static akin_status fill_views(struct replica *replica, uint64_t epoch, const uint32_t *order)
{
    const struct akin_trainer *trainer = replica->trainer;
    const struct akin_train_tiles *tiles = &trainer->tiles;
    const uint32_t px = trainer->options.input_px;
    const uint64_t seed = trainer->options.seed;
    const size_t floats = (size_t)px * px * tiles->bands;
    float *x = graph_data(replica->net.graph, replica->net.input);
    for (uint32_t view = 0; view < 2; view++)
        for (size_t i = 0; i < trainer->share; i++, x += floats) {
            size_t index = order[i];
            if (view == 1 && tiles->partner)
                index = tiles->partner(tiles->user, index,
                                       akin_random_u64(seed, STREAM_PARTNER, epoch << 32 | index));
            const uint8_t *pixels = read_tile(replica, index, epoch);
            if (!pixels)
                return akin_error_set(&replica->error, AKIN_ERR_CORRUPT,
                                      "%d tiles in a row cannot be read: akin verify says which",
                                      TRIES);
            augment_view(&trainer->augment, &trainer->normal, pixels, tiles->side_px, tiles->bands,
                         px, seed, epoch, order[i], view, x, replica->scratch);
        }
    return AKIN_OK;
}

/* ---- the step ---- */

/* (replica, view, tile) <-> (view, replica, tile), blocks of `block` floats */
static void reorder_views(float *out, const float *in, unsigned replicas, size_t block,
                          bool by_view)
{
    for (unsigned r = 0; r < replicas; r++)
        for (unsigned v = 0; v < 2; v++) {
            size_t by_replica_at = (2 * r + v) * block, by_view_at = (v * replicas + r) * block;
            memcpy(out + (by_view ? by_view_at : by_replica_at),
                   in + (by_view ? by_replica_at : by_view_at), block * sizeof *out);
        }
}

/* The loss over all replicas' z; this one's part of the gradient goes to its net. */
static akin_status run_loss(struct replica *replica, double *loss)
{
    const size_t block = (size_t)replica->trainer->share * ARCH_OUT;
    struct comm *comm = replica->comm;
    struct graph *graph = replica->net.graph;
    akin_status status = comm->gather(comm, replica->all, graph_data(graph, replica->net.z),
                                      2 * block, &replica->error);
    if (status != AKIN_OK)
        return status;
    reorder_views(replica->z, replica->all, comm->size, block, true);
    *loss = loss_run(replica->loss, replica->z, replica->dz);
    reorder_views(replica->all, replica->dz, comm->size, block, false);
    memcpy(graph_gradient(graph, replica->net.z), replica->all + 2 * block * comm->rank,
           2 * block * sizeof(float));
    return AKIN_OK;
}

/* Running statistics become the replicas' mean. */
static akin_status share_statistics(struct replica *replica)
{
    struct comm *comm = replica->comm;
    size_t count = replica->trainer->table.statistic_count;
    if (comm->size == 1)
        return AKIN_OK;
    akin_status status = comm->sum(comm, replica->statistics, count, &replica->error);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        replica->statistics[i] /= (float)comm->size;
    return status;
}

/* Views, forward, loss, backward; the gradients are this replica's own yet. */
static akin_status run_gradients(struct replica *replica, uint64_t step, double *loss)
{
    struct akin_trainer *trainer = replica->trainer;
    struct graph *graph = replica->net.graph;
    akin_error *err = &replica->error;
    const uint64_t epoch = step / trainer->steps, at = step % trainer->steps;
    akin_status status =
        fill_views(replica, epoch,
                   trainer->order + at * trainer->batch + replica->comm->rank * trainer->share);
    if (status == AKIN_OK)
        status = graph_refresh(graph, err);
    if (status == AKIN_OK)
        status = graph_forward(graph, err);
    if (status == AKIN_OK)
        status = run_loss(replica, loss);
    if (status == AKIN_OK && !isfinite(*loss))
        status = akin_error_set(err, AKIN_ERR_INVALID,
                                "the loss is not a number at step %llu: a lower rate may help",
                                (unsigned long long)step);
    return status == AKIN_OK ? graph_backward(graph, err) : status;
}

static akin_status run_step(struct replica *replica, uint64_t step)
{
    struct akin_trainer *trainer = replica->trainer;
    struct comm *comm = replica->comm;
    const uint64_t all_steps = trainer->steps * trainer->options.epochs;
    const size_t count = trainer->table.parameter_count;
    double loss = 0;
    graph_set_momentum(replica->net.graph,
                       step < NORM_FIRST_STEPS ? 1.0f / (float)(step + 1) : NORM_MOMENTUM);
    akin_status status = run_gradients(replica, step, &loss);
    if (status == AKIN_OK)
        status = share_statistics(replica);
    if (status == AKIN_OK)
        status = comm->sum(comm, replica->gradients, count, &replica->error);
    if (status == AKIN_OK)
        optimiser_step(&trainer->optimiser, optimiser_rate(&trainer->optimiser, step, all_steps),
                       step, replica->parameters, replica->gradients, replica->moments,
                       trainer->decay, count, 0, count);
    replica->loss_sum += loss;
    return status;
}

void replica_rehearse(struct replica *replica)
{
    double loss;
    graph_set_momentum(replica->net.graph, 0);
    replica->status = run_gradients(replica, 0, &loss);
    if (replica->status != AKIN_OK)
        comm_threads_leave(replica->comm);
}

/* The first replica tells how far it is, and hears whether to stop. */
static bool wants_to_stop(struct replica *replica, uint64_t done)
{
    struct akin_trainer *trainer = replica->trainer;
    char detail[96];
    if (replica->comm->rank != 0)
        return false;
    uint64_t here = done % trainer->steps ? done % trainer->steps : trainer->steps;
    double seconds = trainer_clock() - trainer->started;
    double views = 2.0 * trainer->batch * (double)(done - trainer->first_step);
    snprintf(detail, sizeof detail, "epoch %llu/%u, loss %.3f, %.0f views/s",
             (unsigned long long)((done - 1) / trainer->steps + 1), trainer->options.epochs,
             (trainer->loss_sum + replica->loss_sum) / (double)here,
             seconds > 0 ? views / seconds : 0);
    const struct akin_progress progress = {"steps", done, trainer->steps * trainer->options.epochs,
                                           trainer->first_step, detail};
    return !akin_progress(trainer->talk, &progress);
}

void replica_run(struct replica *replica)
{
    struct akin_trainer *trainer = replica->trainer;
    uint64_t step = trainer->step, end = (step / trainer->steps + 1) * trainer->steps;
    bool stop = false;
    akin_status status = AKIN_OK;
    replica->loss_sum = 0;
    replica->unread = 0;
    while (step < end && !stop && status == AKIN_OK) {
        status = run_step(replica, step);
        if (status == AKIN_OK) {
            stop = wants_to_stop(replica, ++step);
            status = replica->comm->any(replica->comm, &stop, &replica->error);
        }
    }
    if (status != AKIN_OK && trainer->handles)
        comm_threads_leave(replica->comm);
    if (status == AKIN_OK && stop && step < end)
        status = akin_error_set(&replica->error, AKIN_ERR_CANCELLED, "stopped");
    replica->status = status;
    if (replica->index == 0)
        trainer->done_step = step;
}
