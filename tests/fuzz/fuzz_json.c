/*
 * Fuzzes the JSON reader. What it takes must print, and what is printed must be taken again and
 * print the same: card files and settings go through this pair.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "akin/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Out of memory and the buffer's limit aside, printing cannot fail. */
static void print(const akin_json *root, bool indent, struct akin_buffer *out)
{
    akin_buffer_init(out, (size_t)1 << 26);
    if (akin_json_text(root, indent, out, NULL) != AKIN_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    akin_json *root = NULL, *again = NULL;
    struct akin_buffer first, second, wide;
    akin_error err = {0};
    if (akin_json_parse(&root, (const char *)data, size, "input", &err) != AKIN_OK) {
        if (root || !err.text[0])
            abort();
        return 0;
    }
    print(root, false, &first);
    print(root, true, &wide);
    if (akin_json_parse(&again, (const char *)wide.data, wide.size, "output", &err) != AKIN_OK)
        abort();
    print(again, false, &second);
    if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0)
        abort();
    akin_json_free(root);
    akin_json_free(again);
    akin_buffer_fini(&first);
    akin_buffer_fini(&second);
    akin_buffer_fini(&wide);
    return 0;
}
