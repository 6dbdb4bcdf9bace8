/*
 * akin eval: how good the answers are, against labels that the encoder never saw.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

enum { LABELS, MODEL, JSON, THREADS };

static const struct cli_option options[] = {
    {0, "labels", "WHERE",
     "folder: the name of the folder below SOURCE; else a CSV file with\n"
     "an image's path or name and its label a line (default folder)"},
    {0, "model", "NAME", "another encoder than the collection's default"},
    {0, "json", NULL, "one JSON object"},
    {'j', "threads", "N", "1 to 256 (default: one a CPU)"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_eval = {
    "eval",
    "measure retrieval against labels",
    "DIR [--labels folder|FILE.csv] [options]",
    "Leave-one-out over every labelled tile of DIR: each is a question to all the others.\n"
    "Prints precision@1, precision@10, mean average precision and the accuracy of 5 nearest\n"
    "neighbours.",
    options,
    run};

static akin_status print_json(const struct akin_eval_result *result, akin_error *err)
{
    akin_json *root = akin_json_object();
    akin_json_set(root, "tiles", akin_json_integer((int64_t)result->tiles));
    akin_json_set(root, "classes", akin_json_integer((int64_t)result->classes));
    akin_json_set(root, "p_at_1", akin_json_number(result->p_at_1));
    akin_json_set(root, "p_at_10", akin_json_number(result->p_at_10));
    akin_json_set(root, "map", akin_json_number(result->map));
    akin_json_set(root, "knn5", akin_json_number(result->knn5));
    akin_json_set(root, "model", akin_json_string(result->model));
    return cli_print_json(root, err);
}

static void print_text(const struct akin_eval_result *result)
{
    printf("encoder        %s\ntiles          %" PRIu64 " in %" PRIu64 " classes", result->model,
           result->tiles, result->classes);
    if (result->unlabelled)
        printf(" (%" PRIu64 " without a label left out)", result->unlabelled);
    printf("\nprecision@1    %.4f\nprecision@10   %.4f\nmAP            %.4f\n5-NN accuracy  %.4f\n",
           result->p_at_1, result->p_at_10, result->map, result->knn5);
}

static int eval(const char *dir, struct akin_engine_options *engine_options,
                struct akin_eval_options *eval_options, bool json)
{
    struct cli_talk talk;
    akin_engine *engine = NULL;
    struct akin_eval_result result;
    akin_error err = {0};
    cli_talk_init(&talk);
    talk.level = AKIN_LEVEL_WARN;
    engine_options->talk = &talk.talk;
    eval_options->talk = &talk.talk;
    akin_status status = akin_engine_open(&engine, dir, engine_options, &err);
    if (status == AKIN_OK)
        status = akin_eval(engine, eval_options, &result, &err);
    cli_talk_end(&talk);
    if (status == AKIN_OK && json)
        status = print_json(&result, &err);
    else if (status == AKIN_OK)
        print_text(&result);
    akin_engine_close(engine);
    return status == AKIN_OK ? CLI_OK : cli_fail(&err);
}

static int run(int argc, char **argv)
{
    struct cli_parser parser;
    struct akin_engine_options engine = {0};
    struct akin_eval_options labels = {.labels = "folder"};
    const char *dir = NULL, *value;
    bool json = false;
    uint64_t number;
    akin_error err = {0};
    int option;

    cli_parser_init(&parser, &cmd_eval, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return cli_exit(option);
        if (option == CLI_WORD && !cli_take_dir(&cmd_eval, &dir, value))
            return CLI_MISUSE;
        if (option == CLI_WORD)
            continue;
        if (option == LABELS)
            labels.labels = value;
        else if (option == MODEL)
            engine.model = value;
        else if (option == JSON)
            json = true;
        else if (akin_parse_u64(&number, value, 1, 256, "-j", &err) != AKIN_OK)
            return cli_misuse(&cmd_eval, "%s", err.text);
        else
            engine.threads = (unsigned)number;
    }
    return dir ? eval(dir, &engine, &labels, json) : cli_misuse(&cmd_eval, "which collection?");
}
