/*
 * Do gaps find gaps? Every tile with a swath gap or missing pixels asks for its eight nearest: the
 * share of them that have gaps, beside the share of all tiles that do. Tiles that overlap the one
 * that asks, on the ground or in its scene, are left out: they share its gap.
 *
 *     bench_gaps DIR [MODEL]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/akin.h"
#include "bench.h"

#define NEAREST 8
#define ASKED 64 /* answers asked for, so that eight stay without the neighbours on the ground */
#define GAP_SHARE 0.02  /* of a tile's pixels: less is the edge of a gap */
#define OVERLAP_CELLS 2 /* rows or columns of the grid within which tiles overlap */

struct tiles {
    struct akin_columns *columns;
    size_t count, capacity;
};

static bool has_gap(const struct akin_columns *columns)
{
    return columns->nodata > 255 * GAP_SHARE || columns->gap > 255 * GAP_SHARE;
}

static bool take(void *user, const struct akin_columns *columns, const float *vectors, size_t n)
{
    struct tiles *tiles = user;
    (void)vectors;
    for (size_t i = 0; i < n && tiles->count < tiles->capacity; i++)
        tiles->columns[tiles->count++] = columns[i];
    return true;
}

static const struct akin_columns *find(const struct tiles *tiles, uint64_t key)
{
    size_t low = 0, high = tiles->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (tiles->columns[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tiles->count && tiles->columns[low].key == key ? &tiles->columns[low] : NULL;
}

static bool near(uint64_t a, uint64_t b)
{
    long rows = labs((long)akin_tile_row(a) - (long)akin_tile_row(b));
    long cols = labs((long)akin_tile_col(a) - (long)akin_tile_col(b));
    return akin_tile_scene(a) == akin_tile_scene(b) && rows < OVERLAP_CELLS && cols < OVERLAP_CELLS;
}

/* Of one query: how many of its nearest have gaps, and how many nearest there were. */
static akin_status ask(akin_index *index, const struct tiles *tiles, uint64_t key, float *vector,
                       size_t *with_gap, size_t *found, akin_error *err)
{
    struct akin_hit hits[ASKED];
    size_t count = 0, nearest = 0;
    const struct akin_index_query query = {
        .vectors = vector, .count = 1, .k = ASKED, .threshold = -2};
    akin_status status = akin_index_get(index, key, NULL, vector, err);
    if (status == AKIN_OK)
        status = akin_index_search(index, &query, hits, &count, NULL, err);
    for (size_t i = 0; i < count && nearest < NEAREST && status == AKIN_OK; i++) {
        const struct akin_columns *columns = find(tiles, hits[i].key);
        if (near(key, hits[i].key) || !columns)
            continue;
        *with_gap += has_gap(columns);
        nearest++;
    }
    *found += nearest;
    return status;
}

static akin_status measure(akin_index *index, const char *model, akin_error *err)
{
    struct akin_index_stats stats;
    akin_index_stats(index, &stats);
    struct tiles tiles = {.capacity = stats.rows};
    float vector[AKIN_DIM_MAX];
    size_t with_gap = 0, found = 0, gaps = 0;
    tiles.columns = malloc((tiles.capacity + 1) * sizeof *tiles.columns);
    if (!tiles.columns)
        return akin_error_memory(err, tiles.capacity, "columns");
    akin_status status = akin_index_each(index, take, &tiles, err);
    for (size_t i = 0; i < tiles.count && status == AKIN_OK; i++) {
        if (!has_gap(&tiles.columns[i]))
            continue;
        gaps++;
        status = ask(index, &tiles, tiles.columns[i].key, vector, &with_gap, &found, err);
    }
    if (status == AKIN_OK)
        printf("%-24s %zu tiles, %zu with gaps (base rate %.3f): of their nearest %d %.3f have "
               "gaps\n",
               model, tiles.count, gaps, (double)gaps / (double)(tiles.count + !tiles.count),
               NEAREST, (double)with_gap / (double)(found + !found));
    free(tiles.columns);
    return status;
}

int main(int argc, char **argv)
{
    char path[AKIN_PATH_MAX];
    const char *model = argc > 2 ? argv[2] : "instant";
    struct akin_index_options options;
    akin_index *index = NULL;
    akin_error err = {0};
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: bench_gaps DIR [MODEL]\n");
        return 2;
    }
    akin_index_options_default(&options);
    akin_status status = akin_path_join(path, argv[1], "index", &err);
    if (status == AKIN_OK)
        status = akin_path_join(path, path, model, &err);
    if (status == AKIN_OK)
        status = akin_index_open(&index, path, AKIN_OPEN_READ, &options, &err);
    if (status == AKIN_OK)
        status = measure(index, model, &err);
    akin_index_close(index);
    if (status != AKIN_OK)
        fprintf(stderr, "bench_gaps: %s\n", err.text);
    return status != AKIN_OK;
}
