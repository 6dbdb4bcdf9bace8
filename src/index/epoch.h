/*
 * Private to index: the epoch, what all coded segments of a time have in common: rotation, centroid
 * tree, bits. Immutable, one mapped file, epoch-ID.ep.
 *
 * Centroids live in rotated space and are exactly what their int8 values say (value * scale):
 * residuals are taken from that, so that the score that finds a list is also the base of its rows'
 * estimates, and no second copy of the means is kept.
 * Two levels: `supers` stand for groups of 32 lists and more. To a search a list is a row of a smaller
 * index: its code in the group (m less the super's centroid) has an estimate by the same kernel and
 * the same table as rows have, and only the best by that are scored exactly.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_EPOCH_H
#define INDEX_EPOCH_H

#include <stdatomic.h>

#include "centroids.h"
#include "code.h"
#include "layout.h"
#include "rotation.h"

struct epoch {
    atomic_uint refs;
    struct akin_map map;
    uint64_t id, seed;
    uint64_t rows_trained; /* rows the index had when it was trained */
    uint32_t dim, file_crc;
    struct code_shape shape;
    struct rotation rotation;
    struct centroids supers, lists;
    /* (supers.count + 1): a super's lists are [first_list[s], first_list[s + 1]), multiples of 32 */
    const uint32_t *first_list;
    uint32_t supers_used, lists_used; /* the first ones */
    struct code_shape list_shape;     /* of lists' codes: by distance, but for the inner product */
    const uint8_t *list_blocks;       /* (lists.count / 32, list_shape.block_bytes) */
    const int8_t *list_values;        /* (lists.count, wide): the tiles' values, list by list */
    float residual; /* root mean square length of residuals when it was trained, in rotated space */
};

struct epoch_options {
    enum akin_metric metric;
    uint32_t dim, bits; /* bits 0 = by dim */
    uint64_t id, seed;
    uint32_t list_rows; /* rows a list should have; 0 = by the number of rows */
    uint64_t rows;      /* of the index, for which it is made */
};
/* The sample it wants, in rows: 64 a list, at most `rows`. */
uint64_t epoch_sample_rows(const struct epoch_options *options);
/* Trains on sample (n, dim), distinct rows at random, and writes DIR/epoch-ID.ep (whole, fsynced). Two
 * levels of k-means (Lloyd), the last steps over all lists. Equal points, fewer than lists, none at
 * all, and zero vectors are fine. Deterministic for a seed and kernel tier, whatever the pool. Scratch
 * about 2 * n * wide * 4 bytes. */
akin_status epoch_train(const char *dir, const struct epoch_options *options, const float *sample,
                        size_t n, akin_pool *pool, const struct akin_talk *talk, akin_error *err);
/* A new epoch that is `from` with the lists over `rows_max` split in two (counts (lists.count) rows each;
 * sample rows (n, dim) with their lists `of` drawn from those lists). Other lists keep their centroids,
 * and so their rows' codes, bit for bit, but get other numbers: renumber (from->lists.count) says which;
 * UINT32_MAX for one whose rows are to be assigned anew: a split one, and the 8 beside each. */
akin_status epoch_split(const struct epoch *from, const char *dir, uint64_t id, uint64_t rows,
                        const uint64_t *counts, uint64_t rows_max, const float *sample,
                        const uint32_t *of, size_t n, uint32_t *renumber, akin_error *err);

akin_status epoch_path(char *out, const char *dir, uint64_t id, akin_error *err);
/* Everything is checked: magic, version, sizes, checksums, numbers. */
akin_status epoch_open(struct epoch **out, const char *dir, uint64_t id, akin_error *err);
struct epoch *epoch_ref(struct epoch *epoch);
void epoch_unref(struct epoch *epoch); /* takes NULL */

/* m (wide) of a list. */
void epoch_centroid(const struct epoch *epoch, uint32_t list, float *out);
struct centroid_tree epoch_tree(const struct epoch *epoch); /* borrowed */

/* Rotated space is in units of rotation.unit (1 for cosine): lengths there times unit, and products and
 * scores of codes times unit^2, are those of the rows. */

/* ---- assignment: rows to lists ---- */

/* lists[i] = the list whose centroid is nearest to rotated[i] (n, wide), by |P o - m|^2; ties to the
 * smaller number. Register-blocked int8 through the tree; shared out over the pool. */
akin_status epoch_assign(const struct epoch *epoch, uint32_t *lists, const float *rotated, size_t n,
                         akin_pool *pool, akin_error *err);
/* Row `vector` (dim, f16) of a list as its code. scratch: 3 * wide floats. *residual2 (may be NULL): |r|^2
 * in rotated space. */
void epoch_encode(const struct epoch *epoch, struct code_row *out, uint32_t list,
                  const akin_f16 *vector, float *scratch, float *residual2);

/* ---- probing: a query to lists ---- */

struct probe {
    float base; /* of the estimates of its rows: <m, q>, or -|m - q|^2 / 2 */
    uint32_t list;
};
/* Scratch of one thread for queries of one epoch. */
struct epoch_query {
    float *rotated;             /* (wide) */
    float half;                 /* |rotated|^2 / 2 */
    uint8_t *table;             /* (nibbles, 16), 64-byte aligned */
    struct akin_code_scan scan; /* threshold is the caller's */
    int8_t *quantized;          /* (wide) */
    float quantized_scale;
    struct probe *probes; /* (lists.count): what epoch_probe found */
    /* epoch_probe's own. */
    int32_t *dots;                 /* (supers.count) */
    struct akin_candidate *supers; /* (supers.count) */
    struct akin_candidate *held;   /* (lists.count + 32) */
    void *memory;                  /* the one allocation, owned */
};
akin_status epoch_query_create(struct epoch_query *out, const struct epoch *epoch, akin_error *err);
void epoch_query_fini(struct epoch_query *query); /* takes a zeroed struct */
/* Rotates, makes the table. */
void epoch_query_set(const struct epoch *epoch, struct epoch_query *query, const float *vector);
/* The `count` best used lists, best first, into query->probes; returns how many (fewer only where the
 * epoch has fewer). Best by distance to the centroid (for the inner product by that), of which they
 * are nearly the true ones. The lists of `wide_search` supers are looked into; 0 = of all, or of as
 * many as hold EPOCH_LISTS_SEARCHED lists and 16 * count. */
#define EPOCH_LISTS_SEARCHED 4096u
size_t epoch_probe(const struct epoch *epoch, struct epoch_query *query, size_t count,
                   size_t wide_search);

#endif
