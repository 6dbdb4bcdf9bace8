/*
 * A trainer inside: what is shared, and one replica for each thread (replica.c), which sees its own
 * part of every batch and meets the others where losses and gradients are put together (comm.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_TRAINER_H
#define MODEL_TRAINER_H

#include "akin/model.h"
#include "augment.h"
#include "comm.h"
#include "loss.h"
#include "net.h"
#include "optimiser.h"
#include "sampler.h"
#include "watch.h"

struct replica {
    struct akin_trainer *trainer;
    unsigned index; /* of this process */
    struct comm *comm;
    struct net net;
    struct loss *loss;
    float *parameters, *gradients, *statistics, *moments; /* owned; equal on all replicas */
    float *z, *all, *dz;    /* (views, OUT) of all replicas: by replica, by view, gradient */
    float *mean_statistics; /* of this step, while replicas agree on them */
    float *scratch;         /* augment_view's */
    double loss_sum;
    uint64_t unread;
    akin_status status;
    akin_error error;
};

struct akin_trainer {
    struct akin_train_options options;
    struct akin_train_tiles tiles;
    struct arch_table table;
    struct augment_options augment;
    struct augment_normal normal;
    struct optimiser_options optimiser;
    enum loss_kind loss;
    uint8_t *decay; /* (parameters): 1 under weight decay */
    struct sampler *sampler;
    uint32_t *order;       /* (count): of this epoch */
    uint32_t batch, share; /* tiles a step; of them a replica */
    uint64_t steps;        /* an epoch */
    uint64_t step;         /* done, over all epochs */
    akin_pool *pool;       /* one thread a replica */
    struct comm **handles; /* of local replicas */
    unsigned replicas;     /* here */
    struct replica *replica;
    bool apart;                   /* replicas have left: they need another place to meet */
    bool failed;                  /* in the middle of a step: only a checkpoint helps */
    const struct akin_talk *talk; /* of the epoch that runs */
    struct akin_train_epoch report;
    double started; /* of this call, seconds */
    uint64_t first_step, done_step;
    double loss_sum; /* of the epoch so far, over its steps */
};

/* ---- replica.c ---- */

akin_status replica_init(struct replica *replica, struct akin_trainer *trainer, unsigned index,
                         struct comm *comm, akin_error *err);
void replica_fini(struct replica *replica);
size_t replica_bytes(const struct replica *replica);
/* From the trainer's step to the end of the epoch, or to a stop; sets replica->status. */
void replica_run(struct replica *replica);
/* One step that changes nothing but buffers. */
void replica_rehearse(struct replica *replica);

/* Seconds of a clock that only goes forward. */
double trainer_clock(void);

#endif
