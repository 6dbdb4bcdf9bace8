/*
 * What a hostile, slow or careless client gets: refused in one clear sentence, while others are served.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "world.h"

/* A collection with one month, and a server with these options (address and threads set here). */
static akin_status serve(akin_server **server, struct akin_server_options *options, akin_error *err)
{
    char dir[AKIN_PATH_MAX];
    const char *dirs[] = {dir};
    akin_status status = make_world(dir, err);
    if (status == AKIN_OK)
        status = add_months(dir, 1, 1, err);
    return status == AKIN_OK ? akin_server_start(server, dirs, 1, options, err) : status;
}

/* ---- requests that are refused ---- */

struct refusal {
    const char *method, *path, *headers, *body;
    int status;
    const char *text;
};
#define JSON "Content-Type: application/json\r\n"
#define ONE "{\"akin\":{\"like\":[{\"tile\":\"0000000100000000\"}]"

static const struct refusal refusals[] = {
    {"GET", "/nothing", "", NULL, 404, "there is no '/nothing' here"},
    {"GET", "/tiles/xyz.jpg", "", NULL, 404, "'xyz' is no tile"},
    {"GET", "/tiles/00000001ffffffff.jpg", "", NULL, 404, "00000001ffffffff"},
    {"GET", "/tiles/0000000100000000.jpg?size=9", "", NULL, 400, "size"},
    {"GET", "/tiles/0000000100000000.jpg?size=100000", "", NULL, 400, "size"},
    {"GET", "/tiles/0000000100000000.jpg?collection=mars", "", NULL, 404, "'mars'"},
    {"GET", "/tiles/..%2f..%2f..%2fetc%2fpasswd.jpg", "", NULL, 404, ""},
    {"GET", "/web/../../../etc/passwd", "", NULL, 404, ""},
    {"GET", "/web/%2e%2e/%2e%2e/etc/passwd", "", NULL, 404, ""},
    {"GET", "/chips/0000000100000000?raw=maybe", "", NULL, 400, "true or false"},
    {"GET", "/similarity/0000000100000000", "", NULL, 400, "to=KEY"},
    {"GET", "/similarity/0000000100000000?to=1", "", NULL, 400, "'1'"},
    {"GET", "/collections/mars", "", NULL, 404, "world"},
    {"GET", "/collections/world/items?limit=0", "", NULL, 400, "limit"},
    {"GET", "/collections/world/items?bbox=1,2,3", "", NULL, 400, "bbox"},
    {"GET", "/collections/world/items?datetime=yesterday", "", NULL, 400, "yesterday"},
    {"GET", "/scenes/0", "", NULL, 404, "'0'"},
    {"GET", "/scenes/99", "", NULL, 404, "99"},
    {"GET", "/scenes/1/0/1/0.png", "", NULL, 400, "0/1/0"},
    {"GET", "/scenes/1/33/1/0.png", "", NULL, 400, "33/1/0"},
    {"GET", "/scenes/1/0/0/0.png?grid=Flat", "", NULL, 400, "'Flat'"},
    {"POST", "/tiles/0000000100000000.jpg", "", "", 405, "POST is not possible here, but GET"},
    {"DELETE", "/search", "", "", 405, "GET, POST"},
    {"GET", "/search", JSON, "{}", 400, "takes no body"},
    {"POST", "/search", JSON, "", 400, "the search"},
    {"POST", "/search", JSON, "{", 400, "line 1"},
    {"POST", "/search", JSON, "[1]", 400, "object"},
    {"POST", "/search", "Content-Type: text/plain\r\n", "{}", 415, "'text/plain'"},
    {"POST", "/search", JSON, "{\"boxes\":1}", 400, "'boxes'"},
    {"POST", "/search", JSON, "{\"bbox\":[0,0,1]}", 400, "4 numbers"},
    {"POST", "/search", JSON, "{\"bbox\":[0,91,1,95]}", 400, "bbox"},
    {"POST", "/search", JSON, "{\"limit\":1000000}", 400, "limit"},
    {"POST", "/search", JSON, "{\"page\":\"7.zz\"}", 400, "page"},
    {"POST", "/search", JSON, "{\"ids\":[\"q\"]}", 400, "'q'"},
    {"POST", "/search", JSON, "{\"intersects\":{\"type\":\"Point\"}}", 400, "intersects"},
    {"POST", "/search", JSON, "{\"akin\":{\"like\":[]}}", 400, "no example"},
    {"POST", "/search", JSON, "{\"akin\":{\"like\":[{\"tile\":\"1\"}]}}", 400, "'1'"},
    {"POST", "/search", JSON, "{\"akin\":{\"like\":[{\"image\":\"file:///etc/passwd\"}]}}", 400,
     "not fetched"},
    {"POST", "/search", JSON, "{\"akin\":{\"like\":[{\"image\":\"http://127.0.0.1/a.png\"}]}}", 400,
     "not fetched"},
    {"POST", "/search", JSON, "{\"akin\":{\"like\":[{\"image\":\"QUJD\"}]}}", 422, "not an image"},
    {"POST", "/search", JSON, "{\"akin\":{\"like\":[{\"vector\":[1,2]}]}}", 400, "2 numbers"},
    {"POST", "/search", JSON, ONE ",\"k\":0}}", 400, "k"},
    {"POST", "/search", JSON, ONE ",\"k\":5000}}", 400, "k"}, /* k_max is 2000 here */
    {"POST", "/search", JSON, ONE ",\"threshold\":2}}", 400, "threshold"},
    {"POST", "/search", JSON, ONE ",\"collapse\":\"time\"}}", 400, "collapse"},
    {"POST", "/search", JSON, ONE ",\"model\":\"../x\"}}", 400, ""},
    {"POST", "/search", JSON, ONE ",\"model\":\"other\"}}", 404, "other"},
    {"POST", "/search", JSON, ONE ",\"colour\":1}}", 400, "'colour'"},
    {"POST", "/search", "Content-Type: multipart/form-data\r\n", "x", 400, "boundary"},
    {"POST", "/search", "Content-Type: multipart/form-data; boundary=B\r\n", "--B\r\nx", 400,
     "cut off"},
    {"GET", "/", "Host: evil.example\r\n", NULL, 403, "localhost only"},
    {"GET", "/", "Host: bad host\r\n", NULL, 400, "Host"},
    {"DELETE", "/session", "Origin: http://evil.example\r\n", "", 403, "another site"},
};

TEST(what_is_wrong_is_refused_in_one_clear_sentence)
{
    akin_server *server = NULL;
    struct akin_server_options options;
    serve_options(&options);
    options.k_max = 2000;
    REQUIRE_OK(serve(&server, &options, err));
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *refusal = &refusals[i];
        struct http_answer answer =
            ask_http(port_of(server), refusal->method, refusal->path, refusal->headers,
                     refusal->body, refusal->body ? strlen(refusal->body) : 0);
        akin_json *tree = tree_of(&answer);
        int64_t code = 0;
        const char *text = akin_json_text_value(akin_json_get(tree, "description"));
        if (answer.status != refusal->status || !text || !strstr(text, refusal->text))
            printf("# %s %s %s\n", refusal->method, refusal->path,
                   refusal->body ? refusal->body : "");
        CHECK_EQ(answer.status, refusal->status);
        CHECK_CONTAINS(text ? text : "", refusal->text);
        CHECK(tree && !akin_json_get_integer(&code, tree, "code", 400, 599, "error", NULL));
        CHECK_EQ(code, refusal->status);
        CHECK(akin_json_get(tree, "request_id"));
        CHECK(answer.text && strstr(answer.text, "X-Request-Id: "));
        CHECK(answer.text && strstr(answer.text, "nosniff"));
        CHECK(!answer.text || !strcasestr(answer.text, "Access-Control-"));
        akin_json_free(tree);
        answer_free(&answer);
    }
    akin_server_stop(server);
}

/* Bytes as they are, on one connection; the status of the first answer, 0 where none came. */
static int status_of_bytes(unsigned port, const char *bytes, size_t size)
{
    int fd = dial(port);
    if (fd < 0)
        return -1;
    (void)send_all(fd, bytes, size);
    struct http_answer answer = receive(fd, false);
    const int status = answer.status;
    answer_free(&answer);
    close(fd);
    return status;
}

TEST(requests_that_two_servers_would_read_differently_are_refused)
{
    akin_server *server = NULL;
    struct akin_server_options options;
    serve_options(&options);
    REQUIRE_OK(serve(&server, &options, err));
    static const struct {
        const char *bytes;
        int status;
    } cases[] = {
        {"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         400},
        {"POST /search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
        {"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400},
        {"GET /healthz HTTP/1.1\r\n\r\n", 400},
        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
        /* As a client with no length to tell may send a body. */
        {"POST /search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: "
         "application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
         200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_EQ(status_of_bytes(port_of(server), cases[i].bytes, strlen(cases[i].bytes)),
                 cases[i].status);
    akin_server_stop(server);
}

TEST(bodies_and_headers_have_their_limits)
{
    akin_server *server = NULL;
    struct akin_server_options options;
    serve_options(&options);
    options.body_max = 10000;
    options.pixels_max = 2000;
    REQUIRE_OK(serve(&server, &options, err));
    const unsigned port = port_of(server);
    char *large = malloc(60000);
    memset(large, ' ', 60000);
    struct http_answer answer = ask_http(port, "POST", "/search", JSON, large, 10001);
    CHECK_EQ(answer.status, 413);
    answer_free(&answer);
    answer = ask_http(port, "POST", "/search", JSON, large, 10000); /* read, and no JSON */
    CHECK_EQ(answer.status, 400);
    answer_free(&answer);
    /* Chunked, so that only the reading finds it out. */
    char *chunked = malloc(70000);
    const int head = snprintf(chunked, 70000,
                              "POST /search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                              "chunked\r\n\r\n%x\r\n",
                              15000u);
    memcpy(chunked + head, large, 15000);
    memcpy(chunked + head + 15000, "\r\n0\r\n\r\n", 7);
    CHECK_EQ(status_of_bytes(port, chunked, (size_t)head + 15007), 413);
    /* A header of 60,000 bytes. */
    memset(large, 'x', 60000);
    memcpy(large, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", 37);
    memcpy(large + 59990, "\r\n\r\n", 4);
    CHECK(status_of_bytes(port, large, 59994) >= 400);
    /* A picture of more pixels than are allowed: 64 x 64. */
    char path[AKIN_PATH_MAX];
    struct akin_buffer bytes, form;
    akin_buffer_init(&bytes, 1 << 20);
    akin_buffer_init(&form, 1 << 20);
    path_of(path, "upload.png");
    for (uint32_t side = 40; side <= 64; side += 24) {
        akin_buffer_clear(&form);
        akin_buffer_clear(&bytes);
        REQUIRE_OK(draw(path, 9, side, side / 2, err));
        REQUIRE_OK(akin_file_read(&bytes, path, err));
        REQUIRE_OK(akin_buffer_printf(
            &form, err,
            "--B\r\nContent-Disposition: form-data; name=\"like\"; filename=\"x\"\r\n\r\n"));
        REQUIRE_OK(akin_buffer_append(&form, bytes.data, bytes.size, err));
        REQUIRE_OK(akin_buffer_printf(&form, err, "\r\n--B--\r\n"));
        answer =
            ask_http(port, "POST", "/search", "Content-Type: multipart/form-data; boundary=B\r\n",
                     form.data, form.size);
        CHECK_EQ(answer.status, side == 40 ? 200 : 413);
        if (side == 64)
            CHECK_CONTAINS(answer.body ? answer.body : "", "64 x 32 pixels");
        answer_free(&answer);
    }
    akin_buffer_fini(&bytes);
    akin_buffer_fini(&form);
    free(large);
    free(chunked);
    akin_server_stop(server);
}

/* ---- slow and many clients ---- */

TEST(clients_that_dawdle_are_sent_away_and_nobody_else_waits)
{
    akin_server *server = NULL;
    struct akin_server_options options;
    serve_options(&options);
    options.timeout_ms = 700;
    REQUIRE_OK(serve(&server, &options, err));
    const unsigned port = port_of(server);
    static const char *const starts[] = {
        "", "GET / HT", "GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
        "POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"};
    enum { EACH = 10, KINDS = sizeof starts / sizeof *starts };
    int fds[EACH * KINDS];
    for (int i = 0; i < EACH * KINDS; i++) {
        fds[i] = dial(port);
        REQUIRE(fds[i] >= 0);
        CHECK(send_all(fds[i], starts[i % KINDS], strlen(starts[i % KINDS])));
    }
    /* They go on sending a byte now and then, until the server has had enough. */
    bool gone[EACH * KINDS] = {0};
    int left = EACH * KINDS;
    for (int round = 0; round < 300 && left; round++) {
        const struct timespec nap = {.tv_nsec = 100000000};
        nanosleep(&nap, NULL);
        struct http_answer answer = get(port, "/healthz");
        CHECK_EQ(answer.status, 200);
        answer_free(&answer);
        for (int i = 0; i < EACH * KINDS; i++) {
            char byte;
            if (gone[i])
                continue;
            const bool sent = !starts[i % KINDS][0] || send_all(fds[i], "x", 1);
            gone[i] = !sent || recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0;
            left -= gone[i];
        }
    }
    CHECK_EQ(left, 0);
    for (int i = 0; i < EACH * KINDS; i++)
        close(fds[i]);
    akin_server_stop(server);
}

struct crowd {
    unsigned port;
    int requests, good, busy, other;
    bool retry_after;
};

static void *join_crowd(void *user)
{
    struct crowd *crowd = user;
    for (int i = 0; i < crowd->requests; i++) {
        struct http_answer answer =
            post_json(crowd->port, "/search", ONE ",\"k\":2000},\"limit\":2000}");
        if (answer.status == 429)
            crowd->retry_after = strstr(answer.text, "Retry-After: ") != NULL;
        *(answer.status == 200   ? &crowd->good
          : answer.status == 429 ? &crowd->busy
                                 : &crowd->other) += 1;
        answer_free(&answer);
    }
    return NULL;
}

TEST(too_many_at_once_are_told_to_come_back)
{
    enum { THREADS = 12 };
    akin_server *server = NULL;
    struct akin_server_options options;
    pthread_t threads[THREADS];
    struct crowd crowds[THREADS], all = {0};
    serve_options(&options);
    options.threads = 1;
    options.waiting_max = 1;
    REQUIRE_OK(serve(&server, &options, err));
    for (int i = 0; i < THREADS; i++) {
        crowds[i] = (struct crowd){.port = port_of(server), .requests = 25};
        REQUIRE(!pthread_create(&threads[i], NULL, join_crowd, &crowds[i]));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all.good += crowds[i].good;
        all.busy += crowds[i].busy;
        all.other += crowds[i].other;
        all.retry_after |= crowds[i].retry_after;
    }
    CHECK(all.good > 0);
    CHECK(all.busy > 0);
    CHECK(all.retry_after);
    CHECK_EQ(all.other, 0);
    akin_server_stop(server);
}

/* ---- tokens ---- */

#define READER "read-token-0123456789"
#define WRITER "write-token-0123456789"

static akin_status token_file(char path[AKIN_PATH_MAX], mode_t mode, akin_error *err)
{
    static const char text[] = "# who\nread " READER "\nwrite " WRITER "\n";
    path_of(path, "tokens");
    akin_status status = akin_file_write_atomic(path, text, sizeof text - 1, err);
    if (status == AKIN_OK && chmod(path, mode) != 0)
        status = AKIN_ERR_IO;
    return status;
}

TEST(tokens_open_what_they_are_for)
{
    akin_server *server = NULL;
    struct akin_server_options options;
    char path[AKIN_PATH_MAX], dir[AKIN_PATH_MAX];
    const char *dirs[] = {dir};
    serve_options(&options);
    REQUIRE_OK(make_world(dir, err));
    REQUIRE_OK(add_months(dir, 1, 1, err));
    REQUIRE_OK(token_file(path, 0644, err));
    options.token_file = path;
    akin_error why = {0};
    CHECK_EQ(akin_server_start(&server, dirs, 1, &options, &why), AKIN_ERR_DENIED);
    CHECK_CONTAINS(why.text, "chmod 600");
    REQUIRE_OK(token_file(path, 0600, err));
    REQUIRE_OK(akin_server_start(&server, dirs, 1, &options, err));
    static const struct {
        const char *method, *path, *headers;
        int status;
    } cases[] = {
        {"GET", "/healthz", "", 200},
        {"GET", "/", "", 200},
        {"GET", "/search", "", 401},
        {"GET", "/metrics", "", 401},
        {"GET", "/search", "Authorization: Bearer " READER "\r\n", 200},
        {"GET", "/search", "Authorization: bearer  " WRITER "\r\n", 200},
        {"GET", "/search", "Authorization: Bearer " READER "x\r\n", 401},
        {"GET", "/search", "Authorization: Bearer read-token-012345678\r\n", 401},
        {"GET", "/search", "Authorization: Bearer \r\n", 401},
        {"GET", "/search", "Authorization: Basic " READER "\r\n", 401},
        {"GET", "/search", "Cookie: akin_session=" READER "\r\n", 200},
        {"GET", "/search", "Cookie: akin_session=nobody\r\n", 401},
        /* By a name that is not ours: with tokens that is fine. */
        {"GET", "/search", "Host: tiles.example.org\r\nAuthorization: Bearer " READER "\r\n", 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_answer answer =
            ask_http(port_of(server), cases[i].method, cases[i].path, cases[i].headers, NULL, 0);
        if (answer.status != cases[i].status)
            printf("# case %zu\n", i);
        CHECK_EQ(answer.status, cases[i].status);
        if (answer.status == 401)
            CHECK_CONTAINS(answer.text, "WWW-Authenticate: Bearer");
        answer_free(&answer);
    }
    struct http_answer session =
        post_json(port_of(server), "/session", "{\"token\":\"" WRITER "\"}");
    CHECK_EQ(session.status, 200);
    CHECK_CONTAINS(session.text ? session.text : "", "Set-Cookie: akin_session=" WRITER);
    CHECK_CONTAINS(session.text ? session.text : "", "HttpOnly; SameSite=Strict");
    CHECK_CONTAINS(session.body ? session.body : "", "\"write\"");
    answer_free(&session);
    session = post_json(port_of(server), "/session", "{\"token\":\"wrong-token-0123456789\"}");
    CHECK_EQ(session.status, 401);
    answer_free(&session);
    akin_server_stop(server);
}

TEST(elsewhere_than_on_loopback_only_with_a_token_or_openly)
{
    akin_server *server = NULL;
    struct akin_server_options options;
    akin_error why = {0};
    serve_options(&options);
    options.listen = "0.0.0.0:0";
    CHECK_EQ(serve(&server, &options, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "--token-file");
    options.listen = "127.0.0.1";
    CHECK_EQ(serve(&server, &options, &why), AKIN_ERR_INVALID);
    options.listen = "127.0.0.1:70000";
    CHECK_EQ(serve(&server, &options, &why), AKIN_ERR_INVALID);
    options.listen = "akin.example:80";
    CHECK_EQ(serve(&server, &options, &why), AKIN_ERR_INVALID);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
