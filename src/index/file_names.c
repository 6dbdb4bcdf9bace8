/*
 * What the files of an index's folder are, by their names.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "handle.h"

#define FOLDER_FILES_MAX 1000000u

/* Digits from *text on, which then points behind them. */
static bool number_of(const char **text, uint64_t *out)
{
    const char *at = *text;
    uint64_t number = 0;
    if (*at < '1' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (number > (UINT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    *text = at;
    *out = number;
    return true;
}

/* Takes a name of ours apart: "segment" 3 [0] ".seg", "segment" 3 4 ".tomb", "log" 2 [0] ".wal",
 * "epoch" 5 [0] ".ep". */
static bool parse_name(const char *name, const char **suffix, uint64_t number[2])
{
    static const char *const kinds[][2] = {
        {"segment-", ".seg"}, {"log-", ".wal"}, {"epoch-", ".ep"}};
    size_t kind = 0, count = sizeof kinds / sizeof *kinds;
    while (kind < count && strncmp(name, kinds[kind][0], strlen(kinds[kind][0])))
        kind++;
    if (kind == count)
        return false;
    name += strlen(kinds[kind][0]);
    number[1] = 0;
    if (!number_of(&name, &number[0]))
        return false;
    if (kind == 0 && *name == '.' && name[1] >= '1' && name[1] <= '9') {
        name++;
        if (!number_of(&name, &number[1]))
            return false;
    }
    *suffix = name;
    return !strcmp(name, number[1] ? ".tomb" : kinds[kind][1]);
}

enum file_kind recovery_file_kind(const char *name)
{
    const char *suffix;
    uint64_t number[2];
    if (akin_text_ends_with(name, ".damaged") || akin_text_ends_with(name, ".lost"))
        return FILE_ASIDE;
    if (strstr(name, ".tmp-"))
        return FILE_TEMPORARY;
    if (!strcmp(name, "MANIFEST") || !strcmp(name, "LOCK") || parse_name(name, &suffix, number))
        return FILE_OURS;
    return FILE_FOREIGN;
}

bool recovery_file_owned(const struct manifest *manifest, const char *name)
{
    const char *suffix;
    uint64_t number[2];
    if (!strcmp(name, "MANIFEST") || !strcmp(name, "LOCK"))
        return true;
    if (!parse_name(name, &suffix, number))
        return false;
    if (!strcmp(suffix, ".wal"))
        return number[0] == manifest->log;
    if (!strcmp(suffix, ".ep"))
        return manifest_find_epoch(manifest, number[0]) != NULL;
    const struct manifest_segment *segment = manifest_find(manifest, number[0]);
    return segment && (number[1] == 0 || number[1] == segment->tomb_file);
}

akin_status recovery_refuse_remains(const char *path, akin_error *err)
{
    char **names = NULL, file[AKIN_PATH_MAX];
    size_t count = 0;
    akin_status status = akin_dir_list(&names, &count, path, FOLDER_FILES_MAX, err);
    for (size_t i = 0; !status && i < count; i++) {
        const char *suffix;
        uint64_t number[2];
        struct akin_file_stat st;
        if (!parse_name(names[i], &suffix, number))
            continue;
        status = akin_path_join(file, path, names[i], err);
        if (!status)
            status = akin_file_stat(&st, file, err);
        if (!status && (strcmp(suffix, ".wal") || st.size_bytes > sizeof(struct log_head)))
            status =
                akin_error_set(err, AKIN_ERR_CORRUPT,
                               "%s: MANIFEST is missing, but %s is there: restore MANIFEST from a "
                               "backup, or remove the folder to begin anew",
                               path, names[i]);
    }
    akin_names_free(names, count);
    return status;
}
