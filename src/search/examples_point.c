/*
 * The tile at a point, by a scan that filters by a box without extent and scores nothing. Only zone
 * maps and columns are read that way, and place and time rules are those of every other filter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "examples_point.h"

#include <inttypes.h>
#include <math.h>

#include "engine.h"

#define CANDIDATES_MAX 100000 /* tiles over one point: twenty years of days, thirteen-fold */

/* How well a tile fits; smaller is better, in this order. */
struct fit {
    uint64_t away_ms;  /* from the wanted time, or before the end of all time */
    double distance_m; /* of its centre from the point */
    uint64_t key;
};

/* 0 where they share an instant; the largest number where one is unknown. */
static uint64_t gap_ms(struct akin_interval a, struct akin_interval b)
{
    if (!akin_interval_known(a) || !akin_interval_known(b))
        return UINT64_MAX;
    if (akin_interval_intersects(a, b))
        return 0;
    return a.begin_ms >= b.end_ms ? (uint64_t)a.begin_ms - (uint64_t)b.end_ms
                                  : (uint64_t)b.begin_ms - (uint64_t)a.end_ms;
}

static uint64_t away_ms(struct akin_interval tile, struct akin_interval wanted)
{
    if (akin_interval_known(wanted))
        return gap_ms(tile, wanted);
    return akin_interval_known(tile) ? (uint64_t)INT64_MAX - (uint64_t)tile.end_ms : UINT64_MAX;
}

static bool better(const struct fit *a, const struct fit *b)
{
    if (a->away_ms != b->away_ms)
        return a->away_ms < b->away_ms;
    if (a->distance_m != b->distance_m)
        return a->distance_m < b->distance_m;
    return a->key < b->key;
}

static struct fit fit_of(const struct akin_columns *columns, double lon_deg, double lat_deg,
                         struct akin_interval time)
{
    double lon, lat;
    akin_bbox_center(akin_columns_bbox(columns), &lon, &lat);
    return (struct fit){.away_ms = away_ms(akin_columns_interval(columns), time),
                        .distance_m = akin_geo_distance_m(lon_deg, lat_deg, lon, lat),
                        .key = columns->key};
}

static akin_status find_all(akin_engine *engine, double lon_deg, double lat_deg,
                            struct akin_hit *hits, size_t *count, akin_error *err)
{
    struct akin_filter filter;
    akin_filter_init(&filter);
    filter.bbox = (struct akin_bbox){lon_deg, lat_deg, lon_deg, lat_deg};
    float *zero = akin_alloc_zero(engine->dim, sizeof *zero);
    if (!zero)
        return akin_error_memory(err, engine->dim * sizeof *zero, "a point");
    const struct akin_index_query query = {.vectors = zero,
                                           .count = 1,
                                           .best_of = true,
                                           .filter = &filter,
                                           .k = CANDIDATES_MAX,
                                           .threshold = -INFINITY};
    akin_status status = akin_index_search(engine->index, &query, hits, count, NULL, err);
    akin_free(zero);
    return status;
}

akin_status example_point_find(akin_engine *engine, double lon_deg, double lat_deg,
                               struct akin_interval time, uint64_t *key, akin_error *err)
{
    if (!(lon_deg >= -180 && lon_deg <= 180 && lat_deg >= -90 && lat_deg <= 90))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "%g,%g is no place: longitude -180..180, then latitude -90..90",
                              lon_deg, lat_deg);
    struct akin_hit *hits = akin_alloc(CANDIDATES_MAX, sizeof *hits);
    if (!hits)
        return akin_error_memory(err, CANDIDATES_MAX * sizeof *hits, "the tiles at a point");
    size_t count = 0;
    struct fit best = {UINT64_MAX, INFINITY, UINT64_MAX};
    akin_status status = find_all(engine, lon_deg, lat_deg, hits, &count, err);
    for (size_t i = 0; status == AKIN_OK && i < count; i++) {
        struct akin_columns columns;
        status = akin_index_get(engine->index, hits[i].key, &columns, NULL, err);
        if (status != AKIN_OK)
            break;
        struct fit fit = fit_of(&columns, lon_deg, lat_deg, time);
        if (better(&fit, &best))
            best = fit;
    }
    akin_free(hits);
    if (status == AKIN_OK && !count)
        status = akin_error_set(err, AKIN_ERR_NOT_FOUND,
                                "no tile of this collection is at %g,%g (longitude,latitude)",
                                lon_deg, lat_deg);
    if (status == AKIN_OK)
        *key = best.key;
    return status;
}
