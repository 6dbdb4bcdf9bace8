/*
 * Strict parsing: the C library's strtod and strtoull take leading blanks, signs, hexadecimal,
 * "nan" and "inf", and stop quietly at the first odd character; here each character is looked at
 * first. Numbers are read in the C locale whatever locale the host program has set.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "number.h"

/* Longest number taken; no honest one is longer. */
#define PART_MAX 64

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits into *out; returns what follows them, NULL for no digit or on overflow. */
static const char *read_u64(uint64_t *out, const char *text)
{
    uint64_t value = 0;
    const char *at = text;
    for (; is_digit(*at); at++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return NULL;
    *out = value;
    return at == text ? NULL : at;
}

akin_status akin_parse_u64(uint64_t *out, const char *text, uint64_t min, uint64_t max,
                           const char *what, akin_error *err)
{
    uint64_t value;
    const char *rest = text ? read_u64(&value, text) : NULL;
    if (!rest || *rest || value < min || value > max)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "%s: '%.80s' is not a whole number from %llu to %llu", what,
                              text ? text : "", (unsigned long long)min, (unsigned long long)max);
    *out = value;
    return AKIN_OK;
}

/* [+-] digits [. digits] [e [+-] digits], at least one digit before the exponent. */
static bool is_decimal(const char *text)
{
    const char *at = text + (*text == '+' || *text == '-');
    unsigned digits = 0;
    for (; is_digit(*at); at++)
        digits++;
    if (*at == '.')
        for (at++; is_digit(*at); at++)
            digits++;
    if (!digits)
        return false;
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        if (!is_digit(*at))
            return false;
        while (is_digit(*at))
            at++;
    }
    return *at == '\0';
}

akin_status akin_parse_double(double *out, const char *text, double min, double max,
                              const char *what, akin_error *err)
{
    double value = NAN;
    if (text && strlen(text) <= PART_MAX && is_decimal(text))
        value = number_read(text);
    if (!isfinite(value))
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: '%.80s' is not a number", what,
                              text ? text : "");
    if (value < min || value > max)
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: %.80s is not in %g..%g", what, text, min,
                              max);
    *out = value;
    return AKIN_OK;
}

/* How far the suffix shifts left; -1 for one that is not known. */
static int bytes_shift(const char *suffix)
{
    static const char units[] = "KMGT";
    if (!*suffix || strcasecmp(suffix, "B") == 0)
        return 0;
    for (int i = 0; units[i]; i++)
        if ((*suffix | 32) == (units[i] | 32)) {
            const char *behind = suffix + 1;
            bool known = !*behind || !strcasecmp(behind, "B") || !strcasecmp(behind, "iB");
            return known ? 10 * (i + 1) : -1;
        }
    return -1;
}

akin_status akin_parse_bytes(uint64_t *out, const char *text, const char *what, akin_error *err)
{
    uint64_t value;
    const char *suffix = text ? read_u64(&value, text) : NULL;
    int shift = suffix ? bytes_shift(suffix) : -1;
    if (shift < 0 || value > UINT64_MAX >> shift)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "%s: '%.80s' is not a size in bytes (such as 1500000, 500M or 2G)",
                              what, text ? text : "");
    *out = value << shift;
    return AKIN_OK;
}

/* Copies up to the next comma or the end; false where that is too long for a number. */
static bool next_part(char part[PART_MAX + 1], const char **at)
{
    size_t length = strcspn(*at, ",");
    if (length > PART_MAX)
        return false;
    memcpy(part, *at, length);
    part[length] = '\0';
    *at += length;
    return true;
}

akin_status akin_parse_doubles(double *out, unsigned n, const char *text, const char *what,
                               akin_error *err)
{
    enum { COUNT_MAX = 64 };
    double values[COUNT_MAX];
    char part[PART_MAX + 1], name[96];
    const char *at = text ? text : "";
    if (n > COUNT_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "%s: more than %d numbers", what, COUNT_MAX);
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%.60s, number %u", what, i + 1);
        if (i && *at++ != ',')
            return akin_error_set(err, AKIN_ERR_INVALID, "%s: '%.80s' has %u numbers, not %u", what,
                                  text, i, n);
        if (!next_part(part, &at))
            return akin_error_set(err, AKIN_ERR_INVALID, "%s is not a number", name);
        akin_status status = akin_parse_double(&values[i], part, -DBL_MAX, DBL_MAX, name, err);
        if (status != AKIN_OK)
            return status;
    }
    if (*at)
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: '%.80s' has more than %u numbers", what,
                              text ? text : "", n);
    if (n)
        memcpy(out, values, n * sizeof *out);
    return AKIN_OK;
}

/* In integers, so that neither the locale nor a rounding up to "1000.0 kB" shows. */
void akin_bytes_format(char out[AKIN_BYTES_TEXT_MAX], uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    uint64_t scale = 1000;
    size_t unit = 0;
    if (bytes < 1000) {
        snprintf(out, AKIN_BYTES_TEXT_MAX, "%u B", (unsigned)bytes);
        return;
    }
    while (unit < 5 && bytes / scale * 10 + (bytes % scale + scale / 20) / (scale / 10) >= 10000) {
        scale *= 1000;
        unit++;
    }
    unsigned tenths = (unsigned)(bytes / scale * 10 + (bytes % scale + scale / 20) / (scale / 10));
    snprintf(out, AKIN_BYTES_TEXT_MAX, "%u.%u %s", tenths / 10, tenths % 10, units[unit]);
}

bool akin_text_ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), tail = strlen(suffix);
    if (tail > length)
        return false;
    for (size_t i = 0; i < tail; i++) {
        unsigned char a = (unsigned char)name[length - tail + i], b = (unsigned char)suffix[i];
        if (a >= 'A' && a <= 'Z')
            a |= 32;
        if (b >= 'A' && b <= 'Z')
            b |= 32;
        if (a != b)
            return false;
    }
    return true;
}
