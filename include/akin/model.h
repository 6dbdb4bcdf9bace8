/*
 * model: tiles become embeddings. One interface for every encoder,
 *     tiles (n, input_px, input_px, bands) u8  ->  unit vectors (n, dim) f32
 * and, so far, the instant one: random convolutional features and histograms of colour, gradient
 * and local pattern, no training, ready in seconds (docs/MODEL.md tells how a tile becomes a
 * vector).
 *
 * An encoder is data, in DIR/models/NAME: card.json (what it is, what it was fitted on) and
 * weights.bin (layout in docs/FORMATS.md). Those never change once written: a refit gets another
 * name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_MODEL_H
#define AKIN_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin/core.h"
#include "akin/tile.h"
#include "akin/vec.h"

#pragma GCC visibility push(default)

#define AKIN_DIM_MAX 4096

typedef struct akin_model akin_model;

struct akin_model_info {
    char name[AKIN_NAME_MAX];
    char kind[16]; /* "instant" */
    uint32_t bands, input_px;
    uint32_t dim;
    uint64_t seed;
    uint64_t fitted_tiles; /* on how many its statistics stand */
    uint32_t fingerprint;  /* CRC32C of the weights: an index says which encoder made it */
};

/* Opens DIR/models/NAME (dir is the collection). AKIN_ERR_NOT_FOUND lists the names there are;
 * AKIN_ERR_CORRUPT, AKIN_ERR_VERSION as files have it. Safe to encode with from several threads. */
akin_status akin_model_open(akin_model **out, const char *dir, const char *name, akin_error *err);
/* Writes card and weights, whole or not at all. AKIN_ERR_EXISTS where the name is taken. */
akin_status akin_model_save(const akin_model *model, const char *dir, akin_error *err);
void akin_model_free(akin_model *model);
const struct akin_model_info *akin_model_info(const akin_model *model); /* borrowed */
/* Whether a folder of this name holds a complete encoder. */
bool akin_model_exists(const char *dir, const char *name);
/* Names of the collection's encoders, sorted; freed with akin_names_free. */
akin_status akin_model_list(char ***out, size_t *count, const char *dir, akin_error *err);
/* A name that may be a folder: 1..63 of a-z A-Z 0-9 . _ -, not beginning with a dot, without
 * ".tmp-". */
akin_status akin_model_check_name(const char *name, akin_error *err);

/* Per-thread memory of an encoder: nothing is allocated while encoding. Borrows the model. */
typedef struct akin_encoder akin_encoder;
akin_status akin_encoder_create(akin_encoder **out, const akin_model *model, akin_error *err);
void akin_encoder_free(akin_encoder *encoder);
/* Any n, 0 too: inputs (n), each (input_px, input_px, bands) of this model, whatever the
 * collection's setting says; filled NULL or (n), each (input_px, input_px) or NULL: as
 * akin_tile_input gives them -> out (n, dim), unit length; all zeros for a tile about which nothing
 * can be said (never NaN). The result for one tile depends on nothing but the tile and the model.
 * Fails only where a library that does the arithmetic does; `out` is then of no use. */
akin_status akin_encoder_run(akin_encoder *encoder, size_t n, const uint8_t *const *inputs,
                             const uint8_t *const *filled, float *out, akin_error *err);
/* How many tiles a call does best: 1 for an encoder that gains nothing from more. */
uint32_t akin_encoder_batch(const akin_model *model);
/* About what one akin_encoder takes. */
size_t akin_encoder_bytes(const akin_model *model);

#define AKIN_CELLS_MAX 64 /* a side */
/* What there is where inside a tile: a grid of rows by cols cells over it (1..AKIN_CELLS_MAX, fixed
 * for a model), each with a vector that compares by cosine with those of whole tiles. cells (rows,
 * cols, dim), unit length, or zeros where nothing can be said; NULL to ask for the grid only (then
 * input may be NULL, too). AKIN_ERR_UNSUPPORTED for an encoder that cannot tell. */
akin_status akin_encoder_cells(akin_encoder *encoder, const uint8_t *input, const uint8_t *filled,
                               uint32_t *rows, uint32_t *cols, float *cells, akin_error *err);

/* One encoder for each thread of a pool (NULL: this thread), each made when it is first needed.
 * Borrows both. Run as akin_encoder_run, in parallel; one call at a time. */
typedef struct akin_encoder_pool akin_encoder_pool;
akin_status akin_encoder_pool_create(akin_encoder_pool **out, const akin_model *model,
                                     akin_pool *pool, akin_error *err);
void akin_encoder_pool_free(akin_encoder_pool *encoders);
akin_status akin_encoder_pool_run(akin_encoder_pool *encoders, size_t n,
                                  const uint8_t *const *inputs, const uint8_t *const *filled,
                                  float *out, akin_error *err);

/* ---- precision: what the net of a trained encoder calculates in ---- */

/*
 * The vectors change little with it (docs/MODEL.md), so that all precisions of an encoder share one
 * index and one fingerprint. It is kept in precision.json beside the weights, so that a question is
 * encoded as the index was; an encoder without that file takes AUTO. Kinds without a net of our own
 * know AUTO and F32 only, which are the same for them.
 */
enum akin_precision {
    AKIN_PRECISION_AUTO, /* bf16 where the CPU has instructions for it, else f32 */
    AKIN_PRECISION_F32,
    AKIN_PRECISION_BF16, /* f32 where a collection is opened on a CPU without */
    AKIN_PRECISION_INT8, /* by ranges that akin_model_calibrate measured; on every CPU */
    AKIN_PRECISIONS
};
const char *akin_precision_name(enum akin_precision precision); /* auto, f32, bf16, int8 */
/* AKIN_ERR_INVALID names `what` and the choices. */
akin_status akin_precision_parse(enum akin_precision *out, const char *text, const char *what,
                                 akin_error *err);

#define AKIN_CALIBRATION_TILES 1024 /* enough */
#define AKIN_CALIBRATION_TILES_MIN 64
#define AKIN_CALIBRATION_RECALL 0.97 /* int8 has to keep as much */
struct akin_calibration {
    uint64_t tiles; /* 0 = none was done */
    double recall;  /* share of a tile's 10 nearest that are the same in int8 */
    double cosine;  /* mean, of a tile's two vectors */
};

/* What encoders that are made of the model from now on calculate in: never AUTO. */
enum akin_precision akin_model_precision(const akin_model *model);
/* Whether it is worth calibrating: int8 is faster on this CPU (AVX2 and better), and neither was a
 * precision chosen nor a calibration done before. */
bool akin_model_precision_open(const akin_model *model);
void akin_model_calibration(struct akin_calibration *out, const akin_model *model);
/* For encoders made from now on; nobody else may be using the model. AKIN_ERR_UNSUPPORTED for what
 * the kind or (bf16) this CPU has not; AKIN_ERR_INVALID for int8 that was not calibrated, or does not
 * keep the recall. */
akin_status akin_model_set_precision(akin_model *model, enum akin_precision precision,
                                     akin_error *err);
/* Measures what int8 needs on n tiles, as akin_encoder_run has them, at least
 * AKIN_CALIBRATION_TILES_MIN: ranges on the first half, recall on all. Its precision stays. Nobody
 * else may be using the model. AKIN_ERR_UNSUPPORTED for a kind without a net. */
akin_status akin_model_calibrate(akin_model *model, size_t n, const uint8_t *const *inputs,
                                 const uint8_t *const *filled, akin_pool *pool, akin_error *err);
/* Writes DIR/models/NAME/precision.json of a model that is saved there. */
akin_status akin_model_save_precision(const akin_model *model, const char *dir, akin_error *err);

/* ---- the instant encoder ---- */

struct akin_instant_options {
    uint32_t input_px; /* 16..512 */
    uint32_t bands;    /* 1..AKIN_BANDS_MAX; of more than 4 their first 4 principal axes are used */
    uint64_t seed;     /* default 1 */
    uint32_t filters;  /* 16..1024, a multiple of 16; default 256 */
    uint32_t patch_px; /* 3..9; default 5 */
    uint32_t rcf_dim;  /* default 128 */
    uint32_t histogram_dim; /* default 96 */
    /* of whitening, 0..1; default 0.5: components are divided by eigenvalue^(power/2) */
    double power;
};
void akin_instant_options_default(struct akin_instant_options *out, uint32_t input_px,
                                  uint32_t bands);

#define AKIN_INSTANT_FIT_TILES 4096 /* enough: what ingest gathers before it fits */

/*
 * Fits on n tiles, 1..65536: inputs[i] and filled[i] (entry or array may be NULL) as
 * akin_tile_input gives them. Few tiles are made more by flips, turns and crops, so that the
 * statistics have full rank. Deterministic: depends on the tiles, their order and the seed only,
 * not on threads. embeddings, if not NULL, is (n, dim) and receives what akin_encoder_run would
 * give for the same tiles, bit for bit, at no further cost (the features are there already).
 * Sources: Rolf et al. 2021 (MOSAIKS, random convolutional features); Coates and Ng 2012
 * (ZCA-whitened patches); Jegou and Chum 2012 (whitening by a power), Ojala et al. 2002 (local
 * binary patterns).
 */
akin_status akin_instant_fit(akin_model **out, const char *name,
                             const struct akin_instant_options *options, size_t n,
                             const uint8_t *const *inputs, const uint8_t *const *filled,
                             float *embeddings, akin_pool *pool, const struct akin_talk *talk,
                             akin_error *err);

/* ---- brought encoders: any ONNX file ---- */

/*
 * What an .onnx file does not say. Each field that is left at its default is looked up in the JSON
 * card beside the file (a.json beside a.onnx: {"input": "pixels", "output": "features", "layout":
 * "nchw", "pooling": "cls", "input_px": 224, "scale": 1, "mean": [0.485, 0.456, 0.406], "std":
 * [0.229, 0.224, 0.225]}, each key optional, others ignored) and then in the file itself.
 */
struct akin_onnx_options {
    /* Names. Default: the first input that is an image; the first output that is one vector a tile,
     * else a map, else tokens. */
    const char *input, *output;
    const char *layout; /* auto (default), nchw, nhwc */
    /* none: one vector a tile, or anything flattened; mean: of a map's cells, or of all tokens; cls:
     * the first token; patches-mean: the mean of the others. auto (default): none, mean or, for
     * tokens that are one more than a square, cls. */
    const char *pooling;
    uint32_t input_px; /* 1..1024; 0 = what the file says */
    /* Of the collection, 1..AKIN_BANDS_MAX; 0 = the network's channels. One band is given to every
     * channel; of more bands than channels the first are used. */
    uint32_t bands;
    double scale; /* a white pixel, before mean and std: 1 or 255; 0 = the card's, else 1 */
    /* (value - mean) / std, in units of scale; 1 number for all channels, or one each; count 0 = the
     * card's, else 0 and 1. */
    uint32_t mean_count, std_count;
    double mean[AKIN_BANDS_MAX], std[AKIN_BANDS_MAX];
    /* ONNX Runtime's library. NULL: the variable AKIN_ONNXRUNTIME, else where it is usually
     * installed, npm's onnxruntime-node below the working folder included. */
    const char *library;
};
void akin_onnx_options_default(struct akin_onnx_options *out);

/* An encoder out of an .onnx file, which is copied into the collection by akin_model_save and may
 * not change before. Runs it once, on a black tile, to see what comes out. A plain convolutional
 * network runs on akin's own engine, any other by ONNX Runtime: AKIN_ERR_NOT_FOUND with the install
 * command where there is none, or no such file; AKIN_ERR_INVALID names the
 * option, the choices, and what the file has; AKIN_ERR_CORRUPT for what is no ONNX file. Options may
 * be NULL. What akin_model_open opens later finds the library by AKIN_ONNXRUNTIME or where it is
 * usually installed. */
akin_status akin_model_import_onnx(akin_model **out, const char *name, const char *onnx_path,
                                   const struct akin_onnx_options *options, akin_error *err);

/* ---- vectors made elsewhere ---- */

/* Stands for an encoder that akin has not: it has a name and a dimension (1..AKIN_DIM_MAX), of no
 * bands and no size, and encodes nothing (AKIN_ERR_UNSUPPORTED). */
akin_status akin_model_create_imported(akin_model **out, const char *name, uint32_t dim,
                                       akin_error *err);
/* False for one of those. */
bool akin_model_encodes(const akin_model *model);

/* ---- learning without labels ---- */

/* What a trainer reads. `get` is called from the trainer's threads, one call a worker at a time. */
struct akin_train_tiles {
    size_t count;
    uint32_t side_px, bands;
    /* Tile `index` as (side_px, side_px, bands), and in *filled (unless that is NULL) its mask or
     * NULL, as akin_tile_input gives both; borrowed until the same worker's next call. NULL where it
     * cannot be read: it is counted, and another is drawn in its place. */
    const uint8_t *(*get)(void *user, size_t index, unsigned worker, const uint8_t **filled);
    /* The tile whose view is the other half of index's pair: another date of the same place, or
     * index itself. NULL = always itself. `draw` is random. */
    size_t (*partner)(void *user, size_t index, uint64_t draw);
    void *user;
    /* (count, instant_dim) unit vectors of the instant encoder, by which sampling is balanced; NULL
     * = every tile once an epoch. Only looked at while the trainer is made. */
    const float *instant;
    size_t instant_dim;
};

struct akin_train_options {
    const char *preset;    /* r10h (default), r18h, r18 */
    uint32_t input_px;     /* 64 (default), 96, 128: what the net sees of a tile */
    uint32_t epochs;       /* 1..100,000: how long the schedule is */
    uint32_t batch;        /* tiles a step, 4..4096; default 128; never more than there are tiles */
    unsigned replicas;     /* threads, each with a part of the batch; default akin_cpu_count() */
    uint64_t seed;         /* default 1 */
    const char *loss;      /* ntxent (default), dcl, vicreg */
    const char *optimiser; /* adamw (default), sgd */
    double temperature;    /* of ntxent and dcl: default 0.2 */
    double rate;           /* highest learning rate; 0 = the optimiser's default */
    double weight_decay;   /* default 0.01 */
    double crop_min;       /* smallest share of a tile's area in a view, 0.05..1; default 0.35 */
    double balance;        /* 0 = none, 1 = every kind of tile equally often; default 0.5 */
};
void akin_train_options_default(struct akin_train_options *out);

struct akin_train_epoch {
    uint32_t epoch, epochs; /* done, of all */
    double loss;            /* mean over the epoch */
    double rate;            /* learning rate at its end */
    double views_per_s, seconds;
    uint64_t tiles_unread; /* that `get` could not give */
    /* Of the last batch: see Wang and Isola, ICML 2020. A collapse is a spread below 0.1, or views of
     * one tile that are no more alike than those of two. */
    double alignment, uniformity, spread, effective_rank;
    bool collapsed;
};

typedef struct akin_trainer akin_trainer;

/* A net of random weights, or (akin_trainer_load) one that goes on. `tiles` is borrowed as long as
 * the trainer lives. SimCLR (Chen et al., ICML 2020): two views of each tile, each other tile of the
 * batch a counter-example. The result depends on tiles, options and seed and on the number of
 * replicas, and on nothing else. AKIN_ERR_INVALID names the option, or says that there are too few
 * tiles (fewer than 4); AKIN_ERR_NO_MEMORY. */
akin_status akin_trainer_create(akin_trainer **out, const struct akin_train_tiles *tiles,
                                const struct akin_train_options *options, akin_error *err);
void akin_trainer_free(akin_trainer *trainer);
/* Instead of random weights those of a .safetensors file, before the first step: of an encoder that
 * learnt elsewhere (weights.safetensors beside it), or of any ResNet of a preset's shape under
 * torchvision's names; tensors of no backbone's are passed over. The projection head begins at
 * random. AKIN_ERR_CORRUPT for what is no such file, or has numbers that are not finite;
 * AKIN_ERR_INVALID names the layer that does not fit. The trainer is as before where it fails. */
akin_status akin_trainer_load_weights(akin_trainer *trainer, const char *path, akin_error *err);
/* The preset whose net has the weights of a file; AKIN_ERR_INVALID says why none has. */
akin_status akin_weights_preset(const char **out, const char *path, uint32_t bands,
                                akin_error *err);
/* What training takes: nets, activations, moments; without the tiles. */
size_t akin_trainer_bytes(const akin_trainer *trainer);
/* Learns to the end of the epoch it is in. AKIN_ERR_CANCELLED when told to stop: it has finished its
 * step, can be saved, and goes on from there. AKIN_ERR_INVALID where the loss is not a number; after
 * this and any other failure it can neither be saved nor go on until a checkpoint is loaded. */
akin_status akin_trainer_epoch(akin_trainer *trainer, struct akin_train_epoch *report,
                               const struct akin_talk *talk, akin_error *err);
bool akin_trainer_done(const akin_trainer *trainer);
/* Times a step, forward and backward, without learning from it: for plans. */
akin_status akin_trainer_measure(akin_trainer *trainer, double *seconds, akin_error *err);
uint64_t akin_trainer_steps(const akin_trainer *trainer); /* an epoch */
/* An encoder of what has been learnt so far: the net's pooled maps beside the instant encoder's
 * vector, both reduced by principal components that are fitted on a sample of the tiles (at most
 * 8,192), 256 dimensions in all; its input is side_px wide. `instant` is copied. The card says how
 * well each part keeps a tile's neighbours when the tile is turned. */
akin_status akin_trainer_encoder(akin_model **out, const akin_trainer *trainer,
                                 const akin_model *instant, const char *name,
                                 const struct akin_talk *talk, akin_error *err);
/* How much of their 10 nearest neighbours tiles keep when they are turned, 0..1, by the instant part,
 * the net's and both together; as the card says. False for an encoder that did not learn here. */
bool akin_model_kept(const akin_model *model, double *instant, double *net, double *both);
/* A checkpoint (docs/FORMATS.md), written whole or not at all. */
akin_status akin_trainer_save(const akin_trainer *trainer, const char *path, akin_error *err);
/* Into a trainer of the same tiles and options: AKIN_ERR_CORRUPT, AKIN_ERR_VERSION, AKIN_ERR_INVALID
 * where it is of other ones (says which). The trainer is as before where it fails. */
akin_status akin_trainer_load(akin_trainer *trainer, const char *path, akin_error *err);
/* How many epochs the schedule of a checkpoint has. */
akin_status akin_checkpoint_epochs(uint32_t *out, const char *path, akin_error *err);

#pragma GCC visibility pop

#endif
