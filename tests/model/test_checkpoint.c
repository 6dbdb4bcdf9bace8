/*
 * Checkpoints: a training that was stopped anywhere and went on ends in the same weights; what is
 * damaged, cut short or of another training is refused by name, and changes nothing; a full disk
 * leaves the last one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>

#include "training.h"

#define TILES 20 /* of which an epoch shows 16: two steps */

static akin_status make_trainer(akin_trainer **out, struct training *it, unsigned replicas,
                                akin_error *err)
{
    const struct akin_train_options options = training_options(replicas);
    return akin_trainer_create(out, &it->source, &options, err);
}

/* ---- going on ---- */

/* Stops after each of `stops` steps, and goes on in a fresh trainer each time. */
static akin_status train_in_parts(struct training *it, unsigned replicas, const int *stops,
                                  size_t count, const char *path, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < count && status == AKIN_OK; i++) {
        akin_trainer *trainer = NULL;
        status = make_trainer(&trainer, it, replicas, err);
        if (status == AKIN_OK && i > 0)
            status = akin_trainer_load(trainer, path, err);
        if (status == AKIN_OK)
            status = training_steps(trainer, stops[i], err);
        if (status == AKIN_OK)
            status = akin_trainer_save(trainer, path, err);
        akin_trainer_free(trainer);
    }
    return status;
}

static void check_parts(unsigned replicas, const int *stops, size_t count)
{
    const char *dir = check_folder();
    struct training it;
    struct akin_buffer whole = {0}, parts;
    akin_trainer *trainer = NULL;
    char path[AKIN_PATH_MAX];
    training_init(&it, TILES, 3);
    akin_buffer_init(&parts, (size_t)1 << 28);
    REQUIRE_OK(make_trainer(&trainer, &it, replicas, err));
    REQUIRE_OK(training_steps(trainer, 100, err));
    REQUIRE(akin_trainer_done(trainer));
    CHECK(training_saved(trainer, dir, "whole", &whole) > 0);
    REQUIRE_OK(akin_path_join(path, dir, "parts", err));
    REQUIRE_OK(train_in_parts(&it, replicas, stops, count, path, err));
    REQUIRE_OK(akin_file_read(&parts, path, err));
    CHECK(training_same(&whole, &parts));
    CHECK(!memcmp(whole.data, parts.data, 24)); /* up to the step, which is the last of both */
    akin_buffer_fini(&whole);
    akin_buffer_fini(&parts);
    akin_trainer_free(trainer);
    training_fini(&it);
}

TEST(stopped_between_epochs_it_ends_in_the_same_weights)
{
    check_parts(1, (const int[]){2, 2, 2}, 3);
}

TEST(stopped_inside_epochs_it_ends_in_the_same_weights)
{
    check_parts(1, (const int[]){1, 2, 100}, 3);
}

TEST(two_replicas_stopped_inside_epochs_end_in_the_same_weights)
{
    check_parts(2, (const int[]){3, 1, 100}, 3);
}

TEST(the_loss_of_an_epoch_counts_its_steps_before_the_stop)
{
    const char *dir = check_folder();
    struct training it;
    struct akin_train_epoch whole, rest;
    akin_trainer *trainer = NULL, *second = NULL;
    char path[AKIN_PATH_MAX];
    training_init(&it, TILES, 3);
    REQUIRE_OK(akin_path_join(path, dir, "half", err));
    REQUIRE_OK(make_trainer(&trainer, &it, 2, err));
    REQUIRE_OK(training_steps(trainer, 1, err));
    REQUIRE_OK(akin_trainer_save(trainer, path, err));
    akin_trainer_free(trainer);
    trainer = NULL;
    REQUIRE_OK(make_trainer(&trainer, &it, 2, err));
    REQUIRE_OK(akin_trainer_epoch(trainer, &whole, NULL, err));
    REQUIRE_OK(make_trainer(&second, &it, 2, err));
    REQUIRE_OK(akin_trainer_load(second, path, err));
    REQUIRE_OK(akin_trainer_epoch(second, &rest, NULL, err));
    CHECK_EQ(rest.epoch, 1);
    CHECK_NEAR(rest.loss, whole.loss, 1e-12);
    CHECK(rest.spread == whole.spread && rest.alignment == whole.alignment);
    akin_trainer_free(trainer);
    akin_trainer_free(second);
    training_fini(&it);
}

TEST(a_checkpoint_tells_its_schedule)
{
    const char *dir = check_folder();
    struct training it;
    akin_trainer *trainer = NULL;
    char path[AKIN_PATH_MAX];
    uint32_t epochs = 0;
    training_init(&it, TILES, 3);
    REQUIRE_OK(akin_path_join(path, dir, "c", err));
    CHECK_EQ(akin_checkpoint_epochs(&epochs, path, NULL), AKIN_ERR_NOT_FOUND);
    REQUIRE_OK(make_trainer(&trainer, &it, 1, err));
    REQUIRE_OK(akin_trainer_save(trainer, path, err));
    REQUIRE_OK(akin_checkpoint_epochs(&epochs, path, err));
    CHECK_EQ(epochs, 3);
    REQUIRE_OK(akin_file_write_atomic(path, "AKCKPT", 6, err));
    CHECK_EQ(akin_checkpoint_epochs(&epochs, path, NULL), AKIN_ERR_CORRUPT);
    akin_trainer_free(trainer);
    training_fini(&it);
}

/* ---- what is refused ---- */

/* A trainer one step on, and the checkpoint of another that is two. */
struct refusals {
    struct training training;
    akin_trainer *trainer;
    struct akin_buffer before, good;
    char path[AKIN_PATH_MAX];
    const char *dir;
};

static akin_status refusals_init(struct refusals *it, akin_error *err)
{
    akin_trainer *other = NULL;
    memset(it, 0, sizeof *it);
    it->dir = check_folder();
    training_init(&it->training, TILES, 3);
    akin_status status = make_trainer(&it->trainer, &it->training, 2, err);
    if (status == AKIN_OK)
        status = training_steps(it->trainer, 1, err);
    if (status == AKIN_OK)
        status = make_trainer(&other, &it->training, 2, err);
    if (status == AKIN_OK)
        status = training_steps(other, 2, err);
    if (status == AKIN_OK)
        status = akin_path_join(it->path, it->dir, "good", err);
    if (status == AKIN_OK) {
        CHECK(training_saved(it->trainer, it->dir, "before", &it->before) > 0);
        CHECK(training_saved(other, it->dir, "good", &it->good) > 0);
    }
    akin_trainer_free(other);
    return status;
}

/* The trainer is as it was. */
static void refusals_fini(struct refusals *it)
{
    struct akin_buffer after = {0};
    CHECK(training_saved(it->trainer, it->dir, "after", &after) > 0);
    CHECK(after.size == it->before.size && !memcmp(after.data, it->before.data, after.size));
    akin_buffer_fini(&after);
    akin_buffer_fini(&it->before);
    akin_buffer_fini(&it->good);
    akin_trainer_free(it->trainer);
    training_fini(&it->training);
}

static akin_status load_bytes(struct refusals *it, size_t size, akin_error *err)
{
    *err = (akin_error){0};
    if (akin_file_write_atomic(it->path, it->good.data, size, err) != AKIN_OK)
        return AKIN_ERR_IO;
    return akin_trainer_load(it->trainer, it->path, err);
}

TEST(cut_short_at_any_length)
{
    struct refusals it;
    REQUIRE_OK(refusals_init(&it, err));
    const size_t size = it.good.size, floats = (size - TRAINING_HEAD) / sizeof(float);
    const size_t lengths[] = {0,
                              1,
                              7,
                              8,
                              100,
                              TRAINING_HEAD - 4,
                              TRAINING_HEAD - 1,
                              TRAINING_HEAD,
                              TRAINING_HEAD + 1,
                              TRAINING_HEAD + 4,
                              TRAINING_HEAD + floats / 3 * 4,
                              TRAINING_HEAD + floats / 3 * 4 + 2,
                              size - 128,
                              size - 4,
                              size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        akin_error cut;
        CHECK_EQ(load_bytes(&it, lengths[i], &cut), AKIN_ERR_CORRUPT);
        CHECK_CONTAINS(cut.text, "cut short");
        CHECK_CONTAINS(cut.text, it.path);
    }
    akin_error longer;
    REQUIRE_OK(akin_buffer_append(&it.good, "more", 4, err));
    CHECK_EQ(load_bytes(&it, size + 4, &longer), AKIN_ERR_CORRUPT);
    CHECK(strstr(longer.text, "cut short") == NULL); /* which it is not */
    refusals_fini(&it);
}

TEST(flipped_bits)
{
    struct refusals it;
    REQUIRE_OK(refusals_init(&it, err));
    for (size_t at = 0; at < it.good.size;
         at += at < TRAINING_HEAD ? 1 : it.good.size / 20 + at % 3) {
        akin_error flipped;
        const char bit = (char)(1 << at % 8);
        it.good.data[at] ^= bit;
        CHECK_EQ(load_bytes(&it, it.good.size, &flipped), AKIN_ERR_CORRUPT);
        CHECK_CONTAINS(flipped.text, it.path);
        it.good.data[at] ^= bit;
    }
    refusals_fini(&it);
}

/* Numbers at a place, with both checksums right: what a hostile hand would write. */
static akin_status load_forged(struct refusals *it, size_t at, const void *bytes, size_t count,
                               akin_error *err)
{
    char saved[64];
    unsigned char *head = (unsigned char *)it->good.data;
    memcpy(saved, head + at, count);
    memcpy(head + at, bytes, count);
    uint32_t sum = akin_crc32c(0, head + TRAINING_HEAD, it->good.size - TRAINING_HEAD);
    memcpy(head + 12, &sum, sizeof sum);
    sum = akin_crc32c(0, head, TRAINING_HEAD - 4);
    memcpy(head + TRAINING_HEAD - 4, &sum, sizeof sum);
    akin_status status = load_bytes(it, it->good.size, err);
    memcpy(head + at, saved, count);
    return status;
}

TEST(forged_numbers)
{
    struct refusals it;
    akin_error forged;
    const uint32_t version = 2;
    const uint64_t many = UINT64_MAX;
    const float not_a_number = NAN;
    const double no_sum = INFINITY;
    REQUIRE_OK(refusals_init(&it, err));
    CHECK_EQ(load_forged(&it, 8, &version, sizeof version, &forged), AKIN_ERR_VERSION);
    CHECK_CONTAINS(forged.text, "upgrade akin");
    CHECK_EQ(load_forged(&it, 16, &many, sizeof many, &forged), AKIN_ERR_CORRUPT); /* step */
    CHECK_EQ(load_forged(&it, 24, &no_sum, sizeof no_sum, &forged), AKIN_ERR_CORRUPT);
    CHECK_EQ(load_forged(&it, 32, &many, sizeof many, &forged), AKIN_ERR_CORRUPT); /* floats */
    CHECK_EQ(load_forged(&it, 40, &not_a_number, 4, &forged), AKIN_ERR_INVALID);   /* recipe */
    CHECK_EQ(load_forged(&it, TRAINING_HEAD + 4000, &not_a_number, sizeof not_a_number, &forged),
             AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(forged.text, "number 1000 is not finite");
    CHECK_EQ(load_forged(&it, 0, "PK\3\4....", 8, &forged), AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(forged.text, "not a checkpoint");
    refusals_fini(&it);
}

TEST(what_is_no_file_to_read)
{
    struct refusals it;
    akin_error none = {0};
    REQUIRE_OK(refusals_init(&it, err));
    CHECK_EQ(akin_trainer_load(it.trainer, "/nowhere/checkpoint", &none), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(none.text, "/nowhere/checkpoint");
    CHECK(akin_trainer_load(it.trainer, it.dir, &none) != AKIN_OK);
    CHECK_CONTAINS(none.text, it.dir);
    refusals_fini(&it);
}

/* Loading the checkpoint of the usual training into one with other options. */
static void check_other(struct refusals *it, const struct akin_train_options *options,
                        const struct akin_train_tiles *tiles, const char *words)
{
    akin_trainer *trainer = NULL;
    akin_error other = {0};
    REQUIRE_OK(akin_trainer_create(&trainer, tiles, options, err));
    CHECK_EQ(akin_trainer_load(trainer, it->path, &other), AKIN_ERR_INVALID);
    CHECK_CONTAINS(other.text, words);
    CHECK_CONTAINS(other.text, it->path);
    akin_trainer_free(trainer);
}

TEST(of_another_training)
{
    static const char *const words[] = {
        "preset",    "input",        "batch",         "replicas",    "loss is",
        "optimiser", "epochs is 3",  "seed's low",    "seed's high", "temperature",
        "rate",      "weight decay", "smallest crop", "balance"};
    enum { CHANGES = sizeof words / sizeof *words };
    struct refusals it;
    struct training other;
    struct akin_train_options options[CHANGES];
    REQUIRE_OK(refusals_init(&it, err));
    for (size_t i = 0; i < CHANGES; i++)
        options[i] = training_options(2);
    options[0].preset = "r18h";
    options[1].input_px = 64;
    options[2].batch = 16;
    options[3].replicas = 4;
    options[4].loss = "dcl";
    options[5].optimiser = "sgd";
    options[6].epochs = 4;
    options[7].seed = 2;
    options[8].seed = 1 + ((uint64_t)1 << 32);
    options[9].temperature = 0.1;
    options[10].rate = 2e-3;
    options[11].weight_decay = 0.02;
    options[12].crop_min = 0.2;
    options[13].balance = 0;
    for (size_t i = 0; i < CHANGES; i++)
        check_other(&it, &options[i], &it.training.source, words[i]);
    const struct akin_train_options same = training_options(2);
    training_init(&other, TILES + 1, 3);
    check_other(&it, &same, &other.source, "tiles is 20, here it is 21");
    training_fini(&other);
    training_init(&other, TILES, 1);
    check_other(&it, &same, &other.source, "bands is 3, here it is 1");
    training_fini(&other);
    refusals_fini(&it);
}

/* ---- a disk that is full ---- */

TEST(a_full_disk_leaves_the_last_checkpoint)
{
    struct refusals it;
    struct rlimit old;
    akin_error full = {0};
    REQUIRE_OK(refusals_init(&it, err));
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
    const struct rlimit small = {.rlim_cur = 1 << 20, .rlim_max = old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    akin_status status = akin_trainer_save(it.trainer, it.path, &full);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
    signal(SIGXFSZ, handler);
    CHECK(status != AKIN_OK);
    CHECK_CONTAINS(full.text, it.path);
    char **names = NULL;
    size_t count = 0;
    REQUIRE_OK(akin_dir_list(&names, &count, it.dir, 100, err));
    CHECK_EQ(count, 2); /* before and good, and nothing half written */
    akin_names_free(names, count);
    struct akin_buffer still;
    akin_buffer_init(&still, (size_t)1 << 28);
    REQUIRE_OK(akin_file_read(&still, it.path, err));
    CHECK(still.size == it.good.size && !memcmp(still.data, it.good.data, still.size));
    akin_buffer_fini(&still);
    CHECK(akin_trainer_save(it.trainer, "/nowhere/at/all/checkpoint", &full) != AKIN_OK);
    CHECK_CONTAINS(full.text, "/nowhere/at/all");
    refusals_fini(&it);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
