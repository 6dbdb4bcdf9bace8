/*
 * Talk: how the library says what it is doing. It never prints. A caller that wants to hear gives
 * a struct akin_talk; NULL means silence and no cancelling.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_TALK_H
#define AKIN_CORE_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/core/status.h"

#pragma GCC visibility push(default)

enum akin_level { AKIN_LEVEL_DEBUG, AKIN_LEVEL_INFO, AKIN_LEVEL_WARN, AKIN_LEVEL_ERROR };

/* Progress of one piece of long work. `resumed` of `done` were there before this run. */
struct akin_progress {
    const char *what; /* "tiles", "scenes" */
    uint64_t done, total, resumed;
    const char *detail; /* more for the line's end, or NULL */
};

/* Callbacks may be called from any thread, one at a time (one lock a
 * process; a callback may call the library). progress returns false to ask for a
 * stop; the work then ends soon with AKIN_ERR_CANCELLED, having saved what it can. Either may be
 * NULL. */
struct akin_talk {
    void (*log)(void *user, enum akin_level level, const char *stage, const char *text);
    bool (*progress)(void *user, const struct akin_progress *progress);
    void *user;
};

/* A check tells each fault that it finds, in a sentence, and which file has it. */
typedef void akin_fault_fn(void *user, const char *file, const char *text);

/* Formats and passes on to talk->log; nothing where talk or its log is NULL. */
void akin_log(const struct akin_talk *talk, enum akin_level level, const char *stage,
              const char *format, ...) AKIN_PRINTF(4, 5);

/* Passes on; true (go on) where talk or its progress is NULL. */
bool akin_progress(const struct akin_talk *talk, const struct akin_progress *progress);

#pragma GCC visibility pop

#endif
