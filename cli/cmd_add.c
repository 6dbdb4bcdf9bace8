/*
 * akin add: takes imagery in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

enum { BBOX, CRS, DATETIME, TIME_FROM, DRY_RUN, DROP_MISSING, RETRY, THREADS, RAM, JSON, QUIET };

static const struct cli_option options[] = {
    {0, "bbox", "W,S,E,N",
     "where the images lie that say nothing of it themselves, in the\nunits of --crs, longitude "
     "first"},
    {0, "crs", "CRS", "of --bbox: EPSG:4326 (default), EPSG:3031, WKT, ..."},
    {0, "datetime", "T",
     "when they were taken: 2020-09-27, 2004-01, an instant or a/b\n"
     "(default: from the file's metadata, else from its name)"},
    {0, "time-from", "PATTERN",
     "how names tell the time: %Y %m %d %H %M %S %j %b, * and ? for the rest"},
    {0, "dry-run", NULL, "only tell scenes, tiles, bytes and time"},
    {0, "drop-missing", NULL, "drop the tiles of images that are gone from a SOURCE folder"},
    {0, "retry", NULL, "try images again that failed before"},
    {'j', "threads", "N", "1 to 256 (default: one a CPU)"},
    {0, "ram", "SIZE", "memory to use at most (default 2G)"},
    {0, "json", NULL, "the closing report as JSON on stdout"},
    {'q', "quiet", NULL, "no messages but errors"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_add = {
    "add",
    "take imagery in: found, tiled, embedded, searchable",
    "DIR SOURCE... [options]",
    "Takes every image of the SOURCEs into the collection DIR: folders (with all below them),\n"
    "files, globs, @FILE with an address a line, or addresses that GDAL reads (https://,\n"
    "s3://, /vsizip/...). Adding the same again does nothing; a changed file replaces its\n"
    "tiles; after a stop or a crash the same command goes on. An image that cannot be read is\n"
    "named at the end and stops nothing else; the exit status is 1 then.",
    options,
    run};

struct request {
    struct akin_add_options add;
    const char *dir;
    const char **sources;
    size_t source_count;
    bool json, quiet;
};

static akin_status set(struct request *request, int option, const char *value, akin_error *err)
{
    uint64_t number = 0;
    akin_status status = AKIN_OK;
    switch (option) {
    case BBOX:
        return akin_parse_doubles(request->add.source.bbox, 4, value, "--bbox", err);
    case CRS:
        request->add.source.crs = value;
        break;
    case DATETIME:
        return akin_interval_parse(&request->add.source.time, value, err);
    case TIME_FROM:
        request->add.source.time_pattern = value;
        break;
    case DRY_RUN:
        request->add.dry_run = true;
        break;
    case DROP_MISSING:
        request->add.drop_missing = true;
        break;
    case RETRY:
        request->add.retry_failed = true;
        break;
    case THREADS:
        status = akin_parse_u64(&number, value, 1, 256, "-j", err);
        request->add.threads = (unsigned)number;
        break;
    case RAM:
        return akin_parse_bytes(&request->add.ram_bytes, value, "--ram", err);
    case JSON:
        request->json = true;
        break;
    default:
        request->quiet = true;
    }
    return status;
}

static int print_json(const struct akin_add_report *report, akin_error *err)
{
    akin_json *root = akin_json_object();
    akin_json_set(root, "scenes_found", akin_json_integer((int64_t)report->scenes_found));
    akin_json_set(root, "scenes_unchanged", akin_json_integer((int64_t)report->scenes_unchanged));
    akin_json_set(root, "scenes_added", akin_json_integer((int64_t)report->scenes_added));
    akin_json_set(root, "scenes_replaced", akin_json_integer((int64_t)report->scenes_replaced));
    akin_json_set(root, "scenes_dropped", akin_json_integer((int64_t)report->scenes_dropped));
    akin_json_set(root, "scenes_failed", akin_json_integer((int64_t)report->scenes_failed));
    akin_json_set(root, "paths_left_out", akin_json_integer((int64_t)report->paths_left_out));
    akin_json_set(root, "tiles_added", akin_json_integer((int64_t)report->tiles_added));
    akin_json_set(root, "tiles_skipped", akin_json_integer((int64_t)report->tiles_skipped));
    akin_json_set(root, "tiles_expected", akin_json_integer((int64_t)report->tiles_expected));
    akin_json_set(root, "bytes_expected", akin_json_integer((int64_t)report->bytes_expected));
    akin_json_set(root, "seconds", akin_json_number(report->seconds));
    akin_json_set(root, "seconds_expected", akin_json_number(report->seconds_expected));
    return cli_print_json(root, err) == AKIN_OK ? CLI_OK : cli_fail(err);
}

static void say_forecast(const struct akin_add_report *report)
{
    char bytes[AKIN_BYTES_TEXT_MAX];
    akin_bytes_format(bytes, report->bytes_expected);
    fprintf(stderr,
            "%" PRIu64 " images found, %" PRIu64 " there already, %" PRIu64
            " cannot be opened; to do: %" PRIu64 " tiles, about %s on disk and %.0f s\n",
            report->scenes_found, report->scenes_unchanged, report->scenes_failed,
            report->tiles_expected, bytes, report->seconds_expected);
}

static void say_report(const struct akin_add_report *report)
{
    if (!report->scenes_added && !report->scenes_replaced && !report->scenes_dropped &&
        !report->scenes_failed && !report->paths_left_out) {
        fprintf(stderr, "nothing to do: all %" PRIu64 " images are in the collection already\n",
                report->scenes_unchanged);
        return;
    }
    fprintf(stderr, "added %" PRIu64 " tiles of %" PRIu64 " images in %.1f s", report->tiles_added,
            report->scenes_added + report->scenes_replaced, report->seconds);
    if (report->scenes_replaced)
        fprintf(stderr, ", %" PRIu64 " of them changed", report->scenes_replaced);
    if (report->tiles_skipped)
        fprintf(stderr, "; skipped %" PRIu64 " tiles with too many missing pixels",
                report->tiles_skipped);
    if (report->scenes_unchanged)
        fprintf(stderr, "; %" PRIu64 " images were there already", report->scenes_unchanged);
    if (report->scenes_dropped)
        fprintf(stderr, "; dropped %" PRIu64 " images that are gone", report->scenes_dropped);
    if (report->scenes_failed)
        fprintf(stderr, "; %" PRIu64 " images FAILED (named above; akin status lists them)",
                report->scenes_failed);
    if (report->paths_left_out)
        fprintf(stderr, "; %" PRIu64 " folders or links LEFT OUT (named above)",
                report->paths_left_out);
    fprintf(stderr, "\n");
}

static int add(struct request *request)
{
    struct akin_add_report report;
    struct cli_talk talk;
    akin_error err = {0};
    cli_talk_init(&talk);
    if (request->quiet)
        talk.level = AKIN_LEVEL_ERROR;
    request->add.talk = &talk.talk;
    akin_status status = akin_add(request->dir, request->sources, request->source_count,
                                  &request->add, &report, &err);
    cli_talk_end(&talk);
    if (status == AKIN_ERR_CANCELLED) {
        fprintf(stderr, "stopped after %" PRIu64 " tiles; the same command goes on from here\n",
                report.tiles_added);
        return CLI_FAILED;
    }
    if (status != AKIN_OK)
        return cli_fail(&err);
    if (!request->quiet && request->add.dry_run)
        say_forecast(&report);
    else if (!request->quiet)
        say_report(&report);
    if (request->json && print_json(&report, &err) != CLI_OK)
        return CLI_FAILED;
    return report.scenes_failed || report.paths_left_out ? CLI_FAILED : CLI_OK;
}

static int run(int argc, char **argv)
{
    struct request request = {0};
    struct cli_parser parser;
    const char *value;
    akin_error err = {0};
    int option, exit_status = CLI_MISUSE;

    akin_add_options_default(&request.add);
    request.sources = calloc((size_t)argc + 1, sizeof *request.sources);
    if (!request.sources)
        return CLI_FAILED;
    cli_parser_init(&parser, &cmd_add, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD) {
            exit_status = cli_exit(option);
            goto out;
        }
        if (option == CLI_WORD && !request.dir) {
            request.dir = value;
        } else if (option == CLI_WORD) {
            request.sources[request.source_count++] = value;
        } else if (set(&request, option, value, &err) != AKIN_OK) {
            cli_misuse(&cmd_add, "%s", err.text);
            goto out;
        }
    }
    if (!request.dir || !request.source_count)
        cli_misuse(&cmd_add, request.dir ? "which images? give a SOURCE" : "which collection?");
    else
        exit_status = add(&request);
out:
    free(request.sources);
    return exit_status;
}
