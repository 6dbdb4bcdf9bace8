/*
 * The trained encoder as its users see it: saved and opened it is the same; a tile's vector depends
 * on the tile alone; it has unit length, or is zero where nothing was there; damage is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "../../src/model/model_kind.h"
#include "training.h"

#define TILES 40
#define DIM_MAX 256

/* Trains for two epochs on made-up tiles; a model, or NULL. */
static akin_model *make_model(struct training *it, akin_model **instant, akin_error *err)
{
    const struct akin_instant_options small = tiles_options(16, it->source.bands);
    struct akin_train_options options = training_options(2);
    struct tiles tiles = tiles_make(8, 16, it->source.bands);
    akin_trainer *trainer = NULL;
    akin_model *model = NULL;
    options.epochs = 2;
    akin_status status =
        akin_instant_fit(instant, "instant", &small, 8, tiles.inputs, NULL, NULL, NULL, NULL, err);
    if (status == AKIN_OK)
        status = akin_trainer_create(&trainer, &it->source, &options, err);
    if (status == AKIN_OK)
        status = training_steps(trainer, 100, err);
    if (status == AKIN_OK)
        status = akin_trainer_encoder(&model, trainer, *instant, "a", NULL, err);
    akin_trainer_free(trainer);
    tiles_free(&tiles);
    return model;
}

struct fixture {
    struct training training;
    akin_model *instant, *model;
    akin_encoder *encoder;
    size_t dim;
    float vectors[TILES * DIM_MAX]; /* of all tiles, with their masks */
};

static akin_status setup(struct fixture *it, uint32_t bands, akin_error *err)
{
    memset(it, 0, sizeof *it);
    training_init(&it->training, TILES, bands);
    it->training.masked = true;
    it->model = make_model(&it->training, &it->instant, err);
    if (!it->model)
        return AKIN_ERR_INVALID;
    it->dim = akin_model_info(it->model)->dim;
    akin_status status = akin_encoder_create(&it->encoder, it->model, err);
    return status == AKIN_OK ? akin_encoder_run(it->encoder, TILES, it->training.tiles.inputs,
                                                it->training.tiles.filled, it->vectors, err)
                             : status;
}

static void teardown(struct fixture *it)
{
    akin_encoder_free(it->encoder);
    akin_model_free(it->model);
    akin_model_free(it->instant);
    training_fini(&it->training);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* ---- what comes out ---- */

static void check_vectors(uint32_t bands)
{
    static struct fixture it;
    REQUIRE_OK(setup(&it, bands, err));
    const struct akin_model_info *info = akin_model_info(it.model);
    CHECK_TEXT(info->kind, "trained");
    CHECK_TEXT(info->name, "a");
    CHECK_EQ(info->bands, bands);
    CHECK_EQ(info->input_px, TRAINING_PX);
    CHECK_EQ(info->dim, 128 + 44); /* the instant encoder has no more than that */
    CHECK_EQ(info->fitted_tiles, TILES);
    const uint32_t batch = akin_encoder_batch(it.model); /* more where the CPU has matrix tiles */
    CHECK(batch == 16 || batch == 64);
    CHECK(akin_encoder_bytes(it.model) > 5000000);
    for (size_t i = 0; i < TILES; i++)
        CHECK(tiles_is_unit(it.vectors + i * it.dim, it.dim));
    double most = 0;
    for (size_t i = 0; i < TILES; i++)
        most = fmax(most, i ? cosine(it.vectors, it.vectors + i * it.dim, it.dim) : 0);
    CHECK(most < 0.95); /* tiles differ */
    teardown(&it);
}

TEST(vectors_of_one_band)
{
    check_vectors(1);
}

TEST(vectors_of_three_bands)
{
    check_vectors(3);
}

TEST(vectors_of_eight_bands)
{
    check_vectors(8);
}

TEST(each_part_weighs_the_same_in_every_tile)
{
    static struct fixture it;
    REQUIRE_OK(setup(&it, 3, err));
    const size_t first = it.dim - 128; /* the instant part's */
    const double share = cosine(it.vectors, it.vectors, first);
    CHECK(share > 0.2 && share < 0.8);
    for (size_t i = 0; i < TILES; i++) {
        const float *vector = it.vectors + i * it.dim;
        CHECK_NEAR(cosine(vector, vector, first), share, 1e-5);
        CHECK_NEAR(cosine(vector + first, vector + first, 128), 1 - share, 1e-5);
    }
    teardown(&it);
}

TEST(a_tile_alone_and_in_any_company)
{
    static const size_t batches[] = {1, 2, 7, 16, 17, 35};
    static struct fixture it;
    static float out[TILES * DIM_MAX];
    REQUIRE_OK(setup(&it, 3, err));
    const struct tiles *tiles = &it.training.tiles;
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        memset(out, 0, sizeof out);
        for (size_t i = 0; i < TILES; i += batches[b]) {
            size_t n = TILES - i < batches[b] ? TILES - i : batches[b];
            REQUIRE_OK(akin_encoder_run(it.encoder, n, tiles->inputs + i, tiles->filled + i,
                                        out + i * it.dim, err));
        }
        CHECK(!memcmp(out, it.vectors, TILES * it.dim * sizeof *out));
    }
    teardown(&it);
}

TEST(several_threads_give_the_same)
{
    static struct fixture it;
    static float out[TILES * DIM_MAX];
    akin_pool *pool = NULL;
    akin_encoder_pool *encoders = NULL;
    REQUIRE_OK(setup(&it, 3, err));
    REQUIRE_OK(akin_pool_create(&pool, 3, err));
    REQUIRE_OK(akin_encoder_pool_create(&encoders, it.model, pool, err));
    REQUIRE_OK(akin_encoder_pool_run(encoders, TILES, it.training.tiles.inputs,
                                     it.training.tiles.filled, out, err));
    CHECK(!memcmp(out, it.vectors, TILES * it.dim * sizeof *out));
    akin_encoder_pool_free(encoders);
    akin_pool_free(pool);
    teardown(&it);
}

/* ---- masks ---- */

TEST(nothing_there_is_zeros)
{
    static struct fixture it;
    static float out[3 * DIM_MAX];
    static const uint8_t none[TRAINING_PX * TRAINING_PX];
    REQUIRE_OK(setup(&it, 3, err));
    const struct tiles *tiles = &it.training.tiles;
    const uint8_t *const masks[] = {tiles->filled[0], none, tiles->filled[2]};
    REQUIRE_OK(akin_encoder_run(it.encoder, 3, tiles->inputs, masks, out, err));
    CHECK(!memcmp(out, it.vectors, it.dim * sizeof *out));
    CHECK(!memcmp(out + 2 * it.dim, it.vectors + 2 * it.dim, it.dim * sizeof *out));
    for (size_t i = 0; i < it.dim; i++)
        CHECK(out[it.dim + i] == 0);
    teardown(&it);
}

TEST(a_mask_counts)
{
    static struct fixture it;
    static float out[DIM_MAX];
    static uint8_t half[TRAINING_PX * TRAINING_PX], tile[TRAINING_PX * TRAINING_PX * 3];
    REQUIRE_OK(setup(&it, 3, err));
    const uint8_t *const input = tile, *const mask = half;
    memcpy(tile, it.training.tiles.inputs[0], sizeof tile);
    memcpy(tile + sizeof tile / 2, it.training.tiles.inputs[4], sizeof tile / 2);
    memset(half, 255, sizeof half / 2);
    const float *whole = it.vectors;
    REQUIRE_OK(akin_encoder_run(it.encoder, 1, &input, NULL, out, err));
    double without = cosine(out, whole, it.dim);
    REQUIRE_OK(akin_encoder_run(it.encoder, 1, &input, &mask, out, err));
    double with = cosine(out, whole, it.dim);
    CHECK(tiles_is_unit(out, it.dim));
    CHECK(with > without); /* nearer to the tile whose half it still is */
    teardown(&it);
}

/* ---- files ---- */

TEST(saved_and_opened_it_is_the_same)
{
    static struct fixture it;
    static float out[TILES * DIM_MAX];
    const char *dir = check_folder();
    akin_model *again = NULL;
    akin_encoder *encoder = NULL;
    REQUIRE_OK(setup(&it, 3, err));
    REQUIRE_OK(akin_model_save(it.model, dir, err));
    CHECK_EQ(akin_model_save(it.model, dir, NULL), AKIN_ERR_EXISTS);
    REQUIRE_OK(akin_model_open(&again, dir, "a", err));
    CHECK(
        !memcmp(akin_model_info(again), akin_model_info(it.model), sizeof(struct akin_model_info)));
    REQUIRE_OK(akin_encoder_create(&encoder, again, err));
    REQUIRE_OK(akin_encoder_run(encoder, TILES, it.training.tiles.inputs, it.training.tiles.filled,
                                out, err));
    CHECK(!memcmp(out, it.vectors, TILES * it.dim * sizeof *out));
    akin_encoder_free(encoder);
    akin_model_free(again);
    teardown(&it);
}

TEST(the_card_says_how_neighbours_are_kept)
{
    static struct fixture it;
    char path[AKIN_PATH_MAX];
    struct akin_buffer card;
    double instant = -1, net = -1, both = -1;
    const char *dir = check_folder();
    REQUIRE_OK(setup(&it, 3, err));
    REQUIRE_OK(akin_model_save(it.model, dir, err));
    snprintf(path, sizeof path, "%s/models/a/card.json", dir);
    akin_buffer_init(&card, 1 << 20);
    REQUIRE_OK(akin_file_read(&card, path, err));
    CHECK_CONTAINS(card.data, "neighbours_kept_under_turns");
    CHECK_CONTAINS(card.data, "both parts together");
    CHECK_CONTAINS(card.data, "SimCLR");
    CHECK_CONTAINS(card.data, "r10h");
    CHECK(akin_model_kept(it.model, &instant, &net, &both));
    CHECK(instant > 0.3 && instant <= 1 && net > 0.3 && net <= 1 && both > 0.3 && both <= 1);
    CHECK(!akin_model_kept(it.instant, &instant, &net, &both));
    akin_buffer_fini(&card);
    teardown(&it);
}

/* With `count` bytes at `at` changed, and both checksums put right if wanted. */
static akin_status open_changed(const struct akin_buffer *good, size_t size, size_t at,
                                const void *bytes, size_t count, bool forged, akin_error *err)
{
    akin_model *model = NULL;
    unsigned char *copy = akin_alloc(size, 1);
    if (!copy)
        return AKIN_ERR_NO_MEMORY;
    memcpy(copy, good->data, size);
    memcpy(copy + at, bytes, count);
    if (forged) {
        uint32_t sum = akin_crc32c(0, copy + 128, size - 128);
        memcpy(copy + 28, &sum, sizeof sum);
        sum = akin_crc32c(0, copy, 124);
        memcpy(copy + 124, &sum, sizeof sum);
    }
    akin_status status = model_parse(&model, copy, size, "a", "weights.bin", err);
    CHECK((status == AKIN_OK) == (model != NULL));
    akin_model_free(model);
    akin_free(copy);
    return status;
}

TEST(damage_and_forgery)
{
    /* Settings from byte 56 on: preset, size learnt at, epochs, instant size, filters, patch, ... */
    static const struct {
        size_t at;
        uint32_t value;
    } forgeries[] = {{16, 0},    {16, 33},     {16, 4000},       {20, 0}, {20, 3000},
                     {24, 7},    {56, 3},      {56, UINT32_MAX}, {56, 1}, {68, 0},
                     {68, 5000}, {72, 17},     {72, 0},          {76, 2}, {76, UINT32_MAX},
                     {80, 0},    {84, 100000}, {88, 2000000}};
    static struct fixture it;
    char path[AKIN_PATH_MAX];
    struct akin_buffer good;
    const char *dir = check_folder();
    REQUIRE_OK(setup(&it, 1, err));
    REQUIRE_OK(akin_model_save(it.model, dir, err));
    snprintf(path, sizeof path, "%s/models/a/weights.bin", dir);
    akin_buffer_init(&good, (size_t)1 << 26);
    REQUIRE_OK(akin_file_read(&good, path, err));
    CHECK_EQ(open_changed(&good, good.size, 0, "", 0, true, NULL), AKIN_OK);
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        akin_error err = {0};
        akin_status status =
            open_changed(&good, good.size, forgeries[i].at, &forgeries[i].value, 4, true, &err);
        CHECK_EQ(status, AKIN_ERR_CORRUPT);
        CHECK_CONTAINS(err.text, "weights.bin");
    }
    const float not_a_number = NAN;
    CHECK_EQ(open_changed(&good, good.size, 128 + 4000, &not_a_number, 4, true, NULL),
             AKIN_ERR_CORRUPT);
    for (size_t at = 0; at < good.size - 8; at += at < 128 ? 9 : good.size / 30)
        CHECK(open_changed(&good, good.size, at, "\x5a\xa5\x5a\xa5", 4, false, NULL) != AKIN_OK);
    static const size_t cuts[] = {0, 1, 127, 128, 132, 100000};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        CHECK_EQ(open_changed(&good, cuts[i], 0, "", 0, false, NULL), AKIN_ERR_CORRUPT);
    CHECK_EQ(open_changed(&good, good.size - 4, 0, "", 0, true, NULL), AKIN_ERR_CORRUPT);
    akin_buffer_fini(&good);
    teardown(&it);
}

/* ---- what no encoder is made of ---- */

TEST(encoders_that_cannot_be_made)
{
    static struct fixture it;
    const struct akin_train_options options = training_options(1);
    struct akin_instant_options other = tiles_options(16, 1);
    struct tiles grey = tiles_make(8, 16, 1);
    akin_trainer *trainer = NULL;
    akin_model *model = NULL, *one_band = NULL;
    akin_error none = {0};
    REQUIRE_OK(setup(&it, 3, err));
    REQUIRE_OK(
        akin_instant_fit(&one_band, "grey", &other, 8, grey.inputs, NULL, NULL, NULL, NULL, err));
    REQUIRE_OK(akin_trainer_create(&trainer, &it.training.source, &options, err));
    CHECK_EQ(akin_trainer_encoder(&model, trainer, it.instant, "../a", NULL, &none),
             AKIN_ERR_INVALID);
    CHECK_EQ(akin_trainer_encoder(&model, trainer, it.model, "b", NULL, &none), AKIN_ERR_INVALID);
    CHECK_CONTAINS(none.text, "not an instant encoder");
    CHECK_EQ(akin_trainer_encoder(&model, trainer, one_band, "b", NULL, &none), AKIN_ERR_INVALID);
    CHECK_CONTAINS(none.text, "1 bands, the tiles have 3");
    it.training.all_unreadable = true;
    CHECK_EQ(akin_trainer_encoder(&model, trainer, it.instant, "b", NULL, &none), AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(none.text, "tiles");
    it.training.all_unreadable = false;
    it.training.unreadable_every = 5; /* the others are enough */
    CHECK(model == NULL);
    REQUIRE_OK(akin_trainer_encoder(&model, trainer, it.instant, "b", NULL, err));
    akin_model_free(model);
    akin_model_free(one_band);
    akin_trainer_free(trainer);
    tiles_free(&grey);
    teardown(&it);
}

/* All tiles the same: nothing to learn, but an encoder that gives numbers. */
TEST(equal_tiles_give_no_nan)
{
    struct training it;
    akin_model *instant = NULL, *model = NULL;
    akin_encoder *encoder = NULL;
    static float out[TILES * DIM_MAX];
    akin_error err_text = {0};
    training_init(&it, TILES, 3);
    memset(it.tiles.bytes, 77, TILES * it.tiles.tile_bytes);
    model = make_model(&it, &instant, &err_text);
    CHECK_TEXT(err_text.text, "");
    REQUIRE(model != NULL);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    REQUIRE_OK(akin_encoder_run(encoder, TILES, it.tiles.inputs, NULL, out, err));
    for (size_t i = 0; i < TILES * akin_model_info(model)->dim; i++)
        CHECK(isfinite(out[i]));
    akin_encoder_free(encoder);
    akin_model_free(model);
    akin_model_free(instant);
    training_fini(&it);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
