/*
 * akin train: an encoder that learns from the collection itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

enum {
    PRESET,
    INPUT,
    EPOCHS,
    MINUTES,
    NAME,
    SEED,
    INIT,
    BATCH,
    LOSS,
    OPTIMISER,
    SAME_PLACE,
    NO_EMBED,
    RAM,
    THREADS,
    RESUME,
    DRY_RUN,
    JSON,
    QUIET
};

static const struct cli_option options[] = {
    {0, "preset", "NET", "r10h (default), r18h, r18: small to large"},
    {0, "input", "PX", "64 (default), 96 or 128: side of what the net sees of a tile"},
    {0, "epochs", "N",
     "1 to 100000: how often it sees every tile (default: as many as\n"
     "suit their number, 5 to 200); 0: none, with --init"},
    {0, "minutes", "M", "instead of --epochs: as many as fit into so many minutes"},
    {0, "name", "NAME", "of the encoder (default trained)"},
    {0, "seed", "N", "of everything random, 1 or more (default 1)"},
    {0, "init", "FILE",
     "begin with the weights of a .safetensors file, such as another\n"
     "collection's models/NAME/weights.safetensors; --epochs 0 takes them\n"
     "as they are"},
    {0, "batch", "N", "4 to 4096: tiles a step (default 128)"},
    {0, "loss", "LOSS", "ntxent (default), dcl, vicreg"},
    {0, "optimiser", "NAME", "adamw (default), sgd"},
    {0, "same-place", NULL, "teach that other dates of a place look the same as it"},
    {0, "no-embed", NULL, "only learn; 'akin embed' uses the encoder later"},
    {0, "ram", "SIZE", "memory to use at most (default 2G)"},
    {'j', "threads", "N", "1 to 256 (default: one a CPU); part of what a seed means"},
    {0, "resume", NULL, "go on where the training of this NAME was stopped"},
    {0, "dry-run", NULL, "only tell tiles, epochs, time and memory"},
    {0, "json", NULL, "the closing report as JSON on stdout"},
    {'q', "quiet", NULL, "no messages but errors"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_train = {
    "train",
    "learn an encoder from the tiles, without labels",
    "DIR [options]",
    "Learns an encoder from the tiles of DIR, embeds them with it, and makes it the\n"
    "collection's encoder. It can be watched: DIR/models/NAME.training/ has the learning curve\n"
    "and what sample queries find by now. After a stop or a crash the same with --resume goes\n"
    "on, and ends with the encoder that an uninterrupted run would have given.",
    options,
    run};

struct request {
    struct akin_learn_options learn;
    const char *dir;
    bool json, quiet;
};

static akin_status set_number(struct request *request, int option, const char *value,
                              akin_error *err)
{
    static const struct {
        int option;
        uint64_t low, high;
        const char *name;
    } ranges[] = {{EPOCHS, 0, 100000, "--epochs"},
                  {SEED, 1, UINT64_MAX, "--seed"},
                  {BATCH, 4, 4096, "--batch"},
                  {THREADS, 1, 256, "-j"}};
    struct akin_train_options *train = &request->learn.train;
    size_t at = 0;
    uint64_t number = 0;
    while (ranges[at].option != option)
        at++;
    akin_status status =
        akin_parse_u64(&number, value, ranges[at].low, ranges[at].high, ranges[at].name, err);
    if (option == EPOCHS) {
        train->epochs = (uint32_t)number;
        request->learn.as_is = status == AKIN_OK && number == 0;
    } else if (option == SEED) {
        train->seed = number;
    } else if (option == BATCH) {
        train->batch = (uint32_t)number;
    } else {
        train->replicas = (unsigned)number;
    }
    return status;
}

static akin_status set_input(struct request *request, const char *value, akin_error *err)
{
    uint64_t number = 0;
    akin_status status = akin_parse_u64(&number, value, 64, 128, "--input", err);
    if (status == AKIN_OK && number != 64 && number != 96 && number != 128)
        status =
            akin_error_set(err, AKIN_ERR_INVALID, "--input %s: it must be 64, 96 or 128", value);
    request->learn.train.input_px = (uint32_t)number;
    return status;
}

static akin_status set(struct request *request, int option, const char *value, akin_error *err)
{
    struct akin_learn_options *learn = &request->learn;
    switch (option) {
    case PRESET:
        learn->train.preset = value;
        break;
    case INPUT:
        return set_input(request, value, err);
    case MINUTES:
        return akin_parse_double(&learn->minutes, value, 0.01, 1000000, "--minutes", err);
    case NAME:
        learn->name = value;
        break;
    case INIT:
        learn->init = value;
        break;
    case LOSS:
        learn->train.loss = value;
        break;
    case OPTIMISER:
        learn->train.optimiser = value;
        break;
    case SAME_PLACE:
        learn->same_place = true;
        break;
    case NO_EMBED:
        learn->embed = false;
        break;
    case RAM:
        return akin_parse_bytes(&learn->ram_bytes, value, "--ram", err);
    case RESUME:
        learn->resume = true;
        break;
    case DRY_RUN:
        learn->dry_run = true;
        break;
    case JSON:
        request->json = true;
        break;
    case QUIET:
        request->quiet = true;
        break;
    default:
        return set_number(request, option, value, err);
    }
    return AKIN_OK;
}

/* ---- what is told ---- */

static int print_json(const struct akin_learn_report *report, akin_error *err)
{
    const struct akin_train_epoch *last = &report->last;
    akin_json *root = akin_json_object();
    akin_json_set(root, "name", akin_json_string(report->name));
    akin_json_set(root, "tiles", akin_json_integer((int64_t)report->tiles));
    akin_json_set(root, "tiles_unread", akin_json_integer((int64_t)report->tiles_unread));
    akin_json_set(root, "epochs", akin_json_integer(report->epochs));
    akin_json_set(root, "epochs_done", akin_json_integer(report->epochs_done));
    akin_json_set(root, "seconds", akin_json_number(report->seconds));
    akin_json_set(root, "seconds_expected", akin_json_number(report->seconds_expected));
    akin_json_set(root, "ram_expected", akin_json_integer((int64_t)report->ram_expected));
    akin_json_set(root, "loss", akin_json_number(last->loss));
    akin_json_set(root, "alignment", akin_json_number(last->alignment));
    akin_json_set(root, "uniformity", akin_json_number(last->uniformity));
    akin_json_set(root, "spread", akin_json_number(last->spread));
    akin_json_set(root, "effective_rank", akin_json_number(last->effective_rank));
    akin_json_set(root, "views_per_s", akin_json_number(last->views_per_s));
    akin_json_set(root, "collapsed", akin_json_bool(report->collapsed));
    akin_json_set(root, "saved", akin_json_bool(report->saved));
    akin_json_set(root, "embedded", akin_json_bool(report->embedded));
    return cli_print_json(root, err) == AKIN_OK ? CLI_OK : cli_fail(err);
}

static void say_forecast(const struct akin_learn_report *report)
{
    char bytes[AKIN_BYTES_TEXT_MAX], time[CLI_SECONDS_TEXT_MAX];
    akin_bytes_format(bytes, report->ram_expected);
    cli_format_seconds(time, report->seconds_expected);
    fprintf(stderr,
            "to do: %" PRIu32 " epochs of %" PRIu64 " tiles, about %s, with %s of memory; then the "
            "tiles are embedded\n",
            report->epochs, report->tiles, time, bytes);
}

static void say_report(const struct request *request, const struct akin_learn_report *report)
{
    const char *dir = request->dir, *name = report->name;
    char time[CLI_SECONDS_TEXT_MAX];
    cli_format_seconds(time, report->seconds);
    if (report->epochs_done)
        fprintf(stderr, "'%s': %" PRIu32 " epochs, loss %.3f", name, report->epochs_done,
                report->last.loss);
    else
        fprintf(stderr, "'%s': the weights of %s, its components", name, request->learn.init);
    if (report->tiles)
        fprintf(stderr, ", of %" PRIu64 " tiles", report->tiles);
    fprintf(stderr, " in %s; %s/models/%s.training has %ssamples.png\n", time, dir, name,
            report->epochs_done ? "curve.svg and " : "");
    if (report->tiles_unread)
        fprintf(stderr, "%" PRIu64 " tiles could not be read (named above)\n",
                report->tiles_unread);
    if (report->collapsed)
        return; /* a warning has said so */
    if (report->embedded)
        fprintf(stderr,
                "it is the collection's encoder now: 'akin search %s ...'; beside the instant one: "
                "'akin search %s --model instant ...', 'akin eval %s'\n",
                dir, dir, dir);
    else
        fprintf(stderr, "'akin embed %s --model %s' embeds with it\n", dir, name);
}

static void say_stopped(const struct request *request, const struct akin_learn_report *report)
{
    bool named = strcmp(report->name, AKIN_TRAINED_NAME) != 0;
    if (!report->saved)
        fprintf(stderr, "stopped after %" PRIu32 " of %" PRIu32 " epochs; ", report->epochs_done,
                report->epochs);
    else
        fprintf(stderr, "stopped after it had learnt; ");
    fprintf(stderr, "'akin train %s%s%s --resume' goes on from here\n", request->dir,
            named ? " --name " : "", named ? report->name : "");
}

static int learn(struct request *request)
{
    struct cli_talk talk;
    struct akin_learn_report report;
    akin_error err = {0};
    cli_talk_init(&talk);
    talk.quiet = request->quiet;
    request->learn.talk = &talk.talk;
    akin_status status = akin_learn(request->dir, &request->learn, &report, &err);
    cli_talk_end(&talk);
    if (status == AKIN_ERR_CANCELLED) {
        say_stopped(request, &report);
        return CLI_FAILED;
    }
    if (status != AKIN_OK)
        return cli_fail(&err);
    if (!request->quiet && request->learn.dry_run)
        say_forecast(&report);
    else if (!request->quiet)
        say_report(request, &report);
    if (request->json && print_json(&report, &err) != CLI_OK)
        return CLI_FAILED;
    return report.collapsed || report.tiles_unread ? CLI_FAILED : CLI_OK;
}

static int run(int argc, char **argv)
{
    struct cli_parser parser;
    struct request request = {0};
    const char *value;
    akin_error err = {0};
    int option;

    akin_learn_options_default(&request.learn);
    cli_parser_init(&parser, &cmd_train, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return cli_exit(option);
        if (option == CLI_WORD && !cli_take_dir(&cmd_train, &request.dir, value))
            return CLI_MISUSE;
        if (option != CLI_WORD && set(&request, option, value, &err) != AKIN_OK)
            return cli_misuse(&cmd_train, "%s", err.text);
    }
    if (!request.dir)
        return cli_misuse(&cmd_train, "which collection?");
    if (request.learn.minutes > 0 && (request.learn.train.epochs || request.learn.as_is))
        return cli_misuse(&cmd_train, "give --epochs or --minutes, not both");
    if (request.learn.as_is && !request.learn.init)
        return cli_misuse(&cmd_train, "--epochs 0 takes the weights of --init as they are");
    return learn(&request);
}
