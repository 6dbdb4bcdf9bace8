/*
 * Status names and error texts. Every text is formatted into a block of the stack first, so that
 * a caller may name err->text itself among the arguments.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "printable.h"

static const struct {
    const char *name, *sentence;
} statuses[AKIN_STATUS_COUNT] = {
#define X(name, sentence) {#name, sentence},
    AKIN_STATUS_LIST(X)
#undef X
};

const char *akin_status_name(akin_status status)
{
    return (unsigned)status < AKIN_STATUS_COUNT ? statuses[status].name : "UNKNOWN";
}

const char *akin_status_text(akin_status status)
{
    return (unsigned)status < AKIN_STATUS_COUNT ? statuses[status].sentence : "unknown status";
}

static akin_status set_text(akin_error *err, akin_status status, const char *text)
{
    err->status = status;
    printable_copy(err->text, sizeof err->text, text);
    return status;
}

akin_status akin_error_set(akin_error *err, akin_status status, const char *format, ...)
{
    char text[AKIN_ERROR_TEXT_MAX];
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return set_text(err, status, text);
}

static akin_status status_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
        return AKIN_ERR_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return AKIN_ERR_DENIED;
    case ENOENT:
        return AKIN_ERR_NOT_FOUND;
    case EEXIST:
        return AKIN_ERR_EXISTS;
    case ENOMEM:
        return AKIN_ERR_NO_MEMORY;
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENAMETOOLONG:
        return AKIN_ERR_LIMIT;
    default:
        return AKIN_ERR_IO;
    }
}

/* What to do, where the system's own sentence does not make that plain. */
static const char *advice(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
        return " (free some space and run the same again)";
    case EFBIG:
        return " (raise the limit on file sizes, ulimit -f)";
    case EMFILE:
    case ENFILE:
        return " (raise the limit on open files, ulimit -n)";
    default:
        return "";
    }
}

/* "what: strerror", where a long `what` is cut rather than the reason. */
akin_status akin_error_errno(akin_error *err, int errno_value, const char *format, ...)
{
    akin_status status = status_of_errno(errno_value);
    if (!err)
        return status;
    char reason[192], system_text[96], what[AKIN_ERROR_TEXT_MAX];
    /* The GNU strerror_r: thread-safe, returns the text. */
    const char *said = strerror_r(errno_value, system_text, sizeof system_text);
    snprintf(reason, sizeof reason, ": %s%s", said, advice(errno_value));

    char raw[AKIN_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    printable_copy(what, sizeof what - strlen(reason), raw);
    memcpy(what + strlen(what), reason, strlen(reason) + 1);
    return set_text(err, status, what);
}

akin_status akin_error_context(akin_error *err, akin_status status, const char *format, ...)
{
    if (!err || status == AKIN_OK)
        return status;
    char raw[AKIN_ERROR_TEXT_MAX], text[2 * AKIN_ERROR_TEXT_MAX + 2];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    snprintf(text, sizeof text, "%s: %s", raw, err->text[0] ? err->text : akin_status_text(status));
    return set_text(err, status, text);
}

akin_status akin_error_memory(akin_error *err, size_t bytes, const char *what)
{
    return akin_error_set(err, AKIN_ERR_NO_MEMORY,
                          "out of memory: cannot get %zu bytes for %s (close other programs or "
                          "give a smaller --ram)",
                          bytes, what);
}
