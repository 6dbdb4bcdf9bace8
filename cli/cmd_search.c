/*
 * akin search: one question, its answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum {
    IMAGE,
    TILE,
    AT,
    UNLIKE_IMAGE,
    UNLIKE_TILE,
    UNLIKE_AT,
    COUNT,
    BBOX,
    DATETIME,
    MAX_NODATA,
    MAX_GAP,
    MIN_TEXTURE,
    THRESHOLD,
    COLLAPSE,
    EXACT,
    MODEL,
    KEEP_EXAMPLES,
    EXPLAIN,
    JSON,
    GEOJSON,
    HTML,
    WHERE,
    THREADS
};

static const struct cli_option options[] = {
    {0, "image", "FILE", "more like this picture (may be given again, as the next five)"},
    {0, "tile", "KEY", "more like this tile: its 16 hex digits"},
    {0, "at", "LON,LAT[,TIME]", "more like the tile there (then; else the latest)"},
    {0, "unlike-image", "FILE", "less like this picture"},
    {0, "unlike-tile", "KEY", "less like this tile"},
    {0, "unlike-at", "LON,LAT[,TIME]", "less like the tile there"},
    {'k', "count", "N", "how many answers, 1 to 100000 (default 20)"},
    {0, "bbox", "W,S,E,N", "only tiles that touch this box; west > east crosses the antimeridian"},
    {0, "datetime", "A/B", "only tiles of this time: 2020, 2020-09, A/B, ../B, A/.."},
    {0, "max-nodata", "F", "only tiles with at most this share of missing pixels, 0 to 1"},
    {0, "max-gap", "F", "only tiles with at most this share of black gaps, 0 to 1"},
    {0, "min-texture", "F", "only tiles with at least this standard deviation, 0 to 127"},
    {0, "threshold", "F", "only answers with at least this score, -1 to 1"},
    {0, "collapse", "place", "one answer a place"},
    {0, "exact", NULL, "scan every vector (so far every search does)"},
    {0, "model", "NAME", "of another encoder than the collection's default"},
    {0, "keep-examples", NULL, "tiles given as examples may be among the answers"},
    {0, "explain", NULL, "say on stderr how it was answered"},
    {0, "json", NULL, "one JSON object a line"},
    {0, "geojson", NULL, "one GeoJSON FeatureCollection"},
    {0, "html", "FILE", "a contact sheet that opens in any browser"},
    {0, "where", "FILE",
     "where inside the answers it is, of the best 100: a PNG of their\n"
     "pictures with heat over them; FILE.npy: the array"},
    {'j', "threads", "N", "1 to 256 (default: one a CPU)"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_search = {
    "search",
    "find what looks like the examples",
    "DIR EXAMPLE... [options]",
    "Finds the tiles of the collection DIR that look most like the examples, and least like\n"
    "the counter-examples. Prints rank, score, tile key, place, time and image a line, best\n"
    "first; ties in the order of the keys.",
    options,
    run};

#define EXAMPLES_MAX 256

struct request {
    const char *dir;
    struct akin_example examples[EXAMPLES_MAX];
    size_t example_count;
    struct akin_question question;
    struct akin_engine_options engine;
    const char *html, *where;
    bool json, geojson, explain;
};

/* "LON,LAT" or "LON,LAT,TIME". */
static akin_status parse_point(struct akin_example *out, const char *text, akin_error *err)
{
    double place[2];
    char numbers[64];
    const char *first = strchr(text, ','), *second = first ? strchr(first + 1, ',') : NULL;
    size_t length = second ? (size_t)(second - text) : strlen(text);
    if (length >= sizeof numbers)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' is not LON,LAT[,TIME]", text);
    memcpy(numbers, text, length);
    numbers[length] = 0;
    akin_status status = akin_parse_doubles(place, 2, numbers, "--at", err);
    if (status != AKIN_OK)
        return status;
    if (place[0] < -180 || place[0] > 180 || place[1] < -90 || place[1] > 90)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s': longitude first, -180 to 180, then latitude, -90 to 90", text);
    out->kind = AKIN_EXAMPLE_POINT;
    out->lon_deg = place[0];
    out->lat_deg = place[1];
    out->time = akin_interval_unknown();
    return second ? akin_interval_parse(&out->time, second + 1, err) : AKIN_OK;
}

static akin_status add_example(struct request *request, int option, const char *value,
                               akin_error *err)
{
    if (request->example_count == EXAMPLES_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %d examples", EXAMPLES_MAX);
    struct akin_example *example = &request->examples[request->example_count++];
    *example = (struct akin_example){.kind = AKIN_EXAMPLE_IMAGE, .path = value};
    example->unlike = option >= UNLIKE_IMAGE;
    if (option == TILE || option == UNLIKE_TILE) {
        example->kind = AKIN_EXAMPLE_TILE;
        return akin_tile_key_parse(&example->key, value, err);
    }
    return option == AT || option == UNLIKE_AT ? parse_point(example, value, err) : AKIN_OK;
}

static akin_status set_filter(struct akin_filter *filter, int option, const char *value,
                              akin_error *err)
{
    switch (option) {
    case BBOX:
        return akin_bbox_parse(&filter->bbox, value, err);
    case DATETIME:
        return akin_interval_parse(&filter->time, value, err);
    case MAX_NODATA:
        return akin_parse_double(&filter->nodata_max, value, 0, 1, "--max-nodata", err);
    case MAX_GAP:
        return akin_parse_double(&filter->gap_max, value, 0, 1, "--max-gap", err);
    default:
        return akin_parse_double(&filter->texture_min, value, 0, 127.5, "--min-texture", err);
    }
}

static akin_status set(struct request *request, int option, const char *value, akin_error *err)
{
    uint64_t number = 0;
    double threshold = 0;
    akin_status status = AKIN_OK;
    if (option <= UNLIKE_AT)
        return add_example(request, option, value, err);
    if (option >= BBOX && option <= MIN_TEXTURE)
        return set_filter(&request->question.filter, option, value, err);
    switch (option) {
    case COUNT:
        status = akin_parse_u64(&number, value, 1, 100000, "-k", err);
        request->question.k = number;
        break;
    case THRESHOLD:
        status = akin_parse_double(&threshold, value, -1, 1, "--threshold", err);
        request->question.threshold = (float)threshold;
        break;
    case COLLAPSE:
        if (strcmp(value, "place") != 0)
            return akin_error_set(err, AKIN_ERR_INVALID, "--collapse place, not '%s'", value);
        request->question.collapse_place = true;
        break;
    case MODEL:
        request->engine.model = value;
        break;
    case KEEP_EXAMPLES:
        request->question.keep_examples = true;
        break;
    case EXPLAIN:
        request->explain = true;
        break;
    case JSON:
        request->json = true;
        break;
    case GEOJSON:
        request->geojson = true;
        break;
    case HTML:
        request->html = value;
        break;
    case WHERE:
        request->where = value;
        break;
    case THREADS:
        status = akin_parse_u64(&number, value, 1, 256, "-j", err);
        request->engine.threads = (unsigned)number;
        break;
    default: /* --exact: every search is, so far */
        break;
    }
    return status;
}

/* ---- answers ---- */

/* A name may hold anything but NUL; a line an answer is one line: control characters become "?"
 * (--json has them all). */
static akin_status append_name(struct akin_buffer *out, const char *name, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (const char *at = name; *at && status == AKIN_OK; at++) {
        bool control = (unsigned char)*at < 0x20 || *at == 0x7f;
        status = akin_buffer_append(out, control ? "?" : at, 1, err);
    }
    return status == AKIN_OK ? akin_buffer_append(out, "\n", 1, err) : status;
}

static akin_status text_line(akin_engine *engine, const struct akin_answer *answer, size_t rank,
                             struct akin_buffer *out, akin_error *err)
{
    char key[AKIN_TILE_KEY_TEXT_MAX], time[AKIN_INTERVAL_TEXT_MAX], place[40] = "";
    const struct akin_scene *scene = NULL;
    struct akin_bbox bbox = akin_columns_bbox(&answer->columns);
    akin_status status = akin_engine_scene(engine, answer->scene, &scene, err);
    if (status != AKIN_OK)
        return status;
    if (akin_bbox_known(bbox)) {
        double lon, lat;
        akin_bbox_center(bbox, &lon, &lat);
        snprintf(place, sizeof place, "%.2f,%.2f", lon, lat);
    }
    akin_tile_key_format(key, answer->key);
    akin_interval_format(time, akin_columns_interval(&answer->columns));
    status =
        akin_buffer_printf(out, err, "%4zu  %.4f  %s  %-15s  %-12s  ", rank, (double)answer->score,
                           key, place[0] ? place : "-", time[0] ? time : "-");
    return status == AKIN_OK ? append_name(out, scene->uri, err) : status;
}

static akin_status text_lines(akin_engine *engine, const struct akin_answers *answers,
                              struct akin_buffer *out, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < answers->count && status == AKIN_OK; i++)
        status = text_line(engine, &answers->answers[i], i + 1, out, err);
    return status;
}

static akin_status write_answers(struct request *request, akin_engine *engine,
                                 const struct akin_answers *answers, akin_error *err)
{
    struct akin_buffer text;
    akin_buffer_init(&text, (size_t)1 << 30);
    akin_status status = request->geojson ? akin_answers_geojson(engine, answers, &text, err)
                         : request->json  ? akin_answers_json(engine, answers, &text, err)
                                          : text_lines(engine, answers, &text, err);
    if (status == AKIN_OK)
        status = cli_print(&text, err);
    akin_buffer_clear(&text);
    if (status == AKIN_OK && request->html) {
        status = akin_answers_html(engine, &request->question, answers, NULL, &text, err);
        if (status == AKIN_OK)
            status = akin_file_write_atomic(request->html, text.data, text.size, err);
    }
    akin_buffer_fini(&text);
    return status;
}

static void explain(const struct akin_explain *explain)
{
    fprintf(stderr,
            "%s: %zu likes, %zu unlikes, %zu vectors; %" PRIu64 " segments, %" PRIu64
            " skipped by zone; %" PRIu64 " vectors scanned, %" PRIu64
            " filtered out, %.1f MB read; examples %.1f ms, search %.1f ms\n",
            explain->way, explain->likes, explain->unlikes, explain->vectors,
            explain->work.segments, explain->work.segments_skipped, explain->work.rows_scanned,
            explain->work.rows_filtered, (double)explain->work.bytes_read / 1e6, explain->encode_ms,
            explain->search_ms);
}

static int search(struct request *request)
{
    struct cli_talk talk;
    akin_engine *engine = NULL;
    struct akin_answers answers = {0};
    akin_error err = {0};
    cli_talk_init(&talk);
    talk.level = AKIN_LEVEL_WARN;
    request->engine.talk = &talk.talk;
    akin_status status = akin_engine_open(&engine, request->dir, &request->engine, &err);
    for (size_t i = 0; i < request->example_count && status == AKIN_OK; i++)
        status = akin_question_add(&request->question, engine, &request->examples[i], &err);
    if (status == AKIN_OK)
        status = akin_ask(engine, &request->question, &answers, &err);
    if (status == AKIN_OK)
        status = write_answers(request, engine, &answers, &err);
    if (status == AKIN_OK && request->where)
        status = cli_write_where(engine, &request->question, &answers, request->where, &err);
    if (status == AKIN_OK && request->explain)
        explain(&answers.explain);
    akin_answers_free(&answers);
    akin_question_fini(&request->question);
    akin_engine_close(engine);
    cli_talk_end(&talk);
    return status == AKIN_OK ? CLI_OK : cli_fail(&err);
}

static int parse(struct request *request, int argc, char **argv)
{
    struct cli_parser parser;
    const char *value;
    akin_error err = {0};
    int option;
    cli_parser_init(&parser, &cmd_search, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return option;
        if (option == CLI_WORD && request->dir) {
            cli_misuse(&cmd_search, "one collection, not also '%s' (did you mean --image %s?)",
                       value, value);
            return CLI_BAD;
        }
        if (option == CLI_WORD) {
            request->dir = value;
        } else if (set(request, option, value, &err) != AKIN_OK) {
            cli_misuse(&cmd_search, "%s", err.text);
            return CLI_BAD;
        }
    }
    if (!request->dir || !request->example_count) {
        cli_misuse(&cmd_search,
                   request->dir ? "like what? give --image, --tile or --at" : "which collection?");
        return CLI_BAD;
    }
    return CLI_END;
}

static int run(int argc, char **argv)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return CLI_FAILED;
    akin_question_init(&request->question);
    int parsed = parse(request, argc, argv);
    int exit_status = parsed == CLI_END ? search(request) : cli_exit(parsed);
    free(request);
    return exit_status;
}
