/*
 * Whether standard input is JSON (strictly: RFC 8259, no key twice): one text, or with --lines one
 * a line. Prints how many texts there were; exit 1 and the reason where one is not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "akin/core.h"

static int parse(const char *text, size_t size, size_t number)
{
    akin_json *root = NULL;
    akin_error err = {0};
    akin_status status = akin_json_parse(&root, text, size, "input", &err);
    if (status != AKIN_OK)
        fprintf(stderr, "json_valid: text %zu: %s\n", number, err.text);
    akin_json_free(root);
    return status != AKIN_OK;
}

int main(int argc, char **argv)
{
    struct akin_buffer all;
    char block[65536];
    size_t got, count = 0;
    int failed = 0;
    akin_buffer_init(&all, (size_t)1 << 30);
    while ((got = fread(block, 1, sizeof block, stdin)) > 0)
        if (akin_buffer_append(&all, block, got, NULL) != AKIN_OK)
            return 1;
    const char *at = (const char *)all.data, *end = at + all.size;
    if (argc < 2 || strcmp(argv[1], "--lines") != 0) {
        failed = parse(at, all.size, ++count);
    } else {
        while (at < end) {
            const char *newline = memchr(at, '\n', (size_t)(end - at));
            if (!newline)
                newline = end;
            failed |= parse(at, (size_t)(newline - at), ++count);
            at = newline + 1;
        }
    }
    printf("%zu\n", count);
    akin_buffer_fini(&all);
    return failed;
}
