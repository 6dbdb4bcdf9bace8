/*
 * Which scene has which label: from the folders the scenes were found in, or from a CSV.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_EVAL_LABELS_H
#define AKIN_SEARCH_EVAL_LABELS_H

#include "akin/search.h"

struct labelled_scene;
/* Owns its texts. Zero-initialised; fini takes a zeroed struct. */
struct eval_labels {
    struct labelled_scene *scenes; /* sorted by id once loaded */
    size_t count, capacity;
    uint64_t unknown; /* rows of the CSV that name no scene */
};
/* `source` is "folder" or a CSV's path. */
akin_status eval_labels_load(struct eval_labels *labels, akin_catalog *catalog, const char *source,
                             akin_error *err);
void eval_labels_fini(struct eval_labels *labels);
/* Equal labels have equal numbers, 0..2^31-1; -1 where the scene has none. */
int32_t eval_labels_of(const struct eval_labels *labels, uint32_t scene);

#endif
