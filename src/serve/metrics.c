/*
 * Counting and printing. The buckets go by factors of about two, from what a look into the cache takes
 * to what a large upload does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "metrics.h"

#include "request.h"
#include "route.h"

static const double bucket_ms[METRICS_BUCKETS] = {0.05, 0.1, 0.25, 0.5, 1,   2.5,  5,    10,
                                                  25,   50,  100,  250, 500, 1000, 2500, 10000};
static const unsigned codes[METRICS_CODES] = {200, 204, 304, 400, 401, 403, 404, 405, 406, 408,
                                              409, 411, 413, 415, 422, 429, 431, 500, 503, 0};
static const char *const stage_names[4] = {"read", "encode", "search", "write"};

void metrics_count(struct metrics *metrics, size_t row, unsigned code, double ms)
{
    struct metrics_row *to = &metrics->rows[row];
    size_t c = 0, bucket = 0;
    while (c < METRICS_CODES - 1 && codes[c] != code)
        c++;
    while (bucket < METRICS_BUCKETS && ms > bucket_ms[bucket])
        bucket++;
    atomic_fetch_add_explicit(&to->codes[c], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&to->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&to->sum_us, (unsigned long long)(ms * 1e3), memory_order_relaxed);
}

void metrics_stages(struct metrics *metrics, const struct stages *stages)
{
    const double ms[4] = {stages->read_ms, stages->encode_ms, stages->search_ms, stages->write_ms};
    for (int i = 0; i < 4; i++) {
        if (!(ms[i] >= 0))
            continue;
        atomic_fetch_add_explicit(&metrics->stage_us[i], (unsigned long long)(ms[i] * 1e3),
                                  memory_order_relaxed);
        atomic_fetch_add_explicit(&metrics->stage_count[i], 1, memory_order_relaxed);
    }
}

uint64_t metrics_good(const struct metrics *metrics, size_t row)
{
    uint64_t good = 0;
    for (size_t c = 0; c < METRICS_CODES && codes[c] && codes[c] < 400; c++)
        good += atomic_load(&metrics->rows[row].codes[c]);
    return good;
}

static akin_status row_codes(const struct metrics *metrics, size_t row, struct akin_buffer *out,
                             akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t c = 0; c < METRICS_CODES && status == AKIN_OK; c++) {
        const unsigned long long count = atomic_load(&metrics->rows[row].codes[c]);
        if (count)
            status = akin_buffer_printf(
                out, err, "akin_http_requests_total{method=\"%s\",route=\"%s\",code=\"%u\"} %llu\n",
                row < route_count ? routes[row].method : "",
                row < route_count ? routes[row].path : "", codes[c], count);
    }
    return status;
}

static akin_status row_histogram(const struct metrics *metrics, size_t row, struct akin_buffer *out,
                                 akin_error *err)
{
    const struct metrics_row *from = &metrics->rows[row];
    const char *method = row < route_count ? routes[row].method : "";
    const char *path = row < route_count ? routes[row].path : "";
    unsigned long long counts[METRICS_BUCKETS + 1], total = 0;
    for (size_t b = 0; b <= METRICS_BUCKETS; b++)
        total += counts[b] = atomic_load(&from->buckets[b]);
    if (!total)
        return AKIN_OK;
    akin_status status = AKIN_OK;
    unsigned long long sum = 0;
    for (size_t b = 0; b < METRICS_BUCKETS && status == AKIN_OK; b++) {
        sum += counts[b];
        status = akin_buffer_printf(
            out, err,
            "akin_http_request_seconds_bucket{method=\"%s\",route=\"%s\",le=\"%g\"} %llu\n", method,
            path, bucket_ms[b] / 1e3, sum);
    }
    if (status == AKIN_OK)
        status = akin_buffer_printf(
            out, err,
            "akin_http_request_seconds_bucket{method=\"%s\",route=\"%s\",le=\"+Inf\"} %llu\n"
            "akin_http_request_seconds_sum{method=\"%s\",route=\"%s\"} %.6f\n"
            "akin_http_request_seconds_count{method=\"%s\",route=\"%s\"} %llu\n",
            method, path, total, method, path, (double)atomic_load(&from->sum_us) / 1e6, method,
            path, total);
    return status;
}

akin_status metrics_text(const struct metrics *metrics, struct akin_buffer *out, akin_error *err)
{
    akin_status status = akin_buffer_printf(out, err,
                                            "# HELP akin_http_requests_total Answers by route and "
                                            "status; the route is empty where none "
                                            "fits.\n# TYPE akin_http_requests_total counter\n");
    for (size_t row = 0; row < METRICS_ROUTES_MAX && status == AKIN_OK; row++)
        status = row_codes(metrics, row, out, err);
    if (status == AKIN_OK)
        status = akin_buffer_printf(out, err,
                                    "# HELP akin_http_request_seconds From the request's headers "
                                    "to the answer handed over.\n"
                                    "# TYPE akin_http_request_seconds histogram\n");
    for (size_t row = 0; row < METRICS_ROUTES_MAX && status == AKIN_OK; row++)
        status = row_histogram(metrics, row, out, err);
    if (status == AKIN_OK)
        status = akin_buffer_printf(out, err,
                                    "# HELP akin_search_stage_seconds Time in the stages of "
                                    "searches.\n# TYPE akin_search_stage_seconds summary\n");
    for (int i = 0; i < 4 && status == AKIN_OK; i++)
        status = akin_buffer_printf(
            out, err,
            "akin_search_stage_seconds_sum{stage=\"%s\"} %.6f\n"
            "akin_search_stage_seconds_count{stage=\"%s\"} %llu\n",
            stage_names[i], (double)atomic_load(&metrics->stage_us[i]) / 1e6, stage_names[i],
            (unsigned long long)atomic_load(&metrics->stage_count[i]));
    return status;
}
