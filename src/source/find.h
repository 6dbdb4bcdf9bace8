/*
 * The list that finding builds, shared by find.c (what each SOURCE means) and find_walk.c (folders
 * and containers).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_FIND_H
#define AKIN_FIND_H

#include <sys/stat.h>

#include "source_private.h"

struct finder {
    struct akin_source_list list;
    size_t item_capacity, skipped_capacity;
    const struct akin_talk *talk;
    struct seen_folder *seen; /* hash table of the folders walked, by device and inode */
    size_t seen_count, seen_capacity;
};

/* Copies uri and label; `stat` may be NULL (an address). */
akin_status finder_add(struct finder *finder, const char *uri, const char *label,
                       const struct stat *stat, akin_error *err);
akin_status finder_skip(struct finder *finder, const char *path, const char *why, akin_error *err);
/* Walks a folder; path is absolute. */
akin_status finder_walk(struct finder *finder, const char *path, akin_error *err);
/* One file, absolute: itself, or what is in it if it is a container. `named`: given by name, so
 * tried whatever it is called; otherwise only if its extension is known. */
akin_status finder_file(struct finder *finder, const char *path, const char *label,
                        const struct stat *stat, bool named, akin_error *err);
/* A folder inside one of GDAL's file systems (/vsizip/...). *found says whether it is one. */
akin_status finder_virtual(struct finder *finder, const char *path, bool *found, akin_error *err);
void finder_fini(struct finder *finder);

#endif
