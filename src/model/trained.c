/*
 * The trained encoder: its block of weights, and a tile's way through net and instant encoder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trained.h"

#include <string.h>

#include "akin/vec.h"

#define HISTOGRAM_WEIGHT 1.4f

/* ---- the block ---- */

static size_t end_of_encoder(const struct arch_table *table, bool statistics)
{
    size_t end = 0;
    for (size_t t = 0; t < table->count; t++) {
        const struct arch_tensor *tensor = &table->tensors[t];
        bool counted = tensor->role == ARCH_MEAN || tensor->role == ARCH_VARIANCE;
        if (tensor->head || counted != statistics)
            continue;
        end = tensor->offset + tensor->count;
    }
    return (end + 15) / 16 * 16;
}

size_t trained_parameter_count(const struct arch_table *table)
{
    return end_of_encoder(table, false);
}

size_t trained_statistic_count(const struct arch_table *table)
{
    return end_of_encoder(table, true);
}

static float *take(float *block, size_t *used, size_t count)
{
    float *at = block ? block + *used : NULL;
    *used += (count + 15) / 16 * 16;
    return at;
}

/* Returns the size; with block NULL only that. */
static size_t lay_out(struct trained *trained, float *block)
{
    size_t used = 0, bands = trained->table.arch.bands;
    struct pca *const pcas[2] = {&trained->net_pca, &trained->instant_pca};
    trained->mean = take(block, &used, bands);
    trained->scale = take(block, &used, bands);
    trained->parameters = take(block, &used, trained_parameter_count(&trained->table));
    trained->statistics = take(block, &used, trained_statistic_count(&trained->table));
    for (int i = 0; i < 2; i++) {
        pcas[i]->mean = take(block, &used, pcas[i]->in);
        pcas[i]->basis = take(block, &used, (size_t)pcas[i]->in * pcas[i]->out);
    }
    trained->part_weight = take(block, &used, 2);
    trained->agreement = take(block, &used, 3);
    float *instant = take(block, &used, trained->instant->weight_count);
    if (block)
        instant_place(trained->instant, instant);
    return used;
}

akin_status trained_create(struct trained **out, enum arch_preset preset, uint32_t px,
                           uint32_t train_px, uint32_t epochs,
                           const struct akin_instant_options *instant, akin_error *err)
{
    struct arch arch;
    if (preset >= ARCH_PRESETS || px % 16 || px < 32 || px > 384)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "preset %u and input %u are not of a trained encoder",
                              (unsigned)preset, px);
    akin_status status = arch_init(&arch, arch_name(preset), instant->bands, err);
    if (status != AKIN_OK)
        return status;
    struct trained *trained = akin_alloc_zero(1, sizeof *trained);
    if (!trained)
        return akin_error_memory(err, sizeof *trained, "an encoder");
    arch_table_init(&trained->table, &arch);
    trained->px = px;
    trained->train_px = train_px;
    trained->epochs = epochs;
    trained->precision.range_count = net_range_count(&trained->table);
    trained->instant_options = *instant;
    status = instant_create(&trained->instant, instant, err);
    if (status == AKIN_OK) {
        uint32_t dim = trained->instant->rcf.out + trained->instant->histogram.out;
        trained->net_pca.in = (uint32_t)map_features_size(&arch);
        trained->net_pca.out = TRAINED_NET_DIM;
        trained->instant_pca.in = dim;
        trained->instant_pca.out = dim < TRAINED_INSTANT_DIM ? dim : TRAINED_INSTANT_DIM;
        trained->weight_count = lay_out(trained, NULL);
        trained->weights = akin_alloc_zero(trained->weight_count, sizeof(float));
        if (!trained->weights)
            status = akin_error_memory(err, trained->weight_count * sizeof(float), "an encoder");
    }
    if (status != AKIN_OK) {
        trained_free(trained);
        return status;
    }
    lay_out(trained, trained->weights);
    *out = trained;
    return AKIN_OK;
}

void trained_free(struct trained *trained)
{
    if (!trained)
        return;
    instant_free(trained->instant);
    akin_free(trained->weights);
    akin_free(trained);
}

/* ---- a thread's memory ---- */

struct trained_scratch {
    struct net net;
    float *folded;
    float *maps;          /* map_features_pool's */
    void *instant_memory; /* instant_scratch_init's */
    struct instant_scratch instant;
    struct akin_scaling identity;
    uint8_t *turned, *turned_mask; /* (px, px, bands), (px, px) */
    uint8_t *small, *small_mask;   /* at the instant encoder's size */
    struct augment_normal normal;
};

static akin_status create_net(struct trained_scratch *scratch, const struct trained *trained,
                              float *measured, akin_error *err)
{
    /* Ranges are measured in floats. */
    const enum akin_precision precision =
        precision_resolve(measured ? AKIN_PRECISION_AUTO : trained->precision.chosen);
    const struct graph_options options = {
        .batch = trained_batch(),
        /* The stem of a net in 8 bits is in floats: of bf16 where bundles make that fast. */
        .dtype = precision == AKIN_PRECISION_BF16 ||
                         (precision == AKIN_PRECISION_INT8 && graph_bundles(GRAPH_BF16))
                     ? GRAPH_BF16
                     : GRAPH_F32,
        .parameters = scratch->folded};
    net_fold(&trained->table, trained->parameters, trained->statistics, scratch->folded);
    if (precision == AKIN_PRECISION_INT8)
        return net_create_int8(&scratch->net, &trained->table, trained->px, &options,
                               trained->precision.range, err);
    return net_create_folded(&scratch->net, &trained->table, trained->px, &options, measured, err);
}

static akin_status create_scratch(struct trained_scratch **out, const struct trained *trained,
                                  float *measured, akin_error *err)
{
    const struct arch_table *table = &trained->table;
    const size_t pixels = (size_t)trained->px * trained->px, bands = table->arch.bands;
    const size_t small =
        (size_t)trained->instant_options.input_px * trained->instant_options.input_px;
    struct trained_scratch *scratch = akin_alloc_zero(1, sizeof *scratch);
    if (!scratch)
        return akin_error_memory(err, sizeof *scratch, "an encoder's scratch");
    akin_status status = AKIN_OK;
    scratch->folded = akin_alloc_zero(table->parameter_count, sizeof(float));
    scratch->maps = akin_alloc(map_features_scratch(&table->arch, trained->px), sizeof(float));
    scratch->instant_memory = akin_alloc(instant_scratch_bytes(trained->instant), 1);
    scratch->turned = akin_alloc(pixels, bands + 1);
    scratch->small = akin_alloc(small, bands + 1);
    if (!scratch->folded || !scratch->maps || !scratch->instant_memory || !scratch->turned ||
        !scratch->small) {
        status = akin_error_memory(err, pixels * bands, "an encoder's scratch");
        goto out;
    }
    scratch->turned_mask = scratch->turned + pixels * bands;
    scratch->small_mask = scratch->small + small * bands;
    instant_scratch_init(&scratch->instant, trained->instant, scratch->instant_memory);
    akin_scaling_identity(&scratch->identity, (uint32_t)bands);
    memcpy(scratch->normal.mean, trained->mean, bands * sizeof(float));
    memcpy(scratch->normal.scale, trained->scale, bands * sizeof(float));
    status = create_net(scratch, trained, measured, err);
out:
    if (status == AKIN_OK)
        *out = scratch;
    else
        trained_scratch_free(scratch);
    return status;
}

akin_status trained_scratch_create(struct trained_scratch **out, const struct trained *trained,
                                   akin_error *err)
{
    return create_scratch(out, trained, NULL, err);
}

void trained_scratch_free(struct trained_scratch *scratch)
{
    if (!scratch)
        return;
    net_fini(&scratch->net);
    akin_free(scratch->folded);
    akin_free(scratch->maps);
    akin_free(scratch->instant_memory);
    akin_free(scratch->turned);
    akin_free(scratch->small);
    akin_free(scratch);
}

/* ---- features ---- */

/* The tile at the instant encoder's size, by area average. */
static akin_status shrink(const struct trained *trained, struct trained_scratch *scratch,
                          const uint8_t *input, const uint8_t *mask, akin_error *err)
{
    const uint32_t bands = trained->table.arch.bands;
    const struct akin_raster raster = {.width = trained->px,
                                       .height = trained->px,
                                       .bands = bands,
                                       .dtype = AKIN_U8,
                                       .pixels = (void *)input,
                                       .valid = (uint8_t *)mask};
    return akin_tile_input(&raster, &scratch->identity, trained->instant_options.input_px,
                           scratch->small, scratch->small_mask, err);
}

uint32_t trained_batch(void)
{
    return graph_bundles(GRAPH_BF16) ? TRAINED_BATCH_MAX : 16;
}

/* The last bundle is filled up with the last tile, and so is a batch without bundles. */
static akin_status forward(const struct trained *trained, struct trained_scratch *scratch, size_t n,
                           const uint8_t *const *inputs, unsigned d4, akin_error *err)
{
    const uint32_t px = trained->px, bands = trained->table.arch.bands;
    float *x = graph_data(scratch->net.graph, scratch->net.input);
    size_t all = (n + AKIN_BUNDLE - 1) / AKIN_BUNDLE * AKIN_BUNDLE;
    all = all < trained_batch() ? all : trained_batch();
    graph_set_images(scratch->net.graph, (uint32_t)all);
    for (size_t i = 0; i < all; i++)
        augment_plain(&scratch->normal, inputs[i < n ? i : n - 1], px, bands, px, d4,
                      x + i * px * px * bands);
    return graph_forward(scratch->net.graph, err);
}

akin_status trained_measure_ranges(const struct trained *trained, size_t n,
                                   const uint8_t *const *inputs, float *ranges, akin_error *err)
{
    struct trained_scratch *scratch = NULL;
    const size_t batch = trained_batch();
    akin_status status = create_scratch(&scratch, trained, ranges, err);
    for (size_t i = 0; i < n && status == AKIN_OK; i += batch)
        status = forward(trained, scratch, n - i < batch ? n - i : batch, inputs + i, 0, err);
    trained_scratch_free(scratch);
    return status;
}

/* Histograms count for more beside a net, which is good at what random filters see. */
static void instant_vector(const struct trained *trained, struct trained_scratch *scratch,
                           float *out)
{
    instant_project(trained->instant, scratch->instant.rcf, scratch->instant.histogram, out);
    for (uint32_t i = trained->instant->rcf.out; i < trained->instant_pca.in; i++)
        out[i] *= HISTOGRAM_WEIGHT;
    akin_normalize(out, trained->instant_pca.in);
}

akin_status trained_features(const struct trained *trained, struct trained_scratch *scratch,
                             size_t n, const uint8_t *const *inputs, const uint8_t *const *filled,
                             unsigned d4, float *net, float *instant, bool *there, akin_error *err)
{
    const struct arch *arch = &trained->table.arch;
    const size_t net_size = map_features_size(arch), instant_size = trained->instant_pca.in;
    akin_status status = forward(trained, scratch, n, inputs, d4, err);
    for (size_t i = 0; i < n && status == AKIN_OK; i++) {
        const uint8_t *input = inputs[i], *mask = filled[i];
        if (d4 && mask) {
            akin_tile_turn(scratch->turned_mask, mask, trained->px, 1, d4);
            mask = scratch->turned_mask;
        }
        if (d4) {
            akin_tile_turn(scratch->turned, input, trained->px, arch->bands, d4);
            input = scratch->turned;
        }
        there[i] = map_features_pool(&scratch->net, arch, trained->px, i, mask, scratch->maps,
                                     net + i * net_size);
        status = shrink(trained, scratch, input, mask, err);
        if (status != AKIN_OK)
            break;
        there[i] &= instant_features(trained->instant, &scratch->instant, scratch->small,
                                     mask ? scratch->small_mask : NULL, scratch->instant.rcf,
                                     scratch->instant.histogram);
        if (there[i])
            instant_vector(trained, scratch, instant + i * instant_size);
        else
            memset(instant + i * instant_size, 0, instant_size * sizeof *instant);
    }
    return status;
}

void trained_project(const struct trained *trained, float *net, float *instant, unsigned parts,
                     float *out)
{
    const uint32_t first = trained->instant_pca.out, second = trained->net_pca.out;
    pca_apply(&trained->instant_pca, instant, out);
    pca_apply(&trained->net_pca, net, out + first);
    akin_normalize(out, first);
    akin_normalize(out + first, second);
    for (uint32_t i = 0; i < first + second; i++)
        out[i] *= !(parts & (i < first ? 1u : 2u)) ? 0 : trained->part_weight[i >= first];
    akin_normalize(out, first + second);
}

/* ---- where inside a tile ---- */

#define CELLS_STAGE 2 /* whose map's grid the cells are: stage 3's */

uint32_t trained_cells_side(const struct trained_scratch *scratch)
{
    uint32_t channels, side;
    graph_map_size(scratch->net.graph, scratch->net.stage[CELLS_STAGE], &channels, &side);
    return side;
}

/* What is there in the window of 3 x 3 cells around a cell, as a mask of the tile: pooled by it, each
 * map counts as far as its cells lie in the window, whatever their size. */
static void mask_window(uint8_t *mask, const uint8_t *filled, size_t px, size_t side, size_t row,
                        size_t column)
{
    const size_t top = (row ? row - 1 : 0) * px / side,
                 left = (column ? column - 1 : 0) * px / side;
    const size_t bottom = (row + 2 < side ? row + 2 : side) * px / side;
    const size_t right = (column + 2 < side ? column + 2 : side) * px / side;
    memset(mask, 0, px * px);
    for (size_t y = top; y < bottom; y++) {
        if (filled)
            memcpy(mask + y * px + left, filled + y * px + left, right - left);
        else
            memset(mask + y * px + left, 1, right - left);
    }
}

akin_status trained_cells(const struct trained *trained, struct trained_scratch *scratch,
                          const uint8_t *input, const uint8_t *filled, float *features, float *out,
                          akin_error *err)
{
    const uint32_t side = trained_cells_side(scratch), first = trained->instant_pca.out;
    const uint32_t second = trained->net_pca.out;
    uint8_t *mask = scratch->turned_mask;
    akin_status status = forward(trained, scratch, 1, &input, 0, err);
    if (status != AKIN_OK)
        return status;
    memset(out, 0, (size_t)side * side * (first + second) * sizeof *out);
    for (size_t i = 0; i < (size_t)side * side; i++, out += first + second) {
        mask_window(mask, filled, trained->px, side, i / side, i % side);
        if (!map_features_pool(&scratch->net, &trained->table.arch, trained->px, 0, mask,
                               scratch->maps, features))
            continue;
        pca_apply(&trained->net_pca, features, out + first);
        akin_normalize(out + first, second);
    }
    return AKIN_OK;
}
