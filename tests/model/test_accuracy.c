/*
 * What the instant encoder is for: on 2,800 labelled aerial pictures (rsscn7, seven kinds) the
 * nearest other picture is mostly of the same kind. Fitted on the pictures themselves, without
 * their labels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "../check.h"
#include "labelled.h"

/* A sanitised build is some ten times slower: it sees an eighth, and must only find its way. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MOST_OF_A_LABEL 50
#define P_AT_1_MIN 0.70
#define MAP_MIN 0.38
#else
#define MOST_OF_A_LABEL 400
#define P_AT_1_MIN 0.87
#define MAP_MIN 0.41
#endif

TEST(rsscn7)
{
    char folder[AKIN_PATH_MAX];
    const char *data = check_shared_data();
    if (!data || akin_path_join(folder, data, "rsscn7", NULL) != AKIN_OK) {
        check_skip("shared data absent");
        return;
    }
    struct labelled set = labelled_load(folder, MOST_OF_A_LABEL);
    struct akin_instant_options options;
    akin_pool *pool = NULL;
    akin_model *model = NULL;
    double p_at_1, map;
    REQUIRE(set.count == 7 * MOST_OF_A_LABEL);
    akin_instant_options_default(&options, LABELLED_PX, 3);
    size_t dim = options.rcf_dim + options.histogram_dim;
    float *vectors = malloc(set.count * dim * sizeof *vectors);
    REQUIRE_OK(akin_pool_create(&pool, 2, err));
    REQUIRE_OK(akin_instant_fit(&model, "rsscn7", &options, set.count, set.inputs, NULL, vectors,
                                pool, NULL, err));
    labelled_score(&set, vectors, dim, &p_at_1, &map);
    printf("# rsscn7: P@1 %.4f, mAP %.4f\n", p_at_1, map);
    CHECK(p_at_1 >= P_AT_1_MIN);
    CHECK(map >= MAP_MIN);
    free(vectors);
    akin_model_free(model);
    akin_pool_free(pool);
    labelled_free(&set);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
