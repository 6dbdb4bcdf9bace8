/*
 * Chip packs and values.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "faults.h"

static akin_catalog *open_new(char dir[AKIN_PATH_MAX])
{
    akin_catalog *catalog = NULL;
    if (make_collection(dir, "c"))
        akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, NULL);
    return catalog;
}

static struct akin_pack_entry pack_of(uint64_t id, uint64_t first, uint64_t last)
{
    return (struct akin_pack_entry){.id = id, .first_key = first, .last_key = last, .tiles = 1};
}

/* The packs of `key` as text: "3 1". */
static const char *ids_of(akin_catalog *catalog, uint64_t key, size_t max)
{
    static char text[256];
    struct akin_pack_entry found[8];
    size_t count = 0, used = 0;
    text[0] = '\0';
    CHECK_EQ(akin_catalog_packs_of(catalog, key, found, max, &count, NULL), AKIN_OK);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%llu", i ? " " : "",
                                 (unsigned long long)found[i].id);
    return text;
}

TEST(packs_are_found_by_key_newest_first)
{
    char dir[AKIN_PATH_MAX];
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    /* Around 2^63, where a signed order would go wrong, and at both ends. */
    const uint64_t middle = (uint64_t)1 << 63;
    struct akin_pack_entry packs[] = {
        pack_of(1, 0, 10),
        pack_of(2, middle - 5, middle + 5),
        pack_of(3, 5, middle),
        pack_of(4, UINT64_MAX - 1, UINT64_MAX),
        pack_of(5, middle + 6, middle + 6),
    };
    packs[1].tiles = 7;
    packs[1].bytes = 12345;
    for (size_t i = 0; i < 5; i++)
        REQUIRE_OK(akin_catalog_pack_add(catalog, &packs[i], err));
    CHECK_TEXT(ids_of(catalog, 0, 8), "1");
    CHECK_TEXT(ids_of(catalog, 5, 8), "3 1");
    CHECK_TEXT(ids_of(catalog, 10, 8), "3 1");
    CHECK_TEXT(ids_of(catalog, 11, 8), "3");
    CHECK_TEXT(ids_of(catalog, middle - 5, 8), "3 2");
    CHECK_TEXT(ids_of(catalog, middle, 8), "3 2");
    CHECK_TEXT(ids_of(catalog, middle, 1), "3");
    CHECK_TEXT(ids_of(catalog, middle, 0), "");
    CHECK_TEXT(ids_of(catalog, middle + 5, 8), "2");
    CHECK_TEXT(ids_of(catalog, middle + 6, 8), "5");
    CHECK_TEXT(ids_of(catalog, middle + 7, 8), "");
    CHECK_TEXT(ids_of(catalog, UINT64_MAX, 8), "4");
    struct akin_pack_entry found;
    size_t count = 0;
    REQUIRE_OK(akin_catalog_packs_of(catalog, middle + 1, &found, 1, &count, err));
    CHECK_EQ(count, 1);
    CHECK(found.first_key == middle - 5 && found.last_key == middle + 5);
    CHECK_EQ(found.tiles, 7);
    CHECK_EQ(found.bytes, 12345);
    akin_catalog_close(catalog);
    CHECK_EQ(faults_of(dir).count, 0);
}

TEST(pack_numbers_are_never_used_again)
{
    char dir[AKIN_PATH_MAX];
    akin_error why = {0};
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    uint64_t a = 0, b = 0, c = 0;
    REQUIRE_OK(akin_catalog_pack_next(catalog, &a, err));
    REQUIRE_OK(akin_catalog_pack_next(catalog, &b, err)); /* two may be written at once */
    CHECK(a >= 1 && b > a);
    struct akin_pack_entry pack = pack_of(b, 1, 2);
    REQUIRE_OK(akin_catalog_pack_add(catalog, &pack, err));
    CHECK_EQ(akin_catalog_pack_add(catalog, &pack, &why), AKIN_ERR_EXISTS);
    REQUIRE_OK(akin_catalog_pack_remove(catalog, b, err));
    CHECK_EQ(akin_catalog_pack_remove(catalog, b, &why), AKIN_ERR_NOT_FOUND);
    akin_catalog_close(catalog);
    catalog = NULL;
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err));
    REQUIRE_OK(akin_catalog_pack_next(catalog, &c, err));
    CHECK(c > b);
    akin_catalog_close(catalog);
    REQUIRE(run_sql(dir, "UPDATE sqlite_sequence SET seq = 9223372036854775807"));
    catalog = NULL;
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err));
    CHECK_EQ(akin_catalog_pack_next(catalog, &c, &why), AKIN_ERR_LIMIT);
    akin_catalog_close(catalog);
}

static bool count_packs(void *user, const struct akin_pack_entry *pack)
{
    int *state = user;
    state[0]++;
    state[1] = state[1] && pack->id == (uint64_t)state[0];
    return state[0] != 3;
}

TEST(packs_in_order_until_told_to_stop)
{
    char dir[AKIN_PATH_MAX];
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    for (uint64_t id = 1; id <= 5; id++) {
        struct akin_pack_entry pack = pack_of(id, id, id);
        REQUIRE_OK(akin_catalog_pack_add(catalog, &pack, err));
    }
    int state[2] = {0, 1};
    REQUIRE_OK(akin_catalog_packs(catalog, count_packs, state, err));
    CHECK_EQ(state[0], 3);
    CHECK_EQ(state[1], 1);
    akin_catalog_close(catalog);
}

TEST(packs_that_cannot_be)
{
    char dir[AKIN_PATH_MAX];
    akin_error why = {0};
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    struct akin_pack_entry pack = pack_of(1, 2, 1);
    CHECK_EQ(akin_catalog_pack_add(catalog, &pack, &why), AKIN_ERR_INVALID);
    pack = pack_of(0, 1, 1);
    CHECK_EQ(akin_catalog_pack_add(catalog, &pack, &why), AKIN_ERR_INVALID);
    pack = pack_of(1, 1, 1);
    pack.tiles = 0;
    CHECK_EQ(akin_catalog_pack_add(catalog, &pack, &why), AKIN_ERR_INVALID);
    akin_catalog_close(catalog);
    catalog = NULL;
    REQUIRE(run_sql(dir, "INSERT INTO pack VALUES(1, -5, 5, -1, 1)"));
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, err));
    struct akin_pack_entry found[2];
    size_t count = 77;
    CHECK_EQ(akin_catalog_packs_of(catalog, (uint64_t)1 << 63, found, 2, &count, &why),
             AKIN_ERR_CORRUPT);
    CHECK_EQ(count, 77);
    akin_catalog_close(catalog);
}

TEST(values)
{
    char dir[AKIN_PATH_MAX];
    akin_error why = {0};
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    char *text = NULL;
    CHECK_EQ(akin_catalog_value_get(catalog, "model", &text, &why), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(why.text, "model");
    CHECK(!text);
    REQUIRE_OK(akin_catalog_value_set(catalog, "model", "instant", err));
    REQUIRE_OK(akin_catalog_value_set(catalog, "model", "instant-2", err));
    REQUIRE_OK(akin_catalog_value_set(catalog, "empty", "", err));
    REQUIRE_OK(akin_catalog_value_get(catalog, "model", &text, err));
    CHECK_TEXT(text, "instant-2");
    akin_free(text);
    REQUIRE_OK(akin_catalog_value_get(catalog, "empty", &text, err));
    CHECK_TEXT(text, "");
    akin_free(text);
    CHECK_EQ(akin_catalog_value_set(catalog, "", "x", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_catalog_value_set(catalog, NULL, "x", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_catalog_value_set(catalog, "a", NULL, &why), AKIN_ERR_INVALID);
    char name[AKIN_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[AKIN_NAME_MAX + 1] = '\0';
    CHECK_EQ(akin_catalog_value_set(catalog, name, "x", &why), AKIN_ERR_INVALID);
    char *large = akin_alloc_zero((1 << 20) + 2, 1);
    REQUIRE(large);
    memset(large, 'x', (1 << 20) + 1);
    CHECK_EQ(akin_catalog_value_set(catalog, "large", large, &why), AKIN_ERR_INVALID);
    large[1 << 20] = '\0';
    REQUIRE_OK(akin_catalog_value_set(catalog, "large", large, err));
    akin_memory_fail_at(0);
    text = NULL;
    CHECK_EQ(akin_catalog_value_get(catalog, "large", &text, &why), AKIN_ERR_NO_MEMORY);
    CHECK(!text);
    akin_free(large);
    akin_catalog_close(catalog);
    catalog = NULL;
    REQUIRE(run_sql(dir, "UPDATE value SET text = text || 'x' WHERE name = 'large'"));
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, err));
    CHECK_EQ(akin_catalog_value_get(catalog, "large", &text, &why), AKIN_ERR_CORRUPT);
    akin_catalog_close(catalog);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
