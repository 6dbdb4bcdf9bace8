/*
 * An encoder's index: where it lies in the collection's folder, and how a run leaves it.
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

void index_settle(akin_index *index, const struct akin_talk *talk)
{
    akin_error err = {0};
    akin_status status = akin_index_settle(index, false, &err);
    if (status == AKIN_ERR_CANCELLED)
        akin_log(
            talk, AKIN_LEVEL_INFO, "index",
            "stopped before the index was merged; all tiles are in it, and the next run goes on");
    else if (status)
        akin_log(talk, AKIN_LEVEL_WARN, "index",
                 "the index is whole but not merged: %s; the next run tries again", err.text);
}
