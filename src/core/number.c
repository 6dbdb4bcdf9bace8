/*
 * 0.93 is written "0.93", not "0.93000000000000005": 15 digits are always safe to write, 17 always
 * enough to come back, so the first of 15, 16, 17 that does come back is taken (6 to 9 for floats).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "number.h"

#include <float.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

/* It is built into the C library; were it not to be had, the program's own serves. */
static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

double number_read(const char *text)
{
    pthread_once(&once, make_c_locale);
    return c_locale ? strtod_l(text, NULL, c_locale) : strtod(text, NULL);
}

static void format_digits(char out[NUMBER_TEXT_MAX], double value, int digits)
{
    pthread_once(&once, make_c_locale);
    locale_t before = c_locale ? uselocale(c_locale) : (locale_t)0; /* of this thread only */
    snprintf(out, NUMBER_TEXT_MAX, "%.*g", digits, value == 0 ? 0 : value);
    if (c_locale)
        uselocale(before);
}

void number_format(char out[NUMBER_TEXT_MAX], double value)
{
    int digits = DBL_DIG;
    do
        format_digits(out, value, digits);
    while (digits++ < DBL_DECIMAL_DIG && number_read(out) != value);
}

void number_format_float(char out[NUMBER_TEXT_MAX], float value)
{
    int digits = FLT_DIG;
    do
        format_digits(out, value, digits);
    while (digits++ < FLT_DECIMAL_DIG && (float)number_read(out) != value);
}
