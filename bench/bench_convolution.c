/*
 * 3x3 convolutions by Winograd (src/model/winograd.h) beside oneDNN's direct ones, in the layouts
 * and shapes of training: forward, data gradient, weight gradient. One thread; CPU time, since
 * machines are shared; runs alternate, and the figure is the median of the ratios. What a step does
 * each time is inside the clock: bringing weights to frequencies on our side, to oneDNN's layout on
 * the other.
 *
 *     bench_convolution [BATCH] [ROUNDS]     default 256, 7
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dnnl.h>
#include <string.h>

#include "../src/model/winograd.h"
#include "bench.h"

#define ROUNDS_MAX 101
#define ARGS_MAX 3
#define MEMORIES 4

extern void omp_set_num_threads(int count);

static const struct {
    uint32_t channels, px;
} shapes[] = {{32, 32},  {64, 16}, {128, 8}, {256, 4}, {64, 8},  {128, 4},  {512, 2}, {64, 32},
              {128, 16}, {256, 8}, {512, 4}, {32, 48}, {64, 24}, {128, 12}, {256, 6}};

enum direction { FORWARD, DATA, WEIGHTS, DIRECTIONS };
static const char *const direction_names[] = {"forward", "data gradient", "weight gradient"};

static struct {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    float *x, *y, *plain, *blocked, *blocked_weights, *frequencies;
    void *scratch;
    uint32_t batch;
} data;

static struct {
    size_t map, weights, frequencies, scratch; /* the first two in floats */
} sizes;

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void must(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success) {
        fprintf(stderr, "bench_convolution: oneDNN: %s (status %d)\n", what, (int)status);
        exit(1);
    }
}

/* ---- oneDNN ---- */

struct direct {
    dnnl_primitive_t convolution, reorder; /* of the weights, before or after */
    dnnl_exec_arg_t args[ARGS_MAX], reorder_args[2];
    dnnl_memory_t memories[MEMORIES];
    uint32_t block;
    const char *name;
};

static dnnl_memory_t memory(struct direct *it, int slot, const dnnl_memory_desc_t *md, void *at)
{
    must(dnnl_memory_create(&it->memories[slot], md, data.engine, at), "memory");
    return it->memories[slot];
}

static void make_reorder(struct direct *it, const dnnl_memory_desc_t *from,
                         const dnnl_memory_desc_t *to, dnnl_memory_t source, dnnl_memory_t target)
{
    dnnl_primitive_desc_t desc;
    must(dnnl_reorder_primitive_desc_create(&desc, from, data.engine, to, data.engine, NULL),
         "reorder");
    must(dnnl_primitive_create(&it->reorder, desc), "reorder");
    dnnl_primitive_desc_destroy(desc);
    it->reorder_args[0] = (dnnl_exec_arg_t){DNNL_ARG_FROM, source};
    it->reorder_args[1] = (dnnl_exec_arg_t){DNNL_ARG_TO, target};
}

static dnnl_memory_desc_t describe(uint32_t n, uint32_t c, uint32_t h, dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t md;
    const dnnl_dims_t dims = {n, c, h, h};
    must(dnnl_memory_desc_init_by_tag(&md, 4, dims, dnnl_f32, tag), "layout");
    return md;
}

static void make_direct(struct direct *it, uint32_t channels, uint32_t px, enum direction direction)
{
    const dnnl_dims_t one = {1, 1};
    dnnl_memory_desc_t map = describe(data.batch, channels, px, dnnl_format_tag_any);
    dnnl_memory_desc_t any = describe(channels, channels, 3, dnnl_format_tag_any);
    dnnl_memory_desc_t plain = describe(channels, channels, 3, dnnl_oihw);
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t forward, chosen;
    must(dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training, dnnl_convolution_direct,
                                            &map, &any, NULL, &map, one, one, one),
         "convolution");
    must(dnnl_primitive_desc_create(&forward, &desc, NULL, data.engine, NULL), "convolution");
    map = *dnnl_primitive_desc_query_md(forward, dnnl_query_src_md, 0);
    chosen = forward;
    if (direction == DATA)
        must(dnnl_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct, &map, &any,
                                                      &map, one, one, one),
             "data gradient");
    if (direction == WEIGHTS)
        must(dnnl_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct, &map, &any,
                                                         NULL, &map, one, one, one),
             "weight gradient");
    if (direction != FORWARD)
        must(dnnl_primitive_desc_create(&chosen, &desc, NULL, data.engine, forward), "gradient");
    dnnl_memory_desc_t weights = *dnnl_primitive_desc_query_md(
        chosen, direction == WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    static const int ids[DIRECTIONS][ARGS_MAX] = {
        {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WEIGHTS},
        {DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS},
        {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS}};
    memory(it, 0, &map, data.x);
    memory(it, 1, &map, data.y);
    memory(it, 2, &weights, data.blocked_weights);
    memory(it, 3, &plain, data.plain);
    for (int i = 0; i < ARGS_MAX; i++)
        it->args[i] = (dnnl_exec_arg_t){ids[direction][i], it->memories[i]};
    if (direction == WEIGHTS)
        make_reorder(it, &weights, &plain, it->memories[2], it->memories[3]);
    else
        make_reorder(it, &plain, &weights, it->memories[3], it->memories[2]);
    must(dnnl_primitive_create(&it->convolution, chosen), "convolution");
    dnnl_primitive_desc_query(chosen, dnnl_query_impl_info_str, 0, (void *)&it->name);
    const dnnl_blocking_desc_t *blocking = &map.format_desc.blocking;
    it->block = blocking->inner_nblks ? (uint32_t)blocking->inner_blks[0] : 1;
}

static void run_direct(const struct direct *it, enum direction direction)
{
    if (direction != WEIGHTS)
        must(dnnl_primitive_execute(it->reorder, data.stream, 2, it->reorder_args), "reorder");
    must(dnnl_primitive_execute(it->convolution, data.stream, ARGS_MAX, it->args), "convolution");
    if (direction == WEIGHTS)
        must(dnnl_primitive_execute(it->reorder, data.stream, 2, it->reorder_args), "reorder");
}

static void free_direct(struct direct *it)
{
    dnnl_primitive_destroy(it->convolution);
    dnnl_primitive_destroy(it->reorder);
    for (int i = 0; i < MEMORIES; i++)
        dnnl_memory_destroy(it->memories[i]);
}

/* ---- the comparison ---- */

static void run_winograd(const struct winograd *plan, enum direction direction)
{
    if (direction == WEIGHTS) {
        winograd_weight_gradient(plan, data.x, data.y, data.plain, data.scratch);
        return;
    }
    winograd_weights(plan, data.frequencies, data.plain, direction == DATA);
    if (direction == FORWARD)
        winograd_run(plan, data.frequencies, data.x, data.y, NULL, data.scratch);
    else
        winograd_run(plan, data.frequencies, data.y, data.x, NULL, data.scratch);
}

static void *fill(size_t count)
{
    float *values = akin_alloc(count, sizeof *values);
    for (size_t i = 0; values && i < count; i++)
        values[i] = (float)akin_random_unit(1, 2, i & 0xffff) * 2 - 1;
    return values;
}

/* Enough for every shape. */
static bool make_data(void)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct winograd_shape shape = {shapes[i].channels, shapes[i].channels, shapes[i].px,
                                             data.batch, 8};
        struct winograd plan;
        if (winograd_init(&plan, &shape, NULL) != AKIN_OK)
            return false;
        size_t map = (size_t)data.batch * shape.in * shape.px * shape.px;
        size_t weights = (size_t)shape.in * shape.in * 9;
        sizes.map = map > sizes.map ? map : sizes.map;
        sizes.weights = weights > sizes.weights ? weights : sizes.weights;
        if (winograd_weight_bytes(&plan) > sizes.frequencies)
            sizes.frequencies = winograd_weight_bytes(&plan);
        if (winograd_gradient_scratch_bytes(&plan) > sizes.scratch)
            sizes.scratch = winograd_gradient_scratch_bytes(&plan);
    }
    data.x = fill(sizes.map);
    data.y = fill(sizes.map);
    data.plain = fill(sizes.weights);
    data.blocked_weights = fill(sizes.weights);
    data.frequencies = akin_alloc(sizes.frequencies, 1);
    data.scratch = akin_alloc(sizes.scratch, 1);
    return data.x && data.y && data.plain && data.blocked_weights && data.frequencies &&
           data.scratch;
}

static void free_data(void)
{
    float **all[] = {&data.x, &data.y, &data.plain, &data.blocked_weights, &data.frequencies};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        akin_free(*all[i]);
    akin_free(data.scratch);
}

/* A line of the table. Where oneDNN has only its reference (seconds a call), ours alone. */
static void compare(uint32_t channels, uint32_t px, enum direction direction, int rounds)
{
    struct direct direct = {0};
    make_direct(&direct, channels, px, direction);
    const struct winograd_shape shape = {channels, channels, px, data.batch, direct.block};
    struct winograd plan;
    double ratios[ROUNDS_MAX], theirs[ROUNDS_MAX], ours[ROUNDS_MAX];
    akin_error err;
    if (winograd_init(&plan, &shape, &err) != AKIN_OK) {
        printf("| %u, %ux%u | %s | %s | | |\n", channels, px, px, direction_names[direction],
               err.text);
        free_direct(&direct);
        return;
    }
    bool has_direct = strncmp(direct.name, "ref", 3) != 0;
    for (int r = -1; r < rounds; r++) { /* the first warms up */
        double began = cpu_s();
        if (has_direct)
            run_direct(&direct, direction);
        double middle = cpu_s();
        run_winograd(&plan, direction);
        double end = cpu_s();
        if (r < 0)
            continue;
        theirs[r] = middle - began;
        ours[r] = end - middle;
        ratios[r] = theirs[r] / ours[r];
    }
    size_t n = (size_t)rounds;
    printf("| %u, %ux%u | %s | ", channels, px, px, direction_names[direction]);
    if (has_direct)
        printf("%.1f | %.1f | %.2f |\n", bench_median(theirs, n) * 1e3, bench_median(ours, n) * 1e3,
               bench_median(ratios, n));
    else
        printf("%s | %.1f | |\n", direct.name, bench_median(ours, n) * 1e3);
    fflush(stdout);
    free_direct(&direct);
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 7;
    data.batch = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 256;
    if (!data.batch || data.batch > 4096 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_convolution [BATCH 1..4096] [ROUNDS 1..%d]\n", ROUNDS_MAX);
        return 2;
    }
    omp_set_num_threads(1);
    must(dnnl_engine_create(&data.engine, dnnl_cpu, 0), "engine");
    must(dnnl_stream_create(&data.stream, data.engine, dnnl_stream_default_flags), "stream");
    if (!make_data()) {
        fprintf(stderr, "bench_convolution: out of memory\n");
        free_data();
        return 1;
    }
    printf("| channels, map | direction | oneDNN, ms | Winograd, ms | ratio |\n| --- | --- | --- | "
           "--- | --- |\n");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int d = 0; d < DIRECTIONS; d++)
            compare(shapes[i].channels, shapes[i].px, (enum direction)d, rounds);
    free_data();
    dnnl_stream_destroy(data.stream);
    dnnl_engine_destroy(data.engine);
    return 0;
}
