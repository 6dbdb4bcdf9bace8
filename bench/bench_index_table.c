/*
 * The measured points of bench_index (on standard input) as tables of Markdown, one a set: questions a second at recall@10 0.90,
 * 0.95 and 0.99, between measured points, each with its share of hnswlib's, the build and the memory; then, where there are
 * filters, what each costs.
 *
 *     bench_index_table <POINTS
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench_points.h"

static const double recalls[] = {0.9, 0.95, 0.99};
#define RECALLS (sizeof recalls / sizeof *recalls)

/* What the others are compared with: hnswlib of that set and filter, one question a call. */
static bool find_yardstick(struct bench_front *out, const struct bench_point *points, size_t count,
                           const char *set, const char *filter)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(points[i].set, set) == 0 && strcmp(points[i].engine, "hnswlib") == 0 &&
            points[i].batch == 1 && strcmp(bench_filter_of(points[i].params), filter) == 0)
            return bench_front_of(out, points, count, i);
    return false;
}

static void print_row(const struct bench_front *front, const struct bench_front *yardstick)
{
    const struct bench_point *p = front->first;
    printf("| %s %.*s | %u |", p->engine, (int)strcspn(p->params, " "), p->params, p->batch);
    for (size_t r = 0; r < RECALLS; r++) {
        double qps = bench_front_qps(front, recalls[r]);
        double theirs = yardstick ? bench_front_qps(yardstick, recalls[r]) : 0;
        if (qps == 0)
            printf(" - |");
        else if (theirs == 0)
            printf(" %.0f |", qps);
        else
            printf(" %.0f (%.2f) |", qps, qps / theirs);
    }
    printf(" %.1f, by %u |", p->build_s, p->threads);
    if (yardstick)
        printf(" %.2f |", p->build_s / yardstick->first->build_s);
    else
        printf(" - |");
    printf(" %.0f |\n", p->bytes);
}

static void print_set(const struct bench_point *points, size_t count, const char *set)
{
    static struct bench_front yardstick, front;
    bool compared = find_yardstick(&yardstick, points, count, set, "");
    printf("\n| set %s | questions a call | QPS at 0.90 (of hnswlib's) | at 0.95 | at 0.99 | "
           "build, s | "
           "of hnswlib's | bytes a vector |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
           set);
    for (size_t i = 0; i < count; i++)
        if (strcmp(points[i].set, set) == 0 && !*bench_filter_of(points[i].params) &&
            bench_front_of(&front, points, count, i))
            print_row(&front, compared ? &yardstick : NULL);
}

/* Our answers as they come by default, and the fewest that hnswlib must fetch to find as much among them. */
static void print_filters(const struct bench_point *points, size_t count, const char *set)
{
    static struct bench_front theirs;
    bool begun = false;
    for (size_t i = 0; i < count; i++) {
        const struct bench_point *p = &points[i];
        const char *filter = bench_filter_of(p->params);
        if (strcmp(p->set, set) != 0 || strcmp(p->engine, "akin") != 0 || !*filter)
            continue;
        if (!begun)
            printf("\n| rows that match, %% | akin: setting | recall@10 | QPS | hnswlib, filtered "
                   "afterwards: most "
                   "recall@10 | QPS at 0.95 |\n| --- | --- | --- | --- | --- | --- |\n");
        begun = true;
        const char *setting = p->params + strcspn(p->params, " ") + 1;
        printf("| %s | %.*s | %.4f | %.0f |", filter, (int)strcspn(setting, ","), setting,
               p->recall, p->qps);
        if (!find_yardstick(&theirs, points, count, set, filter)) {
            printf(" - | - |\n");
            continue;
        }
        double qps = bench_front_qps(&theirs, 0.95);
        printf(" %.4f |", theirs.points[theirs.count - 1]->recall);
        if (qps > 0)
            printf(" %.0f |\n", qps);
        else
            printf(" - |\n");
    }
}

int main(void)
{
    static struct bench_point points[BENCH_POINTS_MAX];
    size_t count = bench_points_read(points, stdin);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(points[i].set, points[i - 1].set) != 0) {
            print_set(points, count, points[i].set);
            print_filters(points, count, points[i].set);
        }
    return 0;
}
