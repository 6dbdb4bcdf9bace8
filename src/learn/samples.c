/*
 * What the encoder finds by now, for a person to judge: a dozen queries, one a row, each followed by
 * what is most like it among a sample of the tiles. The queries are drawn as k-means++ draws its
 * seeds (Arthur and Vassilvitskii, SODA 2007), over the instant vectors: spread over what there is,
 * rare kinds among it. They stay the same for a seed, so that pictures of two epochs compare.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "learn_private.h"

#define STREAM_SAMPLES 0x73616d706c6573u
#define STREAM_QUERIES 0x71756572696573u
#define SAMPLE_MAX 4096
#define QUERIES 12
#define ANSWERS 8
#define BATCH 256 /* tiles encoded at once */
#define CELL_PX 96
#define MARGIN_PX 4
#define GAP_PX 20 /* between the query and its answers */
#define GROUND 235

struct samples {
    struct tile_cache *cache; /* borrowed, as is pool */
    akin_pool *pool;
    uint32_t side_px, bands;
    size_t count, query_count;
    uint32_t *tiles;         /* (count) */
    size_t queries[QUERIES]; /* of the sample */
    uint8_t *pixels;         /* (BATCH): copies of tiles with their masks */
    const uint8_t *inputs[BATCH], *masks[BATCH];
    size_t first, batch; /* the batch that is being read */
};

static size_t tile_bytes(const struct samples *samples)
{
    return (size_t)samples->side_px * samples->side_px * samples->bands;
}

/* ---- which ---- */

static void draw_queries(struct samples *samples, const struct tile_choice *choice, uint64_t seed,
                         double *distance)
{
    const size_t count = samples->count, dim = choice->dim;
    for (size_t i = 0; i < count; i++)
        distance[i] = 1;
    while (samples->query_count < QUERIES && samples->query_count < count) {
        double sum = 0, lot;
        size_t at = 0;
        for (size_t i = 0; i < count; i++)
            sum += distance[i];
        if (sum <= 0) /* all that is left is alike */
            return;
        lot = sum * akin_random_unit(seed, STREAM_QUERIES, samples->query_count);
        while (at + 1 < count && (lot -= distance[at]) >= 0)
            at++;
        samples->queries[samples->query_count++] = at;
        const float *chosen = choice->vectors + samples->tiles[at] * dim;
        for (size_t i = 0; i < count; i++) {
            double squared = akin_kernels()->squared_distance(
                chosen, choice->vectors + samples->tiles[i] * dim, dim);
            if (squared < distance[i] || samples->query_count == 1)
                distance[i] = squared < 1e-6 ? 0 : squared;
        }
    }
}

static akin_status draw_sample(struct samples *samples, const struct tile_choice *choice,
                               uint64_t seed, akin_error *err)
{
    samples->tiles = akin_alloc(choice->count, sizeof *samples->tiles);
    if (!samples->tiles)
        return akin_error_memory(err, choice->count * sizeof *samples->tiles, "sample tiles");
    akin_random_permutation(samples->tiles, (uint32_t)choice->count, seed, STREAM_SAMPLES);
    samples->count = choice->count < SAMPLE_MAX ? choice->count : SAMPLE_MAX;
    double *distance = akin_alloc(samples->count, sizeof *distance);
    if (!distance)
        return akin_error_memory(err, samples->count * sizeof *distance, "sample queries");
    draw_queries(samples, choice, seed, distance);
    akin_free(distance);
    return AKIN_OK;
}

akin_status samples_create(struct samples **out, struct tile_cache *cache,
                           const struct tile_choice *choice, uint32_t side_px, uint32_t bands,
                           uint64_t seed, akin_pool *pool, akin_error *err)
{
    struct samples *samples = akin_alloc_zero(1, sizeof *samples);
    if (!samples)
        return akin_error_memory(err, sizeof *samples, "samples");
    samples->cache = cache;
    samples->pool = pool;
    samples->side_px = side_px;
    samples->bands = bands;
    akin_status status = draw_sample(samples, choice, seed, err);
    const size_t bytes = tile_bytes(samples) + (size_t)side_px * side_px;
    if (status == AKIN_OK && !(samples->pixels = akin_alloc(BATCH, bytes)))
        status = akin_error_memory(err, BATCH * bytes, "a batch of tiles");
    if (status == AKIN_OK)
        *out = samples;
    else
        samples_free(samples);
    return status;
}

void samples_free(struct samples *samples)
{
    if (!samples)
        return;
    akin_free(samples->tiles);
    akin_free(samples->pixels);
    akin_free(samples);
}

/* ---- their vectors ---- */

/* Copies: what the cache lends is gone with the worker's next tile. One that cannot be read is
 * black all over, and nothing is known of it: its vector is zeros. */
static void read_loop(void *user, size_t begin, size_t end, unsigned worker)
{
    struct samples *samples = user;
    const size_t bytes = tile_bytes(samples), cells = bytes / samples->bands;
    for (size_t i = begin; i < end; i++) {
        uint8_t *copy = samples->pixels + i * (bytes + cells);
        const uint8_t *mask = NULL;
        const uint8_t *tile =
            tile_cache_get(samples->cache, samples->tiles[samples->first + i], worker, &mask);
        if (tile)
            memcpy(copy, tile, bytes);
        else
            memset(copy, 0, bytes);
        if (mask)
            memcpy(copy + bytes, mask, cells);
        else
            memset(copy + bytes, tile ? 255 : 0, cells);
        samples->inputs[i] = copy;
        samples->masks[i] = copy + bytes;
    }
}

static akin_status encode(struct samples *samples, akin_encoder_pool *encoders, float *vectors,
                          size_t dim, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (samples->first = 0; samples->first < samples->count && status == AKIN_OK;
         samples->first += BATCH) {
        size_t left = samples->count - samples->first;
        samples->batch = left < BATCH ? left : BATCH;
        akin_pool_for(samples->pool, samples->batch, 4, read_loop, samples);
        status = akin_encoder_pool_run(encoders, samples->batch, samples->inputs, samples->masks,
                                       vectors + samples->first * dim, err);
    }
    return status;
}

/* ---- the picture ---- */

/* A tile into a square of CELL_PX, each pixel from the nearest: three bands in colour, else grey. */
static void paint(struct samples *samples, size_t sample, struct akin_raster *sheet, uint32_t x0,
                  uint32_t y0)
{
    const uint8_t *tile = tile_cache_get(samples->cache, samples->tiles[sample], 0, NULL);
    const uint32_t bands = samples->bands;
    if (!tile)
        return;
    for (uint32_t y = 0; y < CELL_PX; y++) {
        uint8_t *to = (uint8_t *)sheet->pixels + 3 * ((size_t)(y0 + y) * sheet->width + x0);
        const uint8_t *row =
            tile + (size_t)(y * samples->side_px / CELL_PX) * samples->side_px * bands;
        for (uint32_t x = 0; x < CELL_PX; x++)
            for (uint32_t b = 0; b < 3; b++)
                *to++ = row[(size_t)(x * samples->side_px / CELL_PX) * bands + (bands < 3 ? 0 : b)];
    }
}

static void paint_row(struct samples *samples, size_t row, const float *vectors, size_t dim,
                      struct akin_raster *sheet)
{
    const size_t query = samples->queries[row];
    const uint32_t step = CELL_PX + MARGIN_PX, y = MARGIN_PX + (uint32_t)row * step;
    struct akin_hit hits[2 * ANSWERS];
    struct akin_topk topk;
    akin_topk_init(&topk, hits, ANSWERS);
    for (size_t i = 0; i < samples->count; i++)
        if (i != query)
            akin_topk_push(&topk,
                           (struct akin_hit){.key = i,
                                             .score = akin_kernels()->dot(vectors + query * dim,
                                                                          vectors + i * dim, dim)});
    size_t found = akin_topk_finish(&topk);
    paint(samples, query, sheet, MARGIN_PX, y);
    for (size_t i = 0; i < found; i++)
        paint(samples, hits[i].key, sheet, MARGIN_PX + GAP_PX + (uint32_t)(i + 1) * step, y);
}

static akin_status paint_sheet(struct samples *samples, const float *vectors, size_t dim,
                               struct akin_buffer *out, akin_error *err)
{
    const uint32_t step = CELL_PX + MARGIN_PX;
    struct akin_raster sheet = {0};
    akin_status status =
        akin_raster_init(&sheet, (1 + ANSWERS) * step + GAP_PX + MARGIN_PX,
                         (uint32_t)samples->query_count * step + MARGIN_PX, 3, AKIN_U8, false, err);
    if (status != AKIN_OK)
        return status;
    memset(sheet.pixels, GROUND, (size_t)sheet.width * sheet.height * 3);
    for (size_t row = 0; row < samples->query_count; row++)
        paint_row(samples, row, vectors, dim, &sheet);
    status = akin_png_encode(&sheet, out, err);
    akin_raster_fini(&sheet);
    return status;
}

akin_status samples_png(struct samples *samples, const akin_model *encoder, struct akin_buffer *out,
                        akin_error *err)
{
    const size_t dim = akin_model_info(encoder)->dim;
    akin_encoder_pool *encoders = NULL;
    float *vectors = akin_alloc(samples->count, dim * sizeof *vectors);
    if (!vectors)
        return akin_error_memory(err, samples->count * dim * sizeof *vectors, "sample vectors");
    akin_status status = akin_encoder_pool_create(&encoders, encoder, samples->pool, err);
    if (status == AKIN_OK)
        status = encode(samples, encoders, vectors, dim, err);
    if (status == AKIN_OK)
        status = paint_sheet(samples, vectors, dim, out, err);
    akin_encoder_pool_free(encoders);
    akin_free(vectors);
    return status;
}
