/*
 * akin import: vectors that were made elsewhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

enum { COLUMNS, KEYS, TIMES, PLACES, TENSOR, METRIC, NAME, THREADS, RAM, JSON, QUIET };

static const struct cli_option options[] = {
    {0, "columns", "FILE.csv",
     "a row of columns for each vector; its first row names them: key,\n"
     "uri, label, time (or begin, end), lon, lat (or west, south, east,\n"
     "north)"},
    {0, "keys", "FILE.npy", "whole numbers, 0 to 4294967295 (default: 0, 1, 2, ...)"},
    {0, "times", "FILE.npy", "milliseconds since 1970, or NumPy's datetime64"},
    {0, "places", "FILE.npy", "lon, lat or west, south, east, north a row"},
    {0, "tensor", "NAME", "of a safetensors file that has several"},
    {0, "metric", "NAME", "of a new collection: cosine (default), dot or l2"},
    {0, "name", "NAME", "of what made the vectors (default: imported)"},
    {'j', "threads", "N", "1 to 256 (default: one a CPU)"},
    {0, "ram", "SIZE", "memory that merging and coding may take (default 2G)"},
    {0, "json", NULL, "the result as one JSON object"},
    {'q', "quiet", NULL, "no messages but errors"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_import = {
    "import",
    "take in vectors made elsewhere",
    "DIR FILE [options]",
    "Takes the rows of FILE (NPY, fvecs, bvecs, ivecs, safetensors) into the collection DIR,\n"
    "which is made where there is none and holds imported vectors only. Given again, it goes on\n"
    "where it was stopped or killed; a file that is there already is nothing to do.",
    options,
    run};

const char *const cli_metrics[] = {
    [AKIN_METRIC_COSINE] = "cosine", [AKIN_METRIC_DOT] = "dot", [AKIN_METRIC_L2] = "l2"};

struct request {
    struct akin_import_options import;
    const char *dir, *file;
    bool json, quiet;
};

static akin_status set_metric(struct akin_import_options *import, const char *value,
                              akin_error *err)
{
    for (int i = 0; i < 3; i++)
        if (!strcmp(value, cli_metrics[i])) {
            import->metric = (enum akin_metric)i;
            import->metric_given = true;
            return AKIN_OK;
        }
    return akin_error_set(err, AKIN_ERR_INVALID, "--metric cosine, dot or l2, not '%s'", value);
}

static akin_status set(struct request *request, int option, const char *value, akin_error *err)
{
    uint64_t number = 0;
    akin_status status = AKIN_OK;
    switch (option) {
    case COLUMNS:
        request->import.columns = value;
        break;
    case KEYS:
        request->import.keys = value;
        break;
    case TIMES:
        request->import.times = value;
        break;
    case PLACES:
        request->import.places = value;
        break;
    case TENSOR:
        request->import.tensor = value;
        break;
    case METRIC:
        return set_metric(&request->import, value, err);
    case NAME:
        request->import.model = value;
        break;
    case THREADS:
        status = akin_parse_u64(&number, value, 1, 256, "-j", err);
        request->import.threads = (unsigned)number;
        break;
    case RAM:
        return akin_parse_bytes(&request->import.ram_bytes, value, "--ram", err);
    case JSON:
        request->json = true;
        break;
    default:
        request->quiet = true;
    }
    return status;
}

static void say_report(const struct akin_import_report *report)
{
    const uint64_t taken = report->rows - report->rows_before;
    if (!taken) {
        fprintf(stderr, "nothing to do: all %" PRIu64 " vectors are in the collection already\n",
                report->rows);
        return;
    }
    fprintf(stderr, "imported %" PRIu64 " vectors of %u numbers as '%s' (%s) in %.1f s", taken,
            report->dim, report->model, cli_metrics[report->metric], report->seconds);
    if (report->rows_before)
        fprintf(stderr, "; %" PRIu64 " were there from before", report->rows_before);
    if (report->rows_replaced)
        fprintf(stderr, "; %" PRIu64 " took the place of another one with their key",
                report->rows_replaced);
    fprintf(stderr, "\n");
}

static int print_json(const struct akin_import_report *report, akin_error *err)
{
    akin_json *root = akin_json_object();
    akin_json_set(root, "model", akin_json_string(report->model));
    akin_json_set(root, "metric", akin_json_string(cli_metrics[report->metric]));
    akin_json_set(root, "dim", akin_json_integer(report->dim));
    akin_json_set(root, "rows", akin_json_integer((int64_t)report->rows));
    akin_json_set(root, "rows_before", akin_json_integer((int64_t)report->rows_before));
    akin_json_set(root, "rows_replaced", akin_json_integer((int64_t)report->rows_replaced));
    akin_json_set(root, "tiles", akin_json_integer((int64_t)report->tiles));
    akin_json_set(root, "seconds", akin_json_number(report->seconds));
    return cli_print_json(root, err) == AKIN_OK ? CLI_OK : cli_fail(err);
}

static int import(struct request *request)
{
    struct cli_talk talk;
    struct akin_import_report report;
    akin_error err = {0};
    cli_talk_init(&talk);
    talk.quiet = request->quiet;
    request->import.talk = &talk.talk;
    akin_status status = akin_import(request->dir, request->file, &request->import, &report, &err);
    cli_talk_end(&talk);
    if (status == AKIN_ERR_CANCELLED) {
        fprintf(stderr, "stopped; the same command goes on from here\n");
        return CLI_FAILED;
    }
    if (status != AKIN_OK)
        return cli_fail(&err);
    if (!request->quiet && !request->json)
        say_report(&report);
    return request->json ? print_json(&report, &err) : CLI_OK;
}

static int run(int argc, char **argv)
{
    struct cli_parser parser;
    struct request request = {0};
    const char *value;
    akin_error err = {0};
    int option;

    akin_import_options_default(&request.import);
    cli_parser_init(&parser, &cmd_import, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return cli_exit(option);
        if (option == CLI_WORD && request.dir && request.file)
            return cli_misuse(&cmd_import, "one file, not also '%s'", value);
        if (option == CLI_WORD)
            *(request.dir ? &request.file : &request.dir) = value;
        else if (set(&request, option, value, &err) != AKIN_OK)
            return cli_misuse(&cmd_import, "%s", err.text);
    }
    if (!request.file)
        return cli_misuse(&cmd_import,
                          request.dir ? "which file of vectors?" : "which collection?");
    return import(&request);
}
