/*
 * What the server counts, as Prometheus wants it (text format 0.0.4). Counters are atomic; a scrape
 * reads them one after the other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_METRICS_H
#define AKIN_SERVE_METRICS_H

#include <stdatomic.h>

#include "akin/core.h"

#define METRICS_ROUTES_MAX 48 /* the last row is for what matches no route */
#define METRICS_CODES 20
#define METRICS_BUCKETS 16

struct request;
struct stages;

struct metrics_row {
    atomic_ullong codes[METRICS_CODES];
    atomic_ullong buckets[METRICS_BUCKETS + 1]; /* not cumulative; the last is +Inf */
    atomic_ullong sum_us;
};
struct metrics {
    struct metrics_row rows[METRICS_ROUTES_MAX];
    atomic_ullong stage_us[4], stage_count[4]; /* read, encode, search, write */
    atomic_ullong refused_busy, slow_clients, refresh_errors, refreshes;
};

void metrics_count(struct metrics *metrics, size_t row, unsigned code, double ms);
void metrics_stages(struct metrics *metrics, const struct stages *stages);
/* How many answers of this route had a status below 400. */
uint64_t metrics_good(const struct metrics *metrics, size_t row);
/* Appends the part about requests and stages. */
akin_status metrics_text(const struct metrics *metrics, struct akin_buffer *out, akin_error *err);

#endif
