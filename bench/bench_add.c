/*
 * `akin add` of a folder of small JPEGs beside its two parts alone, on the same threads and in the
 * same run: decoding them (libjpeg-turbo) and encoding their tiles. Rounds alternate; medians are
 * quoted.
 *
 *     bench_add AKIN FOLDER [ROUNDS]     default 5
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "akin/akin.h"
#include "bench.h"

#define ROUNDS_MAX 51
#define INPUT_PX 64

struct set {
    struct akin_source_list list;
    struct akin_buffer *files; /* (list.count) the JPEGs' bytes */
    uint8_t **inputs;          /* (list.count) what the encoder sees */
    float *vectors;
    akin_model *model;
    akin_encoder_pool *encoders;
    bool keep_inputs;
    bool failed;
};

static void decode_loop(void *user, size_t begin, size_t end, unsigned worker)
{
    struct set *set = user;
    struct akin_scaling scaling;
    (void)worker;
    akin_scaling_identity(&scaling, 3);
    for (size_t i = begin; i < end; i++) {
        struct akin_raster raster = {0};
        if (akin_jpeg_decode(set->files[i].data, set->files[i].size, 1 << 28, &raster, NULL) !=
                AKIN_OK ||
            (set->keep_inputs &&
             akin_tile_input(&raster, &scaling, INPUT_PX, set->inputs[i], NULL, NULL) != AKIN_OK))
            set->failed = true;
        akin_raster_fini(&raster);
    }
}

static akin_status load(struct set *set, const char *folder, akin_pool *pool, akin_error *err)
{
    akin_status status = akin_source_find(&set->list, &folder, 1, NULL, err);
    if (status != AKIN_OK)
        return status;
    set->files = akin_alloc_zero(set->list.count, sizeof *set->files);
    set->inputs = akin_alloc_zero(set->list.count, sizeof *set->inputs);
    for (size_t i = 0; i < set->list.count && status == AKIN_OK; i++) {
        akin_buffer_init(&set->files[i], 1 << 28);
        set->inputs[i] = akin_alloc(INPUT_PX * INPUT_PX, 3);
        status = akin_file_read(&set->files[i], set->list.items[i].uri, err);
    }
    set->keep_inputs = true;
    akin_pool_for(pool, set->list.count, 0, decode_loop, set);
    set->keep_inputs = false;
    return set->failed ? akin_error_set(err, AKIN_ERR_CORRUPT, "not a folder of RGB JPEGs")
                       : status;
}

static akin_status fit(struct set *set, akin_pool *pool, akin_error *err)
{
    struct akin_instant_options options;
    akin_instant_options_default(&options, INPUT_PX, 3);
    size_t n = set->list.count < AKIN_INSTANT_FIT_TILES ? set->list.count : AKIN_INSTANT_FIT_TILES;
    akin_status status =
        akin_instant_fit(&set->model, "bench", &options, n, (const uint8_t *const *)set->inputs,
                         NULL, NULL, pool, NULL, err);
    if (status != AKIN_OK)
        return status;
    set->vectors = akin_alloc(set->list.count, akin_model_info(set->model)->dim * sizeof(float));
    return akin_encoder_pool_create(&set->encoders, set->model, pool, err);
}

/* One fresh collection; seconds of `akin add` as a process of its own, start to end. */
static double time_add(char *akin, char *folder, double *peak_bytes)
{
    char base[] = "/tmp/akin-bench-XXXXXX", dir[64];
    if (!mkdtemp(base))
        return -1;
    snprintf(dir, sizeof dir, "%s/c", base);
    char words[][8] = {"init", "add"};
    char *const init[] = {akin, words[0], dir, NULL};
    char *const add[] = {akin, words[1], dir, folder, NULL};
    double seconds = bench_command(init, NULL) < 0 ? -1 : bench_command(add, peak_bytes);
    bench_remove(base);
    return seconds;
}

static double time_decode(akin_pool *pool, struct set *set)
{
    double began = bench_now_s();
    akin_pool_for(pool, set->list.count, 0, decode_loop, set);
    return bench_now_s() - began;
}

static double time_encode(struct set *set)
{
    double began = bench_now_s();
    if (akin_encoder_pool_run(set->encoders, set->list.count, (const uint8_t *const *)set->inputs,
                              NULL, set->vectors, NULL) != AKIN_OK)
        set->failed = true;
    return bench_now_s() - began;
}

int main(int argc, char **argv)
{
    struct set set = {0};
    akin_pool *pool = NULL;
    akin_error err = {0};
    double decode[ROUNDS_MAX], encode[ROUNDS_MAX], add[ROUNDS_MAX], ratio[ROUNDS_MAX], peak = 0;
    int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 5;
    if (argc < 3 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_add AKIN FOLDER [ROUNDS]\n");
        return 2;
    }
    if (akin_pool_create(&pool, 0, &err) != AKIN_OK || load(&set, argv[2], pool, &err) != AKIN_OK ||
        fit(&set, pool, &err) != AKIN_OK) {
        fprintf(stderr, "bench_add: %s\n", err.text);
        return 1;
    }
    for (int r = 0; r < rounds; r++) {
        decode[r] = time_decode(pool, &set);
        encode[r] = time_encode(&set);
        add[r] = time_add(argv[1], argv[2], &peak);
        ratio[r] = add[r] / (decode[r] + encode[r]);
        if (add[r] < 0 || set.failed) {
            fprintf(stderr, "bench_add: a round failed\n");
            return 1;
        }
    }
    printf("%zu JPEGs, %u threads, medians of %d alternating rounds\n\n", set.list.count,
           akin_pool_threads(pool), rounds);
    printf("| what | seconds |\n| --- | --- |\n");
    printf("| decoding alone (libjpeg-turbo) | %.3f |\n", bench_median(decode, (size_t)rounds));
    printf("| encoding alone | %.3f |\n", bench_median(encode, (size_t)rounds));
    printf("| akin add, whole process, into a fresh collection | %.3f |\n",
           bench_median(add, (size_t)rounds));
    printf("| akin add / (decoding + encoding), asked: at most 1.3 | %.2f |\n",
           bench_median(ratio, (size_t)rounds));
    printf("| peak memory of akin add, asked: under 500 MB | %.0f MB |\n", peak / 1e6);
    return 0;
}
