/*
 * The object `akin` of a search: examples, and what is wanted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "search_query.h"

static akin_status parse_tile(struct akin_example *example, const akin_json *object,
                              akin_error *err)
{
    const char *text;
    akin_status status = akin_json_get_text(&text, object, "tile", "an example", err);
    example->kind = AKIN_EXAMPLE_TILE;
    return status == AKIN_OK ? akin_tile_key_parse(&example->key, text, err) : status;
}

static akin_status parse_point(struct akin_example *example, const akin_json *object,
                               akin_error *err)
{
    const char *text;
    example->kind = AKIN_EXAMPLE_POINT;
    example->time = akin_interval_unknown();
    akin_status status =
        akin_json_get_number(&example->lon_deg, object, "lon", -180, 180, "an example", err);
    if (status == AKIN_OK)
        status = akin_json_get_number(&example->lat_deg, object, "lat", -90, 90, "an example", err);
    if (status != AKIN_OK || !akin_json_get(object, "datetime"))
        return status;
    status = akin_json_get_text(&text, object, "datetime", "an example", err);
    return status == AKIN_OK ? akin_interval_parse(&example->time, text, err) : status;
}

static akin_status parse_image(struct search_query *query, const struct search_limits *limits,
                               struct akin_example *example, const akin_json *object,
                               akin_error *err)
{
    const char *text;
    example->kind = AKIN_EXAMPLE_BYTES;
    example->path = "the given image";
    example->pixels_max = limits->pixels_max;
    akin_status status = akin_json_get_text(&text, object, "image", "an example", err);
    return status == AKIN_OK
               ? base64_decode(query->arena, text, &example->bytes, &example->size, err)
               : status;
}

static akin_status parse_vector(struct search_query *query, struct akin_example *example,
                                const akin_json *object, akin_error *err)
{
    const akin_json *values = akin_json_get(object, "vector");
    const size_t count = akin_json_count(values);
    if (!akin_json_is_array(values) || count < 1 || count > AKIN_DIM_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "a vector is an array of 1 to %d numbers",
                              AKIN_DIM_MAX);
    float *vector = akin_arena_alloc(query->arena, count, sizeof *vector);
    if (!vector)
        return akin_error_memory(err, count * sizeof *vector, "a vector");
    for (size_t i = 0; i < count; i++) {
        double value;
        if (!akin_json_number_value(&value, akin_json_at(values, i)) || !(fabs(value) <= 1e30))
            return akin_error_set(err, AKIN_ERR_INVALID, "number %zu of a vector is none", i + 1);
        vector[i] = (float)value;
    }
    example->kind = AKIN_EXAMPLE_VECTOR;
    example->vector = vector;
    query->vector_sizes[example - query->examples] = count;
    return AKIN_OK;
}

static akin_status parse_example(struct search_query *query, const struct search_limits *limits,
                                 const akin_json *object, bool unlike, akin_error *err)
{
    if (query->example_count == SEARCH_EXAMPLES_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %d examples", SEARCH_EXAMPLES_MAX);
    struct akin_example *example = &query->examples[query->example_count++];
    *example = (struct akin_example){.unlike = unlike};
    if (akin_json_get(object, "tile"))
        return parse_tile(example, object, err);
    if (akin_json_get(object, "image"))
        return parse_image(query, limits, example, object, err);
    if (akin_json_get(object, "vector"))
        return parse_vector(query, example, object, err);
    if (akin_json_get(object, "lon"))
        return parse_point(example, object, err);
    return akin_error_set(err, AKIN_ERR_INVALID,
                          "an example is {tile}, {lon, lat, datetime}, {image} or {vector}");
}

static akin_status parse_examples(struct search_query *query, const struct search_limits *limits,
                                  const akin_json *list, bool unlike, akin_error *err)
{
    if (!akin_json_is_array(list))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "akin: like and unlike are arrays of examples");
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < akin_json_count(list) && status == AKIN_OK; i++)
        status = parse_example(query, limits, akin_json_at(list, i), unlike, err);
    return status;
}

static akin_status flag(bool *out, const akin_json *akin, const char *key, akin_error *err)
{
    return akin_json_get_bool(out, akin, key, "akin", err);
}

static akin_status member(struct search_query *query, const struct search_limits *limits,
                          const akin_json *akin, const char *key, akin_error *err)
{
    double number = 0;
    int64_t integer = 0;
    const char *text;
    akin_status status;
    if (!strcmp(key, "like") || !strcmp(key, "unlike"))
        return parse_examples(query, limits, akin_json_get(akin, key), key[0] == 'u', err);
    if (!strcmp(key, "k")) {
        status = akin_json_get_integer(&integer, akin, key, 1, limits->k_max, "akin", err);
        query->k = (uint32_t)integer;
        return status;
    }
    if (!strcmp(key, "threshold")) {
        status = akin_json_get_number(&number, akin, key, -1, 1, "akin", err);
        query->threshold = (float)number;
        return status;
    }
    if (!strcmp(key, "max_nodata"))
        return akin_json_get_number(&query->filter.nodata_max, akin, key, 0, 1, "akin", err);
    if (!strcmp(key, "max_gap"))
        return akin_json_get_number(&query->filter.gap_max, akin, key, 0, 1, "akin", err);
    if (!strcmp(key, "min_texture"))
        return akin_json_get_number(&query->filter.texture_min, akin, key, 0, 127.5, "akin", err);
    if (!strcmp(key, "recall")) {
        status = akin_json_get_number(&number, akin, key, 0, 1, "akin", err);
        query->recall = (float)number;
        return status;
    }
    if (!strcmp(key, "exact")) {
        bool exact = false;
        status = flag(&exact, akin, key, err);
        query->recall = exact ? 1 : query->recall;
        return status;
    }
    if (!strcmp(key, "explain"))
        return flag(&query->explain, akin, key, err);
    if (!strcmp(key, "keep_examples"))
        return flag(&query->keep_examples, akin, key, err);
    if (strcmp(key, "collapse") != 0 && strcmp(key, "model") != 0)
        return akin_error_set(
            err, AKIN_ERR_INVALID,
            "akin has no member '%.60s': like, unlike, model, k, threshold, "
            "collapse, recall, exact, explain, keep_examples, max_nodata, max_gap, "
            "min_texture",
            key);
    status = akin_json_get_text(&text, akin, key, "akin", err);
    if (status != AKIN_OK)
        return status;
    if (key[0] == 'm') {
        query->model = akin_arena_strdup(query->arena, text);
        return query->model ? akin_model_check_name(query->model, err)
                            : akin_error_memory(err, strlen(text), "a name");
    }
    query->collapse_place = !strcmp(text, "place");
    return query->collapse_place
               ? AKIN_OK
               : akin_error_set(err, AKIN_ERR_INVALID, "akin: collapse is \"place\"");
}

akin_status search_akin_parse(struct search_query *query, const struct search_limits *limits,
                              const akin_json *akin, akin_error *err)
{
    const char *key = NULL;
    akin_status status = AKIN_OK;
    if (!akin || akin_json_is_array(akin) || akin_json_text_value(akin))
        return akin_error_set(err, AKIN_ERR_INVALID, "akin is a JSON object");
    query->has_akin = true;
    while (status == AKIN_OK && (key = akin_json_key_after(akin, key)))
        if (!akin_json_is_null(akin_json_get(akin, key)))
            status = member(query, limits, akin, key, err);
    return status;
}
