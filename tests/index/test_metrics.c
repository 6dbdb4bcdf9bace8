/*
 * The metrics beside each other: what each refuses to add and why, and that flush, codes, merges, removals and reopening leave
 * the answers those of brute force over the f32 vectors as they were given, which shares no code with the index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cloud.h"

#define DIM 56
#define ROWS (ROWS_SLOW ? 2000u : 6000u)
#define ASKED (ROWS_SLOW ? 48u : 128u)
#define K 10u

static const char *const names[] = {"cosine", "dot", "l2"};

static akin_index *opened(const char *path, enum akin_metric metric)
{
    const struct cloud cloud = {.dim = DIM, .metric = metric};
    return cloud_open(path, &cloud, ROWS / 6, NULL);
}

/* ---- what is refused ---- */

struct refusal {
    float value; /* of one component, all others of its row zero */
    akin_status status[3];
    const char *said[3]; /* cosine, dot, l2; NULL = added */
};

static const struct refusal refusals[] = {
    {NAN,
     {AKIN_ERR_INVALID, AKIN_ERR_INVALID, AKIN_ERR_INVALID},
     {"NaN or infinity", "NaN or infinity", "NaN or infinity"}},
    {INFINITY,
     {AKIN_ERR_INVALID, AKIN_ERR_INVALID, AKIN_ERR_INVALID},
     {"NaN or infinity", "NaN or infinity", "NaN or infinity"}},
    {-INFINITY,
     {AKIN_ERR_INVALID, AKIN_ERR_INVALID, AKIN_ERR_INVALID},
     {"NaN or infinity", "NaN or infinity", "NaN or infinity"}},
    {3e38f, /* its square is beyond f32 */
     {AKIN_ERR_INVALID, AKIN_ERR_INVALID, AKIN_ERR_INVALID},
     {"length", "65504", "65504"}},
    {-65505, {AKIN_ERR_INVALID, AKIN_ERR_INVALID, AKIN_ERR_INVALID}, {"length", "65504", "65504"}},
    {65504, {AKIN_ERR_INVALID, AKIN_OK, AKIN_OK}, {"length", NULL, NULL}},
    {-65504, {AKIN_ERR_INVALID, AKIN_OK, AKIN_OK}, {"length", NULL, NULL}},
    {1.02f, {AKIN_ERR_INVALID, AKIN_OK, AKIN_OK}, {"length", NULL, NULL}},
    {0.98f, {AKIN_ERR_INVALID, AKIN_OK, AKIN_OK}, {"length", NULL, NULL}},
    {1e-30f, {AKIN_ERR_INVALID, AKIN_OK, AKIN_OK}, {"length", NULL, NULL}},
    {1.005f, {AKIN_OK, AKIN_OK, AKIN_OK}, {NULL, NULL, NULL}},
    {-1, {AKIN_OK, AKIN_OK, AKIN_OK}, {NULL, NULL, NULL}},
    {0, {AKIN_OK, AKIN_OK, AKIN_OK}, {NULL, NULL, NULL}},
};

/* Row 0x1002 of three is the odd one: all three or none are added, and the error names it. */
static void check_refusal(akin_index *index, enum akin_metric metric, const struct refusal *odd,
                          size_t at)
{
    struct rows_random random = {1, 0};
    struct akin_index_stats before, after;
    struct akin_columns columns[3];
    float vectors[3 * DIM] = {0};
    akin_error why = {0};
    for (size_t i = 0; i < 3; i++) {
        columns[i] = rows_columns(0x1001 + i, &random);
        vectors[i * DIM + i] = 1;
    }
    vectors[DIM + 1] = 0;
    vectors[DIM + at] = odd->value;
    akin_index_stats(index, &before);
    akin_status status = akin_index_add(index, columns, vectors, 3, &why);
    akin_index_stats(index, &after);
    bool good = CHECK_EQ(status, odd->status[metric]);
    CHECK_EQ(after.rows, before.rows + (status ? 0 : 3));
    if (odd->said[metric]) {
        good &= CHECK_CONTAINS(why.text, odd->said[metric]);
        good &= CHECK_CONTAINS(why.text, "0000000000001002");
    } else if (!status) {
        uint64_t removed = 0;
        REQUIRE_OK(akin_index_remove(index, 0x1001, 0x1003, &removed, err));
        CHECK_EQ(removed, 3);
    }
    if (!good)
        printf("# %s, %g at %zu: %s\n", names[metric], odd->value, at, why.text);
}

TEST(what_a_metric_cannot_hold_is_refused)
{
    for (int metric = 0; metric < 3; metric++) {
        const char *path = check_folder();
        akin_index *index = opened(path, (enum akin_metric)metric);
        REQUIRE(index != NULL);
        for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
            for (size_t at = 0; at < DIM; at += DIM - 1) /* the first component and the last */
                check_refusal(index, (enum akin_metric)metric, &refusals[i], at);
        akin_index_close(index);
        CHECK_EQ(rows_verify(path, true), 0);
    }
}

/* Many components, none of which is too large, whose squares together are beyond f32. */
TEST(scores_of_the_largest_rows_are_finite)
{
    for (int metric = AKIN_METRIC_DOT; metric <= AKIN_METRIC_L2; metric++) {
        akin_index *index = opened(check_folder(), (enum akin_metric)metric);
        struct rows_random random = {2, 0};
        struct akin_columns columns[2] = {rows_columns(1, &random), rows_columns(2, &random)};
        float vectors[2 * DIM];
        struct akin_hit hits[2];
        size_t count = 0;
        for (size_t i = 0; i < DIM; i++)
            vectors[i] = 65504, vectors[DIM + i] = -65504;
        REQUIRE(index != NULL);
        REQUIRE_OK(akin_index_add(index, columns, vectors, 2, err));
        for (int flushed = 0; flushed < 2; flushed++) {
            struct akin_index_query query = {
                .vectors = vectors, .count = 1, .k = 2, .threshold = -INFINITY};
            REQUIRE_OK(akin_index_search(index, &query, hits, &count, NULL, err));
            CHECK_EQ(count, 2);
            CHECK(hits[0].key == 1 && hits[1].key == 2);
            CHECK(isfinite(hits[0].score) && isfinite(hits[1].score));
            REQUIRE_OK(akin_index_flush(index, err));
        }
        akin_index_close(index);
    }
}

/* ---- answers through the life of an index ---- */

/* The vectors as they were given, by key; dead[key] where removed. */
struct truth {
    enum akin_metric metric;
    float *vectors; /* (count, DIM) */
    bool *dead;
    size_t count;
};

static double score_of(const struct truth *truth, size_t row, const float *question)
{
    const float *vector = truth->vectors + row * DIM;
    double sum = 0;
    for (size_t i = 0; i < DIM; i++) {
        double apart = (double)vector[i] - question[i];
        sum += truth->metric == AKIN_METRIC_L2 ? -apart * apart : (double)vector[i] * question[i];
    }
    return sum;
}

static int by_score(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* The score of the K-th best of each question, to be freed. */
static double *bars_of(const struct truth *truth, const float *questions)
{
    double *bars = malloc(ASKED * sizeof *bars), *scores = malloc(truth->count * sizeof *scores);
    for (size_t q = 0; q < ASKED; q++) {
        size_t n = 0;
        for (size_t row = 0; row < truth->count; row++)
            if (!truth->dead[row])
                scores[n++] = score_of(truth, row, questions + q * DIM);
        qsort(scores, n, sizeof *scores, by_score);
        bars[q] = scores[K - 1];
    }
    free(scores);
    return bars;
}

/* The share of the true K best that is found; -1 where a hit is dead or its score is not the row's. f16 rounds a component by
 * 2^-11 of it at most, which moves a hit just below the bar as well: such a one counts. */
static double recall_of(const akin_index *index, const struct truth *truth, const float *questions,
                        const double *bars, float recall)
{
    struct akin_hit hits[K];
    size_t found = 0, count;
    bool good = true;
    akin_error err = {0};
    for (size_t q = 0; good && q < ASKED; q++) {
        const float *question = questions + q * DIM;
        struct akin_index_query query = {
            .vectors = question, .count = 1, .k = K, .threshold = -INFINITY, .recall = recall};
        good = akin_index_search(index, &query, hits, &count, NULL, &err) == AKIN_OK && count == K;
        for (size_t i = 0; good && i < K; i++) {
            double score = score_of(truth, hits[i].key, question);
            good =
                !truth->dead[hits[i].key] && fabs(hits[i].score - score) < 2e-3 * (fabs(score) + 1);
            found += score >= bars[q] - 2e-4 * (fabs(bars[q]) + 1);
            if (!good)
                printf("# %s: hit %zu of question %zu, key %llu: %.9g, not %.9g\n",
                       names[truth->metric], i, q, (unsigned long long)hits[i].key, hits[i].score,
                       score);
        }
    }
    return good ? (double)found / (ASKED * K) : -1;
}

/* Exactly, and by codes as far as there are any; what a recall is worth on so few questions varies by a point or two. */
static void check_answers(const akin_index *index, const struct truth *truth,
                          const float *questions, const char *when)
{
    double *bars = bars_of(truth, questions);
    double exact = recall_of(index, truth, questions, bars, 1);
    double usual = recall_of(index, truth, questions, bars, 0);
    double most = recall_of(index, truth, questions, bars, 0.99f);
    bool good = CHECK(exact == 1);
    good &= CHECK(usual >= AKIN_RECALL_DEFAULT - 0.02);
    good &= CHECK(most >= 0.97);
    if (!good)
        printf("# %s, %s: exact %.4f, by default %.4f, at .99 %.4f\n", names[truth->metric], when,
               exact, usual, most);
    free(bars);
}

static bool add(akin_index *index, struct truth *truth, const struct cloud *cloud, size_t first,
                size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        uint32_t cluster;
        cloud_vector(cloud, i, truth->vectors + i * DIM, &cluster);
        truth->dead[i] = false;
    }
    truth->count = first + n > truth->count ? first + n : truth->count;
    return cloud_add(index, cloud, first, n, first);
}

static void check_life(enum akin_metric metric)
{
    const struct cloud cloud = {.dim = DIM, .metric = metric, .stream = 31};
    struct truth truth = {.metric = metric,
                          .vectors = calloc(ROWS, DIM * sizeof(float)),
                          .dead = calloc(ROWS, sizeof(bool))};
    const char *path = check_folder();
    float *questions = cloud_questions(&cloud);
    struct akin_index_stats stats;
    akin_index *index = opened(path, metric);
    REQUIRE(index && truth.vectors && truth.dead);
    REQUIRE(add(index, &truth, &cloud, 0, ROWS / 12));
    check_answers(index, &truth, questions, "in the log");
    REQUIRE_OK(akin_index_flush(index, err));
    check_answers(index, &truth, questions, "in a segment");
    for (size_t i = 1; i < 12; i++)
        REQUIRE(add(index, &truth, &cloud, ROWS / 12 * i, ROWS / 12));
    akin_index_stats(index, &stats);
    CHECK(stats.rows_coded > 0 && stats.segments + (stats.rows_in_log > 0) > 1);
    CHECK_EQ(stats.metric, metric);
    check_answers(index, &truth, questions, "in several segments and the log");
    REQUIRE_OK(akin_index_remove(index, ROWS / 3, ROWS / 2, NULL, err));
    for (size_t i = ROWS / 3; i <= ROWS / 2; i++)
        truth.dead[i] = true;
    REQUIRE_OK(akin_index_flush(index, err));
    REQUIRE_OK(akin_index_settle(index, true, err));
    akin_index_stats(index, &stats);
    CHECK(stats.segments == 1 && stats.rows_coded == stats.rows);
    check_answers(index, &truth, questions, "merged");
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
    index = opened(path, metric);
    REQUIRE(index != NULL);
    REQUIRE(add(index, &truth, &cloud, ROWS / 3, ROWS / 12));
    check_answers(index, &truth, questions, "opened again");
    akin_index_close(index);
    free(questions);
    free(truth.vectors);
    free(truth.dead);
}

TEST(cosine)
{
    check_life(AKIN_METRIC_COSINE);
}

TEST(inner_product)
{
    check_life(AKIN_METRIC_DOT);
}

TEST(squared_distance)
{
    check_life(AKIN_METRIC_L2);
}

/* An index keeps the metric that it was made with, and says so to who asks for another. */
TEST(a_metric_is_kept)
{
    const char *path = check_folder();
    struct akin_index_options options;
    struct akin_index_stats stats;
    akin_index *index = opened(path, AKIN_METRIC_L2);
    REQUIRE(index != NULL);
    akin_index_close(index);
    akin_index_options_default(&options);
    REQUIRE_OK(akin_index_open(&index, path, AKIN_OPEN_READ, &options, err));
    akin_index_stats(index, &stats);
    CHECK_EQ(stats.metric, AKIN_METRIC_L2);
    akin_index_close(index);
}

int main(int argc, char **argv)
{
    return rows_main(argc, argv);
}
