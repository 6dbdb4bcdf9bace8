/*
 * Base64, of images in JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "search_query.h"

/* 0..63; 64 for white space, 65 for '=', 66 for anything else. The URL alphabet is taken, too. */
static unsigned value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26u;
    if (c >= '0' && c <= '9')
        return c - '0' + 52u;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
        return 64;
    return c == '=' ? 65 : 66;
}

akin_status base64_decode(akin_arena *arena, const char *text, const void **bytes, size_t *size,
                          akin_error *err)
{
    if (!strncmp(text, "data:", 5)) {
        const char *comma = strchr(text, ',');
        if (!comma || comma - text < 7 || memcmp(comma - 7, ";base64", 7) != 0)
            return akin_error_set(err, AKIN_ERR_INVALID, "an image's data: URL is to be in base64");
        text = comma + 1;
    } else if (strstr(text, "://")) {
        return akin_error_set(
            err, AKIN_ERR_INVALID,
            "an image is given by its bytes in base64: addresses are not fetched");
    }
    const size_t most = strlen(text) / 4 * 3 + 3;
    unsigned char *out = akin_arena_alloc(arena, most, 1);
    if (!out)
        return akin_error_set(err, AKIN_ERR_LIMIT, "the images are too large");
    size_t count = 0, at = 0;
    uint32_t group = 0;
    unsigned pads = 0;
    for (; *text; text++) {
        const unsigned value = value_of((unsigned char)*text);
        if (value == 64)
            continue;
        if (value == 66 || (pads && value != 65))
            return akin_error_set(err, AKIN_ERR_INVALID, "an image is not in base64");
        if (value == 65) {
            pads++;
            continue;
        }
        group = group << 6 | value;
        if (++count % 4 == 0) {
            out[at++] = (unsigned char)(group >> 16);
            out[at++] = (unsigned char)(group >> 8);
            out[at++] = (unsigned char)group;
        }
    }
    if (count % 4 == 1 || pads > 2 || !count)
        return akin_error_set(err, AKIN_ERR_INVALID, "an image in base64 is cut off");
    if (count % 4 == 2)
        out[at++] = (unsigned char)(group >> 4);
    if (count % 4 == 3) {
        out[at++] = (unsigned char)(group >> 10);
        out[at++] = (unsigned char)(group >> 2);
    }
    *bytes = out;
    *size = at;
    return AKIN_OK;
}
