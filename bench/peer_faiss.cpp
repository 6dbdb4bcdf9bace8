// FAISS as a peer of bench_index: BUILD is a string of its index_factory ("IVF2048,PQ128x4fs,RFlat"), SETTING one of its
// ParameterSpace ("nprobe=8,k_factor_rf=4").
//
// SPDX-License-Identifier: Apache-2.0
#include <faiss/AutoTune.h>
#include <faiss/index_factory.h>
#include <malloc.h>
#include <omp.h>

#include <memory>
#include <vector>

#include "bench_peer.h"

namespace
{

struct index_peer {
    bench_set set;
    std::unique_ptr<faiss::Index> index;
    std::vector<faiss::Index::idx_t> labels;
    std::vector<float> distances;
};

void build(index_peer &peer, const char *parameters)
{
    const bench_set &set = peer.set;
    peer.index.reset(faiss::index_factory((int)set.dim, parameters,
                                          set.l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT));
    peer.index->train((faiss::Index::idx_t)set.rows, set.base);
    peer.index->add((faiss::Index::idx_t)set.rows, set.base);
    malloc_trim(0);
}

void set_parameters(void *user, const char *setting)
{
    auto &peer = *static_cast<index_peer *>(user);
    faiss::ParameterSpace().set_index_parameters(peer.index.get(), setting);
}

void search(void *user, const float *queries, size_t count, int32_t *ids)
{
    auto &peer = *static_cast<index_peer *>(user);
    peer.labels.resize(count * BENCH_K);
    peer.distances.resize(count * BENCH_K);
    peer.index->search((faiss::Index::idx_t)count, queries, BENCH_K, peer.distances.data(),
                       peer.labels.data());
    std::copy(peer.labels.begin(), peer.labels.end(), ids);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 5)
        bench_die("usage", "peer_faiss SET-FOLDER WORK-FOLDER BUILD THREADS");
    index_peer peer;
    peer.set = bench_set_open(argv[1]);
    omp_set_num_threads((int)strtol(argv[4], nullptr, 10));
    double before = bench_anonymous_bytes(), wall = bench_now_s(), cpu = bench_cpu_s();
    build(peer, argv[3]);
    bench_ready(bench_now_s() - wall, bench_cpu_s() - cpu,
                (bench_anonymous_bytes() - before) / (double)peer.set.rows);
    omp_set_num_threads(1);
    const bench_peer calls = {&peer, set_parameters, search};
    bench_serve(&calls, &peer.set);
}
