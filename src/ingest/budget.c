/*
 * Memory of an add, reckoned before it begins: --ram is a promise, and a refusal with a number is
 * better than a death in the middle. The parts: GDAL's block cache, one cutter (a strip of pixels
 * and what is being cut from it) a thread, strips waiting to be encoded or committed, the tiles
 * held for the fit, the encoders' own memory, and the index's log.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ingest_private.h"

#define MB ((uint64_t)1 << 20)
#define PROGRAM_BYTES                                                                              \
    (96 * MB) /* code, libraries, SQLite: measured 60-80 MB with GDAL's drivers loaded */
#define FEATURES_PER_TILE 4096 /* bytes: raw features and embedding of a tile while fitting */
#define FIT_TILES_MIN 256

/* Bytes that a tile held for the fit takes. */
static uint64_t fit_tile_bytes(const struct akin_settings *settings, uint32_t bands)
{
    uint64_t side = settings->input_px;
    return side * side * (bands + 1) + FEATURES_PER_TILE;
}

static uint64_t fixed_bytes(void)
{
    uint64_t memtable = 2 * (uint64_t)32768 * (sizeof(struct akin_columns) + 2 * 256);
    return PROGRAM_BYTES + memtable;
}

static akin_status refuse(uint64_t need, uint64_t ram, const char *for_what, akin_error *err)
{
    char needed[AKIN_BYTES_TEXT_MAX], given[AKIN_BYTES_TEXT_MAX];
    akin_bytes_format(needed, need);
    akin_bytes_format(given, ram);
    return akin_error_set(err, AKIN_ERR_LIMIT,
                          "%s needs at least %s of memory and --ram allows %s: give --ram %lluM, "
                          "or fewer threads (-j)",
                          for_what, needed, given, (unsigned long long)(need / MB + 1));
}

akin_status budget_make(struct budget *out, const struct akin_settings *settings,
                        uint64_t ram_bytes, unsigned threads, akin_error *err)
{
    uint32_t bands = settings->bands ? settings->bands : 4;
    uint64_t tile = fit_tile_bytes(settings, bands);
    uint64_t least = fixed_bytes() + 32 * MB + threads * 8 * MB + FIT_TILES_MIN * tile;
    if (ram_bytes < least)
        return refuse(least, ram_bytes, "adding", err);

    uint64_t free_bytes = ram_bytes - fixed_bytes();
    uint64_t cache = free_bytes / 8, fit = free_bytes / 4 / tile;
    out->cache_bytes = cache > 256 * MB ? 256 * MB : cache;
    out->flight_bytes = free_bytes / 4 > 512 * MB ? 512 * MB : free_bytes / 4;
    out->fit_tiles = fit > AKIN_INSTANT_FIT_TILES ? AKIN_INSTANT_FIT_TILES
                     : fit < FIT_TILES_MIN        ? FIT_TILES_MIN
                                                  : fit;
    return AKIN_OK;
}

/* Of pixels that a thread has in memory at a time: a strip as read, and the strip being cut. */
static uint64_t scene_bytes(const struct akin_scene *scene, const struct akin_settings *settings)
{
    uint32_t bands = settings->bands ? settings->bands : scene->bands;
    uint64_t rows = scene->height < settings->tile_px ? scene->height : settings->tile_px;
    uint64_t strip = (uint64_t)scene->width * rows * (bands * akin_dtype_size(scene->dtype) + 1);
    return 2 * (strip > 64 * MB ? 64 * MB : strip);
}

akin_status budget_check(const struct budget *budget, const struct plan *plan,
                         const struct akin_settings *settings, const akin_model *model,
                         uint64_t ram_bytes, unsigned threads, akin_error *err)
{
    uint64_t encoders = model ? threads * (uint64_t)akin_encoder_bytes(model) : 0;
    uint64_t widest = 0;
    const char *uri = NULL;
    for (size_t s = 0; s < plan->scene_count; s++) {
        uint64_t bytes = scene_bytes(&plan->scenes[s], settings);
        if (bytes > widest) {
            widest = bytes;
            uri = plan->scenes[s].uri;
        }
    }
    uint64_t fit =
        plan->fit_jobs
            ? budget->fit_tiles * fit_tile_bytes(settings, settings->bands ? settings->bands : 4)
            : 0;
    uint64_t need = fixed_bytes() + budget->cache_bytes + threads * widest + fit + encoders;
    if (need <= ram_bytes)
        return AKIN_OK;
    return akin_error_context(err, refuse(need, ram_bytes, "its strips", err), "'%s'", uri);
}
