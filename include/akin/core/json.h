/*
 * JSON (RFC 8259), by the jansson library; no other folder includes it.
 *
 * A value is reference-counted by its parent: what is set into an object or appended to an array
 * belongs to it from then on. Free only the root. A building call given a NULL value or object
 * does nothing and the tree is marked as failed through akin_json_text's result, so that code which
 * builds an answer reads without a check a line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_JSON_H
#define AKIN_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin/core/memory.h"
#include "akin/core/status.h"

#pragma GCC visibility push(default)

typedef struct akin_json akin_json;

/* Makers; NULL when out of memory. Text must be UTF-8; bytes that are not are written as U+FFFD; a
 * NULL text becomes null. A number that is not finite becomes null; others are written with the
 * fewest digits that read back as the same double (akin_json_number) or float (akin_json_float):
 * 0.93, not 0.93000000000000005. */
akin_json *akin_json_object(void);
akin_json *akin_json_array(void);
akin_json *akin_json_string(const char *text);
akin_json *akin_json_number(double value);
akin_json *akin_json_float(float value);
akin_json *akin_json_integer(int64_t value);
akin_json *akin_json_bool(bool value);
akin_json *akin_json_null(void);
void akin_json_free(akin_json *root);

/* Both take over `value` in every case. False when out of memory. */
bool akin_json_set(akin_json *object, const char *key, akin_json *value);
bool akin_json_append(akin_json *array, akin_json *value);

/* Parses one whole text of `bytes` bytes; at most 64 levels deep; duplicate keys are refused.
 * AKIN_ERR_INVALID with line and column; `what` names the text in the error. */
akin_status akin_json_parse(akin_json **out, const char *text, size_t bytes, const char *what,
                            akin_error *err);
/* Appends the text to `out`: on one line, or indented by two spaces. Keys keep their order.
 * AKIN_ERR_NO_MEMORY for NULL and where building failed; at most 64 levels deep. On failure `out`
 * keeps what it had. */
akin_status akin_json_text(const akin_json *root, bool indent, struct akin_buffer *out,
                           akin_error *err);

/* Borrowed children; NULL where the key is missing or the value is no object or array. */
akin_json *akin_json_get(const akin_json *object, const char *key);
size_t akin_json_count(const akin_json *array_or_object); /* 0 for anything else */
akin_json *akin_json_at(const akin_json *array, size_t index);
/* The key behind `key` in the order of the object, the first for NULL; NULL behind the last, for a key
 * that is not there and for what is no object. Borrowed. */
const char *akin_json_key_after(const akin_json *object, const char *key);
bool akin_json_is_null(const akin_json *value);
bool akin_json_is_array(const akin_json *value);

/* The value under `key`, of that type and in that range, else AKIN_ERR_INVALID naming `what` and
 * key. `text` is borrowed. Integers are exact (up to 2^53). */
akin_status akin_json_get_text(const char **text, const akin_json *object, const char *key,
                               const char *what, akin_error *err);
akin_status akin_json_get_integer(int64_t *out, const akin_json *object, const char *key,
                                  int64_t min, int64_t max, const char *what, akin_error *err);
akin_status akin_json_get_number(double *out, const akin_json *object, const char *key, double min,
                                 double max, const char *what, akin_error *err);
akin_status akin_json_get_bool(bool *out, const akin_json *object, const char *key,
                               const char *what, akin_error *err);
/* An array's element as a number; NULL text for one that is not a string. */
bool akin_json_number_value(double *out, const akin_json *value);
const char *akin_json_text_value(const akin_json *value);

#pragma GCC visibility pop

#endif
