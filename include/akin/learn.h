/*
 * learn: a collection becomes a trained encoder: its tiles, read from chips through a cache, go
 * through a trainer (model.h); on the way a person can see it learn.
 *
 *     struct akin_learn_options options;
 *     akin_learn_options_default(&options);
 *     akin_learn("DIR", &options, &report, &err);      DIR/models/trained, and embedded with it
 *
 * While it learns, and afterwards, DIR/models/NAME.training holds
 *     checkpoint.bin   from which a stopped run goes on (docs/FORMATS.md); gone when it is done
 *     recipe.json      with what it learns: the options, so that a resume needs none of them
 *     tiles.bin        which tiles it learns from: what is added meanwhile changes nothing; gone
 *                      when it is done
 *     curve.csv        a row an epoch: loss, rate, alignment, uniformity, spread, effective rank,
 *                      neighbours kept under turns, views a second
 *     curve.svg        the same as a picture
 *     samples.png      sample queries and what the encoder finds for them, a row each
 *     lock             held by the process that learns
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_LEARN_H
#define AKIN_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/catalog.h"
#include "akin/core.h"
#include "akin/model.h"

#pragma GCC visibility push(default)

#define AKIN_TRAINED_NAME "trained"
#define AKIN_LEARN_TILES_MAX 262144 /* learnt from; of more a random sample */

struct akin_learn_options {
    /* NULL, 0 and NaN (as the defaults have them) are not given: those of
     * akin_train_options_default, or on resume what the run began with. input_px: 64, 96 or 128;
     * epochs: as many as suit the number of tiles. */
    struct akin_train_options train;
    double minutes;     /* > 0: as many epochs as fit into it, instead of train.epochs; on resume
                           the epochs of the run count */
    const char *name;   /* of the encoder; NULL = AKIN_TRAINED_NAME */
    bool resume;        /* go on from the checkpoint; AKIN_ERR_NOT_FOUND where there is none */
    const char *init;   /* begin with the weights of a .safetensors file (model.h) instead of random
                           ones; the preset, unless given, is its own. NULL: random. Not with resume */
    bool as_is;         /* of init: learn nothing, only fit the components on this collection; no
                           checkpoint, epochs and minutes are not looked at */
    bool embed;         /* embed the collection with it, and make it the default: true */
    bool same_place;    /* positives from other dates of the same place; default false */
    uint64_t ram_bytes; /* default 2 GiB: tiles are kept in memory as far as it goes.
                            AKIN_ERR_LIMIT with the number needed where it is too little */
    uint32_t every;     /* epochs between checkpoints: default 1; but not twice in 5 seconds */
    bool dry_run;       /* only the report's estimates */
    const struct akin_talk *talk;
};
void akin_learn_options_default(struct akin_learn_options *out);

struct akin_learn_report {
    char name[AKIN_NAME_MAX];
    uint64_t tiles;        /* learnt from */
    uint64_t tiles_all;    /* of the collection */
    uint64_t tiles_unread; /* of them damaged or gone: each logged, and left out */
    uint32_t epochs;       /* of the schedule */
    uint32_t epochs_done;
    double seconds, seconds_expected; /* the latter: of a dry run, for what is left to learn */
    uint64_t ram_expected;            /* bytes */
    struct akin_train_epoch last;     /* epoch; zeros where none was done */
    bool collapsed; /* everything looks the same to it: the encoder is kept, but not embedded */
    bool saved, embedded; /* the encoder is there; the collection is embedded with it */
};

/* akin train. Takes the collection's write lock only to save and to embed (and waits for it there),
 * so that it can be searched and added to while it learns. AKIN_ERR_EXISTS where the name is an
 * encoder's already, or a checkpoint is there and resume is not set; AKIN_ERR_UNSUPPORTED without
 * chips; AKIN_ERR_NOT_FOUND without tiles or without an instant encoder's index.
 * AKIN_ERR_CANCELLED after a stop: the checkpoint is saved. The report (may be NULL) is filled in
 * every case. */
akin_status akin_learn(const char *dir, const struct akin_learn_options *options,
                       struct akin_learn_report *report, akin_error *err);

#pragma GCC visibility pop

#endif
