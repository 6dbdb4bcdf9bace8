/*
 * `akin status` on a collection of a million tiles: a real one, of 5,000 scenes with 200 rows each,
 * made through the catalogue and the index; then the program itself is timed, start to end.
 *
 *     bench_status AKIN [RUNS]     default 21
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "akin/akin.h"
#include "bench.h"

#define SCENES 5000u
#define SCENE_ROWS 200u
#define DIM 224u
#define RUNS_MAX 201

static struct akin_columns columns[SCENE_ROWS * 50];
static float vectors[SCENE_ROWS * 50][DIM];

static void make_row(uint32_t scene, uint32_t tile, size_t at)
{
    struct akin_columns *c = &columns[at];
    memset(c, 0, sizeof *c);
    c->key = akin_tile_key(scene, 0, tile / 20, tile % 20);
    c->begin_ms = c->end_ms = (int64_t)scene * 86400000;
    double lon = (double)(scene % 360) - 180, lat = (double)(tile % 180) - 90;
    for (int i = 0; i < 4; i++) {
        c->corner_e7[2 * i] = (int32_t)(lon * 1e7);
        c->corner_e7[2 * i + 1] = (int32_t)(lat * 1e7);
        c->bbox_e7[i] = (int32_t)((i % 2 ? lat : lon) * 1e7);
    }
    c->hilbert = akin_hilbert_key(lon, lat);
    for (unsigned d = 0; d < DIM; d++)
        vectors[at][d] = (float)akin_random_unit(1, c->key, d) - 0.5f;
    akin_normalize(vectors[at], DIM);
}

static akin_status add_scenes(akin_catalog *catalog, akin_error *err)
{
    akin_status status = akin_catalog_begin(catalog, err);
    for (uint32_t s = 0; s < SCENES && status == AKIN_OK; s++) {
        char uri[64];
        struct akin_scene scene;
        akin_scene_init(&scene);
        snprintf(uri, sizeof uri, "/scenes/%06u.tif", s);
        scene.uri = uri;
        scene.state = AKIN_SCENE_EMBEDDED;
        scene.tiles_total = scene.tiles_done = scene.tiles_kept = SCENE_ROWS;
        status = akin_catalog_scene_add(catalog, &scene, err);
    }
    if (status == AKIN_OK)
        status = akin_catalog_value_set(catalog, AKIN_VALUE_MODEL, "instant", err);
    return status == AKIN_OK ? akin_catalog_commit(catalog, err) : status;
}

static akin_status add_rows(const char *dir, akin_error *err)
{
    char path[512];
    struct akin_index_options options;
    akin_index *index = NULL;
    akin_index_options_default(&options);
    options.dim = DIM;
    snprintf(path, sizeof path, "%s/index/instant", dir);
    akin_status status = akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, err);
    for (uint32_t scene = 1; scene <= SCENES && status == AKIN_OK; scene += 50) {
        for (uint32_t i = 0; i < 50 * SCENE_ROWS; i++)
            make_row(scene + i / SCENE_ROWS, i % SCENE_ROWS, i);
        status = akin_index_add(index, columns, vectors[0], 50 * SCENE_ROWS, err);
    }
    akin_index_close(index);
    return status;
}

static akin_status make_collection(const char *dir, akin_error *err)
{
    akin_catalog *catalog = NULL;
    akin_status status = akin_catalog_create(dir, NULL, err);
    if (status == AKIN_OK)
        status = akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err);
    if (status == AKIN_OK)
        status = add_scenes(catalog, err);
    if (status == AKIN_OK)
        status = add_rows(dir, err);
    akin_catalog_close(catalog);
    return status;
}

int main(int argc, char **argv)
{
    char base[] = "/tmp/akin-bench-XXXXXX", dir[64];
    double seconds[RUNS_MAX];
    akin_error err = {0};
    long runs = argc > 2 ? strtol(argv[2], NULL, 10) : 21;
    if (argc < 2 || runs < 1 || runs > RUNS_MAX || !mkdtemp(base)) {
        fprintf(stderr, "usage: bench_status AKIN [RUNS]\n");
        return 2;
    }
    snprintf(dir, sizeof dir, "%s/c", base);
    char words[][8] = {"status", "--json"};
    char *const status[] = {argv[1], words[0], dir, words[1], NULL};
    bool made = make_collection(dir, &err) == AKIN_OK;
    for (long r = 0; made && r < runs; r++)
        if ((seconds[r] = bench_command(status, NULL)) < 0)
            made = false;
    bench_remove(base);
    if (!made) {
        fprintf(stderr, "bench_status: %s\n", err.text);
        return 1;
    }
    printf("1,000,000 tiles in 5,000 scenes, whole process, median of %ld runs\n\n", runs);
    printf("| what | ms |\n| --- | --- |\n| akin status --json, asked: under 50 | %.1f |\n",
           1e3 * bench_median(seconds, (size_t)runs));
    return 0;
}
