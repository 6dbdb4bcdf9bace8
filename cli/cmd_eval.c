/*
 * akin eval: how good the answers are, against labels that the encoder never saw.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

enum { LABELS, MODEL, ALL, JSON, THREADS };

static const struct cli_option options[] = {
    {0, "labels", "WHERE",
     "folder: the name of the folder below SOURCE; else a CSV file with\n"
     "an image's path or name and its label a line (default folder)"},
    {0, "model", "NAME", "of this encoder (may be given again; default: the collection's)"},
    {0, "all", NULL, "of every encoder that has embedded the collection"},
    {0, "json", NULL, "one JSON object an encoder, a line each"},
    {'j', "threads", "N", "1 to 256 (default: one a CPU)"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_eval = {
    "eval",
    "measure retrieval against labels",
    "DIR [--labels folder|FILE.csv] [options]",
    "Leave-one-out over every labelled tile of DIR: each is a question to all the others.\n"
    "Prints precision@1, precision@10, mean average precision and the accuracy of 5 nearest\n"
    "neighbours, a line an encoder.",
    options,
    run};

#define MODELS_MAX 256

struct request {
    const char *dir;
    const char *models[MODELS_MAX]; /* a NULL: the collection's default */
    size_t model_count;
    bool all, json;
    struct akin_engine_options engine;
    struct akin_eval_options eval;
    int name_width;
    bool head_printed;
};

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

static void print_row(struct request *request, const struct akin_eval_result *result, uint32_t dim)
{
    if (!request->head_printed)
        printf("%-*s  values    tiles  classes  precision@1  precision@10     mAP    5-NN\n",
               request->name_width, "encoder");
    request->head_printed = true;
    printf("%-*s  %6u  %7" PRIu64 "  %7" PRIu64 "  %11.4f  %12.4f  %6.4f  %6.4f\n",
           request->name_width, result->model, dim, result->tiles, result->classes, result->p_at_1,
           result->p_at_10, result->map, result->knn5);
    fflush(stdout);
    if (result->unlabelled)
        fprintf(stderr, "%" PRIu64 " tiles without a label are left out\n", result->unlabelled);
}

static akin_status eval_one(struct request *request, akin_error *err)
{
    akin_engine *engine = NULL;
    struct akin_eval_result result;
    akin_status status = akin_engine_open(&engine, request->dir, &request->engine, err);
    if (status == AKIN_OK)
        status = akin_eval(engine, &request->eval, &result, err);
    if (status == AKIN_OK && request->json)
        status = print_json(&result, err);
    else if (status == AKIN_OK)
        print_row(request, &result, akin_engine_model(engine)->dim);
    akin_engine_close(engine);
    return status;
}

/* The encoders to look at; `names`, if not NULL, is what they were listed into. */
static akin_status choose(struct request *request, char ***names, size_t *count, akin_error *err)
{
    if (!request->all) {
        request->model_count += !request->model_count;
        return AKIN_OK;
    }
    akin_status status = akin_model_list(names, count, request->dir, err);
    if (status != AKIN_OK)
        return status;
    if (*count > MODELS_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %d encoders: name those to compare",
                              MODELS_MAX);
    for (size_t i = 0; i < *count; i++)
        request->models[request->model_count++] = (*names)[i];
    request->model_count += !request->model_count; /* none: what the engine says of that */
    return AKIN_OK;
}

static int eval(struct request *request)
{
    struct cli_talk talk;
    char **names = NULL;
    size_t count = 0, left_out = 0;
    akin_error err = {0};
    cli_talk_init(&talk);
    talk.level = AKIN_LEVEL_WARN;
    request->engine.talk = request->eval.talk = &talk.talk;
    akin_status status = choose(request, &names, &count, &err);
    request->name_width = 12;
    for (size_t i = 0; i < request->model_count && request->models[i]; i++)
        if ((int)strlen(request->models[i]) > request->name_width)
            request->name_width = (int)strlen(request->models[i]);
    for (size_t i = 0; i < request->model_count && status == AKIN_OK; i++) {
        request->engine.model = request->models[i];
        status = eval_one(request, &err);
        cli_talk_end(&talk);
        if (status != AKIN_ERR_NOT_FOUND || !request->all || ++left_out == request->model_count)
            continue;
        fprintf(stderr, "%s\n", err.text); /* an encoder that has embedded nothing yet */
        status = AKIN_OK;
    }
    akin_names_free(names, count);
    return status == AKIN_OK ? CLI_OK : cli_fail(&err);
}

static akin_status set(struct request *request, int option, const char *value, akin_error *err)
{
    uint64_t number = 0;
    akin_status status = AKIN_OK;
    switch (option) {
    case LABELS:
        request->eval.labels = value;
        break;
    case MODEL:
        if (request->model_count == MODELS_MAX)
            return akin_error_set(err, AKIN_ERR_LIMIT, "more than %d encoders", MODELS_MAX);
        request->models[request->model_count++] = value;
        break;
    case ALL:
        request->all = true;
        break;
    case JSON:
        request->json = true;
        break;
    default:
        status = akin_parse_u64(&number, value, 1, 256, "-j", err);
        request->engine.threads = (unsigned)number;
    }
    return status;
}

static int run(int argc, char **argv)
{
    struct cli_parser parser;
    struct request request = {.eval.labels = "folder"};
    const char *value;
    akin_error err = {0};
    int option;

    cli_parser_init(&parser, &cmd_eval, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return cli_exit(option);
        if (option == CLI_WORD && !cli_take_dir(&cmd_eval, &request.dir, value))
            return CLI_MISUSE;
        if (option != CLI_WORD && set(&request, option, value, &err) != AKIN_OK)
            return cli_misuse(&cmd_eval, "%s", err.text);
    }
    if (!request.dir)
        return cli_misuse(&cmd_eval, "which collection?");
    if (request.all && request.model_count)
        return cli_misuse(&cmd_eval, "either --model or --all");
    return eval(&request);
}
