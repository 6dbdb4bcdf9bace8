/*
 * What the parts of akin_import share.
 *
 *   import.c          akin_import: opens or makes the collection, then batch by batch
 *   import_batch.c    a batch: vectors and columns read and checked, keys given, committed
 *   import_scenes.c   images of a batch's rows, and how many rows each has
 *   import_record.c   how far a file has come, in the catalogue
 *   import_columns.c  columns
 *
 * A batch is committed in an order that a crash may cut anywhere:
 *
 *   1. one transaction: images of the batch (as "found"), their counts as they will be, those of the
 *      batch before as "embedded", and the record [begin, done) of this batch
 *   2. the index gets the rows (durable when it returns)
 *
 * A run that finds a record takes [begin, done) again, without counting: same keys, same rows. So
 * no image says "embedded" whose rows are not all there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INGEST_IMPORT_H
#define INGEST_IMPORT_H

#include "import_columns.h"
#include "ingest_private.h"

/* ---- import_record.c ---- */

/* How far a file has come. */
struct import_record {
    char name[AKIN_NAME_MAX];    /* of the catalogue's value */
    char path[AKIN_PATH_MAX];    /* the file's address */
    char stamp[512];             /* sizes and times of all its files, and the options that matter */
    uint64_t begin, done, total; /* the last batch was [begin, done) */
    bool known;                  /* the catalogue has it, with this stamp */
    bool changed;                /* it has it with another one */
};
/* Fills in all but progress, then that, where the catalogue has it. */
akin_status import_record_load(struct import_record *record, akin_catalog *catalog,
                               const char *path, const struct akin_import_options *options,
                               akin_error *err);
akin_status import_record_save(const struct import_record *record, akin_catalog *catalog,
                               akin_error *err);

/* ---- import_scenes.c ---- */

struct import_scene;
/* The images of a batch's rows. Zero-initialised; fini takes a zeroed struct. */
struct import_scenes {
    struct import_scene *list; /* in the order they were met */
    uint32_t *table;           /* hash by id: place in the list, + 1 */
    size_t count, max, last;   /* last: the one that was met last */
};
/* The image of this address, added to the catalogue where it is not there. Within a transaction.
 * AKIN_ERR_INVALID where it has another label. */
akin_status import_scenes_meet(struct import_scenes *scenes, akin_catalog *catalog, const char *uri,
                               const char *label, uint32_t *id, akin_error *err);
/* Counts a row of an image that was met. */
void import_scenes_count(struct import_scenes *scenes, uint32_t id);
/* Writes all with their counts and as `state`. Within a transaction. */
akin_status import_scenes_write(struct import_scenes *scenes, akin_catalog *catalog,
                                enum akin_scene_state state, akin_error *err);
/* Whether it is among them. */
bool import_scenes_have(const struct import_scenes *scenes, uint32_t id);
/* Writes those of `before` that are not in `scenes` as embedded: all their rows are there. */
akin_status import_scenes_settle(const struct import_scenes *before,
                                 const struct import_scenes *scenes, akin_catalog *catalog,
                                 akin_error *err);
void import_scenes_fini(struct import_scenes *scenes);

/* ---- import_replace.c ---- */

/* Takes out the rows of the images that a file itself stands for: it changed. Done again after a
 * crash, until the file's record has its new stamp. */
akin_status import_replace(akin_catalog *catalog, akin_index *index, const char *path,
                           akin_error *err);

/* ---- import_batch.c ---- */

struct import {
    const struct akin_import_options *options;
    struct akin_import_report *report;
    akin_catalog *catalog;
    akin_index *index;
    akin_array *array;
    struct import_columns *columns;
    bool checked; /* they were, to the last row */
    struct import_record record;
    enum akin_metric metric;
    uint32_t dim;

    size_t batch_rows;           /* at most */
    float *vectors;              /* (batch_rows, dim) */
    struct import_row *rows;     /* [batch_rows] */
    struct akin_columns *keyed;  /* [batch_rows] */
    uint64_t *keys;              /* [batch_rows], sorted */
    akin_arena *arena;           /* texts of a batch */
    struct import_scenes scenes; /* of this batch */
    struct import_scenes before; /* of the one before */
};
akin_status import_batch_init(struct import *import, akin_error *err);
void import_batch_fini(struct import *import);
/* Rows [record.begin, record.done) once more, or the n next ones. */
akin_status import_batch_again(struct import *import, akin_error *err);
akin_status import_batch_next(struct import *import, size_t n, akin_error *err);
/* After the last one: every image is embedded. */
akin_status import_batch_finish(struct import *import, akin_error *err);

#endif
