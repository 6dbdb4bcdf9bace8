/*
 * Scratch: taking, giving back, growing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scratch.h"

#include <string.h>
#include <time.h>

#define KEPT_BYTES_MAX (32u << 20) /* of one scratch; a search of 100,000 answers needs more */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t bytes_of(const struct scratch *s)
{
    return s->lists.bytes + s->hits.bytes + s->scores.bytes + s->items.bytes + s->masks.bytes +
           s->group.bytes + s->parts.bytes + s->spans.bytes + s->rows.bytes;
}

static void scratch_free(struct scratch *s)
{
    struct growing *const all[] = {&s->lists,     &s->hits,  &s->scores, &s->best,  &s->match,
                                   &s->wide,      &s->items, &s->masks,  &s->group, &s->parts,
                                   &s->quantized, &s->spans, &s->rows};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        akin_free(all[i]->data);
    for (size_t i = 0; i < EPOCH_SLOTS; i++)
        epoch_query_fini(&s->slots[i].query);
    akin_free(s);
}

void scratch_pool_init(struct scratch_pool *pool)
{
    pthread_mutex_init(&pool->mutex, NULL);
    pool->idle = NULL;
}

void scratch_pool_fini(struct scratch_pool *pool)
{
    while (pool->idle) {
        struct scratch *scratch = pool->idle;
        pool->idle = scratch->next;
        scratch_free(scratch);
    }
    pthread_mutex_destroy(&pool->mutex);
}

struct scratch *scratch_take(struct scratch_pool *pool, bool stages)
{
    pthread_mutex_lock(&pool->mutex);
    struct scratch *scratch = pool->idle;
    if (scratch)
        pool->idle = scratch->next;
    pthread_mutex_unlock(&pool->mutex);
    if (!scratch)
        scratch = akin_alloc_zero(1, sizeof *scratch);
    if (!scratch)
        return NULL;
    scratch->work = (struct akin_index_work){0};
    scratch->stages = stages;
    if (stages)
        scratch->stage_at = now_ns();
    return scratch;
}

void scratch_give(struct scratch_pool *pool, struct scratch *scratch)
{
    if (!scratch)
        return;
    if (bytes_of(scratch) > KEPT_BYTES_MAX) {
        scratch_free(scratch);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    scratch->next = pool->idle;
    pool->idle = scratch;
    pthread_mutex_unlock(&pool->mutex);
}

akin_status growing_need(struct growing *growing, size_t count, size_t size, akin_error *err)
{
    size_t bytes;
    if (!akin_size_mul(&bytes, count, size))
        return akin_error_memory(err, SIZE_MAX, "search");
    if (bytes <= growing->bytes)
        return AKIN_OK;
    akin_free(growing->data);
    growing->bytes = 0;
    growing->data = akin_alloc(bytes, 1);
    if (!growing->data)
        return akin_error_memory(err, bytes, "search");
    growing->bytes = bytes;
    return AKIN_OK;
}

akin_status scratch_need_lists(struct scratch *scratch, size_t lists, size_t k, akin_error *err)
{
    akin_status status = growing_need(&scratch->lists, lists, sizeof(struct akin_topk), err);
    if (!status)
        status = growing_need(&scratch->hits, lists, 2 * k * sizeof(struct akin_hit), err);
    for (size_t list = 0; !status && list < lists; list++)
        akin_topk_init(scratch_list(scratch, list),
                       (struct akin_hit *)scratch->hits.data + list * 2 * k, k);
    return status;
}

akin_status scratch_need_query(struct scratch *scratch, const struct epoch *epoch, akin_error *err)
{
    struct epoch_slot *slots = scratch->slots;
    size_t at = 0;
    while (at < EPOCH_SLOTS - 1 && (!slots[at].query.memory || slots[at].epoch != epoch->id ||
                                    slots[at].crc != epoch->file_crc))
        at++;
    if (at == 0)
        return AKIN_OK;
    struct epoch_slot slot = slots[at];
    akin_status status = AKIN_OK;
    if (!slot.query.memory || slot.epoch != epoch->id || slot.crc != epoch->file_crc) {
        epoch_query_fini(&slot.query);
        slot = (struct epoch_slot){.epoch = epoch->id, .crc = epoch->file_crc};
        status = epoch_query_create(&slot.query, epoch, err);
    }
    memmove(slots + 1, slots, at * sizeof *slots);
    slots[0] = slot;
    return status;
}

void scratch_count_stage(struct scratch *scratch, enum akin_index_stage stage)
{
    uint64_t now = now_ns();
    scratch->work.stage_ns[stage] += now - scratch->stage_at;
    scratch->stage_at = now;
}

void scratch_add_work(struct akin_index_work *into, const struct akin_index_work *from)
{
    into->rows_scanned += from->rows_scanned;
    into->rows_filtered += from->rows_filtered;
    into->bytes_read += from->bytes_read;
    into->lists_probed += from->lists_probed;
    into->codes_scanned += from->codes_scanned;
    into->reranked_i8 += from->reranked_i8;
    into->reranked_f16 += from->reranked_f16;
    for (size_t i = 0; i < AKIN_STAGES; i++)
        into->stage_ns[i] += from->stage_ns[i];
}
