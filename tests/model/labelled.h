/*
 * A folder of labelled pictures (FOLDER/LABEL/NAME.jpg) as the encoder sees them, and how well
 * vectors bring pictures of one label together: leave-one-out, by cosine.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_LABELLED_H
#define AKIN_TESTS_LABELLED_H

#include <stdlib.h>
#include <string.h>

#include "akin/model.h"

#define LABELLED_PX 64
#define LABELLED_BYTES (LABELLED_PX * LABELLED_PX * 3)

struct labelled {
    size_t count, capacity;
    uint8_t *bytes; /* (count, px, px, 3) */
    int *labels;
    const uint8_t **inputs;
};

static inline void labelled_free(struct labelled *set)
{
    free(set->bytes);
    free(set->labels);
    free(set->inputs);
}

/* One picture at the end of the set; what is no JPEG of three bands is left out. */
static inline void labelled_add(struct labelled *set, const char *path, int label)
{
    struct akin_buffer file;
    struct akin_raster raster = {0};
    struct akin_scaling scaling;
    akin_buffer_init(&file, 64 << 20);
    akin_scaling_identity(&scaling, 3);
    if (set->count < set->capacity && akin_file_read(&file, path, NULL) == AKIN_OK &&
        akin_jpeg_decode(file.data, file.size, 1 << 28, &raster, NULL) == AKIN_OK &&
        raster.bands == 3 &&
        akin_tile_input(&raster, &scaling, LABELLED_PX, set->bytes + set->count * LABELLED_BYTES,
                        NULL, NULL) == AKIN_OK)
        set->labels[set->count++] = label;
    akin_raster_fini(&raster);
    akin_buffer_fini(&file);
}

/* At most `most` of each label. An empty set where there is nothing. */
static inline struct labelled labelled_load(const char *folder, size_t most)
{
    char **labels = NULL, **files = NULL, sub[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    size_t label_count = 0, file_count = 0;
    struct labelled set = {0};
    akin_dir_list(&labels, &label_count, folder, 1000, NULL);
    for (size_t i = 0; i < label_count; i++) {
        if (akin_path_join(sub, folder, labels[i], NULL) != AKIN_OK ||
            akin_dir_list(&files, &file_count, sub, 100000, NULL) != AKIN_OK)
            continue;
        size_t some = file_count < most ? file_count : most;
        set.capacity += some;
        set.bytes = realloc(set.bytes, set.capacity * LABELLED_BYTES);
        set.labels = realloc(set.labels, set.capacity * sizeof *set.labels);
        for (size_t j = 0; j < some; j++)
            if (akin_path_join(path, sub, files[j * file_count / some], NULL) == AKIN_OK)
                labelled_add(&set, path, (int)i);
        akin_names_free(files, file_count);
    }
    akin_names_free(labels, label_count);
    set.inputs = malloc((set.count + 1) * sizeof *set.inputs);
    for (size_t i = 0; i < set.count; i++)
        set.inputs[i] = set.bytes + i * LABELLED_BYTES;
    return set;
}

struct labelled_hit {
    float score;
    int same;
};

static inline int labelled_compare(const void *a, const void *b)
{
    const struct labelled_hit *x = a, *y = b;
    return x->score > y->score ? -1 : x->score < y->score;
}

/* Means over all pictures: whether the nearest other one has its label, and the average
 * precision. */
static inline void labelled_score(const struct labelled *set, const float *vectors, size_t dim,
                                  double *p_at_1, double *map)
{
    struct labelled_hit *hits = malloc((set->count + 1) * sizeof *hits);
    *p_at_1 = *map = 0;
    for (size_t i = 0; i < set->count; i++) {
        size_t n = 0, found = 0;
        double precision = 0;
        for (size_t j = 0; j < set->count; j++)
            if (j != i)
                hits[n++] = (struct labelled_hit){
                    akin_kernels()->dot(vectors + i * dim, vectors + j * dim, dim),
                    set->labels[i] == set->labels[j]};
        qsort(hits, n, sizeof *hits, labelled_compare);
        for (size_t r = 0; r < n; r++)
            if (hits[r].same)
                precision += (double)++found / (double)(r + 1);
        *p_at_1 += n && hits[0].same;
        *map += found ? precision / (double)found : 0;
    }
    *p_at_1 /= (double)(set->count + !set->count);
    *map /= (double)(set->count + !set->count);
    free(hits);
}

#endif
