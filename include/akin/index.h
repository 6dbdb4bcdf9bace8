/*
 * index: vectors with a key each, in files; the nearest to another vector, by cosine, inner product
 * or distance, exactly or by codes; added to, removed from and searched at the same time. It needs
 * no collection: core and vec are all that is below it. A row has columns, too (place, time,
 * quality), which a search may filter by; akin_columns_init leaves them unknown. Whole in
 * examples/index.c:
 *
 *     akin_error err = {0};
 *     akin_index *index = NULL;
 *     struct akin_index_options options;
 *     akin_index_options_default(&options);
 *     options.dim = DIM;
 *     options.metric = AKIN_METRIC_L2;
 *     akin_status status = akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, &err);
 *     if (status == AKIN_OK)
 *         status = akin_index_add(index, columns, &vectors[0][0], ROWS, &err);
 *     struct akin_index_query query = {
 *         .vectors = vectors[42], .count = 1, .k = 5, .threshold = -INFINITY};
 *     struct akin_hit hits[5];
 *     size_t count = 0;
 *     if (status == AKIN_OK)
 *         status = akin_index_search(index, &query, hits, &count, NULL, &err);
 *     for (size_t i = 0; i < count; i++)
 *         printf("key %d, distance %.3f\n", (int)hits[i].key, sqrt(-(double)hits[i].score));
 *     if (status != AKIN_OK)
 *         fprintf(stderr, "%s\n", err.text);
 *     akin_index_close(index);
 *
 * One writer, any number of readers, in any processes. A handle may be searched from several
 * threads at once; add, remove and flush come from one thread at a time and may run beside
 * searches: a search sees the rows as they were when it began. A reader's handle is a snapshot;
 * akin_index_refresh moves it on.
 *
 * Keys are any numbers of 64 bits; in a collection they are akin_tile_key. Vectors are kept as IEEE
 * f16; all scores come from those, so that an answer does not depend on whether a row is still in
 * the log or was found by its code. Files: docs/FORMATS.md.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_INDEX_H
#define AKIN_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin/core.h"
#include "akin/vec.h"

#pragma GCC visibility push(default)

typedef struct akin_index akin_index;

/* How rows are scored; a larger score is better. Said when an index is made, and kept. */
enum akin_metric {
    AKIN_METRIC_COSINE = 0, /* <o, q>; rows must be of unit length or zero */
    AKIN_METRIC_DOT = 1,    /* <o, q> of any rows */
    AKIN_METRIC_L2 = 2      /* -|o - q|^2: the squared distance, its sign turned */
};

/* Codes are faster from about a thousand rows on (of 256 dimensions: 5,000 rows 6 us instead of 110, 50,000 rows
 * 20 us instead of 2 to 4 ms); below this exactness is worth more than a few milliseconds. */
#define AKIN_CODED_ROWS 50000u
struct akin_index_options {
    uint32_t dim;   /* 1..AKIN_DIM_MAX; needed to make one; 0 = as it is */
    uint32_t model; /* fingerprint of the encoder; 0 = none. A different one is AKIN_ERR_INVALID */
    enum akin_metric metric; /* of one that is made; default cosine */
    uint32_t memtable_rows;  /* default 32768: the log is turned into a segment at this many rows */
    uint32_t coded_rows;     /* segments get codes when they have so many rows; default
                                AKIN_CODED_ROWS; UINT32_MAX = never */
    uint32_t code_bits; /* 1, 2, 4 a dimension; default 0 = by the dimension: a row has about 256 */
    uint32_t list_rows; /* rows of a list on average; default 0 = by the number of rows */
    bool background;    /* writer: merges and codes are made in a thread of the index; default true.
                        false: at the end of each flush */
    uint64_t ram_bytes; /* that such work may take; default 1 GB */
    akin_pool *pool;    /* for searches; borrowed; may be NULL */
    const struct akin_talk *talk; /* borrowed; damage found at open is logged as a warning */
};
void akin_index_options_default(struct akin_index_options *out);

/* Opens or (writer only) makes the index in folder `path`. Recovery: the manifest is replayed up to
 * its last good record, files it does not know are removed (writer only), the log is replayed up to
 * its last good record, a damaged segment is left out and named in a warning and in
 * akin_index_stats. AKIN_ERR_BUSY, AKIN_ERR_NOT_FOUND, AKIN_ERR_VERSION. */
akin_status akin_index_open(akin_index **out, const char *path, enum akin_open mode,
                            const struct akin_index_options *options, akin_error *err);
/* Stops upkeep that runs; what it had begun leaves no file. */
void akin_index_close(akin_index *index);
/* A reader's view moves to what is committed now; *changed (may be NULL) says whether there was
 * anything new. */
akin_status akin_index_refresh(akin_index *index, bool *changed, akin_error *err);

/* Adds n rows: columns[i] and vectors (n, dim) f32. A key that is there already is replaced.
 * Durable (log fsynced) when it returns; all n or none after a crash. Vectors that hold NaN or
 * infinity or numbers beyond those of f16 (65504) or, by cosine, are not of unit length (1 % either way) or
 * zero, and boxes off the globe, are AKIN_ERR_INVALID naming the key; nothing is added. At most 1 GB a call (AKIN_ERR_LIMIT). A full
 * disk is AKIN_ERR_NO_SPACE: nothing is added, and the next call may work. */
akin_status akin_index_add(akin_index *index, const struct akin_columns *columns,
                           const float *vectors, size_t n, akin_error *err);
/* Removes every row with first <= key <= last (a scene is one range). Durable when it returns.
 * *removed may be NULL. */
akin_status akin_index_remove(akin_index *index, uint64_t first, uint64_t last, uint64_t *removed,
                              akin_error *err);
/* Turns the log into a segment now, if it has rows; applies tombstones. Upkeep follows: where there are more
 * than four segments those of a size merge, from coded_rows on they get codes, and when the rows have
 * become twice as many (a quarter more in akin_index_settle), or others than the codes were made for, new ones. A failure of
 * upkeep loses nothing: with options.background it is logged, otherwise returned; the next flush
 * tries again. */
akin_status akin_index_flush(akin_index *index, akin_error *err);
/* Waits until upkeep has nothing left to do; `whole`: until all rows are one segment, where its limits allow.
 * Progress goes to options.talk, which may stop it: AKIN_ERR_CANCELLED, and the rows are where they were. */
akin_status akin_index_settle(akin_index *index, bool whole, akin_error *err);

struct akin_index_stats {
    uint64_t rows; /* live */
    uint64_t rows_in_log;
    uint64_t tombstones;
    uint64_t segments;
    uint64_t segments_damaged; /* not served */
    uint64_t bytes;            /* of all files */
    uint32_t dim, model;
    enum akin_metric metric;
    uint64_t segments_coded, rows_coded;
    uint64_t
        bytes_codes; /* of all files, what every search by codes reads: codes, list directories, centroids */
    uint64_t epoch;            /* the newest; 0 = none, and all below 0 */
    uint32_t lists, code_bits; /* of the newest epoch */
    /* What the index measured of itself, 0 = nothing yet: what share of the ten nearest a search of
     * AKIN_RECALL_DEFAULT found in a sample, by so many lists and reranked rows. */
    double recall;
    uint32_t probes, rerank;
};
/* O(segments). */
void akin_index_stats(const akin_index *index, struct akin_index_stats *out);

/* Columns and vector (dim; may be NULL) of one key. AKIN_ERR_NOT_FOUND. */
akin_status akin_index_get(const akin_index *index, uint64_t key, struct akin_columns *columns,
                           float *vector, akin_error *err);

/* ---- filters ---- */

/* All that are given must hold. Zero-initialise through akin_filter_init. */
struct akin_filter {
    /* intersects; unknown = any. Tiles without a place do not match a bbox */
    struct akin_bbox bbox;
    /* its footprint meets it; NULL = any; borrowed. As the box: those without a place do not match */
    const akin_polygon *polygon;
    struct akin_interval time; /* intersects; unknown = any. Tiles without a time do not match */
    double nodata_max;         /* share of missing pixels at most; default 1 */
    double gap_max;            /* share of black gaps at most; default 1 */
    double texture_min;        /* 8-bit standard deviation at least; default 0 */
    const uint32_t *scenes;    /* only these, sorted ascending; NULL = any; borrowed */
    size_t scene_count;
};
void akin_filter_init(struct akin_filter *out);
bool akin_filter_matches(const struct akin_filter *filter, const struct akin_columns *columns);

/* ---- exact search ---- */

/* What share of the true k best an answer should hold on average. */
#define AKIN_RECALL_DEFAULT 0.95f
struct akin_index_query {
    const float *vectors; /* (count, dim) */
    size_t count;         /* 1..4096 vectors searched in one pass over the rows */
    bool best_of;         /* true: a row's score is its best over the vectors, one answer list;
                             false: one list a vector */
    const struct akin_filter *filter; /* NULL = none */
    size_t k;                         /* 1..100,000 */
    float threshold;                  /* only scores at or above it; -INFINITY = all */
    const uint64_t *except;           /* keys left out, sorted; may be NULL */
    size_t except_count;
    float
        recall; /* 0 = AKIN_RECALL_DEFAULT; 1 = exact. Reached by what the index measured of itself */
    uint32_t probes; /* lists looked into; 0 = as many as the recall needs */
    uint32_t rerank; /* candidates reranked by their vectors; 0 = as many as the recall needs */
    bool stages;     /* measure akin_index_work.stage_ns, which costs about 0.3 us a query */
};
/* Which way a search went. */
enum akin_index_way {
    AKIN_WAY_EXACT,    /* every row that the filter leaves was scored by its vector */
    AKIN_WAY_FILTERED, /* the rows that match were found first, and all of them scored */
    AKIN_WAY_MASKED,   /* codes of the probed lists' rows that match */
    AKIN_WAY_CODES     /* codes of the probed lists; matched afterwards */
};
enum akin_index_stage {
    AKIN_STAGE_PLAN,   /* choosing the way */
    AKIN_STAGE_MATCH,  /* finding the rows that match */
    AKIN_STAGE_TABLE,  /* rotation and look-up table */
    AKIN_STAGE_COARSE, /* finding the lists to probe */
    AKIN_STAGE_SCAN,   /* codes of those lists */
    AKIN_STAGE_RERANK, /* of candidates by int8 and f16 */
    AKIN_STAGE_EXACT,  /* rows scored by their vectors at once */
    AKIN_STAGES
};
/* What a search did, for --explain; sums over its vectors, but for `lists`. */
struct akin_index_work {
    uint64_t segments, segments_skipped; /* the latter by zone */
    uint64_t rows_scanned; /* rows scored by their f16 vectors at once, without codes */
    uint64_t
        rows_filtered; /* left unscored by zones and filter. Where the way is exact or filtered, this and
                               rows_scanned are all rows there are */
    uint64_t bytes_read;
    enum akin_index_way way;
    uint64_t lists, lists_probed;                      /* there are; looked into */
    uint64_t codes_scanned, reranked_i8, reranked_f16; /* rows */
    double matches_estimated;       /* rows that match the filter; all rows without one */
    uint64_t stage_ns[AKIN_STAGES]; /* over all threads; 0 unless query.stages */
};
/* hits: (lists, k) with lists = best_of ? 1 : count; counts[lists]. Order: score descending, then
 * key ascending. A hit's row is 0. Many lists with a large k are answered in several passes, so
 * that no more than 256 MB of buffers are needed. */
akin_status akin_index_search(const akin_index *index, const struct akin_index_query *query,
                              struct akin_hit *hits, size_t *counts, struct akin_index_work *work,
                              akin_error *err);

/* A page of the live rows that pass the filter (NULL: all), in the order of their keys: from key
 * `first` on, up to n (at least 1) into columns[n]; *count is how many. *next is where the next page
 * begins, and *more whether there may be one: after AKIN_INDEX_PAGE_ROWS rows looked at, a page ends
 * though it is not full. */
#define AKIN_INDEX_PAGE_ROWS 1000000
akin_status akin_index_page(const akin_index *index, uint64_t first,
                            const struct akin_filter *filter, struct akin_columns *columns,
                            size_t n, size_t *count, uint64_t *next, bool *more, akin_error *err);

/* Up to n live rows drawn at random (Philox of `seed`), each once, in the order of their keys: the same
 * for the same seed and index. Fewer where there are not so many, or where most rows of the files are
 * dead. */
akin_status akin_index_sample(const akin_index *index, uint64_t seed, uint64_t *keys, size_t n,
                              size_t *count, akin_error *err);

/* Every live row in key order, in batches; vectors (n, dim) as stored, widened to f32. fn returns
 * false to end. */
typedef bool akin_index_rows_fn(void *user, const struct akin_columns *columns,
                                const float *vectors, size_t n);
akin_status akin_index_each(const akin_index *index, akin_index_rows_fn *fn, void *user,
                            akin_error *err);

/* ---- verify ---- */

/* Every invariant of every file: magic, versions, sizes, all checksums, counts against the
 * manifest, order of rows and of the key run, zone maps against the columns, int8 against f16,
 * vectors finite and of unit length (or zero), tombstones within range, no key live twice, no file
 * that nobody owns. Each fault is told in a sentence; *faults counts them. AKIN_OK even where there
 * are faults; another status only where it could not look. Needs no open handle. */
akin_status akin_index_verify(const char *path, akin_fault_fn *fault, void *user, uint64_t *faults,
                              const struct akin_talk *talk, akin_error *err);

/* Mends what akin_index_verify finds and can be mended: log and manifest are cut back to what is good (as by
 * any writer), a segment with faults is written anew from its rows whose bytes are good, one that cannot be
 * read is removed, codes are made again. Each step is told in a sentence, *report (may be NULL) counts. What is
 * lost is lost: the rows must be added again. The errors of a writer's akin_index_open. */
struct akin_index_repair {
    uint64_t segments_rebuilt, segments_dropped, epochs_dropped;
    uint64_t rows_lost;
};
akin_status akin_index_repair(const char *path, akin_fault_fn *told, void *user,
                              struct akin_index_repair *report, const struct akin_talk *talk,
                              akin_error *err);

#pragma GCC visibility pop

#endif
