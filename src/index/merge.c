/*
 * Merges: size-tiered, as in LSM trees. More than 16 segments: eight of about one size become one,
 * so that a row is rewritten about log8(n / memtable_rows) times in its life. A segment more than
 * half dead is rewritten alone. Runs when the log is empty, inside a flush.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "turnover.h"

#define SEGMENTS_MAX 16
#define FAN_OUT 8
#define TIER_RATIO 4 /* segments of one tier differ by less than this */

/* By live rows, which is what a merge copies; ids make the order total. */
static int compare_live(const void *a, const void *b)
{
    const struct part *x = *(const struct part *const *)a, *y = *(const struct part *const *)b;
    size_t left = part_live(x), right = part_live(y);
    if (left != right)
        return left < right ? -1 : 1;
    return x->segment->id < y->segment->id ? -1 : 1;
}

/* The eight next to each other in size that are the most alike, else the eight smallest; as many of
 * them as make a segment of allowed size. Returns how many, fewer than 2 where nothing can be
 * merged. */
static size_t choose_tier(struct part **sorted, size_t count, size_t *first)
{
    *first = 0;
    for (size_t i = 0; i + FAN_OUT <= count; i++) {
        if (part_live(sorted[i + FAN_OUT - 1]) < TIER_RATIO * part_live(sorted[i])) {
            *first = i;
            break;
        }
    }
    size_t rows = 0, chosen = 0;
    while (chosen < FAN_OUT && *first + chosen < count) {
        rows += part_live(sorted[*first + chosen]);
        if (rows > SEGMENT_ROWS_MAX)
            break;
        chosen++;
    }
    return chosen;
}

static bool mostly_dead(const struct part *part)
{
    return 2 * part_live(part) < part->rows;
}

/* Sorts the segments' parts so that sorted[*first ..] are those to be merged; returns their
 * number. */
static size_t choose(struct part **sorted, size_t count, size_t *first)
{
    qsort(sorted, count, sizeof *sorted, compare_live);
    if (count > SEGMENTS_MAX) {
        size_t chosen = choose_tier(sorted, count, first);
        if (chosen > 1)
            return chosen;
    }
    for (*first = 0; *first < count; ++*first)
        if (mostly_dead(sorted[*first]))
            return 1;
    return 0;
}

/* A damaged segment is not copied: that would give its wrong bytes a right checksum. */
static size_t leave_out_damaged(const akin_index *index, struct part **sorted, size_t count)
{
    size_t good = 0;
    for (size_t i = 0; i < count; i++) {
        if (segment_sums_good(sorted[i]->segment))
            sorted[good++] = sorted[i];
        else
            akin_log(index->talk, AKIN_LEVEL_WARN, "index",
                     "%s: segment %llu is damaged and is not merged; akin verify says where",
                     index->path, (unsigned long long)sorted[i]->segment->id);
    }
    return good;
}

static akin_status merge_parts(akin_index *index, const struct view *view,
                               struct part *const *merged, size_t count, akin_error *err)
{
    struct turnover turn;
    struct part *parts = akin_alloc(count, sizeof *parts);
    if (!parts)
        return akin_error_memory(err, count * sizeof *parts, "merge");
    akin_status status = turnover_begin(&turn, index, view->part_count + 1, err);
    for (size_t i = 0; !status && i + 1 < view->part_count; i++) {
        bool goes = false;
        for (size_t m = 0; m < count; m++)
            goes |= merged[m] == &view->parts[i];
        status = goes ? turnover_drop(&turn, &view->parts[i], err)
                      : turnover_keep(&turn, &view->parts[i], err);
    }
    size_t live = 0;
    for (size_t i = 0; i < count; i++) {
        parts[i] = *merged[i];
        live += part_live(&parts[i]);
    }
    if (!status && live)
        status = turnover_build(&turn, parts, count, err);
    status = turnover_end(&turn, status, err);
    akin_free(parts);
    return status;
}

akin_status merge_step(akin_index *index, bool *done, akin_error *err)
{
    struct view *view = handle_view(index);
    size_t segments = view->part_count - 1, first = 0;
    akin_status status = AKIN_OK;
    struct part **sorted = akin_alloc(segments, sizeof *sorted);
    if (!sorted) {
        status = akin_error_memory(err, segments * sizeof *sorted, "merge");
        goto out;
    }
    for (size_t i = 0; i < segments; i++)
        sorted[i] = &view->parts[i];
    size_t chosen = choose(sorted, segments, &first);
    size_t good = leave_out_damaged(index, sorted + first, chosen);
    *done = good == 0 || (good == 1 && !mostly_dead(sorted[first]));
    if (!*done)
        status = merge_parts(index, view, sorted + first, good, err);
out:
    akin_free(sorted);
    view_unref(view);
    return status;
}
