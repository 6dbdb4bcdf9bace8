/*
 * Answers as text: JSON lines, GeoJSON, and the contact sheet, with places that are hard to draw
 * and names that would like to be markup.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/search/geojson_rings.h"
#include "../../src/search/html_text.h"
#include "../../src/search/world_map.h"
#include "../check.h"
#include "vectors.h"

#define HOSTILE "/a/<script>alert(1)</script>\"'&\n\xff\xe2\x80\xae.tif"

/* Four tiles in the order of their scores for the question (1, 0, ...). */
static akin_status make_places(struct vectors *made, akin_error *err)
{
    const struct akin_bbox boxes[4] = {
        {10.25, -5.5, 12.5, -3}, {178, 10, -179, 12}, {-180, 60, 180, 90}, akin_bbox_unknown()};
    const char *times[4] = {"2004-01", "2020-09-27T10:30:00Z", "", ""};
    const char *uris[4] = {"/images/one.tif", "/images/two \"quoted\".tif", "/images/pole.tif",
                           HOSTILE};
    const char *labels[4] = {"snow", NULL, "<b>ice", NULL};
    akin_status status = vectors_begin(made, check_folder(), err);
    for (int i = 0; status == AKIN_OK && i < 4; i++) {
        struct akin_interval time = akin_interval_unknown();
        if (*times[i])
            akin_interval_parse(&time, times[i], NULL);
        const uint32_t scene = vectors_scene(made, uris[i], labels[i]);
        const float numbers[2] = {1, 0.25f * (float)i};
        status = vectors_add(made, vectors_columns(akin_tile_key(scene, 0, 1, 2), boxes[i], time),
                             numbers, 2, err);
    }
    vectors_end(made);
    return status;
}

struct asked {
    struct vectors made;
    akin_engine *engine;
    struct akin_question question;
    struct akin_answers answers;
    struct akin_buffer text;
};

static akin_status ask_places(struct asked *asked, akin_error *err)
{
    *asked = (struct asked){0};
    akin_question_init(&asked->question);
    akin_buffer_init(&asked->text, 1 << 22);
    akin_status status = make_places(&asked->made, err);
    if (status == AKIN_OK)
        status = akin_engine_open(&asked->engine, asked->made.dir, NULL, err);
    if (status != AKIN_OK)
        return status;
    float *vector = calloc(asked->made.dim, sizeof *vector);
    vector[0] = 1;
    struct akin_example like = {.kind = AKIN_EXAMPLE_VECTOR, .vector = vector};
    status = akin_question_add(&asked->question, asked->engine, &like, err);
    free(vector);
    return status == AKIN_OK ? akin_ask(asked->engine, &asked->question, &asked->answers, err)
                             : status;
}

static void asked_fini(struct asked *asked)
{
    akin_answers_free(&asked->answers);
    akin_question_fini(&asked->question);
    akin_engine_close(asked->engine);
    akin_buffer_fini(&asked->text);
}

TEST(json_is_one_object_a_line_in_the_order_of_the_design)
{
    struct asked asked;
    REQUIRE_OK(ask_places(&asked, err));
    REQUIRE_OK(akin_answers_json(asked.engine, &asked.answers, &asked.text, err));
    CHECK_TEXT(
        asked.text.data,
        "{\"rank\":1,\"tile\":\"0000000100004002\",\"score\":1,\"uri\":\"/images/one.tif\","
        "\"bbox\":[10.25,-5.5,12.5,-3],\"datetime\":\"2004-01\",\"label\":\"snow\"}\n"
        "{\"rank\":2,\"tile\":\"0000000200004002\",\"score\":0.970215,"
        "\"uri\":\"/images/two \\\"quoted\\\".tif\",\"bbox\":[178,10,-179,12],"
        "\"datetime\":\"2020-09-27T10:30:00Z\",\"label\":null}\n"
        "{\"rank\":3,\"tile\":\"0000000300004002\",\"score\":0.894531,\"uri\":\"/images/pole.tif\","
        "\"bbox\":[-180,60,180,90],\"datetime\":null,\"label\":\"<b>ice\"}\n"
        "{\"rank\":4,\"tile\":\"0000000400004002\",\"score\":0.799805,"
        "\"uri\":\"/a/<script>alert(1)</script>\\\"'&\\n\xef\xbf\xbd\xe2\x80\xae.tif\","
        "\"bbox\":null,\"datetime\":null,\"label\":null}\n");
    asked_fini(&asked);
}

static double number_at(const akin_json *array, size_t i)
{
    double value = NAN;
    akin_json_number_value(&value, akin_json_at(array, i));
    return value;
}

/* Twice the signed area of a GeoJSON ring, NAN where it is not closed. */
static double ring_area(const akin_json *ring)
{
    const size_t n = akin_json_count(ring);
    double area = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        const akin_json *a = akin_json_at(ring, i), *b = akin_json_at(ring, i + 1);
        area += number_at(a, 0) * number_at(b, 1) - number_at(b, 0) * number_at(a, 1);
    }
    const akin_json *first = akin_json_at(ring, 0), *last = akin_json_at(ring, n - 1);
    bool closed = n >= 4 && number_at(first, 0) == number_at(last, 0) &&
                  number_at(first, 1) == number_at(last, 1);
    return closed ? area : NAN;
}

static const char *text_of(const akin_json *object, const char *key)
{
    return akin_json_text_value(akin_json_get(object, key));
}

TEST(geojson_is_a_collection_with_every_kind_of_geometry)
{
    struct asked asked;
    akin_json *root = NULL;
    REQUIRE_OK(ask_places(&asked, err));
    REQUIRE_OK(akin_answers_geojson(asked.engine, &asked.answers, &asked.text, err));
    REQUIRE_OK(akin_json_parse(&root, asked.text.data, asked.text.size, "answers", err));
    CHECK_TEXT(text_of(root, "type"), "FeatureCollection");
    const akin_json *features = akin_json_get(root, "features");
    CHECK_EQ(akin_json_count(features), 4);

    const akin_json *plain = akin_json_at(features, 0);
    const akin_json *geometry = akin_json_get(plain, "geometry");
    CHECK_TEXT(text_of(plain, "type"), "Feature");
    CHECK_TEXT(text_of(plain, "id"), "0000000100004002");
    CHECK_TEXT(text_of(geometry, "type"), "Polygon");
    CHECK_NEAR(ring_area(akin_json_at(akin_json_get(geometry, "coordinates"), 0)), 2 * 2.25 * 2.5,
               1e-6);
    CHECK_NEAR(number_at(akin_json_get(plain, "bbox"), 2), 12.5, 0);
    const akin_json *properties = akin_json_get(plain, "properties");
    CHECK_TEXT(text_of(properties, "datetime"), "2004-01");
    CHECK_TEXT(text_of(properties, "label"), "snow");
    CHECK_TEXT(text_of(properties, "uri"), "/images/one.tif");
    int64_t rank = 0;
    REQUIRE_OK(akin_json_get_integer(&rank, properties, "rank", 1, 9, "properties", err));
    CHECK_EQ(rank, 1);

    geometry = akin_json_get(akin_json_at(features, 1), "geometry");
    CHECK_TEXT(text_of(geometry, "type"), "MultiPolygon");
    const akin_json *polygons = akin_json_get(geometry, "coordinates");
    CHECK_EQ(akin_json_count(polygons), 2);
    CHECK_NEAR(ring_area(akin_json_at(akin_json_at(polygons, 0), 0)), 2 * 2 * 2, 1e-6);
    CHECK_NEAR(ring_area(akin_json_at(akin_json_at(polygons, 1), 0)), 2 * 1 * 2, 1e-6);
    CHECK_NEAR(number_at(akin_json_get(akin_json_at(features, 1), "bbox"), 0), 178, 0);

    geometry = akin_json_get(akin_json_at(features, 2), "geometry");
    CHECK_TEXT(text_of(geometry, "type"), "Polygon");
    CHECK_NEAR(ring_area(akin_json_at(akin_json_get(geometry, "coordinates"), 0)), 2 * 360 * 30,
               1e-6);

    CHECK(akin_json_is_null(akin_json_get(akin_json_at(features, 3), "geometry")));
    CHECK(!akin_json_get(akin_json_at(features, 3), "bbox"));
    akin_json_free(root);
    asked_fini(&asked);
}

TEST(rings_of_turned_tiles_are_cut_at_the_antimeridian)
{
    /* A square on its corner, centre on 180: upper, right, lower, left. */
    struct akin_columns columns =
        vectors_columns(1, (struct akin_bbox){179, -1, -179, 1}, akin_interval_unknown());
    const int32_t corners[8] = {1800000000, 10000000,  -1790000000, 0,
                                1800000000, -10000000, 1790000000,  0};
    memcpy(columns.corner_e7, corners, sizeof corners);
    struct geojson_ring rings[2];
    CHECK_EQ(geojson_rings_make(&columns, rings), 2);
    for (int r = 0; r < 2; r++) {
        double area = 0, low = 999, high = -999;
        for (size_t i = 0; i < rings[r].count; i++) {
            size_t j = (i + 1) % rings[r].count;
            area += rings[r].lon[i] * rings[r].lat[j] - rings[r].lon[j] * rings[r].lat[i];
            low = fmin(low, rings[r].lon[i]);
            high = fmax(high, rings[r].lon[i]);
        }
        CHECK_NEAR(area, 2, 1e-6);
        CHECK_NEAR(low, r ? -180 : 179, 1e-9);
        CHECK_NEAR(high, r ? -179 : 180, 1e-9);
    }
    /* Beside it, and touching it from either side: one ring. */
    const struct akin_bbox whole[] = {{178, 0, 180, 1}, {-180, 0, -178, 1}, {0, 0, 1, 1}};
    for (int i = 0; i < 3; i++) {
        columns = vectors_columns(1, whole[i], akin_interval_unknown());
        CHECK_EQ(geojson_rings_make(&columns, rings), 1);
        CHECK_EQ(rings[0].count, 4);
        for (size_t p = 0; p < 4; p++)
            CHECK(akin_bbox_contains(whole[i], rings[0].lon[p], rings[0].lat[p]));
    }
    columns = vectors_columns(1, (struct akin_bbox){5, 5, 5, 5}, akin_interval_unknown());
    CHECK_EQ(geojson_rings_make(&columns, rings), 1); /* no extent: still its box */
}

/* ---- HTML ---- */

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

TEST(the_contact_sheet_needs_nothing_and_runs_nothing)
{
    struct asked asked;
    REQUIRE_OK(ask_places(&asked, err));
    struct akin_example unlike = {
        .kind = AKIN_EXAMPLE_TILE, .key = akin_tile_key(1, 0, 1, 2), .unlike = true};
    REQUIRE_OK(akin_question_add(&asked.question, asked.engine, &unlike, err));
    REQUIRE_OK(akin_answers_html(asked.engine, &asked.question, &asked.answers,
                                 "</title><script>x</script>", &asked.text, err));
    const char *page = asked.text.data;
    CHECK(!strncmp(page, "<!DOCTYPE html>", 15));
    CHECK_CONTAINS(page, "Content-Security-Policy\" content=\"default-src 'none'");
    CHECK_EQ(count_of(page, "<script"), 0);
    CHECK_EQ(count_of(page, "http://") + count_of(page, "https://"), 0);
    CHECK_EQ(count_of(page, " on"), count_of(page, " on ")); /* no handler attribute */
    CHECK_CONTAINS(page, "&lt;script&gt;alert(1)&lt;");
    CHECK_CONTAINS(page, "<bdi>&lt;b&gt;ice</bdi>");
    CHECK_CONTAINS(page, "&quot;&#39;&amp;\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd.tif");
    CHECK_EQ(count_of(page, "class=\"card\""), 4);
    CHECK_EQ(count_of(page, "class=\"example like\""), 1);
    CHECK_EQ(count_of(page, "class=\"example unlike\""), 1);
    CHECK_EQ(count_of(page, "class=\"dot\""), 3); /* one answer has no place */
    CHECK_EQ(count_of(page, "class=\"ring unlike\""), 1);
    CHECK_EQ(count_of(page, "<img"), 0); /* no chips: boxes with the keys */
    CHECK_CONTAINS(page, "<div class=\"none\">0000000400004002</div>");
    CHECK_CONTAINS(page, "4.2° S, 11.4° E");
    CHECK_CONTAINS(page, "11.0° N, 179.5° E");
    CHECK_EQ(count_of(page, "<svg"), count_of(page, "</svg>"));
    CHECK_EQ(count_of(page, "<li"), count_of(page, "</li>"));
    CHECK(!strcmp(page + asked.text.size - 8, "</html>\n"));
    asked_fini(&asked);
}

TEST(a_sheet_without_places_has_no_map_and_a_full_buffer_is_an_error)
{
    struct asked asked;
    REQUIRE_OK(ask_places(&asked, err));
    struct akin_answers placeless = asked.answers;
    placeless.answers += 3;
    placeless.count = 1;
    REQUIRE_OK(akin_answers_html(asked.engine, NULL, &placeless, NULL, &asked.text, err));
    CHECK_EQ(count_of(asked.text.data, "class=\"map\""), 0);
    CHECK_EQ(count_of(asked.text.data, "class=\"card\""), 1);
    struct akin_buffer small;
    akin_buffer_init(&small, 2000);
    CHECK_EQ(akin_answers_html(asked.engine, NULL, &placeless, NULL, &small, NULL), AKIN_ERR_LIMIT);
    akin_buffer_fini(&small);
    CHECK_EQ(akin_answers_html(NULL, NULL, &placeless, NULL, &small, NULL), AKIN_ERR_INVALID);
    CHECK_EQ(akin_answers_json(asked.engine, NULL, &small, NULL), AKIN_ERR_INVALID);
    CHECK_EQ(akin_answers_geojson(asked.engine, &placeless, NULL, NULL), AKIN_ERR_INVALID);
    CHECK_EQ(akin_engine_picture(asked.engine, 1, 0, &small, NULL), AKIN_ERR_UNSUPPORTED);
    asked_fini(&asked);
}

static const char *escaped(const char *text)
{
    static struct akin_buffer out;
    akin_buffer_fini(&out);
    akin_buffer_init(&out, 4096);
    html_text_append(&out, text, NULL);
    return out.data ? out.data : "";
}

TEST(html_text_of_hostile_bytes)
{
#define BAD "\xef\xbf\xbd"
    CHECK_TEXT(escaped("plain åß漢🛰"), "plain åß漢🛰");
    CHECK_TEXT(escaped("<a href=\"x\">'&amp;"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;");
    CHECK_TEXT(escaped("a\tb\x01\x7f"), "a" BAD "b" BAD BAD);
    CHECK_TEXT(escaped("\xc3"), BAD);
    CHECK_TEXT(escaped("\xc3<"), BAD "&lt;");         /* a cut character eats no markup */
    CHECK_TEXT(escaped("\xf0\x9f\x9b"), BAD BAD BAD); /* nor reads past the end */
    CHECK_TEXT(escaped("\xc0\xbc"), BAD BAD);         /* overlong '<' */
    CHECK_TEXT(escaped("\xe0\x80\xbc"), BAD BAD BAD); /* the same in three */
    CHECK_TEXT(escaped("\xed\xa0\x80"), BAD BAD BAD); /* a surrogate */
    CHECK_TEXT(escaped("\xf4\x90\x80\x80"), BAD BAD BAD BAD);
    CHECK_TEXT(escaped("\xff\xfe"), BAD BAD);
    CHECK_TEXT(escaped("\xc2\x85\xe2\x80\xa8\xe2\x81\xa6"), BAD BAD BAD);
    CHECK_TEXT(escaped(NULL), "");
#undef BAD
}

TEST(base64_as_rfc_4648_has_it)
{
    const char *cases[][2] = {{"", ""},
                              {"f", "Zg=="},
                              {"fo", "Zm8="},
                              {"foo", "Zm9v"},
                              {"foob", "Zm9vYg=="},
                              {"fooba", "Zm9vYmE="},
                              {"foobar", "Zm9vYmFy"},
                              {"\xff\xff\xfe\xfb", "///++w=="}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct akin_buffer out;
        akin_buffer_init(&out, 64);
        REQUIRE_OK(html_text_base64(&out, cases[i][0], strlen(cases[i][0]), err));
        CHECK_TEXT(out.size ? out.data : "", cases[i][1]);
        akin_buffer_fini(&out);
    }
}

TEST(colours_run_from_the_lowest_score_to_the_highest)
{
    char color[WORLD_MAP_COLOR_MAX];
    world_map_color(color, 0.2, 0.2, 0.9);
    CHECK_TEXT(color, "#4a6fa5");
    world_map_color(color, 0.9, 0.2, 0.9);
    CHECK_TEXT(color, "#c83a2b");
    world_map_color(color, 5, 0.2, 0.9);
    CHECK_TEXT(color, "#c83a2b");
    world_map_color(color, 0.5, 0.5, 0.5);
    CHECK_TEXT(color, "#c83a2b");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
