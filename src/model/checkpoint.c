/*
 * Checkpoints (docs/FORMATS.md, "Checkpoints"): the recipe, how far it is, and all that the replicas
 * agree on: parameters, moments, running statistics. What an epoch shows is drawn from seed and
 * epoch, so nothing else needs to be kept, and a run that was stopped ends in the same weights.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "trainer.h"

#define VERSION 1
#define RECIPE_FIELDS 16
#define FIELD_EPOCHS 7

static const char magic[8] = "AKCKPT";

struct header {
    char magic[8]; /* "AKCKPT\0\0" */
    uint32_t version;
    uint32_t bytes_crc; /* of the floats that follow */
    uint64_t step;
    double loss_sum;
    uint64_t float_count;
    double recipe[RECIPE_FIELDS]; /* what must be the same to go on; exact as doubles */
    uint32_t reserved[5];
    uint32_t header_crc; /* of the bytes before it */
};
_Static_assert(sizeof(struct header) == 192, "the header is stored as it is");

static const char *const field_names[RECIPE_FIELDS] = {
    "preset",          "bands",
    "input",           "batch",
    "replicas",        "loss",
    "optimiser",       "epochs",
    "seed's low half", "seed's high half",
    "tiles",           "size of tiles",
    "temperature",     "rate",
    "weight decay",    "smallest crop and balance"};

static void fill_recipe(const akin_trainer *trainer, double out[RECIPE_FIELDS])
{
    const struct akin_train_options *options = &trainer->options;
    const double recipe[RECIPE_FIELDS] = {
        trainer->table.arch.preset,
        trainer->tiles.bands,
        options->input_px,
        trainer->batch,
        trainer->replica[0].comm->size,
        trainer->loss,
        trainer->optimiser.kind,
        options->epochs,
        (double)(options->seed & UINT32_MAX),
        (double)(options->seed >> 32),
        (double)trainer->tiles.count,
        trainer->tiles.side_px,
        options->temperature,
        trainer->optimiser.rate,
        options->weight_decay,
        options->crop_min + 1000 * options->balance,
    };
    memcpy(out, recipe, sizeof recipe);
}

/* The parts of a checkpoint in their order. */
struct part {
    float *data;
    size_t count;
};

#define PARTS 5

static size_t list_parts(const akin_trainer *trainer, const struct replica *replica,
                         struct part parts[PARTS])
{
    const struct arch_table *table = &trainer->table;
    size_t moments = optimiser_moments(trainer->optimiser.kind), total = 0;
    parts[0] = (struct part){replica->parameters, table->parameter_count};
    parts[1] = (struct part){replica->moments, moments * table->parameter_count};
    parts[2] = (struct part){replica->statistics, table->statistic_count};
    parts[3] = (struct part){(float *)trainer->normal.mean, AKIN_BANDS_MAX};
    parts[4] = (struct part){(float *)trainer->normal.scale, AKIN_BANDS_MAX};
    for (size_t i = 0; i < PARTS; i++)
        total += parts[i].count;
    return total;
}

akin_status akin_trainer_save(const akin_trainer *trainer, const char *path, akin_error *err)
{
    struct part parts[PARTS];
    struct header header = {.version = VERSION, .step = trainer->step};
    size_t bytes, at = sizeof header;
    if (trainer->failed)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "training failed in the middle of a step: '%s' is not written over",
                              path);
    header.float_count = list_parts(trainer, &trainer->replica[0], parts);
    header.loss_sum = trainer->loss_sum;
    memcpy(header.magic, magic, sizeof magic);
    fill_recipe(trainer, header.recipe);
    bytes = sizeof header + header.float_count * sizeof(float);
    unsigned char *block = akin_alloc_zero(bytes, 1);
    if (!block)
        return akin_error_memory(err, bytes, "a checkpoint");
    for (size_t i = 0; i < PARTS; i++) {
        memcpy(block + at, parts[i].data, parts[i].count * sizeof(float));
        at += parts[i].count * sizeof(float);
    }
    header.bytes_crc = akin_crc32c(0, block + sizeof header, bytes - sizeof header);
    header.header_crc = akin_crc32c(0, &header, offsetof(struct header, header_crc));
    memcpy(block, &header, sizeof header);
    akin_status status = akin_file_write_atomic(path, block, bytes, err);
    akin_free(block);
    return status;
}

static akin_status read_header(struct header *header, const struct akin_map *map, const char *path,
                               akin_error *err)
{
    if (map->size < sizeof *header)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' is cut short: %zu bytes", path,
                              map->size);
    memcpy(header, map->data, sizeof *header);
    if (memcmp(header->magic, magic, sizeof magic) != 0)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' is not a checkpoint", path);
    if (akin_crc32c(0, header, offsetof(struct header, header_crc)) != header->header_crc)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s': the header is damaged", path);
    if (header->version != VERSION)
        return akin_error_set(err, AKIN_ERR_VERSION,
                              "'%s' has format version %u, this akin reads %d: upgrade akin", path,
                              header->version, VERSION);
    return AKIN_OK;
}

akin_status akin_checkpoint_epochs(uint32_t *out, const char *path, akin_error *err)
{
    struct akin_map map = {0};
    struct header header;
    akin_status status = akin_map_open(&map, path, err);
    if (status == AKIN_OK)
        status = read_header(&header, &map, path, err);
    akin_map_close(&map);
    if (status != AKIN_OK)
        return status;
    double epochs = header.recipe[FIELD_EPOCHS];
    if (!(epochs >= 1 && epochs <= UINT32_MAX))
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' has a schedule of %g epochs", path,
                              epochs);
    *out = (uint32_t)epochs;
    return AKIN_OK;
}

static akin_status check_recipe(const akin_trainer *trainer, const struct header *header,
                                size_t size, size_t floats, const char *path, akin_error *err)
{
    double recipe[RECIPE_FIELDS];
    fill_recipe(trainer, recipe);
    for (size_t i = 0; i < RECIPE_FIELDS; i++)
        if (header->recipe[i] != recipe[i])
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "'%s' is of another training: its %s is %g, here it is %g "
                                  "(the same options go on, another --name begins anew)",
                                  path, field_names[i], header->recipe[i], recipe[i]);
    const size_t bytes = sizeof *header + floats * sizeof(float);
    if (header->float_count != floats || size != bytes)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' %s: %zu bytes of %zu", path,
                              size < bytes ? "is cut short" : "is damaged", size, bytes);
    if (header->step > trainer->steps * trainer->options.epochs || !isfinite(header->loss_sum))
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' is damaged: it tells of step %llu of %llu", path,
                              (unsigned long long)header->step,
                              (unsigned long long)(trainer->steps * trainer->options.epochs));
    return AKIN_OK;
}

static akin_status check_bytes(const struct akin_map *map, const struct header *header,
                               const char *path, akin_error *err)
{
    const unsigned char *bytes = (const unsigned char *)map->data + sizeof *header;
    if (akin_crc32c(0, bytes, map->size - sizeof *header) != header->bytes_crc)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' is damaged: the checksum does not fit (delete it to begin "
                              "anew)",
                              path);
    for (size_t i = 0; i < header->float_count; i++) {
        float value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        if (!isfinite(value))
            return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s': number %zu is not finite", path, i);
    }
    return AKIN_OK;
}

akin_status akin_trainer_load(akin_trainer *trainer, const char *path, akin_error *err)
{
    struct akin_map map = {0};
    struct header header;
    struct part parts[PARTS];
    size_t floats = list_parts(trainer, &trainer->replica[0], parts);
    akin_status status = akin_map_open(&map, path, err);
    if (status != AKIN_OK)
        return status;
    status = read_header(&header, &map, path, err);
    if (status == AKIN_OK)
        status = check_recipe(trainer, &header, map.size, floats, path, err);
    if (status == AKIN_OK)
        status = check_bytes(&map, &header, path, err);
    for (unsigned r = 0; r < trainer->replicas && status == AKIN_OK; r++) {
        const unsigned char *at = (const unsigned char *)map.data + sizeof header;
        list_parts(trainer, &trainer->replica[r], parts);
        for (size_t i = 0; i < PARTS; i++) {
            memcpy(parts[i].data, at, parts[i].count * sizeof(float));
            at += parts[i].count * sizeof(float);
        }
    }
    if (status == AKIN_OK) {
        trainer->step = header.step;
        trainer->loss_sum = header.loss_sum;
        trainer->failed = false;
    }
    akin_map_close(&map);
    return status;
}
