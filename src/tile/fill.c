/*
 * Mirror fill: a gap is given what lies beside it, reflected at the gap's edge, so that neither the
 * encoder nor a JPEG sees an edge where the data end. Constant fill draws one; repeating the last
 * pixel draws streaks.
 *
 *     a b c d . . . . . . . x y z   ->   a b c d d c b a z y x x y z
 *
 * Each missing pixel takes from the nearer side; the reflection folds back and forth within the run
 * of valid pixels that borders the gap. Rows without any valid pixel are filled likewise from rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fill.h"

#include <stdbool.h>
#include <string.h>

/* `count` places of `step` bytes each (pixels of a row, or rows), of which some are there. */
struct line {
    uint8_t *base;
    size_t step;
    const uint8_t *there; /* nonzero: there */
    uint32_t count;
};

static uint32_t run_end(const struct line *line, uint32_t from, bool there)
{
    while (from < line->count && (line->there[from] != 0) == there)
        from++;
    return from;
}

/* Folds a distance (0 = next to the edge) into a run of `length`: 0 1 2 2 1 0 0 1 ... */
static uint32_t fold(uint32_t distance, uint32_t length)
{
    uint32_t at = distance % (2 * length);
    return at < length ? at : 2 * length - 1 - at;
}

/* Fills the gap [begin, end) between the runs [left, begin) and [end, right), not both empty. */
static void fill_gap(const struct line *line, uint32_t left, uint32_t begin, uint32_t end,
                     uint32_t right)
{
    for (uint32_t at = begin; at < end; at++) {
        uint32_t to_left = at - begin, to_right = end - 1 - at;
        bool from_left = left < begin && (end == right || to_left <= to_right);
        uint32_t from =
            from_left ? begin - 1 - fold(to_left, begin - left) : end + fold(to_right, right - end);
        memcpy(line->base + at * line->step, line->base + from * line->step, line->step);
    }
}

static void fill_line(const struct line *line)
{
    uint32_t left = 0, begin = run_end(line, 0, true);
    while (begin < line->count) {
        uint32_t end = run_end(line, begin, false), right = run_end(line, end, true);
        if (left < begin || end < right)
            fill_gap(line, left, begin, end, right);
        left = end;
        begin = right;
    }
}

akin_status fill_mirror(uint8_t *pixels, const uint8_t *valid, uint32_t width, uint32_t height,
                        uint32_t bands, akin_error *err)
{
    uint8_t *row_there = akin_alloc(height, 1);
    if (!row_there)
        return akin_error_memory(err, height, "filling gaps");
    size_t row_bytes = (size_t)width * bands;
    bool any = false;
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *there = valid + (size_t)y * width;
        struct line row = {pixels + y * row_bytes, bands, there, width};
        fill_line(&row);
        row_there[y] = run_end(&row, 0, false) < width;
        any |= row_there[y] != 0;
    }
    struct line rows = {pixels, row_bytes, row_there, height};
    if (any)
        fill_line(&rows);
    else
        memset(pixels, 0, row_bytes * height);
    akin_free(row_there);
    return AKIN_OK;
}
