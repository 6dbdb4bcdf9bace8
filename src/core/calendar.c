/*
 * Days and dates by arithmetic on years that begin in March, where the leap day is the last, and on
 * the 400-year cycle of 146,097 days; no tables of years, no time zone, no C library calls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "calendar.h"

#define DAYS_PER_CYCLE 146097
/* From 0000-03-01 to 1970-01-01. */
#define EPOCH_DAY 719468

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int calendar_month_days(int64_t year, int month)
{
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

bool calendar_valid(const struct date_time *when)
{
    return when->year >= YEAR_MIN && when->year <= YEAR_MAX && when->month >= 1 &&
           when->month <= 12 && when->day >= 1 &&
           when->day <= calendar_month_days(when->year, when->month) && when->hour >= 0 &&
           when->hour <= 23 && when->minute >= 0 && when->minute <= 59 && when->second >= 0 &&
           when->second <= 59 && when->ms >= 0 && when->ms <= 999;
}

/* Days in the months from March to before `month`: 31, 30, 31, 30, 31 repeats. */
static int days_before_month(int month)
{
    int from_march = (month + 9) % 12;
    return (153 * from_march + 2) / 5;
}

int64_t calendar_to_ms(const struct date_time *when)
{
    int64_t year = when->year - (when->month <= 2);
    int64_t cycle = floor_divide(year, 400), of_cycle = year - cycle * 400;
    int64_t day = of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + days_before_month(when->month) +
                  when->day - 1;
    return (cycle * DAYS_PER_CYCLE + day - EPOCH_DAY) * MS_PER_DAY + when->hour * MS_PER_HOUR +
           when->minute * MS_PER_MINUTE + when->second * MS_PER_SECOND + when->ms;
}

struct date_time calendar_from_ms(int64_t ms)
{
    int64_t days = floor_divide(ms, MS_PER_DAY), of_day = ms % MS_PER_DAY;
    of_day += of_day < 0 ? MS_PER_DAY : 0;
    days += EPOCH_DAY;
    int64_t cycle = floor_divide(days, DAYS_PER_CYCLE), day = days - cycle * DAYS_PER_CYCLE;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int of_year = (int)(day - (365 * year + year / 4 - year / 100));
    int from_march = (5 * of_year + 2) / 153;
    struct date_time when = {
        .month = from_march < 10 ? from_march + 3 : from_march - 9,
        .day = of_year - (153 * from_march + 2) / 5 + 1,
        .hour = (int)(of_day / MS_PER_HOUR),
        .minute = (int)(of_day / MS_PER_MINUTE % 60),
        .second = (int)(of_day / MS_PER_SECOND % 60),
        .ms = (int)(of_day % MS_PER_SECOND),
    };
    when.year = cycle * 400 + year + (when.month <= 2);
    return when;
}

struct akin_interval calendar_interval(const struct date_time *when, enum precision precision)
{
    int64_t begin = calendar_to_ms(when), end = begin;
    struct date_time next = *when;
    switch (precision) {
    case PRECISION_YEAR:
        next.year++;
        end = calendar_to_ms(&next);
        break;
    case PRECISION_MONTH:
        end += calendar_month_days(when->year, when->month) * MS_PER_DAY;
        break;
    case PRECISION_DAY:
        end += MS_PER_DAY;
        break;
    case PRECISION_HOUR:
        end += MS_PER_HOUR;
        break;
    case PRECISION_MINUTE:
        end += MS_PER_MINUTE;
        break;
    case PRECISION_SECOND:
        break;
    }
    return (struct akin_interval){begin, end};
}
