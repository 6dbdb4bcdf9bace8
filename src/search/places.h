/*
 * collapse=place: of answers whose centres lie within half a tile of each other, the best stays.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_PLACES_H
#define AKIN_SEARCH_PLACES_H

#include "akin/search.h"

struct place;
/* The places so far, best answer first. Zero-initialised, then begin; fini takes a zeroed
 * struct. */
struct places {
    struct akin_answer *answers; /* [max], lent by the caller */
    struct place *list;          /* [max] */
    uint32_t *bands;             /* first place of each band of latitude, + 1; 0 = none */
    size_t count, max;
    double tallest; /* reach in latitude of any place, degrees */
};
akin_status places_begin(struct places *places, struct akin_answer *answers, size_t max,
                         akin_error *err);
/* The next answer, in order of rank: stands behind a better one of its place, or is a new place,
 * or, where `max` are there, is left out. Answers without a place stand alone. */
void places_add(struct places *places, const struct akin_answer *answer);
void places_fini(struct places *places);

#endif
