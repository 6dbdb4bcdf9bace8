/*
 * Fuzzes everything that reads a time: intervals of the command line, file names, and patterns for
 * them (the input's part before the first newline is the pattern, the rest the name). A time that
 * was read must print and be read again as the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "akin/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct akin_interval interval)
{
    char text[AKIN_INTERVAL_TEXT_MAX];
    struct akin_interval again;
    akin_interval_format(text, interval);
    if (!akin_interval_known(interval))
        return;
    if (akin_interval_parse(&again, text, NULL) != AKIN_OK || again.begin_ms != interval.begin_ms ||
        again.end_ms != interval.end_ms)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct akin_interval interval;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (akin_interval_parse(&interval, text, NULL) == AKIN_OK)
        check_round_trip(interval);
    if (akin_time_guess(&interval, text))
        check_round_trip(interval);
    char *newline = strchr(text, '\n');
    if (newline) {
        *newline = '\0';
        if (akin_time_from_pattern(&interval, newline + 1, text, NULL) == AKIN_OK)
            check_round_trip(interval);
    }
    free(text);
    return 0;
}
