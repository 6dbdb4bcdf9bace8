/*
 * Exact search against the wall there is, reading memory: an index of N x 256 f16 rows in segments,
 * searched for the best 10, and the same number of bytes summed from plain memory by the same
 * threads. Runs alternate; each figure is a median.
 *
 *     bench_scan [ROWS] [THREADS] [ROUNDS]     default 1000000, all CPUs, 15
 *
 * The index is made anew in a folder under $TMPDIR (about 900 MB) and removed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ftw.h>
#include <math.h>
#include <string.h>

#include "akin/index.h"
#include "bench.h"

#define DIM 256u
#define BATCH 8192u
#define ROUNDS_MAX 101
#define WAYS 7

static void die(const char *what, const akin_error *why)
{
    fprintf(stderr, "bench_scan: %s: %s\n", what, why->text);
    exit(1);
}

static void random_vector(float *out, uint64_t stream)
{
    for (uint32_t i = 0; i < DIM; i += 4) {
        uint64_t bits = akin_random_u64(1, stream, i);
        for (uint32_t j = 0; j < 4; j++)
            out[i + j] = (float)(bits >> 16 * j & 0xffff) - 32767.5f;
    }
    akin_normalize(out, DIM);
}

/* Rows on a grid over the globe, one time of 1000 each, so that boxes and times select known
 * shares. */
static struct akin_columns columns_of(uint64_t row)
{
    struct akin_columns columns = {.key = (row / 4096 + 1) << 32 | row % 4096};
    double lon = akin_random_unit(2, row, 0) * 359 - 180,
           lat = akin_random_unit(2, row, 1) * 170 - 85;
    columns.bbox_e7[0] = (int32_t)(lon * 1e7);
    columns.bbox_e7[1] = (int32_t)(lat * 1e7);
    columns.bbox_e7[2] = (int32_t)((lon + 0.5) * 1e7);
    columns.bbox_e7[3] = (int32_t)((lat + 0.5) * 1e7);
    columns.hilbert = akin_hilbert_key(lon + 0.25, lat + 0.25);
    columns.begin_ms = (int64_t)akin_random_below(2, row, 2, 1000) * 86400000;
    columns.end_ms = columns.begin_ms + 86400000;
    columns.texture = 100;
    return columns;
}

static void fill(const char *path, uint64_t rows)
{
    struct akin_index_options options;
    akin_index *index = NULL;
    akin_error why = {0};
    struct akin_columns *columns = akin_alloc(BATCH, sizeof *columns);
    float *vectors = akin_alloc(BATCH, DIM * sizeof *vectors);
    akin_index_options_default(&options);
    options.dim = DIM;
    if (!columns || !vectors || akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, &why))
        die("open", &why);
    double began = bench_now_s();
    for (uint64_t row = 0; row < rows; row += BATCH) {
        size_t n = rows - row < BATCH ? (size_t)(rows - row) : BATCH;
        for (size_t i = 0; i < n; i++) {
            columns[i] = columns_of(row + i);
            random_vector(vectors + i * DIM, row + i);
        }
        if (akin_index_add(index, columns, vectors, n, &why))
            die("add", &why);
    }
    if (akin_index_flush(index, &why))
        die("flush", &why);
    printf("filled with %llu rows in %.1f s (with fsync, merges and the making of the rows)\n\n",
           (unsigned long long)rows, bench_now_s() - began);
    akin_index_close(index);
    akin_free(columns);
    akin_free(vectors);
}

struct sum {
    const uint64_t *words;
    uint64_t total[1024];
};

static void sum_words(void *user, size_t begin, size_t end, unsigned worker)
{
    struct sum *sum = user;
    uint64_t t[8] = {0};
    for (size_t line = begin; line < end; line++) /* cache lines */
        for (size_t j = 0; j < 8; j++)
            t[j] += sum->words[line * 8 + j];
    sum->total[worker] += t[0] + t[1] + t[2] + t[3] + t[4] + t[5] + t[6] + t[7];
}

struct bench {
    akin_index *index;
    akin_pool *pool;
    struct sum sum;
    size_t lines;
    float vectors[16 * DIM];
    struct akin_hit *hits;
    struct akin_index_work work[WAYS];
};

static void search(struct bench *bench, size_t count, size_t k, const struct akin_filter *filter,
                   struct akin_index_work *work)
{
    struct akin_index_query query = {.vectors = bench->vectors,
                                     .count = count,
                                     .k = k,
                                     .filter = filter,
                                     .recall = 1, /* exact, whatever codes there are */
                                     .threshold = -INFINITY};
    size_t counts[16];
    akin_error why = {0};
    if (akin_index_search(bench->index, &query, bench->hits, counts, work, &why))
        die("search", &why);
}

static const char *const way_names[WAYS] = {
    "read the same bytes from memory", "1 query, k 10", "1 query, k 10,000", "16 queries, k 10",
    "box of 1 % of the globe",         "times of 1 %",  "times of 50 %"};

static void run_way(struct bench *bench, int way)
{
    struct akin_filter filter;
    struct akin_index_work *work = &bench->work[way];
    akin_filter_init(&filter);
    switch (way) {
    case 0:
        akin_pool_for(bench->pool, bench->lines, 8192, sum_words, &bench->sum);
        return;
    case 1:
        search(bench, 1, 10, NULL, work);
        return;
    case 2:
        search(bench, 1, 10000, NULL, work);
        return;
    case 3:
        search(bench, 16, 10, NULL, work);
        return;
    case 4:
        filter.bbox = (struct akin_bbox){0, 0, 36, 17};
        break;
    case 5:
        filter.time = (struct akin_interval){0, 10 * 86400000ll};
        break;
    default:
        filter.time = (struct akin_interval){0, 500 * 86400000ll};
    }
    search(bench, 1, 10, &filter, work);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    uint64_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 15;
    static double times[WAYS][ROUNDS_MAX];
    static struct bench bench;
    struct akin_index_options options;
    akin_error why = {0};
    char path[512];
    const char *base = getenv("TMPDIR");
    if (rows < 1 || rounds < 1 || rounds > ROUNDS_MAX)
        return fprintf(stderr, "usage: bench_scan [ROWS] [THREADS] [ROUNDS 1..101]\n"), 2;
    snprintf(path, sizeof path, "%s/akin-bench-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        return perror("mkdtemp"), 1;
    fill(path, rows);
    if (akin_pool_create(&bench.pool, threads, &why))
        die("pool", &why);
    akin_index_options_default(&options);
    options.pool = bench.pool;
    double began = bench_now_s();
    if (akin_index_open(&bench.index, path, AKIN_OPEN_READ, &options, &why))
        die("open", &why);
    double opened = bench_now_s() - began;
    bench.lines = (size_t)rows * DIM * sizeof(akin_f16) / 64;
    uint64_t *words = akin_alloc(bench.lines, 64);
    bench.hits = akin_alloc(16 * 10000, sizeof *bench.hits);
    if (!words || !bench.hits)
        die("memory", &why);
    memset(words, 1, bench.lines * 64);
    bench.sum.words = words;
    for (uint64_t q = 0; q < 16; q++)
        random_vector(bench.vectors + q * DIM, UINT64_MAX - q);
    for (int round = -1; round < rounds; round++) /* the first warms up */
        for (int way = 0; way < WAYS; way++) {
            began = bench_now_s();
            run_way(&bench, way);
            times[way][round < 0 ? 0 : round] = bench_now_s() - began;
        }
    double floor_s = bench_median(times[0], (size_t)rounds);
    struct akin_index_stats stats;
    akin_index_stats(bench.index, &stats);
    printf(
        "%llu x %u f16 in %llu segments, %s kernels, %u threads, opened in %.2f ms; medians of %d "
        "alternating runs.\n\n",
        (unsigned long long)rows, DIM, (unsigned long long)stats.segments, akin_kernels()->name,
        akin_pool_threads(bench.pool), opened * 1e3, rounds);
    printf("| what | ms | of reading memory | rows scored |\n| --- | --- | --- | --- |\n");
    for (int way = 0; way < WAYS; way++) {
        double s = bench_median(times[way], (size_t)rounds);
        printf("| %s | %.2f | %.2f | %llu |\n", way_names[way], s * 1e3, s / floor_s,
               (unsigned long long)bench.work[way].rows_scanned);
    }
    akin_index_close(bench.index);
    akin_pool_free(bench.pool);
    akin_free(words);
    akin_free(bench.hits);
    return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0;
}
