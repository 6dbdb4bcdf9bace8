/*
 * What the parts of learn share.
 *
 *   learn.c         akin_learn: the collection, all of it in turn
 *   learn_options.c what a run learns with
 *   tile_choice.c   which tiles are learnt from, and their instant vectors
 *   tile_cache.c    their pixels, from chips, kept as far as memory goes
 *   partner.c       which tiles show the same place at another time
 *   recipe.c        what a stopped run needs to go on beside its checkpoint
 *   schedule.c      how many epochs; how much memory and time
 *   lessons.c       the epochs, and what is written on the way
 *   curve*.c        numbers of the epochs, as a table and as a picture
 *   samples.c       what the encoder finds by now, as a picture
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LEARN_PRIVATE_H
#define LEARN_PRIVATE_H

#include <stdatomic.h>

#include "akin/index.h"
#include "akin/ingest.h"
#include "akin/learn.h"
#include "akin/source.h"
#include "akin/tile.h"

#define STAGE "learn"

/* ---- tile_choice.c ---- */

/* A tile is kept, and encoded, at twice the size that the net sees of a view: crops of it stay
 * sharp, and maps are better at the larger scale (docs/MODEL.md). */
#define TILE_PX_A_VIEW 2

/* Tiles in the order of their keys: the order is part of what a seed means. */
struct tile_choice {
    uint64_t *keys;
    size_t count;
    uint64_t all;   /* of the collection; 0 where the keys were read from a file */
    float *vectors; /* (count, dim) of the instant encoder, zeros where its index lacks the tile */
    size_t dim;
};
/* The newest instant encoder with an index, the default one if it is instant. */
akin_status choose_instant(char out[AKIN_NAME_MAX], akin_catalog *catalog, const char *used,
                           akin_error *err);
/* All tiles of the index of encoder `used`, or a sample of AKIN_LEARN_TILES_MAX. */
akin_status choose_tiles(struct tile_choice *out, akin_catalog *catalog, const char *used,
                         uint64_t seed, akin_error *err);
akin_status choose_vectors(struct tile_choice *choice, akin_catalog *catalog,
                           const akin_model *instant, akin_error *err);
void choose_drop_vectors(struct tile_choice *choice);
void choose_fini(struct tile_choice *choice);
/* The rows that an index has of the chosen tiles, in their order. */
typedef void choose_row_fn(void *user, size_t tile, const struct akin_columns *columns,
                           const float *vector);
akin_status choose_each(const struct tile_choice *choice, akin_catalog *catalog, const char *model,
                        choose_row_fn *fn, void *user, akin_error *err);

/* ---- tile_cache.c ---- */

struct tile_cache;
/* Readers for `workers` threads; nothing is kept until it is allowed to. Borrows keys and talk. */
akin_status tile_cache_create(struct tile_cache **out, const char *dir,
                              const struct tile_choice *choice, uint32_t side_px, unsigned workers,
                              const struct akin_talk *talk, akin_error *err);
void tile_cache_free(struct tile_cache *cache);
void tile_cache_allow(struct tile_cache *cache, uint64_t bytes);
/* Bytes of all tiles with their masks; of the readers and their scratch. */
uint64_t tile_cache_bytes_all(const struct tile_cache *cache);
uint64_t tile_cache_bytes_least(const struct tile_cache *cache);
/* As struct akin_train_tiles has it. */
const uint8_t *tile_cache_get(struct tile_cache *cache, size_t index, unsigned worker,
                              const uint8_t **filled);
uint64_t tile_cache_unread(const struct tile_cache *cache);
/* AKIN_ERR_NO_MEMORY where a tile could not be read for that reason. */
akin_status tile_cache_check(const struct tile_cache *cache, akin_error *err);

/* ---- partner.c ---- */

struct partners;
/* From the columns that the index of encoder `model` has. */
akin_status partners_create(struct partners **out, const struct tile_choice *choice,
                            akin_catalog *catalog, const char *model, akin_error *err);
void partners_free(struct partners *partners);
/* A tile of another scene and time that covers more than half of tile `index` and is covered by it
 * by more than half; `index` itself where there is none. Depends on nothing else. */
size_t partners_draw(const struct partners *partners, size_t index, uint64_t draw);

/* ---- recipe.c ---- */

struct recipe {
    struct akin_train_options train; /* its texts lie in this struct: not to be copied */
    char preset[24], loss[24], optimiser[24];
    char instant[AKIN_NAME_MAX];
    bool same_place;
};
akin_status recipe_save(const struct recipe *recipe, const char *folder, akin_error *err);
akin_status recipe_load(struct recipe *out, const char *folder, akin_error *err);
akin_status tiles_save(const struct tile_choice *choice, const char *folder, akin_error *err);
akin_status tiles_load(struct tile_choice *out, const char *folder, akin_error *err);

/* ---- curve.c, curve_svg.c ---- */

struct curve_row {
    struct akin_train_epoch epoch;
    double kept_instant, kept_net, kept; /* NaN where nobody looked */
};
struct curve {
    struct curve_row *rows;
    size_t count, max;
};
/* Rows from this epoch on are forgotten: a run that was stopped does them again. */
akin_status curve_add(struct curve *curve, const struct curve_row *row, akin_error *err);
void curve_fini(struct curve *curve);
akin_status curve_csv(const struct curve *curve, struct akin_buffer *out, akin_error *err);
/* As far as it can be read; a file that is not there is no rows. */
akin_status curve_load(struct curve *curve, const char *path, akin_error *err);
/* `title` is plain ASCII without markup. */
akin_status curve_svg(const struct curve *curve, const char *title, struct akin_buffer *out,
                      akin_error *err);

/* ---- samples.c ---- */

struct samples;
/* Draws queries (spread over what the instant encoder tells apart) and what they are asked of. */
akin_status samples_create(struct samples **out, struct tile_cache *cache,
                           const struct tile_choice *choice, uint32_t side_px, uint32_t bands,
                           uint64_t seed, akin_pool *pool, akin_error *err);
void samples_free(struct samples *samples);
/* What the encoder finds, as a PNG. */
akin_status samples_png(struct samples *samples, const akin_model *encoder, struct akin_buffer *out,
                        akin_error *err);

/* ---- the run ---- */

struct run {
    const char *dir;
    const struct akin_learn_options *options;
    struct akin_learn_report *report;
    struct akin_talk talk; /* the caller's, but that progress counts from where this run began */
    uint64_t first_step;
    bool began;
    char used[AKIN_NAME_MAX];   /* the collection's default encoder */
    char folder[AKIN_PATH_MAX]; /* DIR/models/NAME.training */
    char checkpoint[AKIN_PATH_MAX];
    struct recipe recipe;
    akin_lock *lock; /* of the folder */
    akin_catalog *catalog;
    akin_model *instant, *encoder; /* the latter: of the end */
    struct tile_choice choice;
    struct tile_cache *cache;
    struct partners *partners;
    akin_pool *pool;
    akin_trainer *trainer;
    struct samples *samples;
    struct curve curve;
    double started, saved_at;             /* by run_clock */
    double learning_s, looking_s, look_s; /* this run; the last look */
    akin_error *err;
};
double run_clock(void);
/* A file of the run's folder, whole or not at all. */
akin_status run_write(struct run *run, const char *name, const void *data, size_t bytes);

/* ---- learn_options.c ---- */

/* The recipe, but for the epochs that the schedule decides on. */
akin_status learn_settle(struct run *run);

/* ---- schedule.c ---- */

/* Settles the epochs, makes the trainer, and gives the cache what memory is left. */
akin_status schedule_make(struct run *run);

/* ---- lessons.c ---- */

/* To the end of the schedule, or to a stop: then the checkpoint is saved. Leaves the encoder. */
akin_status lessons_run(struct run *run);

#endif
