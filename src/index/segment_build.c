/*
 * Writing segments: the plain sections, and the order in which all come.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "build.h"

/* ---- sections of rows ---- */

/* Writes what a section has of row `number` to `out`. */
typedef void fill_fn(struct build *build, size_t number, void *out);

static void fill_columns(struct build *build, size_t number, void *out)
{
    memcpy(out, build_columns(build, number), sizeof(struct akin_columns));
}

static void fill_vector(struct build *build, size_t number, void *out)
{
    memcpy(out, part_vector(build_part(build, number), build->row[number]),
           build->recipe->dim * sizeof(akin_f16));
}

static void fill_codes(struct build *build, size_t number, void *out)
{
    const struct part *part = build_part(build, number);
    size_t row = build->row[number], dim = build->recipe->dim;
    float wide[INDEX_DIM_MAX];
    if (part->segment) { /* they are what they were */
        memcpy(out, part->segment->codes + row * dim, dim);
        build->scales[number] = part->segment->scales[row];
        return;
    }
    akin_kernels()->f32_from_f16(wide, part_vector(part, row), dim);
    build->scales[number] = akin_quantize_i8(out, wide, dim);
}

static void fill_scale(struct build *build, size_t number, void *out)
{
    memcpy(out, &build->scales[number], sizeof(float));
}

static void fill_key(struct build *build, size_t number, void *out)
{
    memcpy(out, &build_columns(build, number)->key, sizeof(uint64_t));
}

static void fill_key_row(struct build *build, size_t number, void *out)
{
    memcpy(out, &build->number[build->source[number]][build->row[number]], sizeof(uint32_t));
}

struct filling {
    struct build *build;
    struct build_pipe pipe;
    fill_fn *fill;
    size_t first, row_bytes;
};

static void fill_rows(void *user, size_t begin, size_t end, unsigned thread)
{
    const struct filling *filling = user;
    (void)thread;
    for (size_t i = begin; i < end; i++)
        filling->fill(filling->build, filling->first + i,
                      filling->pipe.out + i * filling->row_bytes);
}

akin_status build_progress(struct build *build, size_t rows, akin_error *err)
{
    build->done += rows;
    struct akin_progress progress = {.what = "rows", .total = build->rows};
    progress.done =
        build->done >= build->total
            ? build->rows
            : (uint64_t)((double)build->rows * (double)build->done / (double)build->total);
    if (akin_progress(build->recipe->talk, &progress))
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_CANCELLED, "stopped; the rows are where they were");
}

static akin_status write_rows(struct build *build, uint32_t type, size_t row_bytes, fill_fn *fill,
                              akin_error *err)
{
    size_t batch = BUILD_BATCH_BYTES / row_bytes;
    struct filling filling = {.build = build, .fill = fill, .row_bytes = row_bytes};
    akin_status status = segment_file_section(&build->file, type, SECTION_REQUIRED, err);
    if (!status)
        status = build_pipe_begin(&filling.pipe, build, batch * row_bytes, err);
    while (!status && filling.first < build->rows) {
        size_t left = build->rows - filling.first, n = left < batch ? left : batch;
        status = build_pipe_fill(&filling.pipe, n, n * row_bytes, fill_rows, &filling, err);
        filling.first += n;
        if (!status)
            status = build_progress(build, n, err);
    }
    status = build_pipe_end(&filling.pipe, status, err);
    return status ? status : segment_file_section_end(&build->file, err);
}

/* Rows of some zones get their numbers, the zones their rows. */
static void number_rows(void *user, size_t begin, size_t end, unsigned thread)
{
    struct build *build = user;
    (void)thread;
    for (size_t block = begin; block < end; block++) {
        size_t first = block * BLOCK_ROWS, left = build->rows - first;
        zone_init(&build->zones[block]);
        for (size_t i = 0; i < BLOCK_ROWS && i < left; i++) {
            size_t number = first + i;
            zone_add(&build->zones[block], build_columns(build, number));
            build->number[build->source[number]][build->row[number]] = (uint32_t)number;
        }
    }
}

#define ROW_PASSES 6u
#define CODED_PASSES 2u

static akin_status write_posting(struct build *build, akin_error *err)
{
    size_t dim = build->recipe->dim, blocks = (build->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    akin_status status = build_order_posting(build, err);
    if (status)
        return status;
    akin_pool_for(build->recipe->pool, blocks, 0, number_rows, build);
    status = write_rows(build, SECTION_COLUMNS, sizeof(struct akin_columns), fill_columns, err);
    if (!status)
        status = segment_file_whole(&build->file, SECTION_ZONES, SECTION_REQUIRED, build->zones,
                                    blocks * sizeof *build->zones, err);
    if (!status)
        status = write_rows(build, SECTION_VECTORS, dim * sizeof(akin_f16), fill_vector, err);
    if (!status)
        status = write_rows(build, SECTION_CODES, dim, fill_codes, err);
    if (!status)
        status = write_rows(build, SECTION_SCALES, sizeof(float), fill_scale, err);
    if (!status && build->recipe->epoch)
        status = build_write_coded(build, err);
    return status ? status : build_write_runs(build, err);
}

static akin_status write_keys(struct build *build, akin_error *err)
{
    struct segment_head *head = segment_file_head(&build->file);
    akin_status status = build_order_keys(build, err);
    if (status)
        return status;
    head->first_key = build_columns(build, 0)->key;
    head->last_key = build_columns(build, build->rows - 1)->key;
    status = write_rows(build, SECTION_KEYS, sizeof(uint64_t), fill_key, err);
    return status ? status
                  : write_rows(build, SECTION_KEY_ROWS, sizeof(uint32_t), fill_key_row, err);
}

/* ---- begin and end ---- */

static akin_status prepare(struct build *build, akin_error *err)
{
    const struct epoch *epoch = build->recipe->epoch;
    size_t blocks = (build->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    build->number = akin_alloc_zero(build->part_count, sizeof *build->number);
    build->source = akin_alloc(build->rows, sizeof *build->source);
    build->row = akin_alloc(build->rows, sizeof *build->row);
    build->scales = akin_alloc(build->rows, sizeof *build->scales);
    build->zones = akin_alloc(blocks, sizeof *build->zones);
    build->lists =
        epoch ? akin_alloc_zero(epoch->lists.count + (size_t)1, sizeof *build->lists) : NULL;
    bool whole = build->number && build->source && build->row && build->scales && build->zones &&
                 (build->lists || !epoch);
    for (size_t i = 0; whole && i < build->part_count; i++) {
        build->number[i] = akin_alloc_zero(build->parts[i].rows, sizeof(uint32_t));
        whole = build->number[i] != NULL;
    }
    build->total = (ROW_PASSES + (epoch ? CODED_PASSES : 0)) * build->rows;
    return whole ? AKIN_OK : akin_error_memory(err, build->rows * 13, "writing a segment");
}

static void build_fini(struct build *build)
{
    for (size_t i = 0; build->number && i < build->part_count; i++)
        akin_free(build->number[i]);
    akin_free(build->number);
    akin_free(build->source);
    akin_free(build->row);
    akin_free(build->scales);
    akin_free(build->zones);
    akin_free(build->lists);
    segment_file_fini(&build->file);
}

akin_status segment_build(struct segment_info *info, const struct segment_recipe *recipe,
                          const struct part *parts, size_t part_count, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct build build = {.recipe = recipe, .parts = parts, .part_count = part_count, .path = path};
    struct segment_head *head = segment_file_head(&build.file);
    akin_status status = segment_path(path, recipe->dir, recipe->id, err);
    if (status)
        return status;
    for (size_t i = 0; i < part_count; i++)
        build.rows += part_live(&parts[i]);
    if (build.rows == 0 || build.rows > UINT32_MAX / 2 || part_count > BUILD_PARTS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: %zu rows of %zu parts", path, build.rows,
                              part_count);
    *head = (struct segment_head){.id = recipe->id,
                                  .rows = build.rows,
                                  .dim = recipe->dim,
                                  .model = recipe->model,
                                  .metric = (uint32_t)recipe->metric,
                                  .block_rows = BLOCK_ROWS};
    preamble_fill(&head->preamble, MAGIC_SEGMENT);
    status = prepare(&build, err);
    if (!status)
        status = segment_file_begin(&build.file, path, err);
    if (!status)
        status = write_posting(&build, err);
    if (!status)
        status = write_keys(&build, err);
    if (!status)
        status = segment_file_commit(&build.file, err);
    if (!status)
        *info = (struct segment_info){.id = recipe->id,
                                      .rows = head->rows,
                                      .bytes = head->bytes,
                                      .first_key = head->first_key,
                                      .last_key = head->last_key,
                                      .head_crc = head->crc};
    build_fini(&build);
    return status;
}
