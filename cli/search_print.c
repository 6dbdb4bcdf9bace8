/*
 * The answers of akin search on stdout, and how they came about on stderr.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

/* A name may hold anything but NUL; a line an answer is one line: control characters become "?"
 * (--json has them all). */
static akin_status append_name(struct akin_buffer *out, const char *name, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (const char *at = name; *at && status == AKIN_OK; at++) {
        bool control = (unsigned char)*at < 0x20 || *at == 0x7f;
        status = akin_buffer_append(out, control ? "?" : at, 1, err);
    }
    return status == AKIN_OK ? akin_buffer_append(out, "\n", 1, err) : status;
}

static akin_status text_line(akin_engine *engine, const struct akin_answer *answer, size_t rank,
                             struct akin_buffer *out, akin_error *err)
{
    char key[AKIN_TILE_KEY_TEXT_MAX], time[AKIN_INTERVAL_TEXT_MAX], place[40] = "";
    const struct akin_scene *scene = NULL;
    struct akin_bbox bbox = akin_columns_bbox(&answer->columns);
    akin_status status = akin_engine_scene(engine, answer->scene, &scene, err);
    if (status != AKIN_OK)
        return status;
    if (akin_bbox_known(bbox)) {
        double lon, lat;
        akin_bbox_center(bbox, &lon, &lat);
        snprintf(place, sizeof place, "%.2f,%.2f", lon, lat);
    }
    akin_tile_key_format(key, answer->key);
    akin_interval_format(time, akin_columns_interval(&answer->columns));
    status =
        akin_buffer_printf(out, err, "%4zu  %.4f  %s  %-15s  %-12s  ", rank, (double)answer->score,
                           key, place[0] ? place : "-", time[0] ? time : "-");
    return status == AKIN_OK ? append_name(out, scene->uri, err) : status;
}

#define PIECE_BYTES ((size_t)64 << 10)

akin_status cli_print_answers(akin_engine *engine, const struct akin_answers *answers, bool json,
                              akin_error *err)
{
    struct akin_buffer text;
    akin_buffer_init(&text, (size_t)1 << 30);
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < answers->count && status == AKIN_OK; i++) {
        const struct akin_answer *answer = &answers->answers[i];
        status = json ? akin_answer_json(engine, answer, i + 1, &text, err)
                      : text_line(engine, answer, i + 1, &text, err);
        if (status == AKIN_OK && text.size >= PIECE_BYTES) {
            status = cli_print(&text, err);
            akin_buffer_clear(&text);
        }
    }
    if (status == AKIN_OK)
        status = cli_print(&text, err);
    akin_buffer_fini(&text);
    return status;
}

void cli_explain(const struct akin_explain *explain)
{
    const struct akin_index_work *work = &explain->work;
    fprintf(stderr,
            "%s: %zu likes, %zu unlikes, %zu vectors; %" PRIu64 " segments, %" PRIu64
            " skipped by zone; ",
            explain->way, explain->likes, explain->unlikes, explain->vectors, work->segments,
            work->segments_skipped);
    if (work->codes_scanned || work->lists_probed)
        fprintf(stderr,
                "%" PRIu64 " of %" PRIu64 " lists probed, %" PRIu64 " codes scanned, %" PRIu64
                " reranked by 8 bits and %" PRIu64 " by 16; ",
                work->lists_probed, work->lists, work->codes_scanned, work->reranked_i8,
                work->reranked_f16);
    fprintf(stderr,
            "%" PRIu64 " vectors scanned, %" PRIu64
            " filtered out, about %.0f match, %.1f MB read; "
            "examples %.1f ms, search %.1f ms\n",
            work->rows_scanned, work->rows_filtered, work->matches_estimated,
            (double)work->bytes_read / 1e6, explain->encode_ms, explain->search_ms);
}
