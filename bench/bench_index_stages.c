/*
 * Where the time of a question goes, stage by stage, as the index measures itself (akin_index_work), and how much it looked at:
 * means over the questions of a set.
 *
 *     bench_index_stages SET-FOLDER INDEX-FOLDER SETTING...
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench.h"
#include "bench_ours.h"

static void measure(const akin_index *index, const struct bench_set *set, const char *setting)
{
    static const char *const ways[] = {"exact", "filtered", "masked", "codes"};
    struct akin_filter filter;
    struct akin_index_query query = bench_query(&filter, setting);
    struct akin_index_work sum = {0};
    akin_error why = {0};
    double seconds[2];
    for (int staged = 0; staged < 2; staged++) { /* once without its clocks, which also warms up */
        double began = bench_now_s();
        query.stages = staged;
        for (size_t q = 0; q < set->queries; q++) {
            struct akin_index_work work;
            struct akin_hit hits[BENCH_K];
            size_t count;
            query.vectors = set->query + q * set->dim;
            bench_check(akin_index_search(index, &query, hits, &count, &work, &why), &why);
            if (!staged)
                continue;
            sum.way = work.way;
            sum.lists_probed += work.lists_probed;
            sum.codes_scanned += work.codes_scanned;
            sum.reranked_i8 += work.reranked_i8;
            sum.reranked_f16 += work.reranked_f16;
            sum.rows_scanned += work.rows_scanned;
            for (int stage = 0; stage < AKIN_STAGES; stage++)
                sum.stage_ns[stage] += work.stage_ns[stage];
        }
        seconds[staged] = bench_now_s() - began;
    }
    double n = (double)set->queries;
    printf("| %s | %s | %.1f |", setting, ways[sum.way], seconds[0] / n * 1e6);
    for (int stage = 0; stage < AKIN_STAGES; stage++)
        printf(" %.2f |", (double)sum.stage_ns[stage] / n / 1e3);
    printf(" %.1f | %.0f | %.1f | %.1f | %.0f |\n", (double)sum.lists_probed / n,
           (double)sum.codes_scanned / n, (double)sum.reranked_i8 / n, (double)sum.reranked_f16 / n,
           (double)sum.rows_scanned / n);
}

int main(int argc, char **argv)
{
    akin_index *index;
    akin_error why = {0};
    if (argc < 4)
        bench_die("usage", "bench_index_stages SET-FOLDER INDEX-FOLDER SETTING...");
    const struct bench_set set = bench_set_open(argv[1]);
    bench_check(akin_index_open(&index, argv[2], AKIN_OPEN_READ, NULL, &why), &why);
    printf("| setting | way | us a question | plan | match | table | coarse | scan | rerank | "
           "exact | lists | "
           "codes | by int8 | by f16 | by f16 at once |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | "
           "--- |\n");
    for (int i = 3; i < argc; i++)
        measure(index, &set, argv[i]);
    akin_index_close(index);
    return 0;
}
