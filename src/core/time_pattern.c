/*
 * Times out of file names. A pattern is cut at its stars into segments; the first segment is tried
 * at every place, each later one is taken at the first place behind where it fits. That needs no
 * recursion and takes at most (length of the text)^2 * (length of the pattern) steps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <strings.h>

#include "akin/core/time.h"
#include "calendar.h"

#define TEXT_MAX 4096
#define PATTERN_MAX 256

enum field { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, DAY_OF_YEAR, FIELD_COUNT };
#define UNSET (-1)

static const struct {
    char letter;
    unsigned char digits;
    enum field field;
} letters[] = {{'Y', 4, YEAR}, {'m', 2, MONTH},  {'b', 0, MONTH},  {'d', 2, DAY},
               {'H', 2, HOUR}, {'M', 2, MINUTE}, {'S', 2, SECOND}, {'j', 3, DAY_OF_YEAR}};
#define LETTER_COUNT (sizeof letters / sizeof *letters)

struct match {
    int value[FIELD_COUNT];
};

static void clear(struct match *match)
{
    for (int i = 0; i < FIELD_COUNT; i++)
        match->value[i] = UNSET;
}

static size_t find_letter(char letter)
{
    size_t i = 0;
    while (i < LETTER_COUNT && letters[i].letter != letter)
        i++;
    return i;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* `count` digits; a text that ends early is no digit. */
static bool read_number(int *out, const char *text, unsigned count)
{
    *out = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!is_digit(text[i]))
            return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

static bool read_month_name(int *out, const char *text)
{
    static const char names[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (int i = 0; i < 12; i++)
        if (strncasecmp(text, names[i], 3) == 0) {
            *out = i + 1;
            return true;
        }
    return false;
}

/* One field at `text`: returns what follows. A field that is there twice must say the same
 * twice. */
static const char *match_field(struct match *match, const char *text, char letter)
{
    size_t i = find_letter(letter);
    int value = 0, *slot = &match->value[letters[i].field];
    unsigned digits = letters[i].digits;
    if (digits ? !read_number(&value, text, digits) : !read_month_name(&value, text))
        return NULL;
    if (*slot != UNSET && *slot != value)
        return NULL;
    *slot = value;
    return text + (digits ? digits : 3);
}

/* The pattern up to its next star or its end, here; returns what follows in the text. */
static const char *match_segment(struct match *match, const char *text, const char *pattern)
{
    for (; *pattern && *pattern != '*'; pattern++) {
        if (*pattern == '%' && pattern[1] != '%') {
            text = match_field(match, text, *++pattern);
            if (!text)
                return NULL;
            continue;
        }
        pattern += *pattern == '%'; /* "%%" stands for itself */
        if (!*text || (*pattern != '?' && *pattern != *text))
            return NULL;
        text++;
    }
    return text;
}

/* The segment at the first place from `text` on where it fits; returns what follows. */
static const char *find_segment(struct match *match, const char *text, const char *pattern)
{
    for (;; text++) {
        struct match trial = *match;
        const char *rest = match_segment(&trial, text, pattern);
        if (rest) {
            *match = trial;
            return rest;
        }
        if (!*text)
            return NULL;
    }
}

static const char *behind_star(const char *pattern)
{
    pattern += strcspn(pattern, "*");
    return pattern + strspn(pattern, "*");
}

/* The whole pattern, its first segment exactly at `text`. */
static bool match_at(struct match *match, const char *text, const char *pattern)
{
    text = match_segment(match, text, pattern);
    for (pattern = behind_star(pattern); text && *pattern; pattern = behind_star(pattern))
        text = find_segment(match, text, pattern);
    return text != NULL;
}

static bool day_of_year(struct date_time *when, int day)
{
    for (when->month = 1; when->month <= 12; when->month++) {
        int days = calendar_month_days(when->year, when->month);
        if (day <= days) {
            when->day = day;
            return day >= 1;
        }
        day -= days;
    }
    return false;
}

/* What the fields say, where such a time exists. */
static bool to_interval(struct akin_interval *out, const struct match *match)
{
    const int *value = match->value;
    struct date_time when = {.year = value[YEAR], .month = 1, .day = 1};
    enum precision precision = PRECISION_YEAR;
    if (value[MONTH] != UNSET) {
        when.month = value[MONTH];
        precision = PRECISION_MONTH;
    }
    if (value[DAY] != UNSET) {
        when.day = value[DAY];
        precision = PRECISION_DAY;
    }
    if (value[DAY_OF_YEAR] != UNSET) {
        if (!day_of_year(&when, value[DAY_OF_YEAR]))
            return false;
        precision = PRECISION_DAY;
    }
    int *const clock[] = {&when.hour, &when.minute, &when.second};
    for (int i = 0; i < 3 && value[HOUR + i] != UNSET; i++) {
        *clock[i] = value[HOUR + i];
        precision = (enum precision)(PRECISION_HOUR + i);
    }
    if (!calendar_valid(&when))
        return false;
    *out = calendar_interval(&when, precision);
    return true;
}

/* The fields that the pattern has, one bit each; NULL text where it is sound, else what is
 * wrong. */
static const char *check_fields(unsigned has)
{
    const unsigned day = 1u << DAY | 1u << DAY_OF_YEAR;
    if (!(has & 1u << YEAR))
        return "it has no year (%Y)";
    if ((has & 1u << DAY_OF_YEAR) && (has & (1u << MONTH | 1u << DAY)))
        return "%j goes with neither %m, %b nor %d";
    if ((has & 1u << DAY) && !(has & 1u << MONTH))
        return "%d needs %m or %b";
    if ((has & 1u << HOUR) && !(has & day))
        return "%H needs %d or %j";
    if ((has & 1u << MINUTE) && !(has & 1u << HOUR))
        return "%M needs %H";
    if ((has & 1u << SECOND) && !(has & 1u << MINUTE))
        return "%S needs %M";
    return NULL;
}

static akin_status check_pattern(const char *pattern, akin_error *err)
{
    unsigned has = 0;
    if (strlen(pattern) > PATTERN_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "a time pattern has at most %d characters",
                              PATTERN_MAX);
    for (const char *at = pattern; *at; at++) {
        if (*at != '%')
            continue;
        if (*++at == '%')
            continue;
        size_t i = find_letter(*at);
        if (!*at || i == LETTER_COUNT)
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "the time pattern '%s' has %%%.1s, which is none of %%Y %%m %%b "
                                  "%%d %%j %%H %%M %%S %%%%",
                                  pattern, at);
        has |= 1u << letters[i].field;
    }
    const char *wrong = check_fields(has);
    if (wrong)
        return akin_error_set(err, AKIN_ERR_INVALID, "the time pattern '%s' cannot be used: %s",
                              pattern, wrong);
    return AKIN_OK;
}

akin_status akin_time_from_pattern(struct akin_interval *out, const char *text, const char *pattern,
                                   akin_error *err)
{
    akin_status status = check_pattern(pattern, err);
    if (status != AKIN_OK)
        return status;
    size_t length = strlen(text);
    const char *first = pattern + strspn(pattern, "*");
    for (size_t i = 0; i < length && length <= TEXT_MAX; i++) {
        struct match match;
        clear(&match);
        if (match_at(&match, text + i, first) && to_interval(out, &match))
            return AKIN_OK;
    }
    return akin_error_set(err, AKIN_ERR_NOT_FOUND, "'%.300s' has no time of the form '%s'", text,
                          pattern);
}

/* ---- guessing ---- */

static const char *const usual[] = {"%Y-%m-%dT%H%M%S", "%Y%m%dT%H%M%S", "%Y-%m-%d",
                                    "A%Y%j",           "%Y%m%d",        "%Y-%m"};
#define USUAL_YEAR_MIN 1900
#define USUAL_YEAR_MAX 2199

/* Whether [begin, end) is not part of a longer number, as in 120200927. A year and month must not
 * be part of a longer date either: 2020-09-31 does not say September. */
static bool stands_alone(const char *text, const char *begin, const char *end, bool is_month)
{
    if (is_digit(*end) || (is_digit(*begin) && begin > text && is_digit(begin[-1])))
        return false;
    if (!is_month)
        return true;
    bool leads_in = begin > text + 1 && begin[-1] == '-' && is_digit(begin[-2]);
    return !leads_in && !(*end == '-' && is_digit(end[1]));
}

bool akin_time_guess(struct akin_interval *out, const char *name)
{
    if (!name || strlen(name) > TEXT_MAX)
        return false;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        for (const char *at = name; *at; at++) {
            struct match match;
            clear(&match);
            const char *end = match_segment(&match, at, usual[i]);
            if (end && stands_alone(name, at, end, match.value[DAY] == UNSET && *at != 'A') &&
                match.value[YEAR] >= USUAL_YEAR_MIN && match.value[YEAR] <= USUAL_YEAR_MAX &&
                to_interval(out, &match))
                return true;
        }
    return false;
}
