/*
 * Epochs: training on easy and on odd samples, the file and each of its bytes damaged, assignment and
 * probing against trying all lists.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/index/epoch.h"
#include "../../src/index/epoch_file.h"
#include "../check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float draw(uint64_t i)
{
    double sum = 0;
    for (uint64_t k = 0; k < 4; k++)
        sum += akin_random_unit(11, 3, 4 * i + k);
    return (float)((sum - 2) * 1.732);
}

/* n rows around `clusters` centres, of unit length. */
static float *make_rows(size_t n, uint32_t dim, size_t clusters)
{
    float *rows = akin_alloc(n, dim * sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        size_t cluster = (size_t)akin_random_below(4, 5, i, clusters);
        for (uint32_t j = 0; j < dim; j++)
            rows[i * dim + j] =
                draw(1000000 + cluster * dim + j) + 0.5f * draw(9000000 + i * dim + j);
        akin_normalize(rows + i * dim, dim);
    }
    return rows;
}

static struct epoch *train(const char *dir, const struct epoch_options *options, const float *rows,
                           size_t n, akin_pool *pool)
{
    akin_error err = {0};
    struct epoch *epoch = NULL;
    if (!CHECK(epoch_train(dir, options, rows, n, pool, NULL, &err) == AKIN_OK) ||
        !CHECK(epoch_open(&epoch, dir, options->id, &err) == AKIN_OK))
        printf("# %s\n", err.text);
    return epoch;
}

/* What all lists say of a row: the best score of <m, o> - |m|^2 / 2, and that of `list`. */
static double best_score(const struct epoch *epoch, const float *rotated, uint32_t list, double *of)
{
    float centroid[CODE_DIM_MAX];
    double best = -INFINITY;
    for (uint32_t l = 0; l < epoch->lists.count; l++) {
        if (epoch->lists.scales[l] == 0)
            continue;
        epoch_centroid(epoch, l, centroid);
        uint32_t wide = epoch->shape.wide;
        double score = akin_kernels()->dot(centroid, rotated, wide) -
                       akin_kernels()->dot(centroid, centroid, wide) / 2;
        best = fmax(best, score);
        if (l == list)
            *of = score;
    }
    return best;
}

static float *rotate(const struct epoch *epoch, const float *rows, size_t n)
{
    size_t wide = epoch->shape.wide;
    float *rotated = akin_alloc(n, wide * sizeof *rotated);
    for (size_t i = 0; i < n; i++)
        rotation_apply(&epoch->rotation, rotated + i * wide, rows + i * epoch->dim);
    return rotated;
}

/* Which share of the rows is in the list that is really the nearest, or one as near. */
static double share_nearest(const struct epoch *epoch, const float *rows, size_t n)
{
    float *rotated = rotate(epoch, rows, n);
    uint32_t *lists = akin_alloc(n, sizeof *lists);
    size_t right = 0;
    CHECK(epoch_assign(epoch, lists, rotated, n, NULL, NULL) == AKIN_OK);
    for (size_t i = 0; i < n; i++) {
        double of = -INFINITY;
        double best = best_score(epoch, rotated + i * epoch->shape.wide, lists[i], &of);
        right += of >= best - 1e-3;
    }
    akin_free(rotated), akin_free(lists);
    return (double)right / (double)n;
}

TEST(clustered_rows_few_lists)
{
    float *rows = make_rows(3000, 40, 50);
    struct epoch_options options = {.dim = 40, .id = 3, .seed = 1, .rows = 3000, .list_rows = 50};
    struct epoch *epoch = train(check_folder(), &options, rows, 3000, NULL);
    REQUIRE(epoch);
    CHECK_EQ(epoch->lists.count, 64);
    CHECK_EQ(epoch->supers_used, 1);
    CHECK_EQ(epoch->rows_trained, 3000);
    CHECK(epoch->residual > 0.2 && epoch->residual < 0.6); /* the noise's length is 0.45 */
    CHECK(share_nearest(epoch, rows, 1000) > 0.99);
    epoch_unref(epoch), akin_free(rows);
}

TEST(a_tree_finds_nearly_all_that_all_lists_would)
{
    size_t n = 12000;
    float *rows = make_rows(n, 64, 700);
    struct epoch_options options = {.dim = 64, .id = 3, .seed = 1, .rows = n, .list_rows = 12};
    struct epoch *epoch = train(check_folder(), &options, rows, n, NULL);
    REQUIRE(epoch);
    CHECK(epoch->lists_used > 700 && epoch->lists_used <= 1100);
    CHECK(epoch->first_list[1] < epoch->lists.count);
    CHECK(share_nearest(epoch, rows, 1000) > 0.95);

    struct epoch_query query;
    REQUIRE_OK(epoch_query_create(&query, epoch, err));
    size_t same = 0;
    for (size_t q = 0; q < 100; q++) {
        epoch_query_set(epoch, &query, rows + q * 64);
        REQUIRE(epoch_probe(epoch, &query, 20, epoch->supers.count) == 20);
        struct probe exact[20];
        memcpy(exact, query.probes, sizeof exact);
        const float *halves = epoch->lists.halves;
        for (int i = 0; i < 19; i++)
            CHECK(exact[i].base - halves[exact[i].list] >=
                  exact[i + 1].base - halves[exact[i + 1].list] - 1e-6f);
        float centroid[64];
        epoch_centroid(epoch, exact[7].list, centroid);
        CHECK_NEAR(exact[7].base, akin_kernels()->dot(centroid, query.rotated, 64), 4e-3);
        REQUIRE(epoch_probe(epoch, &query, 20, epoch->supers_used / 2) == 20);
        for (int i = 0; i < 20; i++)
            for (int j = 0; j < 20; j++)
                same += query.probes[i].list == exact[j].list;
    }
    if (!CHECK(same > 1000)) /* centres without any order among them: the hardest for a tree */
        printf("# %zu of 2000\n", same);
    epoch_query_fini(&query);
    epoch_unref(epoch), akin_free(rows);
}

TEST(training_does_not_depend_on_the_pool)
{
    size_t n = 9000;
    float *rows = make_rows(n, 32, 300);
    struct epoch_options options = {.dim = 32, .id = 1, .seed = 9, .rows = n, .list_rows = 12};
    struct epoch *alone = train(check_folder(), &options, rows, n, NULL);
    akin_pool *pool;
    REQUIRE_OK(akin_pool_create(&pool, 3, err));
    options.id = 2;
    char dir[AKIN_PATH_MAX];
    snprintf(dir, sizeof dir, "%s", check_folder());
    struct epoch *shared = train(dir, &options, rows, n, pool);
    REQUIRE(alone && shared);
    REQUIRE(alone->map.size == shared->map.size);
    size_t head = sizeof(struct epoch_head);
    CHECK(!memcmp(alone->map.data + head, shared->map.data + head, alone->map.size - head));
    epoch_unref(alone), epoch_unref(shared);
    akin_pool_free(pool), akin_free(rows);
}

/* Fewer rows than lists, equal rows, zero rows, none. */
TEST(odd_samples)
{
    struct epoch_options options = {.dim = 20, .seed = 1, .rows = 100000, .list_rows = 100};
    float *rows = make_rows(2000, 20, 2000);
    for (int kind = 0; kind < 5; kind++) {
        size_t n = kind == 0 ? 10 : kind == 4 ? 0 : 2000;
        for (size_t i = 0; i < n * 20 && kind > 0; i++)
            rows[i] = kind == 1 ? rows[i % 20] : kind == 2 ? 0 : i < 20 * 1990 ? 0 : rows[i];
        if (kind == 3) /* zeros but for a few */
            for (size_t i = 20 * 1990; i < 20 * 2000; i++)
                rows[i] = (float)(i % 13) / 13;
        options.id = (uint64_t)kind + 1;
        options.metric = (enum akin_metric)(kind % 3);
        struct epoch *epoch = train(check_folder(), &options, rows, n, NULL);
        REQUIRE(epoch);
        CHECK(epoch->lists_used >= 1 && epoch->lists_used <= (kind == 0 ? 10 : 1024));
        if (kind == 1 || kind == 2 || kind == 4)
            CHECK_EQ(epoch->lists_used, 1);
        struct epoch_query query;
        REQUIRE_OK(epoch_query_create(&query, epoch, err));
        epoch_query_set(epoch, &query, rows);
        size_t found = epoch_probe(epoch, &query, 2000, 0);
        CHECK_EQ(found, epoch->lists_used);
        if (n)
            CHECK_NEAR(share_nearest(epoch, rows, n < 50 ? n : 50), 1, 0);
        epoch_query_fini(&query);
        epoch_unref(epoch);
    }
    akin_free(rows);
}

/* Rows of any length: the unit brings them near 1. */
TEST(rows_of_any_length_are_coded_in_units)
{
    float *rows = make_rows(1000, 64, 20);
    static const float sizes[] = {1e-3f, 300, 2e4f};
    for (size_t s = 0; s < 3; s++) {
        for (size_t i = 0; i < 1000; i++) {
            akin_normalize(rows + i * 64, 64);
            for (size_t j = 0; j < 64; j++)
                rows[i * 64 + j] *= sizes[s];
        }
        struct epoch_options options = {AKIN_METRIC_L2, 64, 0, s + 1, 1, 50, 1000};
        struct epoch *epoch = train(check_folder(), &options, rows, 1000, NULL);
        REQUIRE(epoch);
        CHECK(epoch->rotation.unit / sizes[s] > 0.7f && epoch->rotation.unit / sizes[s] < 1.5f);
        CHECK(epoch->residual > 0.2f && epoch->residual < 0.9f);
        struct epoch_query query;
        REQUIRE_OK(epoch_query_create(&query, epoch, err));
        epoch_query_set(epoch, &query, rows);
        REQUIRE(epoch_probe(epoch, &query, 1, 0) == 1);
        struct code_row row;
        akin_f16 halves[64];
        float scratch[3 * 64], residual2;
        akin_kernels()->f16_from_f32(halves, rows, 64);
        epoch_encode(epoch, &row, query.probes[0].list, halves, scratch, &residual2);
        CHECK(residual2 > 0.01f && residual2 < 1);
        CHECK_NEAR(query.probes[0].base, -residual2 / 2, 0.01);
        epoch_query_fini(&query), epoch_unref(epoch);
    }
    akin_free(rows);
}

/* Three of the lists are said to be long; one of them has equal rows, which do not part. */
TEST(a_split_keeps_the_other_lists)
{
    size_t n = 4000;
    float *rows = make_rows(n, 48, 60);
    for (size_t i = 100 * 48; i < 200 * 48; i++)
        rows[i] = rows[i % 48];
    struct epoch_options options = {.dim = 48, .id = 1, .seed = 1, .rows = n, .list_rows = 25};
    char dir[AKIN_PATH_MAX];
    snprintf(dir, sizeof dir, "%s", check_folder());
    struct epoch *from = train(dir, &options, rows, n, NULL), *to;
    REQUIRE(from);
    float *rotated = rotate(from, rows, n);
    uint32_t *of = akin_alloc(n, sizeof *of);
    uint32_t *renumber = akin_alloc(from->lists.count, sizeof *renumber);
    uint64_t *counts = akin_alloc_zero(from->lists.count, sizeof *counts);
    REQUIRE_OK(epoch_assign(from, of, rotated, n, NULL, err));
    const uint32_t longs[] = {of[100], of[1000], of[2000]};
    REQUIRE(longs[0] != longs[1] && longs[0] != longs[2] && longs[1] != longs[2]);
    for (size_t i = 0; i < 3; i++)
        counts[longs[i]] = 1000;
    size_t m = 0;
    for (size_t i = 0; i < n; i++) { /* of the first, only the equal rows are left */
        if (of[i] == longs[0] && (i < 100 || i >= 200))
            continue;
        memmove(rows + m * 48, rows + i * 48, 48 * sizeof *rows);
        of[m++] = of[i];
    }
    REQUIRE_OK(epoch_split(from, dir, 2, 9000, counts, 999, rows, of, m, renumber, err));
    REQUIRE_OK(epoch_open(&to, dir, 2, err));
    CHECK_EQ(to->lists_used, from->lists_used + 2);
    CHECK_EQ(to->rows_trained, 9000);
    CHECK(renumber[longs[1]] == UINT32_MAX && renumber[longs[2]] == UINT32_MAX);
    size_t kept = 0;
    bool *taken = akin_alloc_zero(to->lists.count, sizeof *taken);
    for (uint32_t l = 0; l < from->lists.count; l++) {
        float before[64], after[64];
        if (renumber[l] == UINT32_MAX)
            continue;
        REQUIRE(renumber[l] < to->lists_used && !taken[renumber[l]]);
        taken[renumber[l]] = true;
        epoch_centroid(from, l, before), epoch_centroid(to, renumber[l], after);
        CHECK(!memcmp(before, after, sizeof before));
        kept++;
    }
    CHECK(kept >= from->lists_used - 18 && kept <= from->lists_used - 10);
    epoch_unref(from), epoch_unref(to);
    akin_free(rows), akin_free(rotated), akin_free(of), akin_free(renumber), akin_free(counts);
    akin_free(taken);
}

/* Every byte of a small epoch, with a bit turned over, and every length. */
TEST(damage_is_found_at_every_byte)
{
    float *rows = make_rows(40, 10, 5);
    struct epoch_options options = {.dim = 10, .id = 7, .seed = 1, .rows = 40};
    const char *dir = check_folder();
    struct epoch *epoch = train(dir, &options, rows, 40, NULL);
    REQUIRE(epoch);
    char path[AKIN_PATH_MAX];
    REQUIRE_OK(epoch_path(path, dir, 7, err));
    size_t size = epoch->map.size;
    unsigned char *bytes = akin_alloc(size, 1);
    memcpy(bytes, epoch->map.data, size);
    epoch_unref(epoch);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= (unsigned char)(1u << i % 8);
        FILE *file = fopen(path, "wb");
        REQUIRE(file && fwrite(bytes, 1, size, file) == size && !fclose(file));
        akin_error err = {0};
        akin_status status = epoch_open(&epoch, dir, 7, &err);
        CHECK(status == AKIN_ERR_CORRUPT || status == AKIN_ERR_VERSION);
        CHECK_CONTAINS(err.text, "epoch-7.ep");
        bytes[i] ^= (unsigned char)(1u << i % 8);
    }
    for (size_t length = 0; length < size; length += length < 200 ? 1 : 61) {
        FILE *file = fopen(path, "wb");
        REQUIRE(file && fwrite(bytes, 1, length, file) == length && !fclose(file));
        CHECK_EQ(epoch_open(&epoch, dir, 7, NULL), AKIN_ERR_CORRUPT);
    }
    CHECK_EQ(epoch_open(&epoch, dir, 8, NULL), AKIN_ERR_NOT_FOUND);
    akin_free(bytes), akin_free(rows);
}

/* Numbers that make no sense under good checksums. */
TEST(nonsense_with_good_checksums_is_refused)
{
    float *rows = make_rows(40, 10, 5);
    struct epoch_options options = {.dim = 10, .id = 7, .seed = 1, .rows = 40};
    const char *dir = check_folder();
    struct epoch *epoch = train(dir, &options, rows, 40, NULL);
    REQUIRE(epoch);
    size_t size = epoch->map.size;
    unsigned char *bytes = akin_alloc(size, 1), *good = akin_alloc(size, 1);
    memcpy(good, epoch->map.data, size);
    char path[AKIN_PATH_MAX];
    REQUIRE_OK(epoch_path(path, dir, 7, err));
    struct epoch_layout at;
    epoch_layout(&at, epoch->supers.count, epoch->lists.count, &epoch->shape);
    epoch_unref(epoch);
    for (int kind = 0; kind < 12; kind++) {
        memcpy(bytes, good, size);
        struct epoch_head *head = (void *)bytes;
        float *scales = (void *)(bytes + at.offset[EPOCH_LISTS + 2]);
        uint32_t *first = (void *)(bytes + at.offset[EPOCH_FIRST_LIST]);
        switch (kind) {
        case 0:
            head->bits = 3;
            break;
        case 1:
            head->dim = 5000;
            break;
        case 2:
            head->lists = 0;
            break;
        case 3:
            head->supers += 16;
            break;
        case 4:
            head->unit = 3;
            break;
        case 5:
            head->metric = 3;
            break;
        case 6:
            head->residual = NAN;
            break;
        case 7:
            scales[0] = NAN;
            break;
        case 8:
            scales[0] *= 2;
            break;
        case 9:
            first[1] = 8;
            break;
        case 10:
            first[16] += 16;
            break;
        default:
            bytes[at.offset[EPOCH_LISTS]] ^= 1; /* a value: its sum is wrong */
        }
        head->body_crc = akin_crc32c(0, head + 1, size - sizeof *head);
        head->crc = akin_crc32c(0, head, offsetof(struct epoch_head, crc));
        FILE *file = fopen(path, "wb");
        REQUIRE(file && fwrite(bytes, 1, size, file) == size && !fclose(file));
        if (!CHECK(epoch_open(&epoch, dir, 7, NULL) == AKIN_ERR_CORRUPT))
            printf("# kind %d\n", kind);
    }
    akin_free(bytes), akin_free(good), akin_free(rows);
}

TEST(each_allocation_may_fail)
{
    float *rows = make_rows(6000, 16, 100);
    struct epoch_options options = {.dim = 16, .id = 1, .seed = 1, .rows = 6000, .list_rows = 10};
    const char *dir = check_folder();
    size_t used = akin_memory_used();
    akin_status status = AKIN_ERR_NO_MEMORY;
    for (long n = 0; status != AKIN_OK && n < 5000; n += n < 60 ? 1 : 37) {
        akin_memory_fail_at(n);
        struct epoch *epoch = NULL;
        status = epoch_train(dir, &options, rows, 6000, NULL, NULL, NULL);
        if (!status)
            status = epoch_open(&epoch, dir, 1, NULL);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
        akin_memory_fail_at(-1);
        epoch_unref(epoch);
        CHECK_EQ(akin_memory_used(), used);
    }
    CHECK_EQ(status, AKIN_OK);
    akin_free(rows);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
