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

void epoch_layout(struct epoch_layout *out, uint32_t supers, uint32_t lists, uint32_t wide)
{
    out->bytes[EPOCH_FIRST_LIST] = ((uint64_t)supers + 1) * sizeof(uint32_t);
    for (int level = 0; level < 2; level++) {
        uint64_t *bytes = out->bytes + (level ? EPOCH_LISTS : EPOCH_SUPERS);
        uint64_t count = level ? lists : supers;
        bytes[0] = count * wide;
        bytes[1] = bytes[2] = bytes[3] = count * sizeof(float);
    }
    out->end = sizeof(struct epoch_head);
    for (int part = 0; part < EPOCH_PARTS; part++) {
        out->offset[part] = out->end;
        out->end += (out->bytes[part] + EPOCH_ALIGN - 1) / EPOCH_ALIGN * EPOCH_ALIGN;
    }
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

static akin_status put_body(akin_atomic_file *file, uint32_t *crc, const struct epoch_layout *at,
                            const struct tree_built *built, akin_error *err)
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
    return status;
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
    epoch_layout(&at, head->supers, head->lists, built->lists.wide);
    head->bytes = at.end;
    preamble_fill(&head->preamble, MAGIC_EPOCH);
    akin_status status = epoch_path(path, dir, head->id, err);
    if (!status)
        status = akin_atomic_begin(&file, path, err);
    if (!status)
        status = akin_atomic_write(file, head, sizeof *head, err);
    uint32_t crc = 0;
    if (!status)
        status = put_body(file, &crc, &at, built, err);
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
        head->supers % TILE || head->lists % TILE || head->supers > head->lists ||
        head->lists > EPOCH_LISTS_MAX || !is_power_of_two(head->unit) ||
        !isfinite(head->residual) || head->residual < 0)
        return wrong(path, "the head's numbers make no sense", err);
    if (akin_crc32c(0, head + 1, map->size - sizeof *head) != head->body_crc)
        return wrong(path, "the centroids fail their checksum", err);
    return AKIN_OK;
}

/* Sums and halves must be those of the values; fills *used. */
static bool level_good(const struct centroids *set, uint32_t wide, uint32_t *used)
{
    *used = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        float scale = set->scales[i];
        int64_t sum = 0;
        for (uint32_t j = 0; j < wide; j++)
            sum += set->tiles[((size_t)(i / TILE) * wide / 4 + j / 4) * TILE * 4 + i % TILE * 4 +
                              j % 4];
        if (!isfinite(scale) || scale < 0 || sum != set->sums[i] ||
            set->halves[i] != centroid_half(set->tiles, wide, i, scale))
            return false;
        *used += scale != 0;
    }
    return true;
}

static bool ranges_good(const struct epoch *epoch)
{
    const uint32_t *first = epoch->first_list;
    for (uint32_t s = 0; s < epoch->supers.count; s++)
        if (first[s] % TILE || first[s + 1] < first[s] ||
            (epoch->supers.scales[s] == 0 && first[s + 1] != first[s]))
            return false;
    return first[0] == 0 && first[epoch->supers.count] == epoch->lists.count;
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
    epoch_layout(&at, head->supers, head->lists, epoch->shape.wide);
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
    uint32_t supers_used;
    if (!level_good(&epoch->supers, epoch->shape.wide, &supers_used) ||
        !level_good(&epoch->lists, epoch->shape.wide, &epoch->lists_used) ||
        epoch->lists_used == 0 || epoch->lists_used != head->lists_used || !ranges_good(epoch))
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
