/*
 * Pages and samples of an index with several segments, removed and replaced rows and a log: every live row
 * comes once and in order, whatever the size of the page.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rows.h"

static int compare_rows(const void *a, const void *b)
{
    const uint64_t x = ((const struct rows_row *)a)->columns.key;
    const uint64_t y = ((const struct rows_row *)b)->columns.key;
    return (x > y) - (x < y);
}

/* Three segments, holes, replaced rows, some of it in the log. */
static akin_index *fill(struct rows_model *model, akin_error *err)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/index", check_folder());
    struct rows_random random = {40, 0};
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 1 << 20);
    akin_status status = index ? AKIN_OK : AKIN_ERR_IO;
    for (uint32_t scene = 1; scene <= 7 && status == AKIN_OK; scene++) {
        status = rows_add(index, model, scene % 5 + 1, 300, &random, err);
        if (status == AKIN_OK && scene % 2 == 0 && scene < 7)
            status = akin_index_flush(index, err);
        const uint64_t first = akin_tile_key(scene % 3 + 1, 0, 0, 0);
        if (status == AKIN_OK && scene == 5) {
            status = akin_index_remove(index, first, first + 100, NULL, err);
            model_remove(model, first, first + 100);
        }
    }
    qsort(model->rows, model->count, sizeof *model->rows, compare_rows);
    if (status == AKIN_OK)
        return index;
    akin_index_close(index);
    return NULL;
}

TEST(pages_of_any_size_give_every_row_once)
{
    struct rows_model model = {0};
    akin_error why = {0};
    akin_index *index = fill(&model, &why);
    REQUIRE(index);
    REQUIRE(model.count > 500);
    struct akin_columns page[997];
    for (size_t size = 1; size <= 997; size = size * 3 + 1) {
        uint64_t next = 0;
        size_t seen = 0;
        for (bool more = true; more;) {
            size_t count = 0;
            REQUIRE_OK(akin_index_page(index, next, NULL, page, size, &count, &next, &more, err));
            CHECK(count == size || !more);
            for (size_t i = 0; i < count && seen < model.count; i++, seen++)
                CHECK(!memcmp(&page[i], &model.rows[seen].columns, sizeof page[i]));
        }
        CHECK_EQ(seen, model.count);
    }
    /* From any key on, one that is not there too. */
    for (size_t at = 0; at < model.count; at += 41)
        for (int beside = -1; beside <= 1; beside++) {
            uint64_t next = 0;
            size_t count = 0, wanted = 0;
            bool more;
            const uint64_t first = model.rows[at].columns.key + (uint64_t)(int64_t)beside;
            while (wanted < model.count && model.rows[wanted].columns.key < first)
                wanted++;
            REQUIRE_OK(akin_index_page(index, first, NULL, page, 1, &count, &next, &more, err));
            CHECK_EQ(count, wanted < model.count);
            if (count)
                CHECK_EQ(page[0].key, model.rows[wanted].columns.key);
        }
    akin_index_close(index);
    model_fini(&model);
}

TEST(a_page_has_what_the_filter_lets_through)
{
    struct rows_model model = {0};
    akin_error why = {0};
    struct akin_filter filter;
    akin_index *index = fill(&model, &why);
    REQUIRE(index);
    akin_filter_init(&filter);
    filter.bbox = (struct akin_bbox){-60, -40, 80, 50};
    filter.texture_min = 20;
    struct akin_columns page[50];
    size_t seen = 0, wanted = 0;
    uint64_t next = 0;
    for (size_t i = 0; i < model.count; i++)
        wanted += akin_filter_matches(&filter, &model.rows[i].columns);
    for (bool more = true; more;) {
        size_t count = 0;
        REQUIRE_OK(akin_index_page(index, next, &filter, page, 50, &count, &next, &more, err));
        for (size_t i = 0; i < count; i++)
            CHECK(akin_filter_matches(&filter, &page[i]));
        seen += count;
    }
    CHECK(wanted > 20 && wanted < model.count);
    CHECK_EQ(seen, wanted);
    akin_index_close(index);
    model_fini(&model);
}

TEST(samples_are_live_rows_each_once_and_spread)
{
    struct rows_model model = {0};
    akin_error why = {0};
    akin_index *index = fill(&model, &why);
    REQUIRE(index);
    uint64_t keys[4000];
    size_t count = 0, lower = 0;
    REQUIRE_OK(akin_index_sample(index, 3, keys, 200, &count, err));
    CHECK_EQ(count, 200);
    for (size_t i = 0; i < count; i++) {
        CHECK(model_find(&model, keys[i]));
        CHECK(!i || keys[i] > keys[i - 1]);
        lower += keys[i] < model.rows[model.count / 2].columns.key;
    }
    CHECK(lower > 60 && lower < 140);
    uint64_t again[200];
    REQUIRE_OK(akin_index_sample(index, 3, again, 200, &count, err));
    CHECK(!memcmp(keys, again, sizeof again));
    REQUIRE_OK(akin_index_sample(index, 4, again, 200, &count, err));
    CHECK(memcmp(keys, again, sizeof again) != 0);
    /* More than there are: most of them. */
    REQUIRE_OK(akin_index_sample(index, 3, keys, 4000, &count, err));
    CHECK(count > model.count * 9 / 10 && count <= model.count);
    akin_index_close(index);
    model_fini(&model);
}

int main(int argc, char **argv)
{
    return rows_main(argc, argv);
}
