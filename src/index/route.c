/*
 * The plan: which way a search goes, from exact counts and a few measured costs.
 *
 * INDEX.md's three ways are here four, because "exact" is two: all rows, or only those that match, found by runs. By
 * codes, masks are made where less than one row in five matches. Two of its figures were measured anew
 * (500,000 x 256, ten answers, random filters and bands of longitude):
 *  - it has up to 20,000 matches scored one by one: that took 4.2 ms, codes .11 ms at a recall of .97; so the costs
 *    decide, and up to 4,000 matches the wish to miss none of a few, wherever they are;
 *  - it has lists multiplied by min(8, 1 / sqrt(share)): at a share of .01 that found .93; 1.5 / sqrt(share) - 0.5
 *    finds .96 at shares from .004 to .5.
 *
 * How many lists and candidates a recall takes is what the index measured of itself (struct
 * change_calibration), at ten answers; more answers need more of both, see scale_up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "matching.h"
#include "search.h"

#define FILTERED_MATCHES 4000  /* so few are always found and scored one by one */
#define SURE_WORTH 2.0         /* to miss nothing may cost so many times as much as codes */
#define MASKED_SHARE 0.2       /* of rows that match: below, masks */
#define PROBES_FACTOR_MAX 32.0 /* of a filter */
/* With a filter the nearest rows that match may be far away, where all are about as far. */
#define PROBES_FILTERED_LEAST 8.0
#define RERANK_FILTERED_LEAST 80.0
#define MATCHING_LEAST 0.7   /* of the matching rows that a filter at random would give */
#define SAMPLE_ROWS 64       /* of a filter, in all; of which at least */
#define SAMPLE_YES 8         /* should match, or else */
#define SAMPLE_MORE 512      /* are asked */
#define QUALITY_NS 1.5       /* to compare a row's packed qualities, */
#define COLUMNS_NS 20.0      /* and to ask its columns */
#define EXACT_RECALL 0.9999f /* from here on nothing may be missed */

/* ---- parts ---- */

static bool has_codes(const struct part *part)
{
    return part->segment && part->segment->coded.epoch;
}

static const struct epoch *epoch_of(const struct part *part)
{
    return part->segment->coded.epoch;
}

/* Whether part p's epoch was met in a part before. */
static bool epoch_met(const struct search *search, size_t p)
{
    for (size_t i = 0; i < search->epoch_count; i++)
        if (search->epochs[i].epoch->id == epoch_of(&search->view->parts[p])->id)
            return true;
    return false;
}

/* The parts of one epoch. Rows of all coded parts are numbered by 32 bits; what goes beyond is scanned exactly. */
static void add_epoch(struct search *search, const struct epoch *epoch, size_t from, uint64_t *base)
{
    struct coded_epoch *group = &search->epochs[search->epoch_count++];
    *group = (struct coded_epoch){.epoch = epoch, .first = search->coded_count};
    for (size_t p = from; p < search->view->part_count; p++) {
        const struct part *part = &search->view->parts[p];
        if (!has_codes(part) || epoch_of(part)->id != epoch->id || *base + part->rows > UINT32_MAX)
            continue;
        if (search_excludes(search, part)) {
            search->is_coded[p] = true; /* nothing to find in it */
            continue;
        }
        search->coded[search->coded_count++] = (struct coded_part){part, (uint32_t)*base};
        search->is_coded[p] = true;
        *base += part->rows;
    }
    group->count = search->coded_count - group->first;
}

akin_status route_parts(struct search *search, struct scratch *scratch, akin_error *err)
{
    size_t parts = search->view->part_count;
    size_t bytes = sizeof *search->coded + sizeof *search->epochs + sizeof *search->is_coded;
    akin_status status = growing_need(&scratch->parts, parts, bytes, err);
    if (status)
        return status;
    search->coded = scratch->parts.data;
    search->epochs = (struct coded_epoch *)(search->coded + parts);
    search->is_coded = (bool *)(search->epochs + parts);
    memset(search->is_coded, 0, parts);
    uint64_t base = 0;
    for (size_t p = 0; p < parts; p++)
        if (has_codes(&search->view->parts[p]) && !epoch_met(search, p))
            add_epoch(search, epoch_of(&search->view->parts[p]), p, &base);
    search->route.coded_rows = base;
    return AKIN_OK;
}

/* ---- what a recall takes ---- */

struct effort {
    double probes, rerank;
};

/* Without a calibration: enough for hard data (100 d word vectors) rather than fast for easy. */
static struct effort uncalibrated(double lists, double recall)
{
    double harder = pow(0.05 / fmax(1 - recall, 1e-4), 0.6);
    return (struct effort){1.5 * sqrt(lists) * harder, 100 * sqrt(harder)};
}

/* Between the measured points; twice the last one's beyond it. */
static struct effort calibrated(const struct change_calibration *calibration, double recall)
{
    const struct calibration_point *points = calibration->points, *last;
    size_t count =
        calibration->count < CALIBRATION_POINTS ? calibration->count : CALIBRATION_POINTS;
    for (size_t i = 0; i < count; i++)
        if (points[i].recall >= recall)
            return (struct effort){points[i].probes, points[i].rerank};
    last = &points[count - 1];
    return (struct effort){2.0 * last->probes, 2.0 * last->rerank};
}

/* From 10 answers to k: more lists hold them, and more candidates stand before the last of them. */
static void scale_up(struct effort *effort, double k, double rows_a_list)
{
    double more = fmax(1, k / 10);
    effort->probes = effort->probes * pow(more, 0.4) + 2.5 * (k - fmin(k, 10)) / rows_a_list;
    effort->probes = fmax(effort->probes, 4 * log2(more)); /* not all in a list that had the ten */
    effort->rerank = fmax(effort->rerank * pow(more, 0.85), 2 * k);
}

static double lists_of(const struct search *search)
{
    double most = 1;
    for (size_t i = 0; i < search->epoch_count; i++)
        most = fmax(most, search->epochs[i].epoch->lists_used);
    return most;
}

static struct effort effort_of(const struct search *search, double share)
{
    const struct akin_index_query *query = search->query;
    double recall = query->recall > 0 ? query->recall : AKIN_RECALL_DEFAULT;
    double lists = lists_of(search),
           rows_a_list = fmax(1, (double)search->route.coded_rows / lists);
    struct effort effort = search->view->calibration.count
                               ? calibrated(&search->view->calibration, recall)
                               : uncalibrated(lists, recall);
    size_t best = search->k + query->except_count; /* the exceptions are among the nearest */
    scale_up(&effort, (double)best, fmax(1, rows_a_list * share));
    if (search->filter) {
        double more = fmin(PROBES_FACTOR_MAX, fmax(1, 1.5 / sqrt(share) - 0.5));
        effort.probes = fmax(PROBES_FILTERED_LEAST, effort.probes * more);
        effort.rerank = fmax(RERANK_FILTERED_LEAST, effort.rerank * sqrt(more));
    }
    if (query->probes)
        effort.probes = query->probes;
    if (query->rerank)
        effort.rerank = query->rerank;
    effort.probes = fmin(fmax(1, ceil(effort.probes)), lists);
    effort.rerank =
        fmin(fmax(ceil(effort.rerank), (double)best), fmax(1, (double)search->route.coded_rows));
    return effort;
}

/* ---- the way ---- */

/* What a filter leaves, estimated. */
struct estimate {
    double matches;
    double listed; /* nanoseconds to find them */
    double asked, yes;
};

/* Each segment's best run and a sample of it, `sample` rows in all. */
static struct estimate sample_matches(const struct search *search, double sample)
{
    const struct view *view = search->view;
    double rows = fmax(1, (double)view->stats.rows), sampled = 0;
    struct estimate all = {0};
    for (size_t p = 0; p < view->part_count; p++) {
        const struct segment *segment = view->parts[p].segment;
        struct matching run;
        if (!segment)
            continue;
        matching_choose(&run, segment, search->filter);
        size_t asked = 4 + (size_t)(sample * (double)segment->rows / rows);
        size_t yes = matching_sample(&run, segment, search->filter, &asked);
        all.matches += (double)run.total * (double)yes / fmax(1, (double)asked);
        all.listed += (double)run.total * (run.kind == RUN_ALL ? QUALITY_NS : COLUMNS_NS);
        all.asked += (double)asked;
        all.yes += (double)yes;
        sampled += (double)segment->rows;
    }
    all.matches =
        sampled > 0 ? all.matches * rows / sampled : rows; /* the memtable is like the rest */
    return all;
}

static struct estimate estimate_matches(const struct search *search)
{
    if (!search->filter)
        return (struct estimate){.matches = (double)search->view->stats.rows};
    struct estimate few = sample_matches(search, SAMPLE_ROWS);
    return few.asked < SAMPLE_ROWS || few.yes >= SAMPLE_YES ? few
                                                            : sample_matches(search, SAMPLE_MORE);
}

/* Nanoseconds, from measurements at 100 to 784 dimensions on one core. */
static double cost_exact(const struct search *search, double rows)
{
    return rows * (double)search->dim * sizeof(akin_f16) / 10;
}
static double cost_filtered(const struct search *search, const struct estimate *estimate)
{
    return estimate->listed + estimate->matches * (60 + (double)search->dim * 0.25);
}
static double cost_codes(const struct search *search, struct effort effort)
{
    double scanned = (double)search->route.coded_rows * effort.probes / lists_of(search);
    return 5000 + scanned * (search->filter ? 4.5 : 2) +
           effort.rerank * (60 + (double)search->dim * 0.1) +
           (double)search->k * (60 + (double)search->dim * 0.2);
}

static enum akin_index_way choose(const struct search *search, struct effort effort,
                                  const struct estimate *estimate, double share)
{
    const struct akin_index_query *query = search->query;
    double rows = (double)search->view->stats.rows;
    bool codes = search->coded_count && query->recall < EXACT_RECALL;
    enum akin_index_way by_codes =
        search->filter && share < MASKED_SHARE ? AKIN_WAY_MASKED : AKIN_WAY_CODES;
    if (codes && (query->probes || query->rerank))
        return by_codes;
    double others = cost_exact(search, rows);
    if (codes)
        others = fmin(others, SURE_WORTH * cost_codes(search, effort));
    if (search->filter && (estimate->matches <= fmax(FILTERED_MATCHES, 2 * (double)search->k) ||
                           cost_filtered(search, estimate) < others))
        return AKIN_WAY_FILTERED;
    return codes && cost_codes(search, effort) < cost_exact(search, rows) ? by_codes
                                                                          : AKIN_WAY_EXACT;
}

void route_make(struct search *search)
{
    struct route *route = &search->route;
    struct estimate estimate = estimate_matches(search);
    route->matches = estimate.matches;
    double share = fmin(1, route->matches / fmax(1, (double)search->view->stats.rows));
    struct effort effort = effort_of(search, search->filter ? fmax(share, 1e-6) : 1);
    route->probes = (size_t)effort.probes;
    route->rerank = (size_t)effort.rerank;
    route->share = share;
    route->scan_matching = search->query->probes ? 0
                                                 : MATCHING_LEAST * share * effort.probes *
                                                       (double)route->coded_rows / lists_of(search);
    route->way = choose(search, effort, &estimate, share);
}
