/*
 * What akin search is given in files: polygons, and vectors as examples.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

#define POLYGON_BYTES_MAX ((size_t)256 << 20)

/* Whether it is the polygon itself, and no file's name. */
static bool is_inline(const char *value)
{
    static const char *const begins[] = {"{", "POLYGON", "MULTIPOLYGON", "SRID="};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (!strncasecmp(value, begins[i], strlen(begins[i])))
            return strpbrk(value, "({") != NULL;
    return false;
}

akin_status cli_read_polygon(akin_polygon **out, const char *value, akin_error *err)
{
    struct akin_buffer text;
    if (is_inline(value))
        return akin_polygon_parse(out, value, strlen(value), "--polygon", err);
    akin_buffer_init(&text, POLYGON_BYTES_MAX);
    akin_status status = akin_file_read(&text, value, err);
    if (status == AKIN_OK)
        status = akin_polygon_parse(out, text.data ? text.data : "", text.size, value, err);
    akin_buffer_fini(&text);
    return status;
}

/* Each row of the array an example. */
static akin_status add_rows(struct akin_question *question, akin_engine *engine,
                            const struct akin_example *example, akin_array *array, float *vector,
                            akin_error *err)
{
    const struct akin_array_info *info = akin_array_info(array);
    akin_status status = AKIN_OK;
    for (uint64_t row = 0; row < info->rows && status == AKIN_OK; row++) {
        char name[AKIN_PATH_MAX];
        struct akin_example one = *example;
        snprintf(name, sizeof name, "'%s' row %" PRIu64, example->path, row);
        one.path = name;
        one.vector = vector;
        status = akin_array_floats(array, row, 1, vector, err);
        if (status == AKIN_OK)
            status = akin_question_add(question, engine, &one, err);
    }
    return status;
}

/* A flat array of as many numbers as a vector has is one. */
static akin_status add_vectors(struct akin_question *question, akin_engine *engine,
                               const struct akin_example *example, akin_error *err)
{
    const uint32_t dim = akin_engine_model(engine)->dim;
    akin_array *array = NULL;
    akin_status status = akin_array_open(&array, example->path, NULL, err);
    if (status != AKIN_OK)
        return status;
    const struct akin_array_info *info = akin_array_info(array);
    const bool flat = info->rank == 1;
    const uint64_t cols = flat ? info->rows : info->cols;
    float *vector = akin_alloc(dim, sizeof *vector);
    if (!vector)
        status = akin_error_memory(err, dim * sizeof *vector, "a vector");
    else if (cols != dim)
        status = akin_error_set(err, AKIN_ERR_INVALID,
                                "'%s' has vectors of %" PRIu64 " numbers, the collection's have %u",
                                example->path, cols, dim);
    else if (!info->rows)
        status = akin_error_set(err, AKIN_ERR_INVALID, "'%s' has no rows", example->path);
    else if (flat) {
        struct akin_example one = *example;
        one.vector = vector;
        status = akin_array_floats(array, 0, dim, vector, err);
        if (status == AKIN_OK)
            status = akin_question_add(question, engine, &one, err);
    } else {
        status = add_rows(question, engine, example, array, vector, err);
    }
    akin_free(vector);
    akin_array_close(array);
    return status;
}

akin_status cli_add_example(struct akin_question *question, akin_engine *engine,
                            const struct akin_example *example, akin_error *err)
{
    return example->kind == AKIN_EXAMPLE_VECTOR ? add_vectors(question, engine, example, err)
                                                : akin_question_add(question, engine, example, err);
}
