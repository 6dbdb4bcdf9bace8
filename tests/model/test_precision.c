/*
 * Encoding in 8 bits and in floats: one convolution against its definition, the whole encoder
 * against itself, the calibration that says no, and the file that remembers the choice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../../src/model/graph.h"
#include "../../src/model/model_kind.h"
#include "training.h"

/* ---- one convolution ---- */

#define BATCH 2

struct square {
    uint32_t in, out, k, stride, px;
    bool relu, shortcut;
};

static double random_value(uint64_t stream, size_t i)
{
    return akin_random_unit(5, stream, i) * 2 - 1;
}

/* Of image n, channel o at (row, column), from plain x (BATCH, in, px, px). */
static double by_definition(const struct square *it, const float *parameters, const float *x,
                            size_t n, size_t o, int row, int column)
{
    const int k = (int)it->k, px = (int)it->px;
    double sum = parameters[(size_t)it->out * it->in * it->k * it->k + o];
    for (size_t c = 0; c < it->in; c++)
        for (int i = 0; i < k; i++)
            for (int j = 0; j < k; j++) {
                int r = row * (int)it->stride + i - k / 2, s = column * (int)it->stride + j - k / 2;
                if (r < 0 || s < 0 || r >= px || s >= px)
                    continue;
                sum += parameters[((o * it->in + c) * it->k + (size_t)i) * it->k + (size_t)j] *
                       x[((n * it->in + c) * it->px + (size_t)r) * it->px + (size_t)s];
            }
    return sum;
}

/* input (>= 0) -> u8 -> [1x1 shortcut in s8] + convolution; compared with sums of doubles. */
static void check_convolution(struct square it)
{
    const size_t weights = (size_t)it.out * it.in * it.k * it.k;
    const size_t values = (size_t)BATCH * it.in * it.px * it.px;
    const struct square side = {it.in, it.out, 1, it.stride, it.px, false, false};
    const size_t at = weights + it.out;
    float *parameters = akin_alloc(at + (size_t)it.out * (it.in + 1), sizeof *parameters);
    float *map = akin_alloc((size_t)it.px * it.px * it.out, sizeof *map);
    REQUIRE(parameters && map);
    for (size_t i = 0; i < at + (size_t)it.out * (it.in + 1); i++)
        parameters[i] = (float)random_value(1, i) / sqrtf((float)(it.in * it.k * it.k));
    const struct graph_options options = {.batch = BATCH, .parameters = parameters};
    struct graph *graph = NULL;
    REQUIRE_OK(graph_create(&graph, &options, err));
    int input = graph_input(graph, it.in, it.px), x = graph_quantise(graph, input, 1), add = -1;
    if (it.shortcut)
        add = graph_folded_int8(
            graph, x,
            &(struct graph_folded){at, at + (size_t)it.out * it.in, it.out, 1, it.stride, false},
            -1, 2);
    int y = graph_folded_int8(
        graph, x, &(struct graph_folded){0, weights, it.out, it.k, it.stride, it.relu}, add, 3);
    graph_keep(graph, y);
    REQUIRE_OK(graph_finish(graph, -1, err));
    float *plain = graph_data(graph, input);
    for (size_t i = 0; i < values; i++)
        plain[i] = (float)fabs(random_value(2, i));
    REQUIRE_OK(graph_refresh(graph, err));
    REQUIRE_OK(graph_forward(graph, err));
    uint32_t channels, px;
    graph_map_size(graph, y, &channels, &px);
    double worst = 0, most = 0;
    for (size_t n = 0; n < BATCH; n++) {
        graph_read_map(graph, y, n, map);
        for (size_t i = 0; i < (size_t)px * px * channels; i++) {
            size_t o = i % channels, cell = i / channels;
            int row = (int)(cell / px), column = (int)(cell % px);
            double sum = by_definition(&it, parameters, plain, n, o, row, column);
            if (it.shortcut)
                sum += by_definition(&side, parameters + at, plain, n, o, row, column);
            sum = it.relu && sum < 0 ? 0 : sum > 3 ? 3 : sum;
            worst = fmax(worst, fabs(sum - map[i]));
            most = fmax(most, sum);
        }
    }
    CHECK(most > 0.5);    /* it is a test of something */
    CHECK(worst < 0.055); /* a step of the result is 0.012, of the shortcut 0.016 */
    CHECK(worst > 1e-6);  /* it is in 8 bits */
    graph_free(graph);
    akin_free(parameters);
    akin_free(map);
}

TEST(a_convolution_of_3_by_3)
{
    check_convolution((struct square){32, 32, 3, 1, 16, true, false});
}

TEST(strides_and_few_channels)
{
    check_convolution((struct square){16, 48, 3, 2, 9, true, false});
    check_convolution((struct square){64, 32, 1, 2, 8, true, false});
}

TEST(a_shortcut_below_zero_is_added)
{
    check_convolution((struct square){32, 64, 3, 2, 16, true, true});
    check_convolution((struct square){64, 64, 3, 1, 2, true, true});
}

/* Every weight and every value at its largest: sums that 16 bits must not cut. */
TEST(sums_do_not_saturate)
{
    enum { IN = 64, OUT = 32, PX = 4 };
    float *parameters = akin_alloc_zero(OUT * IN * 9 + OUT, sizeof *parameters), map[PX * PX * OUT];
    struct graph *graph = NULL;
    REQUIRE(parameters != NULL);
    for (size_t i = 0; i < OUT * IN * 9; i++)
        parameters[i] = 1;
    const struct graph_options options = {.batch = 1, .parameters = parameters};
    REQUIRE_OK(graph_create(&graph, &options, err));
    int input = graph_input(graph, IN, PX), x = graph_quantise(graph, input, 1);
    const struct graph_folded at = {0, OUT * IN * 9, OUT, 3, 1, true};
    int y = graph_folded_int8(graph, x, &at, -1, 9 * IN);
    graph_keep(graph, y);
    REQUIRE_OK(graph_finish(graph, -1, err));
    for (size_t i = 0; i < IN * PX * PX; i++)
        graph_data(graph, input)[i] = 1;
    REQUIRE_OK(graph_refresh(graph, err));
    REQUIRE_OK(graph_forward(graph, err));
    graph_read_map(graph, y, 0, map);
    CHECK_NEAR(map[5 * OUT], 9 * IN, 1e-3 * 9 * IN); /* inside */
    CHECK_NEAR(map[0], 4 * IN, 4e-3 * 9 * IN);       /* in a corner */
    graph_free(graph);
    akin_free(parameters);
}

/* ---- a whole encoder ---- */

#define COUNT 200

struct fixture {
    struct training training;
    akin_trainer *trainer;
    akin_model *instant, *model;
    uint32_t dim;
};

/* An encoder that has learnt for two steps: what it knows is of no matter here. */
static akin_status setup(struct fixture *it, const char *preset, akin_error *err)
{
    memset(it, 0, sizeof *it);
    training_init(&it->training, COUNT, 3);
    struct akin_instant_options small;
    akin_instant_options_default(&small, TRAINING_PX, 3);
    small.filters = 16;
    small.rcf_dim = 16;
    struct akin_train_options options = training_options(1);
    options.preset = preset;
    const uint8_t *const *inputs = (const uint8_t *const *)it->training.tiles.inputs;
    akin_status status = akin_instant_fit(&it->instant, "instant", &small, COUNT, inputs, NULL,
                                          NULL, NULL, NULL, err);
    if (status == AKIN_OK)
        status = akin_trainer_create(&it->trainer, &it->training.source, &options, err);
    if (status == AKIN_OK)
        status = training_steps(it->trainer, 2, err);
    if (status == AKIN_OK)
        status = akin_trainer_encoder(&it->model, it->trainer, it->instant, "a", NULL, err);
    if (status == AKIN_OK)
        it->dim = akin_model_info(it->model)->dim;
    return status;
}

static void teardown(struct fixture *it)
{
    akin_trainer_free(it->trainer);
    akin_model_free(it->instant);
    akin_model_free(it->model);
    training_fini(&it->training);
}

static const uint8_t *const *inputs_of(const struct fixture *it)
{
    return (const uint8_t *const *)it->training.tiles.inputs;
}

/* (COUNT, dim), freed by the caller; NULL on failure. */
static float *encode(const akin_model *model, const uint8_t *const *inputs, size_t n)
{
    akin_encoder *encoder = NULL;
    float *out = akin_alloc(n, akin_model_info(model)->dim * sizeof *out);
    bool good = out && akin_encoder_create(&encoder, model, NULL) == AKIN_OK &&
                akin_encoder_run(encoder, n, inputs, NULL, out, NULL) == AKIN_OK;
    akin_encoder_free(encoder);
    if (good)
        return out;
    akin_free(out);
    return NULL;
}

static double mean_cosine(const float *a, const float *b, size_t n, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < n * dim; i++)
        sum += (double)a[i] * b[i];
    return sum / (double)n;
}

/* Whatever the recall: what an encoder gives that knows next to nothing is of no matter here. */
static akin_status use_int8(akin_model *model, akin_error *err)
{
    model->kind->precision(model->state)->measured.recall = 1;
    return akin_model_set_precision(model, AKIN_PRECISION_INT8, err);
}

static void check_presets(const char *preset)
{
    struct fixture it;
    struct akin_calibration measured;
    REQUIRE_OK(setup(&it, preset, err));
    CHECK(akin_model_precision(it.model) != AKIN_PRECISION_INT8);
    CHECK_EQ(akin_model_set_precision(it.model, AKIN_PRECISION_INT8, NULL), AKIN_ERR_INVALID);
    float *floats = encode(it.model, inputs_of(&it), COUNT);
    REQUIRE_OK(akin_model_calibrate(it.model, COUNT, inputs_of(&it), NULL, NULL, err));
    CHECK(akin_model_precision(it.model) != AKIN_PRECISION_INT8); /* its precision stays */
    akin_model_calibration(&measured, it.model);
    CHECK_EQ(measured.tiles, COUNT);
    CHECK(measured.recall > 0.9 && measured.recall <= 1);
    REQUIRE_OK(use_int8(it.model, err));
    CHECK_EQ(akin_model_precision(it.model), AKIN_PRECISION_INT8);
    float *steps = encode(it.model, inputs_of(&it), COUNT);
    REQUIRE(floats && steps);
    CHECK(memcmp(floats, steps, COUNT * it.dim * sizeof *floats) != 0);
    double cosine = mean_cosine(floats, steps, COUNT, it.dim);
    CHECK(cosine > 0.995);
    CHECK_NEAR(measured.cosine, cosine, 1e-5);
    for (size_t i = 0; i < COUNT; i++)
        CHECK_NEAR(mean_cosine(steps + i * it.dim, steps + i * it.dim, 1, it.dim), 1, 1e-5);
    REQUIRE_OK(akin_model_set_precision(it.model, AKIN_PRECISION_F32, err));
    CHECK_EQ(akin_model_precision(it.model), AKIN_PRECISION_F32);
    akin_free(floats);
    akin_free(steps);
    teardown(&it);
}

TEST(int8_of_r10h_is_like_floats)
{
    check_presets("r10h");
}

TEST(int8_of_r18_is_like_floats)
{
    check_presets("r18");
}

static akin_status make_int8(struct fixture *it, akin_error *err)
{
    akin_status status = setup(it, "r10h", err);
    if (status == AKIN_OK)
        status = akin_model_calibrate(it->model, COUNT, inputs_of(it), NULL, NULL, err);
    return status == AKIN_OK ? use_int8(it->model, err) : status;
}

TEST(in_int8_a_tile_does_not_depend_on_its_batch)
{
    struct fixture it;
    REQUIRE_OK(make_int8(&it, err));
    float *all = encode(it.model, inputs_of(&it), 40),
          *one = encode(it.model, inputs_of(&it) + 19, 1);
    REQUIRE(all && one);
    CHECK(!memcmp(all + 19 * it.dim, one, it.dim * sizeof *one));
    akin_free(all);
    akin_free(one);
    teardown(&it);
}

TEST(calibration_says_no_where_neighbours_are_noise)
{
    struct fixture it;
    struct akin_calibration measured;
    REQUIRE_OK(setup(&it, "r10h", err));
    for (size_t i = 0; i < COUNT; i++) /* tiles that differ by the last bit of a pixel or two */
        for (size_t j = 0; j < TRAINING_PX * TRAINING_PX * 3; j++)
            it.training.tiles.bytes[i * it.training.tiles.tile_bytes + j] =
                (uint8_t)(100 + (akin_random_u64(9, i, j) % 64 == 0));
    REQUIRE_OK(akin_model_calibrate(it.model, COUNT, inputs_of(&it), NULL, NULL, err));
    akin_model_calibration(&measured, it.model);
    CHECK(measured.recall < AKIN_CALIBRATION_RECALL);
    akin_error why = {0};
    CHECK_EQ(akin_model_set_precision(it.model, AKIN_PRECISION_INT8, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "of the neighbours");
    CHECK(akin_model_precision(it.model) != AKIN_PRECISION_INT8);
    CHECK_EQ(akin_model_calibrate(it.model, 63, inputs_of(&it), NULL, NULL, &why),
             AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "too few");
    teardown(&it);
}

TEST(kinds_without_a_net_and_cpus_without_bf16)
{
    struct fixture it;
    akin_error why = {0};
    REQUIRE_OK(setup(&it, "r10h", err));
    CHECK_EQ(akin_model_precision(it.instant), AKIN_PRECISION_F32);
    CHECK(!akin_model_precision_open(it.instant));
    CHECK_EQ(akin_model_set_precision(it.instant, AKIN_PRECISION_AUTO, NULL), AKIN_OK);
    CHECK_EQ(akin_model_set_precision(it.instant, AKIN_PRECISION_INT8, &why), AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(why.text, "'instant' (instant)");
    CHECK_EQ(akin_model_calibrate(it.instant, COUNT, inputs_of(&it), NULL, NULL, NULL),
             AKIN_ERR_UNSUPPORTED);
    bool bf16 = graph_has_dtype(GRAPH_BF16);
    CHECK_EQ(akin_model_precision(it.model), bf16 ? AKIN_PRECISION_BF16 : AKIN_PRECISION_F32);
    CHECK_EQ(akin_model_set_precision(it.model, AKIN_PRECISION_BF16, &why),
             bf16 ? AKIN_OK : AKIN_ERR_UNSUPPORTED);
    enum akin_precision parsed;
    CHECK_EQ(akin_precision_parse(&parsed, "int8", "--precision", NULL), AKIN_OK);
    CHECK_EQ(parsed, AKIN_PRECISION_INT8);
    CHECK_EQ(akin_precision_parse(&parsed, "fp16", "--precision", &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "--precision 'fp16': auto, f32, bf16 or int8");
    teardown(&it);
}

/* ---- the file ---- */

TEST(the_choice_is_kept_beside_the_weights)
{
    struct fixture it;
    akin_model *again = NULL;
    struct akin_calibration before, after;
    const char *dir = check_folder();
    REQUIRE_OK(setup(&it, "r10h", err));
    REQUIRE_OK(akin_model_save(it.model, dir, err));
    REQUIRE_OK(akin_model_calibrate(it.model, COUNT, inputs_of(&it), NULL, NULL, err));
    REQUIRE_OK(use_int8(it.model, err));
    REQUIRE_OK(akin_model_save_precision(it.model, dir, err));
    REQUIRE_OK(akin_model_open(&again, dir, "a", err));
    CHECK_EQ(akin_model_precision(again), AKIN_PRECISION_INT8);
    CHECK(!akin_model_precision_open(again));
    CHECK_EQ(akin_model_info(again)->fingerprint, akin_model_info(it.model)->fingerprint);
    akin_model_calibration(&before, it.model);
    akin_model_calibration(&after, again);
    CHECK(before.tiles == after.tiles && before.recall == after.recall);
    float *a = encode(it.model, inputs_of(&it), COUNT), *b = encode(again, inputs_of(&it), COUNT);
    REQUIRE(a && b);
    CHECK(!memcmp(a, b, COUNT * it.dim * sizeof *a));
    akin_free(a);
    akin_free(b);
    akin_model_free(again);
    teardown(&it);
}

/* `text` in place of the file: AKIN_ERR_CORRUPT, and a word that helps. */
static void check_broken(const char *dir, const char *text, const char *word)
{
    char path[AKIN_PATH_MAX];
    akin_model *model = NULL;
    akin_error why = {0};
    REQUIRE_OK(akin_path_join(path, dir, "models/a/precision.json", err));
    REQUIRE_OK(akin_file_write_atomic(path, text, strlen(text), err));
    CHECK_EQ(akin_model_open(&model, dir, "a", &why), AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(why.text, word);
    akin_model_free(model);
}

TEST(a_damaged_file_is_told)
{
    struct fixture it;
    char text[1024], good[1024];
    const char *dir = check_folder();
    REQUIRE_OK(setup(&it, "r10h", err));
    REQUIRE_OK(akin_model_save(it.model, dir, err));
    const unsigned fingerprint = akin_model_info(it.model)->fingerprint;
#define FILE_TEXT                                                                                  \
    "{\"format\":1,\"fingerprint\":\"%08x\",\"precision\":\"%s\",\"tiles\":%d,"                    \
    "\"recall_at_10\":%s,\"cosine\":1,\"ranges\":[%s]}"
    snprintf(good, sizeof good, FILE_TEXT, fingerprint, "f32", 0, "0", "");
    check_broken(dir, "", "precision.json");
    snprintf(text, sizeof text, "%.*s", (int)strlen(good) - 2, good);
    check_broken(dir, text, "embed again");
    snprintf(text, sizeof text, FILE_TEXT, fingerprint ^ 1, "f32", 0, "0", "");
    check_broken(dir, text, "another encoder");
    snprintf(text, sizeof text, FILE_TEXT, fingerprint, "fp8", 0, "0", "");
    check_broken(dir, text, "fp8");
    snprintf(text, sizeof text, FILE_TEXT, fingerprint, "int8", 0, "0", "");
    check_broken(dir, text, "without a calibration");
    snprintf(text, sizeof text, FILE_TEXT, fingerprint, "int8", 100, "1", "1,2,3");
    check_broken(dir, text, "3 ranges where 12 belong");
    snprintf(text, sizeof text, FILE_TEXT, fingerprint, "int8", 100, "1",
             "1,2,3,4,5,6,7,8,9,10,11,-1");
    check_broken(dir, text, "range 11");
    snprintf(text, sizeof text, FILE_TEXT, fingerprint, "int8", 100, "1",
             "1,2,3,4,5,6,7,8,9,10,11,1e30");
    check_broken(dir, text, "range 11");
    snprintf(text, sizeof text, FILE_TEXT, fingerprint, "int8", 100, "2", "");
    check_broken(dir, text, "recall_at_10");
    teardown(&it);
}

/* A range of 0 is what a dead channel leaves: the encoder still says something finite. */
TEST(ranges_of_zero_do_no_harm)
{
    struct fixture it;
    char path[AKIN_PATH_MAX], text[1024];
    akin_model *model = NULL;
    const char *dir = check_folder();
    REQUIRE_OK(setup(&it, "r10h", err));
    REQUIRE_OK(akin_model_save(it.model, dir, err));
    snprintf(text, sizeof text, FILE_TEXT, akin_model_info(it.model)->fingerprint, "int8", 100, "1",
             "0,0,0,0,0,0,0,0,0,0,0,0");
    REQUIRE_OK(akin_path_join(path, dir, "models/a/precision.json", err));
    REQUIRE_OK(akin_file_write_atomic(path, text, strlen(text), err));
    REQUIRE_OK(akin_model_open(&model, dir, "a", err));
    float *out = encode(model, inputs_of(&it), 16);
    REQUIRE(out != NULL);
    for (size_t i = 0; i < 16 * it.dim; i++)
        CHECK(isfinite(out[i]));
    akin_free(out);
    akin_model_free(model);
    teardown(&it);
}

TEST(out_of_memory_keeps_the_record)
{
    struct fixture it;
    REQUIRE_OK(setup(&it, "r10h", err));
    akin_status status = AKIN_ERR_NO_MEMORY;
    struct akin_calibration measured;
    for (unsigned at = 0; at < 40 && status != AKIN_OK; at++) {
        akin_memory_fail_at(at * at);
        status = akin_model_calibrate(it.model, 64, inputs_of(&it), NULL, NULL, NULL);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
        akin_model_calibration(&measured, it.model);
        CHECK_EQ(measured.tiles, status == AKIN_OK ? 64 : 0);
    }
    CHECK_EQ(status, AKIN_OK);
    teardown(&it);
}

/* ---- another CPU ---- */

#define ELSEWHERE "AKIN_TEST_PRECISION_DIR"

/* Runs this program again under oneDNN's limit; see elsewhere(). */
static bool encode_elsewhere(const char *dir, const char *isa)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("ONEDNN_MAX_CPU_ISA", isa, 1);
        setenv(ELSEWHERE, dir, 1);
        execl("/proc/self/exe", "test_precision", (char *)NULL);
        _exit(127);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* In that other process: vectors of the first tiles, in int8, by the encoder in `dir`. */
static int elsewhere(const char *dir)
{
    char path[AKIN_PATH_MAX];
    akin_model *model = NULL;
    struct tiles tiles = tiles_make(COUNT, TRAINING_PX, 3);
    bool good = akin_model_open(&model, dir, "a", NULL) == AKIN_OK &&
                akin_model_precision(model) == AKIN_PRECISION_INT8 &&
                !graph_has_dtype(GRAPH_BF16) && !graph_int8_pays();
    float *out = good ? encode(model, (const uint8_t *const *)tiles.inputs, 32) : NULL;
    good = out && akin_path_join(path, dir, "vectors", NULL) == AKIN_OK &&
           akin_file_write_atomic(path, out, 32 * akin_model_info(model)->dim * sizeof *out,
                                  NULL) == AKIN_OK;
    akin_free(out);
    akin_model_free(model);
    tiles_free(&tiles);
    return good ? 0 : 1;
}

TEST(an_index_of_another_cpu_is_understood)
{
    struct fixture it;
    struct akin_buffer there;
    char path[AKIN_PATH_MAX];
    const char *dir = check_folder();
    REQUIRE_OK(make_int8(&it, err));
    REQUIRE_OK(akin_model_save(it.model, dir, err));
    REQUIRE_OK(akin_model_save_precision(it.model, dir, err));
    CHECK(encode_elsewhere(dir, "SSE41"));
    float *here = encode(it.model, inputs_of(&it), 32);
    REQUIRE_OK(akin_path_join(path, dir, "vectors", err));
    akin_buffer_init(&there, (size_t)1 << 20);
    REQUIRE_OK(akin_file_read(&there, path, err));
    REQUIRE(here && there.size == 32 * it.dim * sizeof *here);
    /* Steps are whole numbers on every CPU; only the stem is rounded differently: f32 or, in bundles,
     * bf16. */
    const double least = graph_bundles(GRAPH_BF16) ? 0.999 : 0.9999;
    CHECK(mean_cosine(here, (const float *)there.data, 32, it.dim) > least);
    akin_free(here);
    akin_buffer_fini(&there);
    teardown(&it);
}

int main(int argc, char **argv)
{
    const char *dir = getenv(ELSEWHERE);
    return dir ? elsewhere(dir) : check_main(argc, argv);
}
