/*
 * Keys and columns.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/columns.h"

#include "../check.h"

TEST(keys_hold_their_parts)
{
    uint64_t key = akin_tile_key(0xdeadbeef, 15, 16383, 0);
    CHECK_EQ(akin_tile_scene(key), 0xdeadbeef);
    CHECK_EQ(akin_tile_row(key), 16383);
    CHECK_EQ(akin_tile_col(key), 0);
    CHECK(akin_tile_key(1, 0, 0, 16383) < akin_tile_key(1, 0, 1, 0));
    CHECK(akin_tile_key(1, 0, 16383, 16383) < akin_tile_key(1, 1, 0, 0));
    CHECK(akin_tile_key(1, 15, 16383, 16383) < akin_tile_key(2, 0, 0, 0));
}

TEST(keys_as_text)
{
    char text[AKIN_TILE_KEY_TEXT_MAX];
    uint64_t key = 0;
    akin_tile_key_format(text, 0x0123456789abcdef);
    CHECK_TEXT(text, "0123456789abcdef");
    akin_tile_key_format(text, 0);
    CHECK_TEXT(text, "0000000000000000");
    REQUIRE_OK(akin_tile_key_parse(&key, "0123456789ABCDEF", err));
    CHECK_EQ(key, 0x0123456789abcdef);
    REQUIRE_OK(akin_tile_key_parse(&key, "ffffffffffffffff", err));
    CHECK(key == UINT64_MAX);
    static const char *const bad[] = {"",
                                      "0",
                                      "0123456789abcde",
                                      "0123456789abcdef0",
                                      " 123456789abcdef",
                                      "0x23456789abcdef",
                                      "0123456789abcdeg",
                                      "0123456789abcdef\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        akin_error why = {0};
        key = 7;
        CHECK_EQ(akin_tile_key_parse(&key, bad[i], &why), AKIN_ERR_INVALID);
        CHECK_EQ(key, 7);
        CHECK_CONTAINS(why.text, "is not a tile's key");
    }
    CHECK_EQ(akin_tile_key_parse(&key, NULL, NULL), AKIN_ERR_INVALID);
}

TEST(columns_as_box_and_interval)
{
    struct akin_columns columns = {
        .begin_ms = 5, .end_ms = 9, .bbox_e7 = {1799999999, -900000000, -1795000000, 123456789}};
    struct akin_bbox box = akin_columns_bbox(&columns);
    CHECK(box.west == 179.9999999 && box.south == -90 && box.east == -179.5 &&
          box.north == 12.3456789);
    CHECK_EQ(akin_columns_interval(&columns).begin_ms, 5);
    CHECK_EQ(akin_columns_interval(&columns).end_ms, 9);
    for (int i = 0; i < 4; i++) {
        struct akin_columns nowhere = columns;
        nowhere.bbox_e7[i] = AKIN_E7_UNKNOWN;
        CHECK(!akin_bbox_known(akin_columns_bbox(&nowhere)));
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
