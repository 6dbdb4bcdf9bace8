/*
 * How long to learn, and with what memory. Few tiles are shown more often than many, so that a small
 * collection learns for minutes, too, and a large one not for days.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "learn_private.h"

#define TILES_SHOWN 160000.0 /* over all epochs, two views each: 16 epochs of 10,000 tiles */
#define EPOCHS_LEAST 5
#define EPOCHS_MOST 200

#define SECONDS_MORE 1.1 /* than the steps measured: updates, looks, checkpoints */

#define CACHE_LEAST ((uint64_t)16 << 20)
#define LOOK_BYTES ((uint64_t)96 << 20) /* features of the tiles that an encoder is fitted on */
/* A fitted encoder runs 16 tiles at once that are twice as large, each way, as a view. */
#define LOOK_VIEWS 64

static uint32_t epochs_for(uint64_t tiles)
{
    double epochs = ceil(TILES_SHOWN / (double)tiles);
    return (uint32_t)fmin(EPOCHS_MOST, fmax(EPOCHS_LEAST, epochs));
}

/* A trainer has one `user` for both questions. */
static const uint8_t *get_tile(void *user, size_t index, unsigned worker, const uint8_t **filled)
{
    struct run *run = user;
    return tile_cache_get(run->cache, index, worker, filled);
}

static size_t draw_partner(void *user, size_t index, uint64_t draw)
{
    struct run *run = user;
    return partners_draw(run->partners, index, draw);
}

static akin_status make_trainer(struct run *run, akin_trainer **out, uint32_t epochs, bool balanced)
{
    const struct tile_choice *choice = &run->choice;
    struct akin_train_options train = run->recipe.train;
    const struct akin_train_tiles tiles = {
        .count = choice->count,
        .side_px = train.input_px * TILE_PX_A_VIEW,
        .bands = akin_catalog_settings(run->catalog)->bands,
        .get = get_tile,
        .partner = run->partners ? draw_partner : NULL,
        .user = run,
        .instant = balanced ? choice->vectors : NULL,
        .instant_dim = choice->dim,
    };
    train.epochs = epochs;
    return akin_trainer_create(out, &tiles, &train, run->err);
}

/* ---- memory ---- */

/* What everything but kept tiles takes. */
static uint64_t bytes_without_tiles(const struct run *run, const akin_trainer *trainer)
{
    const struct akin_train_options *train = &run->recipe.train;
    const struct tile_choice *choice = &run->choice;
    const uint64_t net = akin_trainer_bytes(trainer);
    const uint64_t batch = train->batch < choice->count ? train->batch : choice->count;
    const uint64_t looks = LOOK_BYTES + net * LOOK_VIEWS * train->replicas / (2 * batch);
    const uint64_t vectors = choice->count * choice->dim * sizeof(float); /* gone before looks */
    return net + tile_cache_bytes_least(run->cache) + (looks > vectors ? looks : vectors);
}

static akin_status share_memory(struct run *run, const akin_trainer *trainer)
{
    const uint64_t fixed = bytes_without_tiles(run, trainer);
    const uint64_t tiles = tile_cache_bytes_all(run->cache), ram = run->options->ram_bytes;
    const uint64_t least = fixed + (tiles < CACHE_LEAST ? tiles : CACHE_LEAST);
    const uint64_t most = fixed + tiles;
    char given[AKIN_BYTES_TEXT_MAX], needed[AKIN_BYTES_TEXT_MAX];
    run->report->ram_expected = ram < most ? ram : most;
    if (ram < least) {
        run->report->ram_expected = least;
        akin_bytes_format(given, ram);
        akin_bytes_format(needed, least);
        return akin_error_set(run->err, AKIN_ERR_LIMIT,
                              "learning like this takes %s of memory, and %s are allowed: raise "
                              "--ram, or take a smaller --batch or --input",
                              needed, given);
    }
    if (ram < most)
        akin_log(&run->talk, AKIN_LEVEL_INFO, STAGE,
                 "%.0f%% of the tiles stay in memory, the others are decoded each time (a greater "
                 "--ram holds more)",
                 100 * (double)(ram - fixed) / (double)tiles);
    tile_cache_allow(run->cache, ram < most ? ram - fixed : tiles);
    return AKIN_OK;
}

/* ---- time ---- */

/* Seconds that an epoch takes. */
static akin_status measure(struct run *run, akin_trainer *trainer, double *seconds)
{
    akin_status status = akin_trainer_measure(trainer, seconds, run->err);
    *seconds *= SECONDS_MORE * (double)akin_trainer_steps(trainer);
    return status;
}

/* A trainer only to see what one takes: its clusters are left out, they are not part of a step. */
static akin_status rehearse(struct run *run, double *epoch_seconds)
{
    akin_trainer *trainer = NULL;
    akin_status status = make_trainer(run, &trainer, 1, false);
    if (status == AKIN_OK)
        status = share_memory(run, trainer);
    if (status == AKIN_OK)
        status = measure(run, trainer, epoch_seconds);
    akin_trainer_free(trainer);
    return status;
}

akin_status schedule_make(struct run *run)
{
    const struct akin_learn_options *options = run->options;
    struct akin_train_options *train = &run->recipe.train;
    bool timed = options->minutes > 0 && !options->resume && !options->as_is;
    double epoch_seconds = 0;
    akin_status status = AKIN_OK;
    if (timed || options->dry_run)
        status = rehearse(run, &epoch_seconds);
    if (status != AKIN_OK)
        return status;
    if (timed)
        train->epochs =
            (uint32_t)fmin(100000, fmax(1, floor(60 * options->minutes / epoch_seconds)));
    else if (!train->epochs)
        train->epochs = epochs_for(run->choice.count);
    run->report->epochs = train->epochs;
    run->report->seconds_expected = epoch_seconds * train->epochs;
    if (options->as_is) {
        run->report->epochs = 0;
        run->report->seconds_expected = 0;
    }
    if (options->dry_run)
        return AKIN_OK;
    status = make_trainer(run, &run->trainer, train->epochs, true);
    return status == AKIN_OK ? share_memory(run, run->trainer) : status;
}
