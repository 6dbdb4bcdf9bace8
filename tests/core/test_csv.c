/*
 * CSV: what RFC 4180 allows and what it does not, whole and in pieces.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/core/csv.h"
#include "../check.h"
#include "akin/core.h"

#define ROWS_TEXT_MAX 256

/* All rows of two fields as "a|b;" into out, the text coming `step` bytes at a time; the status of the
 * first fault. */
static akin_status read_rows(const char *text, size_t size, size_t step, char out[ROWS_TEXT_MAX],
                             akin_error *err)
{
    char *copy = malloc(size + !size); /* no byte more: ASan watches its end */
    if (size)
        memcpy(copy, text, size);
    akin_csv *csv = NULL;
    char **fields;
    bool end = false;
    akin_status status = csv_parse_stepped(&csv, copy, size, step, "f.csv", err);
    *out = '\0';
    while (status == AKIN_OK && !end) {
        status = akin_csv_next_of(csv, &fields, 2, &end, err);
        if (status == AKIN_OK && !end)
            snprintf(out + strlen(out), ROWS_TEXT_MAX - strlen(out), "%s|%s;", fields[0],
                     fields[1]);
    }
    akin_csv_close(csv);
    free(copy);
    return status;
}

static const size_t steps[] = {1, 2, 3, 7, 65536};
#define STEPS (sizeof steps / sizeof *steps)

TEST(csv_rows_as_rfc_4180_has_them)
{
    const struct {
        const char *text, *rows;
    } good[] = {
        {"", ""},
        {"\n\r\n\n", ""},
        {"a,b", "a|b;"},
        {"a,b\n", "a|b;"},
        {"a,b\r\nc,d\r\n", "a|b;c|d;"},
        {",\n", "|;"},
        {"\"\",\"\"", "|;"},
        {"\"a,b\",\"c\"\"d\"\n", "a,b|c\"d;"},
        {"\"\"\"\",\"\"\"\"\"\"", "\"|\"\";"},
        {"\"a\r\nb\",c\nd,e", "a\r\nb|c;d|e;"},
        {"\xef\xbb\xbf\"a\",b", "a|b;"},
        {" a , b ", " a | b ;"},
    };
    char out[ROWS_TEXT_MAX];
    for (size_t i = 0; i < STEPS * (sizeof good / sizeof *good); i++) {
        const char *text = good[i / STEPS].text;
        CHECK_EQ(read_rows(text, strlen(text), steps[i % STEPS], out, NULL), AKIN_OK);
        CHECK_TEXT(out, good[i / STEPS].rows);
    }
}

TEST(csv_faults_name_the_line)
{
    const struct {
        const char *text;
        size_t size;
        const char *says;
    } bad[] = {
        {"a", 1, "line 1: 1 field where"},
        {"a,b\nc,d,e\n", 10, "line 2: 3 fields where"},
        {"\n\n\"a", 4, "line 3: the closing quote"},
        {"a,\"x\ny\"\nb,\"", 11, "line 3: the closing quote"},
        {"a,b\"c", 5, "line 1: a quote inside"},
        {"\"a\"b,c", 6, "line 1: text after"},
        {"a,\"b\" \n", 7, "line 1: text after"},
        {"a\rb,c", 5, "line 1: a control"},
        {"a,b\nc,d\r", 8, "line 2: a control"},
        {"a\0b,c", 5, "line 1: a control"},
        {"\"a\0b\",c", 7, "line 1: a NUL"},
        {"\"", 1, "line 1: the closing quote"},
        {"a,\"", 3, "line 1: the closing quote"},
    };
    char out[ROWS_TEXT_MAX];
    akin_error error = {0};
    for (size_t i = 0; i < STEPS * (sizeof bad / sizeof *bad); i++) {
        const size_t b = i / STEPS;
        CHECK_EQ(read_rows(bad[b].text, bad[b].size, steps[i % STEPS], out, &error),
                 AKIN_ERR_INVALID);
        CHECK_CONTAINS(error.text, "'f.csv'");
        CHECK_CONTAINS(error.text, bad[b].says);
    }
}

/* Any bytes end, inside their bounds, and however they come. */
TEST(csv_of_random_bytes_ends)
{
    static const char letters[] = "a,\"\n\r\0b\xef";
    char text[48], out[ROWS_TEXT_MAX], stepped[ROWS_TEXT_MAX];
    size_t fine = 0;
    for (uint64_t round = 0; round < 20000; round++) {
        const size_t size = akin_random_below(9, 1, round, sizeof text);
        for (size_t i = 0; i < size; i++)
            text[i] = letters[akin_random_below(round, 2, i, 5 + round % 4)];
        const akin_status status = read_rows(text, size, 65536, out, NULL);
        CHECK_EQ(read_rows(text, size, 1 + round % 5, stepped, NULL), status);
        CHECK_TEXT(stepped, out);
        fine += status == AKIN_OK;
    }
    CHECK(fine > 100 && fine < 19000);
}

#define BIG_ROWS 40000

/* Rows of any length up to more than is read at once, in a file. */
TEST(a_file_is_read_a_piece_at_a_time)
{
    struct akin_buffer text;
    char path[AKIN_PATH_MAX], field[64];
    akin_csv *csv = NULL;
    char **fields;
    size_t count, wrong = 0;
    bool end = false;
    akin_buffer_init(&text, 1 << 24);
    for (int i = 0; i < BIG_ROWS; i++)
        REQUIRE_OK(akin_buffer_printf(&text, err, "%d,\"row \"\"%d\"\"\n\",%*d\n", i, i,
                                      i % 10000 ? i % 90 : 100000, i));
    REQUIRE_OK(akin_path_join(path, check_folder(), "big.csv", err));
    REQUIRE_OK(akin_file_write_atomic(path, text.data, text.size, err));
    akin_buffer_fini(&text);
    REQUIRE_OK(akin_csv_open(&csv, path, err));
    const size_t used = akin_memory_used();
    for (int i = 0; i < BIG_ROWS; i++) {
        REQUIRE_OK(akin_csv_next(csv, &fields, &count, &end, err));
        snprintf(field, sizeof field, "row \"%d\"\n", i);
        wrong += end || count != 3 || strcmp(fields[1], field) != 0 ||
                 akin_csv_line(csv) != 2 * (unsigned long)i + 1;
    }
    CHECK_EQ(wrong, 0);
    CHECK(akin_memory_used() < used + 600000); /* of 3 MB */
    REQUIRE_OK(akin_csv_next(csv, &fields, &count, &end, err));
    CHECK(end);
    akin_csv_close(csv);
}

TEST(what_cannot_be_opened_or_is_too_long)
{
    akin_csv *csv = NULL;
    akin_error error = {0};
    char **fields;
    size_t count, size = AKIN_CSV_ROW_BYTES_MAX + (1 << 20);
    bool end;
    CHECK_EQ(akin_csv_open(&csv, "/no/such.csv", &error), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_csv_open(&csv, "/dev", &error), AKIN_ERR_INVALID);
    char *text = malloc(size);
    memset(text, 'a', size);
    text[0] = '"';
    REQUIRE_OK(akin_csv_parse(&csv, text, size, "long", err));
    CHECK_EQ(akin_csv_next(csv, &fields, &count, &end, &error), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(error.text, "'long' line 1: a row of more than");
    akin_csv_close(csv);
    free(text);
}

TEST(fields_are_written_as_they_are_read)
{
    static const char *const texts[] = {"",           "a",          "a,b",   "\"",
                                        "say \"no\"", "two\nlines", "\r\n,", " a "};
    struct akin_buffer text;
    akin_csv *csv = NULL;
    char **fields;
    bool end;
    akin_buffer_init(&text, 1000);
    REQUIRE_OK(akin_csv_append(&text, NULL, err));
    CHECK_EQ(text.size, 0);
    for (size_t i = 0; i < 8; i++) {
        REQUIRE_OK(akin_csv_append(&text, texts[i], err));
        REQUIRE_OK(akin_buffer_append(&text, i < 7 ? "," : "\n", 1, err));
    }
    REQUIRE_OK(akin_csv_parse(&csv, text.data, text.size, "text", err));
    REQUIRE_OK(akin_csv_next_of(csv, &fields, 8, &end, err));
    for (size_t i = 0; i < 8; i++)
        CHECK_TEXT(fields[i], texts[i]);
    akin_csv_close(csv);
    akin_buffer_fini(&text);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
