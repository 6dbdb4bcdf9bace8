/*
 * Routes: templates of paths as the OpenAPI document has them, and who answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_ROUTE_H
#define AKIN_SERVE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

struct request;

enum {
    ROUTE_INLINE = 1, /* quick: answered on the socket's thread */
    ROUTE_WRITE = 2,  /* changes something: needs the write scope */
    ROUTE_OPEN = 4,   /* needs no token */
    ROUTE_BODY = 8    /* takes a body */
};
struct route {
    const char *method;
    const char *path; /* "/tiles/{key}.jpg" */
    unsigned flags;
    void (*handle)(struct request *request);
    /* For routes that are not inline: whether the answer was at hand (then the reply is filled in), so
     * that no worker is needed. NULL: never. */
    bool (*at_hand)(struct request *request);
};

extern const struct route routes[];
extern const size_t route_count;

/* Whether the path fits the template. parts[max] borrow from `split`, a copy of the path that the call
 * cuts. */
bool route_matches(const char *path_template, char *split, char **parts, size_t max);
/* The route of a request, its parts filled in. NULL where none fits; *allow[64] then lists the methods
 * that the path has ("" for no such path). */
const struct route *route_find(struct request *request, char allow[64]);

/* ---- handlers, by the file that has them ---- */

/* landing.c */
void handle_landing(struct request *request);
void handle_api(struct request *request);
void handle_conformance(struct request *request);
void handle_web_file(struct request *request);
/* collection_json.c */
void handle_collections(struct request *request);
void handle_collection(struct request *request);
/* items.c */
void handle_items(struct request *request);
void handle_item(struct request *request);
/* search_route.c */
void handle_search_get(struct request *request);
void handle_search_post(struct request *request);
/* pictures.c */
void handle_tile(struct request *request);
bool tile_at_hand(struct request *request);
void handle_chip(struct request *request);
bool chip_at_hand(struct request *request);
void handle_similarity(struct request *request);
/* scenes_route.c */
void handle_scenes(struct request *request);
void handle_scene(struct request *request);
void handle_tilejson(struct request *request);
void handle_map_tile(struct request *request);
bool map_tile_at_hand(struct request *request);
/* marks_route.c */
void handle_mark_sets(struct request *request);
void handle_marks(struct request *request);
void handle_mark(struct request *request);
void handle_unmark(struct request *request);
void handle_undo_mark(struct request *request);
void handle_next_marks(struct request *request);
/* service.c */
void handle_log_in(struct request *request);
void handle_log_out(struct request *request);
void handle_status(struct request *request);
void handle_metrics(struct request *request);
void handle_healthz(struct request *request);
void handle_readyz(struct request *request);

#endif
