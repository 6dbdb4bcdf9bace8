/*
 * Sizes, blocks, buffers and arenas, with every allocation failing in turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "../check.h"

static bool aligned(const void *block, uintptr_t to)
{
    return (uintptr_t)block % to == 0;
}

TEST(sizes_do_not_overflow)
{
    size_t out = 7;
    CHECK(akin_size_mul(&out, 6, 7) && out == 42);
    CHECK(akin_size_add(&out, SIZE_MAX - 1, 1) && out == SIZE_MAX);
    out = 7;
    CHECK(!akin_size_mul(&out, SIZE_MAX / 2 + 1, 2) && out == 7);
    CHECK(!akin_size_add(&out, SIZE_MAX, 1) && out == 7);
}

TEST(blocks_are_aligned_counted_and_freed)
{
    size_t before = akin_memory_used();
    void *blocks[64];
    for (size_t i = 0; i < 64; i++) {
        blocks[i] = akin_alloc(i, i);
        REQUIRE(blocks[i]);
        CHECK(aligned(blocks[i], AKIN_ALIGN));
        memset(blocks[i], 0xab, i * i);
    }
    CHECK(akin_memory_used() >= before + 63 * 63);
    CHECK(akin_memory_peak() >= akin_memory_used());
    for (size_t i = 0; i < 64; i++)
        akin_free(blocks[i]);
    akin_free(NULL);
    CHECK_EQ(akin_memory_used(), before);
    CHECK(akin_memory_peak() > before);
}

TEST(impossible_sizes_are_null)
{
    CHECK(!akin_alloc(SIZE_MAX, 2));
    CHECK(!akin_alloc(SIZE_MAX, 1));
    CHECK(!akin_alloc_zero((size_t)PTRDIFF_MAX, 1));
}

TEST(alloc_zero_is_zero)
{
    unsigned char *block = akin_alloc_zero(1000, 3);
    REQUIRE(block);
    for (size_t i = 0; i < 3000; i++)
        CHECK(block[i] == 0);
    akin_free(block);
}

TEST(realloc_keeps_the_front)
{
    size_t before = akin_memory_used();
    char *block = akin_realloc(NULL, 0, 10);
    REQUIRE(block);
    memcpy(block, "123456789", 10);
    block = akin_realloc(block, 10, 100000);
    REQUIRE(block && aligned(block, AKIN_ALIGN));
    CHECK_TEXT(block, "123456789");
    akin_memory_fail_at(0);
    CHECK(!akin_realloc(block, 100000, 200000));
    CHECK_TEXT(block, "123456789");
    block = akin_realloc(block, 100000, 5);
    REQUIRE(block);
    CHECK(memcmp(block, "12345", 5) == 0);
    akin_free(block);
    CHECK_EQ(akin_memory_used(), before);
}

TEST(strdup_copies)
{
    char *copy = akin_strdup("abc");
    CHECK_TEXT(copy, "abc");
    akin_free(copy);
    CHECK(!akin_strdup(NULL));
}

TEST(the_nth_allocation_fails_once)
{
    akin_memory_fail_at(2);
    void *blocks[5];
    for (int i = 0; i < 5; i++)
        blocks[i] = akin_alloc(1, 8);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(blocks[i] == NULL, i == 2);
        akin_free(blocks[i]);
    }
    akin_memory_fail_at(0);
    akin_memory_fail_at(-1);
    void *block = akin_alloc(1, 8);
    CHECK(block);
    akin_free(block);
}

static atomic_int null_count;

static void *allocate_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        void *block = akin_alloc(1, 64);
        if (!block)
            atomic_fetch_add(&null_count, 1);
        akin_free(block);
    }
    return NULL;
}

TEST(only_one_of_many_threads_fails)
{
    size_t before = akin_memory_used();
    pthread_t threads[4];
    atomic_store(&null_count, 0);
    akin_memory_fail_at(1500);
    for (int i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, allocate_many, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    akin_memory_fail_at(-1);
    CHECK_EQ(atomic_load(&null_count), 1);
    CHECK_EQ(akin_memory_used(), before);
}

TEST(buffer_grows_to_its_limit_and_no_further)
{
    struct akin_buffer buffer;
    akin_error why = {0};
    akin_buffer_init(&buffer, 1000);
    CHECK(!buffer.data);
    for (int i = 0; i < 100; i++) {
        REQUIRE_OK(akin_buffer_append(&buffer, "0123456789", 10, err));
        CHECK_EQ(buffer.data[buffer.size], 0);
    }
    CHECK_EQ(buffer.size, 1000);
    CHECK_EQ(akin_buffer_append(&buffer, "x", 1, &why), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(why.text, "1000 bytes");
    CHECK_EQ(akin_buffer_reserve(&buffer, SIZE_MAX, NULL), AKIN_ERR_LIMIT);
    CHECK_EQ(akin_buffer_append(&buffer, NULL, 0, NULL), AKIN_OK);
    CHECK_EQ(buffer.size, 1000);
    CHECK(memcmp(buffer.data + 990, "0123456789", 11) == 0);
    CHECK(buffer.capacity <= 1001);
    akin_buffer_clear(&buffer);
    CHECK_EQ(buffer.size, 0);
    CHECK_TEXT(buffer.data, "");
    akin_buffer_fini(&buffer);
    akin_buffer_fini(&buffer);
    akin_buffer_fini(NULL);
    CHECK(!buffer.data);
}

TEST(buffer_without_a_bound_still_has_one)
{
    struct akin_buffer buffer;
    akin_buffer_init(&buffer, SIZE_MAX);
    CHECK_EQ(akin_buffer_reserve(&buffer, SIZE_MAX, NULL), AKIN_ERR_LIMIT);
    CHECK_EQ(akin_buffer_reserve(&buffer, SIZE_MAX - 1, NULL), AKIN_ERR_NO_MEMORY);
    CHECK_EQ(akin_buffer_append(&buffer, "abc", 3, NULL), AKIN_OK);
    CHECK_TEXT(buffer.data, "abc");
    akin_buffer_fini(&buffer);
}

TEST(buffer_printf_appends)
{
    struct akin_buffer buffer;
    akin_buffer_init(&buffer, 2000);
    REQUIRE_OK(akin_buffer_printf(&buffer, err, "%s-%d", "a", 1));
    REQUIRE_OK(akin_buffer_printf(&buffer, err, "%0999d", 5));
    CHECK_EQ(buffer.size, 3 + 999);
    CHECK(memcmp(buffer.data, "a-1000", 6) == 0);
    CHECK_EQ(akin_buffer_printf(&buffer, NULL, "%0999d", 5), AKIN_ERR_LIMIT);
    CHECK_EQ(buffer.size, 3 + 999);
    akin_buffer_fini(&buffer);
}

TEST(buffer_survives_a_failed_allocation)
{
    struct akin_buffer buffer;
    akin_error why = {0};
    akin_buffer_init(&buffer, 100000);
    akin_memory_fail_at(0);
    CHECK_EQ(akin_buffer_append(&buffer, "a", 1, &why), AKIN_ERR_NO_MEMORY);
    CHECK_EQ(akin_buffer_append(&buffer, "a", 1, &why), AKIN_OK);
    akin_memory_fail_at(0);
    CHECK_EQ(akin_buffer_printf(&buffer, &why, "%0500d", 1), AKIN_ERR_NO_MEMORY);
    akin_memory_fail_at(-1);
    CHECK_TEXT(buffer.data, "a");
    akin_buffer_fini(&buffer);
}

TEST(arena_aligns_and_does_not_overlap)
{
    akin_arena *arena = NULL;
    unsigned char *blocks[300];
    size_t before = akin_memory_used();
    REQUIRE_OK(akin_arena_create(&arena, 64 << 20, err));
    for (size_t i = 0; i < 300; i++) {
        size_t bytes = i * i;
        blocks[i] = akin_arena_alloc(arena, i, i);
        REQUIRE(blocks[i]);
        CHECK(aligned(blocks[i], bytes >= 64 ? 64 : 16));
        memset(blocks[i], (int)(i & 255), bytes);
    }
    for (size_t i = 1; i < 300; i++) {
        CHECK_EQ(blocks[i][0], i & 255);
        CHECK_EQ(blocks[i][i * i - 1], i & 255);
    }
    CHECK_TEXT(akin_arena_strdup(arena, "text"), "text");
    CHECK(!akin_arena_strdup(arena, NULL));
    CHECK_TEXT(akin_arena_printf(arena, "%d/%s", 4, "x"), "4/x");
    CHECK(!akin_arena_alloc(arena, SIZE_MAX, 2));
    CHECK(!akin_arena_alloc(arena, SIZE_MAX, 1));
    akin_arena_free(arena);
    akin_arena_free(NULL);
    CHECK_EQ(akin_memory_used(), before);
}

TEST(arena_keeps_to_its_limit)
{
    akin_arena *arena = NULL;
    REQUIRE_OK(akin_arena_create(&arena, 1000, err));
    CHECK(akin_arena_alloc(arena, 1, 600));
    CHECK(!akin_arena_alloc(arena, 1, 600));
    CHECK(akin_arena_alloc(arena, 1, 300));
    CHECK(!akin_arena_printf(arena, "%0900d", 1));
    akin_arena_reset(arena);
    CHECK(akin_arena_alloc(arena, 1, 1000));
    CHECK(!akin_arena_alloc(arena, 1, 1));
    akin_arena_free(arena);
    REQUIRE_OK(akin_arena_create(&arena, 0, err));
    CHECK(!akin_arena_alloc(arena, 0, 1));
    akin_arena_free(arena);
}

TEST(arena_reset_keeps_one_block)
{
    akin_arena *arena = NULL;
    REQUIRE_OK(akin_arena_create(&arena, 64 << 20, err));
    for (int i = 0; i < 5; i++)
        CHECK(akin_arena_alloc(arena, (size_t)1 << 20, 1));
    akin_arena_reset(arena);
    size_t kept = akin_memory_used();
    for (int round = 0; round < 20; round++) {
        CHECK(akin_arena_alloc(arena, (size_t)1 << 20, 1));
        akin_arena_reset(arena);
        CHECK_EQ(akin_memory_used(), kept);
    }
    akin_arena_free(arena);
}

TEST(arena_large_block_leaves_the_current_one_in_use)
{
    akin_arena *arena = NULL;
    REQUIRE_OK(akin_arena_create(&arena, 64 << 20, err));
    char *first = akin_arena_alloc(arena, 1, 64);
    REQUIRE(first);
    CHECK(akin_arena_alloc(arena, (size_t)1 << 20, 1));
    CHECK(akin_arena_alloc(arena, 1, 64) == first + 64);
    akin_arena_free(arena);
}

TEST(arena_survives_failed_allocations)
{
    akin_arena *arena = NULL;
    akin_error why = {0};
    size_t before = akin_memory_used();
    akin_memory_fail_at(0);
    CHECK_EQ(akin_arena_create(&arena, 1 << 20, &why), AKIN_ERR_NO_MEMORY);
    CHECK(!arena);
    REQUIRE(akin_arena_create(&arena, 1 << 20, &why) == AKIN_OK);
    akin_memory_fail_at(0);
    CHECK(!akin_arena_alloc(arena, 1, 10));
    akin_memory_fail_at(-1);
    CHECK(akin_arena_alloc(arena, 1, 10));
    akin_arena_free(arena);
    CHECK_EQ(akin_memory_used(), before);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
