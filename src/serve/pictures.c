/*
 * Tiles as pictures, from the cache where they are there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "route.h"
#include "server.h"

#define SIZE_MIN_PX 16
#define SIZE_MAX_PX 1024
#define TYPE_JPEG "image/jpeg"
#define TYPE_CHIP "application/vnd.akin.chip"
#define PICTURE_BYTES_MAX ((size_t)64 << 20)

/* What a request for a picture means. */
static akin_status read_tile(const struct request *request, struct picture_key *key,
                             struct collection **collection, akin_error *err)
{
    int64_t size = 0;
    *key = (struct picture_key){.kind = PICTURE_TILE};
    akin_status status = request_key(request, request->parts[0], &key->tile, err);
    if (status == AKIN_OK)
        status = request_integer(request, "size", SIZE_MIN_PX, SIZE_MAX_PX, 0, &size, err);
    if (status != AKIN_OK)
        return status;
    *collection = collections_of(request, err);
    if (!*collection)
        return AKIN_ERR_NOT_FOUND;
    key->size = (uint32_t)size;
    key->collection = (*collection)->number;
    return AKIN_OK;
}

static akin_status read_chip(const struct request *request, struct picture_key *key,
                             struct collection **collection, akin_error *err)
{
    bool raw = false;
    *key = (struct picture_key){.kind = PICTURE_CHIP};
    akin_status status = request_key(request, request->parts[0], &key->tile, err);
    if (status == AKIN_OK)
        status = request_flag(request, "raw", &raw, err);
    if (status != AKIN_OK)
        return status;
    *collection = collections_of(request, err);
    if (!*collection)
        return AKIN_ERR_NOT_FOUND;
    key->kind = raw ? PICTURE_RAW : PICTURE_CHIP;
    key->collection = (*collection)->number;
    return AKIN_OK;
}

typedef akin_status read_fn(const struct request *request, struct picture_key *key,
                            struct collection **collection, akin_error *err);

static bool at_hand(struct request *request, read_fn *read)
{
    struct picture_key key;
    struct collection *collection;
    if (read(request, &key, &collection, NULL) != AKIN_OK)
        return false;
    struct picture *picture = picture_cache_find(request->server->pictures, &key);
    if (picture)
        reply_picture(request, picture, picture->jpeg ? TYPE_JPEG : TYPE_CHIP);
    return picture;
}

bool tile_at_hand(struct request *request)
{
    return at_hand(request, read_tile);
}

bool chip_at_hand(struct request *request)
{
    return at_hand(request, read_chip);
}

static akin_status make_chip(akin_engine *engine, const struct picture_key *key,
                             struct akin_buffer *bytes, bool *jpeg, akin_error *err)
{
    const void *chip, *inside = NULL;
    size_t size, inside_size = 0;
    akin_status status = akin_engine_chip(engine, key->tile, &chip, &size, err);
    if (status == AKIN_OK && key->kind == PICTURE_CHIP)
        status = akin_chip_jpeg(chip, size, &inside, &inside_size, err);
    *jpeg = inside;
    return status == AKIN_OK
               ? akin_buffer_append(bytes, inside ? inside : chip, inside ? inside_size : size, err)
               : status;
}

static void make(struct request *request, read_fn *read)
{
    struct picture_key key;
    struct collection *collection;
    struct picture *picture = NULL;
    struct akin_buffer bytes;
    akin_engine *engine = NULL;
    akin_error err = {0};
    bool jpeg = true;
    akin_buffer_init(&bytes, PICTURE_BYTES_MAX);
    akin_status status = read(request, &key, &collection, &err);
    if (status == AKIN_OK)
        status = worker_engine(request->worker, collection, NULL, &engine, &err);
    if (status == AKIN_OK)
        status = key.kind == PICTURE_TILE
                     ? akin_engine_picture(engine, key.tile, key.size, &bytes, &err)
                     : make_chip(engine, &key, &bytes, &jpeg, &err);
    /* A collection without pictures has none of this tile. */
    if (status == AKIN_ERR_UNSUPPORTED)
        status = AKIN_ERR_NOT_FOUND;
    if (status == AKIN_OK)
        status = picture_cache_add(request->server->pictures, &key, &bytes, jpeg, &picture, &err);
    akin_buffer_fini(&bytes);
    if (status == AKIN_OK)
        reply_picture(request, picture, jpeg ? TYPE_JPEG : TYPE_CHIP);
    else
        reply_status(request, status, &err);
}

void handle_tile(struct request *request)
{
    make(request, read_tile);
}

void handle_chip(struct request *request)
{
    make(request, read_chip);
}

/* ---- where inside ---- */

static akin_status add_keys(struct akin_question *question, akin_engine *engine, const char *list,
                            bool unlike, akin_error *err)
{
    akin_status status = AKIN_OK;
    while (list && *list && status == AKIN_OK) {
        char text[AKIN_TILE_KEY_TEXT_MAX] = "";
        const size_t length = strcspn(list, ",");
        struct akin_example example = {.kind = AKIN_EXAMPLE_TILE, .unlike = unlike};
        if (length < sizeof text)
            memcpy(text, list, length);
        status = akin_tile_key_parse(&example.key, text, err);
        if (status == AKIN_OK)
            status = akin_question_add(question, engine, &example, err);
        list += length + (list[length] == ',');
    }
    return status;
}

static akin_status draw(struct request *request, akin_error *err)
{
    const char *to = request_parameter(request, "to");
    struct collection *collection = collections_of(request, err);
    struct akin_question question;
    struct akin_where where = {0};
    akin_engine *engine = NULL;
    uint64_t key = 0;
    if (!collection)
        return AKIN_ERR_NOT_FOUND;
    akin_status status = request_key(request, request->parts[0], &key, err);
    if (status == AKIN_OK && (!to || !*to))
        status = akin_error_set(err, AKIN_ERR_INVALID, "like what? give to=KEY");
    if (status == AKIN_OK)
        status = worker_engine(request->worker, collection, request_parameter(request, "model"),
                               &engine, err);
    if (status != AKIN_OK)
        return status;
    akin_question_init(&question);
    status = add_keys(&question, engine, to, false, err);
    if (status == AKIN_OK)
        status = add_keys(&question, engine, request_parameter(request, "unlike"), true, err);
    if (status == AKIN_OK)
        status = akin_where(engine, &question, key, &where, err);
    if (status == AKIN_OK)
        status = akin_where_tile_png(engine, &where, &request->reply.body, err);
    akin_where_free(&where);
    akin_question_fini(&question);
    return status;
}

void handle_similarity(struct request *request)
{
    akin_error err = {0};
    const akin_status status = draw(request, &err);
    request->reply.status = 200;
    request->reply.type = "image/png";
    request->reply.cache = "private, max-age=3600";
    if (status != AKIN_OK)
        reply_status(request, status, &err);
}
