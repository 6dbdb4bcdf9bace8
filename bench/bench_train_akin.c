/*
 * akin as an engine of bench_train: learning, encoding, and the net alone, on made-up tiles and with
 * two threads. Prints the line of bench_train.h. A step of learning is the whole of it: tiles in
 * memory, views made anew, update.
 *
 *     bench_train_akin make DIR               encoders of one step's learning and chips, for encode
 *     bench_train_akin train PRESET PX SECONDS
 *     bench_train_akin encode DIR MODEL f32|bf16|int8 memory|chips SECONDS     whole vectors
 *     bench_train_akin net PRESET f32|bf16|int8 SECONDS     pixels in f32 to pooled features
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../src/model/map_features.h"
#include "akin/akin.h"
#include "bench.h"
#include "bench_train.h"

#define BANDS 3
#define STEPS 64       /* of an epoch; a run is shorter */
#define TRAIN_TILES 64 /* different ones */
#define NET_PX 64

/* ---- made-up tiles ---- */

static uint8_t *draw_tiles(size_t count, uint32_t px)
{
    uint8_t *tiles = malloc(count * px * px * BANDS), *at = tiles;
    for (size_t t = 0; tiles && t < count; t++) {
        double turn = 3.14 * akin_random_unit(1, 1, t), size = 2 + 20 * akin_random_unit(1, 2, t);
        for (size_t i = 0; i < (size_t)px * px; i++)
            for (uint32_t b = 0; b < BANDS; b++) {
                double x = (double)(i % px), y = (double)(i / px), shift = (double)(b * (t % 5));
                double wave = sin((x * cos(turn) + y * sin(turn)) / size + shift);
                double noise = (double)(akin_random_u64(t, b, i) & 31);
                *at++ = (uint8_t)(110 + 80 * wave + noise);
            }
    }
    return tiles;
}

struct memory_tiles {
    uint8_t *bytes;
    size_t tile_bytes, different;
    /* When each worker last asked, and the time between questions inside its part of a step: that is
     * what loading and the views take. */
    double last[ENGINE_THREADS], between[ENGINE_THREADS];
    unsigned asked[ENGINE_THREADS], share; /* share: views of a replica a step */
    bool timed;
};

static const uint8_t *get_tile(void *user, size_t index, unsigned worker, const uint8_t **filled)
{
    struct memory_tiles *it = user;
    if (it->timed) {
        double now = bench_now_s();
        if (it->asked[worker]++ % it->share)
            it->between[worker] += now - it->last[worker];
        it->last[worker] = now;
    }
    if (filled)
        *filled = NULL;
    return it->bytes + index % it->different * it->tile_bytes;
}

static struct akin_train_tiles tiles_of(struct memory_tiles *it, size_t count, size_t different,
                                        uint32_t px)
{
    it->different = different;
    it->tile_bytes = (size_t)px * px * BANDS;
    it->bytes = draw_tiles(different, px);
    return (struct akin_train_tiles){
        .count = count, .side_px = px, .bands = BANDS, .get = get_tile, .user = it};
}

/* ---- one engine's run: a line of pictures a second, CPU-seconds, pictures, share of loading ---- */

static double cpu_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_now_s(void)
{
    return cpu_of(CLOCK_PROCESS_CPUTIME_ID);
}

static int fail(const akin_error *err)
{
    fprintf(stderr, "bench_train_akin: %s\n", err->text);
    return 1;
}

struct watch {
    double seconds, began, cpu, ended, cpu_ended;
    uint64_t steps;
    struct memory_tiles *tiles;
};

/* The first step warms up; then until the time is over, one step at least. */
static bool watch_step(void *user, const struct akin_progress *progress)
{
    struct watch *watch = user;
    watch->ended = bench_now_s();
    watch->cpu_ended = cpu_now_s();
    if (progress->done == 1) {
        watch->began = watch->ended;
        watch->cpu = watch->cpu_ended;
        watch->tiles->timed = true;
        return true;
    }
    watch->steps++;
    return watch->ended - watch->began < watch->seconds;
}

static int run_train(const char *preset, uint32_t px, double seconds)
{
    struct akin_train_options options;
    struct memory_tiles memory = {.share = 2 * TRAIN_BATCH / ENGINE_THREADS};
    const struct akin_train_tiles tiles =
        tiles_of(&memory, (size_t)TRAIN_BATCH * STEPS, TRAIN_TILES, 2 * px);
    struct watch watch = {.seconds = seconds, .tiles = &memory};
    const struct akin_talk talk = {.progress = watch_step, .user = &watch};
    struct akin_train_epoch report;
    akin_trainer *trainer = NULL;
    akin_error err = {0};
    akin_train_options_default(&options);
    options.preset = preset;
    options.input_px = px;
    options.batch = TRAIN_BATCH;
    options.epochs = 1;
    options.replicas = ENGINE_THREADS;
    akin_status status = akin_trainer_create(&trainer, &tiles, &options, &err);
    if (status == AKIN_OK)
        status = akin_trainer_epoch(trainer, &report, &talk, &err);
    akin_trainer_free(trainer);
    free(memory.bytes);
    if (status != AKIN_OK && status != AKIN_ERR_CANCELLED)
        return fail(&err);
    double wall = watch.ended - watch.began, views = 2.0 * TRAIN_BATCH * (double)watch.steps;
    double between = 0;
    for (unsigned i = 0; i < ENGINE_THREADS; i++)
        between += memory.between[i] / ENGINE_THREADS * memory.share / (memory.share - 1);
    printf("%g %g %g %g\n", views / wall, watch.cpu_ended - watch.cpu, views, between / wall);
    return 0;
}

/* Encoders of one step's learning, and chips to encode: DIR/models/PRESET, DIR/chips.pack. */
static akin_status make_encoder(const char *dir, const char *preset, uint32_t px, akin_error *err)
{
    struct akin_train_options options;
    struct akin_instant_options instant_options;
    struct memory_tiles memory = {0};
    const struct akin_train_tiles tiles = tiles_of(&memory, ENCODE_TILES, ENCODE_TILES, px);
    const uint8_t *inputs[ENCODE_TILES];
    akin_trainer *trainer = NULL;
    akin_model *instant = NULL, *model = NULL;
    akin_pool *pool = NULL;
    for (size_t i = 0; i < ENCODE_TILES; i++)
        inputs[i] = get_tile(&memory, i, 0, NULL);
    akin_train_options_default(&options);
    options.preset = preset;
    options.input_px = px;
    options.epochs = 1;
    options.batch = 64;
    akin_instant_options_default(&instant_options, px, BANDS);
    akin_status status = akin_pool_create(&pool, ENGINE_THREADS, err);
    if (status == AKIN_OK)
        status = akin_instant_fit(&instant, "instant", &instant_options, ENCODE_TILES, inputs, NULL,
                                  NULL, pool, NULL, err);
    if (status == AKIN_OK)
        status = akin_trainer_create(&trainer, &tiles, &options, err);
    if (status == AKIN_OK)
        status = akin_trainer_encoder(&model, trainer, instant, preset, NULL, err);
    if (status == AKIN_OK)
        status = akin_model_save(model, dir, err);
    /* Not kept where 8 bits do not keep enough: they are then left out. */
    if (status == AKIN_OK &&
        akin_model_calibrate(model, ENCODE_TILES, inputs, NULL, pool, err) == AKIN_OK)
        status = akin_model_save_precision(model, dir, err);
    akin_model_free(model);
    akin_model_free(instant);
    akin_trainer_free(trainer);
    akin_pool_free(pool);
    free(memory.bytes);
    return status;
}

static akin_status make_chips(const char *dir, uint32_t px, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct akin_pack_entry entry;
    akin_pack_writer *writer = NULL;
    struct akin_buffer chip;
    uint8_t *tiles = draw_tiles(ENCODE_TILES, px);
    akin_buffer_init(&chip, 1 << 24);
    akin_status status = akin_path_join(path, dir, "chips.pack", err);
    if (status == AKIN_OK)
        status = akin_pack_create(&writer, path, err);
    for (size_t i = 0; i < ENCODE_TILES && status == AKIN_OK; i++) {
        const struct akin_raster raster = {.width = px,
                                           .height = px,
                                           .bands = BANDS,
                                           .dtype = AKIN_U8,
                                           .pixels = tiles + i * px * px * BANDS};
        akin_buffer_clear(&chip);
        status = akin_chip_encode(&raster, &chip, err);
        if (status == AKIN_OK)
            status = akin_pack_append(writer, i, chip.data, chip.size, err);
    }
    if (status == AKIN_OK)
        status = akin_pack_commit(writer, &entry, err);
    else
        akin_pack_abort(writer);
    akin_buffer_fini(&chip);
    free(tiles);
    return status;
}

static int run_make(const char *dir)
{
    akin_error err = {0};
    akin_status status = make_chips(dir, 64, &err);
    if (status == AKIN_OK)
        status = make_encoder(dir, "r18", 64, &err);
    if (status == AKIN_OK)
        status = make_encoder(dir, "r18h", 64, &err);
    if (status != AKIN_OK)
        return fail(&err);
    return 0;
}

/* ---- encoding ---- */

struct encoding {
    const akin_model *model;
    akin_pack *pack; /* or from memory */
    akin_encoder *encoders[ENGINE_THREADS];
    uint8_t *buffers[ENGINE_THREADS]; /* (batch, px, px, bands) */
    uint8_t *tiles;
    float *vectors;
    size_t batch, tile_bytes, dim;
    struct akin_scaling scaling[AKIN_DTYPE_COUNT];
    akin_status status;
};

/* Piece b of the tiles: decoded where they are chips, and encoded. */
static void encode_pieces(void *user, size_t begin, size_t end, unsigned worker)
{
    struct encoding *it = user;
    const uint8_t *inputs[64];
    const uint32_t px = akin_model_info(it->model)->input_px;
    for (size_t b = begin; b < end && it->status == AKIN_OK; b++) {
        akin_status status = AKIN_OK;
        for (size_t i = 0; i < it->batch && status == AKIN_OK; i++) {
            size_t tile = b * it->batch + i, bytes;
            const void *chip;
            inputs[i] = it->tiles + tile * it->tile_bytes;
            if (!it->pack)
                continue;
            uint8_t *to = it->buffers[worker] + i * it->tile_bytes;
            inputs[i] = to;
            status = akin_pack_find(it->pack, tile, &chip, &bytes, NULL);
            if (status == AKIN_OK)
                status = akin_chip_input(chip, bytes, it->scaling, px, to, NULL, NULL);
        }
        if (status == AKIN_OK)
            status = akin_encoder_run(it->encoders[worker], it->batch, inputs, NULL,
                                      it->vectors + b * it->batch * it->dim, NULL);
        if (status != AKIN_OK)
            it->status = status;
    }
}

static akin_status prepare(struct encoding *it, const char *dir, bool chips, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    const struct akin_model_info *info = akin_model_info(it->model);
    akin_status status = AKIN_OK;
    it->batch = akin_encoder_batch(it->model) < 16 ? 16 : akin_encoder_batch(it->model);
    it->batch = it->batch > 64 ? 64 : it->batch;
    it->tile_bytes = (size_t)info->input_px * info->input_px * BANDS;
    it->dim = info->dim;
    it->tiles = draw_tiles(ENCODE_TILES, info->input_px);
    it->vectors = malloc(ENCODE_TILES * it->dim * sizeof *it->vectors);
    for (unsigned i = 0; i < AKIN_DTYPE_COUNT; i++)
        akin_scaling_identity(&it->scaling[i], BANDS);
    for (unsigned i = 0; i < ENGINE_THREADS && status == AKIN_OK; i++) {
        it->buffers[i] = malloc(it->batch * it->tile_bytes);
        status = akin_encoder_create(&it->encoders[i], it->model, err);
    }
    if (chips && status == AKIN_OK)
        status = akin_path_join(path, dir, "chips.pack", err);
    if (chips && status == AKIN_OK)
        status = akin_pack_open(&it->pack, path, err);
    return status;
}

static int run_encode(const char *dir, const char *name, const char *precision, bool chips,
                      double seconds)
{
    struct encoding it = {0};
    enum akin_precision wanted = AKIN_PRECISION_AUTO;
    akin_model *model = NULL;
    akin_pool *pool = NULL;
    akin_error err = {0};
    akin_status status = akin_model_open(&model, dir, name, &err);
    if (status == AKIN_OK)
        status = akin_precision_parse(&wanted, precision, "precision", &err);
    if (status == AKIN_OK)
        status = akin_model_set_precision(model, wanted, &err);
    if (status == AKIN_OK)
        status = akin_pool_create(&pool, ENGINE_THREADS, &err);
    it.model = model;
    if (status == AKIN_OK)
        status = prepare(&it, dir, chips, &err);
    if (status != AKIN_OK)
        return fail(&err);
    const size_t pieces = ENCODE_TILES / it.batch;
    akin_pool_for(pool, pieces, 1, encode_pieces, &it); /* warms up */
    double began = bench_now_s(), cpu = cpu_now_s(), wall = 0, count = 0;
    while (it.status == AKIN_OK && wall < seconds) {
        akin_pool_for(pool, pieces, 1, encode_pieces, &it);
        count += (double)(pieces * it.batch);
        wall = bench_now_s() - began;
    }
    if (it.status != AKIN_OK)
        return 1;
    printf("%g %g %g 0\n", count / wall, cpu_now_s() - cpu, count);
    for (unsigned i = 0; i < ENGINE_THREADS; i++) {
        akin_encoder_free(it.encoders[i]);
        free(it.buffers[i]);
    }
    free(it.tiles);
    free(it.vectors);
    akin_pack_close(it.pack);
    akin_pool_free(pool);
    akin_model_free(model);
    return 0;
}

/* ---- the net alone: pixels in, pooled features out ---- */

struct net_work {
    struct arch_table table;
    enum graph_dtype dtype;
    float *folded, *ranges; /* ranges: in 8 bits */
    double seconds, count[ENGINE_THREADS], wall[ENGINE_THREADS], cpu[ENGINE_THREADS];
    akin_status status;
};

static akin_status make_net(struct net *out, const struct net_work *it, float *measured)
{
    const struct graph_options options = {
        .batch = ENCODE_BATCH, .dtype = it->dtype, .parameters = it->folded};
    akin_status status = it->ranges && !measured
                             ? net_create_int8(out, &it->table, NET_PX, &options, it->ranges, NULL)
                             : net_create_folded(out, &it->table, NET_PX, &options, measured, NULL);
    float *x = status == AKIN_OK ? graph_data(out->graph, out->input) : NULL;
    for (size_t i = 0; x && i < (size_t)ENCODE_BATCH * BANDS * NET_PX * NET_PX; i++)
        x[i] = (float)akin_random_unit(1, 4, i) * 2 - 1;
    return status;
}

static void net_loop(void *user, size_t begin, size_t end, unsigned worker)
{
    struct net_work *it = user;
    struct net net;
    float *maps = malloc(map_features_scratch(&it->table.arch, NET_PX) * sizeof *maps);
    float *features = malloc(map_features_size(&it->table.arch) * sizeof *features);
    akin_status status = make_net(&net, it, NULL);
    (void)begin;
    (void)end;
    if (status == AKIN_OK)
        status = graph_forward(net.graph, NULL); /* warms up */
    double began = bench_now_s(), cpu = cpu_of(CLOCK_THREAD_CPUTIME_ID), wall = 0;
    while (status == AKIN_OK && wall < it->seconds) {
        status = graph_forward(net.graph, NULL);
        for (size_t n = 0; n < ENCODE_BATCH; n++)
            map_features_pool(&net, &it->table.arch, NET_PX, n, NULL, maps, features);
        it->count[worker] += ENCODE_BATCH;
        wall = bench_now_s() - began;
    }
    it->wall[worker] = wall;
    it->cpu[worker] = cpu_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
    if (status == AKIN_OK)
        net_fini(&net);
    else
        it->status = status;
    free(maps);
    free(features);
}

/* The weights are those of no training: the time is the same. */
static int run_net(const char *preset, const char *dtype, double seconds)
{
    struct net_work it = {.seconds = seconds,
                          .dtype = strcmp(dtype, "f32") && graph_has_dtype(GRAPH_BF16) ? GRAPH_BF16
                                                                                       : GRAPH_F32};
    struct arch arch;
    struct net net;
    akin_error err = {0};
    akin_pool *pool = NULL;
    akin_status status = arch_init(&arch, preset, BANDS, &err);
    if (status != AKIN_OK)
        return fail(&err);
    arch_table_init(&it.table, &arch);
    float *parameters = calloc(it.table.parameter_count, sizeof *parameters);
    float *statistics = calloc(it.table.statistic_count, sizeof *statistics);
    it.folded = calloc(it.table.parameter_count, sizeof *it.folded);
    arch_initialise(&it.table, 1, parameters, statistics);
    net_fold(&it.table, parameters, statistics, it.folded);
    if (!strcmp(dtype, "int8")) {
        it.ranges = calloc(net_range_count(&it.table), sizeof *it.ranges);
        status = make_net(&net, &it, it.ranges);
        if (status == AKIN_OK) {
            status = graph_forward(net.graph, &err);
            net_fini(&net);
        }
    }
    if (status == AKIN_OK)
        status = akin_pool_create(&pool, ENGINE_THREADS, &err);
    double cpu = 0, rate = 0, count = 0;
    if (status == AKIN_OK)
        akin_pool_for(pool, ENGINE_THREADS, 1, net_loop, &it);
    for (unsigned i = 0; i < ENGINE_THREADS; i++) {
        rate += it.wall[i] > 0 ? it.count[i] / it.wall[i] : 0;
        count += it.count[i];
        cpu += it.cpu[i];
    }
    if (status == AKIN_OK && it.status == AKIN_OK)
        printf("%g %g %g 0\n", rate, cpu, count);
    akin_pool_free(pool);
    free(parameters);
    free(statistics);
    free(it.folded);
    free(it.ranges);
    return status == AKIN_OK && it.status == AKIN_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "make"))
        return run_make(argv[2]);
    if (argc == 5 && !strcmp(argv[1], "train"))
        return run_train(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), strtod(argv[4], NULL));
    if (argc == 7 && !strcmp(argv[1], "encode"))
        return run_encode(argv[2], argv[3], argv[4], !strcmp(argv[5], "chips"),
                          strtod(argv[6], NULL));
    if (argc == 5 && !strcmp(argv[1], "net"))
        return run_net(argv[2], argv[3], strtod(argv[4], NULL));
    fprintf(stderr, "bench_train_akin: an engine of bench_train, which starts it\n");
    return 2;
}
