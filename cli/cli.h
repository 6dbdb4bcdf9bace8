/*
 * What the commands share: options declared once as data, which both parse the command line and
 * print the help; progress on a terminal; a stop by Ctrl-C.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CLI_H
#define AKIN_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "akin/akin.h"

/* Exit statuses: as git and curl have them. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_MISUSE = 2 };

/* One option. `argument` is what the help calls its value; NULL for a flag. */
struct cli_option {
    char letter;      /* 'k' for -k, or 0 */
    const char *name; /* "tile" for --tile */
    const char *argument;
    const char *help; /* may hold newlines */
};

/* A command: its option array ends with an entry whose name is NULL. */
struct cli_command {
    const char *name;
    const char *summary; /* for `akin --help` */
    const char *usage;   /* "DIR SOURCE..." */
    const char *about;   /* a paragraph for `akin NAME --help` */
    const struct cli_option *options;
    int (*run)(int argc, char **argv);
};

extern const struct cli_command cmd_init, cmd_add, cmd_search, cmd_eval, cmd_status, cmd_verify,
    cmd_embed, cmd_train, cmd_import, cmd_export, cmd_serve;

/* Walks the arguments behind the command's name. --name value, --name=value, -k value, -kvalue;
 * "--" ends the options. */
struct cli_parser {
    const struct cli_command *command;
    int argc, at;
    char **argv;
    bool only_words;
};
void cli_parser_init(struct cli_parser *parser, const struct cli_command *command, int argc,
                     char **argv);
enum { CLI_WORD = -1, CLI_END = -2, CLI_BAD = -3, CLI_HELP = -4 };
/* The index of the next option with *value (NULL for a flag), CLI_WORD with the word in *value,
 * CLI_END; CLI_BAD after having said what is wrong, CLI_HELP after having printed the help. */
int cli_next(struct cli_parser *parser, const char **value);
/* The exit status that goes with CLI_BAD or CLI_HELP. */
int cli_exit(int next);

void cli_help(const struct cli_command *command);
/* "akin NAME: text" and a hint, on stderr; returns CLI_MISUSE. */
int cli_misuse(const struct cli_command *command, const char *format, ...) AKIN_PRINTF(2, 3);
/* A command's one folder, from a CLI_WORD; false, having said so, where there is one already. */
bool cli_take_dir(const struct cli_command *command, const char **dir, const char *word);
/* "akin: text" on stderr; returns CLI_FAILED, or CLI_MISUSE for AKIN_ERR_INVALID. */
int cli_fail(const akin_error *err);

/* Messages and a progress bar on stderr; its talk says stop after Ctrl-C. One at a time. */
struct cli_talk {
    struct akin_talk talk;
    bool quiet;
    enum akin_level level; /* messages below it are not shown */
    bool terminal, bar_shown;
    const char *what; /* of the work that is shown */
    int64_t began_ms, shown_ms;
};
void cli_talk_init(struct cli_talk *talk);
#define CLI_SECONDS_TEXT_MAX 24
/* "90 s", "12 min", "3.5 h". */
void cli_format_seconds(char out[CLI_SECONDS_TEXT_MAX], double seconds);
/* Clears the bar, so that what follows begins on a fresh line. */
void cli_talk_end(struct cli_talk *talk);

/* Where inside the best AKIN_WHERE_MAX answers the question is: into a PNG, or into an array where the path ends
 * with .npy. An answer whose picture is damaged is named on stderr and left out. */
akin_status cli_write_where(akin_engine *engine, const struct akin_question *question,
                            const struct akin_answers *answers, const char *path, akin_error *err);

/* A line an answer, or a JSON object, written as they are made. */
akin_status cli_print_answers(akin_engine *engine, const struct akin_answers *answers, bool json,
                              akin_error *err);
/* On stderr. */
void cli_explain(const struct akin_explain *explain);
/* Polygons from a file's text, or from the value itself. */
akin_status cli_read_polygon(akin_polygon **out, const char *value, akin_error *err);
/* As akin_question_add; of AKIN_EXAMPLE_VECTOR every row of the file `path`. */
akin_status cli_add_example(struct akin_question *question, akin_engine *engine,
                            const struct akin_example *example, akin_error *err);

/* Names of enum akin_metric. */
extern const char *const cli_metrics[];

/* Writes to stdout. */
akin_status cli_print(const struct akin_buffer *text, akin_error *err);
/* Writes the object on a line of its own to stdout, and frees it. */
akin_status cli_print_json(akin_json *root, akin_error *err);

#endif
