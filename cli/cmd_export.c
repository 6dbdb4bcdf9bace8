/*
 * akin export: vectors, columns and footprints for other tools.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

enum { VECTORS, HALF, COLUMNS, GEOJSON, MODEL, QUIET };

static const struct cli_option options[] = {
    {0, "vectors", "FILE.npy", "the vectors, an array (tiles, numbers) of 32-bit floats"},
    {0, "half", NULL, "as 16-bit floats, which is how they are kept"},
    {0, "columns", "FILE.csv",
     "a row for each tile: tile, key, begin, end, west, south, east,\n"
     "north, uri, label"},
    {0, "geojson", "FILE", "the footprints, one FeatureCollection"},
    {0, "model", "NAME", "of another encoder than the collection's default"},
    {'q', "quiet", NULL, "no messages but errors"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_export = {
    "export",
    "vectors, columns and footprints for other tools",
    "DIR --vectors FILE.npy [--columns FILE.csv] [options]",
    "Writes every tile of the collection DIR, in the order of their keys: row by row the same\n"
    "in all files. A file is written whole or not at all.",
    options,
    run};

struct request {
    struct akin_export_options export;
    struct akin_engine_options engine;
    const char *dir;
    bool quiet;
};

static int export(struct request *request)
{
    struct cli_talk talk;
    akin_engine *engine = NULL;
    akin_error err = {0};
    uint64_t rows = 0;
    cli_talk_init(&talk);
    talk.quiet = request->quiet;
    request->export.talk = &talk.talk;
    request->engine.talk = &talk.talk;
    akin_status status = akin_engine_open(&engine, request->dir, &request->engine, &err);
    if (status == AKIN_OK)
        status = akin_export(engine, &request->export, &rows, &err);
    akin_engine_close(engine);
    cli_talk_end(&talk);
    if (status != AKIN_OK)
        return cli_fail(&err);
    if (!request->quiet)
        fprintf(stderr, "exported %" PRIu64 " tiles\n", rows);
    return CLI_OK;
}

static void set(struct request *request, int option, const char *value)
{
    switch (option) {
    case VECTORS:
        request->export.vectors = value;
        break;
    case HALF:
        request->export.half = true;
        break;
    case COLUMNS:
        request->export.columns = value;
        break;
    case GEOJSON:
        request->export.geojson = value;
        break;
    case MODEL:
        request->engine.model = value;
        break;
    default:
        request->quiet = true;
    }
}

static int run(int argc, char **argv)
{
    struct cli_parser parser;
    struct request request = {0};
    const char *value;
    int option;

    cli_parser_init(&parser, &cmd_export, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return cli_exit(option);
        if (option == CLI_WORD && !cli_take_dir(&cmd_export, &request.dir, value))
            return CLI_MISUSE;
        if (option != CLI_WORD)
            set(&request, option, value);
    }
    const struct akin_export_options *given = &request.export;
    if (!request.dir || (!given->vectors && !given->columns && !given->geojson))
        return cli_misuse(&cmd_export, request.dir
                                           ? "into which file? give --vectors, --columns or "
                                             "--geojson"
                                           : "which collection?");
    return export(&request);
}
