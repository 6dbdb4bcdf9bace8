/*
 * Pooling of a net's maps over what was there of a tile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "map_features.h"

/* Of each stage: whether its mean and its deviation are taken. */
static const struct {
    bool mean, deviation;
} taken[ARCH_STAGES] = {{false, false}, {true, false}, {true, true}, {true, true}};

void map_features_taken(unsigned stage, bool *mean, bool *deviation)
{
    *mean = taken[stage].mean;
    *deviation = taken[stage].deviation;
}

size_t map_features_size(const struct arch *arch)
{
    size_t size = 0;
    for (unsigned s = 0; s < ARCH_STAGES; s++)
        size += (size_t)arch->width[s] * ((size_t)taken[s].mean + (size_t)taken[s].deviation);
    return size;
}

size_t map_features_scratch(const struct arch *arch, uint32_t px)
{
    size_t side = px / 4, most = 0; /* stem's stride 2, perhaps a pool's, a stage's */
    for (unsigned s = 1; s < ARCH_STAGES; s++, side = (side + 1) / 2)
        if (side * side * arch->width[s] > most)
            most = side * side * arch->width[s];
    return most;
}

/* The share of a cell's pixels that were there. */
static float share_there(const uint8_t *filled, uint32_t px, uint32_t side, uint32_t row,
                         uint32_t column)
{
    uint32_t top = row * px / side, bottom = (row + 1) * px / side, there = 0;
    uint32_t left = column * px / side, right = (column + 1) * px / side;
    for (uint32_t y = top; y < bottom; y++)
        for (uint32_t x = left; x < right; x++)
            there += filled[(size_t)y * px + x] != 0;
    return (float)there / (float)((bottom - top) * (right - left));
}

/* Weighted mean, and deviation where wanted, of a map (side, side, channels). */
static bool pool_map(const float *map, uint32_t side, uint32_t channels, const uint8_t *filled,
                     uint32_t px, float *mean, float *deviation)
{
    float total = 0;
    memset(mean, 0, channels * sizeof *mean);
    if (deviation)
        memset(deviation, 0, channels * sizeof *deviation);
    for (uint32_t row = 0; row < side; row++)
        for (uint32_t column = 0; column < side; column++, map += channels) {
            float weight = filled ? share_there(filled, px, side, row, column) : 1;
            total += weight;
            for (uint32_t c = 0; c < channels; c++)
                mean[c] += weight * map[c];
            for (uint32_t c = 0; c < channels && deviation; c++)
                deviation[c] += weight * map[c] * map[c];
        }
    if (total <= 0)
        return false;
    for (uint32_t c = 0; c < channels; c++) {
        mean[c] /= total;
        if (deviation) {
            float variance = deviation[c] / total - mean[c] * mean[c];
            deviation[c] = variance > 0 ? sqrtf(variance) : 0;
        }
    }
    return true;
}

bool map_features_pool(const struct net *net, const struct arch *arch, uint32_t px, size_t n,
                       const uint8_t *filled, float *scratch, float *out)
{
    bool there = true;
    for (unsigned s = 0; s < ARCH_STAGES; s++) {
        uint32_t channels, side;
        if (!taken[s].mean)
            continue;
        graph_map_size(net->graph, net->stage[s], &channels, &side);
        graph_read_map(net->graph, net->stage[s], n, scratch);
        float *deviation = taken[s].deviation ? out + channels : NULL;
        there &= pool_map(scratch, side, channels, filled, px, out, deviation);
        out += deviation ? 2 * (size_t)channels : channels;
    }
    if (!there)
        memset(out - map_features_size(arch), 0, map_features_size(arch) * sizeof *out);
    return there;
}
