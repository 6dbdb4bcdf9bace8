/*
 * Doubles to and from text in the C locale, whatever locale the host program has set.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_NUMBER_H
#define AKIN_CORE_NUMBER_H

#define NUMBER_TEXT_MAX 32

/* strtod of a text that was checked already. */
double number_read(const char *text);
/* The fewest digits that read back as the same double, or as the same float; "0" for -0 too. Finite
 * values only. */
void number_format(char out[NUMBER_TEXT_MAX], double value);
void number_format_float(char out[NUMBER_TEXT_MAX], float value);

#endif
