/*
 * The examples of a question, each turned into vectors when it was given.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_EXAMPLES_H
#define AKIN_SEARCH_EXAMPLES_H

#include "akin/search.h"

#define EXAMPLES_MAX 4096      /* a question */
#define EXAMPLE_PICTURE_PX 256 /* longest side of what the contact sheet shows */
#define EXAMPLE_PICTURE_MAX (1u << 20)

struct example {
    enum akin_example_kind kind;
    bool unlike;
    bool has_key; /* a tile of the collection: TILE and POINT */
    uint64_t key;
    char *name;                 /* for people: a path, a key, a place */
    float *vectors;             /* (windows, dim), unit length */
    size_t windows;             /* >= 1 */
    struct akin_bbox bbox;      /* where it is, if known */
    struct akin_interval time;  /* when */
    struct akin_buffer picture; /* JPEG of IMAGE and BYTES; may be empty */
};

/* Owned by its question. */
struct akin_example_set {
    uint32_t dim;
    struct example *items;
    size_t count, capacity;
    double encode_ms; /* what turning them into vectors took */
};

#endif
