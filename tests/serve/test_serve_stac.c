/*
 * What a STAC client sees, and that searches over HTTP answer as the library does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/search.h"
#include "world.h"

struct served {
    char dir[AKIN_PATH_MAX];
    akin_server *server;
    unsigned port;
};

static akin_status serve_world(struct served *served, akin_error *err)
{
    const char *dirs[] = {served->dir};
    struct akin_server_options options;
    serve_options(&options);
    akin_status status = make_world(served->dir, err);
    if (status == AKIN_OK)
        status = add_months(served->dir, 1, 2, err);
    if (status == AKIN_OK)
        status = akin_server_start(&served->server, dirs, 1, &options, err);
    if (status == AKIN_OK)
        served->port = port_of(served->server);
    return status;
}

TEST(the_landing_page_leads_to_everything)
{
    struct served served;
    REQUIRE_OK(serve_world(&served, err));
    akin_json *landing = get_tree(served.port, "/");
    REQUIRE(landing);
    CHECK_TEXT(akin_json_text_value(akin_json_get(landing, "type")), "Catalog");
    static const char *const rels[] = {"self",         "conformance", "data",
                                       "service-desc", "search",      "child"};
    for (size_t i = 0; i < sizeof rels / sizeof *rels; i++) {
        const akin_json *one = link_of(landing, rels[i]);
        REQUIRE(one && path_of_link(one));
        struct http_answer answer = get(served.port, path_of_link(one));
        CHECK_EQ(answer.status, 200);
        answer_free(&answer);
    }
    akin_json_free(landing);
    akin_server_stop(served.server);
}

/* Walks `next` links from a path; returns how many items came, each key greater than the one before;
 * 0 where something is wrong. */
static size_t page_through(unsigned port, const char *first, size_t limit)
{
    char path[4096], last[32] = "";
    size_t items = 0;
    snprintf(path, sizeof path, "%s", first);
    for (int pages = 0; pages < 1000; pages++) {
        akin_json *page = get_tree(port, path);
        if (!page)
            return 0;
        const size_t count = akin_json_count(akin_json_get(page, "features"));
        bool fine = count <= limit;
        for (size_t i = 0; i < count && fine; i++) {
            fine = id_at(page, i) && strcmp(id_at(page, i), last) > 0;
            snprintf(last, sizeof last, "%s", fine ? id_at(page, i) : "");
        }
        items += count;
        const akin_json *next = link_of(page, "next");
        if (next)
            snprintf(path, sizeof path, "%s", path_of_link(next));
        akin_json_free(page);
        if (!fine)
            return 0;
        if (!next)
            return items;
    }
    return 0;
}

TEST(a_plain_client_pages_through_all_items)
{
    struct served served;
    REQUIRE_OK(serve_world(&served, err));
    akin_json *collection = get_tree(served.port, "/collections/world");
    REQUIRE(collection);
    int64_t tiles = 0;
    REQUIRE_OK(akin_json_get_integer(&tiles, akin_json_get(collection, "akin"), "tiles", 1, 10000,
                                     "collection", err));
    akin_json_free(collection);
    CHECK_EQ(page_through(served.port, "/collections/world/items?limit=7", 7), tiles);
    CHECK_EQ(page_through(served.port, "/search?limit=10", 10), tiles);
    CHECK_EQ(page_through(served.port, "/search?limit=1000&collections=world", 1000), tiles);
    /* Half of them are of one month. */
    CHECK_EQ(page_through(served.port, "/search?limit=9&datetime=2004-02", 9), tiles / 2);
    CHECK_EQ(page_through(served.port, "/collections/world/items?limit=9&datetime=2004-01", 9),
             tiles / 2);
    /* North-western quarter, as a box and as a polygon that is that box. */
    const size_t box = page_through(served.port, "/search?limit=9&bbox=-179,1,-1,89", 9);
    CHECK(box > 0 && box < (size_t)tiles);
    CHECK_EQ(
        page_through(served.port,
                     "/search?limit=9&intersects=%7B%22type%22:%22Polygon%22,%22coordinates%22:"
                     "[[[-179,1],[-1,1],[-1,89],[-179,89],[-179,1]]]%7D",
                     9),
        box);
    /* A triangle of half of it has fewer. */
    const size_t half =
        page_through(served.port,
                     "/search?limit=9&intersects=%7B%22type%22:%22Polygon%22,%22coordinates%22:"
                     "[[[-179,1],[-1,1],[-179,89],[-179,1]]]%7D",
                     9);
    CHECK(half > 0 && half < box);
    akin_server_stop(served.server);
}

TEST(an_item_has_what_stac_wants)
{
    struct served served;
    REQUIRE_OK(serve_world(&served, err));
    akin_json *page = get_tree(served.port, "/search?limit=1&datetime=2004-02");
    REQUIRE(page && id_at(page, 0));
    char path[256];
    snprintf(path, sizeof path, "/collections/world/items/%s", id_at(page, 0));
    akin_json *item = get_tree(served.port, path);
    REQUIRE(item);
    const akin_json *properties = akin_json_get(item, "properties");
    CHECK_TEXT(akin_json_text_value(akin_json_get(item, "stac_version")), "1.0.0");
    CHECK_TEXT(akin_json_text_value(akin_json_get(properties, "datetime")), "2004-02-01T00:00:00Z");
    CHECK_TEXT(akin_json_text_value(akin_json_get(properties, "end_datetime")),
               "2004-02-29T23:59:59.999Z");
    CHECK_TEXT(akin_json_text_value(akin_json_get(properties, "time")), "2004-02");
    CHECK_TEXT(akin_json_text_value(akin_json_get(properties, "title")), "2004-02.png");
    CHECK(!akin_json_get(properties, "uri")); /* a path of this machine */
    CHECK(!akin_json_get(properties, "score"));
    CHECK_EQ(akin_json_count(akin_json_get(item, "bbox")), 4);
    CHECK_TEXT(akin_json_text_value(akin_json_get(akin_json_get(item, "geometry"), "type")),
               "Polygon");
    const akin_json *thumbnail = akin_json_get(akin_json_get(item, "assets"), "thumbnail");
    struct http_answer picture = get(served.port, path_of_link(thumbnail));
    CHECK_EQ(picture.status, 200);
    CHECK_CONTAINS(picture.text, "Content-Type: image/jpeg");
    answer_free(&picture);
    struct http_answer source = get(served.port, path_of_link(link_of(item, "source")));
    CHECK_EQ(source.status, 200);
    answer_free(&source);
    akin_json_free(item);
    akin_json_free(page);
    akin_server_stop(served.server);
}

TEST(ids_are_found_in_their_order_once)
{
    struct served served;
    REQUIRE_OK(serve_world(&served, err));
    akin_json *page = get_tree(served.port, "/search?limit=5");
    REQUIRE(page && id_at(page, 4));
    char body[512];
    snprintf(body, sizeof body,
             "{\"limit\":2,\"ids\":[\"%s\",\"%s\",\"%s\",\"%s\",\"ffffffff00000000\"]}",
             id_at(page, 3), id_at(page, 1), id_at(page, 1), id_at(page, 4));
    struct http_answer answer = post_json(served.port, "/search", body);
    akin_json *found = tree_of(&answer);
    REQUIRE(found);
    CHECK_EQ(akin_json_count(akin_json_get(found, "features")), 2);
    CHECK_TEXT(id_at(found, 0), id_at(page, 1));
    CHECK_TEXT(id_at(found, 1), id_at(page, 3));
    const akin_json *next = link_of(found, "next");
    CHECK_TEXT(akin_json_text_value(akin_json_get(akin_json_get(next, "body"), "page")), "2");
    answer_free(&answer);
    akin_json_free(found);
    akin_json_free(page);
    akin_server_stop(served.server);
}

/* ---- as the library answers ---- */

static akin_status library_answers(const char *dir, const struct akin_example *example, size_t k,
                                   bool collapse, struct akin_answers *answers, akin_error *err)
{
    akin_engine *engine = NULL;
    struct akin_question question;
    akin_question_init(&question);
    question.k = k;
    question.collapse_place = collapse;
    akin_status status = akin_engine_open(&engine, dir, NULL, err);
    if (status == AKIN_OK)
        status = akin_question_add(&question, engine, example, err);
    if (status == AKIN_OK)
        status = akin_ask(engine, &question, answers, err);
    akin_question_fini(&question);
    akin_engine_close(engine);
    return status;
}

static bool same_answers(const akin_json *tree, const struct akin_answers *answers, size_t from)
{
    const size_t count = akin_json_count(akin_json_get(tree, "features"));
    for (size_t i = 0; i < count; i++) {
        const akin_json *one = akin_json_at(akin_json_get(tree, "features"), i);
        char key[AKIN_TILE_KEY_TEXT_MAX];
        double score = 0;
        if (from + i >= answers->count ||
            !akin_json_number_value(&score,
                                    akin_json_get(akin_json_get(one, "properties"), "score")))
            return false;
        akin_tile_key_format(key, answers->answers[from + i].key);
        if (strcmp(key, id_at(tree, i)) != 0 ||
            fabs(score - (double)answers->answers[from + i].score) > 1e-6)
            return false;
    }
    return true;
}

TEST(a_search_by_tile_answers_as_the_library_does_on_every_page)
{
    struct served served;
    struct akin_answers answers = {0};
    REQUIRE_OK(serve_world(&served, err));
    akin_json *some = get_tree(served.port, "/search?limit=20");
    REQUIRE(some && id_at(some, 19));
    char body[512];
    struct akin_example example = {.kind = AKIN_EXAMPLE_TILE};
    REQUIRE_OK(akin_tile_key_parse(&example.key, id_at(some, 19), err));
    for (int collapse = 0; collapse < 2; collapse++) {
        REQUIRE_OK(library_answers(served.dir, &example, 23, collapse, &answers, err));
        size_t seen = 0;
        char page[64] = "";
        do {
            snprintf(body, sizeof body,
                     "{\"limit\":7%s%s%s,\"akin\":{\"like\":[{\"tile\":\"%s\"}],\"k\":23,"
                     "\"explain\":true%s}}",
                     page[0] ? ",\"page\":\"" : "", page, page[0] ? "\"" : "", id_at(some, 19),
                     collapse ? ",\"collapse\":\"place\"" : "");
            struct http_answer answer = post_json(served.port, "/search", body);
            akin_json *tree = answer.status == 200 ? tree_of(&answer) : NULL;
            REQUIRE(tree);
            CHECK(same_answers(tree, &answers, seen));
            seen += akin_json_count(akin_json_get(tree, "features"));
            const akin_json *next = link_of(tree, "next");
            const char *text =
                akin_json_text_value(akin_json_get(akin_json_get(next, "body"), "page"));
            snprintf(page, sizeof page, "%s", text ? text : "");
            CHECK(akin_json_get(akin_json_get(tree, "akin"), "explain"));
            akin_json_free(tree);
            answer_free(&answer);
        } while (page[0]);
        CHECK_EQ(seen, answers.count);
        CHECK_EQ(seen, 23);
        akin_answers_free(&answers);
    }
    akin_json_free(some);
    akin_server_stop(served.server);
}

static char *base64_of(const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = calloc(size / 3 * 4 + 8, 1), *at = out;
    for (size_t i = 0; i < size; i += 3) {
        unsigned group = (unsigned)bytes[i] << 16;
        group |= i + 1 < size ? (unsigned)bytes[i + 1] << 8 : 0;
        group |= i + 2 < size ? bytes[i + 2] : 0;
        *at++ = digits[group >> 18 & 63];
        *at++ = digits[group >> 12 & 63];
        *at++ = i + 1 < size ? digits[group >> 6 & 63] : '=';
        *at++ = i + 2 < size ? digits[group & 63] : '=';
    }
    return out;
}

TEST(an_uploaded_picture_answers_as_its_file_does)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    akin_server *server = NULL;
    struct akin_server_options options;
    struct akin_answers answers = {0};
    struct akin_buffer bytes;
    serve_options(&options);
    REQUIRE_OK(add_pictures(dir, true, err));
    const char *dirs[] = {dir};
    REQUIRE_OK(akin_server_start(&server, dirs, 1, &options, err));
    path_of(path, "pictures/07.png");
    akin_buffer_init(&bytes, 1 << 20);
    REQUIRE_OK(akin_file_read(&bytes, path, err));
    const struct akin_example example = {
        .kind = AKIN_EXAMPLE_BYTES, .bytes = bytes.data, .size = bytes.size};
    REQUIRE_OK(library_answers(dir, &example, 6, false, &answers, err));

    char *coded = base64_of((const unsigned char *)bytes.data, bytes.size), *json = NULL;
    REQUIRE(asprintf(&json,
                     "{\"akin\":{\"k\":6,\"like\":[{\"image\":\"data:image/png;base64,%s\"}]}}",
                     coded) > 0);
    struct http_answer by_json = post_json(port_of(server), "/search", json);
    akin_json *tree = tree_of(&by_json);
    CHECK_EQ(by_json.status, 200);
    CHECK(same_answers(tree, &answers, 0));
    CHECK_EQ(akin_json_count(akin_json_get(tree, "features")), 6);
    akin_json_free(tree);

    struct akin_buffer form;
    akin_buffer_init(&form, 1 << 21);
    REQUIRE_OK(
        akin_buffer_printf(&form, err,
                           "--XyZ\r\nContent-Disposition: form-data; name=\"search\"\r\n\r\n"
                           "{\"akin\":{\"k\":6}}\r\n--XyZ\r\nContent-Disposition: form-data; "
                           "name=\"like\"; filename=\"a.png\"\r\nContent-Type: "
                           "image/png\r\n\r\n"));
    REQUIRE_OK(akin_buffer_append(&form, bytes.data, bytes.size, err));
    REQUIRE_OK(akin_buffer_printf(&form, err, "\r\n--XyZ--\r\n"));
    struct http_answer by_form =
        ask_http(port_of(server), "POST", "/search",
                 "Content-Type: multipart/form-data; boundary=XyZ\r\n", form.data, form.size);
    tree = tree_of(&by_form);
    CHECK_EQ(by_form.status, 200);
    CHECK(same_answers(tree, &answers, 0));
    CHECK_EQ(akin_json_count(akin_json_get(tree, "features")), 6);
    akin_json_free(tree);

    answer_free(&by_form);
    answer_free(&by_json);
    akin_buffer_fini(&form);
    akin_buffer_fini(&bytes);
    akin_answers_free(&answers);
    free(coded);
    free(json);
    akin_server_stop(server);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
