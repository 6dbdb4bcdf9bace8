/*
 * Status and error: every call that can fail returns an akin_status and, where the caller gave
 * one, fills an akin_error with what failed, on which thing, and what to do about it.
 *
 *     akin_error err = {0};
 *     if (akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, &err) != AKIN_OK)
 *         fprintf(stderr, "%s\n", err.text);
 *
 * There is no global or thread-local error state. `err` is always the last argument and may be
 * NULL. Results reach the caller only when AKIN_OK is returned.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_STATUS_H
#define AKIN_CORE_STATUS_H

#include <stdarg.h>
#include <stddef.h>

#pragma GCC visibility push(default)

#if defined(__GNUC__)
#define AKIN_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#else
#define AKIN_PRINTF(format_at, args_at)
#endif

/* name, sentence; the order is the numeric value and never changes. */
#define AKIN_STATUS_LIST(X)                                                                        \
    X(OK, "it worked")                                                                             \
    X(INVALID, "an argument, flag or setting is not valid")                                        \
    X(NOT_FOUND, "the thing asked for does not exist")                                             \
    X(EXISTS, "the thing to be made is there already")                                             \
    X(IO, "reading or writing failed")                                                             \
    X(NO_SPACE, "the disk or the quota is full")                                                   \
    X(DENIED, "there is no permission for this")                                                   \
    X(CORRUPT, "a file is damaged")                                                                \
    X(UNSUPPORTED, "the format or the operation is not supported")                                 \
    X(LIMIT, "a limit would be exceeded")                                                          \
    X(NO_MEMORY, "out of memory")                                                                  \
    X(BUSY, "another writer holds the lock")                                                       \
    X(CANCELLED, "stopped on request")                                                             \
    X(VERSION, "made by a newer version of akin")

typedef enum akin_status {
#define X(name, sentence) AKIN_ERR_##name,
    AKIN_STATUS_LIST(X)
#undef X
        AKIN_STATUS_COUNT
} akin_status;

#define AKIN_OK AKIN_ERR_OK

#define AKIN_ERROR_TEXT_MAX 1024

/* Caller-supplied detail. Zero it before the first use; calls overwrite it only when they fail. */
typedef struct akin_error {
    akin_status status;
    char text[AKIN_ERROR_TEXT_MAX]; /* one line, no newline at the end, always terminated */
} akin_error;

/* The constant's name ("NO_SPACE") and its sentence; "UNKNOWN" for a value out of range. */
const char *akin_status_name(akin_status status);
const char *akin_status_text(akin_status status);

/* Fills `err` (may be NULL) and returns `status`, so that a failing call can `return` it. Control
 * characters and bytes that are not UTF-8, as come in with a file name, are written as \xNN. */
akin_status akin_error_set(akin_error *err, akin_status status, const char *format, ...)
    AKIN_PRINTF(3, 4);

/* The same for a failed system call: appends strerror(errno_value) and maps it (ENOSPC and EDQUOT
 * to NO_SPACE, EACCES, EPERM and EROFS to DENIED, ENOENT to NOT_FOUND, EEXIST to EXISTS, ENOMEM to
 * NO_MEMORY, EFBIG, EMFILE, ENFILE and ENAMETOOLONG to LIMIT, else IO). */
akin_status akin_error_errno(akin_error *err, int errno_value, const char *format, ...)
    AKIN_PRINTF(3, 4);

/* Puts "format: " before the text that a lower call left in `err`; returns `status` unchanged. */
akin_status akin_error_context(akin_error *err, akin_status status, const char *format, ...)
    AKIN_PRINTF(3, 4);

/* "out of memory" with the size asked for. */
akin_status akin_error_memory(akin_error *err, size_t bytes, const char *what);

#pragma GCC visibility pop

#endif
