/*
 * The set of open epochs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "epoch_set.h"

#include <string.h>

akin_status epoch_set_add(struct epoch_set *set, struct epoch *epoch, akin_error *err)
{
    size_t bytes = set->count * sizeof *set->epochs;
    struct epoch **epochs = akin_realloc(set->epochs, bytes, bytes + sizeof *epochs);
    if (!epochs) {
        epoch_unref(epoch);
        return akin_error_memory(err, bytes + sizeof *epochs, "epochs");
    }
    size_t at = set->count++;
    for (; at > 0 && epochs[at - 1]->id > epoch->id; at--)
        epochs[at] = epochs[at - 1];
    epochs[at] = epoch;
    set->epochs = epochs;
    return AKIN_OK;
}

static size_t place_of(const struct epoch_set *set, uint64_t id)
{
    size_t i = 0;
    while (i < set->count && set->epochs[i]->id != id)
        i++;
    return i;
}

struct epoch *epoch_set_find(const struct epoch_set *set, uint64_t id)
{
    size_t at = set ? place_of(set, id) : 0;
    return set && at < set->count ? set->epochs[at] : NULL;
}

void epoch_set_remove(struct epoch_set *set, uint64_t id)
{
    size_t at = place_of(set, id);
    if (at == set->count)
        return;
    epoch_unref(set->epochs[at]);
    memmove(set->epochs + at, set->epochs + at + 1, (--set->count - at) * sizeof *set->epochs);
}

void epoch_set_fini(struct epoch_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        epoch_unref(set->epochs[i]);
    akin_free(set->epochs);
    *set = (struct epoch_set){0};
}

/* Until epoch.c is there. */
__attribute__((weak)) struct epoch *epoch_ref(struct epoch *epoch)
{
    return epoch;
}

__attribute__((weak)) void epoch_unref(struct epoch *epoch)
{
    (void)epoch;
}
#define WEAK __attribute__((weak))
WEAK void rotation_apply(const struct rotation *r, float *o, const float *i)
{
    (void)r, (void)o, (void)i;
}
WEAK akin_status epoch_assign(const struct epoch *epoch, uint32_t *lists, const float *rotated,
                              size_t n, akin_pool *pool, akin_error *err)
{
    (void)epoch, (void)lists, (void)rotated, (void)n, (void)pool, (void)err;
    return 0;
}
WEAK void epoch_encode(const struct epoch *epoch, struct code_row *out, uint32_t list,
                       const akin_f16 *vector, float *scratch, float *residual2)
{
    (void)epoch, (void)out, (void)list, (void)vector, (void)scratch, (void)residual2;
}
WEAK void code_block_clear(const struct code_shape *shape, uint8_t *block)
{
    (void)shape, (void)block;
}
WEAK void code_block_put(const struct code_shape *shape, uint8_t *block, size_t lane,
                         const struct code_row *row)
{
    (void)shape, (void)block, (void)lane, (void)row;
}
WEAK void code_block_get(const struct code_shape *shape, const uint8_t *block, size_t lane,
                         struct code_row *row)
{
    (void)shape, (void)block, (void)lane, (void)row;
}
