/*
 * Chips of a whole collection: the catalogue says which packs may hold a key, the last few packs
 * stay open. Packs' key ranges may overlap (a scene's strips are taken in an order that samples
 * all of it), so each candidate is asked, newest first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>

#include "akin/tile.h"

#define OPEN_MAX 16u
#define CANDIDATES_MAX 4096u

struct open_pack {
    akin_pack *pack; /* NULL: free */
    uint64_t id, used;
};

struct akin_chips {
    akin_catalog *catalog;
    uint64_t clock;
    struct open_pack packs[OPEN_MAX];
    struct akin_pack_entry candidates[CANDIDATES_MAX];
};

akin_status akin_chips_open(akin_chips **out, akin_catalog *catalog, akin_error *err)
{
    akin_chips *chips = akin_alloc_zero(1, sizeof *chips);
    if (!chips)
        return akin_error_memory(err, sizeof *chips, "looking up chips");
    chips->catalog = catalog;
    *out = chips;
    return AKIN_OK;
}

void akin_chips_close(akin_chips *chips)
{
    if (!chips)
        return;
    for (uint32_t i = 0; i < OPEN_MAX; i++)
        akin_pack_close(chips->packs[i].pack);
    akin_free(chips);
}

static akin_status open_into(akin_chips *chips, struct open_pack *slot, uint64_t id,
                             akin_error *err)
{
    char name[48], path[AKIN_PATH_MAX];
    akin_pack *pack = NULL;
    snprintf(name, sizeof name, "chips/%016" PRIx64 ".pack", id);
    akin_status status = akin_path_join(path, akin_catalog_dir(chips->catalog), name, err);
    if (status == AKIN_OK)
        status = akin_pack_open(&pack, path, err);
    if (status == AKIN_ERR_NOT_FOUND) /* "no such tile" it must not become */
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "chip pack '%s' is gone, though the catalogue knows it", path);
    if (status != AKIN_OK)
        return status;
    akin_pack_close(slot->pack);
    *slot = (struct open_pack){.pack = pack, .id = id};
    return AKIN_OK;
}

/* The pack, open: from the cache, or in the place of the one unused for longest. */
static akin_status pack_of(akin_chips *chips, uint64_t id, akin_pack **out, akin_error *err)
{
    struct open_pack *slot = &chips->packs[0];
    for (uint32_t i = 0; i < OPEN_MAX; i++) {
        struct open_pack *at = &chips->packs[i];
        if (at->pack && at->id == id) {
            at->used = ++chips->clock;
            *out = at->pack;
            return AKIN_OK;
        }
        if (!at->pack || (slot->pack && at->used < slot->used))
            slot = at;
    }
    akin_status status = open_into(chips, slot, id, err);
    if (status != AKIN_OK)
        return status;
    slot->used = ++chips->clock;
    *out = slot->pack;
    return AKIN_OK;
}

akin_status akin_chips_find(akin_chips *chips, uint64_t key, const void **chip, size_t *bytes,
                            akin_error *err)
{
    size_t count = 0;
    akin_status status =
        akin_catalog_packs_of(chips->catalog, key, chips->candidates, CANDIDATES_MAX, &count, err);
    for (size_t i = 0; status == AKIN_OK && i < count && i < CANDIDATES_MAX; i++) {
        akin_pack *pack = NULL;
        status = pack_of(chips, chips->candidates[i].id, &pack, err);
        if (status != AKIN_OK)
            return status;
        status = akin_pack_find(pack, key, chip, bytes, err);
        if (status != AKIN_ERR_NOT_FOUND)
            return status;
        status = AKIN_OK; /* the next one may have it */
    }
    if (status != AKIN_OK)
        return status;
    return akin_error_set(err, AKIN_ERR_NOT_FOUND, "no chip pack has tile %016" PRIx64, key);
}
