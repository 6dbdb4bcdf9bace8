/*
 * A small training for the model's tests: made-up tiles in memory, some of which may be unreadable,
 * late or all the same, and runs of it whose weights can be compared by their checkpoints.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_TRAINING_H
#define AKIN_TESTS_TRAINING_H

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "../check.h"
#include "tiles.h"

#define TRAINING_PX 32
#define TRAINING_HEAD 192 /* bytes of a checkpoint before its numbers */

struct training {
    struct tiles tiles;
    struct akin_train_tiles source;
    bool masked;             /* with every third tile's mask */
    bool all_unreadable;     /* from now on */
    size_t unreadable_every; /* tiles whose number is a multiple of it; 0 = none */
    bool late;               /* readers wait for a while, each time another */
    atomic_uint reads;
};

static inline const uint8_t *training_get(void *user, size_t index, unsigned worker,
                                          const uint8_t **filled)
{
    struct training *it = user;
    unsigned read = atomic_fetch_add(&it->reads, 1);
    if (it->late)
        usleep((unsigned)akin_random_below(worker, 1, read, 3000));
    if (it->all_unreadable || (it->unreadable_every && index % it->unreadable_every == 0))
        return NULL;
    if (filled)
        *filled = it->masked ? it->tiles.filled[index] : NULL;
    return it->tiles.inputs[index];
}

static inline void training_init(struct training *it, size_t count, uint32_t bands)
{
    memset(it, 0, sizeof *it);
    it->tiles = tiles_make(count, TRAINING_PX, bands);
    it->source = (struct akin_train_tiles){
        .count = count, .side_px = TRAINING_PX, .bands = bands, .get = training_get, .user = it};
}

static inline void training_fini(struct training *it)
{
    tiles_free(&it->tiles);
}

/* r10h at 32 px, three epochs of steps of eight tiles. */
static inline struct akin_train_options training_options(unsigned replicas)
{
    struct akin_train_options options;
    akin_train_options_default(&options);
    options.input_px = TRAINING_PX;
    options.epochs = 3;
    options.batch = 8;
    options.replicas = replicas;
    return options;
}

/* Says stop when `left` steps are done. */
static inline bool training_stop(void *user, const struct akin_progress *progress)
{
    int *left = user;
    (void)progress;
    return --*left != 0;
}

/* So many steps, over ends of epochs; AKIN_OK where they were done, or all there are. */
static inline akin_status training_steps(akin_trainer *trainer, int steps, akin_error *err)
{
    const struct akin_talk talk = {.progress = training_stop, .user = &steps};
    struct akin_train_epoch report;
    akin_status status = AKIN_OK;
    while (status == AKIN_OK && steps > 0 && !akin_trainer_done(trainer))
        status = akin_trainer_epoch(trainer, &report, &talk, err);
    return status == AKIN_ERR_CANCELLED && steps == 0 ? AKIN_OK : status;
}

/* A checkpoint's bytes in `out`, for comparing; the file stays at dir/name. Returns their number, 0
 * on failure. */
static inline size_t training_saved(const akin_trainer *trainer, const char *dir, const char *name,
                                    struct akin_buffer *out)
{
    char path[AKIN_PATH_MAX];
    akin_buffer_init(out, (size_t)1 << 28);
    if (akin_path_join(path, dir, name, NULL) != AKIN_OK ||
        akin_trainer_save(trainer, path, NULL) != AKIN_OK ||
        akin_file_read(out, path, NULL) != AKIN_OK)
        return 0;
    return out->size;
}

/* Whether all that was learnt is the same, bit for bit. */
static inline bool training_same(const struct akin_buffer *a, const struct akin_buffer *b)
{
    return a->size > TRAINING_HEAD && a->size == b->size &&
           !memcmp(a->data + TRAINING_HEAD, b->data + TRAINING_HEAD, a->size - TRAINING_HEAD);
}

#endif
