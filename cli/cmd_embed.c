/*
 * akin embed: embeds a collection again with another encoder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

enum {
    MODEL,
    REFIT,
    KEEP_DEFAULT,
    PRECISION,
    THREADS,
    NAME,
    INPUT_NAME,
    OUTPUT_NAME,
    LAYOUT,
    POOLING,
    INPUT,
    SCALE,
    MEAN,
    STD,
    ONNXRUNTIME
};
#define FIRST_OF_FILES NAME /* options from here on go with --model FILE.onnx only */

static const struct cli_option options[] = {
    {0, "model", "NAME", "an encoder of the collection, or FILE.onnx: any network from elsewhere"},
    {0, "refit", NULL, "fit the instant encoder again, on the collection as it is now"},
    {0, "keep-default", NULL, "only embed what the encoder lacks; the default stays"},
    {0, "precision", "P", "auto, f32, bf16 or int8: what a trained net calculates in"},
    {'j', "threads", "N", "1 to 256 (default: one a CPU)"},
    {0, "name", "NAME", "of a FILE.onnx as an encoder (default: the file's)"},
    {0, "input-name", "NAME", "its input (default: the image)"},
    {0, "output-name", "NAME", "its output (default: a vector, else a map, else tokens)"},
    {0, "layout", "LAYOUT", "of its input: nchw, nhwc, auto (default)"},
    {0, "pooling", "HOW",
     "none, mean, cls, patches-mean, auto (default): how one vector\n"
     "comes out of a map or tokens"},
    {0, "input", "PX", "1 to 1024: side of its input, where the file leaves it open"},
    {0, "scale", "N", "1 (default) or 255: what it calls white, before mean and std"},
    {0, "mean", "A,B,C", "taken off its channels; one number for all, or one each (default 0)"},
    {0, "std", "A,B,C", "its channels are divided by (default 1)"},
    {0, "onnxruntime", "PATH", "libonnxruntime.so.1 (default: $AKIN_ONNXRUNTIME, else searched)"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_embed = {
    "embed",
    "embed every tile again with another encoder",
    "DIR --model NAME | --model FILE.onnx | --refit [options]",
    "Embeds the tiles of DIR that the encoder lacks, from their chips, beside the index that\n"
    "goes on answering; when all are there the encoder becomes the default in one step. After\n"
    "a stop or a crash the same command goes on.\n"
    "FILE.onnx becomes an encoder of the collection first. What its flags leave open is taken\n"
    "from FILE.json beside it, and from the file itself.",
    options,
    run};

static void say_result(const struct akin_embed_report *report, bool keep_default)
{
    if (!report->was_default && !keep_default)
        fprintf(stderr, "'%s' is the collection's encoder now", report->model);
    else if (report->was_default)
        fprintf(stderr, "'%s' is the collection's encoder already", report->model);
    else
        fprintf(stderr, "'%s' is embedded; the collection's encoder stays", report->model);
    fprintf(stderr, ": %" PRIu64 " of %" PRIu64 " tiles, %" PRIu64 " of them new\n",
            report->tiles_indexed, report->tiles, report->tiles_embedded);
    if (report->tiles_embedded && report->precision != AKIN_PRECISION_F32)
        fprintf(stderr, "embedded in %s\n", akin_precision_name(report->precision));
    if (report->tiles_failed)
        fprintf(stderr, "%" PRIu64 " tiles were left out (named above)\n", report->tiles_failed);
    else if (report->tiles_indexed < report->tiles)
        fprintf(stderr, "no other encoder's index knows the tiles that it lacks: 'akin verify' "
                        "names their images\n");
}

static int embed_all(const char *dir, struct akin_embed_options *embed_options)
{
    struct cli_talk talk;
    struct akin_embed_report report;
    akin_error err = {0};
    cli_talk_init(&talk);
    embed_options->talk = &talk.talk;
    akin_status status = akin_embed(dir, embed_options, &report, &err);
    cli_talk_end(&talk);
    if (status == AKIN_ERR_CANCELLED) {
        fprintf(stderr, "stopped; the same command goes on from here\n");
        return CLI_FAILED;
    }
    if (status != AKIN_OK)
        return cli_fail(&err);
    say_result(&report, embed_options->keep_default);
    return report.tiles_failed || report.tiles_indexed < report.tiles ? CLI_FAILED : CLI_OK;
}

/* ---- the command line ---- */

struct request {
    struct akin_embed_options embed;
    struct akin_onnx_options onnx;
    const char *dir, *name;
    int file_option; /* the first option given that goes with FILE.onnx only; 0 = none */
    bool refit;
};

/* "A,B,C": as many as there are. */
static akin_status set_numbers(double *out, uint32_t *count, const char *value, const char *name,
                               akin_error *err)
{
    unsigned n = 1;
    for (const char *at = value; *at; at++)
        n += *at == ',';
    if (n > AKIN_BANDS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: at most %d numbers", name,
                              AKIN_BANDS_MAX);
    *count = n;
    return akin_parse_doubles(out, n, value, name, err);
}

static akin_status set_for_file(struct akin_onnx_options *onnx, int option, const char *value,
                                akin_error *err)
{
    uint64_t number = 0;
    akin_status status = AKIN_OK;
    switch (option) {
    case INPUT_NAME:
        onnx->input = value;
        break;
    case OUTPUT_NAME:
        onnx->output = value;
        break;
    case LAYOUT:
        onnx->layout = value;
        break;
    case POOLING:
        onnx->pooling = value;
        break;
    case INPUT:
        status = akin_parse_u64(&number, value, 1, 1024, "--input", err);
        onnx->input_px = (uint32_t)number;
        break;
    case SCALE:
        return akin_parse_double(&onnx->scale, value, 1, 255, "--scale", err);
    case MEAN:
        return set_numbers(onnx->mean, &onnx->mean_count, value, "--mean", err);
    case STD:
        return set_numbers(onnx->std, &onnx->std_count, value, "--std", err);
    default:
        onnx->library = value;
    }
    return status;
}

static akin_status set(struct request *request, int option, const char *value, akin_error *err)
{
    struct akin_embed_options *embed = &request->embed;
    uint64_t number = 0;
    akin_status status = AKIN_OK;
    if (option >= FIRST_OF_FILES && !request->file_option)
        request->file_option = option;
    switch (option) {
    case MODEL:
        embed->onnx_path = akin_text_ends_with(value, ".onnx") ? value : NULL;
        embed->model = embed->onnx_path ? NULL : value;
        break;
    case REFIT:
        request->refit = true;
        break;
    case KEEP_DEFAULT:
        embed->keep_default = true;
        break;
    case PRECISION:
        status = akin_precision_parse(&embed->precision, value, "--precision", err);
        break;
    case THREADS:
        status = akin_parse_u64(&number, value, 1, 256, "-j", err);
        embed->threads = (unsigned)number;
        break;
    case NAME:
        request->name = value;
        break;
    default:
        return set_for_file(&request->onnx, option, value, err);
    }
    return status;
}

/* What does not go together. */
static int check(const struct request *request)
{
    const struct akin_embed_options *embed = &request->embed;
    if (!request->dir)
        return cli_misuse(&cmd_embed, "which collection?");
    if (request->refit == (embed->model || embed->onnx_path))
        return cli_misuse(&cmd_embed, "give either --model NAME, --model FILE.onnx or --refit");
    if (request->file_option && !embed->onnx_path)
        return cli_misuse(&cmd_embed, "--%s goes with --model FILE.onnx only",
                          options[request->file_option].name);
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    struct cli_parser parser;
    struct request request = {0};
    const char *value;
    akin_error err = {0};
    int option, status;

    akin_onnx_options_default(&request.onnx);
    cli_parser_init(&parser, &cmd_embed, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return cli_exit(option);
        if (option == CLI_WORD && !cli_take_dir(&cmd_embed, &request.dir, value))
            return CLI_MISUSE;
        if (option != CLI_WORD && set(&request, option, value, &err) != AKIN_OK)
            return cli_misuse(&cmd_embed, "%s", err.text);
    }
    if ((status = check(&request)) != CLI_OK)
        return status;
    if (request.embed.onnx_path) {
        request.embed.model = request.name;
        request.embed.onnx = &request.onnx;
    }
    return embed_all(request.dir, &request.embed);
}
