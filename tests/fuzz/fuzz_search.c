/*
 * What a client may send to /search: a body (JSON, or a form), or a query string's members. The first
 * byte of the input says which. What is read is within its limits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/serve/search_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct search_query *query, const struct search_limits *limits)
{
    if (query->limit < 1 || query->limit > SEARCH_LIMIT_MAX || query->k < 1 ||
        query->k > limits->k_max || isnan(query->threshold) ||
        query->example_count > SEARCH_EXAMPLES_MAX || query->id_count > SEARCH_IDS_MAX)
        abort();
    for (size_t i = 1; i < query->id_count; i++)
        if (query->ids[i] <= query->ids[i - 1])
            abort();
    size_t sum = 0;
    for (size_t i = 0; i < query->example_count; i++) {
        const struct akin_example *example = &query->examples[i];
        /* Every byte of an image is there to be read. */
        for (size_t b = 0; example->kind == AKIN_EXAMPLE_BYTES && b < example->size; b++)
            sum += ((const uint8_t *)example->bytes)[b];
        for (size_t v = 0; example->kind == AKIN_EXAMPLE_VECTOR && v < query->vector_sizes[i]; v++)
            if (!isfinite(example->vector[v]))
                abort();
        if (example->kind == AKIN_EXAMPLE_POINT &&
            !(fabs(example->lon_deg) <= 180 && fabs(example->lat_deg) <= 90))
            abort();
        if (example->kind == AKIN_EXAMPLE_IMAGE)
            abort(); /* a path of a client's */
    }
    if (sum == SIZE_MAX)
        abort();
}

static akin_status read(struct search_query *query, const struct search_limits *limits, char kind,
                        const char *text, size_t size)
{
    static const struct {
        char kind;
        const char *name;
    } names[] = {{'b', "bbox"}, {'d', "datetime"},    {'i', "intersects"}, {'n', "ids"},
                 {'a', "akin"}, {'c', "collections"}, {'l', "limit"},      {'p', "page"}};
    if (kind == 'j')
        return search_query_body(query, limits, "application/json", text, size, NULL);
    if (kind == 'f')
        return search_query_body(query, limits, "multipart/form-data; boundary=\"B\"", text, size,
                                 NULL);
    if (kind == 't') { /* content type and body, parted by a line's end */
        char type[256];
        const size_t length = strcspn(text, "\n");
        if (length >= sizeof type || length >= size)
            return AKIN_ERR_INVALID;
        memcpy(type, text, length);
        type[length] = 0;
        return search_query_body(query, limits, type, text + length + 1, size - length - 1, NULL);
    }
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == AKIN_OK; i++)
        if (kind == names[i].kind)
            status = search_query_parameter(query, limits, names[i].name, text, NULL);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct search_query query;
    const struct search_limits limits = {1 << 20, 1 << 20, 5000};
    if (size < 1 || size > limits.body_max)
        return 0;
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (search_query_init(&query, &limits, NULL) == AKIN_OK &&
        read(&query, &limits, (char)data[0], text, size - 1) == AKIN_OK &&
        search_query_check(&query, NULL) == AKIN_OK)
        check(&query, &limits);
    search_query_fini(&query);
    free(text);
    return 0;
}
