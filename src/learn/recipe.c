/*
 * What a stopped run needs beside its checkpoint (docs/FORMATS.md, "Learning"): the options as text
 * that people can read, and the keys of the tiles, because the collection may have grown since.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "learn_private.h"

#define FORMAT 1
#define RECIPE_NAME "recipe.json"
#define RECIPE_BYTES_MAX (1u << 16)
#define TILES_NAME "tiles.bin"

/* ---- options ---- */

/* The numbers of a recipe, by the names that it has for them. */
struct field {
    const char *name;
    enum { FIELD_U32, FIELD_DOUBLE } type;
    size_t offset; /* in struct akin_train_options */
};
#define FIELD(kind, field)                                                                         \
    {                                                                                              \
#field, FIELD_##kind, offsetof(struct akin_train_options, field)                           \
    }
static const struct field fields[] = {
    FIELD(U32, input_px),        FIELD(U32, epochs),         FIELD(U32, batch),
    FIELD(U32, replicas),        FIELD(DOUBLE, temperature), FIELD(DOUBLE, rate),
    FIELD(DOUBLE, weight_decay), FIELD(DOUBLE, crop_min),    FIELD(DOUBLE, balance),
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

akin_status recipe_save(const struct recipe *recipe, const char *folder, akin_error *err)
{
    const struct akin_train_options *train = &recipe->train;
    char path[AKIN_PATH_MAX], seed[24];
    struct akin_buffer text;
    akin_json *root = akin_json_object();
    snprintf(seed, sizeof seed, "%" PRIu64, train->seed);
    akin_json_set(root, "format", akin_json_integer(FORMAT));
    akin_json_set(root, "preset", akin_json_string(train->preset));
    akin_json_set(root, "loss", akin_json_string(train->loss));
    akin_json_set(root, "optimiser", akin_json_string(train->optimiser));
    akin_json_set(root, "seed", akin_json_string(seed)); /* 64 bits are too many for a number */
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *at = (const char *)train + fields[i].offset;
        akin_json_set(root, fields[i].name,
                      fields[i].type == FIELD_U32 ? akin_json_integer(*(const uint32_t *)at)
                                                  : akin_json_number(*(const double *)at));
    }
    akin_json_set(root, "same_place", akin_json_bool(recipe->same_place));
    akin_json_set(root, "instant", akin_json_string(recipe->instant));
    akin_buffer_init(&text, RECIPE_BYTES_MAX);
    akin_status status = akin_path_join(path, folder, RECIPE_NAME, err);
    if (status == AKIN_OK)
        status = akin_json_text(root, true, &text, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, text.data, text.size, err);
    akin_buffer_fini(&text);
    akin_json_free(root);
    return status;
}

static akin_status get_text(char *out, size_t size, const akin_json *root, const char *key,
                            const char *what, akin_error *err)
{
    const char *text = NULL;
    akin_status status = akin_json_get_text(&text, root, key, what, err);
    if (status == AKIN_OK && strlen(text) >= size)
        status = akin_error_set(err, AKIN_ERR_INVALID, "%s: \"%s\" is too long", what, key);
    if (status == AKIN_OK)
        snprintf(out, size, "%s", text);
    return status;
}

static akin_status read_fields(struct recipe *out, const akin_json *root, const char *what,
                               akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < FIELD_COUNT && status == AKIN_OK; i++) {
        char *at = (char *)&out->train + fields[i].offset;
        int64_t number = 0;
        if (fields[i].type == FIELD_DOUBLE) {
            status = akin_json_get_number((double *)at, root, fields[i].name, -1e9, 1e9, what, err);
            continue;
        }
        status = akin_json_get_integer(&number, root, fields[i].name, 0, UINT32_MAX, what, err);
        *(uint32_t *)at = (uint32_t)number;
    }
    return status;
}

static akin_status read_recipe(struct recipe *out, const akin_json *root, const char *what,
                               akin_error *err)
{
    char seed[24] = "";
    int64_t format;
    akin_status status = akin_json_get_integer(&format, root, "format", FORMAT, FORMAT, what, err);
    if (status == AKIN_OK)
        status = get_text(out->preset, sizeof out->preset, root, "preset", what, err);
    if (status == AKIN_OK)
        status = get_text(out->loss, sizeof out->loss, root, "loss", what, err);
    if (status == AKIN_OK)
        status = get_text(out->optimiser, sizeof out->optimiser, root, "optimiser", what, err);
    if (status == AKIN_OK)
        status = get_text(out->instant, sizeof out->instant, root, "instant", what, err);
    if (status == AKIN_OK)
        status = akin_model_check_name(out->instant, err);
    if (status == AKIN_OK)
        status = akin_json_get_bool(&out->same_place, root, "same_place", what, err);
    if (status == AKIN_OK)
        status = get_text(seed, sizeof seed, root, "seed", what, err);
    if (status == AKIN_OK)
        status = akin_parse_u64(&out->train.seed, seed, 0, UINT64_MAX, "the recipe's seed", err);
    if (status == AKIN_OK)
        status = read_fields(out, root, what, err);
    out->train.preset = out->preset;
    out->train.loss = out->loss;
    out->train.optimiser = out->optimiser;
    return status;
}

akin_status recipe_load(struct recipe *out, const char *folder, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct akin_buffer text;
    akin_json *root = NULL;
    akin_buffer_init(&text, RECIPE_BYTES_MAX);
    akin_status status = akin_path_join(path, folder, RECIPE_NAME, err);
    if (status == AKIN_OK)
        status = akin_file_read(&text, path, err);
    if (status == AKIN_OK)
        status = akin_json_parse(&root, text.data ? text.data : "", text.size, path, err);
    if (status == AKIN_OK)
        status = read_recipe(out, root, path, err);
    if (status == AKIN_ERR_INVALID || status == AKIN_ERR_LIMIT)
        status = akin_error_context(err, AKIN_ERR_CORRUPT,
                                    "'%s' is damaged (another --name begins anew)", path);
    akin_json_free(root);
    akin_buffer_fini(&text);
    return status;
}

/* ---- tiles ---- */

static const char magic[8] = "AKTILES";

struct tiles_header {
    char magic[8]; /* "AKTILES\0" */
    uint32_t format;
    uint32_t keys_crc;
    uint64_t count;
    uint32_t reserved;
    uint32_t header_crc; /* of the bytes before it */
};
_Static_assert(sizeof(struct tiles_header) == 32, "the header is stored as it is");

akin_status tiles_save(const struct tile_choice *choice, const char *folder, akin_error *err)
{
    struct tiles_header header = {.format = FORMAT, .count = choice->count};
    const size_t bytes = choice->count * sizeof *choice->keys;
    char path[AKIN_PATH_MAX];
    akin_atomic_file *file = NULL;
    memcpy(header.magic, magic, sizeof magic);
    header.keys_crc = akin_crc32c(0, choice->keys, bytes);
    header.header_crc = akin_crc32c(0, &header, offsetof(struct tiles_header, header_crc));
    akin_status status = akin_path_join(path, folder, TILES_NAME, err);
    if (status == AKIN_OK)
        status = akin_atomic_begin(&file, path, err);
    if (status == AKIN_OK)
        status = akin_atomic_write(file, &header, sizeof header, err);
    if (status == AKIN_OK)
        status = akin_atomic_write(file, choice->keys, bytes, err);
    if (status == AKIN_OK)
        return akin_atomic_commit(file, err);
    akin_atomic_abort(file);
    return status;
}

/* NULL where the file is sound, else what is wrong with it. */
static const char *fault_of(const struct akin_map *map, struct tiles_header *header)
{
    if (map->size < sizeof *header)
        return "is cut short";
    memcpy(header, map->data, sizeof *header);
    if (memcmp(header->magic, magic, sizeof magic) != 0)
        return "is not a list of tiles";
    if (akin_crc32c(0, header, offsetof(struct tiles_header, header_crc)) != header->header_crc)
        return "has a damaged header";
    if (header->format != FORMAT)
        return "is of a newer akin";
    if (header->count > AKIN_LEARN_TILES_MAX ||
        map->size - sizeof *header != header->count * sizeof(uint64_t))
        return "is cut short";
    if (akin_crc32c(0, map->data + sizeof *header, map->size - sizeof *header) != header->keys_crc)
        return "is damaged: the checksum does not fit";
    for (uint64_t i = 1; i < header->count; i++) {
        uint64_t pair[2];
        memcpy(pair, map->data + sizeof *header + (i - 1) * sizeof *pair, sizeof pair);
        if (pair[0] >= pair[1])
            return "has keys that are not in order";
    }
    return NULL;
}

akin_status tiles_load(struct tile_choice *out, const char *folder, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct akin_map map = {0};
    struct tiles_header header;
    akin_status status = akin_path_join(path, folder, TILES_NAME, err);
    if (status == AKIN_OK)
        status = akin_map_open(&map, path, err);
    if (status != AKIN_OK)
        return status;
    const char *fault = fault_of(&map, &header);
    if (fault)
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' %s (another --name begins anew)", path,
                                fault);
    if (status == AKIN_OK && !(out->keys = akin_alloc(header.count, sizeof *out->keys)))
        status = akin_error_memory(err, header.count * sizeof *out->keys, "the list of tiles");
    if (status == AKIN_OK) {
        memcpy(out->keys, map.data + sizeof header, header.count * sizeof *out->keys);
        out->count = header.count;
    }
    akin_map_close(&map);
    return status;
}
