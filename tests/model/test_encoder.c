/*
 * Running encoders: any number of tiles, split into the batches of the kind, on one thread or
 * several, with the same result; failures of a kind reach the caller; and what is where inside a
 * tile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "sums.h"
#include "tiles.h"

#define PX 24
#define BANDS 3
#define BATCH 7

static akin_model *make_sums(struct sums **sums)
{
    akin_model *model = NULL;
    CHECK(sums_make(&model, sums, PX, BATCH, NULL) == AKIN_OK);
    return model;
}

/* ---- batches ---- */

TEST(any_number_of_tiles_in_batches)
{
    static const size_t counts[] = {0, 1, BATCH - 1, BATCH, BATCH + 1, 5 * BATCH, 100};
    struct tiles tiles = tiles_make(100, PX, BANDS);
    struct sums *sums;
    akin_model *model = make_sums(&sums);
    akin_encoder *encoder = NULL;
    float out[2 * 100 + 1];
    REQUIRE(model != NULL);
    CHECK_EQ(akin_encoder_batch(model), BATCH);
    CHECK(akin_encoder_bytes(model) >= 1000);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        const size_t n = counts[c];
        atomic_store(&sums->calls, 0);
        out[2 * n] = 77;
        REQUIRE_OK(akin_encoder_run(encoder, n, tiles.inputs, tiles.filled, out, err));
        CHECK_EQ(atomic_load(&sums->calls), (n + BATCH - 1) / BATCH);
        CHECK(out[2 * n] == 77);
        for (size_t i = 0; i < n; i++) {
            float one[2];
            REQUIRE_OK(akin_encoder_run(encoder, 1, &tiles.inputs[i], &tiles.filled[i], one, err));
            CHECK(!memcmp(one, out + 2 * i, sizeof one));
            CHECK_EQ(one[0], tiles.filled[i] != NULL);
        }
    }
    REQUIRE_OK(akin_encoder_run(encoder, 100, tiles.inputs, NULL, out, err)); /* all is there */
    CHECK_EQ(out[2], 0);
    akin_encoder_free(encoder);
    akin_model_free(model);
    tiles_free(&tiles);
}

TEST(a_pool_of_encoders_gives_what_one_gives)
{
    enum { N = 203 };
    struct tiles tiles = tiles_make(N, PX, BANDS);
    struct sums *sums;
    akin_model *model = make_sums(&sums);
    akin_encoder *encoder = NULL;
    float alone[2 * N], together[2 * N];
    REQUIRE(model != NULL);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    REQUIRE_OK(akin_encoder_run(encoder, N, tiles.inputs, tiles.filled, alone, err));
    for (unsigned threads = 1; threads <= 5; threads += 2) {
        akin_pool *pool = NULL;
        akin_encoder_pool *encoders = NULL;
        REQUIRE_OK(akin_pool_create(&pool, threads, err));
        REQUIRE_OK(akin_encoder_pool_create(&encoders, model, pool, err));
        atomic_store(&sums->scratches, 0);
        REQUIRE_OK(akin_encoder_pool_run(encoders, BATCH, tiles.inputs, NULL, together, err));
        CHECK_EQ(atomic_load(&sums->scratches), 1); /* one batch: one encoder */
        for (int again = 0; again < 3; again++) {
            memset(together, 0, sizeof together);
            REQUIRE_OK(
                akin_encoder_pool_run(encoders, N, tiles.inputs, tiles.filled, together, err));
            CHECK(!memcmp(alone, together, sizeof alone));
        }
        CHECK(atomic_load(&sums->scratches) <= threads);
        akin_encoder_pool_free(encoders);
        akin_pool_free(pool);
    }
    akin_encoder_free(encoder);
    akin_model_free(model);
    tiles_free(&tiles);
}

TEST(a_failure_reaches_the_caller)
{
    struct tiles tiles = tiles_make(100, PX, BANDS);
    struct sums *sums;
    akin_model *model = make_sums(&sums);
    akin_pool *pool = NULL;
    akin_encoder_pool *encoders = NULL;
    akin_error why = {0};
    float out[2 * 100];
    REQUIRE(model != NULL);
    for (size_t i = 0; i < 100; i++)
        tiles.bytes[i * tiles.tile_bytes] = i == 60 ? SUMS_FAILING : 1;
    REQUIRE_OK(akin_pool_create(&pool, 3, err));
    REQUIRE_OK(akin_encoder_pool_create(&encoders, model, pool, err));
    CHECK_EQ(akin_encoder_pool_run(encoders, 100, tiles.inputs, NULL, out, &why), AKIN_ERR_IO);
    CHECK_TEXT(why.text, "the arithmetic failed");
    REQUIRE_OK(akin_encoder_pool_run(encoders, 56, tiles.inputs, NULL, out, err)); /* goes on */
    akin_encoder_pool_free(encoders);
    akin_pool_free(pool);
    akin_model_free(model);
    tiles_free(&tiles);
}

TEST(free_takes_null_and_no_memory_is_a_status)
{
    struct sums *sums;
    akin_model *model = make_sums(&sums);
    REQUIRE(model != NULL);
    akin_encoder_pool_free(NULL);
    size_t before = akin_memory_used();
    for (long at = 0; at < 2; at++) {
        akin_encoder_pool *encoders = NULL;
        akin_memory_fail_at(at);
        CHECK_EQ(akin_encoder_pool_create(&encoders, model, NULL, NULL), AKIN_ERR_NO_MEMORY);
        akin_memory_fail_at(-1);
        CHECK(encoders == NULL);
    }
    CHECK_EQ(akin_memory_used(), before);
    akin_model_free(model);
}

/* ---- cells ---- */

TEST(a_kind_without_cells_says_so)
{
    struct sums *sums;
    akin_model *model = make_sums(&sums);
    akin_encoder *encoder = NULL;
    akin_error why = {0};
    uint32_t rows, cols;
    REQUIRE(model != NULL);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    CHECK_EQ(akin_encoder_cells(encoder, NULL, NULL, &rows, &cols, NULL, &why),
             AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(why.text, "sums");
    akin_encoder_free(encoder);
    akin_model_free(model);
}

static akin_model *fit_on(const struct tiles *tiles, uint32_t px)
{
    struct akin_instant_options options = tiles_options(px, BANDS);
    akin_model *model = NULL;
    akin_instant_fit(&model, "instant", &options, tiles->count, tiles->inputs, NULL, NULL, NULL,
                     NULL, NULL);
    return model;
}

/* Two pictures side by side: the cells of each half are nearer to the picture that is there. */
TEST(the_instant_encoder_tells_where)
{
    enum { SIDE = 64, DIM = 44 };
    struct tiles tiles = tiles_make(200, SIDE, BANDS);
    akin_model *model = fit_on(&tiles, SIDE);
    akin_encoder *encoder = NULL;
    uint32_t rows = 0, cols = 0;
    REQUIRE(model != NULL);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    REQUIRE_OK(akin_encoder_cells(encoder, NULL, NULL, &rows, &cols, NULL, err));
    REQUIRE(rows && cols && rows <= AKIN_CELLS_MAX && cols <= AKIN_CELLS_MAX);
    float *cells = malloc((size_t)rows * cols * DIM * sizeof *cells), whole[2 * DIM];
    uint8_t *both = malloc(tiles.tile_bytes);
    size_t right = 0, all = 0, units = 0;
    for (size_t pair = 0; pair < 20; pair++) {
        const uint8_t *halves[2] = {tiles.inputs[2 * pair], tiles.inputs[2 * pair + 1]};
        for (size_t i = 0; i < tiles.tile_bytes; i++)
            both[i] = halves[i / BANDS % SIDE >= SIDE / 2][i];
        REQUIRE_OK(akin_encoder_run(encoder, 2, halves, NULL, whole, err));
        REQUIRE_OK(akin_encoder_cells(encoder, both, NULL, &rows, &cols, cells, err));
        for (size_t c = 0; c < (size_t)rows * cols; c++) {
            const size_t half = c % cols >= cols / 2;
            const float *cell = cells + c * DIM;
            right += akin_kernels()->dot(cell, whole + half * DIM, DIM) >
                     akin_kernels()->dot(cell, whole + (1 - half) * DIM, DIM);
            units += tiles_is_unit(cell, DIM);
            all++;
        }
    }
    CHECK_EQ(units, all);
    CHECK(right > all * 85 / 100);
    free(cells);
    free(both);
    akin_encoder_free(encoder);
    akin_model_free(model);
    tiles_free(&tiles);
}

/* Where all was filled nothing can be said; the smallest tile has one window over all of it. */
TEST(cells_of_what_is_missing_and_of_small_tiles)
{
    enum { DIM = 44 };
    struct tiles tiles = tiles_make(40, PX, BANDS);
    akin_model *model = fit_on(&tiles, PX);
    akin_encoder *encoder = NULL;
    uint8_t filled[PX * PX];
    float cells[64 * DIM], whole[DIM];
    uint32_t rows, cols;
    REQUIRE(model != NULL);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    for (size_t i = 0; i < sizeof filled; i++)
        filled[i] = i % PX < 17 ? 0 : 255;
    REQUIRE_OK(akin_encoder_cells(encoder, tiles.inputs[0], filled, &rows, &cols, cells, err));
    REQUIRE(rows * cols == 64);
    for (size_t j = 0; j < DIM; j++)
        CHECK(cells[j] == 0);
    CHECK(tiles_is_unit(cells + (cols - 1) * DIM, DIM));
    akin_encoder_free(encoder);
    akin_model_free(model);
    tiles_free(&tiles);

    tiles = tiles_make(40, 16, BANDS);
    model = fit_on(&tiles, 16);
    REQUIRE(model != NULL);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    REQUIRE_OK(akin_encoder_run(encoder, 1, tiles.inputs, NULL, whole, err));
    REQUIRE_OK(akin_encoder_cells(encoder, tiles.inputs[0], NULL, &rows, &cols, cells, err));
    CHECK(!memcmp(cells, whole, sizeof whole));
    CHECK(!memcmp(cells + 63 * DIM, whole, sizeof whole));
    akin_encoder_free(encoder);
    akin_model_free(model);
    tiles_free(&tiles);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
