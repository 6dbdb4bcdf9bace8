/*
 * Where an encoder's index lies in the collection's folder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "ingest_private.h"

akin_status index_path(char out[AKIN_PATH_MAX], akin_catalog *catalog, const char *model,
                       akin_error *err)
{
    char relative[AKIN_NAME_MAX + 8];
    snprintf(relative, sizeof relative, "index/%s", model);
    return akin_path_join(out, akin_catalog_dir(catalog), relative, err);
}
