/*
 * Makes a set of a collection's own embeddings: every row of one of its indexes, through the public interface; tiles drawn
 * with a seed are held out as questions.
 *
 *     bench_make_tiles COLLECTION/index/MODEL FOLDER [QUERIES]      default 1000
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/index.h"
#include "bench_set.h"

struct writer {
    FILE *base, *queries;
    uint64_t seen, rows, wanted, asked;
    uint32_t dim;
};

/* Draws exactly `wanted` of the `rows` (Knuth's algorithm S). */
static bool write_rows(void *user, const struct akin_columns *columns, const float *vectors,
                       size_t n)
{
    struct writer *w = user;
    (void)columns;
    for (size_t i = 0; i < n; i++, w->seen++) {
        bool held = akin_random_below(5, 0, w->seen, w->rows - w->seen) < w->wanted - w->asked;
        w->asked += held;
        bench_write(held ? w->queries : w->base, vectors + i * w->dim, w->dim * sizeof *vectors);
    }
    return true;
}

int main(int argc, char **argv)
{
    akin_index *index = NULL;
    akin_error why = {0};
    struct akin_index_stats stats;
    struct writer w = {.wanted = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000};
    if (argc < 3)
        bench_die("usage", "bench_make_tiles COLLECTION/index/MODEL FOLDER [QUERIES]");
    if (akin_index_open(&index, argv[1], AKIN_OPEN_READ, NULL, &why))
        bench_die("cannot open", why.text);
    akin_index_stats(index, &stats);
    w.rows = stats.rows;
    w.dim = stats.dim;
    if (w.rows < 2 * w.wanted)
        bench_die("too few tiles", argv[1]);
    w.base = bench_create(argv[2], "base.f32");
    w.queries = bench_create(argv[2], "queries.f32");
    if (akin_index_each(index, write_rows, &w, &why))
        bench_die("cannot read", why.text);
    bench_close(w.base);
    bench_close(w.queries);
    FILE *about = bench_create(argv[2], "set.txt");
    fprintf(about, "ip %u akin's embeddings of tiles, %llu x %u\n", w.dim,
            (unsigned long long)(w.rows - w.wanted), w.dim);
    bench_close(about);
    akin_index_close(index);
    return 0;
}
