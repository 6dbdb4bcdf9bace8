/*
 * What a search feels of a writer: how long single questions take on an index at rest, and on the same handle while another
 * thread adds rows as fast as it can, with all the flushes and merges that this brings. Milliseconds, as they are counted by
 * who waits.
 *
 *     bench_index_writer SET-FOLDER WORK-FOLDER [SECONDS]      default 10 of each
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <stdatomic.h>

#include "bench.h"
#include "bench_ours.h"

#define TIMES_MAX 4000000u
#define STEP 512u /* rows a call of the writer */

struct writer {
    const struct bench_set *set;
    const struct akin_columns *columns;
    akin_index *index;
    size_t from, added;
    atomic_bool stop;
};

/* Adds the rows from `from` on; when there are no more, the same again, which replaces them. */
static void *write_rows(void *user)
{
    struct writer *w = user;
    size_t row = w->from;
    while (!atomic_load(&w->stop)) {
        size_t n = w->set->rows - row < STEP ? w->set->rows - row : STEP;
        bench_index_add(w->index, w->set, w->columns, row, row + n);
        w->added += n;
        row = row + n < w->set->rows ? row + n : w->from;
    }
    return NULL;
}

/* Times questions for so many seconds; how many there were. */
static size_t search_for(double seconds, akin_index *index, const struct bench_set *set,
                         double *times)
{
    struct akin_filter filter;
    struct akin_index_query query = bench_query(&filter, "recall=0.95");
    akin_error why = {0};
    size_t count = 0;
    for (double end = bench_now_s() + seconds, now; (now = bench_now_s()) < end;) {
        struct akin_hit hits[BENCH_K];
        size_t found;
        if (count == TIMES_MAX)
            break;
        query.vectors = set->query + count % set->queries * set->dim;
        bench_check(akin_index_search(index, &query, hits, &found, NULL, &why), &why);
        times[count++] = bench_now_s() - now;
    }
    return count;
}

static void print_row(const char *what, double *times, size_t count, double rows_s)
{
    qsort(times, count, sizeof *times, bench_compare);
    printf("| %s | %.0f | %.3f | %.3f | %.3f | %.3f |\n", what, rows_s, times[count / 2] * 1e3,
           times[count * 99 / 100] * 1e3, times[count * 999 / 1000] * 1e3, times[count - 1] * 1e3);
}

int main(int argc, char **argv)
{
    static struct writer w;
    struct akin_index_options options;
    pthread_t thread;
    char path[4096];
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 10;
    if (argc < 3 || !(seconds > 0))
        bench_die("usage", "bench_index_writer SET-FOLDER WORK-FOLDER [SECONDS]");
    const struct bench_set set = bench_set_open(argv[1]);
    double *times = akin_alloc(TIMES_MAX, sizeof *times);
    bench_path(path, argv[2], "writer-XXXXXX");
    if (!times || !mkdtemp(path))
        bench_die("no memory, or no folder in", argv[2]);
    akin_index_options_default(&options);
    w.set = &set;
    w.columns = bench_columns_make(&set);
    w.from = set.rows / 5 * 4;
    w.index = bench_index_make(path, &set, &options);
    bench_index_add(w.index, &set, w.columns, 0, w.from);
    bench_index_rest(w.index);
    search_for(1, w.index, &set, times); /* warms up */
    printf("| writer | rows a second | p50 ms | p99 ms | p99.9 ms | longest |\n"
           "| --- | --- | --- | --- | --- | --- |\n");
    print_row("idle", times, search_for(seconds, w.index, &set, times), 0);
    if (pthread_create(&thread, NULL, write_rows, &w))
        bench_die("no thread", path);
    double began = bench_now_s();
    size_t count = search_for(seconds, w.index, &set, times);
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    print_row("at full speed", times, count, (double)w.added / (bench_now_s() - began));
    akin_index_close(w.index);
    bench_remove(path);
    akin_free((void *)w.columns);
    akin_free(times);
    return 0;
}
