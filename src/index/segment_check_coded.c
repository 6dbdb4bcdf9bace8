/*
 * Verifying codes: those of a sample of blocks are made again, and their rows assigned again. A row may lie
 * in a list that is not its nearest (lists that were split took none of their neighbours' rows), but few do
 * by much.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "segment_check.h"

#define SAMPLE_BLOCKS 512u
#define NEAR 0.004f /* two f16 this close are neighbours, or the same */
#define FAR 1.2 /* a list this much further than the nearest, by squared distance, is another's */
#define FAR_FEW 64  /* rows of other lists' that are no fault, ... */
#define FAR_SHARE 4 /* ... nor is 1 of so many */

struct sample_check {
    struct segment_check *check;
    const struct epoch *epoch;
    uint8_t *block;
    float *scratch, *rotated, *centroid; /* 3 * wide; (AKIN_CODE_ROWS, wide); wide */
    float *wide;                         /* dim */
    size_t rows, far_rows;
};

static float distance2(const struct sample_check *sample, uint32_t list, const float *rotated)
{
    epoch_centroid(sample->epoch, list, sample->centroid);
    return akin_kernels()->squared_distance(rotated, sample->centroid, sample->epoch->shape.wide);
}

/* Rows [first, first + rows) of `list`: whether they belong there. */
static akin_status check_lists(struct sample_check *sample, uint32_t list, size_t first,
                               size_t rows, akin_error *err)
{
    const struct epoch *epoch = sample->epoch;
    uint32_t nearest[AKIN_CODE_ROWS];
    for (size_t i = 0; i < rows; i++) {
        akin_kernels()->f32_from_f16(
            sample->wide, sample->check->segment->vectors + (first + i) * epoch->dim, epoch->dim);
        rotation_apply(&epoch->rotation, sample->rotated + i * epoch->shape.wide, sample->wide);
    }
    akin_status status = epoch_assign(epoch, nearest, sample->rotated, rows, NULL, err);
    for (size_t i = 0; !status && i < rows; i++) {
        const float *rotated = sample->rotated + i * epoch->shape.wide;
        sample->far_rows += nearest[i] != list && distance2(sample, list, rotated) >
                                                      FAR * distance2(sample, nearest[i], rotated);
    }
    sample->rows += rows;
    return status;
}

static float value_of(akin_f16 half)
{
    float value;
    akin_kernels()->f32_from_f16(&value, &half, 1);
    return value;
}

/* Whether two codes are the same but for what another machine rounds otherwise: a dimension at the bound between two
 * levels, the last bit of a factor. */
static bool same_code(const struct code_shape *shape, const struct code_row *a,
                      const struct code_row *b)
{
    size_t other = 0;
    for (size_t p = 0; p < shape->nibbles; p++)
        other += a->nibbles[p] != b->nibbles[p];
    float f = value_of(a->factor), g = value_of(b->factor);
    float x = value_of(a->addend), y = value_of(b->addend);
    return other <= shape->nibbles / 64 && fabsf(f - g) <= NEAR * fabsf(f) &&
           fabsf(x - y) <= NEAR * (fabsf(x) + fabsf(f) * (float)shape->wide);
}

static akin_status check_block(struct sample_check *sample, uint32_t list, size_t block,
                               size_t first, size_t rows, akin_error *err)
{
    struct segment_check *check = sample->check;
    const struct segment *segment = check->segment;
    const struct code_shape *shape = &sample->epoch->shape;
    const uint8_t *is = segment->coded.blocks + block * shape->block_bytes;
    struct code_row code, there;
    bool good = true;
    code_block_clear(shape, sample->block);
    for (size_t lane = 0; lane < rows; lane++) {
        epoch_encode(sample->epoch, &code, list, segment->vectors + (first + lane) * segment->dim,
                     sample->scratch, NULL);
        code_block_get(shape, is, lane, &there);
        good &= same_code(shape, &code, &there);
        code_block_put(shape, sample->block, lane, &there);
    }
    /* The rows' own lanes are equal now; the others must be clear. */
    if (!good || memcmp(sample->block, is, shape->block_bytes))
        segment_check_tell(check, "the codes of block %zu (list %u) are not those of its rows",
                           block, list);
    return check_lists(sample, list, first, rows, err);
}

static void check_zone(struct segment_check *check, size_t block, size_t first, size_t rows)
{
    const struct segment *segment = check->segment;
    struct zone zone;
    zone_init(&zone);
    for (size_t i = 0; i < rows; i++)
        zone_add(&zone, &segment->columns[first + i]);
    if (memcmp(&zone, &segment->coded.block_zones[block], sizeof zone))
        segment_check_tell(check, "the zone of codes' block %zu is not that of its rows", block);
}

static akin_status each_block(struct sample_check *sample, akin_error *err)
{
    const struct segment_lists *coded = &sample->check->segment->coded;
    size_t step = coded->block_count / SAMPLE_BLOCKS + 1;
    akin_status status = AKIN_OK;
    for (uint32_t list = 0; !status && list < coded->count; list++) {
        const struct list_entry *at = &coded->lists[list];
        for (size_t block = at[0].block; !status && block < at[1].block; block++) {
            size_t first = at[0].row + (block - at[0].block) * AKIN_CODE_ROWS;
            size_t left = at[1].row - first, rows = left < AKIN_CODE_ROWS ? left : AKIN_CODE_ROWS;
            check_zone(sample->check, block, first, rows);
            if (block % step == 0)
                status = check_block(sample, list, block, first, rows, err);
        }
    }
    return status;
}

akin_status segment_check_coded(struct segment_check *check, akin_error *err)
{
    const struct epoch *epoch = check->segment->coded.epoch;
    size_t wide = epoch->shape.wide;
    struct sample_check sample = {.check = check, .epoch = epoch, .wide = check->wide};
    akin_status status = AKIN_OK;
    sample.block = akin_alloc(1, epoch->shape.block_bytes);
    sample.scratch = akin_alloc(3 * wide, sizeof *sample.scratch);
    sample.rotated = akin_alloc(AKIN_CODE_ROWS * wide, sizeof *sample.rotated);
    sample.centroid = akin_alloc(wide, sizeof *sample.centroid);
    if (!sample.block || !sample.scratch || !sample.rotated || !sample.centroid)
        status = akin_error_memory(err, AKIN_CODE_ROWS * wide * sizeof(float), "verify");
    if (!status)
        status = each_block(&sample, err);
    if (!status && sample.far_rows > FAR_FEW && sample.far_rows > sample.rows / FAR_SHARE)
        segment_check_tell(check, "%zu of %zu rows lie in lists far from them", sample.far_rows,
                           sample.rows);
    akin_free(sample.block);
    akin_free(sample.scratch);
    akin_free(sample.rotated);
    akin_free(sample.centroid);
    return status;
}
