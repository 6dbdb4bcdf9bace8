/*
 * Marks: the last one of a person counts, changes are undone one by one, sets and people are apart, and
 * a collection of the schema before gets the table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "../check.h"
#include "akin/catalog.h"

static char dir[1024];

static akin_status open_new(akin_catalog **out, akin_error *err)
{
    snprintf(dir, sizeof dir, "%s/c", check_folder());
    akin_status status = akin_catalog_create(dir, NULL, err);
    return status == AKIN_OK ? akin_catalog_open(out, dir, AKIN_OPEN_MARK, err) : status;
}

struct listed {
    size_t count;
    char text[2048];
};

static bool list_one(void *user, const struct akin_mark *mark)
{
    struct listed *listed = user;
    const size_t used = strlen(listed->text);
    snprintf(listed->text + used, sizeof listed->text - used, "%llx %s %s %lld; ",
             (unsigned long long)mark->key, akin_mark_name(mark->kind), mark->by,
             (long long)mark->at_ms);
    listed->count++;
    return true;
}

static const char *list(akin_catalog *catalog, const char *set)
{
    static struct listed listed;
    listed = (struct listed){0};
    CHECK_EQ(akin_catalog_marks(catalog, set, list_one, &listed, NULL), AKIN_OK);
    return listed.text;
}

static akin_status mark(akin_catalog *catalog, const char *set, uint64_t key,
                        enum akin_mark_kind kind, const char *by, int64_t at_ms)
{
    const struct akin_mark one = {.key = key, .kind = kind, .by = by, .at_ms = at_ms};
    return akin_catalog_mark(catalog, set, &one, NULL);
}

TEST(the_last_mark_of_a_person_counts)
{
    akin_catalog *catalog = NULL;
    REQUIRE_OK(open_new(&catalog, err));
    const uint64_t high = 0xffffffff00000001;
    CHECK_EQ(mark(catalog, "snow", high, AKIN_MARK_LIKE, "ann", 1), AKIN_OK);
    CHECK_EQ(mark(catalog, "snow", 7, AKIN_MARK_LIKE, "ann", 2), AKIN_OK);
    CHECK_EQ(mark(catalog, "snow", 7, AKIN_MARK_UNLIKE, "bob", 3), AKIN_OK);
    CHECK_EQ(mark(catalog, "snow", 7, AKIN_MARK_UNSURE, "ann", 4), AKIN_OK);
    CHECK_EQ(mark(catalog, "ice", 7, AKIN_MARK_LIKE, "ann", 5), AKIN_OK);
    CHECK_TEXT(list(catalog, "snow"),
               "7 unsure ann 4; 7 unlike bob 3; ffffffff00000001 like ann 1; ");
    CHECK_TEXT(list(catalog, "ice"), "7 like ann 5; ");
    CHECK_TEXT(list(catalog, "nothing"), "");
    CHECK_EQ(mark(catalog, "snow", 7, AKIN_MARK_NONE, "bob", 6), AKIN_OK);
    CHECK_EQ(mark(catalog, "snow", 7, AKIN_MARK_NONE, "bob", 7), AKIN_ERR_NOT_FOUND);
    CHECK_TEXT(list(catalog, "snow"), "7 unsure ann 4; ffffffff00000001 like ann 1; ");
    akin_catalog_close(catalog);
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, err));
    CHECK_TEXT(list(catalog, "snow"), "7 unsure ann 4; ffffffff00000001 like ann 1; ");
    CHECK_EQ(mark(catalog, "snow", 7, AKIN_MARK_LIKE, "bob", 8), AKIN_ERR_INVALID);
    akin_catalog_close(catalog);
}

TEST(changes_are_undone_one_by_one_and_each_person_s_apart)
{
    akin_catalog *catalog = NULL;
    struct akin_mark undone;
    REQUIRE_OK(open_new(&catalog, err));
    mark(catalog, "s", 1, AKIN_MARK_LIKE, "ann", 1);
    mark(catalog, "s", 1, AKIN_MARK_UNLIKE, "ann", 2);
    mark(catalog, "s", 2, AKIN_MARK_LIKE, "bob", 3);
    mark(catalog, "s", 1, AKIN_MARK_NONE, "ann", 4);
    CHECK_TEXT(list(catalog, "s"), "2 like bob 3; ");
    REQUIRE_OK(akin_catalog_mark_undo(catalog, "s", "ann", &undone, err));
    CHECK_EQ(undone.key, 1);
    CHECK_EQ(undone.kind, AKIN_MARK_UNLIKE);
    CHECK_TEXT(list(catalog, "s"), "1 unlike ann 2; 2 like bob 3; ");
    REQUIRE_OK(akin_catalog_mark_undo(catalog, "s", "ann", &undone, err));
    CHECK_EQ(undone.kind, AKIN_MARK_LIKE);
    /* A change in between: what comes after an undo is undone first. */
    mark(catalog, "s", 3, AKIN_MARK_UNSURE, "ann", 5);
    REQUIRE_OK(akin_catalog_mark_undo(catalog, "s", "ann", &undone, err));
    CHECK_EQ(undone.key, 3);
    CHECK_EQ(undone.kind, AKIN_MARK_NONE);
    REQUIRE_OK(akin_catalog_mark_undo(catalog, "s", "ann", &undone, err));
    CHECK_EQ(undone.key, 1);
    CHECK_EQ(undone.kind, AKIN_MARK_NONE);
    CHECK_TEXT(list(catalog, "s"), "2 like bob 3; ");
    CHECK_EQ(akin_catalog_mark_undo(catalog, "s", "ann", &undone, NULL), AKIN_ERR_NOT_FOUND);
    akin_catalog_close(catalog);
}

TEST(names_of_sets_and_people_are_checked)
{
    akin_catalog *catalog = NULL;
    char long_name[80];
    REQUIRE_OK(open_new(&catalog, err));
    memset(long_name, 'a', 64);
    long_name[64] = 0;
    static const char *const bad_sets[] = {"", ".x", "a/b", "a b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad_sets / sizeof *bad_sets; i++)
        CHECK_EQ(mark(catalog, bad_sets[i], 1, AKIN_MARK_LIKE, "ann", 1), AKIN_ERR_INVALID);
    CHECK_EQ(mark(catalog, long_name, 1, AKIN_MARK_LIKE, "ann", 1), AKIN_ERR_INVALID);
    CHECK_EQ(mark(catalog, "s", 1, AKIN_MARK_LIKE, "", 1), AKIN_ERR_INVALID);
    CHECK_EQ(mark(catalog, "s", 1, AKIN_MARK_LIKE, "a\nb", 1), AKIN_ERR_INVALID);
    CHECK_EQ(mark(catalog, "s", 1, AKIN_MARK_LIKE, long_name, 1), AKIN_ERR_INVALID);
    CHECK_EQ(mark(catalog, "s", 1, (enum akin_mark_kind)9, "ann", 1), AKIN_ERR_INVALID);
    CHECK_TEXT(list(catalog, "s"), "");
    akin_catalog_close(catalog);
}

static bool add_set(void *user, const char *set, const uint64_t counts[AKIN_MARK_KINDS])
{
    char *text = user;
    const size_t used = strlen(text);
    snprintf(text + used, 256 - used, "%s %d/%d/%d; ", set, (int)counts[1], (int)counts[2],
             (int)counts[3]);
    return true;
}

TEST(marks_are_made_beside_the_writer_and_sets_are_counted)
{
    akin_catalog *catalog = NULL, *writer = NULL;
    char text[256] = "";
    REQUIRE_OK(open_new(&catalog, err));
    REQUIRE_OK(akin_catalog_open(&writer, dir, AKIN_OPEN_WRITE, err));
    for (uint64_t key = 0; key < 9; key++)
        CHECK_EQ(
            mark(catalog, key < 6 ? "b" : "a", key, (enum akin_mark_kind)(1 + key % 3), "ann", 1),
            AKIN_OK);
    mark(catalog, "c", 1, AKIN_MARK_LIKE, "ann", 1);
    mark(catalog, "c", 1, AKIN_MARK_NONE, "ann", 1);
    REQUIRE_OK(akin_catalog_mark_sets(writer, add_set, text, err));
    CHECK_TEXT(text, "a 1/1/1; b 2/2/2; ");
    akin_catalog_close(writer);
    akin_catalog_close(catalog);
}

TEST(a_collection_of_the_schema_before_gets_marks_from_its_next_writer)
{
    akin_catalog *catalog = NULL;
    char path[1200];
    sqlite3 *db = NULL;
    REQUIRE_OK(open_new(&catalog, err));
    akin_catalog_close(catalog);
    snprintf(path, sizeof path, "%s/collection.sqlite", dir);
    REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "DROP TABLE mark; PRAGMA user_version = 1", NULL, NULL, NULL) ==
          SQLITE_OK);
    sqlite3_close(db);
    akin_error why = {0};
    CHECK_EQ(akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, &why), AKIN_ERR_VERSION);
    CHECK_CONTAINS(why.text, "akin add");
    CHECK_EQ(akin_catalog_open(&catalog, dir, AKIN_OPEN_MARK, &why), AKIN_ERR_VERSION);
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err));
    CHECK_EQ(mark(catalog, "s", 5, AKIN_MARK_LIKE, "ann", 1), AKIN_OK);
    CHECK_TEXT(list(catalog, "s"), "5 like ann 1; ");
    akin_catalog_close(catalog);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
