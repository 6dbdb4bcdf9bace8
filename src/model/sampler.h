/*
 * Which tiles an epoch shows, and in which order: balanced over clusters of the instant features, so
 * that a surplus of sea or cloud neither fills the batches nor stands in them as false negatives.
 * Fixed by (seed, epoch): nothing is kept between epochs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_SAMPLER_H
#define MODEL_SAMPLER_H

#include "akin/core.h"

/* k-means over unit vectors x (count, dim) by cosine (k-means++ seeding, at most `rounds` of
 * Lloyd's on all of x); cluster (count) receives 0..k-1. k >= 1 is reduced to count; clusters are
 * empty only where there are fewer different vectors than k. Deterministic for any number of
 * threads. */
akin_status sampler_cluster(uint32_t *cluster, const float *x, size_t count, size_t dim, size_t k,
                            unsigned rounds, uint64_t seed, akin_pool *pool, akin_error *err);

struct sampler;
/* cluster (count) with values below `clusters`, or NULL: all tiles alike. A tile's chance of being
 * in an epoch is proportional to (size of its cluster)^-power, 0..1: 0 = every tile once, 0.5 = the
 * default, 1 = every cluster equally often. An epoch has `count` draws; with power 0 each tile comes
 * exactly once. */
akin_status sampler_create(struct sampler **out, size_t count, const uint32_t *cluster,
                           size_t clusters, double power, uint64_t seed, akin_error *err);
void sampler_free(struct sampler *sampler);
/* order (count): the tiles of this epoch. A tile that must come m times comes about count / m apart,
 * so that it is not twice in one batch. Works in the sampler's own scratch: one call at a time. */
void sampler_epoch(const struct sampler *sampler, uint64_t epoch, uint32_t *order);

#endif
