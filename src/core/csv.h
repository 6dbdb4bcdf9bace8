/*
 * Private to core: a CSV whose bytes come a few at a time, for tests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CORE_CSV_H
#define CORE_CSV_H

#include "akin/core/csv.h"

/* As akin_csv_parse, `step` bytes at a time. */
akin_status csv_parse_stepped(akin_csv **out, const char *text, size_t bytes, size_t step,
                              const char *name, akin_error *err);

#endif
