/*
 * The instant encoder's speed and worth: seconds to fit, tiles a CPU-second, and, for a folder of
 * labelled pictures, precision@1 and mAP leave-one-out. The figures of docs/MODEL.md.
 *
 *     bench_encode FOLDER [FILTERS [RCF_DIM [HISTOGRAM_DIM [POWER [SEED]]]]]
 *
 * FOLDER holds one folder a label, of JPEG pictures.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../tests/model/labelled.h"
#include "bench.h"

static double cpu_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Medians of five passes over the set, in tiles a CPU-second. */
static double encode_rate(const struct labelled *set, const akin_model *model, float *out)
{
    akin_encoder *encoder = NULL;
    double rates[5];
    if (akin_encoder_create(&encoder, model, NULL) != AKIN_OK)
        return 0;
    for (size_t pass = 0; pass < 5; pass++) {
        double began = cpu_now_s();
        akin_status status = AKIN_OK;
        for (size_t i = 0; i < set->count && status == AKIN_OK; i++)
            status = akin_encoder_run(encoder, 1, &set->inputs[i], NULL, out, NULL);
        rates[pass] = (double)set->count / (cpu_now_s() - began);
    }
    akin_encoder_free(encoder);
    return bench_median(rates, 5);
}

static int run(const struct labelled *set, const struct akin_instant_options *options)
{
    akin_error err = {0};
    akin_pool *pool = NULL;
    akin_model *model = NULL;
    size_t dim = options->rcf_dim + options->histogram_dim;
    float *vectors = malloc((set->count + 1) * dim * sizeof *vectors);
    double began = bench_now_s(), cpu = cpu_now_s(), p_at_1, map;
    if (akin_pool_create(&pool, 0, &err) != AKIN_OK ||
        akin_instant_fit(&model, "bench", options, set->count, set->inputs, NULL, vectors, pool,
                         NULL, &err) != AKIN_OK) {
        fprintf(stderr, "bench_encode: %s\n", err.text);
        akin_pool_free(pool);
        free(vectors);
        return 1;
    }
    double fit_s = bench_now_s() - began, fit_cpu_s = cpu_now_s() - cpu;
    double rate = encode_rate(set, model, vectors + set->count * dim);
    labelled_score(set, vectors, dim, &p_at_1, &map);
    printf("kernels %s, threads %u, tiles %zu of %u px, 3 bands, %zu d\n", akin_kernels()->name,
           akin_pool_threads(pool), set->count, options->input_px, dim);
    printf("encode            %8.0f tiles a CPU-second\n", rate);
    printf("fit and embed     %8.2f s, %.2f CPU-s, of it not features: %.2f CPU-s\n", fit_s,
           fit_cpu_s, fit_cpu_s - (double)set->count / rate);
    printf("P@1 %.4f   mAP %.4f\n", p_at_1, map);
    akin_model_free(model);
    akin_pool_free(pool);
    free(vectors);
    return 0;
}

int main(int argc, char **argv)
{
    struct akin_instant_options options;
    akin_instant_options_default(&options, LABELLED_PX, 3);
    const char *folder = argc > 1 ? argv[1] : "../shared/data/rsscn7";
    uint32_t *numbers[] = {&options.filters, &options.rcf_dim, &options.histogram_dim};
    for (int i = 2; i < argc && i < 5; i++)
        *numbers[i - 2] = (uint32_t)strtoul(argv[i], NULL, 10);
    if (argc > 5)
        options.power = strtod(argv[5], NULL);
    if (argc > 6)
        options.seed = strtoull(argv[6], NULL, 10);
    struct labelled set = labelled_load(folder, SIZE_MAX);
    int status = 1;
    if (set.count)
        status = run(&set, &options);
    else
        fprintf(stderr, "bench_encode: no labelled pictures in '%s'\n", folder);
    labelled_free(&set);
    return status;
}
