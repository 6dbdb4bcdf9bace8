/*
 * The pipe of a section: items are filled in parallel, the batch before is written meanwhile. The file gets the same
 * bytes in the same order, whatever the number of threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "build.h"

#define PIECES 32u /* of a batch: for threads to share */

struct pieces {
    struct build_pipe *pipe;
    size_t count;
};

static void write_full(struct build_pipe *pipe)
{
    if (pipe->full_bytes)
        pipe->status =
            segment_file_put(&pipe->build->file, pipe->full, pipe->full_bytes, &pipe->error);
    pipe->full_bytes = 0;
}

/* Piece 0 is the writing, which is begun first; the others are items. */
static void do_pieces(void *user, size_t begin, size_t end, unsigned thread)
{
    const struct pieces *pieces = user;
    struct build_pipe *pipe = pieces->pipe;
    for (size_t piece = begin; piece < end; piece++) {
        if (piece == 0) {
            write_full(pipe);
            continue;
        }
        size_t first = pieces->count * (piece - 1) / PIECES, last = pieces->count * piece / PIECES;
        if (first < last)
            pipe->fill(pipe->user, first, last, thread);
    }
}

akin_status build_pipe_begin(struct build_pipe *pipe, struct build *build, size_t batch_bytes,
                             akin_error *err)
{
    *pipe = (struct build_pipe){.build = build, .batch_bytes = batch_bytes};
    pipe->memory = akin_alloc(2, batch_bytes);
    if (!pipe->memory)
        return akin_error_memory(err, 2 * batch_bytes, "writing a segment");
    pipe->out = pipe->memory;
    pipe->full = pipe->memory + batch_bytes;
    return AKIN_OK;
}

static akin_status take_status(const struct build_pipe *pipe, akin_error *err)
{
    if (pipe->status && err)
        *err = pipe->error;
    return pipe->status;
}

akin_status build_pipe_fill(struct build_pipe *pipe, size_t count, size_t bytes, akin_loop_fn *fill,
                            void *user, akin_error *err)
{
    struct pieces pieces = {pipe, count};
    pipe->fill = fill;
    pipe->user = user;
    akin_pool_for(pipe->build->recipe->pool, PIECES + 1, 1, do_pieces, &pieces);
    unsigned char *full = pipe->out;
    pipe->out = pipe->full;
    pipe->full = full;
    pipe->full_bytes = bytes;
    return take_status(pipe, err);
}

akin_status build_pipe_end(struct build_pipe *pipe, akin_status status, akin_error *err)
{
    if (!status) {
        write_full(pipe);
        status = take_status(pipe, err);
    }
    akin_free(pipe->memory);
    return status;
}
