/*
 * The exact answers of a set, and how hard it is: the BENCH_TRUTH nearest rows of each question, by blocked products over all
 * CPUs in f32, into truth.i32; then the local intrinsic dimension (the maximum likelihood estimate of Levina and Bickel, mean
 * over the questions) and the contrast, into about.txt. With filters (bench_ours.h) the same of the rows that match each,
 * into truth-FILTER.i32, and which those are, a byte a row, into filter-FILTER.mask.
 *
 *     bench_make_truth FOLDER [FILTER...]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "akin/core.h"
#include "akin/vec.h"
#include "bench_ours.h"
#include "bench_set.h"

#define ROWS_BLOCK 2048u
#define QUERIES_BLOCK 64u

struct truth {
    struct bench_set set;
    akin_pool *pool;
    /* Among which rows: all of the set, or those that match, copied together. */
    const float *rows;
    const uint32_t *numbers; /* of those rows in the set; NULL = their places */
    size_t count;
    float *half;      /* (count) half the squared length of a row where the metric is l2, else 0 */
    int32_t *ids;     /* (queries, BENCH_TRUTH) */
    float *transpose; /* (workers, ROWS_BLOCK * dim) */
    float *products;  /* (workers, QUERIES_BLOCK * ROWS_BLOCK) */
};

static void halve(void *user, size_t begin, size_t end, unsigned worker)
{
    struct truth *t = user;
    (void)worker;
    for (size_t r = begin; r < end; r++) {
        const float *row = t->rows + r * t->set.dim;
        t->half[r] = t->set.l2 ? akin_kernels()->dot(row, row, t->set.dim) / 2 : 0;
    }
}

/* Questions against the rows from `first` on. The order by <o, q> - |o|^2 / 2 is that by distance. */
static void score_block(struct truth *t, struct akin_topk *best, const float *queries, size_t count,
                        size_t first, unsigned worker)
{
    const uint32_t dim = t->set.dim;
    size_t rows = t->count - first < ROWS_BLOCK ? t->count - first : ROWS_BLOCK;
    float *transpose = t->transpose + (size_t)worker * ROWS_BLOCK * dim;
    float *products = t->products + (size_t)worker * QUERIES_BLOCK * ROWS_BLOCK;
    for (size_t r = 0; r < rows; r++)
        for (uint32_t j = 0; j < dim; j++)
            transpose[j * rows + r] = t->rows[(first + r) * dim + j];
    memset(products, 0, count * rows * sizeof *products);
    akin_kernels()->gemm(products, rows, queries, dim, transpose, rows, count, rows, dim);
    for (size_t q = 0; q < count; q++)
        for (size_t r = 0; r < rows; r++) {
            float score = products[q * rows + r] - t->half[first + r];
            if (score >= best[q].threshold)
                akin_topk_push(&best[q], (struct akin_hit){.key = first + r, .score = score});
        }
}

/* A piece is QUERIES_BLOCK questions against all rows. */
static void answer(void *user, size_t begin, size_t end, unsigned worker)
{
    struct truth *t = user;
    struct akin_topk best[QUERIES_BLOCK];
    struct akin_hit *hits = akin_alloc(QUERIES_BLOCK * 2 * BENCH_TRUTH, sizeof *hits);
    if (!hits)
        bench_die("out of memory", "answers");
    for (size_t q = begin; q < end; q++)
        akin_topk_init(&best[q - begin], hits + (q - begin) * 2 * BENCH_TRUTH, BENCH_TRUTH);
    for (size_t first = 0; first < t->count; first += ROWS_BLOCK)
        score_block(t, best, t->set.query + begin * t->set.dim, end - begin, first, worker);
    for (size_t q = begin; q < end; q++) {
        if (akin_topk_finish(&best[q - begin]) < BENCH_TRUTH)
            bench_die("fewer rows than answers", t->set.title);
        for (size_t i = 0; i < BENCH_TRUTH; i++) {
            uint32_t row = (uint32_t)best[q - begin].hits[i].key;
            t->ids[q * BENCH_TRUTH + i] = (int32_t)(t->numbers ? t->numbers[row] : row);
        }
    }
    akin_free(hits);
}

static void write_answers(struct truth *t, const char *folder, const char *name)
{
    akin_pool_for(t->pool, t->count, 4096, halve, t);
    akin_pool_for(t->pool, t->set.queries, QUERIES_BLOCK, answer, t);
    FILE *file = bench_create(folder, name);
    bench_write(file, t->ids, t->set.queries * BENCH_TRUTH * sizeof *t->ids);
    bench_close(file);
}

static double distance(const struct truth *t, size_t q, size_t row)
{
    double d = akin_kernels()->squared_distance(t->set.query + q * t->set.dim,
                                                t->set.base + row * t->set.dim, t->set.dim);
    return sqrt(d > 1e-12 ? d : 1e-12);
}

static void describe(const struct truth *t, FILE *out)
{
    double dimension = 0, random = 0, tenth = 0;
    for (size_t q = 0; q < t->set.queries; q++) {
        const int32_t *ids = t->ids + q * BENCH_TRUTH;
        double last = distance(t, q, (size_t)ids[BENCH_TRUTH - 1]), logs = 0;
        for (size_t i = 0; i + 1 < BENCH_TRUTH; i++)
            logs += log(last / distance(t, q, (size_t)ids[i]));
        dimension += logs > 0 ? (BENCH_TRUTH - 1) / logs : 0;
        tenth += distance(t, q, (size_t)ids[BENCH_K - 1]);
        random += distance(t, q, (size_t)akin_random_below(1, q, 0, t->set.rows));
    }
    fprintf(out,
            "Local intrinsic dimension %.1f; a row at random is %.2f times as far as the tenth "
            "nearest.\n",
            dimension / (double)t->set.queries, random / tenth);
}

static void answer_filtered(struct truth *t, const char *folder, const char *name,
                            const struct akin_columns *columns)
{
    struct akin_filter filter;
    char file[128];
    unsigned char *mask = akin_alloc(t->set.rows, 1);
    uint32_t *numbers = akin_alloc(t->set.rows, sizeof *numbers);
    t->count = 0;
    if (!mask || !numbers)
        bench_die("out of memory", folder);
    bench_filter(&filter, name);
    for (size_t row = 0; row < t->set.rows; row++)
        if ((mask[row] = akin_filter_matches(&filter, &columns[row])))
            numbers[t->count++] = (uint32_t)row;
    float *rows = akin_alloc(t->count, t->set.dim * sizeof *rows);
    if (!rows)
        bench_die("out of memory", folder);
    for (size_t i = 0; i < t->count; i++)
        memcpy(rows + i * t->set.dim, t->set.base + (size_t)numbers[i] * t->set.dim,
               t->set.dim * sizeof *rows);
    t->rows = rows;
    t->numbers = numbers;
    snprintf(file, sizeof file, "filter-%s.mask", name);
    FILE *out = bench_create(folder, file);
    bench_write(out, mask, t->set.rows);
    bench_close(out);
    snprintf(file, sizeof file, "truth-%s.i32", name);
    write_answers(t, folder, file);
    fprintf(stderr, "bench: filter %s: %zu of %zu rows, %.3f %%\n", name, t->count, t->set.rows,
            100.0 * (double)t->count / (double)t->set.rows);
    akin_free(rows);
    akin_free(numbers);
    akin_free(mask);
}

static void answer_all(struct truth *t, const char *folder)
{
    t->rows = t->set.base;
    t->count = t->set.rows;
    write_answers(t, folder, "truth.i32");
    FILE *about = bench_create(folder, "about.txt");
    describe(t, about);
    bench_close(about);
}

int main(int argc, char **argv)
{
    static struct truth t;
    akin_error why = {0};
    if (argc < 2)
        bench_die("usage", "bench_make_truth FOLDER [FILTER...]");
    t.set = bench_set_open(argv[1]);
    if (akin_pool_create(&t.pool, 0, &why))
        bench_die("threads", why.text);
    size_t workers = akin_pool_threads(t.pool);
    t.ids = akin_alloc(t.set.queries, BENCH_TRUTH * sizeof *t.ids);
    t.half = akin_alloc(t.set.rows, sizeof *t.half);
    t.transpose = akin_alloc(workers * ROWS_BLOCK, t.set.dim * sizeof *t.transpose);
    t.products = akin_alloc(workers * ROWS_BLOCK, QUERIES_BLOCK * sizeof *t.products);
    if (!t.ids || !t.half || !t.transpose || !t.products)
        bench_die("out of memory", argv[1]);
    if (argc == 2)
        answer_all(&t, argv[1]);
    struct akin_columns *columns = argc > 2 ? bench_columns_make(&t.set) : NULL;
    for (int i = 2; i < argc; i++)
        answer_filtered(&t, argv[1], argv[i], columns);
    akin_free(columns);
    akin_free(t.ids);
    akin_free(t.half);
    akin_free(t.transpose);
    akin_free(t.products);
    akin_pool_free(t.pool);
    return 0;
}
