/*
 * The contact sheet: one HTML5 page that needs nothing but itself. No script; the only style is the
 * one in its head; pictures are data: addresses; a Content-Security-Policy says so to the browser,
 * so that even a mistake here could not fetch or run anything. Everything that comes from file
 * names and labels goes through html_text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "engine.h"
#include "examples.h"
#include "html_text.h"
#include "sheet_style.h"
#include "world_map.h"

#define SHEET_PICTURE_PX 256

/* A sheet being written; `status` stays at the first failure, so that the markup reads without a
 * check a line. */
struct sheet {
    akin_engine *engine;
    struct akin_buffer *out;
    struct akin_buffer picture; /* scratch */
    double low, high;           /* scores */
    akin_status status;
    akin_error *err;
};

static void put(struct sheet *sheet, const char *markup)
{
    if (sheet->status == AKIN_OK)
        sheet->status = akin_buffer_append(sheet->out, markup, strlen(markup), sheet->err);
}

static void put_text(struct sheet *sheet, const char *text)
{
    if (sheet->status == AKIN_OK)
        sheet->status = html_text_append(sheet->out, text, sheet->err);
}

#define PUTF(sheet, ...)                                                                           \
    do {                                                                                           \
        if ((sheet)->status == AKIN_OK)                                                            \
            (sheet)->status = akin_buffer_printf((sheet)->out, (sheet)->err, __VA_ARGS__);         \
    } while (0)

/* The last part of an address. */
static const char *base_name(const char *uri)
{
    const char *slash = strrchr(uri, '/');
    return slash && slash[1] ? slash + 1 : uri;
}

static void put_place(struct sheet *sheet, struct akin_bbox box)
{
    double lon, lat;
    akin_bbox_center(box, &lon, &lat);
    if (sheet->status == AKIN_OK)
        sheet->status = html_text_place(sheet->out, lon, lat, sheet->err);
}

/* What is known of where and when, as the lines of a card. */
static void put_where_and_when(struct sheet *sheet, struct akin_bbox box, struct akin_interval time)
{
    if (akin_bbox_known(box)) {
        put(sheet, "<p class=\"place\">");
        put_place(sheet, box);
        put(sheet, "</p>\n");
    }
    if (akin_interval_known(time)) {
        char text[AKIN_INTERVAL_TEXT_MAX];
        akin_interval_format(text, time);
        put(sheet, "<p class=\"time\">");
        put_text(sheet, text);
        put(sheet, "</p>\n");
    }
}

static void put_image(struct sheet *sheet, const void *jpeg, size_t bytes, const char *alt)
{
    put(sheet, "<img alt=\"");
    put_text(sheet, alt);
    put(sheet, "\" src=\"data:image/jpeg;base64,");
    if (sheet->status == AKIN_OK)
        sheet->status = html_text_base64(sheet->out, jpeg, bytes, sheet->err);
    put(sheet, "\">\n");
}

static void put_placeholder(struct sheet *sheet, const char *text)
{
    put(sheet, "<div class=\"none\">");
    put_text(sheet, text);
    put(sheet, "</div>\n");
}

/* A tile's picture; one that is not there, or damaged, leaves a box with the tile's key. */
static void put_tile_picture(struct sheet *sheet, uint64_t key, const char *alt)
{
    if (sheet->status != AKIN_OK)
        return;
    akin_error err = {0};
    akin_buffer_clear(&sheet->picture);
    akin_status status =
        akin_engine_picture(sheet->engine, key, SHEET_PICTURE_PX, &sheet->picture, &err);
    if (status == AKIN_OK) {
        put_image(sheet, sheet->picture.data, sheet->picture.size, alt);
        return;
    }
    if (status == AKIN_ERR_NO_MEMORY) {
        sheet->status = akin_error_set(sheet->err, status, "%s", err.text);
        return;
    }
    if (status != AKIN_ERR_UNSUPPORTED)
        akin_log(sheet->engine->talk, AKIN_LEVEL_WARN, "search", "no picture of a tile: %s",
                 err.text);
    char text[AKIN_TILE_KEY_TEXT_MAX];
    akin_tile_key_format(text, key);
    put_placeholder(sheet, text);
}

/* ---- head ---- */

static void put_head(struct sheet *sheet, const char *title)
{
    put(sheet, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
               "img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
               "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
               "<meta name=\"referrer\" content=\"no-referrer\">\n"
               "<meta name=\"generator\" content=\"akin\">\n<title>");
    put_text(sheet, title);
    put(sheet, "</title>\n<style>\n");
    put(sheet, sheet_style);
    put(sheet, "</style>\n</head>\n<body>\n<header>\n<h1>");
    put_text(sheet, title);
    put(sheet, "</h1>\n");
}

static void put_summary(struct sheet *sheet, const struct akin_answers *answers)
{
    struct akin_index_stats stats;
    akin_index_stats(sheet->engine->index, &stats);
    const struct akin_model_info *model = akin_model_info(sheet->engine->model);
    PUTF(sheet, "<p class=\"summary\">%zu answer%s from %llu tiles", answers->count,
         answers->count == 1 ? "" : "s", (unsigned long long)stats.rows);
    if (answers->count)
        PUTF(sheet, " · scores %.3f to %.3f", sheet->low, sheet->high);
    put(sheet, " · encoder <bdi>");
    put_text(sheet, model->name);
    put(sheet, "</bdi> · ");
    put_text(sheet, answers->explain.way ? answers->explain.way : "");
    put(sheet, "</p>\n</header>\n");
}

/* ---- examples ---- */

static void put_example(struct sheet *sheet, const struct example *item)
{
    const char *kind = item->unlike ? "unlike" : "like";
    PUTF(sheet, "<li class=\"example %s\">\n<div class=\"frame\">", kind);
    if (item->has_key)
        put_tile_picture(sheet, item->key, item->name);
    else if (item->picture.size)
        put_image(sheet, item->picture.data, item->picture.size, item->name);
    else
        put_placeholder(sheet, base_name(item->name));
    PUTF(sheet, "<span class=\"mark\" title=\"%s\">%s</span></div>\n",
         item->unlike ? "unlike this" : "like this", item->unlike ? "−" : "+");
    put(sheet, "<p class=\"name\" title=\"");
    put_text(sheet, item->name);
    put(sheet, "\"><bdi>");
    put_text(sheet, base_name(item->name));
    put(sheet, "</bdi></p>\n");
    put_where_and_when(sheet, item->bbox, item->time);
    if (item->windows > 1)
        PUTF(sheet, "<p class=\"time\">%zu windows</p>\n", item->windows);
    put(sheet, "</li>\n");
}

static void put_question(struct sheet *sheet, const struct akin_answers *answers,
                         const struct akin_example_set *examples)
{
    put(sheet,
        "<section class=\"question\" aria-label=\"The question\">\n<ul class=\"examples\">\n");
    for (size_t i = 0; i < examples->count; i++)
        put_example(sheet, &examples->items[i]);
    put(sheet, "</ul>\n");
    if (sheet->status == AKIN_OK)
        sheet->status = world_map_append(sheet->out, answers, examples, sheet->err);
    put(sheet, "</section>\n");
}

/* ---- answers ---- */

static void put_score(struct sheet *sheet, size_t rank, double score)
{
    char color[WORLD_MAP_COLOR_MAX];
    world_map_color(color, score, sheet->low, sheet->high);
    PUTF(sheet,
         "<p class=\"rank\"><b>%zu</b><span class=\"score\">%.3f</span></p>\n"
         "<svg class=\"bar\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" "
         "aria-hidden=\"true\">"
         "<rect class=\"rail\" width=\"100\" height=\"1\"/>"
         "<rect width=\"%.1f\" height=\"1\" fill=\"%s\"/></svg>\n",
         rank, score, 100 * fmax(score, 0), color);
}

static void put_answer(struct sheet *sheet, const struct akin_answer *answer, size_t rank)
{
    const struct akin_scene *scene = NULL;
    if (sheet->status == AKIN_OK)
        sheet->status = akin_engine_scene(sheet->engine, answer->scene, &scene, sheet->err);
    if (sheet->status != AKIN_OK)
        return;
    const char *name = base_name(scene->uri);
    PUTF(sheet, "<li class=\"card\" id=\"a%zu\">\n<div class=\"frame\">", rank);
    put_tile_picture(sheet, answer->key, name);
    put(sheet, "</div>\n");
    put_score(sheet, rank, answer->score);
    put_where_and_when(sheet, akin_columns_bbox(&answer->columns),
                       akin_columns_interval(&answer->columns));
    put(sheet, "<p class=\"name\" title=\"");
    put_text(sheet, scene->uri);
    put(sheet, "\"><bdi>");
    put_text(sheet, name);
    put(sheet, "</bdi></p>\n");
    if (scene->label && *scene->label) {
        put(sheet, "<p class=\"label\"><bdi>");
        put_text(sheet, scene->label);
        put(sheet, "</bdi></p>\n");
    }
    if (answer->collapsed)
        PUTF(sheet, "<p class=\"time\">and %u more of this place</p>\n", answer->collapsed);
    put(sheet, "</li>\n");
}

akin_status akin_answers_html(akin_engine *engine, const struct akin_question *question,
                              const struct akin_answers *answers, const char *title,
                              struct akin_buffer *out, akin_error *err)
{
    if (!engine || !answers || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine or answers given");
    const struct akin_example_set none = {0};
    const struct akin_example_set *examples =
        question && question->examples ? question->examples : &none;
    struct sheet sheet = {.engine = engine, .out = out, .err = err};
    if (answers->count) {
        sheet.high = answers->answers[0].score;
        sheet.low = answers->answers[answers->count - 1].score;
    }
    akin_buffer_init(&sheet.picture, 16u << 20);
    put_head(&sheet, title && *title ? title : "What looks like this");
    put_summary(&sheet, answers);
    put_question(&sheet, answers, examples);
    put(&sheet, "<main>\n<ol class=\"cards\">\n");
    for (size_t i = 0; sheet.status == AKIN_OK && i < answers->count; i++)
        put_answer(&sheet, &answers->answers[i], i + 1);
    put(&sheet,
        answers->count ? "</ol>\n" : "</ol>\n<p class=\"nothing\">Nothing was found.</p>\n");
    put(&sheet, "</main>\n</body>\n</html>\n");
    akin_buffer_fini(&sheet.picture);
    return sheet.status;
}
