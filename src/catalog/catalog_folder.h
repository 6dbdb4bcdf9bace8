/*
 * What making and opening a collection's folder share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CATALOG_FOLDER_H
#define AKIN_CATALOG_FOLDER_H

#include "akin/core.h"

#define CATALOG_LOCK "lock"

/* `dir` without slashes at its end; AKIN_ERR_INVALID for NULL and "". */
akin_status catalog_path(char out[AKIN_PATH_MAX], const char *dir, akin_error *err);
/* chips, models and index; those that are there are fine. */
akin_status catalog_make_subfolders(const char *dir, akin_error *err);

#endif
