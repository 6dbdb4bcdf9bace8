/*
 * A newline in a file name must not forge a second line in a log, nor an escape sequence repaint
 * the reader's terminal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "printable.h"

#include "utf8.h"

void printable_copy(char *out, size_t out_max, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *from = (const unsigned char *)text;
    size_t used = 0;
    while (*from) {
        size_t size = *from < 0x20 || *from == 0x7f ? 0 : utf8_size(from);
        if ((size ? size : 4) >= out_max - used)
            break;
        if (size == 0) {
            out[used++] = '\\';
            out[used++] = 'x';
            out[used++] = hex[*from >> 4];
            out[used++] = hex[*from & 15];
            from++;
        }
        while (size--)
            out[used++] = (char)*from++;
    }
    out[used] = '\0';
}
