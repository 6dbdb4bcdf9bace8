/*
 * A tile's key as text and its columns as boxes and intervals.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/columns.h"

#define KEY_DIGITS (AKIN_TILE_KEY_TEXT_MAX - 1)

void akin_tile_key_format(char out[AKIN_TILE_KEY_TEXT_MAX], uint64_t key)
{
    static const char hex[] = "0123456789abcdef";
    for (int i = 0; i < KEY_DIGITS; i++)
        out[i] = hex[key >> (4 * (KEY_DIGITS - 1 - i)) & 15];
    out[KEY_DIGITS] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

akin_status akin_tile_key_parse(uint64_t *out, const char *text, akin_error *err)
{
    uint64_t key = 0;
    int digits = 0;
    while (text && digits < KEY_DIGITS && hex_value(text[digits]) >= 0)
        key = key << 4 | (unsigned)hex_value(text[digits++]);
    if (digits < KEY_DIGITS || text[digits])
        return akin_error_set(
            err, AKIN_ERR_INVALID,
            "'%.80s' is not a tile's key: 16 hexadecimal digits, as search prints "
            "them",
            text ? text : "");
    *out = key;
    return AKIN_OK;
}

struct akin_bbox akin_columns_bbox(const struct akin_columns *columns)
{
    const int32_t *e7 = columns->bbox_e7;
    for (int i = 0; i < 4; i++)
        if (e7[i] == AKIN_E7_UNKNOWN)
            return akin_bbox_unknown();
    return (struct akin_bbox){e7[0] / 1e7, e7[1] / 1e7, e7[2] / 1e7, e7[3] / 1e7};
}

struct akin_interval akin_columns_interval(const struct akin_columns *columns)
{
    return (struct akin_interval){columns->begin_ms, columns->end_ms};
}
