/*
 * A tile's key as text and its columns as boxes and intervals.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/columns.h"

#define CIRCLE_E7 ((int64_t)3600000000)
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

void akin_columns_init(struct akin_columns *out, uint64_t key)
{
    const struct akin_interval unknown = akin_interval_unknown();
    *out = (struct akin_columns){
        .key = key, .begin_ms = unknown.begin_ms, .end_ms = unknown.end_ms, .hilbert = UINT32_MAX};
    for (int i = 0; i < 8; i++)
        out->corner_e7[i] = AKIN_E7_UNKNOWN;
    for (int i = 0; i < 4; i++)
        out->bbox_e7[i] = AKIN_E7_UNKNOWN;
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

static void ring_of_box(int64_t lon[4], int32_t lat[4], const int32_t box[4])
{
    const int64_t east = box[2] + (box[0] > box[2] ? CIRCLE_E7 : 0);
    lon[0] = lon[3] = box[0];
    lon[1] = lon[2] = east;
    lat[0] = lat[1] = box[3];
    lat[2] = lat[3] = box[1];
}

bool akin_columns_ring(int64_t lon_e7[4], int32_t lat_e7[4], const struct akin_columns *columns)
{
    if (!akin_bbox_known(akin_columns_bbox(columns)))
        return false;
    ring_of_box(lon_e7, lat_e7, columns->bbox_e7);
    if (lon_e7[1] - lon_e7[0] >= CIRCLE_E7 / 2)
        return true;
    for (int i = 0; i < 8; i++)
        if (columns->corner_e7[i] == AKIN_E7_UNKNOWN)
            return true;
    int64_t west = INT64_MAX;
    for (int i = 0; i < 4; i++) {
        int64_t lon = columns->corner_e7[2 * i];
        const int64_t step = i ? lon - lon_e7[i - 1] : 0;
        lon -= (step + (step < 0 ? -CIRCLE_E7 : CIRCLE_E7) / 2) / CIRCLE_E7 * CIRCLE_E7;
        lon_e7[i] = lon;
        lat_e7[i] = columns->corner_e7[2 * i + 1];
        west = lon < west ? lon : west;
    }
    const int64_t turn = CIRCLE_E7 * ((west < -CIRCLE_E7 / 2) - (west >= CIRCLE_E7 / 2));
    for (int i = 0; i < 4; i++)
        lon_e7[i] += turn;
    return true;
}
