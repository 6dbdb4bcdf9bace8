/*
 * Calibration: how many lists and reranked candidates a recall takes is not computed but measured, on the
 * index's own rows. Some rows are asked for their ten nearest, themselves left out, exactly and by
 * codes; a grid of lists and candidates says which of both reach a recall, and the cheapest of these
 * is kept for it. Rows stand for questions: queries that lie further from all rows than rows from each other
 * need more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "search.h"
#include "turnover.h"
#include "upkeep.h"

#define QUERIES 128u
#define GROUP 16u /* asked at a time, so that a stop is not far */
#define NEAREST 10u
#define ASKED (NEAREST + 1) /* the row itself is among them */
#define GROWTH 1.5          /* of the rows, and a new calibration is due */
#define SEED UINT64_C(0x63616c69)

/* Recalls that are calibrated, and what is tried for them. */
static const double targets[] = {.90, .95, .98, .99, .995};
static const uint32_t reranks[] = {20, 40, 60, 100, 160, 250, 400, 700, 1200};
#define TARGETS (sizeof targets / sizeof *targets)
#define RERANKS (sizeof reranks / sizeof *reranks)
_Static_assert(TARGETS <= CALIBRATION_POINTS, "a point each");

struct calibrating {
    struct upkeep *upkeep;
    struct view *view;   /* a reference */
    struct epoch *epoch; /* a reference; NULL: no codes */
    size_t queries;
    float *vectors;        /* (queries, dim) */
    uint64_t *keys;        /* of the rows that they are */
    struct akin_hit *hits; /* (queries, ASKED) */
    size_t *counts;        /* (queries) */
    float *bars;           /* a hit below is none of the nearest; -INFINITY: there are fewer */
    size_t *wanted;        /* of the nearest, NEAREST at most */
    double costs[TARGETS]; /* of the points found so far */
    struct change_calibration result;
};

/* ---- whether ---- */

static bool is_due(const struct calibrating *calibrating, const struct change_calibration *last)
{
    double rows = (double)upkeep_rows(calibrating->view), then = (double)last->rows;
    return calibrating->epoch && rows > 0 &&
           (!last->count || last->epoch != calibrating->epoch->id || rows > GROWTH * then ||
            rows * GROWTH < then);
}

/* ---- questions ---- */

static akin_status prepare(struct calibrating *calibrating, akin_error *err)
{
    size_t dim = calibrating->view->stats.dim;
    calibrating->vectors = akin_alloc(QUERIES, dim * sizeof *calibrating->vectors);
    calibrating->keys = akin_alloc(QUERIES, sizeof *calibrating->keys);
    calibrating->hits = akin_alloc(QUERIES, ASKED * sizeof *calibrating->hits);
    calibrating->counts = akin_alloc(QUERIES, sizeof *calibrating->counts);
    calibrating->bars = akin_alloc(QUERIES, sizeof *calibrating->bars);
    calibrating->wanted = akin_alloc(QUERIES, sizeof *calibrating->wanted);
    if (calibrating->vectors && calibrating->keys && calibrating->hits && calibrating->counts &&
        calibrating->bars && calibrating->wanted)
        return AKIN_OK;
    return akin_error_memory(err, QUERIES * dim * sizeof *calibrating->vectors, "calibration");
}

static void take_row(struct calibrating *calibrating, const struct part *part, size_t row)
{
    size_t dim = calibrating->view->stats.dim, n = calibrating->queries++;
    akin_kernels()->f32_from_f16(calibrating->vectors + n * dim, part_vector(part, row), dim);
    calibrating->keys[n] = part_columns(part, row)->key;
}

/* One live row at random of each 1/QUERIES of the segments' rows. */
static void choose_rows(struct calibrating *calibrating)
{
    const struct view *view = calibrating->view;
    uint64_t rows = 0, passed = 0, n = 0;
    for (size_t i = 0; i + 1 < view->part_count; i++)
        rows += view->parts[i].rows;
    for (size_t i = 0; i + 1 < view->part_count; i++) {
        const struct part *part = &view->parts[i];
        for (; n < QUERIES; n++) {
            uint64_t first = rows * n / QUERIES, end = rows * (n + 1) / QUERIES;
            if (first == end)
                continue;
            uint64_t row = first + akin_random_below(SEED, calibrating->epoch->id, n, end - first);
            if (row >= passed + part->rows)
                break;
            if (!bitmap_test(part->dead, (size_t)(row - passed)))
                take_row(calibrating, part, (size_t)(row - passed));
        }
        passed += part->rows;
    }
}

static akin_status ask(struct calibrating *calibrating, float recall, uint32_t probes,
                       uint32_t rerank, akin_error *err)
{
    struct upkeep *upkeep = calibrating->upkeep;
    size_t dim = calibrating->view->stats.dim;
    akin_status status = AKIN_OK;
    for (size_t first = 0; !status && first < calibrating->queries; first += GROUP) {
        size_t left = calibrating->queries - first;
        struct akin_index_query query = {.vectors = calibrating->vectors + first * dim,
                                         .count = left < GROUP ? left : GROUP,
                                         .k = ASKED,
                                         .threshold = -INFINITY,
                                         .recall = recall,
                                         .probes = probes,
                                         .rerank = rerank};
        struct akin_progress progress = {
            .what = "rows asked", .done = first, .total = calibrating->queries};
        if (!akin_progress(&upkeep->talk, &progress))
            return akin_error_set(err, AKIN_ERR_CANCELLED, "stopped");
        status =
            search_view(calibrating->view, upkeep->pool, &upkeep->index->shared->scratches, &query,
                        calibrating->hits + first * ASKED, calibrating->counts + first, NULL, err);
    }
    return status;
}

/* Of one answer, the hits that are not the row itself, NEAREST at most; *last: the score of the last. */
static size_t others(const struct calibrating *calibrating, size_t n, float bar, float *last)
{
    const struct akin_hit *hits = calibrating->hits + n * ASKED;
    size_t found = 0;
    for (size_t i = 0; i < calibrating->counts[n] && found < NEAREST; i++) {
        if (hits[i].key == calibrating->keys[n] || hits[i].score < bar)
            continue;
        *last = hits[i].score;
        found++;
    }
    return found;
}

/* The nearest themselves. Which of several equals is found makes no difference: scores are compared. */
static akin_status ask_exactly(struct calibrating *calibrating, akin_error *err)
{
    akin_status status = ask(calibrating, 1, 0, 0, err);
    for (size_t n = 0; !status && n < calibrating->queries; n++) {
        float last = -INFINITY;
        calibrating->wanted[n] = others(calibrating, n, -INFINITY, &last);
        calibrating->bars[n] = last;
    }
    return status;
}

static akin_status measure(struct calibrating *calibrating, uint32_t probes, uint32_t rerank,
                           double *recall, akin_error *err)
{
    size_t found = 0, wanted = 0;
    akin_status status = ask(calibrating, AKIN_RECALL_DEFAULT, probes, rerank, err);
    for (size_t n = 0; !status && n < calibrating->queries; n++) {
        float last;
        found += others(calibrating, n, calibrating->bars[n], &last);
        wanted += calibrating->wanted[n];
    }
    *recall = wanted ? (double)found / (double)wanted : 1;
    return status;
}

/* ---- the grid ---- */

/* Nanoseconds of a search, roughly: a row of codes takes 2 (32 bytes of them), a candidate 60 and a tenth for
 * each dimension, as the planner reckons (measured at 100 to 784 dimensions on one core). */
static double cost_of(const struct calibrating *calibrating, uint32_t probes, uint32_t rerank)
{
    const struct epoch *epoch = calibrating->epoch;
    double row = 2.0 * epoch->shape.block_bytes / (32.0 * AKIN_CODE_ROWS);
    double list = (double)calibrating->view->stats.rows / epoch->lists_used;
    return probes * list * row + rerank * (60 + 0.1 * epoch->dim);
}

/* What was measured must be above the target by a standard deviation of its sample. */
static bool reaches(const struct calibrating *calibrating, double recall, double target)
{
    double trials = (double)(calibrating->queries * NEAREST);
    return recall >= target + sqrt(target * (1 - target) / trials);
}

static void take_point(struct calibrating *calibrating, uint32_t probes, uint32_t rerank,
                       double recall)
{
    double cost = cost_of(calibrating, probes, rerank);
    for (size_t t = 0; t < TARGETS; t++) {
        struct calibration_point *point = &calibrating->result.points[t];
        if (!reaches(calibrating, recall, targets[t]) ||
            (point->probes && cost >= calibrating->costs[t]))
            continue;
        *point = (struct calibration_point){.recall = (float)targets[t],
                                            .probes = probes,
                                            .rerank = rerank,
                                            .measured = (float)recall};
        calibrating->costs[t] = cost;
    }
}

/* Whether anything is left to be gained at this cost and above. */
static bool worth_trying(const struct calibrating *calibrating, double cost)
{
    for (size_t t = 0; t < TARGETS; t++)
        if (!calibrating->result.points[t].probes || cost < calibrating->costs[t])
            return true;
    return false;
}

/* For each number of candidates more and more lists, until more lists find no more. */
static akin_status try_grid(struct calibrating *calibrating, akin_error *err)
{
    uint32_t lists = calibrating->epoch->lists_used;
    akin_status status = AKIN_OK;
    for (size_t r = 0; !status && r < RERANKS; r++) {
        double best = 0;
        int no_gain = 0;
        for (uint32_t probes = 1; !status && no_gain < 3; probes += probes / 4 + 1) {
            double recall;
            probes = probes < lists ? probes : lists;
            if (!worth_trying(calibrating, cost_of(calibrating, probes, reranks[r])))
                break;
            status = measure(calibrating, probes, reranks[r], &recall, err);
            if (status)
                break;
            take_point(calibrating, probes, reranks[r], recall);
            no_gain = recall > best + 0.001 ? 0 : no_gain + 1;
            best = recall > best ? recall : best;
            if (probes == lists || reaches(calibrating, recall, targets[TARGETS - 1]))
                break;
        }
    }
    return status;
}

/* ---- the result ---- */

/* Points that were not reached are left out. */
static void pack_points(struct change_calibration *result)
{
    result->count = 0;
    for (size_t t = 0; t < TARGETS; t++)
        if (result->points[t].probes)
            result->points[result->count++] = result->points[t];
    memset(result->points + result->count, 0,
           (CALIBRATION_POINTS - result->count) * sizeof *result->points);
}

static akin_status commit(const struct calibrating *calibrating, akin_error *err)
{
    akin_index *index = calibrating->upkeep->index;
    struct turnover turn;
    pthread_mutex_lock(&index->writing);
    struct view *now = handle_view(index);
    akin_status status = turnover_begin(&turn, index, now->part_count, err);
    if (!status)
        status = handle_check_writer(index, err);
    for (size_t i = 0; !status && i + 1 < now->part_count; i++)
        status = turnover_carry(&turn, &now->parts[i], err);
    if (!status)
        status = edit_add(&turn.edit, CHANGE_CALIBRATION, &calibrating->result,
                          sizeof calibrating->result, err);
    status = turnover_end(&turn, status, err);
    view_unref(now);
    pthread_mutex_unlock(&index->writing);
    return status;
}

static akin_status calibrate(struct calibrating *calibrating, const struct change_calibration *last,
                             akin_error *err)
{
    const struct view *view = calibrating->view;
    struct change_calibration *result = &calibrating->result;
    akin_status status = prepare(calibrating, err);
    if (status)
        return status;
    choose_rows(calibrating);
    if (!calibrating->queries)
        return AKIN_OK;
    status = ask_exactly(calibrating, err);
    if (!status)
        status = try_grid(calibrating, err);
    if (status)
        return status;
    pack_points(result);
    result->epoch = calibrating->epoch->id;
    result->rows = upkeep_rows(view);
    result->queries = (uint32_t)calibrating->queries;
    result->residual = last->epoch == result->epoch && last->count
                           ? last->residual
                           : (float)upkeep_residual(view, calibrating->epoch);
    return commit(calibrating, err);
}

akin_status calibrate_step(struct upkeep *upkeep, bool *did, akin_error *err)
{
    akin_index *index = upkeep->index;
    struct calibrating calibrating = {.upkeep = upkeep};
    pthread_mutex_lock(&index->writing);
    struct change_calibration last = index->manifest.calibration;
    calibrating.view = handle_view(index);
    calibrating.epoch = handle_epoch(index) ? epoch_ref(handle_epoch(index)) : NULL;
    pthread_mutex_unlock(&index->writing);
    akin_status status = AKIN_OK;
    *did = false;
    if (is_due(&calibrating, &last))
        status = calibrate(&calibrating, &last, err);
    akin_free(calibrating.vectors);
    akin_free(calibrating.keys);
    akin_free(calibrating.hits);
    akin_free(calibrating.counts);
    akin_free(calibrating.bars);
    akin_free(calibrating.wanted);
    epoch_unref(calibrating.epoch);
    view_unref(calibrating.view);
    return status;
}
