/*
 * JSON: built, written, parsed, looked into; numbers that come back; every allocation failing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/json.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"

static char written[8192];

/* The text of `root`, which is freed; "" where it cannot be written. */
static const char *text_of(akin_json *root, bool indent)
{
    struct akin_buffer buffer;
    akin_buffer_init(&buffer, sizeof written - 1);
    written[0] = '\0';
    if (akin_json_text(root, indent, &buffer, NULL) == AKIN_OK)
        snprintf(written, sizeof written, "%s", buffer.data);
    akin_buffer_fini(&buffer);
    akin_json_free(root);
    return written;
}

static akin_json *parsed(const char *text)
{
    akin_json *root = NULL;
    return akin_json_parse(&root, text, strlen(text), "test", NULL) == AKIN_OK ? root : NULL;
}

static akin_json *answer(void)
{
    akin_json *root = akin_json_object(), *bbox = akin_json_array();
    akin_json_set(root, "rank", akin_json_integer(1));
    akin_json_set(root, "tile", akin_json_string("00000001"));
    akin_json_set(root, "score", akin_json_float(0.93f));
    akin_json_append(bbox, akin_json_number(-180));
    akin_json_append(bbox, akin_json_number(12.3456789));
    akin_json_set(root, "bbox", bbox);
    akin_json_set(root, "label", akin_json_null());
    akin_json_set(root, "fine", akin_json_bool(true));
    return root;
}

TEST(keys_in_their_order)
{
    akin_json *root = parsed("{\"b\":1,\"a\":{},\"c\":[]}");
    REQUIRE(root != NULL);
    CHECK_TEXT(akin_json_key_after(root, NULL), "b");
    CHECK_TEXT(akin_json_key_after(root, "b"), "a");
    CHECK_TEXT(akin_json_key_after(root, "a"), "c");
    CHECK(!akin_json_key_after(root, "c"));
    CHECK(!akin_json_key_after(root, "d"));
    CHECK(!akin_json_key_after(akin_json_get(root, "a"), NULL));
    CHECK(!akin_json_key_after(akin_json_get(root, "c"), NULL));
    CHECK(!akin_json_key_after(NULL, NULL));
    CHECK(akin_json_is_array(akin_json_get(root, "c")));
    CHECK(!akin_json_is_array(root) && !akin_json_is_array(NULL));
    akin_json_free(root);
}

TEST(building_and_writing)
{
    CHECK_TEXT(text_of(answer(), false),
               "{\"rank\":1,\"tile\":\"00000001\",\"score\":0.93,\"bbox\":[-180,12.3456789],"
               "\"label\":null,\"fine\":true}");
    akin_json *root = akin_json_array();
    akin_json_append(root, akin_json_object());
    akin_json_append(root, akin_json_array());
    akin_json *inner = akin_json_object();
    akin_json_set(inner, "a", akin_json_bool(false));
    akin_json_append(root, inner);
    CHECK_TEXT(text_of(root, true), "[\n  {},\n  [],\n  {\n    \"a\": false\n  }\n]");
    CHECK_TEXT(text_of(akin_json_object(), true), "{}");
    CHECK_TEXT(text_of(akin_json_string("alone"), false), "\"alone\"");
    akin_json_free(NULL);
}

TEST(keys_keep_their_order_and_are_replaced)
{
    akin_json *root = akin_json_object();
    CHECK(akin_json_set(root, "z", akin_json_integer(1)));
    CHECK(akin_json_set(root, "a", akin_json_integer(2)));
    CHECK(akin_json_set(root, "z", akin_json_integer(3)));
    CHECK_TEXT(text_of(root, false), "{\"z\":3,\"a\":2}");
}

TEST(texts_are_escaped)
{
    CHECK_TEXT(text_of(akin_json_string("a\"b\\c/\n\t\r\b\f\x01\x1f\x7f"), false),
               "\"a\\\"b\\\\c/\\n\\t\\r\\b\\f\\u0001\\u001f\x7f\"");
    CHECK_TEXT(text_of(akin_json_string(""), false), "\"\"");
    CHECK_TEXT(text_of(akin_json_string(NULL), false), "null");
    CHECK_TEXT(text_of(akin_json_string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8d"), false),
               "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8d\"");
}

#define FFFD "\xef\xbf\xbd"

TEST(bytes_that_are_not_utf8_are_replaced)
{
    static const char *const bad[][2] = {{"caf\xe9", "caf" FFFD},
                                         {"\xc3", FFFD},
                                         {"\xc0\xaf", FFFD FFFD}, /* overlong */
                                         {"\xe0\x80\xaf", FFFD FFFD FFFD},
                                         {"\xed\xa0\x80", FFFD FFFD FFFD}, /* a surrogate */
                                         {"\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD},
                                         {"\xf0\x9f\x8c", FFFD FFFD FFFD},
                                         {"\xff\xfe", FFFD FFFD},
                                         {"a\x80z", "a" FFFD "z"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        akin_json *root = akin_json_object();
        CHECK(akin_json_set(root, bad[i][0], akin_json_string(bad[i][0])));
        char want[128];
        snprintf(want, sizeof want, "{\"%s\":\"%s\"}", bad[i][1], bad[i][1]);
        CHECK_TEXT(text_of(root, false), want);
    }
}

TEST(numbers_are_short)
{
    static const struct {
        double value;
        const char *text;
    } known[] = {{0.93, "0.93"},
                 {0.1, "0.1"},
                 {1.0 / 3, "0.3333333333333333"},
                 {-180, "-180"},
                 {0, "0"},
                 {-0.0, "0"},
                 {1e300, "1e+300"},
                 {123456789012, "123456789012"},
                 {12.3456789, "12.3456789"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {NAN, "null"},
                 {INFINITY, "null"},
                 {-INFINITY, "null"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CHECK_TEXT(text_of(akin_json_number(known[i].value), false), known[i].text);
    CHECK_TEXT(text_of(akin_json_float(0.93f), false), "0.93");
    CHECK_TEXT(text_of(akin_json_float(1.0f / 3), false), "0.33333334");
    CHECK_TEXT(text_of(akin_json_float(1), false), "1");
    CHECK_TEXT(text_of(akin_json_float(NAN), false), "null");
    CHECK_TEXT(text_of(akin_json_integer(INT64_MIN), false), "-9223372036854775808");
    CHECK_TEXT(text_of(akin_json_integer(INT64_MAX), false), "9223372036854775807");
}

TEST(numbers_come_back)
{
    srandom(2);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
        double value, back = 0;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        akin_json *root = parsed(text_of(akin_json_number(value), false));
        if (!CHECK(akin_json_number_value(&back, root) && back == value))
            printf("# %s\n", written);
        akin_json_free(root);
        float single = (float)(random() % 2000001) / 1000000 - 1;
        CHECK((float)strtod(text_of(akin_json_float(single), false), NULL) == single);
    }
}

TEST(numbers_in_a_locale_with_a_comma)
{
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) {
        check_skip("no de_DE.UTF-8 locale on this machine");
        return;
    }
    text_of(akin_json_number(0.5), false);
    setlocale(LC_NUMERIC, "C");
    CHECK_TEXT(written, "0.5");
}

TEST(parsing)
{
    akin_json *root = parsed(" {\"a\": [1, 2.5, \"x\", null, true, {}], \"b\": {\"c\": -7e2}} \n");
    REQUIRE(root);
    akin_json *a = akin_json_get(root, "a");
    double value = 0;
    CHECK_EQ(akin_json_count(root), 2);
    CHECK_EQ(akin_json_count(a), 6);
    CHECK(akin_json_number_value(&value, akin_json_at(a, 0)) && value == 1);
    CHECK(akin_json_number_value(&value, akin_json_at(a, 1)) && value == 2.5);
    CHECK_TEXT(akin_json_text_value(akin_json_at(a, 2)), "x");
    CHECK(akin_json_is_null(akin_json_at(a, 3)));
    CHECK(!akin_json_is_null(akin_json_at(a, 4)));
    CHECK(!akin_json_is_null(NULL));
    CHECK(!akin_json_at(a, 6));
    CHECK(!akin_json_at(root, 0));
    CHECK(!akin_json_get(a, "a"));
    CHECK(!akin_json_get(root, "none"));
    CHECK(!akin_json_get(NULL, "a"));
    CHECK(!akin_json_text_value(a));
    CHECK(!akin_json_text_value(NULL));
    CHECK(!akin_json_number_value(&value, akin_json_at(a, 2)));
    CHECK(!akin_json_number_value(&value, NULL));
    CHECK_EQ(akin_json_count(akin_json_at(a, 0)), 0);
    CHECK_EQ(akin_json_count(NULL), 0);
    CHECK_TEXT(text_of(root, false), "{\"a\":[1,2.5,\"x\",null,true,{}],\"b\":{\"c\":-700}}");
    CHECK_TEXT(text_of(parsed("3"), false), "3");
}

TEST(parsing_refuses)
{
    static const char *const bad[] = {"",         " ",          "{",
                                      "[1,]",     "{\"a\":1,}", "{a:1}",
                                      "'a'",      "nan",        "01",
                                      "1 2",      "[1] x",      "\"\\u0000\"",
                                      "\"\xe9\"", "[1e999]",    "{\"a\":1,\"a\":2}",
                                      "\"a\nb\"", "+1",         "[99999999999999999999]",
                                      "tru",      "]",          "}",
                                      "\\",       "\"\\"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        akin_json *root = NULL;
        akin_error why = {0};
        if (!CHECK_EQ(akin_json_parse(&root, bad[i], strlen(bad[i]), "card.json", &why),
                      AKIN_ERR_INVALID))
            CHECK_TEXT(bad[i], "refused");
        CHECK(!root);
        CHECK_CONTAINS(why.text, "card.json: not JSON at line ");
    }
    akin_error why = {0};
    akin_json *root = NULL;
    const char *text = "{\n  \"a\": x\n}";
    CHECK_EQ(akin_json_parse(&root, text, strlen(text), "f", &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "f: not JSON at line 2, column 8");
    CHECK_EQ(akin_json_parse(&root, "[1]\0", 4, "f", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_json_parse(&root, NULL, 0, "f", &why), AKIN_ERR_INVALID);
}

TEST(depth_is_bounded)
{
    char text[1024] = "";
    akin_error why = {0};
    akin_json *root = NULL;
    for (int depth = 64; depth <= 65; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        akin_status status = akin_json_parse(&root, text, strlen(text), "deep", &why);
        CHECK_EQ(status, depth == 64 ? AKIN_OK : AKIN_ERR_INVALID);
        if (status == AKIN_OK)
            CHECK_TEXT(text_of(root, false), text);
    }
    CHECK_CONTAINS(why.text, "deep: JSON nested deeper than 64 levels");
    /* brackets within strings are no depth */
    memset(text, '[', 600);
    text[0] = text[599] = '"';
    text[300] = '\\', text[301] = '"';
    text[600] = '\0';
    root = parsed(text);
    CHECK(root);
    akin_json_free(root);
    /* a tree that is built too deep is not written */
    root = akin_json_array();
    for (int i = 0; i < 64; i++) {
        akin_json *outer = akin_json_array();
        akin_json_append(outer, root);
        root = outer;
    }
    struct akin_buffer buffer;
    akin_buffer_init(&buffer, 1000);
    CHECK_EQ(akin_json_text(root, false, &buffer, &why), AKIN_ERR_LIMIT);
    CHECK_EQ(buffer.size, 0);
    akin_buffer_fini(&buffer);
    akin_json_free(root);
}

TEST(typed_lookups)
{
    akin_json *root = parsed("{\"t\":\"x\",\"i\":7,\"f\":7.0,\"r\":0.5,\"b\":true,\"n\":null,"
                             "\"big\":9007199254740993,\"huge\":1e17}");
    REQUIRE(root);
    const char *text = NULL;
    int64_t integer = 0;
    double number = 0;
    bool boolean = false;
    REQUIRE_OK(akin_json_get_text(&text, root, "t", "card", err));
    CHECK_TEXT(text, "x");
    REQUIRE_OK(akin_json_get_integer(&integer, root, "i", 7, 7, "card", err));
    CHECK_EQ(integer, 7);
    REQUIRE_OK(akin_json_get_integer(&integer, root, "f", 0, 10, "card", err));
    CHECK_EQ(integer, 7);
    REQUIRE_OK(akin_json_get_integer(&integer, root, "big", 0, INT64_MAX, "card", err));
    CHECK_EQ(integer, 9007199254740993);
    REQUIRE_OK(akin_json_get_number(&number, root, "r", 0, 1, "card", err));
    CHECK(number == 0.5);
    REQUIRE_OK(akin_json_get_number(&number, root, "i", 0, 10, "card", err));
    CHECK(number == 7);
    REQUIRE_OK(akin_json_get_bool(&boolean, root, "b", "card", err));
    CHECK(boolean);

    akin_error why = {0};
    CHECK_EQ(akin_json_get_text(&text, root, "i", "card", &why), AKIN_ERR_INVALID);
    CHECK_TEXT(why.text, "card: 'i' is not a text");
    CHECK_EQ(akin_json_get_text(&text, root, "none", "card", &why), AKIN_ERR_INVALID);
    CHECK_TEXT(why.text, "card: 'none' is missing; it must be a text");
    CHECK_EQ(akin_json_get_integer(&integer, root, "i", 8, 9, "card", &why), AKIN_ERR_INVALID);
    CHECK_TEXT(why.text, "card: 'i' is not a whole number from 8 to 9");
    CHECK_EQ(akin_json_get_integer(&integer, root, "r", 0, 9, "card", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_json_get_integer(&integer, root, "huge", 0, INT64_MAX, "card", &why),
             AKIN_ERR_INVALID);
    CHECK_EQ(akin_json_get_integer(&integer, root, "t", 0, 9, "card", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_json_get_number(&number, root, "r", 1, 2, "card", &why), AKIN_ERR_INVALID);
    CHECK_TEXT(why.text, "card: 'r' is not a number from 1 to 2");
    CHECK_EQ(akin_json_get_number(&number, root, "n", 0, 1, "card", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_json_get_bool(&boolean, root, "n", "card", &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_json_get_bool(&boolean, NULL, "n", "card", &why), AKIN_ERR_INVALID);
    CHECK_TEXT(why.text, "card: 'n' is missing; it must be true or false");
    CHECK(integer == 9007199254740993 && number == 7 && boolean);
    akin_json_free(root);
}

TEST(a_part_that_is_missing_fails_the_text)
{
    struct akin_buffer buffer;
    akin_error why = {0};
    akin_buffer_init(&buffer, 1000);
    REQUIRE_OK(akin_buffer_append(&buffer, "kept", 4, err));
    CHECK_EQ(akin_json_text(NULL, false, &buffer, &why), AKIN_ERR_NO_MEMORY);
    akin_json *root = akin_json_object(), *list = akin_json_array();
    CHECK(akin_json_append(list, akin_json_integer(1)));
    CHECK(!akin_json_append(list, NULL));
    CHECK(akin_json_set(root, "first", akin_json_integer(1)));
    CHECK(akin_json_set(root, "list", list));
    CHECK_EQ(akin_json_text(root, false, &buffer, &why), AKIN_ERR_NO_MEMORY);
    CHECK_TEXT(buffer.data, "kept");
    CHECK(akin_json_set(root, "list", akin_json_null())); /* what failed is gone */
    CHECK_EQ(akin_json_text(root, false, &buffer, &why), AKIN_OK);
    CHECK(!akin_json_set(root, "no", NULL));
    CHECK(!akin_json_set(root, NULL, akin_json_null()));
    CHECK_EQ(akin_json_text(root, false, &buffer, &why), AKIN_ERR_NO_MEMORY);
    CHECK(!akin_json_set(NULL, "a", akin_json_string("freed")));
    CHECK(!akin_json_append(NULL, akin_json_string("freed")));
    CHECK(!akin_json_append(root, akin_json_string("no array")));
    akin_json_free(root);
    akin_buffer_fini(&buffer);
}

TEST(the_text_keeps_to_the_buffers_limit)
{
    struct akin_buffer buffer;
    akin_json *root = answer();
    akin_buffer_init(&buffer, 40);
    CHECK_EQ(akin_json_text(root, false, &buffer, NULL), AKIN_ERR_LIMIT);
    CHECK_EQ(buffer.size, 0);
    akin_buffer_fini(&buffer);
    akin_json_free(root);
}

TEST(every_allocation_of_building_may_fail)
{
    size_t before = akin_memory_used();
    bool whole = false;
    long n = 0;
    for (; n < 1000 && !whole; n++) {
        akin_memory_fail_at(n);
        akin_json *root = answer();
        akin_memory_fail_at(-1);
        text_of(root, false);
        whole = written[0] != '\0';
        CHECK(!whole || strstr(written, "true}"));
        CHECK_EQ(akin_memory_used(), before);
    }
    CHECK(whole && n > 10);
}

TEST(every_allocation_of_parsing_may_fail)
{
    static const char text[] = "{\"a\":[1,2.5,\"x\\n\",null,{\"longer key\":\"longer text, longer "
                               "than any small buffer of the parser, surely\"}],\"b\":-3}";
    akin_json_free(parsed("{}"));
    size_t before = akin_memory_used();
    akin_status status = AKIN_ERR_NO_MEMORY;
    long n = 0;
    for (; n < 1000 && status != AKIN_OK; n++) {
        akin_json *root = NULL;
        akin_error why = {0};
        akin_memory_fail_at(n);
        status = akin_json_parse(&root, text, strlen(text), "t", &why);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
        CHECK_EQ(status == AKIN_OK, root != NULL);
        akin_json_free(root);
        CHECK_EQ(akin_memory_used(), before);
    }
    CHECK(n > 10);
    CHECK_EQ(status, AKIN_OK);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
