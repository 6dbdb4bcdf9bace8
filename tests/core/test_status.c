/*
 * Status names, error texts, and that no outside text can forge a line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/status.h"

#include <errno.h>
#include <string.h>

#include "../check.h"

TEST(every_status_has_a_name_and_a_sentence)
{
    for (int i = 0; i < AKIN_STATUS_COUNT; i++) {
        CHECK(strlen(akin_status_name((akin_status)i)) > 0);
        CHECK(strlen(akin_status_text((akin_status)i)) > 0);
    }
    CHECK_TEXT(akin_status_name(AKIN_ERR_NO_SPACE), "NO_SPACE");
    CHECK_TEXT(akin_status_text(AKIN_ERR_BUSY), "another writer holds the lock");
    CHECK_EQ(AKIN_OK, 0);
    CHECK_EQ(AKIN_ERR_VERSION, 13);
}

TEST(a_status_out_of_range_is_unknown)
{
    CHECK_TEXT(akin_status_name(AKIN_STATUS_COUNT), "UNKNOWN");
    CHECK_TEXT(akin_status_name((akin_status)-1), "UNKNOWN");
    CHECK_TEXT(akin_status_text((akin_status)999), "unknown status");
}

TEST(set_fills_and_returns)
{
    akin_error why = {0};
    CHECK_EQ(akin_error_set(&why, AKIN_ERR_LIMIT, "%d is over %s", 7, "six"), AKIN_ERR_LIMIT);
    CHECK_EQ(why.status, AKIN_ERR_LIMIT);
    CHECK_TEXT(why.text, "7 is over six");
    CHECK_EQ(akin_error_set(NULL, AKIN_ERR_IO, "nobody %s", "listens"), AKIN_ERR_IO);
}

TEST(set_may_name_its_own_text)
{
    akin_error why = {0};
    akin_error_set(&why, AKIN_ERR_IO, "inner");
    akin_error_set(&why, AKIN_ERR_CORRUPT, "outer (%s)", why.text);
    CHECK_TEXT(why.text, "outer (inner)");
}

TEST(control_characters_are_written_out)
{
    akin_error why = {0};
    akin_error_set(&why, AKIN_ERR_IO, "'%s'", "a\nb\x1b[2J\x7f\t\xc3\xa9\xe9");
    /* the last is Latin-1, not UTF-8 */
    CHECK_TEXT(why.text, "'a\\x0ab\\x1b[2J\\x7f\\x09\xc3\xa9\\xe9'");
}

TEST(long_texts_are_cut_between_characters)
{
    char name[3 * AKIN_ERROR_TEXT_MAX];
    akin_error why = {0};
    memset(name, '\n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    akin_error_set(&why, AKIN_ERR_IO, "%s", name);
    size_t length = strlen(why.text);
    CHECK(length > AKIN_ERROR_TEXT_MAX - 5 && length < AKIN_ERROR_TEXT_MAX);
    CHECK_EQ(length % 4, 0); /* whole \x0a only */

    for (size_t i = 0; i + 2 < sizeof name; i += 2)
        memcpy(name + i, "\xc3\xa9", 2);
    name[sizeof name - 2] = '\0';
    akin_error_set(&why, AKIN_ERR_IO, "%s", name);
    CHECK_EQ(strlen(why.text) % 2, 0);
}

TEST(errno_is_mapped_and_explained)
{
    static const struct {
        int value;
        akin_status status;
    } map[] = {
        {ENOSPC, AKIN_ERR_NO_SPACE},  {EDQUOT, AKIN_ERR_NO_SPACE}, {EACCES, AKIN_ERR_DENIED},
        {EPERM, AKIN_ERR_DENIED},     {EROFS, AKIN_ERR_DENIED},    {ENOENT, AKIN_ERR_NOT_FOUND},
        {ENOMEM, AKIN_ERR_NO_MEMORY}, {EEXIST, AKIN_ERR_EXISTS},   {EFBIG, AKIN_ERR_LIMIT},
        {EMFILE, AKIN_ERR_LIMIT},     {EIO, AKIN_ERR_IO},          {ENOTDIR, AKIN_ERR_IO}};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
        akin_error why = {0};
        CHECK_EQ(akin_error_errno(&why, map[i].value, "cannot open '%s'", "x"), map[i].status);
        CHECK_EQ(why.status, map[i].status);
        CHECK_CONTAINS(why.text, "cannot open 'x': ");
        CHECK_EQ(akin_error_errno(NULL, map[i].value, "x"), map[i].status);
    }
    akin_error why = {0};
    akin_error_errno(&why, ENOSPC, "cannot write 'y'");
    CHECK_TEXT(why.text, "cannot write 'y': No space left on device (free some space and run the "
                         "same again)");
}

TEST(errno_keeps_the_reason_behind_a_long_name)
{
    char name[4096];
    akin_error why = {0};
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    akin_error_errno(&why, ENOENT, "cannot open '%s'", name);
    CHECK_CONTAINS(why.text, "cannot open 'nnn");
    CHECK_CONTAINS(why.text, ": No such file or directory");
}

TEST(context_goes_in_front)
{
    akin_error why = {0};
    akin_error_set(&why, AKIN_ERR_CORRUPT, "bad sum");
    CHECK_EQ(akin_error_context(&why, AKIN_ERR_CORRUPT, "segment %d", 3), AKIN_ERR_CORRUPT);
    CHECK_TEXT(why.text, "segment 3: bad sum");
    CHECK_EQ(akin_error_context(&why, AKIN_OK, "never"), AKIN_OK);
    CHECK_TEXT(why.text, "segment 3: bad sum");
    CHECK_EQ(akin_error_context(NULL, AKIN_ERR_IO, "never"), AKIN_ERR_IO);
    akin_error empty = {0};
    akin_error_context(&empty, AKIN_ERR_LIMIT, "tiles");
    CHECK_TEXT(empty.text, "tiles: a limit would be exceeded");
}

TEST(memory_names_size_and_purpose)
{
    akin_error why = {0};
    CHECK_EQ(akin_error_memory(&why, 4096, "a tile"), AKIN_ERR_NO_MEMORY);
    CHECK_CONTAINS(why.text, "out of memory");
    CHECK_CONTAINS(why.text, "4096 bytes for a tile");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
