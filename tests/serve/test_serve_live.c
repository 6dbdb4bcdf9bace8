/*
 * A server that lives on: its collections grow and change their encoder, pictures come from memory the
 * second time, many ask at once, and it stops without dropping what it has begun.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "world.h"

static void nap(long ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static int64_t number_at(const akin_json *tree, const char *key)
{
    int64_t out = -1;
    (void)akin_json_get_integer(&out, tree, key, 0, INT64_C(1) << 53, "answer", NULL);
    return out;
}

/* Rows of the first collection's index as the server sees it; -1 where it cannot tell. */
static int64_t rows_served(unsigned port)
{
    akin_json *status = get_tree(port, "/status");
    const akin_json *index =
        akin_json_get(akin_json_at(akin_json_get(status, "collections"), 0), "index");
    const int64_t rows = index ? number_at(index, "rows") : -1;
    akin_json_free(status);
    return rows;
}

/* ---- growing ---- */

struct asker {
    unsigned port;
    atomic_bool stop;
    int good, bad;
};

static void *ask_on(void *user)
{
    struct asker *asker = user;
    while (!asker->stop) {
        struct http_answer answer = post_json(
            asker->port, "/search",
            "{\"limit\":5,\"akin\":{\"k\":50,\"like\":[{\"tile\":\"0000000100000000\"}]}}");
        *(answer.status == 200 ? &asker->good : &asker->bad) += 1;
        answer_free(&answer);
        answer = get(asker->port, "/tiles/0000000100000000.jpg?size=24");
        *(answer.status == 200 ? &asker->good : &asker->bad) += 1;
        answer_free(&answer);
    }
    return NULL;
}

TEST(a_collection_grows_and_changes_its_encoder_while_it_is_served)
{
    char dir[AKIN_PATH_MAX];
    const char *dirs[] = {dir};
    akin_server *server = NULL;
    struct akin_server_options options;
    serve_options(&options);
    options.refresh_ms = 50;
    REQUIRE_OK(make_world(dir, err));
    REQUIRE_OK(akin_server_start(&server, dirs, 1, &options, err));
    struct asker asker = {.port = port_of(server)};
    /* Nothing yet: said, not failed. */
    struct http_answer answer = get(asker.port, "/readyz");
    CHECK_EQ(answer.status, 503);
    answer_free(&answer);
    answer = get(asker.port, "/search?limit=1");
    CHECK_EQ(answer.status, 200);
    CHECK_CONTAINS(answer.body ? answer.body : "", "\"numberReturned\":0");
    answer_free(&answer);
    answer = get(asker.port, "/collections/world/items");
    CHECK_EQ(answer.status, 503);
    CHECK_CONTAINS(answer.body ? answer.body : "", "akin add");
    answer_free(&answer);

    REQUIRE_OK(add_months(dir, 1, 1, err));
    int64_t rows = -1;
    for (int i = 0; i < 400 && rows <= 0; i++, nap(25))
        rows = rows_served(asker.port);
    CHECK(rows > 0);
    answer = get(asker.port, "/readyz");
    CHECK_EQ(answer.status, 200);
    answer_free(&answer);

    pthread_t thread;
    REQUIRE(!pthread_create(&thread, NULL, ask_on, &asker));
    REQUIRE_OK(add_months(dir, 2, 3, err));
    int64_t more = 0;
    for (int i = 0; i < 400 && more < 3 * rows; i++, nap(25))
        more = rows_served(asker.port);
    CHECK_EQ(more, 3 * rows);
    struct akin_embed_options embed = {.threads = 1};
    REQUIRE_OK(akin_embed(dir, &embed, NULL, err));
    bool changed = false;
    for (int i = 0; i < 400 && !changed; i++, nap(25)) {
        answer = get(asker.port, "/status");
        changed = answer.body && strstr(answer.body, "\"model\":\"instant-2\"");
        answer_free(&answer);
    }
    CHECK(changed);
    asker.stop = true;
    pthread_join(thread, NULL);
    CHECK(asker.good > 0);
    CHECK_EQ(asker.bad, 0);
    /* The one before answers by its name. */
    answer =
        post_json(asker.port, "/search",
                  "{\"akin\":{\"model\":\"instant\",\"like\":[{\"tile\":\"0000000100000000\"}]}}");
    CHECK_EQ(answer.status, 200);
    CHECK_CONTAINS(answer.body ? answer.body : "", "\"model\":\"instant\"");
    answer_free(&answer);
    akin_server_stop(server);
}

/* ---- many at once ---- */

struct comparer {
    unsigned port;
    char *wanted[8];
    int wrong, busy;
};

static char *question_text(int i, char out[256])
{
    snprintf(out, 256,
             "{\"limit\":30,\"akin\":{\"like\":[{\"tile\":\"00000001%08x\"}],\"unlike\":[{\"tile\":"
             "\"0000000100000000\"}]}}",
             0x4001u * (unsigned)(1 + i % 6) + (unsigned)i / 6);
    return out;
}

/* The answer but for how long it took. */
static char *features_of(struct http_answer *answer)
{
    char *end = answer->body ? strstr(answer->body, "\"akin\":{\"model\"") : NULL;
    return answer->status == 200 && end ? strndup(answer->body, (size_t)(end - answer->body))
                                        : NULL;
}

static void *compare_on(void *user)
{
    struct comparer *comparer = user;
    char text[256];
    for (int i = 0; i < 48; i++) {
        struct http_answer answer =
            post_json(comparer->port, "/search", question_text(i % 8, text));
        char *got = features_of(&answer);
        comparer->wrong += !got || strcmp(got, comparer->wanted[i % 8]) != 0;
        free(got);
        answer_free(&answer);
    }
    return NULL;
}

TEST(many_at_once_get_the_answers_of_one_alone)
{
    enum { THREADS = 6 };
    char dir[AKIN_PATH_MAX], text[256];
    const char *dirs[] = {dir};
    akin_server *server = NULL;
    struct akin_server_options options;
    serve_options(&options);
    options.threads = 4;
    REQUIRE_OK(make_world(dir, err));
    REQUIRE_OK(add_months(dir, 1, 2, err));
    REQUIRE_OK(akin_server_start(&server, dirs, 1, &options, err));
    struct comparer comparers[THREADS] = {{.port = port_of(server)}};
    for (int i = 0; i < 8; i++) {
        struct http_answer answer = post_json(port_of(server), "/search", question_text(i, text));
        REQUIRE(comparers[0].wanted[i] = features_of(&answer));
        CHECK(!i || strcmp(comparers[0].wanted[i], comparers[0].wanted[i - 1]) != 0);
        answer_free(&answer);
    }
    pthread_t threads[THREADS];
    for (int i = 1; i < THREADS; i++)
        comparers[i] = comparers[0];
    for (int i = 0; i < THREADS; i++)
        REQUIRE(!pthread_create(&threads[i], NULL, compare_on, &comparers[i]));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_EQ(comparers[i].wrong, 0);
    }
    for (int i = 0; i < 8; i++)
        free(comparers[0].wanted[i]);
    akin_server_stop(server);
}

/* ---- pictures ---- */

static akin_status decode_png(const struct http_answer *answer, struct akin_raster *out,
                              akin_error *err)
{
    akin_source *source = NULL;
    const uint32_t bands[3] = {0, 1, 2};
    akin_status status =
        akin_source_open_memory(&source, answer->body, answer->size, "answer.png", NULL, err);
    if (status == AKIN_OK) {
        const struct akin_source_info *info = akin_source_info(source);
        const struct akin_window all = {0, 0, info->width, info->height};
        status = akin_source_read(source, all, bands, 3, out, err);
    }
    akin_source_close(source);
    return status;
}

TEST(pictures_come_from_memory_the_second_time_and_not_at_all_where_the_client_has_them)
{
    char dir[AKIN_PATH_MAX], etag[128] = "", headers[256];
    const char *dirs[] = {dir};
    akin_server *server = NULL;
    struct akin_server_options options;
    serve_options(&options);
    REQUIRE_OK(make_world(dir, err));
    REQUIRE_OK(add_months(dir, 1, 1, err));
    REQUIRE_OK(akin_server_start(&server, dirs, 1, &options, err));
    const unsigned port = port_of(server);
    static const char *const paths[] = {
        "/tiles/0000000100004001.jpg", "/tiles/0000000100004001.jpg?size=20",
        "/chips/0000000100004001",     "/chips/0000000100004001?raw=true",
        "/scenes/1/0/0/0.jpg",         "/scenes/1/1/2/1.png?grid=WorldCRS84Quad"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct http_answer first = get(port, paths[i]), second = get(port, paths[i]);
        REQUIRE(first.status == 200 && second.status == 200);
        CHECK(first.size > 100 && first.size == second.size &&
              !memcmp(first.body, second.body, first.size));
        const char *at = strstr(first.text, "ETag: ");
        REQUIRE(at && sscanf(at, "ETag: %100s", etag) == 1);
        CHECK_CONTAINS(first.text, "Cache-Control: private, max-age=");
        snprintf(headers, sizeof headers, "If-None-Match: \"x\", %s\r\n", etag);
        struct http_answer third = ask_http(port, "GET", paths[i], headers, NULL, 0);
        CHECK_EQ(third.status, 304);
        CHECK_EQ(third.size, 0);
        answer_free(&first);
        answer_free(&second);
        answer_free(&third);
    }
    akin_json *status = get_tree(port, "/status");
    const akin_json *cache = akin_json_get(status, "picture_cache");
    CHECK_EQ(number_at(cache, "pictures"), 6);
    CHECK_EQ(number_at(cache, "hits"), 12);
    CHECK_EQ(number_at(cache, "misses"), 6);
    akin_json_free(status);
    struct http_answer small = get(port, paths[1]);
    struct akin_raster raster = {0};
    REQUIRE_OK(akin_jpeg_decode(small.body, small.size, 10000, &raster, err));
    CHECK_EQ(raster.width, 20);
    CHECK_EQ(raster.height, 20);
    akin_raster_fini(&raster);
    answer_free(&small);
    struct http_answer heat =
        get(port, "/similarity/"
                  "0000000100004001?to=0000000100000002,0000000100000004&unlike=0000000100000006");
    CHECK_EQ(heat.status, 200);
    REQUIRE_OK(decode_png(&heat, &raster, err));
    CHECK_EQ(raster.width, 256);
    CHECK_EQ(raster.height, 256);
    akin_raster_fini(&raster);
    answer_free(&heat);
    akin_server_stop(server);
}

/* The map of the world against the picture that it was made of. */
TEST(map_tiles_show_the_scene_where_it_is)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    const char *dirs[] = {dir};
    akin_server *server = NULL;
    struct akin_server_options options;
    akin_source *source = NULL;
    struct akin_raster scene = {0};
    const uint32_t bands[3] = {0, 1, 2};
    serve_options(&options);
    REQUIRE_OK(make_world(dir, err));
    REQUIRE_OK(add_months(dir, 1, 1, err));
    path_of(path, "2004-01.png");
    REQUIRE_OK(akin_source_open(&source, path, NULL, err));
    REQUIRE_OK(
        akin_source_read(source, (struct akin_window){0, 0, 256, 128}, bands, 3, &scene, err));
    akin_source_close(source);
    REQUIRE_OK(akin_server_start(&server, dirs, 1, &options, err));
    akin_json *tilejson = get_tree(port_of(server), "/scenes/1/tiles.json?grid=WorldCRS84Quad");
    CHECK_EQ(number_at(tilejson, "maxzoom"), 0);
    akin_json_free(tilejson);
    double sum = 0, shifted = 0;
    for (int half = 0; half < 2; half++) {
        char square[64];
        snprintf(square, sizeof square, "/scenes/1/0/%d/0.png?grid=WorldCRS84Quad", half);
        struct http_answer answer = get(port_of(server), square);
        struct akin_raster map = {0};
        REQUIRE(answer.status == 200);
        REQUIRE_OK(decode_png(&answer, &map, err));
        CHECK(!map.valid || !memchr(map.valid, 0, 256 * 256));
        for (uint32_t y = 0; y < 256; y++)
            for (uint32_t x = 0; x < 256; x++)
                for (uint32_t b = 0; b < 3; b++) {
                    const uint8_t *to = (const uint8_t *)map.pixels + (y * 256 + x) * 3;
                    const uint8_t *from = (const uint8_t *)scene.pixels;
                    const uint32_t sx = (x + 256u * (uint32_t)half) / 2, sy = y / 2;
                    sum += fabs((double)to[b] - from[(sy * 256 + sx) * 3 + b]);
                    shifted += fabs((double)to[b] - from[(sy * 256 + (sx + 2) % 256) * 3 + b]);
                }
        akin_raster_fini(&map);
        answer_free(&answer);
    }
    /* What JPEG changes, and much less than two pixels aside. */
    CHECK(sum / (2 * 256 * 256 * 3) < 6);
    CHECK(shifted > 2 * sum);
    akin_raster_fini(&scene);
    akin_server_stop(server);
}

/* ---- stopping ---- */

struct last_one {
    unsigned port;
    struct http_answer answer;
};

static void *ask_much(void *user)
{
    struct last_one *last = user;
    last->answer = post_json(
        last->port, "/search",
        "{\"limit\":10000,\"akin\":{\"k\":10000,\"like\":[{\"tile\":\"0000000100000000\"}]}}");
    return NULL;
}

TEST(stopping_answers_what_was_begun)
{
    enum { THREADS = 8 };
    char dir[AKIN_PATH_MAX];
    const char *dirs[] = {dir};
    akin_server *server = NULL;
    struct akin_server_options options;
    pthread_t threads[THREADS];
    struct last_one lasts[THREADS];
    serve_options(&options);
    options.threads = 1;
    REQUIRE_OK(make_world(dir, err));
    REQUIRE_OK(add_months(dir, 1, 4, err));
    REQUIRE_OK(akin_server_start(&server, dirs, 1, &options, err));
    const unsigned port = port_of(server);
    for (int i = 0; i < THREADS; i++) {
        lasts[i] = (struct last_one){.port = port};
        REQUIRE(!pthread_create(&threads[i], NULL, ask_much, &lasts[i]));
    }
    /* As soon as the server has begun with one, so that others are at every stage. */
    for (int i = 0; i < 1000; i++) {
        struct http_answer metrics = get(port, "/metrics");
        const bool begun =
            metrics.body && strstr(metrics.body, "method=\"POST\",route=\"/search\"");
        answer_free(&metrics);
        if (begun)
            break;
        nap(1);
    }
    akin_server_stop(server);
    int whole = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        const struct http_answer *answer = &lasts[i].answer;
        /* All of it, or a clear no, or no connection at all: never a piece. */
        CHECK(answer->status == 200 || answer->status == 503 || answer->status == 0);
        if (answer->status == 200) {
            akin_json *tree = tree_of(answer);
            CHECK(tree);
            akin_json_free(tree);
            whole++;
        }
        answer_free(&lasts[i].answer);
    }
    CHECK(whole > 0);
    CHECK(dial(port) < 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
