/*
 * akin's index as a peer of bench_index. BUILD "bits=0,list_rows=0,coded_rows=0" (0 = as the index chooses), SETTING as
 * bench_query takes it. The index is built by another process, so that the memory that is told is what a search needs: its own
 * and the codes that are mapped. It stays in WORK-FOLDER/akin-THREADS-BUILD for the benches that look closer.
 *
 *     bench_peer_akin SET-FOLDER WORK-FOLDER BUILD THREADS
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench_ours.h"
#include "bench_peer.h"

struct index_peer {
    struct bench_set set;
    akin_index *index;
    struct akin_index_query query;
    struct akin_filter filter;
    struct akin_hit *hits;
    size_t *counts;
};

/* Wall and CPU seconds from the first row to an index at rest, on disk. */
static void build(const struct bench_set *set, const char *path, const char *parameters,
                  unsigned threads, double seconds[2])
{
    struct akin_index_options options;
    akin_error why = {0};
    akin_index_options_default(&options);
    options.code_bits = (uint32_t)bench_parameter(parameters, "bits", 0);
    options.list_rows = (uint32_t)bench_parameter(parameters, "list_rows", 0);
    options.coded_rows = (uint32_t)bench_parameter(parameters, "coded_rows", 0);
    options.background = threads > 1;
    bench_check(akin_pool_create(&options.pool, threads, &why), &why);
    struct akin_columns *columns = bench_columns_make(set);
    double wall = bench_now_s(), cpu = bench_cpu_s();
    akin_index *index = bench_index_make(path, set, &options);
    bench_index_add(index, set, columns, 0, set->rows);
    bench_index_rest(index);
    akin_index_close(index);
    seconds[0] = bench_now_s() - wall;
    seconds[1] = bench_cpu_s() - cpu;
    akin_free(columns);
    akin_pool_free(options.pool);
}

static void build_elsewhere(const struct bench_set *set, const char *path, const char *parameters,
                            unsigned threads, double seconds[2])
{
    int ends[2], status;
    if (pipe(ends))
        bench_die("no pipe", path);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        build(set, path, parameters, threads, seconds);
        _exit(write(ends[1], seconds, 2 * sizeof *seconds) != 2 * sizeof *seconds);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status ||
        read(ends[0], seconds, 2 * sizeof *seconds) != 2 * sizeof *seconds)
        bench_die("could not build", path);
    close(ends[0]);
    close(ends[1]);
}

static void set_query(void *user, const char *setting)
{
    struct index_peer *peer = user;
    peer->query = bench_query(&peer->filter, setting);
}

static void search(void *user, const float *queries, size_t count, int32_t *ids)
{
    struct index_peer *peer = user;
    akin_error why = {0};
    peer->query.vectors = queries;
    peer->query.count = count;
    bench_check(akin_index_search(peer->index, &peer->query, peer->hits, peer->counts, NULL, &why),
                &why);
    for (size_t q = 0; q < count; q++)
        for (size_t i = 0; i < BENCH_K; i++)
            ids[q * BENCH_K + i] =
                i < peer->counts[q] ? (int32_t)peer->hits[q * BENCH_K + i].key : -1;
}

int main(int argc, char **argv)
{
    static struct index_peer peer;
    struct akin_index_stats stats;
    akin_error why = {0};
    char path[4096], name[128];
    double seconds[2];
    if (argc != 5)
        bench_die("usage", "bench_peer_akin SET-FOLDER WORK-FOLDER BUILD THREADS");
    peer.set = bench_set_open(argv[1]);
    snprintf(name, sizeof name, "akin-%s-%s", argv[4], argv[3]);
    bench_path(path, argv[2], name);
    bench_remove(path);
    build_elsewhere(&peer.set, path, argv[3], (unsigned)strtoul(argv[4], NULL, 10), seconds);
    peer.hits = akin_alloc(peer.set.queries, BENCH_K * sizeof *peer.hits);
    peer.counts = akin_alloc(peer.set.queries, sizeof *peer.counts);
    if (!peer.hits || !peer.counts)
        bench_die("out of memory", path);
    double before = bench_anonymous_bytes();
    bench_check(akin_index_open(&peer.index, path, AKIN_OPEN_READ, NULL, &why), &why);
    akin_index_stats(peer.index, &stats);
    bench_ready(seconds[0], seconds[1],
                (bench_anonymous_bytes() - before + (double)stats.bytes_codes) /
                    (double)peer.set.rows);
    const struct bench_peer calls = {&peer, set_query, search};
    bench_serve(&calls, &peer.set);
    akin_index_close(peer.index);
    akin_free(peer.hits);
    akin_free(peer.counts);
    return 0;
}
