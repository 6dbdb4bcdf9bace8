/*
 * The trained encoder inside: a net that learnt on the collection, beside the instant encoder that
 * was there before. Neither is enough alone (docs/MODEL.md): hand-made features know colour and
 * texture, the net knows what is alike under other light and from another side.
 *
 *   input (px, px, bands) u8
 *     -> normalised -> net -> pooled maps of stages 2 to 4 (map_features.h) -> PCA, half-whitened, unit
 *     -> area average to the instant encoder's size -> instant vector -> PCA, unit
 *     -> both side by side, weighted, unit
 *
 * The two parts stay apart in the vector: each can be looked at alone, and their cosines add up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_TRAINED_H
#define MODEL_TRAINED_H

#include "akin/model.h"
#include "augment.h"
#include "instant.h"
#include "map_features.h"
#include "model_kind.h"
#include "net.h"
#include "pca.h"

#define TRAINED_NET_DIM 128
#define TRAINED_INSTANT_DIM 128

/* One block of floats, and where its parts begin, in the order of the file. */
struct trained {
    struct arch_table table;
    uint32_t px; /* of a side, to encode at; the net learnt at train_px */
    uint32_t train_px, epochs;
    struct akin_instant_options instant_options;
    struct instant *instant; /* owned; its weights are part of the block */
    float *weights;          /* owned */
    size_t weight_count;
    float *mean, *scale; /* (bands): the net's normalisation */
    float *parameters;   /* (encoder part of the table), as trained */
    float *statistics;
    struct pca net_pca;     /* features -> TRAINED_NET_DIM */
    struct pca instant_pca; /* the instant encoder's -> TRAINED_INSTANT_DIM */
    float *part_weight;     /* (2): of instant and net in the whole */
    float *agreement;       /* (3): of neighbours under turns: instant, net, both; for the card */
    struct model_precision precision; /* of the net; no part of the block */
};

/* Of zeros, to be fitted or read into; options are checked. */
akin_status trained_create(struct trained **out, enum arch_preset preset, uint32_t px,
                           uint32_t train_px, uint32_t epochs,
                           const struct akin_instant_options *instant, akin_error *err);
void trained_free(struct trained *trained);
/* Floats of the table that are kept: all but the head's. */
size_t trained_parameter_count(const struct arch_table *table);
size_t trained_statistic_count(const struct arch_table *table);

/* One thread's memory: a net over folded weights, and the instant encoder's scratch. */
struct trained_scratch;
akin_status trained_scratch_create(struct trained_scratch **out, const struct trained *trained,
                                   akin_error *err);
void trained_scratch_free(struct trained_scratch *scratch);
/* What each convolution of the net reaches on n tiles, calculated in floats: ranges
 * (net_range_count) become the larger of themselves and that. */
akin_status trained_measure_ranges(const struct trained *trained, size_t n,
                                   const uint8_t *const *inputs, float *ranges, akin_error *err);
#define TRAINED_BATCH_MAX 64
/* Tiles of a forward pass at most: two bundles where this CPU has them. */
uint32_t trained_batch(void);
/* n <= trained_batch tiles, turned by d4: pooled features (n, map_features_size) and instant vectors (n,
 * instant dim) as they are before their PCA; there[i] false, and zeros, where nothing was there. */
akin_status trained_features(const struct trained *trained, struct trained_scratch *scratch,
                             size_t n, const uint8_t *const *inputs, const uint8_t *const *filled,
                             unsigned d4, float *net, float *instant, bool *there, akin_error *err);
/* From both to the unit vector (dim); uses them up. parts: which of them, 1 = instant, 2 = net. */
void trained_project(const struct trained *trained, float *net, float *instant, unsigned parts,
                     float *out);

/* Where inside a tile (akin_encoder_cells): a grid of side x side cells, that of stage 3's map. */
uint32_t trained_cells_side(const struct trained_scratch *scratch);
/* The net's maps of one tile pooled over the window of 3 x 3 cells around each cell, in the net's
 * part of a unit vector (side, side, dim) whose instant part is zero; zeros where nothing was there.
 * features (map_features_size) is scratch. */
akin_status trained_cells(const struct trained *trained, struct trained_scratch *scratch,
                          const uint8_t *input, const uint8_t *filled, float *features, float *out,
                          akin_error *err);

#endif
