/*
 * Merges. Which: segments that are not coded in the newest epoch, all together; else, where there are more
 * than a few, the smallest ones, up to the last that has at most twice the rows of all smaller ones together
 * (so that there are never more than about log2(rows / memtable_rows), and a row is rewritten a few times per
 * doubling of the rows); else one that is more than half dead, alone. Within an epoch a merge copies codes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "turnover.h"
#include "upkeep.h"

#define FEW 4   /* so many segments are left as they are */
#define RATIO 2 /* a segment joins smaller ones that have 1/RATIO of its rows together */

/* What is to become of some segments of a view. */
struct plan {
    struct upkeep *upkeep;
    struct view *view;    /* a reference */
    struct epoch *epoch;  /* a reference; NULL: no codes */
    struct part **sorted; /* the segments by live rows; the first `count` are to be merged */
    size_t count, segments;
    uint64_t rows_max;
};

uint64_t upkeep_rows(const struct view *view)
{
    uint64_t rows = 0;
    for (size_t i = 0; i + 1 < view->part_count; i++)
        rows += part_live(&view->parts[i]);
    return rows;
}

bool upkeep_coded_in(const struct part *part, const struct epoch *epoch)
{
    return epoch && part->segment && part->segment->coded.epoch &&
           part->segment->coded.epoch->id == epoch->id;
}

/* ---- choosing ---- */

/* By live rows, which is what a merge copies; ids make the order total. */
static int compare_live(const void *a, const void *b)
{
    const struct part *x = *(const struct part *const *)a, *y = *(const struct part *const *)b;
    size_t left = part_live(x), right = part_live(y);
    if (left != right)
        return left < right ? -1 : 1;
    return x->segment->id < y->segment->id ? -1 : 1;
}

/* Moves those of the sorted that `want` names to the front, as many as make a segment of allowed size;
 * returns their number. */
typedef bool want_fn(const struct plan *plan, const struct part *part);
static size_t gather(struct plan *plan, want_fn *want)
{
    size_t count = 0;
    uint64_t rows = 0;
    for (size_t i = 0; i < plan->segments; i++) {
        struct part *part = plan->sorted[i];
        if (!want(plan, part) || rows + part->rows > plan->rows_max)
            continue;
        rows += part->rows;
        for (size_t at = i; at > count; at--)
            plan->sorted[at] = plan->sorted[at - 1];
        plan->sorted[count++] = part;
    }
    return count;
}

static bool want_stale(const struct plan *plan, const struct part *part)
{
    return plan->epoch && !upkeep_coded_in(part, plan->epoch);
}

static bool want_any(const struct plan *plan, const struct part *part)
{
    (void)plan, (void)part;
    return true;
}

static bool want_mostly_dead(const struct plan *plan, const struct part *part)
{
    (void)plan;
    return 2 * part_live(part) < part->rows;
}

/* The smallest segments, up to the last that is not large beside those before it. */
static size_t choose_tier(const struct plan *plan)
{
    size_t chosen = 0;
    uint64_t live = 0, rows = 0;
    for (size_t i = 0; plan->segments > FEW && i < plan->segments; i++) {
        rows += plan->sorted[i]->rows;
        if (rows > plan->rows_max)
            break;
        if (i && RATIO * live >= part_live(plan->sorted[i]))
            chosen = i + 1;
        live += part_live(plan->sorted[i]);
    }
    return chosen;
}

static size_t choose(struct plan *plan)
{
    qsort(plan->sorted, plan->segments, sizeof *plan->sorted, compare_live);
    size_t count = gather(plan, want_stale);
    if (!count && plan->upkeep->whole && (count = gather(plan, want_any)) < 2)
        count = 0;
    if (!count)
        count = choose_tier(plan);
    if (!count && (count = gather(plan, want_mostly_dead)) > 1)
        count = 1;
    return count;
}

/* A damaged segment is not copied: that would give its wrong bytes a right checksum. Marks those of the
 * plan that are, so that they are not chosen again; whether there are any. */
static bool find_damage(const struct plan *plan)
{
    const akin_index *index = plan->upkeep->index;
    bool damage = false;
    for (size_t i = 0; i < plan->count; i++) {
        struct segment *segment = plan->sorted[i]->segment;
        if (segment_sums_good(segment))
            continue;
        segment->damaged = damage = true;
        akin_log(index->talk, AKIN_LEVEL_WARN, "index",
                 "%s: segment %llu is damaged and is not merged; akin verify says where",
                 index->path, (unsigned long long)segment->id);
    }
    return damage;
}

static akin_status plan_init(struct plan *plan, struct upkeep *upkeep, akin_error *err)
{
    akin_index *index = upkeep->index;
    pthread_mutex_lock(&index->writing);
    plan->view = handle_view(index);
    plan->epoch = handle_epoch(index) ? epoch_ref(handle_epoch(index)) : NULL;
    pthread_mutex_unlock(&index->writing);
    plan->upkeep = upkeep;
    plan->rows_max = index->ram_bytes / SEGMENT_BUILD_ROW_BYTES;
    if (plan->rows_max > SEGMENT_ROWS_MAX)
        plan->rows_max = SEGMENT_ROWS_MAX;
    plan->sorted = akin_alloc(plan->view->part_count, sizeof *plan->sorted);
    if (!plan->sorted)
        return akin_error_memory(err, plan->view->part_count * sizeof *plan->sorted, "merge");
    for (size_t i = 0; i + 1 < plan->view->part_count; i++)
        if (!plan->view->parts[i].segment->damaged)
            plan->sorted[plan->segments++] = &plan->view->parts[i];
    return AKIN_OK;
}

static void plan_fini(struct plan *plan)
{
    akin_free(plan->sorted);
    epoch_unref(plan->epoch);
    view_unref(plan->view);
}

/* ---- doing ---- */

/* Of rows that the new segment has of `was`, those that are dead by now. now NULL: the whole part is gone. */
static akin_status carry_deaths(struct bitmap **dead, const struct segment *made,
                                const struct part *was, const struct part *now, akin_error *err)
{
    if (now && now->dead == was->dead)
        return AKIN_OK;
    for (size_t row = 0; row < was->rows; row++) {
        if (bitmap_test(was->dead, row) || (now && !bitmap_test(now->dead, row)))
            continue;
        if (!*dead && !(*dead = bitmap_copy(NULL, made->rows)))
            return akin_error_memory(err, made->rows / 8, "tombstones");
        size_t there = segment_find(made, was->segment->columns[row].key);
        if (there != SIZE_MAX)
            bitmap_set(*dead, there);
    }
    return AKIN_OK;
}

static const struct part *find_part(const struct view *view, const struct segment *segment)
{
    for (size_t i = 0; i + 1 < view->part_count; i++)
        if (view->parts[i].segment == segment)
            return &view->parts[i];
    return NULL;
}

static bool goes(const struct plan *plan, const struct part *part)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->sorted[i]->segment == part->segment)
            return true;
    return false;
}

/* Puts `made` (NULL: no row was live) in the place of the plan's segments. Takes over the reference. */
static akin_status commit(const struct plan *plan, struct segment *made, akin_error *err)
{
    akin_index *index = plan->upkeep->index;
    struct turnover turn;
    struct bitmap *dead = NULL;
    pthread_mutex_lock(&index->writing);
    struct view *now = handle_view(index);
    akin_status status = turnover_begin(&turn, index, now->part_count + 1, err);
    if (!status)
        status = handle_check_writer(index, err);
    for (size_t i = 0; !status && made && i < plan->count; i++)
        status = carry_deaths(&dead, made, plan->sorted[i],
                              find_part(now, plan->sorted[i]->segment), err);
    for (size_t i = 0; !status && i + 1 < now->part_count; i++)
        status = goes(plan, &now->parts[i]) ? turnover_drop(&turn, &now->parts[i], err)
                                            : turnover_carry(&turn, &now->parts[i], err);
    if (!status && made) {
        status = turnover_add(&turn, made, dead, err);
        made = NULL;
    }
    status = turnover_end(&turn, status, err);
    segment_unref(made);
    bitmap_unref(dead);
    view_unref(now);
    pthread_mutex_unlock(&index->writing);
    return status;
}

static akin_status build(const struct plan *plan, struct segment **made, char *path,
                         akin_error *err)
{
    struct upkeep *upkeep = plan->upkeep;
    struct epoch *only[1] = {plan->epoch};
    struct epoch_set epochs = {.epochs = only, .count = plan->epoch != NULL};
    struct segment_info info;
    struct part *parts = akin_alloc(plan->count, sizeof *parts);
    if (!parts)
        return akin_error_memory(err, plan->count * sizeof *parts, "merge");
    pthread_mutex_lock(&upkeep->index->writing);
    struct segment_recipe recipe = turnover_recipe(upkeep->index);
    pthread_mutex_unlock(&upkeep->index->writing);
    recipe.epoch = plan->epoch;
    recipe.pool = upkeep->pool;
    recipe.talk = &upkeep->talk;
    if (plan->epoch && upkeep->from && upkeep->split_id == plan->epoch->id) {
        recipe.from = upkeep->from;
        recipe.renumber = upkeep->renumber;
    }
    for (size_t i = 0; i < plan->count; i++)
        parts[i] = *plan->sorted[i];
    akin_status status = segment_path(path, recipe.dir, recipe.id, err);
    if (!status)
        status = segment_build(&info, &recipe, parts, plan->count, err);
    if (!status)
        status = segment_open(made, path, &epochs, err);
    akin_free(parts);
    return status;
}

static akin_status merge_parts(const struct plan *plan, akin_error *err)
{
    char path[AKIN_PATH_MAX] = "";
    struct segment *made = NULL;
    uint64_t live = 0;
    for (size_t i = 0; i < plan->count; i++)
        live += part_live(plan->sorted[i]);
    akin_status status = live ? build(plan, &made, path, err) : AKIN_OK;
    if (!status)
        status = commit(plan, made, err);
    if (status && path[0])
        upkeep_remove(plan->upkeep, path);
    return status;
}

akin_status merge_step(struct upkeep *upkeep, bool *did, akin_error *err)
{
    struct plan plan = {0};
    *did = false;
    akin_status status = plan_init(&plan, upkeep, err);
    if (!status)
        plan.count = choose(&plan);
    if (!status && plan.count) {
        *did = true; /* also where only damage was found: it is not chosen again */
        if (!find_damage(&plan))
            status = merge_parts(&plan, err);
    }
    plan_fini(&plan);
    return status;
}
