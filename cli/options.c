/*
 * Options: one array a command parses its line and prints its help.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

void cli_parser_init(struct cli_parser *parser, const struct cli_command *command, int argc,
                     char **argv)
{
    *parser = (struct cli_parser){.command = command, .argc = argc, .argv = argv};
}

static int find_name(const struct cli_option *options, const char *name, size_t length)
{
    for (int i = 0; options[i].name; i++)
        if (strlen(options[i].name) == length && !memcmp(options[i].name, name, length))
            return i;
    return -1;
}

static int find_letter(const struct cli_option *options, char letter)
{
    for (int i = 0; options[i].name; i++)
        if (options[i].letter && options[i].letter == letter)
            return i;
    return -1;
}

static int bad(const struct cli_parser *parser, const char *what, const char *word)
{
    cli_misuse(parser->command, "%s '%s'", what, word);
    return CLI_BAD;
}

/* An option was found; `inside` is a value in the same word, or NULL. */
static int take_value(struct cli_parser *parser, int option, const char *word, const char *inside,
                      const char **value)
{
    *value = NULL;
    if (!parser->command->options[option].argument)
        return inside ? bad(parser, "takes no value:", word) : option;
    if (inside)
        *value = inside;
    else if (parser->at < parser->argc)
        *value = parser->argv[parser->at++];
    else
        return bad(parser, "needs a value:", word);
    return option;
}

int cli_next(struct cli_parser *parser, const char **value)
{
    const struct cli_option *options = parser->command->options;
    if (parser->at >= parser->argc)
        return CLI_END;
    const char *word = parser->argv[parser->at++];
    *value = word;
    if (parser->only_words || word[0] != '-' || !word[1])
        return CLI_WORD;
    if (!strcmp(word, "--")) {
        parser->only_words = true;
        return cli_next(parser, value);
    }
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
        cli_help(parser->command);
        return CLI_HELP;
    }
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t length = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
        int option = find_name(options, word + 2, length);
        return option < 0 ? bad(parser, "no such option", word)
                          : take_value(parser, option, word, equals ? equals + 1 : NULL, value);
    }
    int option = find_letter(options, word[1]);
    return option < 0 ? bad(parser, "no such option", word)
                      : take_value(parser, option, word, word[2] ? word + 2 : NULL, value);
}

int cli_exit(int next)
{
    return next == CLI_HELP ? CLI_OK : CLI_MISUSE;
}

/* One option's lines: the words, then the help from column 28 on. */
static void print_option(const struct cli_option *option)
{
    char words[64];
    int width =
        snprintf(words, sizeof words, "  %s%c%s--%s%s%s", option->letter ? "-" : "  ",
                 option->letter ? option->letter : ' ', option->letter ? ", " : " ", option->name,
                 option->argument ? " " : "", option->argument ? option->argument : "");
    printf("%s", words);
    for (const char *line = option->help; line;) {
        const char *end = strchr(line, '\n');
        int length = end ? (int)(end - line) : (int)strlen(line);
        if (width > 27) {
            printf("\n");
            width = 0;
        }
        printf("%*s%.*s\n", 28 - width, "", length, line);
        width = 0;
        line = end ? end + 1 : NULL;
    }
}

void cli_help(const struct cli_command *command)
{
    printf("usage: akin %s %s\n\n%s\n\noptions:\n", command->name, command->usage, command->about);
    for (const struct cli_option *option = command->options; option->name; option++)
        print_option(option);
    printf("  -h, --help%*sthis text\n", 16, "");
}

int cli_misuse(const struct cli_command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "akin %s: ", command->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, " (akin %s --help lists what there is)\n", command->name);
    va_end(args);
    return CLI_MISUSE;
}

int cli_fail(const akin_error *err)
{
    fprintf(stderr, "akin: %s\n", err->text[0] ? err->text : akin_status_text(err->status));
    return err->status == AKIN_ERR_INVALID ? CLI_MISUSE : CLI_FAILED;
}

akin_status cli_print(const struct akin_buffer *text, akin_error *err)
{
    /* An empty buffer has no data. */
    if ((text->size && fwrite(text->data, 1, text->size, stdout) != text->size) || fflush(stdout))
        return akin_error_set(err, AKIN_ERR_IO, "cannot write to the standard output");
    return AKIN_OK;
}

akin_status cli_print_json(akin_json *root, akin_error *err)
{
    struct akin_buffer text;
    akin_buffer_init(&text, (size_t)1 << 30);
    akin_status status = akin_json_text(root, false, &text, err);
    if (status == AKIN_OK)
        status = akin_buffer_append(&text, "\n", 1, err);
    if (status == AKIN_OK)
        status = cli_print(&text, err);
    akin_json_free(root);
    akin_buffer_fini(&text);
    return status;
}

bool cli_take_dir(const struct cli_command *command, const char **dir, const char *word)
{
    if (*dir)
        cli_misuse(command, "one collection, not also '%s'", word);
    else
        *dir = word;
    return *dir == word;
}
