/*
 * JSON by jansson, behind our own names: an akin_json is a json_t. jansson parses and keeps the
 * trees; the text is written in json_text.c.
 *
 * How a tree is marked as failed: every value has one owner, so its reference count is 1. A
 * container in which building failed gets one reference more. That needs no memory, which is just
 * what there is none of then; akin_json_text looks for it and akin_json_free takes it back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "heap.h"
#include "json_tree.h"
#include "number.h"
#include "utf8.h"

#define EXACT_MAX 9007199254740992.0 /* 2^53 */

static json_t *tree(const akin_json *value)
{
    return (json_t *)(uintptr_t)value;
}

static akin_json *wrap(json_t *value)
{
    return (akin_json *)value;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Set where jansson got no memory: its parser reports that as a syntax error here and there. */
static _Thread_local bool ran_out;

static void *allocate(size_t bytes)
{
    void *block = heap_alloc_small(bytes);
    ran_out |= !block;
    return block;
}

/* jansson's memory is counted, and fails in tests, like ours. What a host program's own use of
 * jansson got before from malloc, akin_free frees as well. */
static void use_our_heap(void)
{
    json_set_alloc_funcs(allocate, akin_free);
}

static void start(void)
{
    pthread_once(&once, use_our_heap);
}

/* ---- making ---- */

akin_json *akin_json_object(void)
{
    start();
    return wrap(json_object());
}

akin_json *akin_json_array(void)
{
    start();
    return wrap(json_array());
}

/* U+FFFD, the replacement character. */
#define REPLACEMENT "\xef\xbf\xbd"

/* A copy in which every byte that is not UTF-8 became U+FFFD; NULL when out of memory. */
static char *copy_as_utf8(const char *text)
{
    const unsigned char *from = (const unsigned char *)text;
    char *copy = akin_alloc(strlen(text) + 1, strlen(REPLACEMENT));
    char *to = copy;
    while (copy && *from) {
        size_t size = utf8_size(from);
        memcpy(to, size ? (const char *)from : REPLACEMENT, size ? size : strlen(REPLACEMENT));
        to += size ? size : strlen(REPLACEMENT);
        from += size ? size : 1;
    }
    if (copy)
        *to = '\0';
    return copy;
}

static bool is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t size = 1;
    for (; *at && size; at += size)
        size = utf8_size(at);
    return size != 0;
}

akin_json *akin_json_string(const char *text)
{
    start();
    if (!text)
        return akin_json_null();
    if (is_utf8(text))
        return wrap(json_string_nocheck(text));
    char *copy = copy_as_utf8(text);
    json_t *value = copy ? json_string_nocheck(copy) : NULL;
    akin_free(copy);
    return wrap(value);
}

akin_json *akin_json_number(double value)
{
    start();
    return wrap(isfinite(value) ? json_real(value) : json_null());
}

akin_json *akin_json_float(float value)
{
    char text[NUMBER_TEXT_MAX];
    if (!isfinite(value))
        return akin_json_null();
    number_format_float(text, value);
    return akin_json_number(number_read(text));
}

akin_json *akin_json_integer(int64_t value)
{
    start();
    return wrap(json_integer(value));
}

akin_json *akin_json_bool(bool value)
{
    return wrap(json_boolean(value));
}

akin_json *akin_json_null(void)
{
    return wrap(json_null());
}

/* null, true and false are jansson's own and shared; their counts mean nothing. */
static bool is_container(const json_t *value)
{
    return json_is_object(value) || json_is_array(value);
}

bool json_tree_is_marked(const json_t *value)
{
    return is_container(value) && value->refcount > 1;
}

static bool mark(json_t *container)
{
    if (is_container(container))
        json_incref(container);
    return false;
}

/* Takes back every mark, or the containers would outlive their owners. */
static void unmark(json_t *value)
{
    while (json_tree_is_marked(value))
        json_decref(value);
    for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at))
        unmark(json_object_iter_value(at));
    for (size_t i = 0; i < json_array_size(value); i++)
        unmark(json_array_get(value, i));
}

void akin_json_free(akin_json *root)
{
    if (!root)
        return;
    unmark(tree(root));
    json_decref(tree(root));
}

bool akin_json_set(akin_json *object, const char *key, akin_json *value)
{
    assert(!object || object != value);
    char *copy = key && !is_utf8(key) ? copy_as_utf8(key) : NULL;
    const char *used = key && is_utf8(key) ? key : copy;
    if (!json_is_object(tree(object)) || !used || !value) {
        akin_free(copy);
        akin_json_free(value);
        return mark(tree(object));
    }
    unmark(json_object_get(tree(object), used)); /* it may be replaced, and freed by jansson */
    /* jansson drops one reference of a value that it cannot take: keep it for akin_json_free. */
    json_incref(tree(value));
    bool taken = json_object_set_new_nocheck(tree(object), used, tree(value)) == 0;
    akin_free(copy);
    if (taken) {
        json_decref(tree(value));
        return true;
    }
    akin_json_free(value);
    return mark(tree(object));
}

bool akin_json_append(akin_json *array, akin_json *value)
{
    assert(!array || array != value);
    if (!json_is_array(tree(array)) || !value) {
        akin_json_free(value);
        return mark(tree(array));
    }
    json_incref(tree(value));
    if (json_array_append_new(tree(array), tree(value)) == 0) {
        json_decref(tree(value));
        return true;
    }
    akin_json_free(value);
    return mark(tree(array));
}

/* ---- parsing ---- */

/* Deeper nesting than JSON_TREE_DEPTH_MAX, found before jansson recurses: its own limit is 2048. */
static bool is_too_deep(const char *text, size_t bytes)
{
    bool in_string = false;
    int depth = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{') && ++depth > JSON_TREE_DEPTH_MAX)
            return true;
        else if (!in_string && (c == ']' || c == '}'))
            depth--;
    }
    return false;
}

akin_status akin_json_parse(akin_json **out, const char *text, size_t bytes, const char *what,
                            akin_error *err)
{
    json_error_t error = {.line = 1};
    start();
    if (is_too_deep(text, bytes))
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: JSON nested deeper than %d levels", what,
                              JSON_TREE_DEPTH_MAX);
    ran_out = false;
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!root && ran_out)
        return akin_error_memory(err, bytes, "parsing JSON");
    if (!root)
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: not JSON at line %d, column %d: %s", what,
                              error.line, error.column, error.text);
    *out = wrap(root);
    return AKIN_OK;
}

/* ---- looking ---- */

akin_json *akin_json_get(const akin_json *object, const char *key)
{
    return wrap(json_object_get(tree(object), key));
}

size_t akin_json_count(const akin_json *array_or_object)
{
    const json_t *value = tree(array_or_object);
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

akin_json *akin_json_at(const akin_json *array, size_t index)
{
    return wrap(json_array_get(tree(array), index));
}

const char *akin_json_key_after(const akin_json *object, const char *key)
{
    json_t *self = tree(object);
    void *at = key ? json_object_iter_at(self, key) : json_object_iter(self);
    return json_object_iter_key(key && at ? json_object_iter_next(self, at) : at);
}

bool akin_json_is_null(const akin_json *value)
{
    return json_is_null(tree(value));
}

bool akin_json_is_array(const akin_json *value)
{
    return json_is_array(tree(value));
}

bool akin_json_number_value(double *out, const akin_json *value)
{
    if (!json_is_number(tree(value)))
        return false;
    *out = json_number_value(tree(value));
    return true;
}

const char *akin_json_text_value(const akin_json *value)
{
    return json_string_value(tree(value));
}

static akin_status refuse(akin_error *err, const akin_json *object, const char *key,
                          const char *what, const char *wanted)
{
    const char *fault = akin_json_get(object, key) ? "is not" : "is missing; it must be";
    return akin_error_set(err, AKIN_ERR_INVALID, "%s: '%s' %s %s", what, key, fault, wanted);
}

akin_status akin_json_get_text(const char **text, const akin_json *object, const char *key,
                               const char *what, akin_error *err)
{
    const char *found = akin_json_text_value(akin_json_get(object, key));
    if (!found)
        return refuse(err, object, key, what, "a text");
    *text = found;
    return AKIN_OK;
}

/* 3 and 3.0 alike, where the number is exact. */
static bool integer_value(int64_t *out, const json_t *value)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    double real = json_is_real(value) ? json_real_value(value) : NAN;
    if (!(fabs(real) <= EXACT_MAX) || real != floor(real))
        return false;
    *out = (int64_t)real;
    return true;
}

akin_status akin_json_get_integer(int64_t *out, const akin_json *object, const char *key,
                                  int64_t min, int64_t max, const char *what, akin_error *err)
{
    char wanted[96];
    int64_t value;
    if (integer_value(&value, tree(akin_json_get(object, key))) && value >= min && value <= max) {
        *out = value;
        return AKIN_OK;
    }
    snprintf(wanted, sizeof wanted, "a whole number from %lld to %lld", (long long)min,
             (long long)max);
    return refuse(err, object, key, what, wanted);
}

akin_status akin_json_get_number(double *out, const akin_json *object, const char *key, double min,
                                 double max, const char *what, akin_error *err)
{
    char wanted[96];
    double value;
    if (akin_json_number_value(&value, akin_json_get(object, key)) && value >= min &&
        value <= max) {
        *out = value;
        return AKIN_OK;
    }
    snprintf(wanted, sizeof wanted, "a number from %g to %g", min, max);
    return refuse(err, object, key, what, wanted);
}

akin_status akin_json_get_bool(bool *out, const akin_json *object, const char *key,
                               const char *what, akin_error *err)
{
    const json_t *value = tree(akin_json_get(object, key));
    if (!json_is_boolean(value))
        return refuse(err, object, key, what, "true or false");
    *out = json_is_true(value);
    return AKIN_OK;
}
