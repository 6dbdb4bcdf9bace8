/*
 * The members of a STAC search, from JSON and from a query string.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "search_query.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUES_MAX 1500000 /* of a body's JSON: what its tree takes in memory goes by these */
#define ARENA_SLACK ((size_t)4 << 20)
#define GEOMETRY_BYTES_MAX ((size_t)16 << 20)
#define FORM_PARTS_MAX (SEARCH_EXAMPLES_MAX + 1)

akin_status search_query_init(struct search_query *query, const struct search_limits *limits,
                              akin_error *err)
{
    *query = (struct search_query){.limit = SEARCH_LIMIT_DEFAULT,
                                   .k = limits->k_max < SEARCH_K_DEFAULT ? limits->k_max
                                                                         : SEARCH_K_DEFAULT,
                                   .threshold = -INFINITY};
    akin_filter_init(&query->filter);
    return akin_arena_create(&query->arena, 2 * limits->body_max + ARENA_SLACK, err);
}

void search_query_fini(struct search_query *query)
{
    akin_polygon_free(query->polygon);
    akin_arena_free(query->arena);
    query->polygon = NULL;
    query->arena = NULL;
}

static akin_status copy_text(struct search_query *query, const char *text, const char **out,
                             akin_error *err)
{
    *out = akin_arena_strdup(query->arena, text);
    return *out ? AKIN_OK : akin_error_memory(err, strlen(text), "the search");
}

/* A tree of values takes far more memory than its text: how many it may have is seen before. */
static akin_status parse_bounded(akin_json **out, const char *text, size_t size, const char *what,
                                 akin_error *err)
{
    size_t values = 0;
    bool string = false;
    for (size_t i = 0; i < size; i++) {
        if (string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            string = !string;
        else if (!string)
            values += text[i] == ',' || text[i] == '[' || text[i] == '{';
    }
    if (values > VALUES_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "%s has more than %d values", what, VALUES_MAX);
    return akin_json_parse(out, text, size, what, err);
}

/* ---- the members ---- */

static akin_status check_bbox(size_t count, akin_error *err)
{
    return count == 4 || count == 6
               ? AKIN_OK
               : akin_error_set(err, AKIN_ERR_INVALID,
                                "bbox: 4 numbers (west, south, east, north) or 6, not %zu", count);
}

/* 4 or 6 of them; heights do not count. */
static akin_status set_bbox(struct search_query *query, const double *sides, size_t count,
                            akin_error *err)
{
    char text[128];
    const size_t half = count / 2;
    snprintf(text, sizeof text, "%.17g,%.17g,%.17g,%.17g", sides[0], sides[1], sides[half],
             sides[half + 1]);
    return akin_bbox_parse(&query->filter.bbox, text, err);
}

static akin_status bbox_of_json(struct search_query *query, const akin_json *value, akin_error *err)
{
    double sides[6];
    const size_t count = akin_json_count(value);
    query->has_bbox = true;
    if (!akin_json_is_array(value))
        return akin_error_set(err, AKIN_ERR_INVALID, "bbox is an array of 4 numbers");
    akin_status status = check_bbox(count, err);
    if (status != AKIN_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        if (!akin_json_number_value(&sides[i], akin_json_at(value, i)))
            return akin_error_set(err, AKIN_ERR_INVALID, "bbox is an array of 4 numbers");
    return set_bbox(query, sides, count, err);
}

static akin_status bbox_of_text(struct search_query *query, const char *text, akin_error *err)
{
    double sides[6];
    size_t commas = 0;
    query->has_bbox = true;
    for (const char *at = text; *at; at++)
        commas += *at == ',';
    akin_status status = check_bbox(commas + 1, err);
    if (status == AKIN_OK)
        status = akin_parse_doubles(sides, (unsigned)commas + 1, text, "bbox", err);
    return status == AKIN_OK ? set_bbox(query, sides, commas + 1, err) : status;
}

/* A point is a box without extent. */
static akin_status set_point(struct search_query *query, const akin_json *at, akin_error *err)
{
    double sides[4];
    if (akin_json_count(at) < 2 || !akin_json_number_value(&sides[0], akin_json_at(at, 0)) ||
        !akin_json_number_value(&sides[1], akin_json_at(at, 1)))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "intersects: a Point without [longitude, latitude]");
    sides[2] = sides[0];
    sides[3] = sides[1];
    return set_bbox(query, sides, 4, err);
}

static akin_status set_intersects(struct search_query *query, const akin_json *geometry,
                                  akin_error *err)
{
    const char *type = akin_json_text_value(akin_json_get(geometry, "type"));
    query->has_intersects = true;
    if (type && !strcmp(type, "Point"))
        return set_point(query, akin_json_get(geometry, "coordinates"), err);
    struct akin_buffer text;
    akin_buffer_init(&text, GEOMETRY_BYTES_MAX);
    akin_status status = akin_json_text(geometry, false, &text, err);
    if (status == AKIN_OK && query->polygon)
        status = akin_error_set(err, AKIN_ERR_INVALID, "intersects is there twice");
    if (status == AKIN_OK)
        status = akin_polygon_parse(&query->polygon, text.data, text.size, "intersects", err);
    query->filter.polygon = query->polygon;
    akin_buffer_fini(&text);
    return status;
}

static akin_status add_id(struct search_query *query, const char *text, akin_error *err)
{
    if (query->id_count == SEARCH_IDS_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %d ids", SEARCH_IDS_MAX);
    if (!query->ids)
        query->ids = akin_arena_alloc(query->arena, SEARCH_IDS_MAX, sizeof *query->ids);
    if (!query->ids)
        return akin_error_memory(err, SEARCH_IDS_MAX * sizeof *query->ids, "ids");
    return akin_tile_key_parse(&query->ids[query->id_count++], text, err);
}

static akin_status add_collection(struct search_query *query, const char *text, akin_error *err)
{
    const size_t max = sizeof query->collections / sizeof *query->collections;
    if (query->collection_count == max)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %zu collections", max);
    return copy_text(query, text, &query->collections[query->collection_count++], err);
}

typedef akin_status add_fn(struct search_query *query, const char *text, akin_error *err);

static akin_status texts_of_json(struct search_query *query, const akin_json *list,
                                 const char *what, add_fn *add, akin_error *err)
{
    if (!akin_json_is_array(list))
        return akin_error_set(err, AKIN_ERR_INVALID, "%s is an array of texts", what);
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < akin_json_count(list) && status == AKIN_OK; i++) {
        const char *text = akin_json_text_value(akin_json_at(list, i));
        status = text ? add(query, text, err)
                      : akin_error_set(err, AKIN_ERR_INVALID, "%s is an array of texts", what);
    }
    return status;
}

static akin_status texts_of_list(struct search_query *query, const char *list, add_fn *add,
                                 akin_error *err)
{
    char *copy = akin_arena_strdup(query->arena, list);
    akin_status status = copy ? AKIN_OK : akin_error_memory(err, strlen(list), "a list");
    for (char *at = copy; at && status == AKIN_OK;) {
        char *comma = strchr(at, ',');
        if (comma)
            *comma++ = 0;
        status = add(query, at, err);
        at = comma;
    }
    return status;
}

static akin_status set_page(struct search_query *query, const char *text, akin_error *err)
{
    if (strlen(text) >= sizeof query->page)
        return akin_error_set(err, AKIN_ERR_INVALID, "page is not one of this server's");
    snprintf(query->page, sizeof query->page, "%s", text);
    return AKIN_OK;
}

/* ---- JSON ---- */

static akin_status member(struct search_query *query, const struct search_limits *limits,
                          const akin_json *body, const char *key, akin_error *err)
{
    const akin_json *value = akin_json_get(body, key);
    const char *text = NULL;
    int64_t number = 0;
    akin_status status = AKIN_OK;
    if (akin_json_is_null(value))
        return AKIN_OK;
    if (!strcmp(key, "bbox"))
        return bbox_of_json(query, value, err);
    if (!strcmp(key, "intersects"))
        return set_intersects(query, value, err);
    if (!strcmp(key, "ids")) {
        query->has_ids = true;
        return texts_of_json(query, value, key, add_id, err);
    }
    if (!strcmp(key, "collections"))
        return texts_of_json(query, value, key, add_collection, err);
    if (!strcmp(key, "akin"))
        return search_akin_parse(query, limits, value, err);
    if (!strcmp(key, "limit")) {
        status = akin_json_get_integer(&number, body, key, 1, SEARCH_LIMIT_MAX, "the search", err);
        query->limit = (uint32_t)number;
        return status;
    }
    if (!strcmp(key, "datetime") || !strcmp(key, "page")) {
        status = akin_json_get_text(&text, body, key, "the search", err);
        if (status != AKIN_OK)
            return status;
        return key[0] == 'p' ? set_page(query, text, err)
                             : akin_interval_parse(&query->filter.time, text, err);
    }
    return akin_error_set(err, AKIN_ERR_INVALID,
                          "the search has no member '%.60s': bbox, intersects, datetime, ids, "
                          "collections, limit, page, akin",
                          key);
}

static akin_status search_text(struct search_query *query, const struct search_limits *limits,
                               const char *text, size_t size, akin_error *err)
{
    akin_json *body = NULL;
    akin_status status = parse_bounded(&body, text, size, "the search", err);
    if (status == AKIN_OK && akin_json_is_array(body))
        status = akin_error_set(err, AKIN_ERR_INVALID, "the search is a JSON object");
    const char *key = NULL;
    while (status == AKIN_OK && (key = akin_json_key_after(body, key)))
        status = member(query, limits, body, key, err);
    akin_json_free(body);
    return status;
}

/* ---- forms ---- */

static bool is_called(const struct form_part *part, const char *name)
{
    return part->name_length == strlen(name) && !memcmp(part->name, name, part->name_length);
}

static akin_status take_part(struct search_query *query, const struct search_limits *limits,
                             const struct form_part *part, akin_error *err)
{
    if (is_called(part, "search"))
        return search_text(query, limits, part->bytes, part->size, err);
    const bool unlike = is_called(part, "unlike");
    if (!unlike && !is_called(part, "like"))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the form has a part '%.*s': search, like and unlike are known",
                              (int)(part->name_length < 60 ? part->name_length : 60), part->name);
    if (query->example_count == SEARCH_EXAMPLES_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %d examples", SEARCH_EXAMPLES_MAX);
    if (!part->size)
        return akin_error_set(err, AKIN_ERR_INVALID, "an uploaded image is empty");
    query->has_akin = true;
    query->examples[query->example_count++] =
        (struct akin_example){.kind = AKIN_EXAMPLE_BYTES,
                              .unlike = unlike,
                              .path = "the uploaded image",
                              .bytes = part->bytes,
                              .size = part->size,
                              .pixels_max = limits->pixels_max};
    return AKIN_OK;
}

static akin_status search_form(struct search_query *query, const struct search_limits *limits,
                               const char *content_type, const void *body, size_t size,
                               akin_error *err)
{
    struct form_part *parts = akin_arena_alloc(query->arena, FORM_PARTS_MAX, sizeof *parts);
    size_t count = 0;
    if (!parts)
        return akin_error_memory(err, FORM_PARTS_MAX * sizeof *parts, "a form");
    akin_status status = form_split(content_type, body, size, parts, FORM_PARTS_MAX, &count, err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        status = take_part(query, limits, &parts[i], err);
    return status;
}

akin_status search_query_body(struct search_query *query, const struct search_limits *limits,
                              const char *content_type, const void *body, size_t size,
                              akin_error *err)
{
    if (content_type && !strncasecmp(content_type, "multipart/form-data", 19))
        return search_form(query, limits, content_type, body, size, err);
    if (content_type && strncasecmp(content_type, "application/json", 16) != 0 &&
        strncasecmp(content_type, "application/geo+json", 20) != 0)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "a search is application/json or multipart/form-data, not '%.80s'",
                              content_type);
    return search_text(query, limits, body, size, err);
}

/* ---- query strings ---- */

static akin_status json_parameter(struct search_query *query, const struct search_limits *limits,
                                  const char *name, const char *value, akin_error *err)
{
    akin_json *tree = NULL;
    akin_status status = parse_bounded(&tree, value, strlen(value), name, err);
    if (status == AKIN_OK)
        status = name[0] == 'a' ? search_akin_parse(query, limits, tree, err)
                                : set_intersects(query, tree, err);
    akin_json_free(tree);
    return status;
}

akin_status search_query_parameter(struct search_query *query, const struct search_limits *limits,
                                   const char *name, const char *value, akin_error *err)
{
    uint64_t number = 0;
    akin_status status = AKIN_OK;
    if (!value)
        return AKIN_OK;
    if (!strcmp(name, "bbox"))
        return bbox_of_text(query, value, err);
    if (!strcmp(name, "datetime"))
        return akin_interval_parse(&query->filter.time, value, err);
    if (!strcmp(name, "page"))
        return set_page(query, value, err);
    if (!strcmp(name, "collections"))
        return texts_of_list(query, value, add_collection, err);
    if (!strcmp(name, "ids")) {
        query->has_ids = true;
        return texts_of_list(query, value, add_id, err);
    }
    if (!strcmp(name, "limit")) {
        status = akin_parse_u64(&number, value, 1, SEARCH_LIMIT_MAX, "limit", err);
        query->limit = (uint32_t)number;
        return status;
    }
    return json_parameter(query, limits, name, value, err);
}

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

akin_status search_query_check(struct search_query *query, akin_error *err)
{
    size_t kept = 0;
    if (query->id_count > 1)
        qsort(query->ids, query->id_count, sizeof *query->ids, compare_keys);
    for (size_t i = 0; i < query->id_count; i++)
        if (!kept || query->ids[kept - 1] != query->ids[i])
            query->ids[kept++] = query->ids[i];
    query->id_count = kept;
    if (query->has_bbox && query->has_intersects)
        return akin_error_set(err, AKIN_ERR_INVALID, "bbox or intersects, not both");
    if (query->has_akin && query->has_ids)
        return akin_error_set(err, AKIN_ERR_INVALID, "ids or akin, not both");
    if (query->has_akin && query->collection_count > 1)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "akin is asked of one collection at a time, not of %zu",
                              query->collection_count);
    if (query->has_akin && !query->example_count)
        return akin_error_set(err, AKIN_ERR_INVALID, "akin has no example: give one in `like`");
    return AKIN_OK;
}
