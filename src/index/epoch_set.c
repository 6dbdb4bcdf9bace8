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
