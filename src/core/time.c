/*
 * ISO 8601 intervals to and from text. A date stands for all of itself, a date with a clock time
 * for an instant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "calendar.h"

struct akin_interval akin_interval_unknown(void)
{
    return (struct akin_interval){AKIN_TIME_MAX, AKIN_TIME_MIN};
}

bool akin_interval_known(struct akin_interval interval)
{
    return interval.begin_ms <= interval.end_ms;
}

/* Half-open, but an instant holds itself. */
static bool holds(struct akin_interval interval, int64_t ms)
{
    return interval.begin_ms <= ms && (ms < interval.end_ms || interval.begin_ms == ms);
}

bool akin_interval_intersects(struct akin_interval a, struct akin_interval b)
{
    if (!akin_interval_known(a) || !akin_interval_known(b))
        return false;
    return holds(a, b.begin_ms) || holds(b, a.begin_ms);
}

/* ---- parsing: each read_ function returns what follows, NULL where the text is not that ---- */

static const char *read_digits(int *out, const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return NULL;
        value = value * 10 + (text[i] - '0');
    }
    *out = value;
    return text + count;
}

/* `mark`, then two digits. */
static const char *read_marked(int *out, const char *text, char mark)
{
    return *text == mark ? read_digits(out, text + 1, 2) : NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ".f" to ".fffffffff"; what is finer than a millisecond is cut off. */
static const char *read_fraction(int *out_ms, const char *text)
{
    int ms = 0, digits = 0;
    for (text++; is_digit(*text); text++, digits++)
        if (digits < 3)
            ms = ms * 10 + (*text - '0');
    if (digits < 1 || digits > 9)
        return NULL;
    for (; digits < 3; digits++)
        ms *= 10;
    *out_ms = ms;
    return text;
}

/* "Z", "+hh:mm", "-hh:mm" or nothing; *out_ms is to be taken off. */
static const char *read_zone(int64_t *out_ms, const char *text)
{
    int hour, minute;
    *out_ms = 0;
    if (*text == 'Z')
        return text + 1;
    if (*text != '+' && *text != '-')
        return text;
    int64_t sign = *text == '+' ? 1 : -1;
    text = read_digits(&hour, text + 1, 2);
    text = text ? read_marked(&minute, text, ':') : NULL;
    if (!text || hour > 23 || minute > 59)
        return NULL;
    *out_ms = sign * (hour * MS_PER_HOUR + minute * MS_PER_MINUTE);
    return text;
}

/* hh:mm[:ss[.fff]] and the zone. */
static const char *read_clock(struct date_time *when, int64_t *zone_ms, const char *text)
{
    text = read_digits(&when->hour, text, 2);
    text = text ? read_marked(&when->minute, text, ':') : NULL;
    if (text && *text == ':') {
        text = read_marked(&when->second, text, ':');
        if (text && *text == '.')
            text = read_fraction(&when->ms, text);
    }
    return text ? read_zone(zone_ms, text) : NULL;
}

/* YYYY[-MM[-DD[Tclock]]]; *when holds the least values already. */
static const char *read_date_time(struct date_time *when, enum precision *precision,
                                  int64_t *zone_ms, const char *text)
{
    int year;
    text = read_digits(&year, text, 4);
    if (!text)
        return NULL;
    when->year = year;
    *precision = PRECISION_YEAR;
    if (*text != '-')
        return text;
    text = read_marked(&when->month, text, '-');
    *precision = PRECISION_MONTH;
    if (!text || *text != '-')
        return text;
    text = read_marked(&when->day, text, '-');
    *precision = PRECISION_DAY;
    if (!text || *text != 'T')
        return text;
    *precision = PRECISION_SECOND;
    return read_clock(when, zone_ms, text + 1);
}

/* One side of an interval, the whole of `text`. */
static bool parse_one(struct akin_interval *out, const char *text)
{
    struct date_time when = {.month = 1, .day = 1};
    enum precision precision;
    int64_t zone_ms = 0;
    const char *rest = read_date_time(&when, &precision, &zone_ms, text);
    if (!rest || *rest || !calendar_valid(&when))
        return false;
    struct akin_interval interval = calendar_interval(&when, precision);
    interval.begin_ms -= zone_ms;
    interval.end_ms -= zone_ms;
    int64_t year = calendar_from_ms(interval.begin_ms).year; /* a zone can lead out of the range */
    if (year < YEAR_MIN || year > YEAR_MAX)
        return false;
    *out = interval;
    return true;
}

static bool is_open(const char *text)
{
    return !*text || strcmp(text, "..") == 0;
}

/* a/b, split already. "/" alone says nothing, and is more likely two empty variables of a
 * script. */
static bool parse_two(struct akin_interval *out, const char *a, const char *b)
{
    struct akin_interval begin = {AKIN_TIME_MIN, 0}, end = {0, AKIN_TIME_MAX};
    if (!*a && !*b)
        return false;
    if ((!is_open(a) && !parse_one(&begin, a)) || (!is_open(b) && !parse_one(&end, b)))
        return false;
    bool end_is_instant = end.begin_ms == end.end_ms;
    if (begin.begin_ms > end.end_ms || (begin.begin_ms == end.end_ms && !end_is_instant))
        return false; /* 2005/2004 touches, but holds nothing */
    *out = (struct akin_interval){begin.begin_ms, end.end_ms};
    return true;
}

akin_status akin_interval_parse(struct akin_interval *out, const char *text, akin_error *err)
{
    char copy[AKIN_INTERVAL_TEXT_MAX + 32];
    bool good = false;
    if (text && strlen(text) < sizeof copy) {
        memcpy(copy, text, strlen(text) + 1);
        char *slash = strchr(copy, '/');
        if (slash)
            *slash = '\0';
        good = slash ? parse_two(out, copy, slash + 1) : parse_one(out, copy);
    }
    if (!good)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%.80s' is not a time (such as 2004, 2004-01, 2020-09-27, "
                              "2020-09-27T10:30:00Z or 2004-01/2004-03, its end not before its "
                              "begin)",
                              text ? text : "");
    return AKIN_OK;
}

/* ---- formatting ---- */

void akin_time_format(char out[AKIN_INTERVAL_TEXT_MAX], int64_t ms)
{
    if (ms == AKIN_TIME_MIN || ms == AKIN_TIME_MAX) {
        memcpy(out, "..", 3);
        return;
    }
    struct date_time when = calendar_from_ms(ms);
    char fraction[16] = "";
    if (when.ms)
        snprintf(fraction, sizeof fraction, ".%03d", when.ms);
    snprintf(out, AKIN_INTERVAL_TEXT_MAX, "%04lld-%02d-%02dT%02d:%02d:%02d%sZ",
             (long long)when.year, when.month, when.day, when.hour, when.minute, when.second,
             fraction);
}

/* The coarsest unit that begins, and so one that ends, at `ms`. */
static enum precision precision_at(int64_t ms)
{
    struct date_time when = calendar_from_ms(ms);
    if (when.hour || when.minute || when.second || when.ms)
        return PRECISION_SECOND;
    if (when.day > 1)
        return PRECISION_DAY;
    return when.month > 1 ? PRECISION_MONTH : PRECISION_YEAR;
}

/* The year, month or day that `ms` lies in. */
static void format_date(char out[AKIN_INTERVAL_TEXT_MAX], int64_t ms, enum precision precision)
{
    static const size_t cut_from_end[] = {6, 3, 0}; /* "-MM-DD", "-DD" */
    struct date_time when = calendar_from_ms(ms);
    int length = snprintf(out, AKIN_INTERVAL_TEXT_MAX, "%04lld-%02d-%02d", (long long)when.year,
                          when.month, when.day);
    out[(size_t)length - cut_from_end[precision]] = '\0'; /* NOLINT: precision is of a date */
}

/* The one year, month or day that the interval is. */
static bool is_one_date(enum precision *out, struct akin_interval interval)
{
    struct date_time when = calendar_from_ms(interval.begin_ms);
    if (when.year < YEAR_MIN || when.year > YEAR_MAX)
        return false;
    for (enum precision p = precision_at(interval.begin_ms); p <= PRECISION_DAY; p++)
        if (calendar_interval(&when, p).end_ms == interval.end_ms) {
            *out = p;
            return true;
        }
    return false;
}

static void format_begin(char out[AKIN_INTERVAL_TEXT_MAX], int64_t ms)
{
    if (ms == AKIN_TIME_MIN || precision_at(ms) == PRECISION_SECOND)
        akin_time_format(out, ms);
    else
        format_date(out, ms, precision_at(ms));
}

/* The date that is over at `ms`: its last millisecond names it. */
static void format_end(char out[AKIN_INTERVAL_TEXT_MAX], int64_t ms)
{
    if (ms == AKIN_TIME_MAX || precision_at(ms) == PRECISION_SECOND)
        akin_time_format(out, ms);
    else
        format_date(out, ms - 1, precision_at(ms));
}

void akin_interval_format(char out[AKIN_INTERVAL_TEXT_MAX], struct akin_interval interval)
{
    char begin[AKIN_INTERVAL_TEXT_MAX], end[AKIN_INTERVAL_TEXT_MAX];
    enum precision precision;
    out[0] = '\0';
    if (!akin_interval_known(interval))
        return;
    if (interval.begin_ms == interval.end_ms) {
        akin_time_format(out, interval.begin_ms);
    } else if (is_one_date(&precision, interval)) {
        format_date(out, interval.begin_ms, precision);
    } else {
        format_begin(begin, interval.begin_ms);
        format_end(end, interval.end_ms);
        /* two instants of up to 30 characters, years of nine digits among them */
        snprintf(out, AKIN_INTERVAL_TEXT_MAX, "%.31s/%.31s", begin, end);
    }
}

int64_t akin_time_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
