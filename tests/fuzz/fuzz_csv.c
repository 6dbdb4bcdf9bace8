/*
 * Fuzzes the rows of a label CSV (akin eval --labels).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/search/csv_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csv_rows rows;
    char *fields[2];
    bool end = false;
    akin_error err = {0};
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    csv_rows_init(&rows, text, size, "input");
    for (size_t i = 0; !end; i++) {
        if (csv_rows_next(&rows, fields, 2, &end, &err) != AKIN_OK)
            break;
        if (!end && strlen(fields[0]) + strlen(fields[1]) > size)
            abort();
        if (i > size) /* every row takes a byte at least */
            abort();
    }
    free(text);
    return 0;
}
