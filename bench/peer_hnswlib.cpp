// hnswlib (Malkov and Yashunin) as a peer of bench_index: BUILD "M=16,ef_construction=100", SETTING "ef=40". It knows no
// filters: with "ef=400,filter=NAME" ef rows are fetched and those that match (filter-NAME.mask) are kept.
//
// SPDX-License-Identifier: Apache-2.0
#include <hnswlib/hnswlib.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench_peer.h"

namespace
{

struct index_peer {
    bench_set set;
    std::string folder;
    std::map<std::string, std::vector<char>> masks; // those that were asked for
    const std::vector<char> *mask;                  // of this search; nullptr = none
    size_t ef;
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
};

void build(index_peer &peer, const char *parameters, unsigned threads)
{
    const bench_set &set = peer.set;
    if (set.l2)
        peer.space.reset(new hnswlib::L2Space(set.dim));
    else
        peer.space.reset(new hnswlib::InnerProductSpace(set.dim));
    peer.graph.reset(new hnswlib::HierarchicalNSW<float>(
        peer.space.get(), set.rows, (size_t)bench_parameter(parameters, "M", 16),
        (size_t)bench_parameter(parameters, "ef_construction", 100)));
    auto add = [&](size_t first) {
        for (size_t row = first; row < set.rows; row += threads)
            peer.graph->addPoint(set.base + row * set.dim, row);
    };
    std::vector<std::thread> others;
    for (unsigned t = 1; t < threads; t++)
        others.emplace_back(add, t);
    add(0);
    for (auto &other : others)
        other.join();
}

std::vector<char> read_mask(const index_peer &peer, const std::string &filter)
{
    std::vector<char> mask(peer.set.rows);
    std::string path = peer.folder + "/filter-" + filter + ".mask";
    std::unique_ptr<FILE, int (*)(FILE *)> file(fopen(path.c_str(), "rb"), fclose);
    if (!file || fread(mask.data(), 1, mask.size(), file.get()) != mask.size())
        bench_die("cannot read", path.c_str());
    return mask;
}

void set_parameters(void *user, const char *setting)
{
    auto &peer = *static_cast<index_peer *>(user);
    std::string filter = bench_filter_of(setting);
    peer.ef = (size_t)bench_parameter(setting, "ef", 10);
    peer.graph->setEf(peer.ef);
    if (!filter.empty() && !peer.masks.count(filter))
        peer.masks[filter] = read_mask(peer, filter);
    peer.mask = filter.empty() ? nullptr : &peer.masks[filter];
}

void search(void *user, const float *queries, size_t count, int32_t *ids)
{
    auto &peer = *static_cast<index_peer *>(user);
    for (size_t q = 0; q < count; q++, ids += BENCH_K) {
        auto found =
            peer.graph->searchKnn(queries + q * peer.set.dim, peer.mask ? peer.ef : BENCH_K);
        std::vector<int32_t> farthest_first;
        for (; !found.empty(); found.pop())
            if (!peer.mask || (*peer.mask)[found.top().second])
                farthest_first.push_back((int32_t)found.top().second);
        size_t kept = std::min<size_t>(farthest_first.size(), BENCH_K);
        std::fill(std::copy_n(farthest_first.rbegin(), kept, ids), ids + BENCH_K, -1);
    }
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 5)
        bench_die("usage", "peer_hnswlib SET-FOLDER WORK-FOLDER BUILD THREADS");
    index_peer peer{bench_set_open(argv[1]), argv[1], {}, nullptr, 0, nullptr, nullptr};
    double before = bench_anonymous_bytes(), wall = bench_now_s(), cpu = bench_cpu_s();
    build(peer, argv[3], (unsigned)strtoul(argv[4], nullptr, 10));
    bench_ready(bench_now_s() - wall, bench_cpu_s() - cpu,
                (bench_anonymous_bytes() - before) / (double)peer.set.rows);
    const bench_peer calls = {&peer, set_parameters, search};
    bench_serve(&calls, &peer.set);
}
