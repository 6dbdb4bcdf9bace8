/*
 * Training from beginning to end: the same seed gives the same weights, whatever the threads do;
 * few tiles, equal tiles, tiles that cannot be read, rates that are far too high; every allocation
 * that may fail.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "training.h"

/* Trains to the end; the last report, and the weights if wanted. */
static akin_status train(struct training *it, const struct akin_train_options *options,
                         struct akin_train_epoch *report, const char *dir, const char *name,
                         struct akin_buffer *weights, akin_error *err)
{
    akin_trainer *trainer = NULL;
    akin_status status = akin_trainer_create(&trainer, &it->source, options, err);
    while (status == AKIN_OK && !akin_trainer_done(trainer))
        status = akin_trainer_epoch(trainer, report, NULL, err);
    if (status == AKIN_OK && weights)
        CHECK(training_saved(trainer, dir, name, weights) > TRAINING_HEAD);
    akin_trainer_free(trainer);
    return status;
}

/* ---- the same again ---- */

static void check_twice(unsigned replicas, uint64_t other_seed, bool same)
{
    const char *dir = check_folder();
    struct training it;
    struct akin_train_options options = training_options(replicas);
    struct akin_train_epoch report;
    struct akin_buffer first = {0}, second = {0};
    training_init(&it, 20, 3);
    REQUIRE_OK(train(&it, &options, &report, dir, "first", &first, err));
    it.late = true;
    options.seed = other_seed;
    REQUIRE_OK(train(&it, &options, &report, dir, "second", &second, err));
    CHECK_EQ(training_same(&first, &second), same);
    CHECK_EQ(report.epoch, 3);
    CHECK_EQ(report.epochs, 3);
    CHECK(isfinite(report.loss) && report.loss > 0);
    CHECK(report.rate > 0 && report.rate < 1e-3);
    CHECK(report.views_per_s > 0 && report.seconds > 0);
    CHECK_EQ(report.tiles_unread, 0);
    akin_buffer_fini(&first);
    akin_buffer_fini(&second);
    training_fini(&it);
}

TEST(a_seed_gives_the_same_weights)
{
    check_twice(1, 1, true);
}

TEST(two_replicas_give_the_same_weights_whoever_is_late)
{
    check_twice(2, 1, true);
}

TEST(three_replicas_give_the_same_weights_whoever_is_late)
{
    check_twice(3, 1, true);
}

TEST(another_seed_gives_other_weights)
{
    check_twice(2, 2, false);
}

TEST(it_learns)
{
    struct training it;
    struct akin_train_options options = training_options(2);
    struct akin_train_epoch report = {0};
    akin_trainer *trainer = NULL;
    double first = 0;
    options.epochs = 12;
    options.batch = 16;
    training_init(&it, 48, 3);
    REQUIRE_OK(akin_trainer_create(&trainer, &it.source, &options, err));
    CHECK_EQ(akin_trainer_steps(trainer), 3);
    while (!akin_trainer_done(trainer)) {
        REQUIRE_OK(akin_trainer_epoch(trainer, &report, NULL, err));
        first = first > 0 ? first : report.loss;
    }
    /* Of 31 others by chance: log 31 = 3.4 */
    CHECK(report.loss < first - 0.5);
    CHECK(report.alignment > 0.5);
    CHECK(report.spread > 0.5 && report.spread < 1.1);
    CHECK(report.effective_rank > 4 && report.effective_rank <= 128);
    CHECK(report.uniformity < -1);
    CHECK(!report.collapsed);
    akin_error over = {0};
    CHECK_EQ(akin_trainer_epoch(trainer, &report, NULL, &over), AKIN_ERR_INVALID);
    CHECK_CONTAINS(over.text, "12 epochs");
    akin_trainer_free(trainer);
    training_fini(&it);
}

TEST(measuring_changes_nothing)
{
    const char *dir = check_folder();
    struct training it;
    struct akin_train_options options = training_options(2);
    struct akin_buffer before = {0}, after = {0};
    akin_trainer *trainer = NULL;
    double seconds = 0;
    training_init(&it, 16, 3);
    REQUIRE_OK(akin_trainer_create(&trainer, &it.source, &options, err));
    REQUIRE_OK(training_steps(trainer, 3, err));
    CHECK(training_saved(trainer, dir, "before", &before) > 0);
    REQUIRE_OK(akin_trainer_measure(trainer, &seconds, err));
    CHECK(seconds > 0);
    CHECK(training_saved(trainer, dir, "after", &after) > 0);
    CHECK(before.size == after.size && !memcmp(before.data, after.data, after.size));
    CHECK(akin_trainer_bytes(trainer) > 8 * 1000 * 1000);
    akin_buffer_fini(&before);
    akin_buffer_fini(&after);
    akin_trainer_free(trainer);
    training_fini(&it);
}

/* ---- every loss, optimiser and preset; pairs; balance ---- */

TEST(losses_and_optimisers)
{
    static const char *const recipes[][2] = {
        {"dcl", "adamw"}, {"vicreg", "adamw"}, {"ntxent", "sgd"}, {"dcl", "sgd"}};
    struct training it;
    training_init(&it, 16, 1);
    for (size_t i = 0; i < 4; i++) {
        struct akin_train_options options = training_options(2);
        struct akin_train_epoch report = {0};
        options.loss = recipes[i][0];
        options.optimiser = recipes[i][1];
        options.epochs = 2;
        REQUIRE_OK(train(&it, &options, &report, NULL, NULL, NULL, err));
        CHECK(isfinite(report.loss));
        CHECK(report.spread > 0.1);
    }
    training_fini(&it);
}

TEST(presets_and_bands)
{
    static const char *const presets[] = {"r18h", "r18"};
    static const uint32_t bands[] = {8, 1};
    for (size_t i = 0; i < 2; i++) {
        struct training it;
        struct akin_train_options options = training_options(1);
        struct akin_train_epoch report = {0};
        training_init(&it, 8, bands[i]);
        options.preset = presets[i];
        options.input_px = 64; /* the tiles are smaller */
        options.epochs = 1;
        REQUIRE_OK(train(&it, &options, &report, NULL, NULL, NULL, err));
        CHECK(isfinite(report.loss) && report.loss > 0);
        training_fini(&it);
    }
}

struct partners {
    struct training training; /* first: its reader is the trainer's */
    atomic_uint calls;
    _Atomic uint64_t draws; /* all that came, xor */
};

static size_t next_tile(void *user, size_t index, uint64_t draw)
{
    struct partners *it = user;
    atomic_fetch_add(&it->calls, 1);
    atomic_fetch_xor(&it->draws, draw);
    return (index + 1) % it->training.source.count;
}

TEST(partners_are_asked_for_the_second_view)
{
    const char *dir = check_folder();
    struct partners it = {0};
    struct akin_train_options options = training_options(2);
    struct akin_train_epoch report;
    struct akin_buffer alone = {0}, paired = {0}, again = {0};
    training_init(&it.training, 16, 3);
    REQUIRE_OK(train(&it.training, &options, &report, dir, "alone", &alone, err));
    it.training.source.partner = next_tile;
    REQUIRE_OK(train(&it.training, &options, &report, dir, "paired", &paired, err));
    CHECK_EQ(it.calls, 3 * 16);
    CHECK(it.draws != 0);
    CHECK(!training_same(&alone, &paired));
    REQUIRE_OK(train(&it.training, &options, &report, dir, "again", &again, err));
    CHECK(training_same(&paired, &again));
    akin_buffer_fini(&alone);
    akin_buffer_fini(&paired);
    akin_buffer_fini(&again);
    training_fini(&it.training);
}

struct shown {
    struct training training; /* first: its reader is the trainer's */
    atomic_uint times[100];
};

static const uint8_t *count_and_get(void *user, size_t index, unsigned worker,
                                    const uint8_t **filled)
{
    struct shown *it = user;
    atomic_fetch_add(&it->times[index], 1);
    return training_get(user, index, worker, filled);
}

TEST(rare_tiles_come_more_often)
{
    struct shown it = {0};
    struct akin_train_options options = training_options(2);
    akin_trainer *trainer = NULL;
    struct akin_train_epoch report;
    float instant[100][2];
    unsigned rare = 0, all = 0;
    training_init(&it.training, 100, 1);
    it.training.source.get = count_and_get;
    it.training.source.instant = instant[0];
    it.training.source.instant_dim = 2;
    for (size_t i = 0; i < 100; i++) {
        instant[i][0] = i % 10 != 0;
        instant[i][1] = i % 10 == 0; /* ten of a hundred are of another kind */
    }
    options.balance = 1;
    options.batch = 50;
    options.epochs = 1;
    REQUIRE_OK(akin_trainer_create(&trainer, &it.training.source, &options, err));
    for (size_t i = 0; i < 100; i++)
        atomic_store(&it.times[i], 0);
    REQUIRE_OK(akin_trainer_epoch(trainer, &report, NULL, err));
    for (size_t i = 0; i < 100; i++) {
        all += it.times[i];
        rare += i % 10 ? 0 : it.times[i];
    }
    CHECK_EQ(all, 200); /* two views */
    CHECK_NEAR(rare, 100, 10);
    akin_trainer_free(trainer);
    training_fini(&it.training);
}

/* ---- options that are refused ---- */

static void check_refused(struct training *it, const struct akin_train_options *options,
                          const char *words)
{
    akin_trainer *trainer = NULL;
    akin_error err = {0};
    CHECK_EQ(akin_trainer_create(&trainer, &it->source, options, &err), AKIN_ERR_INVALID);
    CHECK_CONTAINS(err.text, words);
    CHECK(trainer == NULL);
}

TEST(options_out_of_range_are_named)
{
    const struct akin_train_options good = training_options(1);
    struct akin_train_options bad[14];
    static const char *const words[14] = {
        "r10h, r18h", "input 48", "input 16", "epochs",      "batch 3", "replicas", "loss",
        "optimiser",  "rate -1",  "rate nan", "temperature", "decay",   "crop",     "balance"};
    struct training it;
    training_init(&it, 8, 3);
    for (size_t i = 0; i < 14; i++)
        bad[i] = good;
    bad[0].preset = "r50";
    bad[1].input_px = 48;
    bad[2].input_px = 16;
    bad[3].epochs = 0;
    bad[4].batch = 3;
    bad[5].replicas = 0;
    bad[6].loss = "cross-entropy";
    bad[7].optimiser = "lars";
    bad[8].rate = -1;
    bad[9].rate = NAN;
    bad[10].temperature = 0;
    bad[11].weight_decay = 2;
    bad[12].crop_min = 0;
    bad[13].balance = 1.5;
    for (size_t i = 0; i < 14; i++)
        check_refused(&it, &bad[i], words[i]);
    it.source.count = 3;
    check_refused(&it, &good, "3 tiles: learning needs at least 4");
    it.source.count = 0;
    check_refused(&it, &good, "0 tiles");
    it.source.count = 8;
    it.source.bands = 0;
    check_refused(&it, &good, "bands");
    it.source.bands = 10000;
    check_refused(&it, &good, "bands");
    it.source.bands = 3;
    it.source.side_px = 40; /* of which no encoder could be made in the end */
    check_refused(&it, &good, "side");
    training_fini(&it);
}

/* ---- few tiles, strange tiles ---- */

TEST(fewer_tiles_than_a_batch)
{
    static const size_t counts[] = {4, 5, 7};
    for (size_t i = 0; i < 3; i++) {
        struct training it;
        struct akin_train_options options = training_options(8);
        struct akin_train_epoch report = {0};
        akin_trainer *trainer = NULL;
        options.batch = 256;
        training_init(&it, counts[i], 3);
        REQUIRE_OK(akin_trainer_create(&trainer, &it.source, &options, err));
        CHECK_EQ(akin_trainer_steps(trainer), 1);
        while (!akin_trainer_done(trainer))
            REQUIRE_OK(akin_trainer_epoch(trainer, &report, NULL, err));
        CHECK(isfinite(report.loss));
        akin_trainer_free(trainer);
        training_fini(&it);
    }
}

TEST(equal_tiles_are_reported_as_a_collapse)
{
    struct training it;
    struct akin_train_options options = training_options(2);
    struct akin_train_epoch report = {0};
    training_init(&it, 16, 3);
    memset(it.tiles.bytes, 77, 16 * it.tiles.tile_bytes);
    REQUIRE_OK(train(&it, &options, &report, NULL, NULL, NULL, err));
    CHECK(isfinite(report.loss));
    CHECK(report.collapsed);
    training_fini(&it);
}

TEST(unreadable_tiles_are_counted_and_others_drawn)
{
    struct training it;
    struct akin_train_options options = training_options(2);
    struct akin_train_epoch report = {0};
    training_init(&it, 16, 3);
    it.unreadable_every = 4; /* four of sixteen, in two views each */
    REQUIRE_OK(train(&it, &options, &report, NULL, NULL, NULL, err));
    CHECK_EQ(report.tiles_unread, 8);
    CHECK(isfinite(report.loss));
    training_fini(&it);
}

TEST(only_unreadable_tiles_are_an_error)
{
    struct training it;
    struct akin_train_options options = training_options(2);
    struct akin_train_epoch report = {0};
    akin_trainer *trainer = NULL;
    akin_error failed = {0};
    training_init(&it, 16, 3);
    it.all_unreadable = true;
    CHECK_EQ(akin_trainer_create(&trainer, &it.source, &options, &failed), AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(failed.text, "none of 16 tiles can be read");
    it.all_unreadable = false;
    REQUIRE_OK(akin_trainer_create(&trainer, &it.source, &options, err));
    it.all_unreadable = true;
    double seconds;
    CHECK_EQ(akin_trainer_epoch(trainer, &report, NULL, &failed), AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(failed.text, "akin verify");
    CHECK_EQ(akin_trainer_measure(trainer, &seconds, &failed), AKIN_ERR_CORRUPT);
    akin_trainer_free(trainer);
    training_fini(&it);
}

/* What failed in the middle of a step can neither be saved nor go on, but from a checkpoint. */
TEST(a_failed_epoch_can_be_begun_again)
{
    const char *dir = check_folder();
    struct training it;
    struct akin_train_options options = training_options(2);
    struct akin_buffer whole = {0}, mended = {0};
    struct akin_train_epoch report = {0};
    akin_trainer *trainer = NULL;
    char path[AKIN_PATH_MAX];
    akin_error failed = {0};
    training_init(&it, 16, 3);
    REQUIRE_OK(train(&it, &options, &report, dir, "whole", &whole, err));
    REQUIRE_OK(akin_trainer_create(&trainer, &it.source, &options, err));
    REQUIRE_OK(training_steps(trainer, 2, err));
    REQUIRE_OK(akin_path_join(path, dir, "checkpoint", err));
    REQUIRE_OK(akin_trainer_save(trainer, path, err));
    it.all_unreadable = true;
    CHECK_EQ(akin_trainer_epoch(trainer, &report, NULL, &failed), AKIN_ERR_CORRUPT);
    it.all_unreadable = false;
    CHECK_EQ(akin_trainer_epoch(trainer, &report, NULL, &failed), AKIN_ERR_INVALID);
    CHECK_CONTAINS(failed.text, "checkpoint");
    CHECK_EQ(akin_trainer_save(trainer, path, &failed), AKIN_ERR_INVALID);
    CHECK_CONTAINS(failed.text, "checkpoint");
    REQUIRE_OK(akin_trainer_load(trainer, path, err));
    REQUIRE_OK(training_steps(trainer, 100, err));
    CHECK(akin_trainer_done(trainer));
    CHECK(training_saved(trainer, dir, "mended", &mended) > 0);
    CHECK(training_same(&whole, &mended));
    akin_buffer_fini(&whole);
    akin_buffer_fini(&mended);
    akin_trainer_free(trainer);
    training_fini(&it);
}

/* Whatever such rates do, the status says it: no report has a loss that is no number. */
TEST(rates_that_are_far_too_high)
{
    static const char *const optimisers[] = {"adamw", "sgd"};
    for (size_t i = 0; i < 2; i++) {
        struct training it;
        struct akin_train_options options = training_options(2);
        struct akin_train_epoch report = {0};
        akin_error err = {0};
        training_init(&it, 16, 3);
        options.optimiser = optimisers[i];
        options.rate = 10;
        options.epochs = 6;
        akin_status status = train(&it, &options, &report, NULL, NULL, NULL, &err);
        CHECK(status == AKIN_OK || status == AKIN_ERR_INVALID);
        CHECK(isfinite(report.loss) && isfinite(report.spread) && isfinite(report.alignment));
        if (status == AKIN_ERR_INVALID)
            CHECK_CONTAINS(err.text, "a lower rate may help");
        training_fini(&it);
    }
}

TEST(progress_tells_epochs_and_steps)
{
    struct training it;
    struct akin_train_options options = training_options(2);
    struct akin_train_epoch report = {0};
    akin_trainer *trainer = NULL;
    akin_error stopped = {0};
    int left = 1;
    const struct akin_talk talk = {.progress = training_stop, .user = &left};
    training_init(&it, 24, 3);
    REQUIRE_OK(akin_trainer_create(&trainer, &it.source, &options, err));
    CHECK_EQ(akin_trainer_epoch(trainer, &report, &talk, &stopped), AKIN_ERR_CANCELLED);
    CHECK_EQ(report.epoch, 0); /* none is done */
    CHECK(isfinite(report.loss) && report.loss > 0);
    left = 2; /* the last step of the epoch: nothing is cut short */
    CHECK_EQ(akin_trainer_epoch(trainer, &report, &talk, &stopped), AKIN_OK);
    CHECK_EQ(report.epoch, 1);
    akin_trainer_free(trainer);
    training_fini(&it);
}

/* ---- out of memory ---- */

static akin_status everything(struct training *it, const akin_model *instant, akin_error *err)
{
    const struct akin_train_options options = training_options(1);
    struct akin_train_epoch report;
    akin_trainer *trainer = NULL;
    akin_model *model = NULL;
    akin_status status = akin_trainer_create(&trainer, &it->source, &options, err);
    if (status == AKIN_OK)
        status = akin_trainer_epoch(trainer, &report, NULL, err);
    if (status == AKIN_OK)
        status = akin_trainer_encoder(&model, trainer, instant, "trained", NULL, err);
    CHECK((status == AKIN_OK) == (model != NULL));
    akin_model_free(model);
    akin_trainer_free(trainer);
    return status;
}

TEST(every_allocation_may_fail)
{
    struct training it;
    akin_model *instant = NULL;
    const struct akin_instant_options options = tiles_options(TRAINING_PX, 1);
    float vectors[8][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}, {1, 0}, {0, 1}, {-1, 0}, {0, -1}};
    training_init(&it, 8, 1);
    it.source.instant = vectors[0];
    it.source.instant_dim = 2;
    REQUIRE_OK(akin_instant_fit(&instant, "instant", &options, 8, it.tiles.inputs, NULL, NULL, NULL,
                                NULL, err));
    const size_t used = akin_memory_used();
    akin_status status = AKIN_ERR_NO_MEMORY;
    long n = 0;
    for (; n < 1000 && status != AKIN_OK; n++) {
        akin_error err = {0};
        akin_memory_fail_at(n);
        status = everything(&it, instant, &err);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
        CHECK(status == AKIN_OK || err.text[0]);
        CHECK_EQ(akin_memory_used(), used);
    }
    CHECK_EQ(status, AKIN_OK);
    CHECK(n > 100);
    akin_model_free(instant);
    training_fini(&it);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
