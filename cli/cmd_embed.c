/*
 * akin embed: embeds a collection again with another encoder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

enum { MODEL, REFIT, KEEP_DEFAULT, THREADS };

static const struct cli_option options[] = {
    {0, "model", "NAME", "an encoder of the collection"},
    {0, "refit", NULL, "fit the instant encoder again, on the collection as it is now"},
    {0, "keep-default", NULL, "only embed what the encoder lacks; the default stays"},
    {'j', "threads", "N", "1 to 256 (default: one a CPU)"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_embed = {
    "embed",
    "embed every tile again with another encoder",
    "DIR --model NAME | --refit [options]",
    "Embeds the tiles of DIR that the encoder lacks, from their chips, beside the index that\n"
    "goes on answering; when all are there the encoder becomes the default in one step. After\n"
    "a stop or a crash the same command goes on.",
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
    if (report->tiles_failed)
        fprintf(stderr, "%" PRIu64 " tiles were left out (named above)\n", report->tiles_failed);
    else if (report->tiles_indexed < report->tiles)
        fprintf(stderr, "no other encoder's index knows the tiles that it lacks: 'akin verify' "
                        "names their images\n");
}

static int embed(const char *dir, struct akin_embed_options *embed_options)
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

static int run(int argc, char **argv)
{
    struct cli_parser parser;
    struct akin_embed_options embed_options = {0};
    const char *dir = NULL, *value;
    bool again = false;
    uint64_t number;
    akin_error err = {0};
    int option;

    cli_parser_init(&parser, &cmd_embed, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return cli_exit(option);
        if (option == CLI_WORD && !cli_take_dir(&cmd_embed, &dir, value))
            return CLI_MISUSE;
        if (option == CLI_WORD)
            continue;
        if (option == MODEL)
            embed_options.model = value;
        else if (option == REFIT)
            again = true;
        else if (option == KEEP_DEFAULT)
            embed_options.keep_default = true;
        else if (akin_parse_u64(&number, value, 1, 256, "-j", &err) != AKIN_OK)
            return cli_misuse(&cmd_embed, "%s", err.text);
        else
            embed_options.threads = (unsigned)number;
    }
    if (!dir)
        return cli_misuse(&cmd_embed, "which collection?");
    if (again == (embed_options.model != NULL))
        return cli_misuse(&cmd_embed, "give either --model NAME or --refit");
    return embed(dir, &embed_options);
}
