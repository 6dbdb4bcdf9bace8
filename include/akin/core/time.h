/*
 * Time: instants are milliseconds since 1970-01-01T00:00:00Z in the proleptic Gregorian calendar,
 * UTC, without leap seconds; everything that akin knows about a time is an interval.
 *
 * "2004-01" is the whole month, "2020-09-27" the whole day, "2020-09-27T10:30:00Z" an instant,
 * "2004-01-01/2005-01-01" and "../2005-01-01" intervals (ISO 8601; OGC API Features `datetime`).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_TIME_H
#define AKIN_CORE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/core/status.h"

#pragma GCC visibility push(default)

#define AKIN_TIME_MIN INT64_MIN /* open begin, ".." */
#define AKIN_TIME_MAX INT64_MAX /* open end, ".." */

/* Half-open [begin, end) in ms, but an instant has begin == end. Unknown: begin = MAX, end =
 * MIN. */
struct akin_interval {
    int64_t begin_ms, end_ms;
};

struct akin_interval akin_interval_unknown(void);
bool akin_interval_known(struct akin_interval interval);
/* Whether they share an instant; never true where either is unknown. */
bool akin_interval_intersects(struct akin_interval a, struct akin_interval b);

/* Years 0001-9999; YYYY, YYYY-MM, YYYY-MM-DD, date "T" hh:mm[:ss[.fff]] (finer is cut off) with Z,
 * +hh:mm or nothing (read as UTC), and a/b of those with ".." or nothing for an open side; a/b ends
 * after all of b ("2004-01/2004-03" has March in it). AKIN_ERR_INVALID quotes the text. */
akin_status akin_interval_parse(struct akin_interval *out, const char *text, akin_error *err);

#define AKIN_INTERVAL_TEXT_MAX 64
/* The shortest form that says the same: 2004, 2004-01, 2020-09-27, an instant with Z, or a/b.
 * "" for unknown. Parse gives the same interval back. */
void akin_interval_format(char out[AKIN_INTERVAL_TEXT_MAX], struct akin_interval interval);
/* One instant as YYYY-MM-DDThh:mm:ssZ (".fff" only where not zero); ".." for an open side. */
void akin_time_format(char out[AKIN_INTERVAL_TEXT_MAX], int64_t ms);

/* Finds a time in `text` (a file name) by a pattern of strptime-like fields %Y %m %d %H %M %S %j
 * and %b, where * stands for any text, ? for one character, and everything else for itself; the
 * pattern may match anywhere. The finest field given sets the length (a day for %d), but a time to
 * the second is an instant; %% is a percent sign, %b an English month name of three letters, %j the
 * day of the year. AKIN_ERR_NOT_FOUND where it does not match, AKIN_ERR_INVALID for a pattern
 * without %Y, with an unknown field, or with a gap (%d without a month). */
akin_status akin_time_from_pattern(struct akin_interval *out, const char *text, const char *pattern,
                                   akin_error *err);
/* The same with the patterns that archives use, tried in turn on `name`: YYYY-MM-DDThhmmss,
 * YYYYMMDDThhmmss, YYYY-MM-DD, YYYYDDD after an 'A' (MODIS), YYYYMMDD, YYYY-MM, each not touched by
 * another digit (YYYY-MM nor by "-" and a digit) and with a year of 1900..2199. False where none
 * matches. */
bool akin_time_guess(struct akin_interval *out, const char *name);

int64_t akin_time_now_ms(void);

#pragma GCC visibility pop

#endif
