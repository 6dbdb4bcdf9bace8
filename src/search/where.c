/*
 * Where inside a tile the answer lies: the tile's chip through the encoder's grid of cells, each
 * cell's cosine with the question. As an array, or (where_draw.c) drawn over the picture.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "akin/array.h"
#include "engine.h"
#include "question_vectors.h"

void akin_where_free(struct akin_where *where)
{
    if (!where)
        return;
    akin_free(where->scores);
    *where = (struct akin_where){0};
}

/* scores (cells): each cell's best cosine with one of the vectors (count, dim). */
static void score_cells(float *scores, const float *cells, size_t cell_count, const float *vectors,
                        size_t count, uint32_t dim)
{
    for (size_t c = 0; c < cell_count; c++) {
        scores[c] = -1;
        for (size_t v = 0; v < count; v++)
            scores[c] =
                fmaxf(scores[c], akin_kernels()->dot(cells + c * dim, vectors + v * dim, dim));
        scores[c] = fminf(1, scores[c]);
    }
}

/* out->scores of a tile whose input is there. */
static akin_status map_input(akin_engine *engine, const float *vectors, size_t count,
                             const uint8_t *input, const uint8_t *filled, struct akin_where *out,
                             akin_error *err)
{
    uint32_t rows, cols;
    akin_status status = akin_encoder_cells(engine->cells, NULL, NULL, &rows, &cols, NULL, err);
    if (status != AKIN_OK)
        return status;
    const size_t cell_count = (size_t)rows * cols;
    float *cells = akin_alloc(cell_count, engine->dim * sizeof *cells);
    float *scores = akin_alloc(cell_count, sizeof *scores);
    if (!cells || !scores)
        status = akin_error_memory(err, cell_count * engine->dim * sizeof *cells, "a tile's cells");
    if (status == AKIN_OK)
        status = akin_encoder_cells(engine->cells, input, filled, &rows, &cols, cells, err);
    if (status == AKIN_OK) {
        score_cells(scores, cells, cell_count, vectors, count, engine->dim);
        out->rows = rows;
        out->cols = cols;
        out->scores = scores;
        scores = NULL;
    }
    akin_free(cells);
    akin_free(scores);
    return status;
}

akin_status akin_where(akin_engine *engine, const struct akin_question *question, uint64_t key,
                       struct akin_where *out, akin_error *err)
{
    if (!engine || !question || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine or question given");
    struct akin_where where = {.key = key};
    float *vectors = NULL;
    size_t count;
    uint8_t *input = NULL, *filled = NULL;
    akin_status status =
        engine->cells ? AKIN_OK : akin_encoder_create(&engine->cells, engine->model, err);
    if (status == AKIN_OK)
        status = question_vectors_make(question->examples, engine->dim, engine->metric, &vectors,
                                       &count, err);
    if (status == AKIN_OK)
        status = engine_input(engine, key, &input, &filled, err);
    if (status == AKIN_OK)
        status = map_input(engine, vectors, count, input, filled, &where, err);
    akin_free(vectors);
    akin_free(input);
    if (status == AKIN_OK)
        *out = where;
    return status;
}

/* ---- as an array ---- */

akin_status akin_where_npy(const struct akin_where *maps, size_t count, struct akin_buffer *out,
                           akin_error *err)
{
    const uint32_t rows = count ? maps[0].rows : 0, cols = count ? maps[0].cols : 0;
    for (size_t i = 0; i < count; i++)
        if (maps[i].rows != rows || maps[i].cols != cols)
            return akin_error_set(err, AKIN_ERR_INVALID, "the maps are of different encoders");
    akin_status status = akin_npy_head(out, "<f4", (const uint64_t[]){count, rows, cols}, 3, err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        status = akin_buffer_append(out, maps[i].scores,
                                    (size_t)rows * cols * sizeof *maps[i].scores, err);
    return status;
}
