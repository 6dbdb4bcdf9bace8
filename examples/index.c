/*
 * akin's index as a library of its own: ten thousand vectors, and the five nearest to one of them.
 *
 *     cc index.c $(pkg-config --cflags --libs akin) -lm && ./a.out my.index
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <akin/index.h>
#include <math.h>
#include <stdio.h>

enum { ROWS = 10000, DIM = 64 };
static struct akin_columns columns[ROWS];
static float vectors[ROWS][DIM];

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "my.index";
    for (uint64_t i = 0; i < ROWS; i++) {
        akin_columns_init(&columns[i], i);
        for (uint64_t j = 0; j < DIM; j++)
            vectors[i][j] = (float)akin_random_unit(1, i, j);
    }
    akin_error err = {0};
    akin_index *index = NULL;
    struct akin_index_options options;
    akin_index_options_default(&options);
    options.dim = DIM;
    options.metric = AKIN_METRIC_L2;
    akin_status status = akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, &err);
    if (status == AKIN_OK)
        status = akin_index_add(index, columns, &vectors[0][0], ROWS, &err);
    struct akin_index_query query = {
        .vectors = vectors[42], .count = 1, .k = 5, .threshold = -INFINITY};
    struct akin_hit hits[5];
    size_t count = 0;
    if (status == AKIN_OK)
        status = akin_index_search(index, &query, hits, &count, NULL, &err);
    for (size_t i = 0; i < count; i++)
        printf("key %d, distance %.3f\n", (int)hits[i].key, sqrt(-(double)hits[i].score));
    if (status != AKIN_OK)
        fprintf(stderr, "%s\n", err.text);
    akin_index_close(index);
    return status != AKIN_OK;
}
