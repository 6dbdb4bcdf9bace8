/*
 * Writing and opening epochs. An epoch decides where every row of its segments is looked for, so all
 * of it is read and checked when it is opened: checksums, and that the numbers agree with each
 * other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "epoch_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

akin_status epoch_path(char *out, const char *dir, uint64_t id, akin_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "epoch-%" PRIu64 ".ep", id);
    return akin_path_join(out, dir, name, err);
}

void epoch_layout(struct epoch_layout *out, uint32_t supers, uint32_t lists,
                  const struct code_shape *shape)
{
    out->bytes[EPOCH_FIRST_LIST] = ((uint64_t)supers + 1) * sizeof(uint32_t);
    for (int level = 0; level < 2; level++) {
        uint64_t *bytes = out->bytes + (level ? EPOCH_LISTS : EPOCH_SUPERS);
        uint64_t count = level ? lists : supers;
        bytes[0] = count * shape->wide;
        bytes[1] = bytes[2] = bytes[3] = count * sizeof(float);
    }
    out->bytes[EPOCH_LIST_VALUES] = (uint64_t)lists * shape->wide;
    out->bytes[EPOCH_LIST_BLOCKS] = (uint64_t)lists / AKIN_CODE_ROWS * shape->block_bytes;
    out->end = sizeof(struct epoch_head);
    for (int part = 0; part < EPOCH_PARTS; part++) {
        out->offset[part] = out->end;
        out->end += (out->bytes[part] + EPOCH_ALIGN - 1) / EPOCH_ALIGN * EPOCH_ALIGN;
    }
}

/* Lists are looked for by distance, as rows are assigned to them; that finds more of a query's
 * neighbours than the inner product does (of 500k x 256, in 16 lists, 97.9 % instead of 96.9 %). */
struct code_shape epoch_list_shape(const struct code_shape *shape)
{
    struct code_shape lists = *shape;
    lists.metric = shape->metric == AKIN_METRIC_DOT ? AKIN_METRIC_DOT : AKIN_METRIC_L2;
    return lists;
}

/* ---- writing ---- */

static akin_status put_part(akin_atomic_file *file, uint32_t *crc, const void *data, uint64_t bytes,
                            akin_error *err)
{
    static const unsigned char zeros[EPOCH_ALIGN];
    size_t padding = (EPOCH_ALIGN - bytes % EPOCH_ALIGN) % EPOCH_ALIGN;
    *crc = akin_crc32c(akin_crc32c(*crc, data, bytes), zeros, padding);
    akin_status status = akin_atomic_write(file, data, bytes, err);
    return status ? status : akin_atomic_write(file, zeros, padding, err);
}

/* A list's values without the tile. */
static void values_of(const struct centroids *set, uint32_t wide, uint32_t index, int8_t *out)
{
    const int8_t *from = set->tiles + (size_t)(index / TILE) * TILE * wide + index % TILE * 4;
    for (uint32_t j = 0; j < wide; j += 4)
        memcpy(out + j, from + (size_t)j * TILE, 4);
}

/* The code of a list in its super's group; scratch: 2 * wide. */
static void encode_list(const struct code_shape *shape, struct code_row *row,
                        const struct tree_built *built, uint32_t super, uint32_t list,
                        float *scratch)
{
    float *residual = scratch, *centroid = scratch + shape->wide;
    centroid_get(&built->supers.is, shape->wide, super, centroid);
    centroid_get(&built->lists.is, shape->wide, list, residual);
    for (uint32_t j = 0; j < shape->wide; j++)
        residual[j] -= centroid[j];
    code_encode(shape, row, residual, centroid);
}

static akin_status fill_lists(int8_t *values, uint8_t *blocks, const struct code_shape *shape,
                              const struct tree_built *built, akin_error *err)
{
    struct code_row *row = akin_alloc(1, sizeof *row);
    float *scratch = akin_alloc((size_t)2 * shape->wide, sizeof *scratch);
    akin_status status =
        row && scratch ? AKIN_OK : akin_error_memory(err, sizeof *row, "writing an epoch");
    for (uint32_t l = 0; l < built->lists.is.count && !status; l += AKIN_CODE_ROWS)
        code_block_clear(shape, blocks + (size_t)l / AKIN_CODE_ROWS * shape->block_bytes);
    for (uint32_t s = 0; s < built->supers.is.count && !status; s++) {
        for (uint32_t l = built->first_list[s]; l < built->first_list[s + 1]; l++) {
            values_of(&built->lists.is, shape->wide, l, values + (size_t)l * shape->wide);
            if (l >= built->lists_used)
                continue;
            encode_list(shape, row, built, s, l, scratch);
            code_block_put(shape, blocks + (size_t)l / AKIN_CODE_ROWS * shape->block_bytes,
                           l % AKIN_CODE_ROWS, row);
        }
    }
    akin_free(row);
    akin_free(scratch);
    return status;
}

static akin_status put_lists(akin_atomic_file *file, uint32_t *crc, const struct epoch_layout *at,
                             const struct code_shape *shape, const struct tree_built *built,
                             akin_error *err)
{
    int8_t *values = akin_alloc(at->bytes[EPOCH_LIST_VALUES], 1);
    uint8_t *blocks = akin_alloc(at->bytes[EPOCH_LIST_BLOCKS], 1);
    akin_status status =
        values && blocks ? fill_lists(values, blocks, shape, built, err)
                         : akin_error_memory(err, at->bytes[EPOCH_LIST_VALUES], "writing an epoch");
    if (!status)
        status = put_part(file, crc, values, at->bytes[EPOCH_LIST_VALUES], err);
    if (!status)
        status = put_part(file, crc, blocks, at->bytes[EPOCH_LIST_BLOCKS], err);
    akin_free(values);
    akin_free(blocks);
    return status;
}

static akin_status put_body(akin_atomic_file *file, uint32_t *crc, const struct epoch_layout *at,
                            const struct code_shape *shape, const struct tree_built *built,
                            akin_error *err)
{
    const struct centroids *levels[] = {&built->supers.is, &built->lists.is};
    akin_status status = put_part(file, crc, built->first_list, at->bytes[EPOCH_FIRST_LIST], err);
    for (int level = 0; level < 2; level++) {
        const struct centroids *set = levels[level];
        const void *parts[] = {set->tiles, set->sums, set->scales, set->halves};
        for (int part = 0; part < 4 && !status; part++)
            status = put_part(file, crc, parts[part],
                              at->bytes[(level ? EPOCH_LISTS : EPOCH_SUPERS) + part], err);
    }
    return status ? status : put_lists(file, crc, at, shape, built, err);
}

akin_status epoch_write(const char *dir, struct epoch_head *head, const struct tree_built *built,
                        akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct epoch_layout at;
    akin_atomic_file *file = NULL;
    head->supers = built->supers.is.count;
    head->lists = built->lists.is.count;
    head->lists_used = built->lists_used;
    struct code_shape shape;
    akin_status status =
        code_shape_init(&shape, (enum akin_metric)head->metric, head->dim, head->bits, err);
    if (status)
        return status;
    shape = epoch_list_shape(&shape);
    epoch_layout(&at, head->supers, head->lists, &shape);
    head->bytes = at.end;
    preamble_fill(&head->preamble, MAGIC_EPOCH);
    status = epoch_path(path, dir, head->id, err);
    if (!status)
        status = akin_atomic_begin(&file, path, err);
    if (!status)
        status = akin_atomic_write(file, head, sizeof *head, err);
    uint32_t crc = 0;
    if (!status)
        status = put_body(file, &crc, &at, &shape, built, err);
    head->body_crc = crc;
    head->crc = akin_crc32c(0, head, offsetof(struct epoch_head, crc));
    if (!status)
        status = akin_atomic_write_at(file, head, sizeof *head, 0, err);
    if (status) {
        akin_atomic_abort(file);
        return status;
    }
    return akin_atomic_commit(file, err);
}

/* ---- opening ---- */

static akin_status wrong(const char *path, const char *what, akin_error *err)
{
    return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: %s", path, what);
}

static bool is_power_of_two(float value)
{
    int exponent;
    return isfinite(value) && value > 0 && frexpf(value, &exponent) == 0.5f;
}

static akin_status check_head(const struct akin_map *map, uint64_t id, const char *path,
                              akin_error *err)
{
    const struct epoch_head *head = (const void *)map->data;
    if (map->size < sizeof *head)
        return wrong(path, "too few bytes for an epoch", err);
    akin_status status = preamble_check(&head->preamble, MAGIC_EPOCH, path, err);
    if (status)
        return status;
    if (head->crc != akin_crc32c(0, head, offsetof(struct epoch_head, crc)))
        return wrong(path, "the head fails its checksum", err);
    if (head->bytes != map->size)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: %zu bytes, should be %" PRIu64, path,
                              map->size, head->bytes);
    if (head->id != id)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: is epoch %" PRIu64, path, head->id);
    if (head->metric > AKIN_METRIC_L2 || head->bits == 0 || head->supers == 0 || head->lists == 0 ||
        head->supers % TILE || head->lists % TREE_GROUP || head->supers > head->lists ||
        head->lists > EPOCH_LISTS_MAX || !is_power_of_two(head->unit) ||
        !isfinite(head->residual) || head->residual < 0)
        return wrong(path, "the head's numbers make no sense", err);
    if (akin_crc32c(0, head + 1, map->size - sizeof *head) != head->body_crc)
        return wrong(path, "the centroids fail their checksum", err);
    return AKIN_OK;
}

/* Sums and halves must be those of the values, and the first *used ones in use. */
static bool level_good(const struct centroids *set, uint32_t wide, uint32_t *used)
{
    *used = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        float scale = set->scales[i];
        const int8_t *tile = set->tiles + (size_t)(i / TILE) * TILE * wide + i % TILE * 4;
        int64_t sum = 0;
        for (uint32_t j = 0; j < wide; j++)
            sum += tile[(size_t)(j / 4) * TILE * 4 + j % 4];
        if (!isfinite(scale) || scale < 0 || sum != set->sums[i] ||
            set->halves[i] != centroid_half(set->tiles, wide, i, scale) ||
            (scale != 0 && *used != i))
            return false;
        *used += scale != 0;
    }
    return *used > 0;
}

static bool values_good(const struct epoch *epoch)
{
    uint32_t wide = epoch->shape.wide;
    int8_t values[CODE_DIM_MAX];
    for (uint32_t l = 0; l < epoch->lists.count; l++) {
        values_of(&epoch->lists, wide, l, values);
        if (memcmp(values, epoch->list_values + (size_t)l * wide, wide))
            return false;
    }
    return true;
}

static bool ranges_good(const struct epoch *epoch)
{
    const uint32_t *first = epoch->first_list;
    for (uint32_t s = 0; s < epoch->supers.count; s++)
        if (first[s] % TREE_GROUP || first[s + 1] < first[s] ||
            (s < epoch->supers_used) != (first[s + 1] > first[s]))
            return false;
    return first[0] == 0 && first[epoch->supers.count] == epoch->lists.count &&
           epoch->lists.count - epoch->lists_used < TREE_GROUP;
}

static void map_level(struct centroids *out, const unsigned char *data, const uint64_t *offsets,
                      uint32_t count)
{
    out->count = count;
    out->tiles = (const void *)(data + offsets[0]);
    out->sums = (const void *)(data + offsets[1]);
    out->scales = (const void *)(data + offsets[2]);
    out->halves = (const void *)(data + offsets[3]);
}

static akin_status load(struct epoch *epoch, uint64_t id, const char *path, akin_error *err)
{
    akin_status status = akin_map_open(&epoch->map, path, err);
    if (!status)
        status = check_head(&epoch->map, id, path, err);
    const struct epoch_head *head = (const void *)epoch->map.data;
    if (!status &&
        code_shape_init(&epoch->shape, (enum akin_metric)head->metric, head->dim, head->bits, NULL))
        status = wrong(path, "its dimensions and bits make no code", err);
    if (status)
        return status;
    struct epoch_layout at;
    epoch_layout(&at, head->supers, head->lists, &epoch->shape);
    if (at.end != epoch->map.size)
        return wrong(path, "its size does not fit its lists", err);
    epoch->id = head->id;
    epoch->seed = head->seed;
    epoch->rows_trained = head->rows_trained;
    epoch->dim = head->dim;
    epoch->file_crc = head->crc;
    epoch->residual = head->residual;
    epoch->first_list = (const void *)(epoch->map.data + at.offset[EPOCH_FIRST_LIST]);
    map_level(&epoch->supers, epoch->map.data, at.offset + EPOCH_SUPERS, head->supers);
    map_level(&epoch->lists, epoch->map.data, at.offset + EPOCH_LISTS, head->lists);
    epoch->list_shape = epoch_list_shape(&epoch->shape);
    epoch->list_values = (const void *)(epoch->map.data + at.offset[EPOCH_LIST_VALUES]);
    epoch->list_blocks = epoch->map.data + at.offset[EPOCH_LIST_BLOCKS];
    if (!level_good(&epoch->supers, epoch->shape.wide, &epoch->supers_used) ||
        !level_good(&epoch->lists, epoch->shape.wide, &epoch->lists_used) ||
        epoch->lists_used != head->lists_used || !ranges_good(epoch) || !values_good(epoch))
        return wrong(path, "the centroids make no sense", err);
    return rotation_init(&epoch->rotation, head->dim, head->seed, head->unit, err);
}

akin_status epoch_open(struct epoch **out, const char *dir, uint64_t id, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct epoch *epoch = akin_alloc_zero(1, sizeof *epoch);
    if (!epoch)
        return akin_error_memory(err, sizeof *epoch, "epoch");
    atomic_init(&epoch->refs, 1);
    akin_status status = epoch_path(path, dir, id, err);
    if (!status)
        status = load(epoch, id, path, err);
    if (status) {
        epoch_unref(epoch);
        return status;
    }
    *out = epoch;
    return AKIN_OK;
}

struct epoch *epoch_ref(struct epoch *epoch)
{
    if (epoch)
        atomic_fetch_add(&epoch->refs, 1);
    return epoch;
}

void epoch_unref(struct epoch *epoch)
{
    if (!epoch || atomic_fetch_sub(&epoch->refs, 1) != 1)
        return;
    rotation_fini(&epoch->rotation);
    akin_map_close(&epoch->map);
    akin_free(epoch);
}
