/*
 * The record of a file, as JSON in the catalogue's values, under a name made of its address. A stamp
 * that is not the same (the file or its columns changed, other columns were given) makes a new import
 * of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import.h"

/* Appends ",size:mtime" of a file, or "," of none. */
static akin_status stamp_file(struct import_record *record, const char *path, akin_error *err)
{
    struct akin_file_stat stat = {0};
    const size_t used = strlen(record->stamp);
    akin_status status = path ? akin_file_stat(&stat, path, err) : AKIN_OK;
    if (status == AKIN_OK)
        snprintf(record->stamp + used, sizeof record->stamp - used, ",%" PRIu64 ":%" PRId64,
                 stat.size_bytes, stat.mtime_ns);
    return status;
}

static akin_status make_stamp(struct import_record *record, const char *path,
                              const struct akin_import_options *options, akin_error *err)
{
    const char *const files[] = {path, options->columns, options->keys, options->times,
                                 options->places};
    const char *tensor = options->tensor ? options->tensor : "";
    akin_status status = AKIN_OK;
    snprintf(record->stamp, sizeof record->stamp, "%08x", akin_crc32c(0, tensor, strlen(tensor)));
    for (size_t i = 0; i < sizeof files / sizeof *files && status == AKIN_OK; i++)
        status = stamp_file(record, files[i], err);
    return status;
}

static akin_status make_name(struct import_record *record, const char *path, akin_error *err)
{
    char *whole = realpath(path, NULL);
    if (!whole)
        return akin_error_set(err, AKIN_ERR_NOT_FOUND, "there is no file '%s'", path);
    const size_t length = strlen(whole);
    const bool fits = length < sizeof record->path;
    if (fits)
        memcpy(record->path, whole, length + 1);
    snprintf(record->name, sizeof record->name, "import.%08x%08x", akin_crc32c(0, whole, length),
             akin_crc32c(1, whole, length));
    free(whole);
    return fits ? AKIN_OK
                : akin_error_set(err, AKIN_ERR_LIMIT, "the path of '%.80s' is too long", path);
}

static akin_status read_progress(struct import_record *record, const char *text, akin_error *err)
{
    akin_json *json = NULL;
    const char *stamp = NULL;
    int64_t begin = 0, done = 0, total = 0;
    akin_status status = akin_json_parse(&json, text, strlen(text), record->name, err);
    if (status == AKIN_OK)
        status = akin_json_get_text(&stamp, json, "stamp", record->name, err);
    if (status == AKIN_OK)
        status = akin_json_get_integer(&total, json, "total", 0, UINT32_MAX, record->name, err);
    if (status == AKIN_OK)
        status = akin_json_get_integer(&done, json, "done", 0, total, record->name, err);
    if (status == AKIN_OK)
        status = akin_json_get_integer(&begin, json, "begin", 0, done, record->name, err);
    if (status == AKIN_OK && !strcmp(stamp, record->stamp)) {
        record->begin = (uint64_t)begin;
        record->done = (uint64_t)done;
        record->total = (uint64_t)total;
        record->known = true;
    } else if (status == AKIN_OK) {
        record->changed = true;
    }
    akin_json_free(json);
    return status == AKIN_ERR_INVALID ? akin_error_context(err, AKIN_ERR_CORRUPT, "the catalogue")
                                      : status;
}

akin_status import_record_load(struct import_record *record, akin_catalog *catalog,
                               const char *path, const struct akin_import_options *options,
                               akin_error *err)
{
    char *text = NULL;
    *record = (struct import_record){.known = false};
    akin_status status = make_name(record, path, err);
    if (status == AKIN_OK)
        status = make_stamp(record, path, options, err);
    if (status == AKIN_OK)
        status = akin_catalog_value_get(catalog, record->name, &text, err);
    if (status == AKIN_ERR_NOT_FOUND && text == NULL && record->stamp[0])
        return AKIN_OK;
    if (status == AKIN_OK)
        status = read_progress(record, text, err);
    akin_free(text);
    return status;
}

akin_status import_record_save(const struct import_record *record, akin_catalog *catalog,
                               akin_error *err)
{
    struct akin_buffer text;
    akin_json *json = akin_json_object();
    akin_buffer_init(&text, 1 << 16);
    akin_json_set(json, "file", akin_json_string(record->path));
    akin_json_set(json, "stamp", akin_json_string(record->stamp));
    akin_json_set(json, "total", akin_json_integer((int64_t)record->total));
    akin_json_set(json, "begin", akin_json_integer((int64_t)record->begin));
    akin_json_set(json, "done", akin_json_integer((int64_t)record->done));
    akin_status status = akin_json_text(json, false, &text, err);
    akin_json_free(json);
    if (status == AKIN_OK)
        status = akin_catalog_value_set(catalog, record->name, text.data, err);
    akin_buffer_fini(&text);
    return status;
}
