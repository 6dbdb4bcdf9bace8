/*
 * A set of vectors as the benches of the index and their peers read it: a folder with
 *
 *     set.txt        one line: the metric ("ip" or "l2"), the dimension, a title
 *     base.f32       the rows (rows, dim), little-endian f32; of unit length where the metric is ip
 *     queries.f32    the questions (queries, dim), none of them a row
 *     truth.i32      the BENCH_TRUTH nearest rows of each question by exact search, nearest first
 *
 * Compiled as C11 and as C++ (the peers). What goes wrong ends the program with a sentence.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_BENCH_SET_H
#define AKIN_BENCH_SET_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BENCH_TRUTH 100u
#define BENCH_K 10u

struct bench_set {
    bool l2; /* squared distance; else inner product */
    uint32_t dim;
    char title[128];
    size_t rows, queries;
    const float *base, *query; /* mapped, never unmapped */
    const int32_t *truth;      /* (queries, BENCH_TRUTH); NULL before it was made */
};

static inline void bench_die(const char *what, const char *which)
{
    fprintf(stderr, "bench: %s: %s\n", what, which);
    exit(1);
}

static inline void bench_path(char out[4096], const char *folder, const char *name)
{
    if (snprintf(out, 4096, "%s/%s", folder, name) >= 4096)
        bench_die("too long a path", folder);
}

static inline FILE *bench_create(const char *folder, const char *name)
{
    char path[4096];
    bench_path(path, folder, name);
    FILE *file = fopen(path, "wb");
    if (!file)
        bench_die("cannot write", path);
    return file;
}

static inline void bench_write(FILE *file, const void *data, size_t bytes)
{
    if (fwrite(data, 1, bytes, file) != bytes)
        bench_die("cannot write", "a vector file (is the disk full?)");
}

static inline void bench_close(FILE *file)
{
    if (fclose(file))
        bench_die("cannot write", "a vector file (is the disk full?)");
}

/* The number after "name=" in a list like "ef=40,M=16"; `otherwise` where it is not there. */
static inline double bench_parameter(const char *list, const char *name, double otherwise)
{
    size_t length = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) == 0 && at[length] == '=')
            return strtod(at + length + 1, NULL);
    }
    return otherwise;
}

/* NAME of a setting that ends in "filter=NAME"; else "". */
static inline const char *bench_filter_of(const char *setting)
{
    const char *filter = strstr(setting, "filter=");
    return filter ? filter + strlen("filter=") : "";
}

/* A file of (*count, columns) values of 4 bytes; NULL where it is not there. */
static inline const void *bench_map(size_t *count, const char *folder, const char *name,
                                    size_t columns)
{
    char path[4096];
    struct stat st;
    bench_path(path, folder, name);
    int fd = open(path, O_RDONLY);
    *count = 0;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) || st.st_size <= 0 || (size_t)st.st_size % (columns * 4))
        bench_die("not a whole number of rows", path);
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    close(fd);
    if (data == MAP_FAILED)
        bench_die("cannot map", path);
    *count = (size_t)st.st_size / (columns * 4);
    return data;
}

static inline struct bench_set bench_set_open(const char *folder)
{
    struct bench_set set;
    char path[4096], metric[8] = "";
    size_t answers;
    memset(&set, 0, sizeof set);
    bench_path(path, folder, "set.txt");
    FILE *about = fopen(path, "r");
    if (!about || fscanf(about, "%7s %u %127[^\n]", metric, &set.dim, set.title) != 3 ||
        set.dim < 1 || set.dim > 4096)
        bench_die("not a set of vectors", path);
    fclose(about);
    set.l2 = strcmp(metric, "l2") == 0;
    set.base = (const float *)bench_map(&set.rows, folder, "base.f32", set.dim);
    set.query = (const float *)bench_map(&set.queries, folder, "queries.f32", set.dim);
    set.truth = (const int32_t *)bench_map(&answers, folder, "truth.i32", BENCH_TRUTH);
    if (!set.rows || !set.queries || (set.truth && answers != set.queries))
        bench_die("rows, questions or their answers are missing", folder);
    return set;
}

/* Larger is nearer. */
static inline double bench_score(const struct bench_set *set, size_t query, int32_t row)
{
    const float *q = set->query + query * set->dim, *o = set->base + (size_t)row * set->dim;
    double sum = 0;
    for (uint32_t j = 0; j < set->dim; j++)
        sum += set->l2 ? -((double)q[j] - o[j]) * ((double)q[j] - o[j]) : (double)q[j] * o[j];
    return sum;
}

/* Whether a row is as good an answer as the BENCH_K nearest. Without a filter any row as near as the last of them is: in real
 * sets many rows are alike. */
static inline bool bench_is_right(const struct bench_set *set, const int32_t *truth, size_t query,
                                  int32_t row, bool filtered)
{
    truth += query * BENCH_TRUTH;
    for (size_t i = 0; i < BENCH_K; i++)
        if (truth[i] == row)
            return true;
    if (filtered || row < 0 || (size_t)row >= set->rows)
        return false;
    double last = bench_score(set, query, truth[BENCH_K - 1]);
    double rounding = 1e-6 * (last < -1 ? -last : 1);
    return bench_score(set, query, row) >= last - rounding;
}

/* The share of right ones among the answers (queries, BENCH_K); the same row twice counts once. */
static inline double bench_recall(const struct bench_set *set, const int32_t *truth,
                                  const int32_t *answers, bool filtered)
{
    size_t found = 0;
    for (size_t q = 0; q < set->queries; q++)
        for (size_t i = 0; i < BENCH_K; i++) {
            const int32_t *of_query = answers + q * BENCH_K;
            bool again = false;
            for (size_t j = 0; j < i && !again; j++)
                again = of_query[j] == of_query[i];
            found += !again && bench_is_right(set, truth, q, of_query[i], filtered);
        }
    return (double)found / (double)(set->queries * BENCH_K);
}

#endif
