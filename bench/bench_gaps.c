/*
 * Do gaps find gaps? Every tile with a swath gap or missing pixels asks for its eight nearest: the
 * share of them that have gaps. Tiles that overlap the one that asks, in its scene, are left out:
 * they share its gap.
 *
 *     bench_gaps DIR [MODEL]
 *
 * Gaps are not spread evenly: between swaths they lie in the tropics, and at the poles nearly every
 * tile has one, so that what is like a polar tile has a gap, too, whoever is asked. Hence
 *   - rows of the grid where most tiles have gaps (the polar night) are told apart from the others;
 *   - beside each share stands what the answers' rows alone let one expect;
 *   - tiles without a gap ask once as they are and once with the missing pixels of a tile that has
 *     one: whatever changes, the gap did it, and nothing else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/akin.h"
#include "bench.h"

#define NEAREST 8
#define ASKED 64 /* answers asked for, so that eight stay without the neighbours on the ground */
#define GAP_SHARE 0.02  /* of a tile's pixels: less is the edge of a gap */
#define OVERLAP_CELLS 2 /* rows or columns of the grid within which tiles overlap */
#define ROWS_MAX 4096
#define PAINTED 1000 /* tiles */
#define SEED 3

struct tiles {
    struct akin_columns *columns;
    size_t count, capacity;
    double rate[ROWS_MAX]; /* share of gap tiles in a row of the grid */
};

/* What was found for a kind of question. */
struct tally {
    size_t asked, answers;
    double gaps, expected; /* of the answers: with gaps; by their rows */
};

struct bench {
    akin_catalog *catalog;
    akin_index *index;
    akin_model *model;
    akin_chips *chips;
    akin_encoder *encoder;
    struct tiles tiles;
};

static bool has_gap(const struct akin_columns *columns)
{
    return columns->nodata > 255 * GAP_SHARE || columns->gap > 255 * GAP_SHARE;
}

static size_t row_of(uint64_t key)
{
    size_t row = akin_tile_row(key);
    return row < ROWS_MAX ? row : ROWS_MAX - 1;
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

/* Asks with a vector on behalf of tile `key`; nearest (NEAREST) receives keys, ended by 0. */
static akin_status ask(const struct bench *bench, uint64_t key, const float *vector,
                       struct tally *tally, uint64_t nearest[NEAREST], akin_error *err)
{
    struct akin_hit hits[ASKED];
    size_t count = 0, kept = 0;
    const struct akin_index_query query = {
        .vectors = vector, .count = 1, .k = ASKED, .threshold = -2};
    akin_status status = akin_index_search(bench->index, &query, hits, &count, NULL, err);
    for (size_t i = 0; i < count && kept < NEAREST && status == AKIN_OK; i++) {
        const struct akin_columns *columns = find(&bench->tiles, hits[i].key);
        if (near(key, hits[i].key) || !columns)
            continue;
        tally->gaps += has_gap(columns);
        tally->expected += bench->tiles.rate[row_of(hits[i].key)];
        nearest[kept++] = hits[i].key;
    }
    for (size_t i = kept; i < NEAREST; i++)
        nearest[i] = 0;
    tally->asked++;
    tally->answers += kept;
    return status;
}

static double per(double sum, size_t n)
{
    return sum / (double)(n + !n);
}

static void measure_rows(struct tiles *tiles)
{
    static size_t count[ROWS_MAX];
    for (size_t i = 0; i < tiles->count; i++) {
        count[row_of(tiles->columns[i].key)]++;
        tiles->rate[row_of(tiles->columns[i].key)] += has_gap(&tiles->columns[i]);
    }
    for (size_t row = 0; row < ROWS_MAX; row++)
        tiles->rate[row] = per(tiles->rate[row], count[row]);
}

/* ---- gap tiles ask ---- */

static void print_tally(const char *what, const struct tally *tally)
{
    printf("    %-34s %4zu asked: of their nearest %d %.3f have gaps, by their rows %.3f\n", what,
           tally->asked, NEAREST, per(tally->gaps, tally->answers),
           per(tally->expected, tally->answers));
}

static akin_status ask_all(const struct bench *bench, const char *name, akin_error *err)
{
    const struct tiles *tiles = &bench->tiles;
    struct tally all = {0}, polar = {0}, swath = {0};
    float vector[AKIN_DIM_MAX];
    uint64_t nearest[NEAREST];
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < tiles->count && status == AKIN_OK; i++) {
        const uint64_t key = tiles->columns[i].key;
        struct tally one = {0};
        if (!has_gap(&tiles->columns[i]))
            continue;
        status = akin_index_get(bench->index, key, NULL, vector, err);
        if (status == AKIN_OK)
            status = ask(bench, key, vector, &one, nearest, err);
        struct tally *const into[2] = {&all, tiles->rate[row_of(key)] > 0.5 ? &polar : &swath};
        for (int t = 0; t < 2; t++) {
            into[t]->asked += one.asked;
            into[t]->answers += one.answers;
            into[t]->gaps += one.gaps;
            into[t]->expected += one.expected;
        }
    }
    if (status != AKIN_OK)
        return status;
    printf("%s: %zu tiles, %zu with gaps (base rate %.3f)\n", name, tiles->count, all.asked,
           per((double)all.asked, tiles->count));
    print_tally("gaps between swaths", &swath);
    print_tally("rows where most have gaps (polar)", &polar);
    print_tally("all", &all);
    return AKIN_OK;
}

/* ---- the same tile without and with a gap ---- */

static akin_status decode(const struct bench *bench, uint64_t key, struct akin_raster *out,
                          akin_error *err)
{
    const void *bytes = NULL;
    size_t size = 0;
    akin_status status = akin_chips_find(bench->chips, key, &bytes, &size, err);
    return status == AKIN_OK ? akin_chip_decode(bytes, size, out, err) : status;
}

/* The vector of tile `key` with what tile `gap` lacks taken out. */
static akin_status encode_painted(const struct bench *bench, uint64_t key, uint64_t gap,
                                  uint8_t *input, uint8_t *filled, float *vector, akin_error *err)
{
    const uint32_t px = akin_model_info(bench->model)->input_px;
    struct akin_raster picture = {0}, donor = {0};
    struct akin_scaling scaling;
    akin_status status = decode(bench, key, &picture, err);
    if (status == AKIN_OK)
        status = decode(bench, gap, &donor, err);
    if (status == AKIN_OK && (picture.dtype != AKIN_U8 || donor.width != picture.width ||
                              donor.height != picture.height))
        status = akin_error_set(err, AKIN_ERR_INVALID, "tiles of 8 bits and of one size are asked");
    if (status == AKIN_OK) {
        uint8_t *own = picture.valid;
        picture.valid = donor.valid;
        akin_scaling_identity(&scaling, picture.bands);
        status = akin_tile_input(&picture, &scaling, px, input, filled, err);
        picture.valid = own;
    }
    if (status == AKIN_OK)
        status = akin_encoder_run(bench->encoder, 1, (const uint8_t *const[]){input},
                                  (const uint8_t *const[]){filled}, vector, err);
    akin_raster_fini(&picture);
    akin_raster_fini(&donor);
    return status;
}

static size_t common(const uint64_t a[NEAREST], const uint64_t b[NEAREST])
{
    size_t count = 0;
    for (size_t i = 0; i < NEAREST; i++)
        for (size_t j = 0; j < NEAREST; j++)
            count += a[i] && a[i] == b[j];
    return count;
}

/* Some tile that has a gap, or none. */
static const struct akin_columns *draw(const struct tiles *tiles, bool gap, uint64_t what, size_t i)
{
    for (uint64_t try = 0; try < 10000; try++) {
        uint64_t at = akin_random_u64(SEED, what, i << 16 | try) % tiles->count;
        const struct akin_columns *columns = &tiles->columns[at];
        if (gap ? has_gap(columns) : !columns->nodata && !columns->gap)
            return columns;
    }
    return NULL;
}

static akin_status paint(const struct bench *bench, akin_error *err)
{
    const uint32_t px = akin_model_info(bench->model)->input_px;
    const size_t cells = (size_t)px * px;
    uint8_t *input = malloc(cells * (AKIN_BANDS_MAX + 1));
    struct tally clean = {0}, painted = {0};
    size_t kept = 0;
    akin_status status = input ? AKIN_OK : akin_error_memory(err, cells, "a tile");
    for (size_t i = 0; i < PAINTED && status == AKIN_OK; i++) {
        const struct akin_columns *tile = draw(&bench->tiles, false, 1, i);
        const struct akin_columns *gap = draw(&bench->tiles, true, 2, i);
        float vector[AKIN_DIM_MAX];
        uint64_t before[NEAREST], after[NEAREST];
        if (!tile || !gap)
            break;
        status = akin_index_get(bench->index, tile->key, NULL, vector, err);
        if (status == AKIN_OK)
            status = ask(bench, tile->key, vector, &clean, before, err);
        if (status == AKIN_OK)
            status = encode_painted(bench, tile->key, gap->key, input,
                                    input + cells * AKIN_BANDS_MAX, vector, err);
        if (status == AKIN_OK)
            status = ask(bench, tile->key, vector, &painted, after, err);
        if (status == AKIN_OK)
            kept += common(before, after);
    }
    if (status == AKIN_OK)
        printf("    %-34s %4zu asked: of their nearest %d %.3f have gaps, without it %.3f "
               "(%.0f%% the same)\n",
               "a gap put on tiles without one", painted.asked, NEAREST,
               per(painted.gaps, painted.answers), per(clean.gaps, clean.answers),
               100 * per((double)kept, clean.answers));
    free(input);
    return status;
}

/* ---- all of it ---- */

static akin_status measure(struct bench *bench, const char *name, akin_error *err)
{
    struct akin_index_stats stats;
    akin_index_stats(bench->index, &stats);
    bench->tiles.capacity = stats.rows;
    bench->tiles.columns = malloc((stats.rows + 1) * sizeof *bench->tiles.columns);
    if (!bench->tiles.columns)
        return akin_error_memory(err, stats.rows, "columns");
    akin_status status = akin_index_each(bench->index, take, &bench->tiles, err);
    if (status == AKIN_OK) {
        measure_rows(&bench->tiles);
        status = ask_all(bench, name, err);
    }
    return status == AKIN_OK ? paint(bench, err) : status;
}

static akin_status open_all(struct bench *bench, const char *dir, const char *model,
                            akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct akin_index_options options;
    akin_index_options_default(&options);
    akin_status status = akin_path_join(path, dir, "index", err);
    if (status == AKIN_OK)
        status = akin_path_join(path, path, model, err);
    if (status == AKIN_OK)
        status = akin_catalog_open(&bench->catalog, dir, AKIN_OPEN_READ, err);
    if (status == AKIN_OK)
        status = akin_index_open(&bench->index, path, AKIN_OPEN_READ, &options, err);
    if (status == AKIN_OK)
        status = akin_model_open(&bench->model, dir, model, err);
    if (status == AKIN_OK)
        status = akin_encoder_create(&bench->encoder, bench->model, err);
    return status == AKIN_OK ? akin_chips_open(&bench->chips, bench->catalog, err) : status;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    const char *model = argc > 2 ? argv[2] : "instant";
    akin_error err = {0};
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: bench_gaps DIR [MODEL]\n");
        return 2;
    }
    akin_status status = open_all(&bench, argv[1], model, &err);
    if (status == AKIN_OK)
        status = measure(&bench, model, &err);
    akin_chips_close(bench.chips);
    akin_encoder_free(bench.encoder);
    akin_model_free(bench.model);
    akin_index_close(bench.index);
    akin_catalog_close(bench.catalog);
    free(bench.tiles.columns);
    if (status != AKIN_OK)
        fprintf(stderr, "bench_gaps: %s\n", err.text);
    return status != AKIN_OK;
}
