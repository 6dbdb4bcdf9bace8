/*
 * Learning and encoding beside PyTorch (bench/peer_train.py) and ONNX Runtime (bench/peer_ort.js):
 * every engine is a process of its own, with two threads, and they run in turn; figures are medians,
 * ratios those of one round each. Our training step is the whole of it (tiles in memory, views made
 * anew, update); the peers' has no loading and no augmentation. What a peer has not is left out by
 * name.
 *
 *     bench_train [ROUNDS [SECONDS [WORK]]]     default 3 rounds of 4 seconds an engine; only works
 *                                               whose name has WORK in it
 *
 * JSON=FILE adds a line {"work","engine","dtype","per_s"} for each engine of each work.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../src/model/map_features.h"
#include "akin/akin.h"
#include "bench.h"

#define BANDS 3
#define BATCH 256      /* tiles a step */
#define STEPS 64       /* of an epoch; a run is shorter */
#define TRAIN_TILES 64 /* different ones */
#define ENCODE_TILES 512
#define ENCODE_BATCH 64 /* of the peers, and of the net alone */
#define NET_PX 64
#define THREADS 2
#define ROUNDS_MAX 101
#define ENGINES_MAX 10

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
    double last[THREADS], between[THREADS];
    unsigned asked[THREADS], share; /* share: views of a replica a step */
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
    fprintf(stderr, "bench_train: %s\n", err->text);
    return 1;
}

struct watch {
    double seconds, began, cpu, ended, cpu_ended;
    uint64_t steps;
    struct memory_tiles *tiles;
};

/* The first step warms up; then until the time is over, two steps at least. */
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
    return watch->steps < 2 || watch->ended - watch->began < watch->seconds;
}

static int run_train(const char *preset, uint32_t px, double seconds)
{
    struct akin_train_options options;
    struct memory_tiles memory = {.share = 2 * BATCH / THREADS};
    const struct akin_train_tiles tiles =
        tiles_of(&memory, (size_t)BATCH * STEPS, TRAIN_TILES, 2 * px);
    struct watch watch = {.seconds = seconds, .tiles = &memory};
    const struct akin_talk talk = {.progress = watch_step, .user = &watch};
    struct akin_train_epoch report;
    akin_trainer *trainer = NULL;
    akin_error err = {0};
    akin_train_options_default(&options);
    options.preset = preset;
    options.input_px = px;
    options.batch = BATCH;
    options.epochs = 1;
    options.replicas = THREADS;
    akin_status status = akin_trainer_create(&trainer, &tiles, &options, &err);
    if (status == AKIN_OK)
        status = akin_trainer_epoch(trainer, &report, &talk, &err);
    akin_trainer_free(trainer);
    free(memory.bytes);
    if (status != AKIN_OK && status != AKIN_ERR_CANCELLED)
        return fail(&err);
    double wall = watch.ended - watch.began, views = 2.0 * BATCH * (double)watch.steps;
    double between = 0;
    for (unsigned i = 0; i < THREADS; i++)
        between += memory.between[i] / THREADS * memory.share / (memory.share - 1);
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
    akin_status status = akin_pool_create(&pool, THREADS, err);
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
    akin_encoder *encoders[THREADS];
    uint8_t *buffers[THREADS]; /* (batch, px, px, bands) */
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
    for (unsigned i = 0; i < THREADS && status == AKIN_OK; i++) {
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
        status = akin_pool_create(&pool, THREADS, &err);
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
    for (unsigned i = 0; i < THREADS; i++) {
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
    double seconds, count[THREADS], wall[THREADS], cpu[THREADS];
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
        status = akin_pool_create(&pool, THREADS, &err);
    double cpu = 0, rate = 0, count = 0;
    if (status == AKIN_OK)
        akin_pool_for(pool, THREADS, 1, net_loop, &it);
    for (unsigned i = 0; i < THREADS; i++) {
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

/* ---- all engines in turn ---- */

struct engine {
    const char *name, *dtype;
    char command[2048]; /* for /bin/sh */
    double rates[ROUNDS_MAX], cpu_ms[ROUNDS_MAX], share, peak_bytes;
    int count; /* of rates; 0 = it has not run */
};

/* Runs a command, reads its line; false where it failed. Its memory is the most of its process. */
static bool run_engine(struct engine *it)
{
    int ends[2], status;
    double rate, cpu, pictures, share = 0;
    struct rusage usage;
    if (pipe(ends) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-c", it->command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *lines = fdopen(ends[0], "r");
    int found = lines ? fscanf(lines, "%lf %lf %lf %lf", &rate, &cpu, &pictures, &share) : 0;
    if (lines)
        fclose(lines);
    if (child < 0 || wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0 || found < 3)
        return false;
    it->rates[it->count] = rate;
    it->cpu_ms[it->count++] = 1000 * cpu / pictures;
    it->share = share;
    it->peak_bytes = fmax(it->peak_bytes, (double)usage.ru_maxrss * 1024);
    return true;
}

/* Median, least and most of ours against the engine's, round by round. */
static void print_ratio(const struct engine *ours, const struct engine *other)
{
    double ratios[ROUNDS_MAX];
    int count = ours->count < other->count ? ours->count : other->count;
    for (int i = 0; i < count; i++)
        ratios[i] = ours->rates[i] / other->rates[i];
    double median = bench_median(ratios, (size_t)count);
    printf(" %s %s %.2f (%.2f-%.2f)", ours->name, ours->dtype, median, ratios[0],
           ratios[count - 1]);
}

static void print_json(const char *work, const struct engine *engine, double per_s)
{
    const char *path = getenv("JSON");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, "{\"work\":\"%s\",\"engine\":\"%s\",\"dtype\":\"%s\",\"per_s\":%.2f}\n", work,
            engine->name, engine->dtype, per_s);
    fclose(file);
}

/* The first `ours` engines are akin's. */
static void print_table(const char *work, struct engine *engines, size_t count, size_t ours)
{
    for (size_t e = 0; e < count; e++) {
        struct engine *it = &engines[e];
        double rates[ROUNDS_MAX];
        if (!it->count) {
            printf("| %s | %s, %s | not measured | | | |\n", work, it->name, it->dtype);
            continue;
        }
        memcpy(rates, it->rates, sizeof rates);
        double per_s = bench_median(rates, (size_t)it->count);
        printf("| %s | %s, %s | %.0f | %.2f | %.0f MB |", work, it->name, it->dtype, per_s,
               bench_median(it->cpu_ms, (size_t)it->count), it->peak_bytes / 1e6);
        for (size_t o = 0; o < ours && e >= ours; o++)
            if (engines[o].count)
                print_ratio(&engines[o], it);
        if (it->share > 0)
            printf(" loading and views: %.1f %%", 100 * it->share);
        printf(" |\n");
        print_json(work, it, per_s);
    }
    fflush(stdout);
}

/* In turn, round by round; an engine that fails once is left out. */
static void run_rounds(const char *work, struct engine *engines, size_t count, size_t ours,
                       int rounds)
{
    bool failed[ENGINES_MAX] = {false};
    for (int round = 0; round < rounds; round++)
        for (size_t e = 0; e < count; e++)
            failed[e] = failed[e] || !run_engine(&engines[e]);
    print_table(work, engines, count, ours);
}

struct bench {
    const char *self; /* this program */
    char dir[64];
    int rounds;
    double seconds;
    bool bf16;
    const char *only; /* NULL: all works */
};

static bool wanted(const struct bench *it, const char *work)
{
    return !it->only || strstr(work, it->only);
}

/* What keeps oneDNN, and so us, from bf16. */
#define NO_BF16 "env ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI"

static const char *const torch = "env -u OPENBLAS_CORETYPE /usr/bin/python3 bench/peer_train.py";

static bool cpu_has(const char *flag)
{
    char line[8192];
    bool found = false;
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !found && fgets(line, sizeof line, file))
        found = !strncmp(line, "flags", 5) && strstr(line, flag);
    if (file)
        fclose(file);
    return found;
}

static void bench_training(const struct bench *it, const char *preset, uint32_t px)
{
    char work[64];
    static struct engine engines[4];
    memset(engines, 0, sizeof engines);
    const size_t ours = it->bf16 ? 2 : 1;
    snprintf(work, sizeof work, "train %s %u px", preset, px);
    if (!wanted(it, work))
        return;
    for (size_t e = 0; e < 2 * ours; e++) {
        struct engine *engine = &engines[e];
        const bool bf16 = it->bf16 && e % 2 == 0;
        *engine =
            (struct engine){.name = e < ours ? "akin" : "PyTorch", .dtype = bf16 ? "bf16" : "f32"};
        if (e < ours)
            snprintf(engine->command, sizeof engine->command, "%s '%s' run-train %s %u %g",
                     bf16 ? "" : NO_BF16, it->self, preset, px, it->seconds);
        else
            snprintf(engine->command, sizeof engine->command, "%s train %s %u %d %s %g", torch,
                     preset, px, BATCH, engine->dtype, it->seconds);
    }
    run_rounds(work, engines, 2 * ours, ours, it->rounds);
}

static void add_encoder(const struct bench *it, struct engine *out, const char *label,
                        const char *model, const char *precision, bool chips)
{
    *out = (struct engine){.name = label, .dtype = precision};
    snprintf(out->command, sizeof out->command, "'%s' run-encode '%s' %s %s %s %g", it->self,
             it->dir, model, precision, chips ? "chips" : "memory", it->seconds);
}

static void add_net(const struct bench *it, struct engine *out, const char *dtype)
{
    *out = (struct engine){.name = "akin", .dtype = dtype};
    snprintf(out->command, sizeof out->command, "'%s' run-net r18 %s %g", it->self, dtype,
             it->seconds);
}

static void bench_encoding(const struct bench *it)
{
    static struct engine engines[ENGINES_MAX];
    const char *const dtype = it->bf16 ? "bf16" : "f32";
    memset(engines, 0, sizeof engines);
    size_t count = 0;
    if (!wanted(it, "encode r18 64 px"))
        return;
    add_net(it, &engines[count++], dtype);
    add_net(it, &engines[count++], "int8");
    add_encoder(it, &engines[count++], "akin, whole vector", "r18", dtype, false);
    add_encoder(it, &engines[count++], "akin, whole vector", "r18", "int8", false);
    const size_t ours = count;
    struct engine *ort = &engines[count++];
    *ort = (struct engine){.name = "ONNX Runtime", .dtype = "f32"};
    snprintf(ort->command, sizeof ort->command,
             "NODE_PATH=\"${AKIN_NPM:-build/npm}/node_modules\" node bench/peer_ort.js "
             "'%s/net.onnx' 64 %d %g",
             it->dir, ENCODE_BATCH, it->seconds);
    for (int bf16 = 0; bf16 <= it->bf16; bf16++) {
        struct engine *peer = &engines[count++];
        *peer = (struct engine){.name = "PyTorch", .dtype = bf16 ? "bf16" : "f32"};
        snprintf(peer->command, sizeof peer->command, "%s net r18 64 %d %s %g", torch, ENCODE_BATCH,
                 peer->dtype, it->seconds);
    }
    run_rounds("encode r18 64 px", engines, count, ours, it->rounds);
}

/* From chips on disk against the same from memory. */
static void bench_chips(const struct bench *it, const char *precision)
{
    static struct engine engines[2];
    memset(engines, 0, sizeof engines);
    if (!wanted(it, "encode r18h 64 px"))
        return;
    add_encoder(it, &engines[0], "akin, from chips", "r18h", precision, true);
    add_encoder(it, &engines[1], "akin, whole vector", "r18h", precision, false);
    run_rounds("encode r18h 64 px", engines, 2, 1, it->rounds);
}

static int run_all(struct bench *it)
{
    char command[2 * AKIN_PATH_MAX];
    snprintf(it->dir, sizeof it->dir, "/tmp/bench-train-XXXXXX");
    if (!mkdtemp(it->dir))
        return 1;
    snprintf(command, sizeof command,
             "%s export r18 64 '%s/net.onnx' || echo 'bench_train: no PyTorch' >&2; '%s' make '%s'",
             torch, it->dir, it->self, it->dir);
    int status = wanted(it, "encode r18 64 px, encode r18h 64 px") ? system(command) : 0;
    printf("Threads %d, batch %d tiles (%d views), encoding of %d by %d; medians of %d rounds of "
           "%g s, engines in turn.%s\n\n| work | engine | a second | CPU-ms each | peak memory | "
           "akin's rate to it (least-most) |\n| --- | --- | --- | --- | --- | --- |\n",
           THREADS, BATCH, 2 * BATCH, ENCODE_TILES, ENCODE_BATCH, it->rounds, it->seconds,
           it->bf16 ? "" : " This CPU has no bf16: not measured.");
    bench_training(it, "r18", 64);
    bench_training(it, "r18", 128);
    bench_training(it, "r18h", 64);
    bench_training(it, "r10h", 64);
    if (status == 0) {
        bench_encoding(it);
        bench_chips(it, it->bf16 ? "bf16" : "f32");
        bench_chips(it, "int8");
    }
    bench_remove(it->dir);
    return status != 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "run-train"))
        return run_train(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), strtod(argv[4], NULL));
    if (argc == 7 && !strcmp(argv[1], "run-encode"))
        return run_encode(argv[2], argv[3], argv[4], !strcmp(argv[5], "chips"),
                          strtod(argv[6], NULL));
    if (argc == 5 && !strcmp(argv[1], "run-net"))
        return run_net(argv[2], argv[3], strtod(argv[4], NULL));
    if (argc == 3 && !strcmp(argv[1], "make"))
        return run_make(argv[2]);
    struct bench bench = {.self = argv[0], .rounds = 3, .seconds = 4};
    if (argc > 1)
        bench.rounds = (int)strtol(argv[1], NULL, 10);
    if (argc > 2)
        bench.seconds = strtod(argv[2], NULL);
    if (argc > 3)
        bench.only = argv[3];
    if (bench.rounds < 1 || bench.rounds > ROUNDS_MAX || !(bench.seconds > 0)) {
        fprintf(stderr, "usage: bench_train [ROUNDS [SECONDS [WORK]]]\n");
        return 2;
    }
    bench.bf16 = cpu_has(" avx512_bf16");
    return run_all(&bench);
}
