/*
 * Fuzzes the columns of imported vectors (akin import --columns): what is taken is a key, a time and
 * a place that the index takes; what is not, is told with its line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/ingest/import_columns.h"
#include "../index/fuzz_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct import_row *row)
{
    const struct akin_bbox box = row->bbox;
    if (akin_bbox_known(box) && (fabs(box.west) > 180 || fabs(box.east) > 180 || box.south < -90 ||
                                 box.north > 90 || box.south > box.north))
        abort();
    if (akin_interval_known(row->time) && row->time.begin_ms > row->time.end_ms)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct import_csv *csv = NULL;
    struct import_row row = {0};
    char path[200];
    akin_error err = {0};
    bool end = false;
    snprintf(path, sizeof path, "%s/columns.csv", fuzz_folder("columns.csv", data, size));
    akin_status status = import_csv_open(&csv, path, &err);
    for (size_t rows = 0; status == AKIN_OK && !end; rows++) {
        status = import_csv_next(csv, &row, &end, &err);
        if (status == AKIN_OK && !end)
            check(&row);
        if (rows > size)
            abort();
    }
    if (status != AKIN_OK && !err.text[0])
        abort();
    import_csv_close(csv);
    return 0;
}
