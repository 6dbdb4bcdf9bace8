/*
 * JSON written straight into a buffer, for answers of many tiles: a tree of values for each would take
 * longer than the search. All of it goes through one writer that remembers the first failure, so that
 * code which writes an answer reads without a check a line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_JSON_OUT_H
#define AKIN_SERVE_JSON_OUT_H

#include <string.h>

#include "akin/core.h"

struct json_out {
    struct akin_buffer *to; /* borrowed */
    akin_status status;
    akin_error err;
};
void put_init(struct json_out *out, struct akin_buffer *to);
void put_bytes(struct json_out *out, const char *text, size_t bytes);
/* As it is: punctuation, keys. (Here, so that a literal's length is known when it is compiled.) */
static inline void put_raw(struct json_out *out, const char *text)
{
    put_bytes(out, text, strlen(text));
}
/* A string with its quotes; bytes that are not UTF-8 become U+FFFD; NULL becomes null. */
void put_text(struct json_out *out, const char *text);
/* What goes into a string that is open: no quotes. */
void put_inside(struct json_out *out, const char *text);
void put_integer(struct json_out *out, int64_t value);
/* With at most so many decimals (0..9), no zeros at the end; null where it is not finite. */
void put_number(struct json_out *out, double value, int decimals);

#endif
