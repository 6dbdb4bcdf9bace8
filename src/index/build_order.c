/*
 * The order of a new segment's rows: (list, Hilbert key, begin, key), without codes (Hilbert key, begin,
 * key). Each part's live rows become a stream in that order; the streams are merged. Where a part lies in
 * that order already, as all do in a merge within an epoch, nothing is sorted and no list looked for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "build.h"
#include "radix.h"

#define ASSIGN_BYTES (8u << 20) /* of rotated vectors at a time */

/* A part's live rows in order. */
struct stream {
    const struct part *part;
    uint32_t *rows, *lists; /* (count), owned; lists NULL without codes */
    size_t count, at;
};

static void stream_fini(struct stream *stream)
{
    akin_free(stream->rows);
    akin_free(stream->lists);
}

/* Whether rows of the part lie by (Hilbert key, begin, key) throughout. */
static bool in_plain_order(const struct part *part)
{
    return part->segment && part->segment->coded.epoch_id == 0;
}

static bool in_epoch(const struct part *part, const struct epoch *epoch)
{
    return part->segment && epoch && part->segment->coded.epoch_id == epoch->id &&
           part->segment->coded.epoch;
}

uint32_t build_known_list(const struct segment_recipe *recipe, const struct part *part, size_t row)
{
    if (in_epoch(part, recipe->epoch))
        return segment_list_of(part->segment, row);
    if (in_epoch(part, recipe->from))
        return recipe->renumber[segment_list_of(part->segment, row)];
    return UINT32_MAX;
}

static akin_status live_rows(struct stream *stream, bool coded, akin_error *err)
{
    const struct part *part = stream->part;
    size_t live = part_live(part);
    stream->rows = akin_alloc(live, sizeof *stream->rows);
    stream->lists = coded ? akin_alloc(live, sizeof *stream->lists) : NULL;
    if (!stream->rows || (coded && !stream->lists))
        return akin_error_memory(err, live * 8, "order of rows");
    for (size_t row = 0; row < part->rows && stream->count < live; row++)
        if (!bitmap_test(part->dead, row))
            stream->rows[stream->count++] = (uint32_t)row;
    return AKIN_OK;
}

/* ---- lists ---- */

struct assign {
    const struct stream *stream;
    const struct epoch *epoch;
    const uint32_t *places; /* of the rows in question, in the stream */
    float *rotated;         /* (batch, wide) */
    float *wide;            /* (threads, dim) */
};

static void rotate_rows(void *user, size_t begin, size_t end, unsigned thread)
{
    const struct assign *assign = user;
    const struct epoch *epoch = assign->epoch;
    float *wide = assign->wide + (size_t)thread * epoch->dim;
    for (size_t i = begin; i < end; i++) {
        size_t row = assign->stream->rows[assign->places[i]];
        akin_kernels()->f32_from_f16(wide, part_vector(assign->stream->part, row), epoch->dim);
        rotation_apply(&epoch->rotation, assign->rotated + i * epoch->shape.wide, wide);
    }
}

/* Lists of the rows at `places`, a batch at a time. */
static akin_status assign_places(struct build *build, struct stream *stream, uint32_t *places,
                                 size_t count, akin_error *err)
{
    const struct segment_recipe *recipe = build->recipe;
    const struct epoch *epoch = recipe->epoch;
    size_t row_bytes = epoch->shape.wide * sizeof(float), batch = ASSIGN_BYTES / row_bytes;
    batch = batch < count ? batch : count;
    struct assign assign = {.stream = stream, .epoch = epoch};
    assign.rotated = akin_alloc(batch, row_bytes);
    assign.wide = akin_alloc(akin_pool_threads(recipe->pool), epoch->dim * sizeof(float));
    uint32_t *lists = akin_alloc(batch, sizeof *lists);
    akin_status status = AKIN_OK;
    if (!assign.rotated || !assign.wide || !lists)
        status = akin_error_memory(err, batch * row_bytes, "assigning rows to lists");
    for (size_t first = 0; !status && first < count; first += batch) {
        size_t n = count - first < batch ? count - first : batch;
        assign.places = places + first;
        akin_pool_for(recipe->pool, n, 0, rotate_rows, &assign);
        status = epoch_assign(epoch, lists, assign.rotated, n, recipe->pool, err);
        for (size_t i = 0; !status && i < n; i++)
            stream->lists[assign.places[i]] = lists[i];
        if (!status)
            status = build_progress(build, n, err);
    }
    akin_free(assign.rotated);
    akin_free(assign.wide);
    akin_free(lists);
    return status;
}

static akin_status find_lists(struct build *build, struct stream *stream, akin_error *err)
{
    uint32_t *unknown = akin_alloc(stream->count, sizeof *unknown);
    size_t count = 0;
    if (!unknown)
        return akin_error_memory(err, stream->count * sizeof *unknown, "assigning rows to lists");
    for (size_t i = 0; i < stream->count; i++) {
        stream->lists[i] = build_known_list(build->recipe, stream->part, stream->rows[i]);
        if (stream->lists[i] == UINT32_MAX)
            unknown[count++] = (uint32_t)i;
    }
    akin_status status = build_progress(build, stream->count - count, err);
    if (!status && count)
        status = assign_places(build, stream, unknown, count, err);
    akin_free(unknown);
    return status;
}

/* ---- sorting one part ---- */

enum sort_by { BY_KEY, BY_BEGIN, BY_PLACE, BY_LIST };

static void sort_by(const struct stream *stream, enum sort_by by, struct radix_entry *entries,
                    struct radix_entry *scratch)
{
    for (size_t i = 0; i < stream->count; i++) {
        size_t place = entries[i].row;
        const struct akin_columns *columns = part_columns(stream->part, stream->rows[place]);
        entries[i].key = by == BY_KEY     ? columns->key
                         : by == BY_BEGIN ? radix_key(columns->begin_ms)
                         : by == BY_PLACE ? columns->hilbert
                                          : stream->lists[place];
    }
    radix_sort(entries, scratch, stream->count);
}

/* The least significant first: each sort keeps the order of the one before where its keys are equal. */
static akin_status sort_stream(struct stream *stream, akin_error *err)
{
    size_t n = stream->count;
    struct radix_entry *entries = akin_alloc(n, 2 * sizeof *entries);
    uint32_t *rows = akin_alloc(n, sizeof *rows), *lists = akin_alloc(n, sizeof *lists);
    akin_status status = AKIN_OK;
    if (!entries || !rows || !lists) {
        status = akin_error_memory(err, n * 2 * sizeof *entries, "order of rows");
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        entries[i].row = (uint32_t)i;
    if (!in_plain_order(stream->part))
        for (int by = BY_KEY; by <= BY_PLACE; by++)
            sort_by(stream, (enum sort_by)by, entries, entries + n);
    if (stream->lists)
        sort_by(stream, BY_LIST, entries, entries + n);
    for (size_t i = 0; i < n; i++) {
        rows[i] = stream->rows[entries[i].row];
        lists[i] = stream->lists ? stream->lists[entries[i].row] : 0;
    }
    memcpy(stream->rows, rows, n * sizeof *rows);
    if (stream->lists)
        memcpy(stream->lists, lists, n * sizeof *lists);
out:
    akin_free(entries);
    akin_free(rows);
    akin_free(lists);
    return status;
}

static akin_status stream_begin(struct build *build, struct stream *stream, akin_error *err)
{
    const struct epoch *epoch = build->recipe->epoch;
    akin_status status = live_rows(stream, epoch != NULL, err);
    if (!status && epoch)
        status = find_lists(build, stream, err);
    bool ordered = epoch ? in_epoch(stream->part, epoch) : in_plain_order(stream->part);
    return status || ordered ? status : sort_stream(stream, err);
}

/* ---- merging ---- */

static int compare_heads(const struct stream *a, const struct stream *b)
{
    if (a->lists && a->lists[a->at] != b->lists[b->at])
        return a->lists[a->at] < b->lists[b->at] ? -1 : 1;
    return posting_compare(part_columns(a->part, a->rows[a->at]),
                           part_columns(b->part, b->rows[b->at]));
}

/* A linear search: there are at most a few dozen streams, and most often one or two. */
static struct stream *least(struct stream *streams, size_t count)
{
    struct stream *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (streams[i].at < streams[i].count && (!best || compare_heads(&streams[i], best) < 0))
            best = &streams[i];
    return best;
}

static void merge_streams(struct build *build, struct stream *streams)
{
    uint32_t list = 0, lists = build->lists ? build->recipe->epoch->lists.count : 0;
    for (size_t number = 0; number < build->rows; number++) {
        struct stream *stream = least(streams, build->part_count);
        build->source[number] = (uint8_t)(stream - streams);
        build->row[number] = stream->rows[stream->at];
        if (build->lists)
            while (list <= stream->lists[stream->at])
                build->lists[list++].row = (uint32_t)number;
        stream->at++;
    }
    if (!build->lists)
        return;
    while (list <= lists)
        build->lists[list++].row = (uint32_t)build->rows;
    build->lists[0].block = 0;
    for (list = 0; list < lists; list++) {
        uint32_t rows = build->lists[list + 1].row - build->lists[list].row;
        build->lists[list + 1].block =
            build->lists[list].block + (rows + AKIN_CODE_ROWS - 1) / AKIN_CODE_ROWS;
    }
}

akin_status build_order_posting(struct build *build, akin_error *err)
{
    struct stream *streams = akin_alloc_zero(build->part_count, sizeof *streams);
    akin_status status = AKIN_OK;
    if (!streams)
        return akin_error_memory(err, build->part_count * sizeof *streams, "order of rows");
    for (size_t i = 0; !status && i < build->part_count; i++) {
        streams[i].part = &build->parts[i];
        status = stream_begin(build, &streams[i], err);
    }
    if (!status)
        merge_streams(build, streams);
    for (size_t i = 0; i < build->part_count; i++)
        stream_fini(&streams[i]);
    akin_free(streams);
    return status;
}

akin_status build_order_keys(struct build *build, akin_error *err)
{
    struct walk *walks = akin_alloc_zero(build->part_count, sizeof *walks);
    akin_status status = AKIN_OK;
    size_t count = 0;
    if (!walks)
        return akin_error_memory(err, build->part_count * sizeof *walks, "order of rows");
    for (size_t i = 0; !status && i < build->part_count; i++)
        status = walk_begin(&walks[i], &build->parts[i], err);
    for (size_t next; !status && count < build->rows; walk_next(&walks[next])) {
        next = walk_least(walks, build->part_count);
        if (next == build->part_count)
            break;
        build->source[count] = (uint8_t)next;
        build->row[count++] = (uint32_t)walks[next].row;
    }
    /* Too few where a damaged key run names a row twice and another not at all. */
    if (!status && count < build->rows)
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "%s: a part's keys do not cover its rows; akin verify says which",
                                build->path);
    for (size_t i = 0; i < build->part_count; i++)
        walk_fini(&walks[i]);
    akin_free(walks);
    return status;
}
