/*
 * What the two JSON forms of answers share. Values belong to whoever sets them into a tree; NULL
 * when out of memory, which akin_json_text reports.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_ANSWERS_JSON_H
#define AKIN_SEARCH_ANSWERS_JSON_H

#include "akin/core.h"

akin_json *answers_json_text(const char *text);                  /* null for NULL and "" */
akin_json *answers_json_score(double score);                     /* 6 decimals */
akin_json *answers_json_degrees(double degrees);                 /* 7 decimals */
akin_json *answers_json_bbox(struct akin_bbox box);              /* [w,s,e,n] or null */
akin_json *answers_json_datetime(struct akin_interval interval); /* or null */

#endif
