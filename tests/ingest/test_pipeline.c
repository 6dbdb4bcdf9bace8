/*
 * The pipeline's own promises, with an encoder that likes batches: every tile of every job comes
 * once, in order, with its own vector, whatever the threads and the memory; strips are encoded
 * together; a failure of the encoder goes with its strips.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "../../src/ingest/ingest_private.h"
#include "../model/sums.h"
#include "pictures.h"

#define PX 16
#define BATCH 32
#define PICTURES 9

struct fixture {
    akin_catalog *catalog;
    akin_pool *pool;
    struct akin_settings settings;
    struct akin_add_options options;
    struct plan plan;
    akin_model *model;
    struct sums *sums;
};

static akin_status set_up(struct fixture *f, uint32_t tile_px, akin_error *err)
{
    struct akin_add_report report;
    char dir[AKIN_PATH_MAX], in[AKIN_PATH_MAX];
    const char *sources[] = {in};
    *f = (struct fixture){0};
    write_pictures(PICTURES);
    make_collection("c", tile_px);
    at(in, "in");
    akin_add_options_default(&f->options);
    akin_status status = akin_catalog_open(&f->catalog, at(dir, "c"), AKIN_OPEN_WRITE, err);
    if (status == AKIN_OK)
        status = akin_pool_create(&f->pool, 1, err);
    if (status == AKIN_OK)
        status = plan_make(&f->plan, f->catalog, sources, 1, &f->options, 0, f->pool, &report, err);
    if (status != AKIN_OK)
        return status;
    f->settings = *akin_catalog_settings(f->catalog);
    return sums_make(&f->model, &f->sums, PX, BATCH, err);
}

static void tear_down(struct fixture *f)
{
    plan_fini(&f->plan);
    akin_model_free(f->model);
    akin_pool_free(f->pool);
    akin_catalog_close(f->catalog);
}

/* How many of a strip's vectors are not those of its tiles. */
static size_t wrong_vectors(const struct work *work)
{
    size_t wrong = 0;
    for (size_t i = 0; i < work->strip.count; i++) {
        float expected[2];
        sums_of(expected, PX, work->strip.tiles[i].input, work->strip.tiles[i].filled);
        wrong += !work->vectors || memcmp(expected, work->vectors + 2 * i, sizeof expected) != 0;
    }
    return wrong;
}

struct taken {
    uint64_t windows, tiles, failed; /* failed: strips that could not be encoded */
    size_t wrong, out_of_order;
    char failure[256];
};

static void take_job(struct taken *taken, struct pipeline *pipeline, const struct plan *plan,
                     size_t job)
{
    uint64_t position = plan->jobs[job].start;
    for (bool ended = false; !ended;) {
        struct work *work = NULL;
        akin_status status = AKIN_OK;
        akin_error why = {0};
        pipeline_take(pipeline, job, true, &work, &ended, &status, &why);
        CHECK_EQ(status, AKIN_OK);
        if (!work)
            continue;
        taken->out_of_order += work->strip.position != position;
        position = work->strip.position + work->strip.windows;
        taken->windows += work->strip.windows;
        taken->tiles += work->strip.count;
        if (work->encode_status != AKIN_OK)
            snprintf(taken->failure, sizeof taken->failure, "%s", work->encode_failure);
        taken->failed += work->encode_status != AKIN_OK;
        taken->wrong += work->encode_status == AKIN_OK ? wrong_vectors(work) : 0;
        pipeline_work_free(pipeline, work);
    }
}

static struct taken run(struct fixture *f, unsigned threads, size_t budget_bytes)
{
    struct taken taken = {0};
    struct pipeline *pipeline = NULL;
    akin_error why = {0};
    atomic_store(&f->sums->calls, 0);
    atomic_store(&f->sums->tiles, 0);
    CHECK(pipeline_start(&pipeline, &f->plan, &f->settings, &f->options, f->model, threads,
                         budget_bytes, &why) == AKIN_OK);
    for (size_t job = 0; pipeline && job < f->plan.job_count; job++)
        take_job(&taken, pipeline, &f->plan, job);
    pipeline_stop(pipeline);
    return taken;
}

/* Strips of many tiles, and pictures of one each; room for all, and for nothing. */
TEST(every_tile_once_in_order_with_its_vector)
{
    static const unsigned threads[] = {1, 2, 5};
    static const size_t budgets[] = {(size_t)1 << 30, 1};
    for (uint32_t tile_px = 32; tile_px <= 256; tile_px *= 8)
        for (size_t c = 0; c < 6; c++) {
            struct fixture f;
            REQUIRE_OK(set_up(&f, tile_px, err));
            struct taken taken = run(&f, threads[c % 3], budgets[c / 3]);
            CHECK_EQ(taken.windows, f.plan.tiles);
            CHECK_EQ(taken.tiles, (tile_px == 32 ? 81 : 1) * PICTURES);
            CHECK_EQ(atomic_load(&f.sums->tiles), taken.tiles);
            CHECK_EQ(taken.out_of_order, 0);
            CHECK_EQ(taken.wrong, 0);
            CHECK_EQ(taken.failed, 0);
            tear_down(&f);
        }
}

/* One thread reads on until a few batches wait: 81 strips of 9 tiles never go one by one. */
TEST(strips_are_encoded_together)
{
    struct fixture f;
    REQUIRE_OK(set_up(&f, 32, err));
    struct taken taken = run(&f, 1, (size_t)1 << 30);
    CHECK_EQ(taken.tiles, 81 * PICTURES);
    /* 15 strips make 135 tiles: four whole batches and a rest. */
    CHECK_EQ(atomic_load(&f.sums->calls), 5 * 5 + 2);
    tear_down(&f);
    REQUIRE_OK(set_up(&f, 256, err));
    run(&f, 1, (size_t)1 << 30);
    CHECK_EQ(atomic_load(&f.sums->calls), 1); /* nine pictures, less than a batch */
    tear_down(&f);
}

TEST(a_failure_of_the_encoder_goes_with_its_strips)
{
    struct fixture f;
    REQUIRE_OK(set_up(&f, 32, err));
    f.sums->fails = true;
    struct taken taken = run(&f, 2, (size_t)1 << 30);
    CHECK_EQ(taken.tiles, 81 * PICTURES);
    CHECK_EQ(taken.failed, 9 * PICTURES);
    CHECK_CONTAINS(taken.failure, "the arithmetic failed");
    tear_down(&f);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
