/*
 * JSON trees as text. jansson writes every number of a text with one precision, either too many
 * digits (0.93000000000000005) or too few; here each number gets the fewest that it needs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "json_tree.h"
#include "number.h"

/* Where the text goes; the first failure ends the writing. */
struct writer {
    struct akin_buffer *out;
    akin_error *err;
    akin_status status;
    bool indent;
    int depth;
};

static void put(struct writer *writer, const char *text, size_t bytes)
{
    if (writer->status == AKIN_OK)
        writer->status = akin_buffer_append(writer->out, text, bytes, writer->err);
}

static void put_text(struct writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

static void put_escape(struct writer *writer, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char *const named[0x20] = {
        ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t"};
    char text[] = "\\u0000";
    text[4] = hex[c >> 4];
    text[5] = hex[c & 15];
    if (c == '"' || c == '\\')
        put(writer, (char[]){'\\', (char)c}, 2);
    else
        put_text(writer, named[c] ? named[c] : text);
}

static void put_string(struct writer *writer, const char *text)
{
    put(writer, "\"", 1);
    for (;;) {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\')
            plain++;
        put(writer, text, plain);
        text += plain;
        if (!*text)
            break;
        put_escape(writer, (unsigned char)*text++);
    }
    put(writer, "\"", 1);
}

static void put_number(struct writer *writer, const json_t *value)
{
    char text[NUMBER_TEXT_MAX];
    if (json_is_real(value)) {
        number_format(text, json_real_value(value));
        put_text(writer, text);
    } else if (writer->status == AKIN_OK) {
        writer->status = akin_buffer_printf(writer->out, writer->err, "%lld",
                                            (long long)json_integer_value(value));
    }
}

static void put_line_break(struct writer *writer)
{
    put(writer, "\n", writer->indent);
    for (int i = 0; writer->indent && i < writer->depth; i++)
        put(writer, "  ", 2);
}

/* Before each child: a comma but before the first, and its line. */
static void put_separator(struct writer *writer, bool first)
{
    put(writer, ",", !first);
    put_line_break(writer);
}

static void put_value(struct writer *writer, json_t *value);

/* One of the two loops runs: each finds nothing in the other kind of container. */
static void put_children(struct writer *writer, json_t *container)
{
    bool first = true;
    for (void *at = json_object_iter(container); at; at = json_object_iter_next(container, at)) {
        put_separator(writer, first);
        put_string(writer, json_object_iter_key(at));
        put_text(writer, writer->indent ? ": " : ":");
        put_value(writer, json_object_iter_value(at));
        first = false;
    }
    for (size_t i = 0; i < json_array_size(container); i++) {
        put_separator(writer, i == 0);
        put_value(writer, json_array_get(container, i));
    }
}

static void put_container(struct writer *writer, json_t *container)
{
    bool is_object = json_is_object(container);
    bool empty = is_object ? !json_object_size(container) : !json_array_size(container);
    if (json_tree_is_marked(container)) {
        writer->status = akin_error_set(writer->err, AKIN_ERR_NO_MEMORY,
                                        "out of memory: a JSON text could not be built");
        return;
    }
    if (writer->depth == JSON_TREE_DEPTH_MAX) {
        writer->status = akin_error_set(writer->err, AKIN_ERR_LIMIT,
                                        "JSON nested deeper than %d levels", JSON_TREE_DEPTH_MAX);
        return;
    }
    put(writer, is_object ? "{" : "[", 1);
    writer->depth++;
    put_children(writer, container);
    writer->depth--;
    if (!empty)
        put_line_break(writer);
    put(writer, is_object ? "}" : "]", 1);
}

static void put_value(struct writer *writer, json_t *value)
{
    if (writer->status != AKIN_OK)
        return;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        put_container(writer, value);
        break;
    case JSON_STRING:
        put_string(writer, json_string_value(value));
        break;
    case JSON_INTEGER:
    case JSON_REAL:
        put_number(writer, value);
        break;
    case JSON_TRUE:
        put_text(writer, "true");
        break;
    case JSON_FALSE:
        put_text(writer, "false");
        break;
    case JSON_NULL:
        put_text(writer, "null");
        break;
    }
}

akin_status akin_json_text(const akin_json *root, bool indent, struct akin_buffer *out,
                           akin_error *err)
{
    size_t before = out->size;
    struct writer writer = {.out = out, .err = err, .indent = indent};
    if (!root)
        return akin_error_set(err, AKIN_ERR_NO_MEMORY,
                              "out of memory: a JSON text could not be built");
    put_value(&writer, (json_t *)(uintptr_t)root);
    if (writer.status != AKIN_OK && out->data) { /* nothing half-written reaches the caller */
        out->size = before;
        out->data[before] = '\0';
    }
    return writer.status;
}
