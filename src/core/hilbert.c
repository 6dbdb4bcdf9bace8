/*
 * The Hilbert curve over lon x lat: a place's position along it, and the stretches of it that run
 * through a box.
 *
 * The curve visits the four quadrants one after the other and each of those in the same manner, so
 * that a square of any size that halving gives is one stretch of keys. The cover of a box begins
 * with the whole globe and cuts squares that its edge runs through, a level at a time, as long as
 * the stretches are not too many.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "akin/core/geo.h"

enum { ORDER = 16, SIDE = 1 << ORDER };

static uint32_t lon_cell(double lon_deg)
{
    return (uint32_t)((akin_lon_wrap(lon_deg) + 180) / 360 * SIDE);
}

static uint32_t lat_cell(double lat_deg)
{
    double lat = fmax(-90, fmin(90, lat_deg));
    return (uint32_t)fmin((lat + 90) / 180 * SIDE, SIDE - 1);
}

/* The first `levels` digits (base 4) of the key of cell (x, y). */
static uint32_t key_of_cell(uint32_t x, uint32_t y, unsigned levels)
{
    uint32_t key = 0;
    for (uint32_t half = SIDE / 2; levels--; half /= 2) { /* from the coarsest quadrant down */
        bool right = x & half, upper = y & half;
        key = key * 4 + (right ? 3u - upper : upper);
        if (!upper) { /* turn the quadrant as the curve runs through it */
            uint32_t mirror = right ? SIDE - 1 : 0, old_x = x;
            x = y ^ mirror;
            y = old_x ^ mirror;
        }
    }
    return key;
}

uint32_t akin_hilbert_key(double lon_deg, double lat_deg)
{
    if (!isfinite(lon_deg) || !isfinite(lat_deg))
        return UINT32_MAX;
    uint32_t key = key_of_cell(lon_cell(lon_deg), lat_cell(lat_deg), ORDER);
    return key < UINT32_MAX ? key : UINT32_MAX - 1; /* the last one says that there is no place */
}

/* ---- covers ---- */

enum { PIECES_MOST = 1024 };

/* Cells [x0, x1] x [y0, y1] of the finest level; a second run of columns where the box crosses the
 * antimeridian (first > last: there is none). */
struct window {
    uint32_t x0[2], x1[2], y0, y1;
};

static struct window window_of(struct akin_bbox box)
{
    struct window w = {.x0 = {0, 1}, .x1 = {SIDE - 1, 0}};
    w.y0 = lat_cell(box.south);
    w.y1 = lat_cell(box.north);
    uint32_t west = lon_cell(box.west), east = lon_cell(box.east);
    bool crosses = box.west > box.east || box.east >= 180;
    if (akin_bbox_width_deg(box) >= 360 || (crosses && west <= east))
        return w; /* the globe, or all of it but a part of one cell */
    w.x0[0] = crosses ? 0 : west;
    w.x1[0] = east;
    if (crosses) {
        w.x0[1] = west;
        w.x1[1] = SIDE - 1;
    }
    return w;
}

enum overlap { OUTSIDE, PARTLY, INSIDE };

static enum overlap overlap_of(const struct window *w, uint32_t x, uint32_t y, uint32_t side)
{
    uint32_t right = x + side - 1, top = y + side - 1;
    bool touches = false;
    if (y > w->y1 || top < w->y0)
        return OUTSIDE;
    for (int i = 0; i < 2; i++) {
        if (w->x0[i] > w->x1[i] || x > w->x1[i] || right < w->x0[i])
            continue;
        if (x >= w->x0[i] && right <= w->x1[i] && y >= w->y0 && top <= w->y1)
            return INSIDE;
        touches = true;
    }
    return touches ? PARTLY : OUTSIDE;
}

/* A stretch of the curve that is inside the box, or a square on its edge. */
struct piece {
    uint32_t first, last, x, y;
    bool inside;
};
struct cover {
    struct piece pieces[PIECES_MOST]; /* in the order of the curve */
    size_t count, ranges;             /* ranges: of pieces that follow each other without a gap */
};

static bool add_piece(struct cover *cover, const struct piece *piece)
{
    struct piece *last = cover->count ? &cover->pieces[cover->count - 1] : NULL;
    bool joined = last && last->last + 1 == piece->first;
    if (joined && last->inside && piece->inside) {
        last->last = piece->last;
        return true;
    }
    if (cover->count == PIECES_MOST)
        return false;
    cover->ranges += !joined;
    cover->pieces[cover->count++] = *piece;
    return true;
}

/* The quarters of a square of the level before that the box touches, in the order of the curve. */
static bool add_quarters(struct cover *cover, const struct window *window,
                         const struct piece *square, unsigned level)
{
    uint32_t side = SIDE >> level, keys = 1u << 2 * (ORDER - level);
    struct piece by_digit[4];
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t x = square->x + (i & 1) * side, y = square->y + i / 2 * side;
        uint32_t key = key_of_cell(x, y, level), first = key * keys;
        by_digit[key & 3] = (struct piece){first, first + (keys - 1), x, y, false};
    }
    for (uint32_t i = 0; i < 4; i++) {
        enum overlap overlap = overlap_of(window, by_digit[i].x, by_digit[i].y, side);
        by_digit[i].inside = overlap == INSIDE;
        if (overlap != OUTSIDE && !add_piece(cover, &by_digit[i]))
            return false;
    }
    return true;
}

/* The cover with each square on the edge cut; false where it has more than `max` ranges. */
static bool cut_edge(struct cover *out, const struct cover *from, const struct window *window,
                     unsigned level, size_t max)
{
    out->count = out->ranges = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct piece *piece = &from->pieces[i];
        if (!(piece->inside ? add_piece(out, piece) : add_quarters(out, window, piece, level)))
            return false;
    }
    return out->ranges <= max;
}

static size_t put_ranges(struct akin_hilbert_range *out, const struct cover *cover)
{
    size_t count = 0;
    for (size_t i = 0; i < cover->count; i++) {
        const struct piece *piece = &cover->pieces[i];
        if (count && out[count - 1].last + 1 == piece->first)
            out[count - 1].last = piece->last;
        else
            out[count++] = (struct akin_hilbert_range){piece->first, piece->last};
    }
    if (count && out[count - 1].last == UINT32_MAX)
        out[count - 1].last--; /* not a place's */
    return count;
}

size_t akin_hilbert_cover(struct akin_hilbert_range *out, size_t max, struct akin_bbox box)
{
    if (!akin_bbox_known(box))
        return 0;
    struct cover covers[2]; /* 40 KB: the present one and the next */
    struct window window = window_of(box);
    covers[0].pieces[0] = (struct piece){0, UINT32_MAX, 0, 0, false};
    covers[0].count = covers[0].ranges = 1;
    covers[0].pieces[0].inside = overlap_of(&window, 0, 0, SIDE) == INSIDE;
    unsigned level = 0;
    while (level < ORDER &&
           cut_edge(&covers[(level + 1) % 2], &covers[level % 2], &window, level + 1, max))
        level++;
    return put_ranges(out, &covers[level % 2]);
}
