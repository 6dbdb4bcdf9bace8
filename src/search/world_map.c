/*
 * The map: equirectangular, x = longitude and y = -latitude in degrees, water, a graticule every 30
 * degrees, the hand-drawn land, and on it a numbered dot an answer (the best on top) and a ring an
 * example. Each dot is a link to its card. Colours that follow the page's theme are classes of the
 * sheet's style.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "world_map.h"

#include <math.h>
#include <stdio.h>

#include "html_text.h"
#include "world_outline.h"

#define NUMBERED 40    /* more numbers than that cannot be read on a map this size */
#define DOTS_MAX 10000 /* an answer beyond it has its card, no dot */

/* From the least to the most alike: blue, teal, amber, red; of similar lightness, so that white
 * numbers stay readable on each, and with the order told by the bars, too. */
void world_map_color(char out[WORLD_MAP_COLOR_MAX], double score, double low, double high)
{
    static const double stops[][3] = {
        {0x4a, 0x6f, 0xa5}, {0x2a, 0x8f, 0x86}, {0xc4, 0x86, 0x1d}, {0xc8, 0x3a, 0x2b}};
    const double x = high > low ? (score - low) / (high - low) : 1;
    const double at = fmin(fmax(x, 0), 1) * 3;
    const int i = at >= 2 ? 2 : (int)at;
    unsigned rgb[3];
    for (int c = 0; c < 3; c++)
        rgb[c] = (unsigned)lround(stops[i][c] + (stops[i + 1][c] - stops[i][c]) * (at - i)) & 255;
    snprintf(out, WORLD_MAP_COLOR_MAX, "#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
}

static bool has_places(const struct akin_answers *answers, const struct akin_example_set *examples)
{
    for (size_t i = 0; i < answers->count; i++)
        if (akin_bbox_known(akin_columns_bbox(&answers->answers[i].columns)))
            return true;
    for (size_t i = 0; i < examples->count; i++)
        if (akin_bbox_known(examples->items[i].bbox))
            return true;
    return false;
}

static akin_status append_graticule(struct akin_buffer *out, akin_error *err)
{
    akin_status status = akin_buffer_printf(out, err, "<path class=\"grid\" d=\"");
    for (int lon = -150; status == AKIN_OK && lon < 180; lon += 30)
        status = akin_buffer_printf(out, err, "M%d,-90V90", lon);
    for (int lat = -60; status == AKIN_OK && lat < 90; lat += 30)
        status = akin_buffer_printf(out, err, "M-180,%dH180", lat);
    return status == AKIN_OK ? akin_buffer_printf(out, err, "\"/>\n") : status;
}

static akin_status append_land(struct akin_buffer *out, akin_error *err)
{
    akin_status status = akin_buffer_printf(out, err, "<path class=\"land\" d=\"");
    if (status == AKIN_OK)
        status = world_outline_land(out, err);
    if (status == AKIN_OK)
        status = akin_buffer_printf(out, err, "\"/>\n<path class=\"lake\" d=\"");
    if (status == AKIN_OK)
        status = world_outline_lakes(out, err);
    return status == AKIN_OK ? akin_buffer_printf(out, err, "\"/>\n") : status;
}

static akin_status append_ring(struct akin_buffer *out, const struct example *item, akin_error *err)
{
    double lon, lat;
    akin_bbox_center(item->bbox, &lon, &lat);
    akin_status status = akin_buffer_printf(
        out, err, "<circle class=\"%s\" cx=\"%.3f\" cy=\"%.3f\" r=\"5.2\"><title>",
        item->unlike ? "ring unlike" : "ring", lon, -lat);
    if (status == AKIN_OK)
        status = akin_buffer_printf(out, err, item->unlike ? "counter-example " : "example ");
    if (status == AKIN_OK)
        status = html_text_append(out, item->name, err);
    return status == AKIN_OK ? akin_buffer_printf(out, err, "</title></circle>\n") : status;
}

static akin_status append_dot(struct akin_buffer *out, const struct akin_answer *answer,
                              size_t rank, const char *color, akin_error *err)
{
    double lon, lat;
    akin_bbox_center(akin_columns_bbox(&answer->columns), &lon, &lat);
    akin_status status = akin_buffer_printf(
        out, err,
        "<a href=\"#a%zu\"><circle class=\"dot\" cx=\"%.3f\" cy=\"%.3f\" r=\"%s\" fill=\"%s\"/>",
        rank, lon, -lat, rank <= NUMBERED ? "3.4" : "1.8", color);
    if (status == AKIN_OK && rank <= NUMBERED)
        status = akin_buffer_printf(out, err, "<text x=\"%.3f\" y=\"%.3f\">%zu</text>", lon,
                                    -lat + 1.35, rank);
    if (status == AKIN_OK)
        status = akin_buffer_printf(out, err, "<title>%zu: ", rank);
    if (status == AKIN_OK)
        status = html_text_place(out, lon, lat, err);
    return status == AKIN_OK
               ? akin_buffer_printf(out, err, ", score %.3f</title></a>\n", answer->score)
               : status;
}

static akin_status append_dots(struct akin_buffer *out, const struct akin_answers *answers,
                               akin_error *err)
{
    akin_status status = AKIN_OK;
    const size_t count = answers->count < DOTS_MAX ? answers->count : DOTS_MAX;
    for (size_t i = count; status == AKIN_OK && i-- > 0;) { /* the best last: on top */
        const struct akin_answer *answer = &answers->answers[i];
        char color[WORLD_MAP_COLOR_MAX];
        world_map_color(color, answer->score, answers->answers[answers->count - 1].score,
                        answers->answers[0].score);
        if (akin_bbox_known(akin_columns_bbox(&answer->columns)))
            status = append_dot(out, answer, i + 1, color, err);
    }
    return status;
}

akin_status world_map_append(struct akin_buffer *out, const struct akin_answers *answers,
                             const struct akin_example_set *examples, akin_error *err)
{
    if (!has_places(answers, examples))
        return AKIN_OK;
    akin_status status = akin_buffer_printf(
        out, err,
        "<svg class=\"map\" viewBox=\"-180 -90 360 180\" role=\"img\" "
        "aria-label=\"Map of the world with the places of the answers\">\n"
        "<rect class=\"water\" x=\"-180\" y=\"-90\" width=\"360\" height=\"180\"/>\n");
    if (status == AKIN_OK)
        status = append_land(out, err);
    if (status == AKIN_OK)
        status = append_graticule(out, err);
    if (status == AKIN_OK)
        status = append_dots(out, answers, err);
    for (size_t i = 0; status == AKIN_OK && i < examples->count; i++)
        if (akin_bbox_known(examples->items[i].bbox))
            status = append_ring(out, &examples->items[i], err);
    return status == AKIN_OK ? akin_buffer_printf(out, err, "</svg>\n") : status;
}
