/*
 * Tiles as STAC Items.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_ITEMS_H
#define AKIN_SERVE_ITEMS_H

#include "links.h"

/* What all items of one answer have in common. */
struct item_writer {
    struct json_out *out;
    akin_engine *engine;
    const struct server *server;
    const struct collection *collection;
    char base[LINK_BASE_MAX];
    /* What stands between the parts of an item's links that differ, in their order. */
    char self[LINK_BASE_MAX + AKIN_NAME_MAX + 128];
    char source[2 * LINK_BASE_MAX + AKIN_NAME_MAX + 192];
    char source_end[LINK_QUERY_MAX + 64];
    char thumbnail[LINK_BASE_MAX + 128];
    char chip[LINK_BASE_MAX + LINK_QUERY_MAX + 128];
    char chip_end[LINK_QUERY_MAX + 16];
    char time[512]; /* of the last item, as it is written */
    struct akin_interval time_of;
    bool chips;
};
/* For about so many items. */
void item_writer_init(struct item_writer *writer, struct json_out *out,
                      const struct request *request, const struct collection *collection,
                      akin_engine *engine, size_t items);
/* One Feature. `answer` is NULL where nothing was asked; rank from 1. */
akin_status item_write(struct item_writer *writer, const struct akin_columns *columns,
                       const struct akin_answer *answer, size_t rank, akin_error *err);
/* {"type":"FeatureCollection","features":[ and what ends it, up to the links' values. */
void items_begin(struct json_out *out);
void items_end(struct json_out *out, size_t returned);

#endif
