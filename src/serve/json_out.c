/*
 * Numbers by hand (printf's %f costs more than all else of an answer), strings a run at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "json_out.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void put_init(struct json_out *out, struct akin_buffer *to)
{
    *out = (struct json_out){.to = to, .status = AKIN_OK};
}

void put_bytes(struct json_out *out, const char *text, size_t bytes)
{
    if (out->status == AKIN_OK)
        out->status = akin_buffer_append(out->to, text, bytes, &out->err);
}

/* How many bytes of UTF-8 begin here: 0 where it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *at)
{
    const unsigned char a = at[0];
    const size_t length = a < 0x80                ? 1
                          : a >= 0xc2 && a < 0xe0 ? 2
                          : a >= 0xe0 && a < 0xf0 ? 3
                          : a >= 0xf0 && a < 0xf5 ? 4
                                                  : 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((a == 0xe0 && at[1] < 0xa0) || (a == 0xed && at[1] > 0x9f) || (a == 0xf0 && at[1] < 0x90) ||
        (a == 0xf4 && at[1] > 0x8f))
        return 0;
    return length;
}

void put_inside(struct json_out *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        const unsigned char *run = at;
        size_t length = 0;
        while (*at >= 0x20 && *at != '"' && *at != '\\' && (length = utf8_length(at)))
            at += length;
        put_bytes(out, (const char *)run, (size_t)(at - run));
        if (!*at)
            break;
        char escaped[8];
        if (*at == '"' || *at == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", *at);
        else
            snprintf(escaped, sizeof escaped, "\\u%04x", *at < 0x20 ? *at : 0xfffdu);
        put_bytes(out, escaped, strlen(escaped));
        at++;
    }
}

void put_text(struct json_out *out, const char *text)
{
    if (!text) {
        put_bytes(out, "null", 4);
        return;
    }
    put_bytes(out, "\"", 1);
    put_inside(out, text);
    put_bytes(out, "\"", 1);
}

/* Digits of `value`, at least `least` of them, before `end` (20 at most); returns where they begin. */
static char *digits_of(char *end, uint64_t value, int least)
{
    char *at = end;
    for (int count = 0; count < least || value; count++, value /= 10)
        *--at = (char)('0' + value % 10);
    return at;
}

void put_integer(struct json_out *out, int64_t value)
{
    char text[24];
    char *at = digits_of(text + sizeof text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1);
    if (value < 0)
        put_bytes(out, "-", 1);
    put_bytes(out, at, (size_t)(text + sizeof text - at));
}

void put_number(struct json_out *out, double value, int decimals)
{
    static const double powers[10] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    const double scaled = round(value * powers[decimals]);
    char text[32];
    if (!isfinite(value) || fabs(scaled) > 9e15) {
        snprintf(text, sizeof text, "%.17g", value);
        put_raw(out, isfinite(value) ? text : "null");
        return;
    }
    char digits[24] = "";
    char *end = digits + sizeof digits;
    char *at = digits_of(end, (uint64_t)fabs(scaled), decimals + 1);
    char *point = end - decimals;
    if (scaled < 0)
        put_bytes(out, "-", 1);
    while (end > point && end[-1] == '0')
        end--;
    put_bytes(out, at, (size_t)(point - at));
    if (end > point) {
        put_bytes(out, ".", 1);
        put_bytes(out, point, (size_t)(end - point));
    }
}
