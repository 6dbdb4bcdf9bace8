/*
 * How the index grows: measured points of sets of several sizes (on standard input, as bench_index writes them) as a table, with
 * the exponent p of each figure, rows^p, by least squares through the logarithms.
 *
 *     bench_index_scale SET=ROWS... <POINTS
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench_points.h"

#define SETS_MAX 8
#define RECALL 0.95

enum figure { MICROSECONDS, BUILD, MEMORY, FIGURES };

struct size {
    double rows, figures[FIGURES];
};

static bool read_size(struct size *out, const struct bench_point *points, size_t count,
                      const char *set, size_t set_length)
{
    static struct bench_front front;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(points[i].set, set, set_length) != 0 || points[i].set[set_length] ||
            points[i].batch != 1 || !bench_front_of(&front, points, count, i))
            continue;
        double qps = bench_front_qps(&front, RECALL);
        if (qps == 0)
            return false;
        out->figures[MICROSECONDS] = 1e6 / qps;
        out->figures[BUILD] = points[i].build_s;
        out->figures[MEMORY] = points[i].bytes * out->rows;
        return true;
    }
    return false;
}

static double exponent(const struct size *sizes, size_t count, enum figure figure)
{
    double x = 0, y = 0, xx = 0, xy = 0, n = (double)count;
    for (size_t i = 0; i < count; i++) {
        double a = log(sizes[i].rows), b = log(sizes[i].figures[figure]);
        x += a, y += b, xx += a * a, xy += a * b;
    }
    return (n * xy - x * y) / (n * xx - x * x);
}

int main(int argc, char **argv)
{
    static struct bench_point points[BENCH_POINTS_MAX];
    struct size sizes[SETS_MAX];
    size_t count = bench_points_read(points, stdin), found = 0;
    if (argc < 2 || argc > SETS_MAX + 1)
        bench_die("usage", "bench_index_scale SET=ROWS... <POINTS");
    printf("| rows | QPS at recall@10 %.2f | us a question | build, s | MB in memory |\n"
           "| --- | --- | --- | --- | --- |\n",
           RECALL);
    for (int i = 1; i < argc; i++) {
        struct size *size = &sizes[found];
        size_t length = strcspn(argv[i], "=");
        size->rows = strtod(argv[i] + length + (argv[i][length] == '='), NULL);
        if (!(size->rows > 0) || !read_size(size, points, count, argv[i], length)) {
            printf("| %s | not reached | - | - | - |\n", argv[i]);
            continue;
        }
        printf("| %.0f | %.0f | %.1f | %.1f | %.1f |\n", size->rows,
               1e6 / size->figures[MICROSECONDS], size->figures[MICROSECONDS], size->figures[BUILD],
               size->figures[MEMORY] / 1e6);
        found++;
    }
    if (found > 1)
        printf("| exponent | | %.2f | %.2f | %.2f |\n", exponent(sizes, found, MICROSECONDS),
               exponent(sizes, found, BUILD), exponent(sizes, found, MEMORY));
    return 0;
}
