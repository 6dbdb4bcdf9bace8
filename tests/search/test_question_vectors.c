/*
 * Examples put together, by metric.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "../../src/search/question_vectors.h"
#include "../check.h"

static struct example items[3];

static struct akin_example_set set_of(float *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        items[i] = (struct example){.vectors = vectors + 2 * i, .windows = 1, .unlike = i == 2};
    return (struct akin_example_set){.dim = 2, .items = items, .count = count};
}

static void make(float out[2], float *vectors, size_t count, enum akin_metric metric)
{
    struct akin_example_set set = set_of(vectors, count);
    float *made = NULL;
    size_t n = 0;
    CHECK_EQ(question_vectors_make(&set, 2, metric, &made, &n, NULL), AKIN_OK);
    CHECK_EQ(n, 1);
    memcpy(out, made, 2 * sizeof *out);
    akin_free(made);
}

TEST(likes_and_unlikes_by_metric)
{
    float vectors[6] = {4, 0, 2, 2, 1, 3}, out[2];
    make(out, vectors, 1, AKIN_METRIC_DOT); /* one like is itself */
    CHECK(out[0] == 4 && out[1] == 0);
    make(out, vectors, 1, AKIN_METRIC_L2);
    CHECK(out[0] == 4 && out[1] == 0);
    make(out, vectors, 1, AKIN_METRIC_COSINE);
    CHECK(out[0] == 1 && out[1] == 0);
    make(out, vectors, 2, AKIN_METRIC_L2); /* the mean */
    CHECK(out[0] == 3 && out[1] == 1);
    make(out, vectors, 3, AKIN_METRIC_DOT); /* mean of the likes - 0.5 unlike */
    CHECK_NEAR(out[0], 2.5, 1e-6);
    CHECK_NEAR(out[1], -0.5, 1e-6);
    make(out, vectors, 3, AKIN_METRIC_L2); /* away from the unlike by half of the way */
    CHECK_NEAR(out[0], 4, 1e-6);
    CHECK_NEAR(out[1], 0, 1e-6);
    for (int i = 0; i < 6; i++)
        vectors[i] += 100; /* wherever the origin is */
    make(out, vectors, 3, AKIN_METRIC_L2);
    CHECK_NEAR(out[0], 104, 1e-4);
    CHECK_NEAR(out[1], 100, 1e-4);
}

TEST(a_zero_vector_is_a_question_only_where_lengths_count)
{
    float zero[2] = {0, 0}, *made = NULL;
    struct akin_example_set set = set_of(zero, 1);
    size_t n;
    CHECK_EQ(question_vectors_make(&set, 2, AKIN_METRIC_COSINE, &made, &n, NULL), AKIN_ERR_INVALID);
    CHECK_EQ(question_vectors_make(&set, 2, AKIN_METRIC_L2, &made, &n, NULL), AKIN_OK);
    akin_free(made);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
