/*
 * Which tiles are learnt from: those of the default encoder's index, which `akin add` keeps
 * complete, and which instant vectors balance the sampling. Indexes are walked in the order of keys,
 * as the choice is kept, so that finding a tile's row is a merge of two sorted lists.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "learn_private.h"

#define STREAM_CHOICE 0x6c6561726eu

static akin_status index_path(char out[AKIN_PATH_MAX], akin_catalog *catalog, const char *model,
                              akin_error *err)
{
    char relative[AKIN_NAME_MAX + 8];
    snprintf(relative, sizeof relative, "index/%s", model);
    return akin_path_join(out, akin_catalog_dir(catalog), relative, err);
}

static akin_status open_index(akin_index **out, akin_catalog *catalog, const char *model,
                              akin_error *err)
{
    char path[AKIN_PATH_MAX];
    akin_status status = index_path(path, catalog, model, err);
    return status == AKIN_OK ? akin_index_open(out, path, AKIN_OPEN_READ, NULL, err) : status;
}

/* ---- the instant encoder ---- */

static bool is_usable(akin_catalog *catalog, const char *name)
{
    char path[AKIN_PATH_MAX];
    struct akin_file_stat stat;
    akin_model *model = NULL;
    bool usable = akin_model_open(&model, akin_catalog_dir(catalog), name, NULL) == AKIN_OK &&
                  !strcmp(akin_model_info(model)->kind, "instant") &&
                  index_path(path, catalog, name, NULL) == AKIN_OK &&
                  akin_file_stat(&stat, path, NULL) == AKIN_OK;
    akin_model_free(model);
    return usable;
}

/* Refits are called instant-2, instant-3, ..., instant-10: the longer name is the newer one. */
static bool is_newer(const char *name, const char *than)
{
    size_t a = strlen(name), b = strlen(than);
    return a != b ? a > b : strcmp(name, than) > 0;
}

akin_status choose_instant(char out[AKIN_NAME_MAX], akin_catalog *catalog, const char *used,
                           akin_error *err)
{
    char **names = NULL;
    const char *best = NULL;
    size_t count = 0;
    if (is_usable(catalog, used)) {
        snprintf(out, AKIN_NAME_MAX, "%s", used);
        return AKIN_OK;
    }
    akin_status status = akin_model_list(&names, &count, akin_catalog_dir(catalog), err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        if (is_usable(catalog, names[i]) && (!best || is_newer(names[i], best)))
            best = names[i];
    if (best)
        snprintf(out, AKIN_NAME_MAX, "%s", best);
    else if (status == AKIN_OK)
        status = akin_error_set(err, AKIN_ERR_NOT_FOUND,
                                "the collection has no instant encoder with an index, beside which "
                                "another one learns: 'akin embed %s --refit' makes one",
                                akin_catalog_dir(catalog));
    akin_names_free(names, count);
    return status;
}

/* ---- the tiles ---- */

struct gathering {
    struct tile_choice *choice;
    uint64_t seed;
    double share; /* of the tiles that are taken */
    size_t max;
};

static bool gather(void *user, const struct akin_columns *columns, const float *vectors, size_t n)
{
    struct gathering *g = user;
    (void)vectors;
    for (size_t i = 0; i < n && g->choice->count < g->max; i++)
        if (g->share >= 1 || akin_random_unit(g->seed, STREAM_CHOICE, columns[i].key) < g->share)
            g->choice->keys[g->choice->count++] = columns[i].key;
    return true;
}

akin_status choose_tiles(struct tile_choice *out, akin_catalog *catalog, const char *used,
                         uint64_t seed, akin_error *err)
{
    akin_index *index = NULL;
    struct akin_index_stats stats;
    struct gathering gathering = {.choice = out, .seed = seed, .share = 1};
    akin_status status = open_index(&index, catalog, used, err);
    if (status != AKIN_OK)
        return status;
    akin_index_stats(index, &stats);
    out->all = stats.rows;
    gathering.max = stats.rows < AKIN_LEARN_TILES_MAX ? stats.rows : AKIN_LEARN_TILES_MAX;
    /* Each tile by its own lot; four standard deviations below the limit, so that it is not met
     * before the last tile. */
    if (stats.rows > AKIN_LEARN_TILES_MAX)
        gathering.share =
            (AKIN_LEARN_TILES_MAX - 4 * sqrt(AKIN_LEARN_TILES_MAX)) / (double)stats.rows;
    out->keys = akin_alloc(gathering.max, sizeof *out->keys);
    if (out->keys)
        status = akin_index_each(index, gather, &gathering, err);
    else
        status = akin_error_memory(err, gathering.max * sizeof *out->keys, "the list of tiles");
    akin_index_close(index);
    return status;
}

/* ---- their rows ---- */

struct merging {
    const struct tile_choice *choice;
    size_t at, dim;
    choose_row_fn *fn;
    void *user;
};

static bool merge(void *user, const struct akin_columns *columns, const float *vectors, size_t n)
{
    struct merging *m = user;
    for (size_t i = 0; i < n && m->at < m->choice->count; i++) {
        while (m->at < m->choice->count && m->choice->keys[m->at] < columns[i].key)
            m->at++;
        if (m->at < m->choice->count && m->choice->keys[m->at] == columns[i].key)
            m->fn(m->user, m->at++, &columns[i], vectors + i * m->dim);
    }
    return m->at < m->choice->count;
}

akin_status choose_each(const struct tile_choice *choice, akin_catalog *catalog, const char *model,
                        choose_row_fn *fn, void *user, akin_error *err)
{
    akin_index *index = NULL;
    struct akin_index_stats stats;
    struct merging merging = {.choice = choice, .fn = fn, .user = user};
    akin_status status = open_index(&index, catalog, model, err);
    if (status != AKIN_OK)
        return status;
    akin_index_stats(index, &stats);
    merging.dim = stats.dim;
    status = akin_index_each(index, merge, &merging, err);
    akin_index_close(index);
    return status;
}

static void keep_vector(void *user, size_t tile, const struct akin_columns *columns,
                        const float *vector)
{
    struct tile_choice *choice = user;
    (void)columns;
    memcpy(choice->vectors + tile * choice->dim, vector, choice->dim * sizeof *vector);
}

akin_status choose_vectors(struct tile_choice *choice, akin_catalog *catalog,
                           const akin_model *instant, akin_error *err)
{
    const struct akin_model_info *info = akin_model_info(instant);
    akin_index *index = NULL;
    struct akin_index_stats stats = {0};
    akin_status status = open_index(&index, catalog, info->name, err);
    if (status == AKIN_OK)
        akin_index_stats(index, &stats);
    akin_index_close(index);
    if (status == AKIN_OK && stats.dim != info->dim)
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "the index of '%s' has %u dimensions, the encoder %u", info->name,
                                stats.dim, info->dim);
    if (status != AKIN_OK)
        return status;
    choice->dim = info->dim;
    choice->vectors = akin_alloc_zero(choice->count, choice->dim * sizeof *choice->vectors);
    if (!choice->vectors)
        return akin_error_memory(err, choice->count * choice->dim * sizeof *choice->vectors,
                                 "instant vectors");
    return choose_each(choice, catalog, info->name, keep_vector, choice, err);
}

void choose_drop_vectors(struct tile_choice *choice)
{
    akin_free(choice->vectors);
    choice->vectors = NULL;
}

void choose_fini(struct tile_choice *choice)
{
    choose_drop_vectors(choice);
    akin_free(choice->keys);
    choice->keys = NULL;
}
