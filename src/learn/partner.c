/*
 * Other dates of the same place. Tiles' centres lie in the cells of a grid over longitude and
 * latitude, about as large as a tile; a partner's centre is less than half a tile away, so only the
 * cells around are looked at, and of a crowd in them no more than a bounded number, from a random
 * one on. (Across the antimeridian no partner is found: the grid ends there.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "learn_private.h"

#define STREAM_PARTNER 0x706c616365u
#define CHECKS_MAX 512 /* candidates looked at for a draw */
#define REACH_MAX 8    /* cells to each side, where tiles are larger than most */

struct place {
    double lon_deg, lat_deg; /* of the centre; NaN: no place or no time */
    double width_deg, height_deg;
    int64_t begin_ms;
    uint32_t scene;
};

struct member {
    uint64_t cell;
    uint32_t tile;
};

struct partners {
    struct place *places;   /* (count) */
    struct member *members; /* by cell */
    size_t count, placed;
    double cell_deg;
};

static uint64_t cell_at(const struct partners *p, double lon_deg, double lat_deg, int row, int col)
{
    int64_t r = (int64_t)floor((lat_deg + 90) / p->cell_deg) + row;
    int64_t c = (int64_t)floor((lon_deg + 180) / p->cell_deg) + col;
    return (uint64_t)(r < 0 ? 0 : r) << 32 | (uint64_t)(c < 0 ? 0 : c);
}

static void note_place(void *user, size_t tile, const struct akin_columns *columns,
                       const float *vector)
{
    struct partners *p = user;
    struct place *place = &p->places[tile];
    struct akin_bbox box = akin_columns_bbox(columns);
    (void)vector;
    if (!akin_bbox_known(box) || !akin_interval_known(akin_columns_interval(columns)))
        return;
    akin_bbox_center(box, &place->lon_deg, &place->lat_deg);
    place->width_deg = akin_bbox_width_deg(box);
    place->height_deg = box.north - box.south;
    place->begin_ms = columns->begin_ms;
    place->scene = akin_tile_scene(columns->key);
}

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->cell != y->cell)
        return x->cell < y->cell ? -1 : 1;
    return (x->tile > y->tile) - (x->tile < y->tile);
}

static void make_grid(struct partners *p)
{
    double sum = 0;
    for (size_t i = 0; i < p->count; i++)
        if (!isnan(p->places[i].lon_deg)) {
            sum += fmax(p->places[i].width_deg, p->places[i].height_deg);
            p->members[p->placed++].tile = (uint32_t)i;
        }
    p->cell_deg = p->placed ? fmax(sum / (double)p->placed, 1e-6) : 1;
    for (size_t i = 0; i < p->placed; i++) {
        const struct place *place = &p->places[p->members[i].tile];
        p->members[i].cell = cell_at(p, place->lon_deg, place->lat_deg, 0, 0);
    }
    qsort(p->members, p->placed, sizeof *p->members, compare_members);
}

akin_status partners_create(struct partners **out, const struct tile_choice *choice,
                            akin_catalog *catalog, const char *model, akin_error *err)
{
    struct partners *p = akin_alloc_zero(1, sizeof *p);
    if (!p)
        return akin_error_memory(err, sizeof *p, "places");
    akin_status status = AKIN_OK;
    p->count = choice->count;
    p->places = akin_alloc_zero(p->count, sizeof *p->places);
    p->members = akin_alloc_zero(p->count, sizeof *p->members);
    if (!p->places || !p->members)
        status = akin_error_memory(err, p->count * sizeof *p->places, "places");
    for (size_t i = 0; i < p->count && status == AKIN_OK; i++)
        p->places[i].lon_deg = NAN;
    if (status == AKIN_OK)
        status = choose_each(choice, catalog, model, note_place, p, err);
    if (status == AKIN_OK) {
        make_grid(p);
        *out = p;
    } else {
        partners_free(p);
    }
    return status;
}

void partners_free(struct partners *partners)
{
    if (!partners)
        return;
    akin_free(partners->places);
    akin_free(partners->members);
    akin_free(partners);
}

/* The length that two spans have in common, given by their lengths and the distance of their
 * middles. */
static double in_common(double a, double b, double distance)
{
    double right = fmin(a / 2, distance + b / 2), left = fmax(-a / 2, distance - b / 2);
    return fmax(0, right - left);
}

static bool are_partners(const struct place *a, const struct place *b)
{
    if (a->scene == b->scene || a->begin_ms == b->begin_ms)
        return false;
    double common = in_common(a->width_deg, b->width_deg, b->lon_deg - a->lon_deg) *
                    in_common(a->height_deg, b->height_deg, b->lat_deg - a->lat_deg);
    return common > a->width_deg * a->height_deg / 2 && common > b->width_deg * b->height_deg / 2;
}

/* The first member whose cell is `cell` or behind it. */
static size_t lower_bound(const struct partners *p, uint64_t cell)
{
    size_t low = 0, high = p->placed;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->members[middle].cell < cell)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t partners_draw(const struct partners *partners, size_t index, uint64_t draw)
{
    const struct place *place = &partners->places[index];
    struct span {
        size_t begin, count;
    } rows[2 * REACH_MAX + 1];
    size_t total = 0, found = 0, chosen = index;
    if (isnan(place->lon_deg))
        return index;
    double extent = fmax(place->width_deg, place->height_deg) / 2 / partners->cell_deg;
    int reach = extent < REACH_MAX ? (int)ceil(extent) : REACH_MAX, row_count = 2 * reach + 1;
    for (int i = 0; i < row_count; i++) {
        uint64_t first = cell_at(partners, place->lon_deg, place->lat_deg, i - reach, -reach);
        uint64_t last = cell_at(partners, place->lon_deg, place->lat_deg, i - reach, reach);
        rows[i].begin = lower_bound(partners, first);
        rows[i].count = lower_bound(partners, last + 1) - rows[i].begin;
        total += rows[i].count;
    }
    for (size_t i = 0; i < total && i < CHECKS_MAX; i++) {
        size_t at = (draw % total + i) % total;
        int row = 0;
        while (at >= rows[row].count)
            at -= rows[row++].count;
        uint32_t tile = partners->members[rows[row].begin + at].tile;
        if (!are_partners(place, &partners->places[tile]))
            continue;
        /* Each of those found is as likely: the n-th one takes the place of the choice once in n
         * times. */
        if (akin_random_below(draw, STREAM_PARTNER, found, found + 1) == 0)
            chosen = tile;
        found++;
    }
    return chosen;
}
