/*
 * Logs and progress go out one at a time: one lock for the whole process, recursive, because a
 * callback may itself call into the library. Talk is rare, so the lock is never contended enough to
 * matter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/talk.h"

#include <pthread.h>
#include <stdio.h>

#include "printable.h"

static pthread_mutex_t one_at_a_time = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void akin_log(const struct akin_talk *talk, enum akin_level level, const char *stage,
              const char *format, ...)
{
    if (!talk || !talk->log)
        return;
    char raw[AKIN_ERROR_TEXT_MAX], text[AKIN_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    printable_copy(text, sizeof text, raw);

    pthread_mutex_lock(&one_at_a_time);
    talk->log(talk->user, level, stage, text);
    pthread_mutex_unlock(&one_at_a_time);
}

bool akin_progress(const struct akin_talk *talk, const struct akin_progress *progress)
{
    if (!talk || !talk->progress)
        return true;
    pthread_mutex_lock(&one_at_a_time);
    bool go_on = talk->progress(talk->user, progress);
    pthread_mutex_unlock(&one_at_a_time);
    return go_on;
}
