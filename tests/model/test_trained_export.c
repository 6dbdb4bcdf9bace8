/*
 * A trained encoder's files for other tools: ONNX Runtime gives what the encoder gives, the weights
 * come back as they were; and where inside a tile its cells point.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "../../src/model/model_kind.h"
#include "../../src/model/ort.h"
#include "../../src/model/trained_export.h"
#include "akin/array.h"
#include "cosine.h"
#include "onnxruntime.h"
#include "tiles.h"

#define PX 32
#define TILES 5
#define SEED 11

/* -1..1 */
static float number(uint64_t stream, uint64_t i)
{
    return (float)(2 * akin_random_unit(SEED, stream, i) - 1);
}

/* Random weights of a working net, statistics and components included. */
static void put_net(struct trained *trained, const struct tiles *tiles)
{
    const struct arch_table *table = &trained->table;
    float *parameters = akin_alloc(table->parameter_count, sizeof *parameters);
    float *statistics = akin_alloc(table->statistic_count, sizeof *statistics);
    struct pca *pca = &trained->net_pca;
    REQUIRE(parameters && statistics);
    arch_initialise(table, SEED, parameters, statistics);
    memcpy(trained->parameters, parameters, trained_parameter_count(table) * sizeof(float));
    for (size_t t = 0; t < table->count; t++) {
        const struct arch_tensor *tensor = &table->tensors[t];
        const bool mean = tensor->role == ARCH_MEAN;
        for (size_t i = 0; i < tensor->count && !tensor->head; i++) {
            const float value = number(t, i);
            if (mean || tensor->role == ARCH_VARIANCE)
                trained->statistics[tensor->offset + i] = mean ? 0.2f * value : 1 + 0.5f * value;
            else if (tensor->role != ARCH_WEIGHT)
                trained->parameters[tensor->offset + i] += 0.3f * value;
        }
    }
    for (uint32_t b = 0; b < table->arch.bands; b++) {
        trained->mean[b] = 100 + 5.0f * (float)b;
        trained->scale[b] = 1 / (50 + (float)b);
    }
    for (size_t i = 0; i < (size_t)pca->in * pca->out; i++)
        pca->basis[i] = number(900, i);
    akin_free(parameters);
    akin_free(statistics);

    /* Components are centred: else all vectors would be alike. */
    struct trained_scratch *scratch = NULL;
    bool there[TILES];
    float *net = akin_alloc_zero(TILES, (pca->in + trained->instant_pca.in) * sizeof *net);
    REQUIRE_OK(trained_scratch_create(&scratch, trained, err));
    REQUIRE_OK(trained_features(trained, scratch, TILES, tiles->inputs, tiles->filled, 0, net,
                                net + TILES * pca->in, there, err));
    for (size_t i = 0; i < TILES * (size_t)pca->in; i++)
        pca->mean[i % pca->in] += net[i] / TILES;
    trained_scratch_free(scratch);
    akin_free(net);
}

static akin_model *made(const char *preset, const struct tiles *tiles, uint32_t bands)
{
    const struct akin_instant_options options = tiles_options(PX, bands);
    akin_model *instant = NULL, *model = NULL;
    struct trained *trained = NULL;
    struct arch arch;
    akin_error err = {0};
    if (arch_init(&arch, preset, bands, &err) != AKIN_OK ||
        akin_instant_fit(&instant, "instant", &options, TILES, tiles->inputs, NULL, NULL, NULL,
                         NULL, &err) != AKIN_OK ||
        trained_create(&trained, arch.preset, PX, PX, 1, &options, &err) != AKIN_OK)
        goto out;
    const struct instant *from = instant->state;
    memcpy(trained->instant->band_mean, from->band_mean, from->weight_count * sizeof(float));
    for (size_t i = 0; i < trained->instant_pca.out; i++) /* as they are */
        trained->instant_pca.basis[i * trained->instant_pca.in + i] = 1;
    trained->part_weight[0] = trained->part_weight[1] = 1;
    put_net(trained, tiles);
    if (model_create(&model, "trained", &trained_kind, trained,
                     &(struct akin_model_info){.fitted_tiles = TILES}, &err) == AKIN_OK)
        trained = NULL;
out:
    CHECK_TEXT(err.text, "");
    trained_free(trained);
    akin_model_free(instant);
    return model;
}

/* DIR/models/trained/NAME */
static bool file_of(char *path, const char *dir, const char *name)
{
    char folder[AKIN_PATH_MAX];
    return model_folder(folder, dir, "trained", NULL) == AKIN_OK &&
           akin_path_join(path, folder, name, NULL) == AKIN_OK;
}

/* ---- ONNX ---- */

/* All tiles in one batch of `n`, as planes of pixel values. */
static void run_onnx(const char *path, const char *library, const struct tiles *tiles,
                     int64_t bands, struct ort_result *result)
{
    const int64_t dims[4] = {TILES, bands, PX, PX};
    const size_t pixels = (size_t)PX * PX, count = TILES * pixels * (size_t)bands;
    struct ort_session *session = NULL;
    struct akin_map file = {0};
    float *input = akin_alloc(count, sizeof *input);
    REQUIRE(input != NULL);
    for (size_t i = 0; i < count; i++) {
        const size_t tile = i / pixels / (size_t)bands, band = i / pixels % (size_t)bands;
        input[i] = tiles->inputs[tile][i % pixels * (size_t)bands + band];
    }
    REQUIRE_OK(akin_map_open(&file, path, err));
    REQUIRE_OK(ort_session_create(&session, library, file.data, file.size, path, err));
    CHECK_TEXT(ort_input(session, 0)->name, "image");
    CHECK_TEXT(ort_output(session, 0)->name, "embedding");
    REQUIRE_OK(ort_run(session, 0, 0, input, 4, dims, result, err));
    ort_session_free(session);
    akin_map_close(&file);
    akin_free(input);
}

static void check_onnx(const char *preset, uint32_t bands)
{
    const char *library = onnxruntime(), *dir = check_folder();
    struct tiles tiles = tiles_make(TILES, PX, bands);
    struct ort_result result = {0};
    akin_encoder *encoder = NULL;
    char path[AKIN_PATH_MAX];
    if (!library)
        return;
    akin_model *model = made(preset, &tiles, bands);
    REQUIRE(model != NULL);
    const size_t dim = akin_model_info(model)->dim, first = dim - TRAINED_NET_DIM;
    float *vectors = akin_alloc(TILES, dim * sizeof *vectors);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    REQUIRE_OK(akin_encoder_run(encoder, TILES, tiles.inputs, NULL, vectors, err));
    REQUIRE_OK(akin_model_save(model, dir, err));
    REQUIRE(file_of(path, dir, TRAINED_ONNX_NAME));
    run_onnx(path, library, &tiles, bands, &result);
    REQUIRE(result.rank == 2 && result.dims[0] == TILES && result.dims[1] == TRAINED_NET_DIM);
    for (size_t i = 0; i < TILES; i++) {
        const float *given = result.data + i * TRAINED_NET_DIM, *other = vectors + first;
        CHECK(cosine(given, vectors + i * dim + first, TRAINED_NET_DIM) > 0.9999);
        CHECK(tiles_is_unit(given, TRAINED_NET_DIM));
        CHECK(i == 0 || cosine(given, other, TRAINED_NET_DIM) < 0.99);
    }
    ort_result_free(&result);
    akin_encoder_free(encoder);
    akin_model_free(model);
    akin_free(vectors);
    tiles_free(&tiles);
}

TEST(onnx_of_r10h_with_one_band)
{
    check_onnx("r10h", 1);
}

TEST(onnx_of_r10h_with_three_bands)
{
    check_onnx("r10h", 3);
}

TEST(onnx_of_r10h_with_eight_bands)
{
    check_onnx("r10h", 8);
}

TEST(onnx_of_r18h)
{
    check_onnx("r18h", 8);
}

TEST(onnx_of_r18_with_its_max_pool)
{
    check_onnx("r18", 3);
    check_onnx("r18", 1);
}

/* ---- safetensors ---- */

static void check_tensor(const akin_safetensors *file, const struct trained *trained,
                         const struct arch_tensor *tensor)
{
    const struct akin_tensor *found = akin_safetensors_find(file, tensor->name);
    const bool counted = tensor->role == ARCH_MEAN || tensor->role == ARCH_VARIANCE;
    const float *block = counted ? trained->statistics : trained->parameters;
    if (!check_that((found != NULL) == !tensor->head, __FILE__, __LINE__, tensor->name) || !found)
        return;
    CHECK_EQ(found->rank, tensor->rank);
    for (uint32_t i = 0; i < tensor->rank; i++)
        CHECK_EQ(found->dims[i], tensor->dims[i]);
    REQUIRE(found->type == AKIN_TENSOR_F32 && found->count == tensor->count);
    CHECK(!memcmp(found->data, block + tensor->offset, tensor->count * sizeof *block));
}

TEST(safetensors_hold_the_net_as_it_learnt)
{
    const char *dir = check_folder();
    struct tiles tiles = tiles_make(TILES, PX, 3);
    akin_safetensors *file = NULL;
    akin_model *model = made("r10h", &tiles, 3);
    char path[AKIN_PATH_MAX];
    REQUIRE(model != NULL);
    const struct trained *trained = model->state;
    REQUIRE_OK(akin_model_save(model, dir, err));
    REQUIRE(file_of(path, dir, TRAINED_SAFETENSORS_NAME));
    REQUIRE_OK(akin_safetensors_open(&file, path, err));
    for (size_t t = 0; t < trained->table.count; t++)
        check_tensor(file, trained, &trained->table.tensors[t]);
    CHECK(akin_safetensors_find(file, "conv1.weight") &&
          akin_safetensors_find(file, "bn1.running_var"));
    CHECK_TEXT(akin_safetensors_metadata(file, "preset"), "r10h");
    CHECK_TEXT(akin_safetensors_metadata(file, "bands"), "3");
    CHECK_TEXT(akin_safetensors_metadata(file, "mean"), "[100, 105, 110]");
    CHECK_CONTAINS(akin_safetensors_metadata(file, "std"), "[50, 51");
    akin_safetensors_close(file);
    akin_model_free(model);
    tiles_free(&tiles);
}

TEST(an_encoder_opens_without_the_files_for_others)
{
    const char *dir = check_folder();
    struct tiles tiles = tiles_make(TILES, PX, 3);
    akin_model *model = made("r10h", &tiles, 3), *opened = NULL;
    char path[AKIN_PATH_MAX];
    REQUIRE(model != NULL);
    REQUIRE_OK(akin_model_save(model, dir, err));
    REQUIRE(file_of(path, dir, TRAINED_ONNX_NAME) && !remove(path));
    REQUIRE(file_of(path, dir, TRAINED_SAFETENSORS_NAME) && !remove(path));
    REQUIRE_OK(akin_model_open(&opened, dir, "trained", err));
    CHECK_EQ(akin_model_info(opened)->fingerprint, akin_model_info(model)->fingerprint);
    akin_model_free(opened);
    akin_model_free(model);
    tiles_free(&tiles);
}

/* ---- cells ---- */

TEST(cells_are_of_the_net_and_of_what_is_there)
{
    struct tiles tiles = tiles_make(TILES, PX, 3);
    akin_model *model = made("r10h", &tiles, 3);
    akin_encoder *encoder = NULL;
    uint32_t rows = 0, cols = 0;
    uint8_t mask[PX * PX];
    REQUIRE(model != NULL);
    const size_t dim = akin_model_info(model)->dim, first = dim - TRAINED_NET_DIM;
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    REQUIRE_OK(akin_encoder_cells(encoder, NULL, NULL, &rows, &cols, NULL, err));
    REQUIRE(rows == PX / 8 && cols == PX / 8);
    float *cells = akin_alloc((size_t)rows * cols, dim * sizeof *cells);
    memset(mask, 1, sizeof mask);
    for (size_t y = 0; y < PX; y++)
        memset(mask + y * PX, 0, PX / 2); /* of 4 columns 2: the first sees only those */
    REQUIRE_OK(akin_encoder_cells(encoder, tiles.inputs[0], mask, &rows, &cols, cells, err));
    for (size_t i = 0; i < (size_t)rows * cols; i++) {
        const float *cell = cells + i * dim;
        double length = 0;
        for (size_t d = 0; d < dim; d++)
            length += fabsf(cell[d]);
        CHECK(i % cols ? tiles_is_unit(cell + first, TRAINED_NET_DIM) : length == 0);
        for (size_t d = 0; d < first; d++)
            CHECK(cell[d] == 0);
    }
    akin_free(cells);
    akin_encoder_free(encoder);
    akin_model_free(model);
    tiles_free(&tiles);
}

/* Two tiles side by side in one: of the two, the cells of each half are more like their own. */
TEST(cells_point_to_the_half_that_is_alike)
{
    struct tiles tiles = tiles_make(TILES, PX, 3);
    akin_model *model = made("r10h", &tiles, 3);
    akin_encoder *encoder = NULL;
    uint8_t both[PX * PX * 3];
    uint32_t rows, cols;
    double own = 0, other = 0;
    REQUIRE(model != NULL);
    const size_t dim = akin_model_info(model)->dim;
    float *cells = akin_alloc((size_t)PX / 8 * (PX / 8), dim * sizeof *cells);
    float *vectors = akin_alloc(2, dim * sizeof *vectors);
    for (size_t i = 0; i < (size_t)PX * PX; i++)
        memcpy(both + 3 * i, tiles.inputs[i % PX >= PX / 2] + 3 * i, 3);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    REQUIRE_OK(akin_encoder_run(encoder, 2, tiles.inputs, NULL, vectors, err));
    REQUIRE_OK(akin_encoder_cells(encoder, both, NULL, &rows, &cols, cells, err));
    for (size_t i = 0; i < (size_t)rows * cols; i++) {
        const size_t half = i % cols >= cols / 2;
        own += cosine(cells + i * dim, vectors + half * dim, dim);
        other += cosine(cells + i * dim, vectors + (1 - half) * dim, dim);
    }
    CHECK(own > other);
    akin_free(cells);
    akin_free(vectors);
    akin_encoder_free(encoder);
    akin_model_free(model);
    tiles_free(&tiles);
}

int main(int argc, char **argv)
{
    /* In bf16 the encoder itself is rounded to 3 digits: what is compared here is the arithmetic. */
    setenv("DNNL_MAX_CPU_ISA", "AVX512_CORE", 0);
    return check_main(argc, argv);
}
