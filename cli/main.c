/*
 * akin: the command table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#ifndef AKIN_VERSION
#error "AKIN_VERSION is given by the Makefile"
#endif

static const struct cli_command *const commands[] = {
    &cmd_init, &cmd_add,    &cmd_train,  &cmd_embed,  &cmd_search, &cmd_serve,
    &cmd_eval, &cmd_import, &cmd_export, &cmd_status, &cmd_verify,
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static void print_help(FILE *file)
{
    fprintf(file, "akin finds what looks alike in image collections too large to label.\n\n"
                  "usage: akin COMMAND DIR [...]\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-8s  %s\n", commands[i]->name, commands[i]->summary);
    fprintf(file, "\nakin COMMAND --help tells all about one; akin --version, the version.\n");
}

/* An answer that did not get out is a failure: what printf could not write is known only here. */
static int finish(int exit_status)
{
    if ((fflush(stdout) || ferror(stdout)) && exit_status == CLI_OK) {
        fprintf(stderr, "akin: cannot write to the standard output\n");
        return CLI_FAILED;
    }
    return exit_status;
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ,
           SIG_IGN); /* a file over its limit is then an error of write, told like a full disk */
    if (argc < 2) {
        print_help(stderr);
        return CLI_MISUSE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help(stdout);
        return finish(CLI_OK);
    }
    if (!strcmp(argv[1], "--version")) {
        printf("akin %s (%s)\n", AKIN_VERSION, akin_kernels()->name);
        return finish(CLI_OK);
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!strcmp(argv[1], commands[i]->name))
            return finish(commands[i]->run(argc - 2, argv + 2));
    fprintf(stderr, "akin: no such command '%s' (akin --help lists them)\n", argv[1]);
    return CLI_MISUSE;
}
