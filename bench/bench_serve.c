/*
 * What bench/serve asks for a figure at a time, each printed alone on a line:
 *
 *     bench_serve make DIR ROWS          a collection of random unit vectors, 256 numbers each
 *     bench_serve keys DIR N             keys of N random tiles, one a line
 *     bench_serve library DIR KEYS SECONDS THREADS   questions a second, each thread an engine of its own
 *     bench_serve crop IMAGE OUT.jpg PX  its upper left corner
 *     bench_serve upload DIR FILE N      median ms of decoding, encoding and searching, one thread
 *     bench_serve posts PORT FILE N      median ms of the same over HTTP, one connection
 *     bench_serve paced PORT KEYS RATE SECONDS       "P50 P99" ms at so many questions a second
 *     bench_serve soak PORT KEYS N       N requests, valid and hostile; how many went wrong
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "../tests/serve/client.h"
#include "akin/akin.h"
#include "bench.h"

#define DIM 256
#define BATCH 4096
#define LIMIT 20
#define CONNECTIONS 8

static int fail(const akin_error *err)
{
    fprintf(stderr, "bench_serve: %s\n", err->text);
    return 1;
}

/* ---- the collection ---- */

/* An encoder that only says how long a vector is: fitted on noise. */
static akin_status make_model(const char *dir, uint32_t *fingerprint, uint32_t *dim,
                              akin_error *err)
{
    enum { PX = 16, TILES = 16 };
    static uint8_t tiles[TILES][PX * PX];
    const uint8_t *inputs[TILES];
    struct akin_instant_options options;
    akin_model *model = NULL;
    for (int t = 0; t < TILES; t++) {
        inputs[t] = tiles[t];
        for (int i = 0; i < PX * PX; i++)
            tiles[t][i] = (uint8_t)(akin_random_u64(3, (uint64_t)t, (uint64_t)i) >> t % 4);
    }
    akin_instant_options_default(&options, PX, 1);
    options.filters = 128;
    options.rcf_dim = options.histogram_dim = DIM / 2;
    akin_status status =
        akin_instant_fit(&model, "instant", &options, TILES, inputs, NULL, NULL, NULL, NULL, err);
    if (status == AKIN_OK)
        status = akin_model_save(model, dir, err);
    if (status == AKIN_OK) {
        *fingerprint = akin_model_info(model)->fingerprint;
        *dim = akin_model_info(model)->dim;
    }
    akin_model_free(model);
    return status;
}

static akin_status add_rows(akin_index *index, uint32_t scene, uint64_t first, size_t n,
                            uint32_t dim, akin_error *err)
{
    static struct akin_columns columns[BATCH];
    float *vectors = akin_alloc(BATCH, dim * sizeof *vectors);
    if (!vectors)
        return akin_error_memory(err, BATCH * dim * sizeof *vectors, "vectors");
    for (size_t i = 0; i < n; i++) {
        const uint64_t row = first + i;
        columns[i] = (struct akin_columns){
            .begin_ms = INT64_MAX, .end_ms = INT64_MIN, .hilbert = UINT32_MAX};
        columns[i].key = akin_tile_key(scene, 0, (uint32_t)(row >> 12), (uint32_t)row & 4095u);
        for (int c = 0; c < 8; c++)
            columns[i].corner_e7[c] = AKIN_E7_UNKNOWN;
        for (int c = 0; c < 4; c++)
            columns[i].bbox_e7[c] = AKIN_E7_UNKNOWN;
        for (uint32_t d = 0; d < dim; d++)
            vectors[i * dim + d] = (float)akin_random_unit(9, row, d) - 0.5f;
        akin_normalize(vectors + i * dim, dim);
    }
    akin_status status = akin_index_add(index, columns, vectors, n, err);
    akin_free(vectors);
    return status;
}

static int make(const char *dir, uint64_t rows)
{
    akin_error err = {0};
    struct akin_settings settings;
    struct akin_index_options options;
    struct akin_scene scene;
    akin_catalog *catalog = NULL;
    akin_index *index = NULL;
    char path[AKIN_PATH_MAX], uri[] = "/random.png";
    akin_settings_default(&settings);
    settings.bands = 1;
    settings.input_px = 16;
    settings.chips = false;
    akin_index_options_default(&options);
    akin_scene_init(&scene);
    scene.uri = uri;
    scene.state = AKIN_SCENE_EMBEDDED;
    akin_status status = akin_catalog_create(dir, &settings, &err);
    if (status == AKIN_OK)
        status = akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, &err);
    if (status == AKIN_OK)
        status = akin_catalog_scene_add(catalog, &scene, &err);
    akin_catalog_close(catalog);
    if (status == AKIN_OK)
        status = make_model(dir, &options.model, &options.dim, &err);
    if (status == AKIN_OK)
        status = akin_path_join(path, dir, "index/instant", &err);
    if (status == AKIN_OK)
        status = akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, &err);
    for (uint64_t row = 0; row < rows && status == AKIN_OK; row += BATCH)
        status = add_rows(index, scene.id, row, rows - row < BATCH ? rows - row : BATCH,
                          options.dim, &err);
    if (status == AKIN_OK)
        status = akin_index_flush(index, &err);
    akin_index_close(index);
    return status == AKIN_OK ? 0 : fail(&err);
}

static int print_keys(const char *dir, size_t n)
{
    akin_error err = {0};
    akin_engine *engine = NULL;
    uint64_t *keys = akin_alloc(n, sizeof *keys);
    size_t count = 0;
    akin_status status = akin_engine_open(&engine, dir, NULL, &err);
    if (status == AKIN_OK)
        status = akin_index_sample(akin_engine_index(engine), 7, keys, n, &count, &err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        printf("%016llx\n", (unsigned long long)keys[i]);
    akin_free(keys);
    akin_engine_close(engine);
    return status == AKIN_OK ? 0 : fail(&err);
}

/* ---- keys ---- */

struct keys {
    char text[4096][17];
    size_t count;
};
static struct keys keys;

static void read_keys(const char *path)
{
    FILE *file = fopen(path, "r");
    while (file && keys.count < 4096 && fscanf(file, "%16s", keys.text[keys.count]) == 1)
        keys.count++;
    if (file)
        fclose(file);
    if (!keys.count) {
        fprintf(stderr, "bench_serve: no keys in '%s'\n", path);
        exit(1);
    }
}

/* ---- the library alone ---- */

struct asker {
    akin_engine *engine;
    unsigned number;
    double until_s;
    uint64_t asked;
    akin_status status;
    akin_error err;
};

static akin_status ask_tile(akin_engine *engine, const char *key, akin_error *err)
{
    struct akin_question question;
    struct akin_answers answers = {0};
    struct akin_example example = {.kind = AKIN_EXAMPLE_TILE};
    akin_question_init(&question);
    question.k = LIMIT + 1; /* as the server asks: one more tells of a next page */
    akin_status status = akin_tile_key_parse(&example.key, key, err);
    if (status == AKIN_OK)
        status = akin_question_add(&question, engine, &example, err);
    if (status == AKIN_OK)
        status = akin_ask(engine, &question, &answers, err);
    akin_answers_free(&answers);
    akin_question_fini(&question);
    return status;
}

static void *ask_on(void *user)
{
    struct asker *asker = user;
    for (size_t i = asker->number * 97; bench_now_s() < asker->until_s && !asker->status; i++) {
        asker->status = ask_tile(asker->engine, keys.text[i % keys.count], &asker->err);
        asker->asked++;
    }
    return NULL;
}

static int library(const char *dir, double seconds, unsigned threads)
{
    akin_error err = {0};
    akin_engine *base = NULL;
    struct asker askers[64] = {{0}};
    pthread_t ids[64];
    const struct akin_engine_options options = {.threads = 1};
    akin_status status = akin_engine_open(&base, dir, &options, &err);
    threads = threads > 64 ? 64 : threads;
    for (unsigned t = 0; t < threads && status == AKIN_OK; t++)
        status = akin_engine_clone(&askers[t].engine, base, &err);
    const double began = bench_now_s();
    uint64_t asked = 0;
    for (unsigned t = 0; t < threads && status == AKIN_OK; t++) {
        askers[t].number = t;
        askers[t].until_s = began + seconds;
        pthread_create(&ids[t], NULL, ask_on, &askers[t]);
    }
    for (unsigned t = 0; t < threads && status == AKIN_OK; t++) {
        pthread_join(ids[t], NULL);
        asked += askers[t].asked;
    }
    const double took = bench_now_s() - began;
    for (unsigned t = 0; t < threads; t++)
        akin_engine_close(askers[t].engine);
    akin_engine_close(base);
    if (status != AKIN_OK)
        return fail(&err);
    printf("%.1f\n", (double)asked / took);
    return 0;
}

/* ---- uploads ---- */

static int crop(const char *from, const char *to, uint32_t px)
{
    akin_error err = {0};
    akin_source *source = NULL;
    struct akin_raster raster = {0};
    struct akin_buffer jpeg;
    const uint32_t bands[3] = {0, 1, 2};
    akin_buffer_init(&jpeg, 1 << 24);
    akin_status status = akin_source_open(&source, from, NULL, &err);
    if (status == AKIN_OK)
        status =
            akin_source_read(source, (struct akin_window){0, 0, px, px}, bands, 3, &raster, &err);
    if (status == AKIN_OK)
        status = akin_jpeg_encode(&raster, 90, &jpeg, &err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(to, jpeg.data, jpeg.size, &err);
    akin_raster_fini(&raster);
    akin_buffer_fini(&jpeg);
    akin_source_close(source);
    return status == AKIN_OK ? 0 : fail(&err);
}

static int upload(const char *dir, const char *path, size_t n)
{
    akin_error err = {0};
    akin_engine *engine = NULL;
    struct akin_buffer file;
    const struct akin_engine_options options = {.threads = 1};
    double *times = akin_alloc(n, sizeof *times);
    akin_buffer_init(&file, 1 << 24);
    akin_status status = akin_engine_open(&engine, dir, &options, &err);
    if (status == AKIN_OK)
        status = akin_file_read(&file, path, &err);
    for (size_t i = 0; i < n && status == AKIN_OK; i++) {
        struct akin_question question;
        struct akin_answers answers = {0};
        const struct akin_example example = {
            .kind = AKIN_EXAMPLE_BYTES, .bytes = file.data, .size = file.size};
        const double began = bench_now_s();
        akin_question_init(&question);
        question.k = LIMIT + 1;
        status = akin_question_add(&question, engine, &example, &err);
        if (status == AKIN_OK)
            status = akin_ask(engine, &question, &answers, &err);
        akin_answers_free(&answers);
        akin_question_fini(&question);
        times[i] = (bench_now_s() - began) * 1e3;
    }
    if (status == AKIN_OK)
        printf("%.4f\n", bench_median(times, n));
    akin_free(times);
    akin_buffer_fini(&file);
    akin_engine_close(engine);
    return status == AKIN_OK ? 0 : fail(&err);
}

/* One request on an open connection; its status, 0 where the connection is gone. */
static int ask_kept(int fd, const char *head, size_t head_size, const void *body, size_t size)
{
    if (!send_all(fd, head, head_size) || (size && !send_all(fd, body, size)))
        return 0;
    struct http_answer answer = receive(fd, false);
    const int status = answer.status;
    answer_free(&answer);
    return status;
}

static int posts(unsigned port, const char *path, size_t n)
{
    akin_error err = {0};
    struct akin_buffer file, form;
    char head[256];
    double *times = akin_alloc(n, sizeof *times);
    int fd = dial(port), bad = 0;
    akin_buffer_init(&file, 1 << 24);
    akin_buffer_init(&form, 1 << 24);
    if (akin_file_read(&file, path, &err) != AKIN_OK)
        return fail(&err);
    akin_buffer_printf(&form, NULL,
                       "--B\r\nContent-Disposition: form-data; name=\"like\"; "
                       "filename=\"a.jpg\"\r\n\r\n");
    akin_buffer_append(&form, file.data, file.size, NULL);
    akin_buffer_printf(&form, NULL, "\r\n--B--\r\n");
    const int head_size =
        snprintf(head, sizeof head,
                 "POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
                 "boundary=B\r\nContent-Length: %zu\r\n\r\n",
                 form.size);
    for (size_t i = 0; i < n; i++) {
        const double began = bench_now_s();
        bad += ask_kept(fd, head, (size_t)head_size, form.data, form.size) != 200;
        times[i] = (bench_now_s() - began) * 1e3;
    }
    close(fd);
    akin_buffer_fini(&file);
    akin_buffer_fini(&form);
    if (!bad)
        printf("%.4f\n", bench_median(times, n));
    akin_free(times);
    return bad ? 1 : 0;
}

/* ---- paced ---- */

struct pacer {
    unsigned port, number;
    double began_s, until_s, every_s;
    double *times; /* ms */
    size_t count, capacity;
    int bad;
};

static int search_head(char out[512], const char *key)
{
    return snprintf(
        out, 512,
        "GET /search?limit=%d&akin=%%7B%%22like%%22:[%%7B%%22tile%%22:%%22%s%%22%%7D]%%7D "
        "HTTP/1.1\r\nHost: localhost\r\n\r\n",
        LIMIT, key);
}

/* A request whenever it is time, whether or not the one before was quick; how long it took counts from
 * when it was time, so that a stall is not left out. */
static void *pace(void *user)
{
    struct pacer *pacer = user;
    char head[512];
    int fd = dial(pacer->port);
    double due = pacer->began_s + pacer->every_s * pacer->number / CONNECTIONS;
    for (size_t i = pacer->number * 31; due < pacer->until_s && pacer->count < pacer->capacity;
         i++, due += pacer->every_s) {
        const double wait = due - bench_now_s();
        if (wait > 0)
            usleep((useconds_t)(wait * 1e6));
        const int size = search_head(head, keys.text[i % keys.count]);
        pacer->bad += ask_kept(fd, head, (size_t)size, NULL, 0) != 200;
        pacer->times[pacer->count++] = (bench_now_s() - due) * 1e3;
    }
    close(fd);
    return NULL;
}

static int paced(unsigned port, double rate, double seconds)
{
    struct pacer pacers[CONNECTIONS];
    pthread_t ids[CONNECTIONS];
    const size_t each = (size_t)(rate * seconds / CONNECTIONS) + 16;
    double *times = akin_alloc(each * CONNECTIONS, sizeof *times);
    const double began = bench_now_s() + 0.05;
    size_t count = 0;
    int bad = 0;
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        pacers[i] = (struct pacer){
            port, i, began, began + seconds, CONNECTIONS / rate, times + i * each, 0, each, 0};
        pthread_create(&ids[i], NULL, pace, &pacers[i]);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        pthread_join(ids[i], NULL);
        memmove(times + count, pacers[i].times, pacers[i].count * sizeof *times);
        count += pacers[i].count;
        bad += pacers[i].bad;
    }
    if (!bad && count) {
        const double median = bench_median(times, count);
        printf("%.3f %.3f\n", median, times[count * 99 / 100]);
    }
    akin_free(times);
    return bad ? 1 : 0;
}

/* ---- soak ---- */

struct soaker {
    unsigned port, number;
    size_t requests, wrong;
};

/* A request, and what must come of it; 0: nothing needs to. */
static int soak_request(size_t i, char out[2048], size_t *size)
{
    const char *key = keys.text[i * 7 % keys.count];
    static const char json[] = "Content-Type: application/json\r\n";
    const char *body = "{\"akin\":{\"like\":[{\"tile\":\"xyz\"}]}}";
    char good[256];
    switch (i % 12) {
    case 0:
    case 1:
    case 2:
        *size = (size_t)search_head(out, key);
        return 200;
    case 3:
        *size =
            (size_t)snprintf(out, 2048, "GET /collections/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
        return 404;
    case 4:
        *size = (size_t)snprintf(out, 2048, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        return 200;
    case 5:
        *size = (size_t)snprintf(out, 2048,
                                 "POST /search HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: "
                                 "%zu\r\n\r\n%s",
                                 json, strlen(body), body);
        return 400;
    case 6:
        snprintf(good, sizeof good, "{\"limit\":3,\"ids\":[\"%s\"]}", key);
        *size = (size_t)snprintf(out, 2048,
                                 "POST /search HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: "
                                 "%zu\r\n\r\n%s",
                                 json, strlen(good), good);
        return 200;
    case 7:
        *size =
            (size_t)snprintf(out, 2048, "GET /search?limit=5 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        return 200;
    case 8:
        *size = (size_t)snprintf(
            out, 2048, "GET /search?bbox=1,2,3&%.*s HTTP/1.1\r\nHost: localhost\r\n\r\n", 500,
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=1");
        return 400;
    case 9: /* cut off in the middle, and gone */
        *size = (size_t)snprintf(out, 2048,
                                 "POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                                 "900\r\n\r\n{\"akin\":");
        return 0;
    case 10:
        *size = (size_t)snprintf(out, 2048, "\x16\x03\x01\x02 nonsense \r\n\r\n");
        return 0;
    default:
        *size = (size_t)snprintf(out, 2048, "GET /search HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        return 403;
    }
}

static void *soak_on(void *user)
{
    struct soaker *soaker = user;
    char text[2048];
    int fd = -1;
    for (size_t i = 0; i < soaker->requests; i++) {
        size_t size;
        const int wanted = soak_request(i + soaker->number, text, &size);
        if (fd < 0)
            fd = dial(soaker->port);
        if (!wanted) {
            (void)send_all(fd, text, size);
            close(fd);
            fd = -1;
            continue;
        }
        const int got = ask_kept(fd, text, size, NULL, 0);
        soaker->wrong += got != wanted;
        if (wanted == 403 || got != wanted) { /* the server closes */
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static int soak(unsigned port, size_t n)
{
    struct soaker soakers[CONNECTIONS];
    pthread_t ids[CONNECTIONS];
    size_t wrong = 0;
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        soakers[i] = (struct soaker){port, i, n / CONNECTIONS, 0};
        pthread_create(&ids[i], NULL, soak_on, &soakers[i]);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        pthread_join(ids[i], NULL);
        wrong += soakers[i].wrong;
    }
    printf("%zu\n", wrong);
    return wrong != 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const unsigned long a = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    if (!strcmp(what, "make") && argc == 4)
        return make(argv[2], a);
    if (!strcmp(what, "keys") && argc == 4)
        return print_keys(argv[2], a);
    if (!strcmp(what, "crop") && argc == 5)
        return crop(argv[2], argv[3], (uint32_t)strtoul(argv[4], NULL, 10));
    if (!strcmp(what, "upload") && argc == 5)
        return upload(argv[2], argv[3], strtoul(argv[4], NULL, 10));
    const unsigned port = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (!strcmp(what, "posts") && argc == 5)
        return posts(port, argv[3], strtoul(argv[4], NULL, 10));
    if (argc > 3)
        read_keys(argv[3]);
    if (!strcmp(what, "library") && argc == 6)
        return library(argv[2], strtod(argv[4], NULL), (unsigned)strtoul(argv[5], NULL, 10));
    if (!strcmp(what, "paced") && argc == 6)
        return paced(port, strtod(argv[4], NULL), strtod(argv[5], NULL));
    if (!strcmp(what, "soak") && argc == 5)
        return soak(port, strtoul(argv[4], NULL, 10));
    fprintf(stderr, "usage: at the head of bench/bench_serve.c\n");
    return 2;
}
