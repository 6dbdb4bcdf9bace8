/*
 * The proleptic Gregorian calendar, for time.c and time_pattern.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_CALENDAR_H
#define AKIN_CORE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/core/time.h"

#define MS_PER_SECOND INT64_C(1000)
#define MS_PER_MINUTE (60 * MS_PER_SECOND)
#define MS_PER_HOUR (60 * MS_PER_MINUTE)
#define MS_PER_DAY (24 * MS_PER_HOUR)
#define YEAR_MIN 1
#define YEAR_MAX 9999

/* How finely a time is known; what is finer is at its least value. */
enum precision {
    PRECISION_YEAR,
    PRECISION_MONTH,
    PRECISION_DAY,
    PRECISION_HOUR,
    PRECISION_MINUTE,
    PRECISION_SECOND
};

struct date_time {
    int64_t year;
    int month, day, hour, minute, second, ms; /* month and day from 1 */
};

/* Whether such a day and time exist; second 60 and hour 24 do not. */
bool calendar_valid(const struct date_time *when);
int64_t calendar_to_ms(const struct date_time *when);
struct date_time calendar_from_ms(int64_t ms);
int calendar_month_days(int64_t year, int month);
/* From the start of `when` to the end of its year, month, day, hour or minute; a time given to the
 * second is an instant. */
struct akin_interval calendar_interval(const struct date_time *when, enum precision precision);

#endif
