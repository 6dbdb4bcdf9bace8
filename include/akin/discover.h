/*
 * discover: what people want to know beyond one question. So far: labelling, where people judge tiles
 * and a classifier that learns from it says which to judge next.
 *
 *     struct akin_label_options options;
 *     akin_label_options_default(&options);
 *     akin_label_next(engine, labels, label_count, &options, &next, &err);
 *     for each next.picks[i]: ask somebody about next.picks[i].key
 *     akin_label_next_free(&next);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_DISCOVER_H
#define AKIN_DISCOVER_H

#include "akin/search.h"

#pragma GCC visibility push(default)

/* What is known of a tile: like or unlike. UNSURE teaches nothing, but is not asked again. */
struct akin_label {
    uint64_t key;
    enum akin_mark_kind kind;
};

enum akin_label_mode {
    AKIN_LABEL_UNCERTAIN, /* nearest to the classifier's border */
    AKIN_LABEL_DIVERSE,   /* of those near to it, ones that are unlike each other */
    AKIN_LABEL_SURE       /* the likeliest */
};
struct akin_label_options {
    enum akin_label_mode mode; /* default UNCERTAIN */
    size_t count;              /* of picks, 1..1000; default 12 */
    uint64_t seed;             /* of the random tiles; default 1 */
    const uint64_t
        *except; /* keys not to be picked, sorted; labelled ones never are; may be NULL */
    size_t except_count;
};
void akin_label_options_default(struct akin_label_options *out);

#define AKIN_LABELS_MAX 100000
struct akin_label_pick {
    uint64_t key;
    double probability; /* of like, by the classifier */
    struct akin_columns columns;
};
struct akin_label_next {
    struct akin_label_pick *picks; /* best first */
    size_t count;
    size_t likes, unlikes; /* that it learnt from: labels whose tiles are in the index */
    size_t random;         /* tiles that stood for all others */
    /* Of five-fold cross-validation: of the judged tiles that it takes for likes, the share that are
     * likes; NaN where it takes none for one, or with fewer than five of either kind. */
    double precision;
};
/*
 * A logistic regression with a penalty on the weights' squares, on unit vectors: likes against unlikes
 * and up to 500 random tiles at half their weight (most of a collection is not what is looked for, and
 * nobody marks what is boring). Picks come from the 2,000 likeliest tiles and the random ones. The same
 * labels, seed and index give the same picks. AKIN_ERR_NOT_FOUND where no like's tile is in the index.
 * Lewis and Gale 1994 (uncertainty), Sener and Savarese 2018 (diverse: the farthest from those chosen).
 */
akin_status akin_label_next(akin_engine *engine, const struct akin_label *labels,
                            size_t label_count, const struct akin_label_options *options,
                            struct akin_label_next *out, akin_error *err);
void akin_label_next_free(struct akin_label_next *next); /* takes a zeroed struct */

#pragma GCC visibility pop

#endif
