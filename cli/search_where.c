/*
 * akin search --where FILE.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

/* One answer's map; *found stays as it is where its chip cannot be had, which is told. */
static akin_status find_map(akin_engine *engine, const struct akin_question *question,
                            const struct akin_answers *answers, size_t rank,
                            struct akin_where *maps, size_t *found, akin_error *err)
{
    char text[AKIN_TILE_KEY_TEXT_MAX];
    const uint64_t key = answers->answers[rank].key;
    akin_status status = akin_where(engine, question, key, &maps[*found], err);
    if (status == AKIN_OK)
        (*found)++;
    if (status != AKIN_ERR_CORRUPT && status != AKIN_ERR_NOT_FOUND)
        return status;
    akin_tile_key_format(text, key);
    fprintf(stderr, "answer %zu, tile %s, is left out of --where: %s\n", rank + 1, text, err->text);
    return AKIN_OK;
}

static akin_status write_maps(akin_engine *engine, const struct akin_where *maps, size_t count,
                              const char *path, akin_error *err)
{
    struct akin_buffer bytes;
    const size_t length = strlen(path);
    const bool array = length > 4 && !strcmp(path + length - 4, ".npy");
    akin_buffer_init(&bytes, (size_t)1 << 28);
    akin_status status = array ? akin_where_npy(maps, count, &bytes, err)
                               : akin_where_png(engine, maps, count, &bytes, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, bytes.data, bytes.size, err);
    akin_buffer_fini(&bytes);
    return status;
}

akin_status cli_write_where(akin_engine *engine, const struct akin_question *question,
                            const struct akin_answers *answers, const char *path, akin_error *err)
{
    struct akin_where maps[AKIN_WHERE_MAX] = {0};
    size_t wanted = answers->count < AKIN_WHERE_MAX ? answers->count : AKIN_WHERE_MAX, found = 0;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < wanted && status == AKIN_OK; i++)
        status = find_map(engine, question, answers, i, maps, &found, err);
    if (status == AKIN_OK && found)
        status = write_maps(engine, maps, found, path, err);
    else if (status == AKIN_OK)
        fprintf(stderr, "no answer to draw: '%s' is not written\n", path);
    for (size_t i = 0; i < found; i++)
        akin_where_free(&maps[i]);
    return status;
}
