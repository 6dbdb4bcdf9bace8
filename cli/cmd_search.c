/*
 * akin search: one question, its answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum {
    IMAGE,
    TILE,
    AT,
    VECTOR,
    UNLIKE_IMAGE,
    UNLIKE_TILE,
    UNLIKE_AT,
    UNLIKE_VECTOR,
    COUNT,
    BBOX,
    POLYGON,
    DATETIME,
    SOURCE,
    LABEL,
    MAX_NODATA,
    MAX_GAP,
    MIN_TEXTURE,
    THRESHOLD,
    COLLAPSE,
    RECALL,
    EXACT,
    MODEL,
    TURNS,
    KEEP_EXAMPLES,
    EXPLAIN,
    JSON,
    GEOJSON,
    HTML,
    WHERE,
    THREADS
};

static const struct cli_option options[] = {
    {0, "image", "FILE", "more like this picture (may be given again, as the next seven)"},
    {0, "tile", "KEY", "more like this tile: its 16 hex digits"},
    {0, "at", "LON,LAT[,TIME]", "more like the tile there (then; else the latest)"},
    {0, "vector", "FILE", "more like the vectors of this NPY, fvecs or safetensors file"},
    {0, "unlike-image", "FILE", "less like this picture"},
    {0, "unlike-tile", "KEY", "less like this tile"},
    {0, "unlike-at", "LON,LAT[,TIME]", "less like the tile there"},
    {0, "unlike-vector", "FILE", "less like the vectors of this file"},
    {'k', "count", "N",
     "how many answers, 1 to 100000 (default 20; with --threshold as many\n"
     "as there are)"},
    {0, "bbox", "W,S,E,N", "only tiles that touch this box; west > east crosses the antimeridian"},
    {0, "polygon", "FILE|WKT",
     "only tiles that touch the polygons of this GeoJSON or WKT file, or\n"
     "of this POLYGON((...))"},
    {0, "datetime", "A/B", "only tiles of this time: 2020, 2020-09, A/B, ../B, A/.."},
    {0, "source", "TEXT",
     "only tiles of images of this address, in this folder, or matching\n"
     "this glob (may be given again, as --label)"},
    {0, "label", "NAME", "only tiles of images from a folder of this name"},
    {0, "max-nodata", "F", "only tiles with at most this share of missing pixels, 0 to 1"},
    {0, "max-gap", "F", "only tiles with at most this share of black gaps, 0 to 1"},
    {0, "min-texture", "F", "only tiles with at least this standard deviation, 0 to 127"},
    {0, "threshold", "F", "only answers with at least this score (a cosine: -1 to 1)"},
    {0, "collapse", "place", "one answer a place"},
    {0, "recall", "F",
     "what share of the true answers there should be on average, 0.5 to 1\n"
     "(default 0.95)"},
    {0, "exact", NULL, "look at every vector: --recall 1"},
    {0, "model", "NAME", "of another encoder than the collection's default"},
    {0, "turns", NULL,
     "each example whichever way it lies: the mean of its eight turns and\n"
     "mirrorings, for eight times the time to encode it"},
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
#define CHOICES_MAX 256
#define COUNT_MAX 100000

struct request {
    const char *dir;
    struct akin_example examples[EXAMPLES_MAX];
    size_t example_count;
    struct akin_question question;
    struct akin_engine_options engine;
    const char *sources[CHOICES_MAX], *labels[CHOICES_MAX];
    struct akin_choice choice;
    akin_polygon *polygon; /* owned */
    const char *html, *where;
    bool json, geojson, explain, counted;
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
    if (option == VECTOR || option == UNLIKE_VECTOR)
        example->kind = AKIN_EXAMPLE_VECTOR;
    if (option == TILE || option == UNLIKE_TILE) {
        example->kind = AKIN_EXAMPLE_TILE;
        return akin_tile_key_parse(&example->key, value, err);
    }
    return option == AT || option == UNLIKE_AT ? parse_point(example, value, err) : AKIN_OK;
}

static akin_status add_choice(const char **list, size_t *count, const char *value, akin_error *err)
{
    if (*count == CHOICES_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %d sources or labels", CHOICES_MAX);
    if (!*value)
        return akin_error_set(err, AKIN_ERR_INVALID, "an empty source or label");
    list[(*count)++] = value;
    return AKIN_OK;
}

static akin_status set_polygon(struct request *request, const char *value, akin_error *err)
{
    akin_polygon_free(request->polygon);
    request->polygon = NULL;
    akin_status status = cli_read_polygon(&request->polygon, value, err);
    request->question.filter.polygon = request->polygon;
    return status;
}

static akin_status set_filter(struct request *request, int option, const char *value,
                              akin_error *err)
{
    struct akin_filter *filter = &request->question.filter;
    switch (option) {
    case BBOX:
        return akin_bbox_parse(&filter->bbox, value, err);
    case POLYGON:
        return set_polygon(request, value, err);
    case SOURCE:
        return add_choice(request->sources, &request->choice.source_count, value, err);
    case LABEL:
        return add_choice(request->labels, &request->choice.label_count, value, err);
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
    double fraction = 0;
    akin_status status = AKIN_OK;
    if (option <= UNLIKE_VECTOR)
        return add_example(request, option, value, err);
    if (option >= BBOX && option <= MIN_TEXTURE)
        return set_filter(request, option, value, err);
    switch (option) {
    case COUNT:
        status = akin_parse_u64(&number, value, 1, COUNT_MAX, "-k", err);
        request->question.k = number;
        request->counted = true;
        break;
    case THRESHOLD:
        status = akin_parse_double(&fraction, value, -1e30, 1e30, "--threshold", err);
        request->question.threshold = (float)fraction;
        break;
    case RECALL:
        status = akin_parse_double(&fraction, value, 0.5, 1, "--recall", err);
        request->question.recall = (float)fraction;
        break;
    case EXACT:
        request->question.recall = 1;
        break;
    case COLLAPSE:
        if (strcmp(value, "place") != 0)
            return akin_error_set(err, AKIN_ERR_INVALID, "--collapse place, not '%s'", value);
        request->question.collapse_place = true;
        break;
    case MODEL:
        request->engine.model = value;
        break;
    case TURNS:
        request->question.turns = true;
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
    default:
        status = akin_parse_u64(&number, value, 1, 256, "-j", err);
        request->engine.threads = (unsigned)number;
    }
    return status;
}

static akin_status write_answers(struct request *request, akin_engine *engine,
                                 const struct akin_answers *answers, akin_error *err)
{
    struct akin_buffer text;
    if (!request->geojson && !request->html)
        return cli_print_answers(engine, answers, request->json, err);
    akin_buffer_init(&text, (size_t)1 << 30);
    akin_status status = AKIN_OK;
    if (request->geojson)
        status = akin_answers_geojson(engine, answers, &text, err);
    if (status == AKIN_OK)
        status = request->geojson ? cli_print(&text, err)
                                  : cli_print_answers(engine, answers, request->json, err);
    akin_buffer_clear(&text);
    if (status == AKIN_OK && request->html) {
        status = akin_answers_html(engine, &request->question, answers, NULL, &text, err);
        if (status == AKIN_OK)
            status = akin_file_write_atomic(request->html, text.data, text.size, err);
    }
    akin_buffer_fini(&text);
    return status;
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
        status = cli_add_example(&request->question, engine, &request->examples[i], &err);
    request->choice.sources = request->sources;
    request->choice.labels = request->labels;
    if (status == AKIN_OK && (request->choice.source_count || request->choice.label_count))
        status = akin_question_choose(&request->question, engine, &request->choice, &err);
    if (status == AKIN_OK)
        status = akin_ask(engine, &request->question, &answers, &err);
    if (status == AKIN_OK)
        status = write_answers(request, engine, &answers, &err);
    if (status == AKIN_OK && request->where)
        status = cli_write_where(engine, &request->question, &answers, request->where, &err);
    if (status == AKIN_OK && request->explain)
        cli_explain(&answers.explain);
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
        cli_misuse(&cmd_search, request->dir ? "like what? give --image, --tile, --at or --vector"
                                             : "which collection?");
        return CLI_BAD;
    }
    if (!request->counted && isfinite(request->question.threshold))
        request->question.k = COUNT_MAX;
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
    akin_polygon_free(request->polygon);
    free(request);
    return exit_status;
}
