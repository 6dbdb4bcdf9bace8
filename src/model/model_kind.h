/*
 * What every kind of encoder is to the rest of this folder. A kind is its settings (sixteen
 * integers of its own) and one block of floats; it is registered in model_file.c and encodes through this
 * table, so that callers, files and cards are the same for all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_MODEL_KIND_H
#define MODEL_MODEL_KIND_H

#include "akin/model.h"

#define MODEL_SETTINGS 16 /* of which files of the instant encoder know the first eight */
#define MODEL_FILE_VERSION 1

/* The first 128 bytes of weights.bin, little-endian (docs/FORMATS.md); the floats follow. */
struct model_header {
    char magic[8]; /* "AKMODL\0\0" */
    uint32_t version, kind;
    uint32_t input_px, bands, dim;
    uint32_t weights_crc;
    uint64_t seed, fitted_tiles, weight_count;
    uint32_t settings[MODEL_SETTINGS];
    uint32_t reserved[1];
    uint32_t header_crc; /* of the 124 bytes before it */
};
_Static_assert(sizeof(struct model_header) == 128, "the header is stored as it is");

#define MODEL_RANGES_MAX 64
/* What precision.json says. */
struct model_precision {
    enum akin_precision chosen;
    bool decided; /* by a file or a caller; else AUTO */
    struct akin_calibration measured;
    size_t range_count; /* of the net */
    float range[MODEL_RANGES_MAX];
};

struct model_kind {
    const char *name;
    uint32_t code; /* in the file; never used again for another kind */
    /* State of zeros from a header, whose every field may be hostile. */
    akin_status (*create)(void **out, const struct model_header *header, akin_error *err);
    void (*free)(void *state);
    /* Input size, bands, dimension and settings into a header. */
    void (*describe)(const void *state, struct model_header *out);
    /* Options and references into the card, for people. */
    void (*card)(const void *state, akin_json *card);
    float *(*weights)(void *state, size_t *count); /* borrowed */
    /* May be NULL. More files of the encoder, in its folder beside weights.bin and card.json. Where
     * it cannot do without (load_extra), the file's checksum is kept among the settings, and the
     * encoder's fingerprint then covers those; load is called with the weights in place, and checks
     * all that it reads. Save alone writes what is for other tools. */
    akin_status (*load_extra)(void *state, const char *folder, akin_error *err);
    akin_status (*save_extra)(const void *state, const char *folder, akin_error *err);

    /* How many tiles a call of encode does best, >= 1. */
    uint32_t (*batch)(const void *state);
    /* One thread's memory; scratch_bytes is an estimate of it, for --ram. */
    akin_status (*scratch_create)(void **out, const void *state, akin_error *err);
    void (*scratch_free)(void *scratch); /* takes NULL */
    size_t (*scratch_bytes)(const void *state);
    /* NULL for a kind that only stands for one of elsewhere. n in 1..batch; inputs (n), filled (n) with NULL for a tile of which all is there: as
     * akin_encoder_run has them, but filled is never NULL itself. out (n, dim). What a tile gives
     * must not depend on the others. */
    akin_status (*encode)(const void *state, void *scratch, size_t n, const uint8_t *const *inputs,
                          const uint8_t *const *filled, float *out, akin_error *err);
    /* May be NULL: akin_encoder_cells of one tile; its rows and cols are the same for all tiles. */
    akin_status (*cells)(const void *state, void *scratch, const uint8_t *input,
                         const uint8_t *filled, uint32_t *rows, uint32_t *cols, float *cells,
                         akin_error *err);

    /* May be NULL: both, of a kind whose net can calculate in several precisions. The record is a part
     * of the state; ranges are measured by running n tiles in what floats the CPU has. */
    struct model_precision *(*precision)(void *state);
    akin_status (*measure_ranges)(const void *state, size_t n, const uint8_t *const *inputs,
                                  float *ranges, akin_error *err);
};

extern const struct model_kind instant_kind, trained_kind, brought_kind, imported_kind;

struct akin_model {
    struct akin_model_info info;
    const struct model_kind *kind;
    void *state; /* owned, freed by kind->free */
};

/* Takes over `state` when it works. Of `info` seed and fitted_tiles are used; the rest is asked of
 * the kind. */
akin_status model_create(akin_model **out, const char *name, const struct model_kind *kind,
                         void *state, const struct akin_model_info *info, akin_error *err);

/* ---- model_file.c ---- */

#define MODEL_WEIGHTS_NAME "weights.bin"
#define MODEL_CARD_NAME "card.json"
#define MODEL_PRECISION_NAME "precision.json"

/* DIR/models or DIR/models/NAME. */
akin_status model_folder(char *out, const char *dir, const char *name, akin_error *err);
/* Reads weights.bin of `folder` and checks it against card.json. */
akin_status model_load(akin_model **out, const char *folder, const char *name, akin_error *err);
/* The same from bytes; `what` names them in errors. */
akin_status model_parse(akin_model **out, const void *bytes, size_t size, const char *name,
                        const char *what, akin_error *err);

/* ---- precision.c ---- */

/* AUTO, and BF16 on a CPU without, become what there is. */
enum akin_precision precision_resolve(enum akin_precision chosen);
/* Reads precision.json of `folder`, where there is one and the kind knows of it. */
akin_status precision_load(akin_model *model, const char *folder, akin_error *err);

#endif
