/*
 * eval: one query's measures against a plain reference on data full of ties, the whole against
 * cases worked out by hand, and the CSV of labels with its faults.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/search/eval_score.h"
#include "../check.h"
#include "vectors.h"

/* ---- one query ---- */

/* Rank of each other row by counting who comes before it: no sort at all. */
static struct eval_query plain_query(const float *scores, const int32_t *classes, size_t n,
                                     size_t self)
{
    struct eval_query out = {0};
    size_t *ranked = calloc(n, sizeof *ranked), m = n - 1;
    for (size_t i = 0; i < n; i++) {
        size_t before = 0;
        for (size_t j = 0; j < n; j++)
            before += j != self && (scores[j] > scores[i] || (scores[j] == scores[i] && j < i));
        if (i != self)
            ranked[before] = i;
    }
    size_t hits = 0, ten = m < 10 ? m : 10, best = 0, best_votes = 0;
    for (size_t r = 0; r < m; r++)
        if (classes[ranked[r]] == classes[self]) {
            out.ap += (double)++hits / (double)(r + 1);
            out.p_at_10 += r < ten ? 1.0 / (double)ten : 0;
        }
    for (size_t r = 0; r < (m < 5 ? m : 5); r++) {
        size_t votes = 0;
        for (size_t s = 0; s < (m < 5 ? m : 5); s++)
            votes += classes[ranked[s]] == classes[ranked[r]];
        if (votes > best_votes) {
            best_votes = votes;
            best = r;
        }
    }
    out.p_at_1 = classes[ranked[0]] == classes[self];
    out.knn5 = classes[ranked[best]] == classes[self];
    out.has_ap = hits > 0;
    out.ap = hits ? out.ap / (double)hits : 0;
    free(ranked);
    return out;
}

TEST(a_querys_measures_are_those_of_a_plain_count)
{
    enum { N = 300 };
    static float scores[N];
    static int32_t classes[N];
    static struct eval_item a[N], b[N];
    for (uint64_t round = 0; round < 400; round++) {
        const size_t n = 2 + akin_random_below(5, 1, round, N - 2);
        const uint64_t steps = 1 + akin_random_below(5, 2, round, 60); /* few: many ties */
        for (size_t i = 0; i < n; i++) {
            double step = (double)akin_random_below(round, 3, i, 2 * steps + 1) - (double)steps;
            scores[i] = (float)(step / (double)steps);
            if (scores[i] == 0 && i % 2)
                scores[i] = -0.0f;
            classes[i] = (int32_t)akin_random_below(round, 4, i, 1 + round % 9);
        }
        const size_t self = akin_random_below(5, 3, round, n);
        struct eval_query got = eval_score_query(scores, classes, n, self, a, b);
        struct eval_query want = plain_query(scores, classes, n, self);
        CHECK_NEAR(got.p_at_1, want.p_at_1, 0);
        CHECK_NEAR(got.p_at_10, want.p_at_10, 1e-12);
        CHECK_NEAR(got.ap, want.ap, 1e-12);
        CHECK_EQ(got.knn5, want.knn5);
        CHECK_EQ(got.has_ap, want.has_ap);
    }
}

TEST(a_ranking_worked_out_by_hand)
{
    /* Without row 0 the ranking is 3 (B), 1 (A), 4 (A), 2 (B), 5 (C): 1 and 4 share a score. */
    const float scores[] = {1, 0.5f, 0.25f, 0.75f, 0.5f, -0.5f};
    const int32_t classes[] = {0, 0, 1, 1, 0, 2};
    struct eval_item a[6], b[6];
    struct eval_query got = eval_score_query(scores, classes, 6, 0, a, b);
    CHECK_NEAR(got.p_at_1, 0, 0);
    CHECK_NEAR(got.p_at_10, 2.0 / 5, 1e-12);
    CHECK_NEAR(got.ap, (1.0 / 2 + 2.0 / 3) / 2, 1e-12);
    CHECK(!got.knn5); /* A and B have two each; B comes first */
    CHECK(got.has_ap);
    got = eval_score_query(scores, classes, 6, 5, a, b);
    CHECK(!got.has_ap);
    CHECK_NEAR(got.ap, 0, 0);
}

/* ---- the whole ---- */

/* Four corners of a square in the plane, two rows each: labels by row. */
static akin_status make_square(struct vectors *made, const char *const labels[8], akin_error *err)
{
    static const float corners[8][2] = {{1, 0},  {1, 0.01f},  {0, 1},  {0.01f, 1},
                                        {-1, 0}, {-1, 0.01f}, {0, -1}, {0.01f, -1}};
    akin_status status = vectors_begin(made, check_folder(), err);
    for (int i = 0; status == AKIN_OK && i < 8; i++) {
        char uri[64];
        snprintf(uri, sizeof uri, "/pictures/%s/%d.jpg", i < 4 ? "east, \"near\"" : "west", i % 4);
        uint32_t scene = vectors_scene(made, uri, labels[i]);
        status = vectors_add(made,
                             vectors_columns(akin_tile_key(scene, 0, 0, 0), akin_bbox_unknown(),
                                             akin_interval_unknown()),
                             corners[i], 2, err);
    }
    vectors_end(made);
    return status;
}

static akin_status eval_of(const char *dir, const char *labels, unsigned threads,
                           struct akin_eval_result *result, akin_error *err)
{
    akin_engine *engine = NULL;
    struct akin_engine_options options = {.threads = threads};
    struct akin_eval_options eval = {.labels = labels};
    akin_status status = akin_engine_open(&engine, dir, &options, err);
    if (status == AKIN_OK)
        status = akin_eval(engine, &eval, result, err);
    akin_engine_close(engine);
    return status;
}

TEST(folder_labels_of_a_square)
{
    /* A pair a corner, one pair with two labels of its own and one row without any. */
    const char *labels[8] = {"a", "a", "b", "b", "c", "d", "b", NULL};
    struct vectors made;
    struct akin_eval_result result;
    REQUIRE_OK(make_square(&made, labels, err));
    REQUIRE_OK(eval_of(made.dir, "folder", 2, &result, err));
    CHECK_EQ(result.tiles, 7);
    CHECK_EQ(result.classes, 4);
    CHECK_EQ(result.unlabelled, 1);
    CHECK_EQ(result.unknown, 0);
    CHECK_TEXT(result.model, "instant");
    /* Nearest: right for both a, for both b of the pair; c and d take each other, the lone b takes
     * row 0 or 4. */
    CHECK_NEAR(result.p_at_1, 4.0 / 7, 1e-12);
    /* All six others count as the ten: a 1/6 twice, b 2/6 thrice. */
    CHECK_NEAR(result.p_at_10, (2.0 / 6 + 3 * 2.0 / 6) / 7, 1e-12);
    /* a: 1 and 1. The pair of b: first, and the lone b (score near -1) last: (1 + 2/6) / 2 each.
     * The lone b: its pair comes last: (1/5 + 2/6) / 2. c and d have no others. */
    CHECK_NEAR(result.map, (2 + 2 * (1 + 2.0 / 6) / 2 + (1.0 / 5 + 2.0 / 6) / 2) / 5, 1e-12);
}

TEST(the_number_of_threads_changes_nothing)
{
    struct vectors made;
    struct akin_eval_result one, three;
    char label[2] = "a", uri[32];
    REQUIRE_OK(vectors_begin(&made, check_folder(), err));
    for (uint32_t s = 0; s < 20; s++) {
        label[0] = (char)('a' + s % 5);
        snprintf(uri, sizeof uri, "/%u.tif", s);
        const uint32_t scene = vectors_scene(&made, uri, label);
        for (uint32_t i = 0; i < 7; i++) {
            float numbers[8];
            for (uint64_t d = 0; d < 8; d++)
                numbers[d] =
                    (float)akin_random_unit(s % 5, i, d) + 0.3f * (float)akin_random_unit(s, i, d);
            REQUIRE_OK(vectors_add(&made,
                                   vectors_columns(akin_tile_key(scene, 0, 0, i),
                                                   akin_bbox_unknown(), akin_interval_unknown()),
                                   numbers, 8, err));
        }
    }
    vectors_end(&made);
    REQUIRE_OK(eval_of(made.dir, "folder", 1, &one, err));
    REQUIRE_OK(eval_of(made.dir, "folder", 3, &three, err));
    CHECK_EQ(one.tiles, 140);
    CHECK_EQ(one.classes, 5);
    CHECK(one.map > 0.25 && one.map < 1);
    CHECK(!memcmp(&one, &three, sizeof one));
}

static bool stop_at_once(void *user, const struct akin_progress *progress)
{
    uint64_t *total = user;
    *total = progress->total;
    return false;
}

TEST(a_stop_is_obeyed)
{
    const char *labels[8] = {"a", "a", "b", "b", "c", "d", "b", NULL};
    struct vectors made;
    akin_engine *engine = NULL;
    uint64_t total = 0;
    struct akin_talk talk = {.progress = stop_at_once, .user = &total};
    struct akin_eval_options eval = {.labels = "folder", .talk = &talk};
    struct akin_eval_result result = {.tiles = 99};
    REQUIRE_OK(make_square(&made, labels, err));
    REQUIRE_OK(akin_engine_open(&engine, made.dir, NULL, err));
    CHECK_EQ(akin_eval(engine, &eval, &result, NULL), AKIN_ERR_CANCELLED);
    CHECK_EQ(total, 7);
    CHECK_EQ(result.tiles, 99);
    eval.labels = NULL;
    CHECK_EQ(akin_eval(engine, &eval, &result, NULL), AKIN_ERR_INVALID);
    CHECK_EQ(akin_eval(NULL, &eval, &result, NULL), AKIN_ERR_INVALID);
    akin_engine_close(engine);
}

/* ---- labels from a CSV ---- */

static const char *write_csv(const char *dir, const char *text)
{
    static char path[AKIN_PATH_MAX];
    if (akin_path_join(path, dir, "labels.csv", NULL) != AKIN_OK ||
        akin_file_write_atomic(path, text, strlen(text), NULL) != AKIN_OK)
        return "";
    return path;
}

TEST(csv_labels_by_address_and_by_the_end_of_it)
{
    const char *none[8] = {NULL};
    struct vectors made;
    struct akin_eval_result result;
    REQUIRE_OK(make_square(&made, none, err));
    CHECK_EQ(eval_of(made.dir, "folder", 1, &result, NULL), AKIN_ERR_INVALID);
    const char *path = write_csv(made.dir, "\xef\xbb\xbf"
                                           "File,Label\r\n"
                                           "\"/pictures/east, \"\"near\"\"/0.jpg\",ice\r\n"
                                           "\"east, \"\"near\"\"/1.jpg\",ice\n"
                                           "\n"
                                           "west/1.jpg,\"open\nwater\"\n"
                                           "west/0.jpg,\"open\nwater\"\n"
                                           "west/0.jpg,\"open\nwater\"\n"
                                           "est/2.jpg,ice\n"
                                           "9.jpg,ice\n"
                                           "west/3.jpg,");
    REQUIRE_OK(eval_of(made.dir, path, 1, &result, err));
    CHECK_EQ(result.tiles, 4);
    CHECK_EQ(result.classes, 2);
    CHECK_EQ(result.unlabelled, 4);
    CHECK_EQ(result.unknown, 2); /* "est/2.jpg" is not the end of a name from a slash on */
    CHECK_NEAR(result.p_at_1, 1, 0);
    CHECK_NEAR(result.map, 1, 1e-12);
}

TEST(csv_labels_that_contradict_or_are_not_clear)
{
    const char *none[8] = {NULL};
    struct vectors made;
    struct akin_eval_result result;
    akin_error error = {0};
    REQUIRE_OK(make_square(&made, none, err));
    const struct {
        const char *text, *says;
    } cases[] = {
        {"west/1.jpg,a\nwest/2.jpg,b\nwest/1.jpg,c\n", "line 3"},
        {"west/1.jpg,a\n\n1.jpg,b\n", "line 3: '1.jpg' names 2 scenes"},
        {"file,label\nwest/1.jpg\n", "line 2: 1 field where 2 belong"},
        {"west/1.jpg,a\n,b\n", "line 2: no name"},
        {"west/1.jpg,a\n", "1 of 8 tiles have a label"},
        {"", "0 of 8 tiles have a label"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_EQ(eval_of(made.dir, write_csv(made.dir, cases[i].text), 1, &result, &error),
                 AKIN_ERR_INVALID);
        CHECK_CONTAINS(error.text, cases[i].says);
    }
    CHECK_EQ(eval_of(made.dir, "/no/such.csv", 1, &result, &error), AKIN_ERR_NOT_FOUND);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
