/*
 * Pixels of the tiles that are learnt from, out of chips. What is read first is kept, as far as
 * memory is allowed: an epoch asks for every tile about once, so that no tile has a better claim
 * than another, and what is kept never has to be thrown out. The others are decoded each time.
 *
 * Slots are set once, by whichever worker is first; another worker that read the same tile throws
 * its copy away. So nothing is locked, and what a tile looks like does not depend on who read it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "learn_private.h"

/* A tile: pixels (side, side, bands), and behind them the mask where anything was filled. */
struct pixels {
    bool masked;
    uint8_t bytes[];
};

/* One worker's own: a catalogue handle belongs to one thread. */
struct reader {
    akin_catalog *catalog;
    akin_chips *chips;
    struct pixels *scratch;
};

struct tile_cache {
    const uint64_t *keys; /* borrowed */
    size_t count;
    uint32_t side_px;
    size_t cells, bands; /* of a tile: pixels */
    struct akin_scaling scaling[AKIN_DTYPE_COUNT];
    struct reader *readers;
    unsigned workers;
    _Atomic(struct pixels *) *slots; /* NULL: not read yet, or no room */
    _Atomic int64_t room;            /* bytes that may still be kept */
    _Atomic uint64_t unread;
    _Atomic bool out_of_memory;
    const struct akin_talk *talk;
};

/* Stands in the slot of a tile that cannot be read. */
static struct pixels damaged;

static size_t size_of(const struct tile_cache *cache, bool masked)
{
    return sizeof(struct pixels) + cache->cells * (cache->bands + masked);
}

/* ---- life ---- */

static akin_status open_readers(struct tile_cache *cache, const char *dir, akin_error *err)
{
    akin_status status = AKIN_OK;
    cache->readers = akin_alloc_zero(cache->workers, sizeof *cache->readers);
    if (!cache->readers)
        return akin_error_memory(err, cache->workers * sizeof *cache->readers, "readers of tiles");
    for (unsigned i = 0; i < cache->workers && status == AKIN_OK; i++) {
        struct reader *reader = &cache->readers[i];
        status = akin_catalog_open(&reader->catalog, dir, AKIN_OPEN_READ, err);
        if (status == AKIN_OK)
            status = akin_chips_open(&reader->chips, reader->catalog, err);
        if (status == AKIN_OK && !(reader->scratch = akin_alloc(1, size_of(cache, true))))
            status = akin_error_memory(err, size_of(cache, true), "a tile");
    }
    return status;
}

akin_status tile_cache_create(struct tile_cache **out, const char *dir,
                              const struct tile_choice *choice, uint32_t side_px, unsigned workers,
                              const struct akin_talk *talk, akin_error *err)
{
    struct tile_cache *cache = akin_alloc_zero(1, sizeof *cache);
    if (!cache)
        return akin_error_memory(err, sizeof *cache, "the tiles");
    akin_catalog *catalog = NULL;
    akin_status status = akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, err);
    if (status == AKIN_OK) {
        cache->keys = choice->keys;
        cache->count = choice->count;
        cache->side_px = side_px;
        cache->cells = (size_t)side_px * side_px;
        cache->bands = akin_catalog_settings(catalog)->bands;
        cache->workers = workers;
        cache->talk = talk;
        cache->slots = akin_alloc_zero(cache->count, sizeof *cache->slots);
        if (!cache->slots)
            status = akin_error_memory(err, cache->count * sizeof *cache->slots, "the tiles");
    }
    if (status == AKIN_OK)
        status = akin_scaling_load_all(cache->scaling, catalog, err);
    if (status == AKIN_OK)
        status = open_readers(cache, dir, err);
    akin_catalog_close(catalog);
    if (status == AKIN_OK)
        *out = cache;
    else
        tile_cache_free(cache);
    return status;
}

void tile_cache_free(struct tile_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; cache->slots && i < cache->count; i++)
        if (cache->slots[i] != &damaged)
            akin_free(cache->slots[i]);
    akin_free(cache->slots);
    for (unsigned i = 0; cache->readers && i < cache->workers; i++) {
        akin_chips_close(cache->readers[i].chips);
        akin_catalog_close(cache->readers[i].catalog);
        akin_free(cache->readers[i].scratch);
    }
    akin_free(cache->readers);
    akin_free(cache);
}

void tile_cache_allow(struct tile_cache *cache, uint64_t bytes)
{
    atomic_store(&cache->room, bytes < INT64_MAX ? (int64_t)bytes : INT64_MAX);
}

uint64_t tile_cache_bytes_all(const struct tile_cache *cache)
{
    return cache->count * (uint64_t)(size_of(cache, true) + AKIN_ALIGN);
}

uint64_t tile_cache_bytes_least(const struct tile_cache *cache)
{
    const uint64_t reader = size_of(cache, true) + ((uint64_t)1 << 20); /* SQLite's, a chip's */
    return cache->workers * reader + cache->count * (sizeof *cache->slots + sizeof *cache->keys);
}

uint64_t tile_cache_unread(const struct tile_cache *cache)
{
    return atomic_load(&cache->unread);
}

akin_status tile_cache_check(const struct tile_cache *cache, akin_error *err)
{
    if (!atomic_load(&cache->out_of_memory))
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_NO_MEMORY,
                          "out of memory while reading tiles: a smaller --batch takes less");
}

/* ---- reading ---- */

static akin_status read_pixels(struct tile_cache *cache, struct reader *reader, uint64_t key,
                               akin_error *err)
{
    const void *chip = NULL;
    size_t bytes = 0;
    uint8_t *mask = reader->scratch->bytes + cache->cells * cache->bands;
    akin_status status = akin_chips_find(reader->chips, key, &chip, &bytes, err);
    if (status == AKIN_OK)
        status = akin_chip_input(chip, bytes, cache->scaling, cache->side_px,
                                 reader->scratch->bytes, mask, err);
    reader->scratch->masked = status == AKIN_OK && memchr(mask, 0, cache->cells);
    return status;
}

static void leave_out(struct tile_cache *cache, size_t index, const char *why)
{
    struct pixels *nothing = NULL;
    char text[AKIN_TILE_KEY_TEXT_MAX];
    if (!atomic_compare_exchange_strong(&cache->slots[index], &nothing, &damaged))
        return;
    atomic_fetch_add(&cache->unread, 1);
    akin_tile_key_format(text, cache->keys[index]);
    akin_log(cache->talk, AKIN_LEVEL_WARN, STAGE, "tile %s is left out: %s", text, why);
}

/* A copy of the scratch into its slot, where there is room. */
static void keep(struct tile_cache *cache, size_t index, const struct pixels *pixels)
{
    const size_t bytes = size_of(cache, pixels->masked);
    const int64_t cost = (int64_t)(bytes + AKIN_ALIGN);
    struct pixels *nothing = NULL, *copy = NULL;
    if (atomic_fetch_sub(&cache->room, cost) >= cost && (copy = akin_alloc(1, bytes))) {
        memcpy(copy, pixels, bytes);
        if (atomic_compare_exchange_strong(&cache->slots[index], &nothing, copy))
            return;
    }
    akin_free(copy);
    atomic_fetch_add(&cache->room, cost);
}

static const struct pixels *read_tile(struct tile_cache *cache, size_t index, unsigned worker)
{
    struct reader *reader = &cache->readers[worker];
    akin_error why = {0};
    akin_status status = read_pixels(cache, reader, cache->keys[index], &why);
    if (status == AKIN_ERR_NO_MEMORY)
        atomic_store(&cache->out_of_memory, true); /* not the tile's fault */
    else if (status != AKIN_OK)
        leave_out(cache, index, why.text);
    if (status != AKIN_OK)
        return NULL;
    keep(cache, index, reader->scratch);
    return reader->scratch;
}

const uint8_t *tile_cache_get(struct tile_cache *cache, size_t index, unsigned worker,
                              const uint8_t **filled)
{
    const struct pixels *pixels = atomic_load(&cache->slots[index]);
    if (!pixels)
        pixels = read_tile(cache, index, worker);
    if (!pixels || pixels == &damaged)
        return NULL;
    if (filled)
        *filled = pixels->masked ? pixels->bytes + cache->cells * cache->bands : NULL;
    return pixels->bytes;
}
