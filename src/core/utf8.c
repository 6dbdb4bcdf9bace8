/*
 * The well-formed byte sequences of RFC 3629, section 4. A NUL is no continuation byte, so that
 * nothing behind the end is read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "utf8.h"

#include <stdbool.h>

static bool between(unsigned char c, unsigned low, unsigned high)
{
    return c >= low && c <= high;
}

size_t utf8_size(const unsigned char *text)
{
    unsigned char lead = text[0];
    if (lead < 0x80)
        return 1;
    if (!between(lead, 0xc2, 0xf4))
        return 0;
    /* The second byte's range keeps out overlong forms, surrogates and what is above U+10FFFF. */
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (!between(text[1], low, high))
        return 0;
    if (lead < 0xe0)
        return 2;
    if (!between(text[2], 0x80, 0xbf))
        return 0;
    if (lead < 0xf0)
        return 3;
    return between(text[3], 0x80, 0xbf) ? 4 : 0;
}
