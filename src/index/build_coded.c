/*
 * The codes of a new segment. A row whose list is known keeps its code byte for byte: in a merge within
 * an epoch nothing is encoded.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "build.h"

#define BATCH_BLOCKS 256u

struct block_job {
    uint32_t list, first, rows; /* rows [first, first + rows) of the new segment */
    double residual2;           /* sum over them */
};

struct coding {
    const struct build *build;
    const struct epoch *epoch;
    struct build_pipe pipe;
    struct block_job *jobs; /* a batch */
    struct zone *zones;     /* of all blocks */
    size_t first_block;     /* of the batch */
    float *scratch;         /* (threads, 3 * wide) */
};

/* The code of row `number`, which lies in `list` of the new segment; returns |r|^2, as well as it is known. */
static float code_of(const struct coding *coding, uint32_t list, size_t number, float *scratch,
                     struct code_row *out)
{
    const struct build *build = coding->build;
    const struct part *part = build_part(build, number);
    size_t row = build->row[number], lane;
    float residual2;
    if (build_known_list(build->recipe, part, row) == UINT32_MAX) {
        epoch_encode(coding->epoch, out, list, part_vector(part, row), scratch, &residual2);
        return residual2;
    }
    const struct segment *segment = part->segment;
    const uint8_t *block = segment_code(segment, segment_list_of(segment, row), row, &lane);
    code_block_get(&coding->epoch->shape, block, lane, out);
    return segment->coded.residual * segment->coded.residual;
}

static void fill_blocks(void *user, size_t begin, size_t end, unsigned thread)
{
    const struct coding *coding = user;
    const struct code_shape *shape = &coding->epoch->shape;
    float *scratch = coding->scratch + (size_t)thread * 3 * shape->wide;
    for (size_t i = begin; i < end; i++) {
        struct block_job *job = &coding->jobs[i];
        struct zone *zone = &coding->zones[coding->first_block + i];
        uint8_t *block = coding->pipe.out + i * shape->block_bytes;
        struct code_row code;
        code_block_clear(shape, block);
        zone_init(zone);
        for (uint32_t lane = 0; lane < job->rows; lane++) {
            size_t number = job->first + lane;
            job->residual2 += code_of(coding, job->list, number, scratch, &code);
            code_block_put(shape, block, lane, &code);
            zone_add(zone, build_columns(coding->build, number));
        }
    }
}

static akin_status flush_batch(struct build *build, struct coding *coding, size_t count,
                               double *residual2, akin_error *err)
{
    size_t rows = 0, bytes = count * coding->epoch->shape.block_bytes;
    akin_status status = build_pipe_fill(&coding->pipe, count, bytes, fill_blocks, coding, err);
    for (size_t i = 0; i < count; i++) {
        *residual2 += coding->jobs[i].residual2;
        rows += coding->jobs[i].rows;
    }
    coding->first_block += count;
    return status ? status : build_progress(build, rows, err);
}

/* All lists' blocks, a batch at a time. */
static akin_status write_blocks(struct build *build, struct coding *coding, double *residual2,
                                akin_error *err)
{
    size_t count = 0;
    akin_status status = segment_file_section(&build->file, SECTION_BLOCKS, SECTION_REQUIRED, err);
    if (!status)
        status = build_pipe_begin(&coding->pipe, build,
                                  (size_t)BATCH_BLOCKS * coding->epoch->shape.block_bytes, err);
    for (uint32_t list = 0; list < coding->epoch->lists.count; list++) {
        uint32_t end = build->lists[list + 1].row;
        for (uint32_t row = build->lists[list].row; !status && row < end; row += AKIN_CODE_ROWS) {
            uint32_t rows = end - row < AKIN_CODE_ROWS ? end - row : AKIN_CODE_ROWS;
            coding->jobs[count++] = (struct block_job){.list = list, .first = row, .rows = rows};
            if (count == BATCH_BLOCKS) {
                status = flush_batch(build, coding, count, residual2, err);
                count = 0;
            }
        }
    }
    if (!status && count)
        status = flush_batch(build, coding, count, residual2, err);
    status = build_pipe_end(&coding->pipe, status, err);
    return status ? status : segment_file_section_end(&build->file, err);
}

akin_status build_write_coded(struct build *build, akin_error *err)
{
    const struct epoch *epoch = build->recipe->epoch;
    uint32_t lists = epoch->lists.count;
    size_t blocks = build->lists[lists].block, threads = akin_pool_threads(build->recipe->pool);
    struct coding coding = {.build = build, .epoch = epoch};
    struct coded_head head = {.epoch = epoch->id,
                              .lists = lists,
                              .block_bytes = epoch->shape.block_bytes,
                              .blocks = blocks};
    double residual2 = 0;
    akin_status status = AKIN_OK;
    coding.jobs = akin_alloc(BATCH_BLOCKS, sizeof *coding.jobs);
    coding.zones = akin_alloc(blocks, sizeof *coding.zones);
    coding.scratch = akin_alloc(threads, 3 * (size_t)epoch->shape.wide * sizeof *coding.scratch);
    if (!coding.jobs || !coding.zones || !coding.scratch)
        status = akin_error_memory(err, blocks * sizeof *coding.zones, "codes of a segment");
    if (!status)
        status = write_blocks(build, &coding, &residual2, err);
    head.residual = (float)sqrt(residual2 / (double)build->rows);
    if (!status)
        status = segment_file_whole(&build->file, SECTION_BLOCK_ZONES, SECTION_REQUIRED,
                                    coding.zones, blocks * sizeof *coding.zones, err);
    if (!status)
        status = segment_file_whole(&build->file, SECTION_LISTS, SECTION_REQUIRED, build->lists,
                                    (lists + (size_t)1) * sizeof *build->lists, err);
    if (!status)
        status = segment_file_whole(&build->file, SECTION_CODED, SECTION_REQUIRED, &head,
                                    sizeof head, err);
    akin_free(coding.jobs);
    akin_free(coding.zones);
    akin_free(coding.scratch);
    return status;
}
