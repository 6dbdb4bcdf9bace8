/*
 * ingest: imagery in, one streaming pass: found -> tiled -> embedded -> searchable. Reading,
 * cutting, encoding and indexing overlap across threads within a memory budget; every step is
 * idempotent, so that whatever was interrupted goes on where it was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_INGEST_H
#define AKIN_INGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/catalog.h"
#include "akin/core.h"
#include "akin/index.h"
#include "akin/model.h"
#include "akin/source.h"

#pragma GCC visibility push(default)

#define AKIN_INSTANT_NAME "instant"

struct akin_add_options {
    struct akin_source_options source; /* --bbox, --crs, --datetime, --time-from */
    unsigned threads;                  /* 0 = akin_cpu_count() */
    /* default 2 GiB; AKIN_ERR_LIMIT with the number needed where it is too little */
    uint64_t ram_bytes;
    bool retry_failed; /* try failed scenes of these sources again; default false */
    bool drop_missing; /* scenes below these sources whose files are gone are dropped; default false
                        */
    bool dry_run;      /* only fill in the report */
    const struct akin_talk *talk;
};
void akin_add_options_default(struct akin_add_options *out);

struct akin_add_report {
    uint64_t scenes_found;     /* in the sources */
    uint64_t scenes_unchanged; /* there already */
    uint64_t scenes_added, scenes_replaced, scenes_dropped, scenes_failed;
    uint64_t paths_left_out; /* folders and links that could not be looked into, each logged */
    uint64_t tiles_added, tiles_skipped; /* the latter: too much no-data */
    uint64_t tiles_expected;             /* of what was to be done; a dry run's answer */
    uint64_t bytes_expected;             /* a dry run's guess of what chips and index will take */
    double seconds, seconds_expected;
};

/* akin add. Scenes that fail are recorded with the reason and logged, and stop nothing else;
 * AKIN_OK then too (look at report->scenes_failed). AKIN_ERR_CANCELLED after a stop: what is
 * committed stays. On AKIN_ERR_NO_SPACE the collection stays as it was at the last commit. The
 * report is filled in every case. */
akin_status akin_add(const char *dir, const char *const *sources, size_t source_count,
                     const struct akin_add_options *options, struct akin_add_report *report,
                     akin_error *err);

struct akin_embed_options {
    const char *model; /* an encoder of the collection; NULL = fit the instant one again, on the
                          collection as it is now (its name is instant-2, instant-3, ...) */
    /* Not NULL: an .onnx file, which is brought in (akin_model_import_onnx) and saved as an encoder
     * called `model`, NULL = as the file is called. AKIN_ERR_EXISTS where there is another one of
     * this name; the same file with the same options goes on where it was. */
    const char *onnx_path;
    const struct akin_onnx_options *onnx; /* NULL = defaults; the bands are the collection's */
    bool keep_default;                    /* only complete the encoder's index; default false */
    /* Of a trained encoder's net. AUTO (0, the default): as it was before; the first time int8 where
     * that is faster and, calibrated on tiles of the collection, keeps AKIN_CALIBRATION_RECALL of
     * their neighbours, else bf16 or f32 as the CPU has it. INT8 that does not keep them is logged,
     * and the precision stays. What is in the index already stays as it is. */
    enum akin_precision precision;
    unsigned threads; /* 0 = akin_cpu_count() */
    const struct akin_talk *talk;
};

struct akin_embed_report {
    char model[AKIN_NAME_MAX];           /* the encoder's name; "" where it was not come to */
    bool was_default;                    /* it was the collection's default already */
    uint64_t tiles;                      /* of the collection */
    uint64_t tiles_indexed;              /* of them in the encoder's index now */
    uint64_t tiles_embedded;             /* by this call */
    uint64_t tiles_failed;               /* chip damaged or gone: each logged, and left out */
    enum akin_precision precision;       /* that the tiles were embedded in */
    struct akin_calibration calibration; /* of int8, now or before */
};

/* akin embed: embeds every tile that the encoder's index lacks, from its chip, beside the index that
 * goes on answering, and makes the encoder the default in one step when all is there. Stopped or
 * killed, the same call goes on; tiles that `akin add` put into the default's index since are caught
 * up. With the default itself, whatever another encoder's index knows and its own lacks is embedded.
 * Needs chips (AKIN_ERR_UNSUPPORTED without). The report (may be NULL) is filled in every case. */
akin_status akin_embed(const char *dir, const struct akin_embed_options *options,
                       struct akin_embed_report *report, akin_error *err);

/* ---- vectors made elsewhere ---- */

#define AKIN_IMPORT_NAME "imported"

struct akin_import_options {
    const char *tensor; /* of a safetensors file; NULL = its only one */
    /* Columns, a row for each vector; any may be NULL. Either a CSV whose first row names them (key,
     * uri, label, time or begin and end, lon and lat or west, south, east, north), or arrays: keys
     * (n), whole numbers; times (n), milliseconds since 1970 or NumPy's datetime64; places (n, 2),
     * lon and lat, or (n, 4), west, south, east, north. */
    const char *columns;
    const char *keys, *times, *places;
    const char *model;       /* what made the vectors; NULL = as it is, else AKIN_IMPORT_NAME */
    enum akin_metric metric; /* of a collection that is made; default cosine */
    bool metric_given;       /* false: whatever an existing collection has */
    uint64_t ram_bytes;      /* default 2 GiB; what merges and codes may take */
    unsigned threads;        /* 0 = akin_cpu_count() */
    const struct akin_talk *talk;
};
void akin_import_options_default(struct akin_import_options *out);

struct akin_import_report {
    char model[AKIN_NAME_MAX]; /* "" where it was not come to */
    enum akin_metric metric;
    uint32_t dim;
    uint64_t rows;          /* of the file */
    uint64_t rows_before;   /* of them imported by earlier runs */
    uint64_t rows_replaced; /* keys that were there already, or came twice: the last row counts */
    uint64_t tiles;         /* in the collection's index now */
    double seconds;
};

/* akin import: rows of a file of vectors (akin_array_open; 1..AKIN_DIM_MAX numbers) into the
 * collection DIR, which is made where there is none and holds nothing but imported vectors. A row's
 * image is its uri, else the file (with "#" and its label); its tile's key is that image's number
 * and the row's own key, or number. With AKIN_METRIC_COSINE rows are made unit length.
 *
 * Columns are checked whole before anything is written. AKIN_ERR_INVALID names the row that holds
 * NaN, infinity, nothing but zeros (cosine) or what f16 cannot; rows before it stay, and count once
 * the file is mended. Stopped or killed, the same call goes on where it was and ends the same; a
 * file that is there already is nothing to do; of one that changed since, all rows are taken again,
 * and those without a uri of their own take the place of the old ones. The report (may be NULL) is
 * filled in every case. */
akin_status akin_import(const char *dir, const char *path,
                        const struct akin_import_options *options,
                        struct akin_import_report *report, akin_error *err);

/* akin verify: catalogue, chip packs, encoders, index, and what they say of each other (tiles an
 * embedded scene should have, rows without a scene, rows without a chip). *faults counts what was
 * told. */
akin_status akin_verify(const char *dir, akin_fault_fn *fault, void *user, uint64_t *faults,
                        const struct akin_talk *talk, akin_error *err);

/* akin verify --repair: mends the indexes (akin_index_repair) and compares the default encoder's with the
 * catalogue: a scene of which tiles were lost is taken again by the next `akin add`. Each step, and each scene
 * with what it lost, is told. Catalogue, encoders and chips are not mended. */
struct akin_repair_report {
    uint64_t segments_rebuilt, segments_dropped, rows_lost;
    uint64_t scenes_again; /* that `akin add` will take again */
};
akin_status akin_repair(const char *dir, akin_fault_fn *told, void *user,
                        struct akin_repair_report *report, const struct akin_talk *talk,
                        akin_error *err);

#pragma GCC visibility pop

#endif
