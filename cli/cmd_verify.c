/*
 * akin verify: every invariant of every file; with --repair, what can be mended is, first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

enum { JSON, QUIET, REPAIR };

static const struct cli_option options[] = {
    {0, "json", NULL, "one JSON object a fault, and one with their number"},
    {'q', "quiet", NULL, "only the exit status"},
    {0, "repair", NULL, "mend the indexes first, and say what was lost"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_verify = {
    "verify",
    "check every invariant of every file",
    "DIR [options]",
    "Reads every file of the collection DIR whole and checks it against its checksums and against\n"
    "what the other files say: catalogue, chip packs, encoders, indexes. A line a fault; exit\n"
    "status 1 where there is one. With --repair, damaged indexes are mended first: what is lost "
    "is\n"
    "named, and the next akin add takes it again.",
    options,
    run};

struct listener {
    bool json, quiet;
};

/* A line of a file: `what` of it is "fault" or "repair". */
static void say(const struct listener *listener, const char *what, const char *file,
                const char *text)
{
    struct akin_buffer line;
    if (listener->quiet)
        return;
    if (!listener->json) {
        printf("%s: %s\n", file, text);
        return;
    }
    akin_json *root = akin_json_object();
    akin_buffer_init(&line, 1 << 16);
    akin_json_set(root, "file", akin_json_string(file));
    akin_json_set(root, what, akin_json_string(text));
    if (akin_json_text(root, false, &line, NULL) == AKIN_OK)
        printf("%s\n", line.data);
    akin_json_free(root);
    akin_buffer_fini(&line);
}

static void say_fault(void *user, const char *file, const char *text)
{
    say(user, "fault", file, text);
}

static void say_repair(void *user, const char *file, const char *text)
{
    say(user, "repair", file, text);
}

static int repair(const char *dir, struct listener *listener)
{
    struct cli_talk talk;
    struct akin_repair_report report;
    akin_error err = {0};
    cli_talk_init(&talk);
    talk.quiet = listener->quiet;
    akin_status status = akin_repair(dir, say_repair, listener, &report, &talk.talk, &err);
    cli_talk_end(&talk);
    if (status != AKIN_OK)
        return cli_fail(&err);
    if (!listener->quiet && !listener->json && report.scenes_again)
        printf("%" PRIu64 " scenes lost tiles: akin add takes them again\n", report.scenes_again);
    return CLI_OK;
}

static int verify(const char *dir, struct listener *listener)
{
    struct cli_talk talk;
    uint64_t faults = 0;
    akin_error err = {0};
    cli_talk_init(&talk);
    talk.quiet = listener->quiet;
    akin_status status = akin_verify(dir, say_fault, listener, &faults, &talk.talk, &err);
    cli_talk_end(&talk);
    if (status != AKIN_OK)
        return cli_fail(&err);
    if (listener->json)
        printf("{\"faults\":%" PRIu64 "}\n", faults);
    else if (!listener->quiet && faults)
        printf("%" PRIu64 " faults\n", faults);
    else if (!listener->quiet)
        printf("all is well\n");
    return faults ? CLI_FAILED : CLI_OK;
}

static int run(int argc, char **argv)
{
    struct cli_parser parser;
    struct listener listener = {0};
    const char *dir = NULL, *value;
    bool mend = false;
    int option;

    cli_parser_init(&parser, &cmd_verify, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return cli_exit(option);
        if (option == CLI_WORD && !cli_take_dir(&cmd_verify, &dir, value))
            return CLI_MISUSE;
        if (option == CLI_WORD)
            continue;
        if (option == JSON)
            listener.json = true;
        else if (option == QUIET)
            listener.quiet = true;
        else
            mend = true;
    }
    if (!dir)
        return cli_misuse(&cmd_verify, "which collection?");
    int code = mend ? repair(dir, &listener) : CLI_OK;
    return code == CLI_OK ? verify(dir, &listener) : code;
}
