/*
 * The instant encoder's fit: the same on any number of threads, usable on one tile and on tiles
 * about which there is little to say, honest about bad options and about no memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "tiles.h"

#define PX 24
#define DIM 44

/* Fits; the embeddings, freed by the caller, or NULL. */
static float *fit(akin_model **model, const struct tiles *tiles,
                  const struct akin_instant_options *options, akin_pool *pool)
{
    akin_error err = {0};
    float *embeddings =
        malloc(tiles->count * (options->rcf_dim + options->histogram_dim) * sizeof *embeddings);
    if (akin_instant_fit(model, "test", options, tiles->count, tiles->inputs, tiles->filled,
                         embeddings, pool, NULL, &err) == AKIN_OK)
        return embeddings;
    check_text(err.text, "", __FILE__, __LINE__, "error of the fit");
    free(embeddings);
    return NULL;
}

TEST(threads_do_not_change_a_bit)
{
    struct tiles tiles = tiles_make(300, PX, 3);
    struct akin_instant_options options = tiles_options(PX, 3);
    static const unsigned threads[] = {1, 2, 5};
    akin_model *models[3] = {NULL};
    float *embeddings[3] = {NULL};
    for (size_t i = 0; i < 3; i++) {
        akin_pool *pool = NULL;
        REQUIRE_OK(akin_pool_create(&pool, threads[i], err));
        embeddings[i] = fit(&models[i], &tiles, &options, pool);
        akin_pool_free(pool);
        REQUIRE(embeddings[i] != NULL);
        CHECK_EQ(akin_model_info(models[i])->fingerprint, akin_model_info(models[0])->fingerprint);
        CHECK(!memcmp(embeddings[i], embeddings[0], tiles.count * DIM * sizeof(float)));
    }
    for (size_t i = 0; i < 3; i++) {
        akin_model_free(models[i]);
        free(embeddings[i]);
    }
    tiles_free(&tiles);
}

TEST(another_seed_is_another_encoder)
{
    struct tiles tiles = tiles_make(20, PX, 1);
    struct akin_instant_options options = tiles_options(PX, 1);
    akin_model *one = NULL, *two = NULL;
    free(fit(&one, &tiles, &options, NULL));
    options.seed = 2;
    free(fit(&two, &tiles, &options, NULL));
    REQUIRE(one && two);
    CHECK(akin_model_info(one)->fingerprint != akin_model_info(two)->fingerprint);
    CHECK_EQ(akin_model_info(two)->seed, 2);
    CHECK_EQ(akin_model_info(two)->fitted_tiles, 20);
    akin_model_free(one);
    akin_model_free(two);
    tiles_free(&tiles);
}

/* Every count of bands, and more tiles than are made up to and fewer: the fit's embeddings are what
 * the encoder gives, whatever it encoded before. */
TEST(embeddings_are_the_encoders_bit_for_bit)
{
    static const uint32_t bands[] = {1, 2, 3, 4, 13};
    for (size_t b = 0; b < sizeof bands / sizeof *bands; b++) {
        struct tiles tiles = tiles_make(b == 1 ? 1100 : 40, PX, bands[b]);
        struct akin_instant_options options = tiles_options(PX, bands[b]);
        akin_model *model = NULL;
        akin_encoder *encoder = NULL;
        float *embeddings = fit(&model, &tiles, &options, NULL), out[DIM];
        REQUIRE(embeddings != NULL);
        REQUIRE_OK(akin_encoder_create(&encoder, model, err));
        size_t different = 0, odd = 0;
        for (size_t i = tiles.count; i-- > 0;) {
            REQUIRE_OK(akin_encoder_run(encoder, 1, &tiles.inputs[i], &tiles.filled[i], out, err));
            different += memcmp(out, embeddings + i * DIM, sizeof out) != 0;
            odd += !tiles_is_unit(out, DIM);
        }
        CHECK_EQ(different, 0);
        CHECK_EQ(odd, 0);
        CHECK(akin_encoder_bytes(model) > PX * PX * sizeof(float));
        akin_encoder_free(encoder);
        akin_model_free(model);
        free(embeddings);
        tiles_free(&tiles);
    }
}

/* Collections about which there is little to say: every tile still gets a unit vector, equal tiles
 * equal ones; and a model fitted on them still tells other pictures apart. */
static void check_poor_collection(struct tiles *tiles, uint32_t bands)
{
    struct akin_instant_options options = tiles_options(PX, bands);
    akin_model *model = NULL;
    akin_encoder *encoder = NULL;
    float *embeddings = fit(&model, tiles, &options, NULL), other[2][DIM];
    REQUIRE(embeddings != NULL);
    for (size_t i = 0; i < tiles->count; i++)
        CHECK(tiles_is_unit(embeddings + i * DIM, DIM));
    struct tiles fresh = tiles_make(2, PX, bands);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    for (size_t i = 0; i < 2; i++) {
        REQUIRE_OK(akin_encoder_run(encoder, 1, &fresh.inputs[i], NULL, other[i], err));
        CHECK(tiles_is_unit(other[i], DIM));
    }
    CHECK(memcmp(other[0], other[1], sizeof other[0]) != 0);
    akin_encoder_free(encoder);
    akin_model_free(model);
    free(embeddings);
    tiles_free(&fresh);
}

TEST(one_tile_is_enough)
{
    struct tiles tiles = tiles_make(1, PX, 3);
    check_poor_collection(&tiles, 3);
    tiles_free(&tiles);
}

TEST(flat_collections)
{
    static const int levels[] = {0, 255, 77};
    for (size_t i = 0; i < 3; i++) {
        struct tiles tiles = tiles_make(5, PX, 3);
        memset(tiles.bytes, levels[i], tiles.count * tiles.tile_bytes);
        check_poor_collection(&tiles, 3);
        tiles_free(&tiles);
    }
}

TEST(tiles_all_alike)
{
    struct tiles tiles = tiles_make(7, PX, 4);
    for (size_t i = 0; i < tiles.count; i++) {
        tiles.inputs[i] = tiles.inputs[0];
        tiles.filled[i] = NULL;
    }
    check_poor_collection(&tiles, 4);
    tiles_free(&tiles);
}

TEST(nothing_to_see_is_zeros)
{
    struct tiles tiles = tiles_make(30, PX, 3);
    struct akin_instant_options options = tiles_options(PX, 3);
    uint8_t none[PX * PX] = {0};
    tiles.filled[4] = none;
    akin_model *model = NULL;
    float *embeddings = fit(&model, &tiles, &options, NULL);
    REQUIRE(embeddings != NULL);
    for (size_t j = 0; j < DIM; j++)
        CHECK(embeddings[4 * DIM + j] == 0);
    CHECK(tiles_is_unit(embeddings + 5 * DIM, DIM));
    akin_model_free(model);
    free(embeddings);
    for (size_t i = 0; i < tiles.count; i++) /* nothing at all to fit on */
        tiles.filled[i] = none;
    model = NULL;
    embeddings = fit(&model, &tiles, &options, NULL);
    REQUIRE(embeddings != NULL);
    for (size_t j = 0; j < tiles.count * DIM; j++)
        CHECK(embeddings[j] == 0);
    akin_model_free(model);
    free(embeddings);
    tiles_free(&tiles);
}

/* A turned or mirrored tile is nearer to its original than any other tile is. */
TEST(turned_tiles_stay_near)
{
    struct tiles tiles = tiles_make(60, PX, 3);
    struct akin_instant_options options = tiles_options(PX, 3);
    akin_model *model = NULL;
    akin_encoder *encoder = NULL;
    memset(tiles.filled, 0, tiles.count * sizeof *tiles.filled);
    float *embeddings = fit(&model, &tiles, &options, NULL), out[DIM];
    REQUIRE(embeddings != NULL);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    size_t nearest = 0;
    for (size_t i = 0; i < tiles.count; i++) {
        uint8_t turned[PX * PX * 3];
        float best = -2, own = 0;
        for (size_t p = 0; p < PX * PX; p++)
            memcpy(turned + (p % PX * PX + PX - 1 - p / PX) * 3, tiles.inputs[i] + p * 3, 3);
        const uint8_t *const input = turned;
        REQUIRE_OK(akin_encoder_run(encoder, 1, &input, NULL, out, err));
        for (size_t j = 0; j < tiles.count; j++) {
            float score = akin_kernels()->dot(out, embeddings + j * DIM, DIM);
            best = j != i && score > best ? score : best;
            own = j == i ? score : own;
        }
        nearest += own > best;
    }
    CHECK(nearest >= 55);
    akin_encoder_free(encoder);
    akin_model_free(model);
    free(embeddings);
    tiles_free(&tiles);
}

TEST(options_out_of_range)
{
    struct tiles tiles = tiles_make(2, PX, 3);
    const struct akin_instant_options good = tiles_options(PX, 3);
    static const struct {
        size_t field;
        uint32_t value;
        const char *name;
    } bad[] = {
        {offsetof(struct akin_instant_options, input_px), 15, "input_px"},
        {offsetof(struct akin_instant_options, input_px), 513, "input_px"},
        {offsetof(struct akin_instant_options, bands), 0, "bands"},
        {offsetof(struct akin_instant_options, bands), AKIN_BANDS_MAX + 1, "bands"},
        {offsetof(struct akin_instant_options, filters), 0, "filters"},
        {offsetof(struct akin_instant_options, filters), 40, "multiple of 16"},
        {offsetof(struct akin_instant_options, filters), 1040, "filters"},
        {offsetof(struct akin_instant_options, patch_px), 2, "patch_px"},
        {offsetof(struct akin_instant_options, patch_px), 10, "patch_px"},
        {offsetof(struct akin_instant_options, rcf_dim), 0, "rcf_dim"},
        {offsetof(struct akin_instant_options, rcf_dim), 65, "rcf_dim"},
        {offsetof(struct akin_instant_options, histogram_dim), 100000, "histogram_dim"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct akin_instant_options options = good;
        akin_model *model = NULL;
        akin_error err = {0};
        memcpy((char *)&options + bad[i].field, &bad[i].value, sizeof bad[i].value);
        CHECK_EQ(akin_instant_fit(&model, "test", &options, 2, tiles.inputs, NULL, NULL, NULL, NULL,
                                  &err),
                 AKIN_ERR_INVALID);
        CHECK_CONTAINS(err.text, bad[i].name);
        CHECK(model == NULL);
    }
    akin_model *model = NULL;
    struct akin_instant_options options = good;
    options.power = NAN;
    CHECK_EQ(
        akin_instant_fit(&model, "test", &options, 2, tiles.inputs, NULL, NULL, NULL, NULL, NULL),
        AKIN_ERR_INVALID);
    CHECK_EQ(akin_instant_fit(&model, "test", &good, 0, tiles.inputs, NULL, NULL, NULL, NULL, NULL),
             AKIN_ERR_INVALID);
    CHECK_EQ(akin_instant_fit(&model, "../x", &good, 2, tiles.inputs, NULL, NULL, NULL, NULL, NULL),
             AKIN_ERR_INVALID);
    CHECK(model == NULL);
    tiles_free(&tiles);
}

static bool stop_at_once(void *user, const struct akin_progress *progress)
{
    (*(int *)user)++;
    return progress->done < 256;
}

TEST(stopped_on_request)
{
    struct tiles tiles = tiles_make(3, 16, 1);
    struct akin_instant_options options = tiles_options(16, 1);
    int calls = 0;
    const struct akin_talk talk = {.progress = stop_at_once, .user = &calls};
    akin_model *model = NULL;
    size_t before = akin_memory_used();
    CHECK_EQ(
        akin_instant_fit(&model, "test", &options, 3, tiles.inputs, NULL, NULL, NULL, &talk, NULL),
        AKIN_ERR_CANCELLED);
    CHECK(model == NULL);
    CHECK_EQ(calls, 2);
    CHECK_EQ(akin_memory_used(), before);
    tiles_free(&tiles);
}

TEST(each_allocation_fails_once)
{
    struct tiles tiles = tiles_make(3, 16, 1);
    struct akin_instant_options options = tiles_options(16, 1);
    options.filters = 16;
    options.rcf_dim = options.histogram_dim = 4;
    size_t before = akin_memory_used();
    akin_status status = AKIN_ERR_NO_MEMORY;
    long failed = 0;
    for (; status == AKIN_ERR_NO_MEMORY && failed < 100; failed++) {
        akin_model *model = NULL;
        akin_encoder *encoder = NULL;
        akin_memory_fail_at(failed);
        status = akin_instant_fit(&model, "test", &options, 3, tiles.inputs, NULL, NULL, NULL, NULL,
                                  NULL);
        CHECK((status == AKIN_OK) == (model != NULL));
        if (status == AKIN_OK)
            status = akin_encoder_create(&encoder, model, NULL);
        CHECK(status != AKIN_OK || encoder);
        akin_memory_fail_at(-1);
        akin_encoder_free(encoder);
        akin_model_free(model);
        CHECK_EQ(akin_memory_used(), before);
    }
    CHECK_EQ(status, AKIN_OK);
    CHECK(failed > 10);
    tiles_free(&tiles);
}

TEST(free_takes_null)
{
    akin_model_free(NULL);
    akin_encoder_free(NULL);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
