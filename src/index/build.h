/*
 * Private to index: a segment in the making. Its rows' order is found first (build_order.c); then the
 * file is written front to back, section by section, each in batches that the pool's threads fill. Kept in
 * memory are, for each row of the result, where it comes from (5 bytes) and its int8 scale (4), and for each
 * row of the parts its new number (4); while an order is being found, up to 40 more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_BUILD_H
#define INDEX_BUILD_H

#include "segment.h"
#include "segment_file.h"

#define BUILD_PARTS_MAX 255
#define BUILD_BATCH_BYTES (1u << 20) /* that the threads fill at a time */

struct build {
    const struct segment_recipe *recipe;
    const struct part *parts;
    size_t part_count, rows;
    const char *path;
    /* Row `number` of the new segment, or of the present order, is row `row[number]` of part
     * `source[number]`. */
    uint8_t *source;
    uint32_t *row;
    uint32_t **number;        /* of each part: its rows' numbers in the new segment */
    struct list_entry *lists; /* of a coded segment: the epoch's + 1 */
    float *scales;
    struct zone *zones;
    struct segment_file file;
    uint64_t done, total; /* rows handled, each as often as there are passes over it */
};

static inline const struct part *build_part(const struct build *build, size_t number)
{
    return &build->parts[build->source[number]];
}
static inline const struct akin_columns *build_columns(const struct build *build, size_t number)
{
    return part_columns(build_part(build, number), build->row[number]);
}
/* `rows` more are done; CANCELLED where the talk wants a stop. */
akin_status build_progress(struct build *build, size_t rows, akin_error *err);

/* Fills source and row in posting order, and lists where it is coded. */
akin_status build_order_posting(struct build *build, akin_error *err);
/* Fills source and row by key. */
akin_status build_order_keys(struct build *build, akin_error *err);
/* The list of the recipe's epoch that a part's row lies in already; UINT32_MAX where it must be assigned. */
uint32_t build_known_list(const struct segment_recipe *recipe, const struct part *part, size_t row);

/* A section's bytes on their way to the file: while the pool's threads fill one batch, one of them writes the batch
 * before, so that writing costs little time where there are two. */
struct build_pipe {
    struct build *build;
    unsigned char *out; /* of the batch that is to be filled, (batch_bytes) */
    size_t batch_bytes;
    /* The pipe's own. */
    unsigned char *memory, *full; /* two batches, owned; the one to be written, */
    size_t full_bytes;            /* and how much it holds */
    akin_loop_fn *fill;
    void *user;
    akin_status status;
    akin_error error;
};
akin_status build_pipe_begin(struct build_pipe *pipe, struct build *build, size_t batch_bytes,
                             akin_error *err);
/* Fills items [0, count) of pipe->out, `bytes` in all, by fill(user, begin, end, thread). */
akin_status build_pipe_fill(struct build_pipe *pipe, size_t count, size_t bytes, akin_loop_fn *fill,
                            void *user, akin_error *err);
/* Writes the last batch, where `status` is good, and frees. */
akin_status build_pipe_end(struct build_pipe *pipe, akin_status status, akin_error *err);

/* The sections of lists and codes, and of runs. */
akin_status build_write_coded(struct build *build, akin_error *err);
akin_status build_write_runs(struct build *build, akin_error *err);

#endif
