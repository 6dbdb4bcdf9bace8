/*
 * What a client asks of /search, read from a body, a form or a query string, and checked in full: no
 * server is needed for it, so that it is fuzzed as it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_SEARCH_QUERY_H
#define AKIN_SERVE_SEARCH_QUERY_H

#include "akin/search.h"

#define SEARCH_EXAMPLES_MAX 256
#define SEARCH_IDS_MAX 10000
#define SEARCH_LIMIT_MAX 10000
#define SEARCH_LIMIT_DEFAULT 20
#define SEARCH_K_DEFAULT 1000
#define SEARCH_PAGE_MAX 64

struct search_limits {
    size_t body_max;     /* bytes; what is decoded takes at most twice as much */
    uint64_t pixels_max; /* of an image */
    uint32_t k_max;
};

/* Everything but the polygon is in the arena. */
struct search_query {
    akin_arena *arena;
    struct akin_filter filter; /* its polygon is the one here */
    akin_polygon *polygon;     /* owned; or NULL */
    bool has_bbox, has_intersects;
    bool has_ids;
    uint64_t *ids; /* ascending, each once */
    size_t id_count;
    const char *collections[64];
    size_t collection_count;
    uint32_t limit;
    char page[SEARCH_PAGE_MAX]; /* "": the first */
    bool has_akin;
    struct akin_example examples[SEARCH_EXAMPLES_MAX];
    size_t vector_sizes[SEARCH_EXAMPLES_MAX]; /* of VECTOR examples */
    size_t example_count;
    const char *model; /* NULL: the default */
    uint32_t k;
    float threshold;
    float recall; /* 0: the default; 1: exact */
    bool collapse_place, explain, keep_examples;
};
akin_status search_query_init(struct search_query *query, const struct search_limits *limits,
                              akin_error *err);
void search_query_fini(struct search_query *query); /* takes a zeroed struct */

/* A body: JSON, or where the content type says so a form with the parts `search` (JSON), `like` and
 * `unlike` (image files; borrowed from `body`). AKIN_ERR_INVALID names the member and its range. */
akin_status search_query_body(struct search_query *query, const struct search_limits *limits,
                              const char *content_type, const void *body, size_t size,
                              akin_error *err);
/* Parameters of a query string, by their names; NULL value: not given. */
akin_status search_query_parameter(struct search_query *query, const struct search_limits *limits,
                                   const char *name, const char *value, akin_error *err);
/* What only shows when all is read: a bbox and an `intersects`, no example. */
akin_status search_query_check(struct search_query *query, akin_error *err);

/* ---- the pieces ---- */

/* {like, unlike, ...} */
akin_status search_akin_parse(struct search_query *query, const struct search_limits *limits,
                              const akin_json *akin, akin_error *err);
/* Decodes base64 (RFC 4648, white space between, padding optional), a data: URL's head left out, into
 * the arena. AKIN_ERR_INVALID. */
akin_status base64_decode(akin_arena *arena, const char *text, const void **bytes, size_t *size,
                          akin_error *err);

/* One part of a form; all borrowed from the body. */
struct form_part {
    const char *name; /* not terminated */
    size_t name_length;
    const void *bytes;
    size_t size;
};
/* Splits multipart/form-data (RFC 7578); at most `max` parts. AKIN_ERR_INVALID. */
akin_status form_split(const char *content_type, const void *body, size_t size,
                       struct form_part *parts, size_t max, size_t *count, akin_error *err);

#endif
