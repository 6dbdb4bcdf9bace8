/*
 * Fuzzes the rows of a CSV: however the bytes come, the rows are the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/core/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static akin_csv *open_stepped(const uint8_t *data, size_t size, size_t step)
{
    akin_csv *csv = NULL;
    if (csv_parse_stepped(&csv, (const char *)data, size, step, "input", NULL) != AKIN_OK)
        abort();
    return csv;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    akin_csv *whole = open_stepped(data, size, size + 1);
    akin_csv *stepped = open_stepped(data, size, 1 + size % 7);
    char **a, **b;
    size_t a_count, b_count, rows = 0;
    bool a_end = false, b_end = false;
    while (!a_end) {
        const akin_status status = akin_csv_next(whole, &a, &a_count, &a_end, NULL);
        if (akin_csv_next(stepped, &b, &b_count, &b_end, NULL) != status)
            abort();
        if (status != AKIN_OK)
            break;
        if (a_end != b_end || a_count != b_count || rows++ > size)
            abort(); /* every row takes a byte at least */
        for (size_t i = 0; i < a_count; i++)
            if (strcmp(a[i], b[i]) != 0 || strlen(a[i]) > size)
                abort();
    }
    akin_csv_close(whole);
    akin_csv_close(stepped);
    return 0;
}
