/*
 * The page's files, read into memory when the server starts: a name in a request is looked up among
 * theirs and never reaches the file system.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_WEB_FILES_H
#define AKIN_SERVE_WEB_FILES_H

#include "akin/core.h"

struct web_file {
    char *name; /* below the folder: "app.js", "icons/plus.svg" */
    const char *type;
    struct akin_buffer bytes;
};
struct web_files {
    struct web_file *items; /* sorted by name */
    size_t count;
};
/* At most 1,000 files, 64 MiB, 4 folders deep; hidden ones, and kinds that a page does not have, are left
 * out. AKIN_ERR_NOT_FOUND where there is no index.html. */
akin_status web_files_load(struct web_files *out, const char *folder, akin_error *err);
void web_files_free(struct web_files *files); /* takes a zeroed struct */
const struct web_file *web_files_find(const struct web_files *files, const char *name);

#endif
