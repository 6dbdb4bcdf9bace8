/*
 * Taking a scene's tiles out: of the index that is being written and of every other encoder's, so that going back to one of
 * those (akin embed --model NAME) brings back neither tiles that are gone nor vectors of an image that has changed since.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "ingest_private.h"

/* One encoder's index, where it has one. */
static akin_status remove_from(akin_catalog *catalog, const char *name, uint64_t first,
                               uint64_t last, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    akin_index *index = NULL;
    struct akin_file_stat stat;
    akin_status status = index_path(path, catalog, name, err);
    if (status != AKIN_OK || akin_file_stat(&stat, path, NULL) == AKIN_ERR_NOT_FOUND)
        return status;
    status = akin_index_open(&index, path, AKIN_OPEN_WRITE, NULL, err);
    if (status == AKIN_OK)
        status = akin_index_remove(index, first, last, NULL, err);
    akin_index_close(index);
    return status;
}

akin_status scene_remove(akin_catalog *catalog, akin_index *index, const char *model,
                         uint32_t scene, akin_error *err)
{
    uint64_t first = akin_tile_key(scene, 0, 0, 0), last = first | UINT32_MAX;
    char **names = NULL;
    size_t count = 0;
    akin_status status = akin_model_list(&names, &count, akin_catalog_dir(catalog), err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        if (strcmp(names[i], model) != 0)
            status = remove_from(catalog, names[i], first, last, err);
    if (status == AKIN_OK)
        status = akin_index_remove(index, first, last, NULL, err);
    akin_names_free(names, count);
    return status;
}
