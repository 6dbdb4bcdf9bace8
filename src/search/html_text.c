/*
 * File names, labels and addresses come from anywhere; here they become harmless.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "html_text.h"

#include <math.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* Decodes one character of UTF-8 (RFC 3629) and steps over it; -1, one byte on, where there is
 * none. */
static int32_t next_character(const unsigned char **at)
{
    static const int32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *text = *at;
    int more = text[0] < 0x80 ? 0 : text[0] >> 5 == 6 ? 1 : text[0] >> 4 == 14 ? 2 : 3;
    int32_t value = more ? text[0] & (0x3f >> more) : text[0];
    *at += 1;
    if (more && (text[0] < 0xc0 || text[0] > 0xf7))
        return -1;
    for (int i = 1; i <= more; i++) {
        if ((text[i] & 0xc0) != 0x80) /* the end's NUL among them */
            return -1;
        value = value << 6 | (text[i] & 0x3f);
    }
    if (value < smallest[more] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return -1;
    *at = text + more + 1;
    return value;
}

/* Controls (C0, DEL, C1), line separators, and the marks that reorder text around them. */
static bool is_harmful(int32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static const char *entity_of(int32_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return is_harmful(c) ? REPLACEMENT : NULL;
    }
}

akin_status html_text_append(struct akin_buffer *out, const char *text, akin_error *err)
{
    akin_status status = AKIN_OK;
    const unsigned char *at = (const unsigned char *)(text ? text : "");
    while (status == AKIN_OK && *at) {
        const unsigned char *begin = at;
        const char *entity = entity_of(next_character(&at));
        if (entity)
            status = akin_buffer_append(out, entity, strlen(entity), err);
        else
            status = akin_buffer_append(out, begin, (size_t)(at - begin), err);
    }
    return status;
}

akin_status html_text_base64(struct akin_buffer *out, const void *data, size_t bytes,
                             akin_error *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = data;
    akin_status status = akin_buffer_reserve(out, bytes / 3 * 4 + 4, err);
    for (size_t i = 0; status == AKIN_OK && i < bytes; i += 3) {
        const size_t left = bytes - i;
        const uint32_t group = (uint32_t)from[i] << 16 |
                               (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                               (left > 2 ? from[i + 2] : 0u);
        const char text[4] = {digits[group >> 18], digits[group >> 12 & 63],
                              left > 1 ? digits[group >> 6 & 63] : '=',
                              left > 2 ? digits[group & 63] : '='};
        status = akin_buffer_append(out, text, sizeof text, err);
    }
    return status;
}

akin_status html_text_place(struct akin_buffer *out, double lon_deg, double lat_deg,
                            akin_error *err)
{
    return akin_buffer_printf(out, err, "%.1f° %s, %.1f° %s", fabs(lat_deg),
                              lat_deg < 0 ? "S" : "N", fabs(lon_deg), lon_deg < 0 ? "W" : "E");
}
