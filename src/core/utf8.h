/*
 * UTF-8 (RFC 3629), looked at one character at a time: no overlong forms, no surrogates, nothing
 * above U+10FFFF.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_UTF8_H
#define AKIN_CORE_UTF8_H

#include <stddef.h>

/* Bytes of the character at `text` (NUL-terminated), 1 to 4; 0 where it is not one. */
size_t utf8_size(const unsigned char *text);

#endif
