/*
 * Verifying a whole index: opened as any reader opens it, then every file of it is read in full.
 * What recovery would report as a warning is a fault here; what an interrupted writer leaves and
 * the next one removes is not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "handle.h"

struct verify {
    const char *path;
    akin_fault_fn *fault;
    void *user;
    uint64_t faults;
    const struct akin_talk *talk;
};

static void tell(struct verify *verify, const char *file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void tell(struct verify *verify, const char *file, const char *format, ...)
{
    char text[AKIN_ERROR_TEXT_MAX];
    va_list args;
    verify->faults++;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (verify->fault)
        verify->fault(verify->user, file, text);
}

/* What opening warns of becomes a fault. */
static void warning(void *user, enum akin_level level, const char *stage, const char *text)
{
    struct verify *verify = user;
    (void)stage;
    if (level >= AKIN_LEVEL_WARN)
        tell(verify, verify->path, "%s", text);
}

static akin_status verify_segments(struct verify *verify, const struct view *view, akin_error *err)
{
    struct akin_progress progress = {.what = "rows"};
    for (size_t i = 0; i + 1 < view->part_count; i++)
        progress.total += view->parts[i].rows;
    for (size_t i = 0; i + 1 < view->part_count; i++) {
        const struct segment *segment = view->parts[i].segment;
        char name[64];
        snprintf(name, sizeof name, "segment-%" PRIu64 ".seg", segment->id);
        progress.detail = name;
        if (!akin_progress(verify->talk, &progress))
            return akin_error_set(err, AKIN_ERR_CANCELLED, "stopped before %s", name);
        akin_status status =
            segment_verify(segment, name, verify->fault, verify->user, &verify->faults, err);
        if (status)
            return status;
        progress.done += segment->rows;
    }
    return AKIN_OK;
}

struct twice {
    struct verify *verify;
    uint64_t last, rows;
    bool any;
};

static bool find_twice(void *user, const struct akin_columns *columns, const float *vectors,
                       size_t n)
{
    struct twice *twice = user;
    (void)vectors;
    for (size_t i = 0; i < n; i++) {
        if (twice->any && columns[i].key == twice->last)
            tell(twice->verify, twice->verify->path, "tile %016" PRIx64 " is live twice",
                 columns[i].key);
        twice->last = columns[i].key;
        twice->any = true;
    }
    twice->rows += n;
    return true;
}

static akin_status verify_keys(struct verify *verify, const akin_index *index, akin_error *err)
{
    struct twice twice = {.verify = verify};
    struct akin_index_stats stats;
    akin_status status = akin_index_each(index, find_twice, &twice, err);
    akin_index_stats(index, &stats);
    if (!status && twice.rows != stats.rows)
        tell(verify, verify->path, "%" PRIu64 " rows are live, but the keys lead to %" PRIu64,
             stats.rows, twice.rows);
    return status;
}

/* Names that no part of akin uses, and what a recovery has set aside. */
static akin_status verify_names(struct verify *verify, akin_error *err)
{
    char **names = NULL;
    size_t count = 0;
    akin_status status = akin_dir_list(&names, &count, verify->path, 1000000, err);
    for (size_t i = 0; i < count; i++) {
        enum file_kind kind = recovery_file_kind(names[i]);
        if (kind == FILE_FOREIGN)
            tell(verify, names[i], "belongs to nobody");
        else if (kind == FILE_ASIDE)
            tell(verify, names[i],
                 "was set aside when damage was found; remove it when you are done with it");
    }
    akin_names_free(names, count);
    return status;
}

/* Whether there is a folder at least. */
static bool begun(const char *path)
{
    struct akin_file_stat st;
    return akin_file_stat(&st, path, NULL) == AKIN_OK && st.is_dir;
}

akin_status akin_index_verify(const char *path, akin_fault_fn *fault, void *user, uint64_t *faults,
                              const struct akin_talk *talk, akin_error *err)
{
    struct verify verify = {.path = path, .fault = fault, .user = user, .talk = talk};
    const struct akin_talk listen = {.log = warning, .user = &verify};
    struct akin_index_options options;
    akin_error why = {0};
    akin_index *index = NULL;
    akin_index_options_default(&options);
    options.talk = &listen;
    akin_status status = akin_index_open(&index, path, AKIN_OPEN_READ, &options, &why);
    if (status == AKIN_ERR_CORRUPT) {
        tell(&verify, path, "%s", why.text);
        status = verify_names(&verify, err);
        goto out;
    }
    if (status == AKIN_ERR_NOT_FOUND && begun(path)) {
        /* A writer that was killed before it had made it: the next one does. */
        status = recovery_refuse_remains(path, &why);
        if (status == AKIN_ERR_CORRUPT) {
            tell(&verify, path, "%s", why.text);
            status = AKIN_OK;
        }
    }
    if (!index) {
        if (status && err)
            *err = why;
        goto out;
    }
    struct view *view = handle_view(index);
    status = verify_segments(&verify, view, err);
    view_unref(view);
    if (!status)
        status = verify_keys(&verify, index, err);
    if (!status)
        status = verify_names(&verify, err);
out:
    akin_index_close(index);
    if (!status && faults)
        *faults = verify.faults;
    return status;
}
