/*
 * Measured points of the index's bench: one JSON object a line, as bench_index writes them and the table and the picture read
 * them, and what a front of such points gives at a recall.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_BENCH_POINTS_H
#define AKIN_BENCH_POINTS_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_set.h"

#define BENCH_POINTS_MAX 2048

struct bench_point {
    char set[8], engine[32], params[128]; /* params: of the build, a blank, of the search */
    unsigned threads, batch;              /* of the build; questions a call */
    double recall, qps, build_s, bytes;   /* resident bytes a vector */
};

/* With its points ordered by recall, and none that another one beats in both. */
struct bench_front {
    const struct bench_point *first; /* tells set, engine, batch and build */
    const struct bench_point *points[BENCH_POINTS_MAX];
    size_t count;
};

static inline void bench_point_print(const struct bench_point *p)
{
    printf("{\"set\":\"%s\",\"engine\":\"%s\",\"params\":\"%s\",\"threads\":%u,\"batch\":%u,"
           "\"recall10\":%.4f,\"qps\":%.1f,\"build_s\":%.3f,\"bytes_per_vector\":%.1f}\n",
           p->set, p->engine, p->params, p->threads, p->batch, p->recall, p->qps, p->build_s,
           p->bytes);
    fflush(stdout);
}

/* All points of a stream; lines that are not such points are an error that ends the program. */
static inline size_t bench_points_read(struct bench_point *out, FILE *in)
{
    char line[512];
    size_t count = 0;
    while (fgets(line, sizeof line, in)) {
        struct bench_point *p = &out[count];
        if (count == BENCH_POINTS_MAX ||
            sscanf(line,
                   "{\"set\":\"%7[^\"]\",\"engine\":\"%31[^\"]\",\"params\":\"%127[^\"]\","
                   "\"threads\":%u,\"batch\":%u,\"recall10\":%lf,\"qps\":%lf,\"build_s\":%lf,"
                   "\"bytes_per_vector\":%lf}",
                   p->set, p->engine, p->params, &p->threads, &p->batch, &p->recall, &p->qps,
                   &p->build_s, &p->bytes) != 9) {
            fprintf(stderr, "bench: not a measured point: %s\n", line);
            exit(1);
        }
        count++;
    }
    return count;
}

/* Of one engine on one set, built in one way, with one filter or none and so many questions a call. */
static inline bool bench_same_line(const struct bench_point *a, const struct bench_point *b)
{
    return strcmp(a->set, b->set) == 0 && strcmp(a->engine, b->engine) == 0 &&
           strcspn(a->params, " ") == strcspn(b->params, " ") &&
           strncmp(a->params, b->params, strcspn(a->params, " ")) == 0 && a->batch == b->batch &&
           a->threads == b->threads &&
           strcmp(bench_filter_of(a->params), bench_filter_of(b->params)) == 0;
}

/* The front of all points like points[first]; false where one of them stands before it. */
static inline bool bench_front_of(struct bench_front *out, const struct bench_point *points,
                                  size_t count, size_t first)
{
    out->first = &points[first];
    out->count = 0;
    for (size_t i = 0; i < count; i++) {
        bool beaten = false;
        if (!bench_same_line(&points[i], &points[first]))
            continue;
        if (i < first)
            return false;
        for (size_t j = first; j < count && !beaten; j++)
            beaten =
                j != i && bench_same_line(&points[j], &points[first]) &&
                points[j].recall >= points[i].recall && points[j].qps >= points[i].qps &&
                (points[j].recall > points[i].recall || points[j].qps > points[i].qps || j < i);
        if (beaten)
            continue;
        size_t at = out->count++;
        for (; at > 0 && out->points[at - 1]->recall > points[i].recall; at--)
            out->points[at] = out->points[at - 1];
        out->points[at] = &points[i];
    }
    return true;
}

/* Questions a second at this recall, between two measured points by the logarithm; 0 where it was not reached. */
static inline double bench_front_qps(const struct bench_front *front, double recall)
{
    for (size_t i = 0; i < front->count; i++) {
        const struct bench_point *b = front->points[i], *a = i ? front->points[i - 1] : b;
        if (b->recall < recall)
            continue;
        double share = b->recall > a->recall ? (recall - a->recall) / (b->recall - a->recall) : 1;
        return exp(log(a->qps) + share * (log(b->qps) - log(a->qps)));
    }
    return 0;
}

#endif
