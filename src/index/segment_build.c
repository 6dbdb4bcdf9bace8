/*
 * Writing segments. The file is written front to back, section by section; each section walks over
 * its parts' rows anew, so that a merge of any size streams from mapping to file. Kept in memory
 * are, per row of the result, which part it comes from (1 byte) and its int8 scale (4), and per row
 * of the parts its new number (4).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "segment.h"

#define PARTS_MAX 255

struct build {
    const struct part *parts;
    struct walk *walks; /* one a part, in posting order; later in key order */
    size_t part_count, rows;
    uint32_t dim;
    uint8_t *source;   /* rows: the part of each row in the present order */
    uint32_t **number; /* per part: its rows' numbers in the new segment */
    float *scales;
    struct zone *zones;
    float *wide;   /* dim */
    int8_t *codes; /* dim */
    /* The file. */
    akin_atomic_file *file;
    unsigned char *buffer; /* SUM_BYTES */
    size_t used;
    uint32_t *sums;
    size_t sum_count;
    unsigned char head[SEGMENT_HEAD_BYTES];
};

static struct segment_head *head_of(struct build *build)
{
    return (struct segment_head *)build->head;
}

/* ---- the file ---- */

static akin_status put_buffer(struct build *build, akin_error *err)
{
    if (!build->used)
        return AKIN_OK;
    build->sums[build->sum_count++] = akin_crc32c(0, build->buffer, build->used);
    size_t bytes = build->used;
    build->used = 0;
    return akin_atomic_write(build->file, build->buffer, bytes, err);
}

static akin_status put(struct build *build, const void *data, size_t bytes, akin_error *err)
{
    const unsigned char *from = data;
    while (bytes) {
        size_t room = SUM_BYTES - build->used, part = bytes < room ? bytes : room;
        memcpy(build->buffer + build->used, from, part);
        build->used += part;
        from += part;
        bytes -= part;
        akin_status status = build->used == SUM_BYTES ? put_buffer(build, err) : AKIN_OK;
        if (status)
            return status;
    }
    return AKIN_OK;
}

typedef akin_status emit_fn(struct build *build, size_t part, size_t row, size_t number,
                            akin_error *err);

static akin_status emit_columns(struct build *build, size_t part, size_t row, size_t number,
                                akin_error *err)
{
    const struct akin_columns *columns = part_columns(&build->parts[part], row);
    zone_add(&build->zones[number / BLOCK_ROWS], columns);
    build->number[part][row] = (uint32_t)number;
    return put(build, columns, sizeof *columns, err);
}

static akin_status emit_vector(struct build *build, size_t part, size_t row, size_t number,
                               akin_error *err)
{
    (void)number;
    return put(build, part_vector(&build->parts[part], row), build->dim * sizeof(akin_f16), err);
}

static akin_status emit_codes(struct build *build, size_t part, size_t row, size_t number,
                              akin_error *err)
{
    akin_kernels()->f32_from_f16(build->wide, part_vector(&build->parts[part], row), build->dim);
    build->scales[number] = akin_quantize_i8(build->codes, build->wide, build->dim);
    return put(build, build->codes, build->dim, err);
}

static akin_status emit_scale(struct build *build, size_t part, size_t row, size_t number,
                              akin_error *err)
{
    (void)part, (void)row;
    return put(build, &build->scales[number], sizeof(float), err);
}

static akin_status emit_key(struct build *build, size_t part, size_t row, size_t number,
                            akin_error *err)
{
    uint64_t key = part_columns(&build->parts[part], row)->key;
    if (number == 0)
        head_of(build)->first_key = key;
    head_of(build)->last_key = key;
    return put(build, &key, sizeof key, err);
}

static akin_status emit_key_row(struct build *build, size_t part, size_t row, size_t number,
                                akin_error *err)
{
    (void)number;
    return put(build, &build->number[part][row], sizeof(uint32_t), err);
}

static akin_status emit_zone(struct build *build, size_t part, size_t row, size_t number,
                             akin_error *err)
{
    (void)part, (void)row;
    if (number % BLOCK_ROWS)
        return AKIN_OK;
    return put(build, &build->zones[number / BLOCK_ROWS], sizeof(struct zone), err);
}

static akin_status section_begin(struct build *build, uint32_t type, akin_error *err)
{
    static const unsigned char zeros[SECTION_ALIGN];
    size_t past = (size_t)(akin_atomic_size(build->file) % SECTION_ALIGN);
    akin_status status =
        past ? akin_atomic_write(build->file, zeros, SECTION_ALIGN - past, err) : AKIN_OK;
    struct section *section = (struct section *)(build->head + sizeof(struct segment_head)) +
                              head_of(build)->section_count++;
    *section = (struct section){
        .type = type, .flags = SECTION_REQUIRED, .offset = akin_atomic_size(build->file)};
    return status;
}

static struct section *section_end(struct build *build)
{
    struct section *section = (struct section *)(build->head + sizeof(struct segment_head)) +
                              head_of(build)->section_count - 1;
    section->bytes = akin_atomic_size(build->file) - section->offset;
    return section;
}

/* One section: `emit` for each row in the walks' order, as `source` remembers it. */
static akin_status write_section(struct build *build, uint32_t type, emit_fn *emit, akin_error *err)
{
    size_t first_sum = build->sum_count;
    akin_status status = section_begin(build, type, err);
    for (size_t i = 0; i < build->part_count; i++)
        walk_rewind(&build->walks[i]);
    for (size_t number = 0; !status && number < build->rows; number++) {
        size_t part = build->source[number];
        status = emit(build, part, build->walks[part].row, number, err);
        walk_next(&build->walks[part]);
    }
    if (!status)
        status = put_buffer(build, err);
    if (!status)
        section_end(build)->crc =
            akin_crc32c(0, build->sums + first_sum, (build->sum_count - first_sum) * 4);
    return status;
}

static akin_status write_sums(struct build *build, akin_error *err)
{
    akin_status status = section_begin(build, SECTION_SUMS, err);
    if (!status)
        status = akin_atomic_write(build->file, build->sums, build->sum_count * 4, err);
    if (!status)
        section_end(build)->crc = akin_crc32c(0, build->sums, build->sum_count * 4);
    return status;
}

/* ---- the order ---- */

static void end_walks(struct build *build)
{
    for (size_t i = 0; build->walks && i < build->part_count; i++)
        walk_fini(&build->walks[i]);
}

/* Merges the parts' rows once and writes down whose turn it is. */
static akin_status take_order(struct build *build, enum walk_order order, const char *path,
                              akin_error *err)
{
    end_walks(build);
    for (size_t i = 0; i < build->part_count; i++) {
        akin_status status = walk_begin(&build->walks[i], &build->parts[i], order, err);
        if (status)
            return status;
    }
    size_t count = 0;
    for (size_t least; (least = walk_least(build->walks, build->part_count)) < build->part_count;) {
        if (count == build->rows)
            break;
        build->source[count++] = (uint8_t)least;
        walk_next(&build->walks[least]);
    }
    /* Too few where a damaged key run names a row twice and another not at all. */
    if (count < build->rows)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "%s: a part's keys do not cover its rows; akin verify says which",
                              path);
    return AKIN_OK;
}

static size_t sums_needed(const struct build *build)
{
    size_t row_bytes = sizeof(struct akin_columns) + 3 * (size_t)build->dim + 4 + 8 + 4 + 1;
    return row_bytes * build->rows / SUM_BYTES + 16;
}

static akin_status prepare(struct build *build, akin_error *err)
{
    size_t blocks = (build->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    build->walks = akin_alloc_zero(build->part_count, sizeof *build->walks);
    build->number = akin_alloc_zero(build->part_count, sizeof *build->number);
    build->source = akin_alloc(build->rows, 1);
    build->scales = akin_alloc(build->rows, sizeof *build->scales);
    build->zones = akin_alloc(blocks, sizeof *build->zones);
    build->wide = akin_alloc(build->dim, sizeof *build->wide);
    build->codes = akin_alloc(build->dim, 1);
    build->buffer = akin_alloc(1, SUM_BYTES);
    build->sums = akin_alloc(sums_needed(build), sizeof *build->sums);
    bool whole = build->walks && build->number && build->source && build->scales && build->zones &&
                 build->wide && build->codes && build->buffer && build->sums;
    for (size_t i = 0; whole && i < build->part_count; i++) {
        build->number[i] = akin_alloc_zero(build->parts[i].rows, sizeof(uint32_t));
        whole = build->number[i] != NULL;
    }
    if (!whole)
        return akin_error_memory(err, build->rows * 9, "writing a segment");
    for (size_t i = 0; i < blocks; i++)
        zone_init(&build->zones[i]);
    return AKIN_OK;
}

static void build_fini(struct build *build)
{
    end_walks(build);
    for (size_t i = 0; build->number && i < build->part_count; i++)
        akin_free(build->number[i]);
    akin_free(build->walks);
    akin_free(build->number);
    akin_free(build->source);
    akin_free(build->scales);
    akin_free(build->zones);
    akin_free(build->wide);
    akin_free(build->codes);
    akin_free(build->buffer);
    akin_free(build->sums);
    akin_atomic_abort(build->file);
}

static akin_status write_sections(struct build *build, const char *path, akin_error *err)
{
    static const struct {
        uint32_t type;
        emit_fn *emit;
    } posting[] = {{SECTION_COLUMNS, emit_columns},
                   {SECTION_ZONES, emit_zone},
                   {SECTION_VECTORS, emit_vector},
                   {SECTION_CODES, emit_codes},
                   {SECTION_SCALES, emit_scale}};
    akin_status status = take_order(build, WALK_POSTING, path, err);
    for (size_t i = 0; !status && i < sizeof posting / sizeof *posting; i++)
        status = write_section(build, posting[i].type, posting[i].emit, err);
    if (!status)
        status = take_order(build, WALK_KEYS, path, err);
    if (!status)
        status = write_section(build, SECTION_KEYS, emit_key, err);
    if (!status)
        status = write_section(build, SECTION_KEY_ROWS, emit_key_row, err);
    return status ? status : write_sums(build, err);
}

akin_status segment_build(struct segment_info *info, const char *dir, uint64_t id,
                          const struct part *parts, size_t part_count, uint32_t dim, uint32_t model,
                          akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct build build = {.parts = parts, .part_count = part_count, .dim = dim};
    struct segment_head *head = head_of(&build);
    akin_status status = segment_path(path, dir, id, err);
    if (status)
        return status;
    for (size_t i = 0; i < part_count; i++)
        build.rows += part_live(&parts[i]);
    if (build.rows == 0 || part_count > PARTS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: %zu rows of %zu parts", path, build.rows,
                              part_count);
    *head = (struct segment_head){
        .id = id, .rows = build.rows, .dim = dim, .model = model, .block_rows = BLOCK_ROWS};
    preamble_fill(&head->preamble, MAGIC_SEGMENT);
    status = prepare(&build, err);
    if (!status)
        status = akin_atomic_begin(&build.file, path, err);
    if (!status)
        status = akin_atomic_write(build.file, build.head, sizeof build.head, err);
    if (!status)
        status = write_sections(&build, path, err);
    if (status)
        goto out;
    head->bytes = akin_atomic_size(build.file);
    head->crc = akin_crc32c(0, build.head, sizeof build.head);
    status = akin_atomic_write_at(build.file, build.head, sizeof build.head, 0, err);
    if (status)
        goto out;
    akin_atomic_file *file = build.file;
    build.file = NULL;
    status = akin_atomic_commit(file, err);
    if (!status)
        *info = (struct segment_info){.id = id,
                                      .rows = head->rows,
                                      .bytes = head->bytes,
                                      .first_key = head->first_key,
                                      .last_key = head->last_key,
                                      .head_crc = head->crc};
out:
    build_fini(&build);
    return status;
}
