/*
 * Out of memory anywhere between opening an engine and the last line of its answers: each
 * allocation fails in turn; the result is that status, nothing is lost, and the call that follows
 * works.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "vectors.h"

static akin_status make_few(struct vectors *made, akin_error *err)
{
    akin_status status = vectors_begin(made, check_folder(), err);
    for (int i = 0; status == AKIN_OK && i < 12; i++) {
        char uri[32];
        snprintf(uri, sizeof uri, "/%d.tif", i);
        const uint32_t scene = vectors_scene(made, uri, i % 2 ? "odd" : "even");
        const float numbers[2] = {1, (float)i};
        const struct akin_bbox box = {i, i, i + 2, i + 2};
        status = vectors_add(
            made, vectors_columns(akin_tile_key(scene, 0, 0, 0), box, akin_interval_unknown()),
            numbers, 2, err);
    }
    vectors_end(made);
    return status;
}

/* Everything once, stopping at the first failure. */
static akin_status whole_way(const char *dir, akin_error *err)
{
    akin_engine *engine = NULL;
    struct akin_question question;
    struct akin_answers answers = {0};
    struct akin_buffer text;
    struct akin_engine_options options = {.threads = 2};
    struct akin_eval_options labels = {.labels = "folder"};
    struct akin_eval_result result;
    akin_question_init(&question);
    akin_buffer_init(&text, 1 << 22);
    question.collapse_place = true;
    question.k = 2;
    akin_status status = akin_engine_open(&engine, dir, &options, err);
    for (uint32_t i = 1; status == AKIN_OK && i <= 6; i++) {
        struct akin_example example = {.kind = i % 2 ? AKIN_EXAMPLE_TILE : AKIN_EXAMPLE_POINT,
                                       .unlike = i == 5,
                                       .key = akin_tile_key(i, 0, 0, 0),
                                       .lon_deg = i,
                                       .lat_deg = i,
                                       .time = akin_interval_unknown()};
        status = akin_question_add(&question, engine, &example, err);
    }
    if (status == AKIN_OK)
        status = akin_ask(engine, &question, &answers, err);
    if (status == AKIN_OK)
        status = akin_answers_json(engine, &answers, &text, err);
    if (status == AKIN_OK)
        status = akin_answers_geojson(engine, &answers, &text, err);
    if (status == AKIN_OK)
        status = akin_answers_html(engine, &question, &answers, "title", &text, err);
    if (status == AKIN_OK)
        status = akin_eval(engine, &labels, &result, err);
    akin_buffer_fini(&text);
    akin_answers_free(&answers);
    akin_question_fini(&question);
    akin_engine_close(engine);
    return status;
}

TEST(each_allocation_may_fail)
{
    struct vectors made;
    REQUIRE_OK(make_few(&made, err));
    REQUIRE_OK(whole_way(made.dir, err));
    const size_t used = akin_memory_used();
    long failed = 0, fine = 0; /* fine: in a row; some memory can be done without */
    for (long n = 0; n < 100000 && fine < 200; n++) {
        akin_error error = {0};
        akin_memory_fail_at(n);
        akin_status status = whole_way(made.dir, &error);
        akin_memory_fail_at(-1);
        CHECK_EQ(akin_memory_used(), used);
        fine = status == AKIN_OK ? fine + 1 : 0;
        failed += status != AKIN_OK;
        if (status != AKIN_OK && !CHECK_EQ(status, AKIN_ERR_NO_MEMORY)) {
            CHECK_TEXT(error.text, "");
            break;
        }
    }
    CHECK(failed > 100);
    REQUIRE_OK(whole_way(made.dir, err));
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
