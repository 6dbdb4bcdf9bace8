/*
 * Text from outside (file names, a server's answer) made fit for one line of a log or an error:
 * control characters and bytes that are not UTF-8 become \xNN; everything else stays.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_PRINTABLE_H
#define AKIN_CORE_PRINTABLE_H

#include <stddef.h>

/* Writes at most out_max - 1 bytes and a NUL; cuts between characters, never inside one. */
void printable_copy(char *out, size_t out_max, const char *text);

#endif
