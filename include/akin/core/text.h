/*
 * Text from outside, turned into numbers with every character checked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_TEXT_H
#define AKIN_CORE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/core/status.h"

#pragma GCC visibility push(default)

/* The whole of `text` as a decimal number in [min, max]; `what` names it in the error ("--tile").
 * Doubles: finite only, the C locale's point. */
akin_status akin_parse_u64(uint64_t *out, const char *text, uint64_t min, uint64_t max,
                           const char *what, akin_error *err);
akin_status akin_parse_double(double *out, const char *text, double min, double max,
                              const char *what, akin_error *err);
/* "1500000", "500M", "2G" (powers of 1024, K M G T, an optional B or iB behind). */
akin_status akin_parse_bytes(uint64_t *out, const char *text, const char *what, akin_error *err);
/* "a,b,c" into exactly n doubles. */
akin_status akin_parse_doubles(double *out, unsigned n, const char *text, const char *what,
                               akin_error *err);

#define AKIN_BYTES_TEXT_MAX 16
/* "512 B", "1.4 GB" (powers of 1000). */
void akin_bytes_format(char out[AKIN_BYTES_TEXT_MAX], uint64_t bytes);

/* Case-blind for ASCII: whether `name` ends with `suffix` (".jpg"). */
bool akin_text_ends_with(const char *name, const char *suffix);

#pragma GCC visibility pop

#endif
