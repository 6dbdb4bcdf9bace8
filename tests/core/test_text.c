/*
 * Numbers from outside: what is taken, what is refused, and that the error names the flag.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/text.h"

#include <float.h>
#include <locale.h>

#include "../check.h"

TEST(whole_numbers)
{
    uint64_t value = 0;
    REQUIRE_OK(akin_parse_u64(&value, "0", 0, 9, "n", err));
    CHECK_EQ(value, 0);
    REQUIRE_OK(akin_parse_u64(&value, "007", 0, 9, "n", err));
    CHECK_EQ(value, 7);
    REQUIRE_OK(akin_parse_u64(&value, "18446744073709551615", 0, UINT64_MAX, "n", err));
    CHECK(value == UINT64_MAX);
}

TEST(whole_numbers_refused)
{
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "+1",
                                      "-1",
                                      "0x10",
                                      "1.0",
                                      "1e3",
                                      "a",
                                      "10",
                                      "18446744073709551616",
                                      "99999999999999999999999",
                                      "1\n",
                                      "\xd9\xa1"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t value = 77;
        akin_error why = {0};
        CHECK_EQ(akin_parse_u64(&value, bad[i], 1, 9, "--tile", &why), AKIN_ERR_INVALID);
        CHECK_EQ(value, 77);
        CHECK_CONTAINS(why.text, "--tile: '");
        CHECK_CONTAINS(why.text, "from 1 to 9");
    }
    CHECK_EQ(akin_parse_u64(&(uint64_t){0}, NULL, 0, 9, "n", NULL), AKIN_ERR_INVALID);
    CHECK_EQ(akin_parse_u64(&(uint64_t){0}, "0", 1, 9, "n", NULL), AKIN_ERR_INVALID);
}

TEST(decimal_numbers)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},     {"-0.5", -0.5}, {"+2", 2},      {".25", 0.25},
                {"3.", 3},    {"1e3", 1000},  {"1E-2", 0.01}, {"179.9999999", 179.9999999},
                {"1e-400", 0}};
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        double value = -1;
        REQUIRE_OK(akin_parse_double(&value, good[i].text, -1e9, 1e9, "n", err));
        CHECK(value == good[i].value);
    }
}

TEST(decimal_numbers_refused)
{
    static const char *const bad[] = {"",      " 1",  "1 ",    "nan", "inf", "-infinity",
                                      "0x1p3", "1,5", ".",     "+",   "1e",  "1e+",
                                      "1e999", "--1", "1.2.3", "1f",  "e5"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        double value = 77;
        akin_error why = {0};
        CHECK_EQ(akin_parse_double(&value, bad[i], -DBL_MAX, DBL_MAX, "--overlap", &why),
                 AKIN_ERR_INVALID);
        CHECK(value == 77);
        CHECK_CONTAINS(why.text, "--overlap: '");
    }
    akin_error why = {0};
    CHECK_EQ(akin_parse_double(&(double){0}, "1.5", 0, 1, "--overlap", &why), AKIN_ERR_INVALID);
    CHECK_TEXT(why.text, "--overlap: 1.5 is not in 0..1");
    CHECK_EQ(akin_parse_double(&(double){0}, NULL, 0, 1, "n", NULL), AKIN_ERR_INVALID);
}

TEST(decimal_numbers_in_a_locale_with_a_comma)
{
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) {
        check_skip("no de_DE.UTF-8 locale on this machine");
        return;
    }
    double value = 0;
    CHECK_EQ(akin_parse_double(&value, "0.75", 0, 1, "n", NULL), AKIN_OK);
    setlocale(LC_NUMERIC, "C");
    CHECK(value == 0.75);
}

TEST(byte_sizes)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"0", 0},
                {"1500000", 1500000},
                {"100B", 100},
                {"1k", 1024},
                {"500M", (uint64_t)500 << 20},
                {"2G", (uint64_t)2 << 30},
                {"2GB", (uint64_t)2 << 30},
                {"2GiB", (uint64_t)2 << 30},
                {"3t", (uint64_t)3 << 40},
                {"16777215T", (uint64_t)16777215 << 40}};
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t value = 1;
        REQUIRE_OK(akin_parse_bytes(&value, good[i].text, "--ram", err));
        CHECK_EQ(value, good[i].value);
    }
}

TEST(byte_sizes_refused)
{
    static const char *const bad[] = {"",    "G",    "-1G",       "1.5G",
                                      "1 G", "1GG",  "1X",        "1iB",
                                      "1Gi", "1GBs", "16777216T", "18446744073709551616"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t value = 77;
        akin_error why = {0};
        CHECK_EQ(akin_parse_bytes(&value, bad[i], "--ram", &why), AKIN_ERR_INVALID);
        CHECK_EQ(value, 77);
        CHECK_CONTAINS(why.text, "--ram: '");
    }
    CHECK_EQ(akin_parse_bytes(&(uint64_t){0}, NULL, "n", NULL), AKIN_ERR_INVALID);
}

TEST(lists_of_numbers)
{
    double v[4] = {9, 9, 9, 9};
    akin_error why = {0};
    REQUIRE_OK(akin_parse_doubles(v, 4, "-180,-90,180,90.5", "--bbox", err));
    CHECK(v[0] == -180 && v[1] == -90 && v[2] == 180 && v[3] == 90.5);
    CHECK_EQ(akin_parse_doubles(v, 4, "1,2,3", "--bbox", &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "has 3 numbers, not 4");
    CHECK_EQ(akin_parse_doubles(v, 4, "1,2,3,4,5", "--bbox", &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "more than 4");
    CHECK_EQ(akin_parse_doubles(v, 4, "1,2,x,4", "--bbox", &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "--bbox, number 3");
    CHECK_EQ(akin_parse_doubles(v, 4, "1,2,,4", "--bbox", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_parse_doubles(v, 4, "1,2,3,4,", "--bbox", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_parse_doubles(v, 4, "", "--bbox", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_parse_doubles(v, 4, NULL, "--bbox", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_parse_doubles(v, 65, "1", "--bbox", &why), AKIN_ERR_LIMIT);
    CHECK_EQ(akin_parse_doubles(
                 v, 1, "0.00000000000000000000000000000000000000000000000000000000000000001",
                 "--bbox", &why),
             AKIN_ERR_INVALID);
    CHECK(v[0] == -180 && v[3] == 90.5);
}

TEST(bytes_for_people)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } known[] = {{0, "0 B"},
                 {512, "512 B"},
                 {999, "999 B"},
                 {1000, "1.0 kB"},
                 {1449, "1.4 kB"},
                 {1450, "1.5 kB"},
                 {999949, "999.9 kB"},
                 {999950, "1.0 MB"},
                 {1400000000, "1.4 GB"},
                 {UINT64_MAX, "18.4 EB"}};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        char text[AKIN_BYTES_TEXT_MAX];
        akin_bytes_format(text, known[i].bytes);
        CHECK_TEXT(text, known[i].text);
    }
}

TEST(endings)
{
    CHECK(akin_text_ends_with("A.JPG", ".jpg"));
    CHECK(akin_text_ends_with("a.jpg", ".JPG"));
    CHECK(akin_text_ends_with(".jpg", ".jpg"));
    CHECK(akin_text_ends_with("x", ""));
    CHECK(!akin_text_ends_with("jpg", ".jpg"));
    CHECK(!akin_text_ends_with("a.jpgx", ".jpg"));
    CHECK(!akin_text_ends_with("aNjpg", ".jpg"));
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
