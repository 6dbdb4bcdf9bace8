/*
 * Drafts: which rows a new row or a removal puts out of date.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "handle.h"

akin_status draft_begin(struct draft *draft, const akin_index *index, akin_error *err)
{
    struct view *from = handle_view(index), *view = NULL;
    akin_status status = view_create(&view, from->part_count, err);
    for (size_t i = 0; !status && i < from->part_count; i++)
        status = part_copy(&view->parts[i], &from->parts[i], err);
    view_unref(from);
    if (status) {
        view_unref(view);
        return status;
    }
    draft->memtable = index->memtable;
    draft->view = view;
    return AKIN_OK;
}

void draft_abort(struct draft *draft)
{
    view_unref(draft->view);
    draft->view = NULL;
}

static struct part *memtable_part(struct draft *draft)
{
    return &draft->view->parts[draft->view->part_count - 1];
}

static void key_range(const struct akin_columns *columns, size_t rows, uint64_t *min, uint64_t *max,
                      bool *ascending)
{
    *min = UINT64_MAX;
    *max = 0;
    *ascending = true;
    for (size_t i = 0; i < rows; i++) {
        uint64_t key = columns[i].key;
        *ascending &= i == 0 || key > columns[i - 1].key;
        *min = key < *min ? key : *min;
        *max = key > *max ? key : *max;
    }
}

/* New scenes have larger keys than all before: comparing ranges is all that they cost. */
static bool ranges_meet(const struct segment *segment, uint64_t min, uint64_t max)
{
    return segment->first_key <= max && segment->last_key >= min;
}

static bool segment_has_any(const struct part *part, const struct akin_columns *columns,
                            size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        if (part_find(part, columns[i].key) != SIZE_MAX)
            return true;
    return false;
}

static bool memtable_has_any(const struct memtable *table, const struct akin_columns *columns,
                             size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        if (memtable_find(table, columns[i].key) != SIZE_MAX)
            return true;
    return false;
}

akin_status draft_stage_add(struct draft *draft, const struct akin_columns *columns, size_t rows,
                            akin_error *err)
{
    uint64_t min, max;
    bool ascending;
    key_range(columns, rows, &min, &max, &ascending);
    struct part *memory = memtable_part(draft);
    akin_status status = part_of_memtable(memory, draft->memtable, err);
    if (!status && (!ascending || memtable_has_any(draft->memtable, columns, rows)))
        status = part_own_dead(memory, err);
    for (size_t i = 0; !status && i + 1 < draft->view->part_count; i++) {
        struct part *part = &draft->view->parts[i];
        if (ranges_meet(part->segment, min, max) && segment_has_any(part, columns, rows))
            status = part_own_dead(part, err);
    }
    return status;
}

void draft_commit_add(struct draft *draft, const struct akin_columns *columns, size_t rows)
{
    uint64_t min, max;
    bool ascending;
    key_range(columns, rows, &min, &max, &ascending);
    for (size_t i = 0; i + 1 < draft->view->part_count; i++) {
        struct part *part = &draft->view->parts[i];
        /* Where nothing was found when it was staged, the bitmap may be another view's: not
         * ours. */
        if (!part->dead_is_own || !ranges_meet(part->segment, min, max))
            continue;
        for (size_t r = 0; r < rows; r++) {
            size_t row = segment_find(part->segment, columns[r].key);
            if (row != SIZE_MAX)
                bitmap_set(part->dead, row);
        }
    }
    struct part *memory = memtable_part(draft);
    for (size_t r = 0; r < rows; r++) {
        size_t before = memtable_commit(draft->memtable);
        if (before != SIZE_MAX)
            bitmap_set(memory->dead, before);
    }
    memory->rows = draft->memtable->rows;
}

typedef void row_fn(struct part *part, size_t row, uint64_t *count);

static void count_row(struct part *part, size_t row, uint64_t *count)
{
    *count += !bitmap_test(part->dead, row);
}

static void kill_row(struct part *part, size_t row, uint64_t *count)
{
    (void)count;
    bitmap_set(part->dead, row);
}

static void each_in_range(struct part *part, uint64_t first, uint64_t last, row_fn *fn,
                          uint64_t *count)
{
    if (part->segment) {
        const struct segment *segment = part->segment;
        if (!ranges_meet(segment, first, last))
            return;
        for (size_t place = segment_lower_bound(segment, first);
             place < segment->rows && segment->keys[place] <= last; place++) {
            size_t row = segment_key_row(segment, place);
            if (row != SIZE_MAX)
                fn(part, row, count);
        }
        return;
    }
    for (size_t row = 0; row < part->rows; row++) {
        uint64_t key = part->chunks[row / BLOCK_ROWS]->keys[row % BLOCK_ROWS];
        if (key >= first && key <= last)
            fn(part, row, count);
    }
}

akin_status draft_stage_remove(struct draft *draft, uint64_t first, uint64_t last,
                               uint64_t *removed, akin_error *err)
{
    *removed = 0;
    for (size_t i = 0; i < draft->view->part_count; i++) {
        struct part *part = &draft->view->parts[i];
        uint64_t here = 0;
        each_in_range(part, first, last, count_row, &here);
        akin_status status = here ? part_own_dead(part, err) : AKIN_OK;
        if (status)
            return status;
        *removed += here;
    }
    return AKIN_OK;
}

void draft_commit_remove(struct draft *draft, uint64_t first, uint64_t last)
{
    for (size_t i = 0; i < draft->view->part_count; i++)
        if (draft->view->parts[i].dead_is_own)
            each_in_range(&draft->view->parts[i], first, last, kill_row, NULL);
}
