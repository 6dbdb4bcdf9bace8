/*
 * catalog: the collection folder and its SQLite catalogue. One row a scene, so that a billion tiles
 * need only thousands of rows; settings; where the chip packs are. The only user of SQLite.
 *
 *     akin_catalog *catalog;
 *     akin_catalog_create("DIR", &settings, &err);                      akin init
 *     akin_catalog_open(&catalog, "DIR", AKIN_OPEN_WRITE, &err);         takes the write lock
 *     akin_catalog_begin(catalog, &err);
 *     akin_catalog_scene_add(catalog, &scene, &err);                     scene.id is set
 *     akin_catalog_commit(catalog, &err);
 *     akin_catalog_close(catalog);
 *
 * A collection has one writer at a time (DIR/lock) and any number of readers, who see the last
 * committed state (SQLite's WAL mode, synchronous=FULL). A handle belongs to one thread at a time.
 * Layout of the folder: docs/FORMATS.md.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CATALOG_H
#define AKIN_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/core.h"

#pragma GCC visibility push(default)

#define AKIN_CATALOG_SCHEMA 2
#define AKIN_BANDS_MAX 64
#define AKIN_NAME_MAX 64

/* Sample types as tiles hold them; every other type of the world is turned into one of these. */
enum akin_dtype { AKIN_U8, AKIN_U16, AKIN_I16, AKIN_F32, AKIN_DTYPE_COUNT };
size_t akin_dtype_size(enum akin_dtype dtype);      /* bytes */
const char *akin_dtype_name(enum akin_dtype dtype); /* "u8", ... */

/* Fixed when the collection is made; bands may be left to the first scene. */
struct akin_settings {
    uint32_t tile_px;  /* 16..4096; default 256. Side of a tile in scene pixels */
    bool tile_always;  /* false: an image without a georeference is one tile, the whole picture */
    double overlap;    /* 0..0.9 of a tile's side; default 0.5 */
    uint32_t input_px; /* 16..512; default 64. Side of what the encoder sees */
    uint32_t bands;    /* 1..AKIN_BANDS_MAX; 0 = as many as most images of the first add have */
    double nodata_max; /* 0..1; default 0.25: tiles with a larger share of missing pixels are
                          skipped */
    bool chips;        /* default true: keep the tiles' pixels */
    bool black_is_gap; /* default true: black areas of georeferenced 8-bit scenes that declare no
                          no-data are missing pixels (swath gaps, polar night) */
    uint64_t seed;     /* default 1: of everything random in this collection */
};
void akin_settings_default(struct akin_settings *out);
/* AKIN_ERR_INVALID names the setting and its range. */
akin_status akin_settings_check(const struct akin_settings *settings, akin_error *err);

typedef struct akin_catalog akin_catalog;

/* Makes DIR (its parent must exist; an empty folder is fine) with a catalogue and the folders
 * chips, models, index. AKIN_ERR_EXISTS where a collection or anything else is there already. Whole
 * or not at all. NULL settings are the defaults. */
akin_status akin_catalog_create(const char *dir, const struct akin_settings *settings,
                                akin_error *err);
/* AKIN_ERR_NOT_FOUND where DIR is no collection (says how to make one), AKIN_ERR_VERSION where a
 * newer akin made it, AKIN_ERR_BUSY where another writer has it, AKIN_ERR_CORRUPT where it is no
 * database. A writer migrates an older schema; a reader of an older schema gets AKIN_ERR_VERSION
 * with the command that migrates. */
akin_status akin_catalog_open(akin_catalog **out, const char *dir, enum akin_open mode,
                              akin_error *err);
void akin_catalog_close(akin_catalog *catalog);

const char *akin_catalog_dir(const akin_catalog *catalog);                      /* borrowed */
const struct akin_settings *akin_catalog_settings(const akin_catalog *catalog); /* borrowed */
/* Sets `bands` where it was 0. AKIN_ERR_INVALID where it is set otherwise. */
akin_status akin_catalog_fix_bands(akin_catalog *catalog, uint32_t bands, akin_error *err);

/* Everything between begin and commit happens or does not. No nesting. */
akin_status akin_catalog_begin(akin_catalog *catalog, akin_error *err);
akin_status akin_catalog_commit(akin_catalog *catalog, akin_error *err);
void akin_catalog_rollback(akin_catalog *catalog);

/* ---- scenes ---- */

/* The numbers are stored. A scene goes found -> tiled -> embedded, or to failed. "replaced" and
 * "dropped" scenes have no tiles; their rows stay so that ids are never used again. */
#define AKIN_SCENE_STATES(X)                                                                       \
    X(FOUND, "found")                                                                              \
    X(FETCHED, "fetched")                                                                          \
    X(TILED, "tiled")                                                                              \
    X(EMBEDDED, "embedded")                                                                        \
    X(FAILED, "failed")                                                                            \
    X(REPLACED, "replaced")                                                                        \
    X(DROPPED, "dropped")
enum akin_scene_state {
#define X(name, text) AKIN_SCENE_##name,
    AKIN_SCENE_STATES(X)
#undef X
        AKIN_SCENE_STATE_COUNT
};
const char *akin_scene_state_name(enum akin_scene_state state);

/* One image. The texts of a scene that was read are freed by akin_scene_fini; those given to add
 * and update are borrowed for the call. */
struct akin_scene {
    uint32_t id; /* 1.. ; never used again */
    char *uri;   /* absolute path or address; unique among scenes that are live */
    char *label; /* the name of the folder it was found in, below SOURCE; or NULL */
    enum akin_scene_state state;
    uint64_t size_bytes; /* of the file when it was found, 0 unknown */
    int64_t mtime_ns;
    uint32_t width, height; /* pixels, 0 until opened */
    uint32_t bands;         /* of the file */
    enum akin_dtype dtype;
    struct akin_interval time;
    struct akin_bbox bbox;
    double given_bbox[4]; /* --bbox, all NaN where not given: used again on a retry */
    char *given_crs;      /* --crs, or NULL */
    uint32_t
        order_stride;     /* in which order its strips of tiles are taken (see ingest), 1 = plain */
    uint64_t tiles_total; /* in its grid */
    uint64_t tiles_done;  /* taken so far, skipped ones among them: where a resume goes on */
    uint64_t tiles_kept;  /* embedded so far */
    uint64_t tiles_skipped; /* too much no-data */
    uint32_t replaces; /* the id of the scene that this one takes the place of (its own: of what its
                          file was before), or 0 */
    char *failure;     /* why, or NULL */
    uint32_t attempts;
};
void akin_scene_init(struct akin_scene *scene); /* all unknown */
void akin_scene_fini(struct akin_scene *scene);

/* Adds; scene->id is set by the catalogue. */
akin_status akin_catalog_scene_add(akin_catalog *catalog, struct akin_scene *scene,
                                   akin_error *err);
/* Writes every column of the scene with this id. */
akin_status akin_catalog_scene_update(akin_catalog *catalog, const struct akin_scene *scene,
                                      akin_error *err);
/* AKIN_ERR_NOT_FOUND where there is none. `out` must be init or fini'ed. */
akin_status akin_catalog_scene_get(akin_catalog *catalog, uint32_t id, struct akin_scene *out,
                                   akin_error *err);
/* The live scene (not replaced or dropped) of this address. */
akin_status akin_catalog_scene_find(akin_catalog *catalog, const char *uri, struct akin_scene *out,
                                    akin_error *err);
/* Calls fn for each scene whose state is in the set (bit 1 << state), by id from `first` on; fn
 * returns false to end. fn must not write to the catalogue. */
typedef bool akin_scene_fn(void *user, const struct akin_scene *scene);
akin_status akin_catalog_scenes(akin_catalog *catalog, unsigned states, uint32_t first,
                                akin_scene_fn *fn, void *user, akin_error *err);

struct akin_catalog_counts {
    uint64_t scenes[AKIN_SCENE_STATE_COUNT];
    uint64_t tiles_kept, tiles_skipped; /* of live scenes */
};
akin_status akin_catalog_count(akin_catalog *catalog, struct akin_catalog_counts *out,
                               akin_error *err);

/* ---- chip packs: which file has which keys ---- */

struct akin_pack_entry {
    uint64_t id; /* DIR/chips/<id as 16 hex digits>.pack */
    uint64_t first_key, last_key;
    uint64_t tiles, bytes;
};
/* A fresh id; never used again, even after a crash, once the pack is recorded. */
akin_status akin_catalog_pack_next(akin_catalog *catalog, uint64_t *id, akin_error *err);
akin_status akin_catalog_pack_add(akin_catalog *catalog, const struct akin_pack_entry *pack,
                                  akin_error *err);
akin_status akin_catalog_pack_remove(akin_catalog *catalog, uint64_t id, akin_error *err);
/* Those whose key range holds `key`, newest first, at most `max`; *count is how many. */
akin_status akin_catalog_packs_of(akin_catalog *catalog, uint64_t key, struct akin_pack_entry *out,
                                  size_t max, size_t *count, akin_error *err);
typedef bool akin_pack_fn(void *user, const struct akin_pack_entry *pack);
akin_status akin_catalog_packs(akin_catalog *catalog, akin_pack_fn *fn, void *user,
                               akin_error *err);

/* ---- values under a name: per-type scaling, the default model ---- */

#define AKIN_VALUE_MODEL "model.default" /* the encoder that search uses */
#define AKIN_VALUE_SCALING_PREFIX                                                                  \
    "scaling." /* + akin_dtype_name: akin_scaling_text of that type  \
                                              */

/* AKIN_ERR_NOT_FOUND where there is none; *text freed with akin_free. */
akin_status akin_catalog_value_get(akin_catalog *catalog, const char *name, char **text,
                                   akin_error *err);
akin_status akin_catalog_value_set(akin_catalog *catalog, const char *name, const char *text,
                                   akin_error *err);

/* ---- marks: what people say of tiles ---- */

/* Sets of marks have names: 1..63 of A-Z a-z 0-9 . _ -, not beginning with a dot. Each person has one
 * mark a tile and set, the last that counts; nothing is forgotten, so that changes can be undone. A
 * person's name has 1..63 bytes without control characters. */
enum akin_mark_kind { AKIN_MARK_NONE, AKIN_MARK_LIKE, AKIN_MARK_UNLIKE, AKIN_MARK_UNSURE };
#define AKIN_MARK_KINDS 4
/* none, like, unlike, unsure; parse takes all but none. */
const char *akin_mark_name(enum akin_mark_kind kind);
akin_status akin_mark_parse(enum akin_mark_kind *out, const char *text, akin_error *err);

struct akin_mark {
    uint64_t key;
    enum akin_mark_kind kind;
    const char *by; /* borrowed */
    int64_t at_ms;
};
/* For a catalogue opened with MARK or WRITE, not in a transaction. Durable when it returns. NONE takes
 * the mark away: AKIN_ERR_NOT_FOUND where there is none. Waits up to ten seconds for other writers. */
akin_status akin_catalog_mark(akin_catalog *catalog, const char *set, const struct akin_mark *mark,
                              akin_error *err);
/* Takes back the last change of a person in a set that was not taken back yet: *out has the tile and
 * what its mark is again (by is `by`). AKIN_ERR_NOT_FOUND where there is none. */
akin_status akin_catalog_mark_undo(akin_catalog *catalog, const char *set, const char *by,
                                   struct akin_mark *out, akin_error *err);
/* Every mark of the set that counts, by tile, then person; fn returns false to end. No marks of no set
 * are no error. */
typedef bool akin_mark_fn(void *user, const struct akin_mark *mark);
akin_status akin_catalog_marks(akin_catalog *catalog, const char *set, akin_mark_fn *fn, void *user,
                               akin_error *err);
/* Every set that has marks, by name, with how many of each kind. */
typedef bool akin_mark_set_fn(void *user, const char *set, const uint64_t counts[AKIN_MARK_KINDS]);
akin_status akin_catalog_mark_sets(akin_catalog *catalog, akin_mark_set_fn *fn, void *user,
                                   akin_error *err);

/* ---- verify ---- */

/* SQLite's integrity and foreign-key checks and this schema's own rules; each fault is told to
 * `fault` in a sentence. */
akin_status akin_catalog_verify(akin_catalog *catalog, akin_fault_fn *fault, void *user,
                                akin_error *err);

#pragma GCC visibility pop

#endif
