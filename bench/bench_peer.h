/*
 * The other side of bench_index: an engine in a process of its own, ours like theirs. It is started as
 *
 *     PEER SET-FOLDER WORK-FOLDER BUILD THREADS
 *
 * builds its index of the set with those parameters, prints "ready WALL_S CPU_S BYTES" (of the build; resident bytes
 * a vector afterwards) and answers lines until its input ends:
 *
 *     SETTING BATCH        the setting of a search ("ef=40"), and how many questions a call
 *     WALL_S CPU_S ID...   for one pass over all questions, and (queries, BENCH_K) answers, -1 = none
 *
 * A pass shorter than BENCH_PASS_S is repeated, and the mean told. One thread searches. peer_usearch.mjs speaks the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_BENCH_PEER_H
#define AKIN_BENCH_PEER_H

#include "bench.h"
#include "bench_set.h"

#define BENCH_PASS_S 0.25

struct bench_peer {
    void *user;
    void (*set)(void *user, const char *setting);
    /* ids (count, BENCH_K) of these questions (count, dim) */
    void (*search)(void *user, const float *queries, size_t count, int32_t *ids);
};

/* Of all threads of this process. */
static inline double bench_cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Memory of this process that no file stands behind, in bytes. */
static inline double bench_anonymous_bytes(void)
{
    char line[256];
    double kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %lf", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib * 1024;
}

static inline void bench_pass(const struct bench_peer *peer, const struct bench_set *set,
                              size_t batch, int32_t *ids)
{
    for (size_t q = 0; q < set->queries; q += batch) {
        size_t count = set->queries - q < batch ? set->queries - q : batch;
        peer->search(peer->user, set->query + q * set->dim, count, ids + q * BENCH_K);
    }
}

/* Answers requests until there are no more. */
static inline void bench_serve(const struct bench_peer *peer, const struct bench_set *set)
{
    char setting[256];
    size_t batch;
    int32_t *ids = (int32_t *)malloc(set->queries * BENCH_K * sizeof *ids);
    if (!ids)
        bench_die("out of memory", "answers");
    while (scanf("%255s %zu", setting, &batch) == 2 && batch > 0) {
        unsigned passes = 0;
        peer->set(peer->user, setting);
        double wall = bench_now_s(), cpu = bench_cpu_s(), gone;
        do {
            bench_pass(peer, set, batch, ids);
            passes++;
            gone = bench_now_s() - wall;
        } while (gone < BENCH_PASS_S);
        printf("%.9f %.9f", gone / passes, (bench_cpu_s() - cpu) / passes);
        for (size_t i = 0; i < set->queries * BENCH_K; i++)
            printf(" %d", ids[i]);
        printf("\n");
        fflush(stdout);
    }
    free(ids);
}

static inline void bench_ready(double wall_s, double cpu_s, double bytes_per_vector)
{
    printf("ready %.6f %.6f %.2f\n", wall_s, cpu_s, bytes_per_vector);
    fflush(stdout);
}

#endif
