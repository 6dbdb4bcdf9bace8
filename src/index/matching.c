/*
 * Matching: a filter's rows by binary search in sorted runs.
 *
 * Time: a row that meets [b, e] begins at e or before, and not before b less the longest duration. Place:
 * the centre of a row's box that meets the filter's lies in that box widened by half of the largest row's;
 * a box is a few stretches of the Hilbert curve. Scenes: a scene is one range of keys. What these leave is
 * asked row by row.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "matching.h"

#include <math.h>

#define BOX_SLACK_DEG 1e-5 /* for what rounding to 1e-7 degrees moves a centre by; a metre */
#define AHEAD 16           /* rows whose columns are fetched ahead */

/* ---- binary searches: the first place that is not below ---- */

static size_t time_place(const struct segment *segment, int64_t ms)
{
    size_t low = 0, high = segment->rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segment->runs.time_begins[middle] < ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t place_place(const struct segment *segment, uint32_t key)
{
    size_t low = 0, high = segment->rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segment->runs.place_keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- the candidates for best run ---- */

static void begin_run(struct matching *run, enum run_kind kind, const uint32_t *rows)
{
    run->kind = kind;
    run->rows = rows;
    run->total = run->span_count = 0;
}

static void add_span(struct matching *run, size_t first, size_t end)
{
    if (first >= end)
        return;
    run->spans[run->span_count++] = (struct matching_span){first, end};
    run->total += end - first;
}

static void time_run(struct matching *run, const struct segment *segment, struct akin_interval time)
{
    int64_t earliest;
    begin_run(run, RUN_TIME, segment->runs.time_rows);
    if (__builtin_sub_overflow(time.begin_ms, segment->runs.duration_max_ms, &earliest))
        earliest = INT64_MIN;
    size_t end = time.end_ms == INT64_MAX ? segment->rows : time_place(segment, time.end_ms + 1);
    add_span(run, time_place(segment, earliest), end);
}

static struct akin_bbox widened(struct akin_bbox box, double half_width, double half_height)
{
    double by = half_width + BOX_SLACK_DEG, up = half_height + BOX_SLACK_DEG;
    box.south = fmax(-90, box.south - up);
    box.north = fmin(90, box.north + up);
    if (!(akin_bbox_width_deg(box) + 2 * by < 360)) {
        box.west = -180;
        box.east = 180;
        return box;
    }
    box.west = akin_lon_wrap(box.west - by);
    box.east = akin_lon_wrap(box.east + by);
    return box;
}

static void place_run(struct matching *run, const struct segment *segment, struct akin_bbox box)
{
    struct akin_hilbert_range ranges[RUN_SPANS_MAX];
    begin_run(run, RUN_PLACE, segment->runs.place_rows);
    box = widened(box, segment->runs.half_width_deg, segment->runs.half_height_deg);
    size_t count = akin_hilbert_cover(ranges, RUN_SPANS_MAX, box);
    for (size_t i = 0; i < count; i++)
        add_span(run, place_place(segment, ranges[i].first),
                 place_place(segment, ranges[i].last + 1)); /* last < UINT32_MAX */
}

static void scenes_run(struct matching *run, const struct segment *segment,
                       const struct akin_filter *filter)
{
    begin_run(run, RUN_SCENES, segment->key_rows);
    for (size_t i = 0; i < filter->scene_count; i++) {
        uint64_t first = akin_tile_key(filter->scenes[i], 0, 0, 0), last = first | UINT32_MAX;
        if (last < segment->first_key || first > segment->last_key)
            continue;
        add_span(run, segment_lower_bound(segment, first),
                 last == UINT64_MAX ? segment->rows : segment_lower_bound(segment, last + 1));
    }
}

void matching_choose(struct matching *out, const struct segment *segment,
                     const struct akin_filter *filter)
{
    struct matching other;
    begin_run(out, RUN_ALL, NULL);
    if (zone_excludes(&segment->whole, filter))
        return;
    add_span(out, 0, segment->rows);
    if (segment->runs.time_begins && akin_interval_known(filter->time)) {
        time_run(&other, segment, filter->time);
        if (other.total < out->total)
            *out = other;
    }
    if (segment->runs.place_keys && filter_has_place(filter)) {
        place_run(&other, segment, filter_bbox(filter));
        if (other.total < out->total)
            *out = other;
    }
    if (filter->scenes && filter->scene_count <= RUN_SPANS_MAX) {
        scenes_run(&other, segment, filter);
        if (other.total < out->total)
            *out = other;
    }
}

/* ---- their rows ---- */

/* A damaged file may say any row. */
static size_t row_of(const struct matching *run, const struct segment *segment, size_t at)
{
    size_t row = run->rows ? run->rows[at] : at;
    return row < segment->rows ? row : SIZE_MAX;
}

size_t matching_sample(const struct matching *run, const struct segment *segment,
                       const struct akin_filter *filter, size_t *sample)
{
    size_t rows[MATCHING_SAMPLE_MAX], asked = 0, yes = 0, before = 0, span = 0;
    size_t count = run->total < *sample ? run->total : *sample;
    count = count < MATCHING_SAMPLE_MAX ? count : MATCHING_SAMPLE_MAX;
    for (size_t i = 0; i < count; i++) { /* the middle of each count-th part */
        size_t at = (size_t)(((double)i + 0.5) * (double)run->total / (double)count);
        while (at - before >= run->spans[span].end - run->spans[span].first) {
            before += run->spans[span].end - run->spans[span].first;
            span++;
        }
        size_t row = row_of(run, segment, run->spans[span].first + (at - before));
        if (row == SIZE_MAX)
            continue;
        __builtin_prefetch(&segment->columns[row]);
        __builtin_prefetch((const char *)&segment->columns[row] + 64);
        rows[asked++] = row;
    }
    for (size_t i = 0; i < asked; i++)
        yes += akin_filter_matches(filter, &segment->columns[rows[i]]);
    *sample = asked;
    return yes;
}

static uint32_t share_most(double share)
{
    uint32_t most = 255;
    while (most > 0 && most / 255.0 > share) /* as akin_filter_matches asks */
        most--;
    return most;
}

struct quality_bounds matching_bounds(const struct akin_filter *filter)
{
    uint32_t least = 0;
    while (least < 255 && least / 2.0 < filter->texture_min)
        least++;
    return (struct quality_bounds){.most = share_most(filter->nodata_max) |
                                           share_most(filter->gap_max) << 8 | (255 - least) << 16 |
                                           255u << 24,
                                   .mirror = 255u << 16};
}

/* Whether each byte is at most its bound: a subtraction whose borrows stay within the bytes. */
static inline bool within(struct quality_bounds bounds, uint32_t quality)
{
    const uint32_t high = 0x80808080u;
    uint32_t v = quality ^ bounds.mirror, m = bounds.most;
    uint32_t low = (m | high) - (v & ~high);
    return (((m & ~v) | (~(m ^ v) & low)) & high) == high;
}

uint32_t matching_qualities(const struct quality_bounds *bounds, const uint32_t *qualities,
                            size_t rows)
{
    uint32_t bits = 0;
    for (size_t r = 0; r < rows; r++)
        bits |= (uint32_t)within(*bounds, qualities[r]) << r;
    return bits;
}

/* Compares qualities of all rows, without columns. */
static size_t list_by_quality(const struct segment *segment, const struct akin_filter *filter,
                              uint32_t *out)
{
    struct quality_bounds bounds = matching_bounds(filter);
    size_t count = 0;
    for (size_t row = 0; row < segment->rows; row++) {
        out[count] = (uint32_t)row;
        count += within(bounds, segment->runs.quality[row]);
    }
    return count;
}

static size_t list_spans(const struct matching *run, const struct segment *segment, uint32_t *out)
{
    size_t count = 0;
    for (size_t s = 0; s < run->span_count; s++)
        for (size_t at = run->spans[s].first; at < run->spans[s].end; at++) {
            size_t row = row_of(run, segment, at);
            if (row != SIZE_MAX)
                out[count++] = (uint32_t)row;
        }
    return count;
}

size_t matching_list(const struct matching *run, const struct part *part,
                     const struct akin_filter *filter, uint32_t *out)
{
    const struct segment *segment = part->segment;
    bool by_quality = run->kind == RUN_ALL && segment->runs.quality && run->total;
    size_t listed =
        by_quality ? list_by_quality(segment, filter, out) : list_spans(run, segment, out);
    size_t count = 0;
    for (size_t i = 0; i < listed; i++) {
        if (i + AHEAD < listed) {
            const char *ahead = (const char *)&segment->columns[out[i + AHEAD]];
            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + 64);
        }
        uint32_t row = out[i];
        if (!bitmap_test(part->dead, row) && akin_filter_matches(filter, &segment->columns[row]))
            out[count++] = row;
    }
    return count;
}
