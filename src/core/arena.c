/*
 * An arena: blocks that are filled from the front and freed together. The limit counts whole
 * blocks, so that it bounds the memory really taken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "akin/core/memory.h"

#define FIRST_BLOCK_BYTES ((size_t)64 << 10)
#define BLOCK_BYTES_MAX ((size_t)8 << 20)
#define SMALL_ALIGN 16

/* The header takes one alignment unit; the payload begins right behind it, aligned. */
struct block {
    struct block *next;
    size_t size, used;
};
_Static_assert(sizeof(struct block) <= AKIN_ALIGN, "the payload must stay aligned");

struct akin_arena {
    struct block *blocks; /* the first is the one being filled */
    size_t limit, taken;  /* bytes of payload in all blocks */
    size_t next_size;
};

akin_status akin_arena_create(akin_arena **out, size_t limit_bytes, akin_error *err)
{
    akin_arena *arena = akin_alloc_zero(1, sizeof *arena);
    if (!arena)
        return akin_error_memory(err, sizeof *arena, "an arena");
    arena->limit = limit_bytes;
    arena->next_size = FIRST_BLOCK_BYTES;
    *out = arena;
    return AKIN_OK;
}

static void free_blocks(struct block *block)
{
    while (block) {
        struct block *next = block->next;
        akin_free(block);
        block = next;
    }
}

void akin_arena_free(akin_arena *arena)
{
    if (!arena)
        return;
    free_blocks(arena->blocks);
    akin_free(arena);
}

void akin_arena_reset(akin_arena *arena)
{
    struct block *largest = NULL, *next;
    for (struct block *block = arena->blocks; block; block = next) {
        next = block->next;
        struct block *loser = block;
        if (!largest || block->size > largest->size) {
            loser = largest;
            largest = block;
        }
        akin_free(loser);
    }
    if (largest) {
        largest->next = NULL;
        largest->used = 0;
    }
    arena->blocks = largest;
    arena->taken = largest ? largest->size : 0;
}

static size_t room(const struct block *block)
{
    return block ? block->size - block->used : 0;
}

/* A block with at least `bytes` of payload, or NULL past the limit or out of memory. */
static struct block *new_block(akin_arena *arena, size_t bytes)
{
    size_t left = arena->limit - arena->taken;
    size_t size = arena->next_size < left ? arena->next_size : left;
    if (bytes > left)
        return NULL;
    if (size < bytes)
        size = bytes;
    size_t with_header;
    if (!akin_size_add(&with_header, size, AKIN_ALIGN))
        return NULL;
    struct block *block = akin_alloc(with_header, 1);
    if (!block)
        return NULL;
    *block = (struct block){.size = size};
    arena->taken += size;
    if (arena->next_size < BLOCK_BYTES_MAX)
        arena->next_size *= 2;
    return block;
}

static void *take(struct block *block, size_t start, size_t bytes)
{
    block->used = start + bytes;
    return (char *)block + AKIN_ALIGN + start;
}

void *akin_arena_alloc(akin_arena *arena, size_t count, size_t size)
{
    size_t bytes, padded;
    if (!akin_size_mul(&bytes, count, size))
        return NULL;
    size_t align = bytes >= AKIN_ALIGN ? AKIN_ALIGN : SMALL_ALIGN;
    struct block *first = arena->blocks;
    size_t start = first ? (first->used + align - 1) / align * align : 0;
    if (first && start <= first->size && bytes <= first->size - start)
        return take(first, start, bytes);

    if (!akin_size_add(&padded, bytes, bytes ? 0 : 1)) /* no block is of 0 bytes */
        return NULL;
    struct block *block = new_block(arena, padded);
    if (!block)
        return NULL;
    void *result = take(block, 0, bytes);
    if (room(block) >= room(first)) {
        block->next = first;
        arena->blocks = block;
    } else { /* one large block must not waste what the current one has left */
        block->next = first->next;
        first->next = block;
    }
    return result;
}

char *akin_arena_strdup(akin_arena *arena, const char *text)
{
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    char *copy = akin_arena_alloc(arena, bytes, 1);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

char *akin_arena_printf(akin_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : akin_arena_alloc(arena, (size_t)length + 1, 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}
