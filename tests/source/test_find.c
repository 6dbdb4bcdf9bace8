/*
 * Finding images: folders with every kind of name, loops, rights, lists, patterns, containers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "akin/source.h"

static void join(char out[AKIN_PATH_MAX], const char *folder, const char *name)
{
    CHECK(akin_path_join(out, folder, name, NULL) == AKIN_OK);
}

static void put(const char *folder, const char *name)
{
    char path[AKIN_PATH_MAX];
    REQUIRE_OK(akin_path_join(path, folder, name, err));
    REQUIRE_OK(akin_file_write_atomic(path, "x", 1, err));
}

static const char *make_folder(char path[AKIN_PATH_MAX], const char *folder, const char *name)
{
    join(path, folder, name);
    CHECK(mkdir(path, 0777) == 0);
    return path;
}

static const struct akin_source_item *item_named(const struct akin_source_list *list,
                                                 const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *slash = strrchr(list->items[i].uri, '/');
        if (slash && strcmp(slash + 1, name) == 0)
            return &list->items[i];
    }
    return NULL;
}

TEST(a_folder_gives_its_images_sorted_with_labels_and_nothing_else)
{
    static const char *const images[] = {"a b.tif",      "it's \"quoted\".jpg", "line\nbreak.png",
                                         "\xff\xfe.tif", "GROSS.JPG",           "\xc3\xa4.jpeg"};
    static const char *const others[] = {"a.txt",     "a.tif.aux.xml", "a.tfw",       "a.tif.ovr",
                                         "a.tif.msk", ".hidden.tif",   "README.rst",  "table.dbf",
                                         "shape.shp", "x.json",        "noextension", "Thumbs.db"};
    const char *folder = check_folder();
    char sub[AKIN_PATH_MAX], deep[AKIN_PATH_MAX], hidden[AKIN_PATH_MAX], other[AKIN_PATH_MAX];
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        put(folder, images[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        put(folder, others[i]);
    put(make_folder(sub, folder, "class"), "in.tif");
    put(make_folder(deep, sub, "deeper"), "deep.tif");
    put(make_folder(hidden, folder, ".git"), "no.tif");
    put(make_folder(other, folder, "mine"), "collection.sqlite");
    put(other, "chip.tif");

    struct akin_source_list list;
    REQUIRE_OK(akin_source_find(&list, &folder, 1, NULL, err));
    CHECK_EQ(list.count, sizeof images / sizeof *images + 2);
    CHECK_EQ(list.skipped_count, 0);
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        const struct akin_source_item *item = item_named(&list, images[i]);
        REQUIRE(item);
        CHECK(item->label == NULL);
        CHECK_EQ(item->size_bytes, 1);
        CHECK(item->mtime_ns > 0);
        CHECK(item->uri[0] == '/');
    }
    for (size_t i = 1; i < list.count; i++)
        CHECK(strcmp(list.items[i - 1].uri, list.items[i].uri) < 0);
    REQUIRE(item_named(&list, "in.tif") && item_named(&list, "deep.tif"));
    CHECK_TEXT(item_named(&list, "in.tif")->label, "class");
    CHECK_TEXT(item_named(&list, "deep.tif")->label, "class");
    akin_source_list_free(&list);
}

TEST(loops_of_links_end_and_dangling_links_are_told)
{
    const char *folder = check_folder();
    char sub[AKIN_PATH_MAX], link[AKIN_PATH_MAX];
    put(make_folder(sub, folder, "sub"), "a.tif");
    join(link, folder, "sub/loop");
    CHECK(symlink("..", link) == 0);
    join(link, folder, "again");
    CHECK(symlink("sub", link) == 0);
    join(link, folder, "self");
    CHECK(symlink("self", link) == 0);
    join(link, folder, "gone.tif");
    CHECK(symlink("nowhere", link) == 0);
    struct akin_source_list list;
    REQUIRE_OK(akin_source_find(&list, &folder, 1, NULL, err));
    CHECK_EQ(list.count, 1);
    CHECK_EQ(list.skipped_count, 2);
    akin_source_list_free(&list);
}

/* In a child without root's rights, as rights do not bind root. 0 = as it should be. */
static int look_without_rights(const char *folder)
{
    struct akin_source_list list;
    akin_error err = {0};
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 2;
    if (akin_source_find(&list, &folder, 1, NULL, &err) != AKIN_OK)
        return 3;
    return list.count == 1 && list.skipped_count == 1 && strstr(list.skipped[0], "locked") ? 0 : 1;
}

TEST(a_folder_without_rights_is_skipped_and_told)
{
    const char *folder = check_folder();
    char locked[AKIN_PATH_MAX];
    put(folder, "a.tif");
    put(make_folder(locked, folder, "locked"), "b.tif");
    CHECK(chmod(folder, 0755) == 0);
    CHECK(chmod(locked, 0) == 0);
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0)
        _exit(look_without_rights(folder));
    int result = -1;
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(WIFEXITED(result));
    CHECK_EQ(WEXITSTATUS(result), 0);
    CHECK(chmod(locked, 0755) == 0);
}

TEST(files_patterns_lists_and_addresses)
{
    const char *folder = check_folder();
    char text[2 * AKIN_PATH_MAX], list_path[AKIN_PATH_MAX + 1], glob[AKIN_PATH_MAX],
        named[AKIN_PATH_MAX];
    char twice[AKIN_PATH_MAX];
    put(folder, "a.tif");
    put(folder, "b.tif");
    put(folder, "odd.name");
    join(glob, folder, "*.tif");
    join(named, folder, "odd.name");
    join(twice, folder, "./a.tif");
    list_path[0] = '@';
    join(list_path + 1, folder, "list");
    snprintf(text, sizeof text,
             "# a list\r\na.tif\r\n\n  b.tif\nhttps://example.org/c.tif\nNETCDF:\"x.nc\":v\n%s\n",
             named);
    REQUIRE_OK(akin_file_write_atomic(list_path + 1, text, strlen(text), err));
    const char *const sources[] = {glob, named, twice, list_path, "s3://bucket/d.tif"};
    struct akin_source_list list;
    REQUIRE_OK(akin_source_find(&list, sources, 5, NULL, err));
    CHECK_EQ(list.count, 6);
    CHECK(item_named(&list, "a.tif") && item_named(&list, "b.tif"));
    CHECK(item_named(&list, "odd.name") && item_named(&list, "c.tif") &&
          item_named(&list, "d.tif"));
    akin_source_list_free(&list);
}

TEST(what_is_not_there_is_an_error_that_names_it)
{
    static const char *const wrong[] = {"/nowhere/x.tif", "/nowhere/*.tif", "@/nowhere/list",
                                        "nope"};
    const char *folder = check_folder();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const sources[] = {folder, wrong[i]};
        struct akin_source_list list;
        akin_error err = {0};
        CHECK_EQ(akin_source_find(&list, sources, 2, NULL, &err), AKIN_ERR_NOT_FOUND);
        CHECK_CONTAINS(err.text, wrong[i][0] == '@' ? wrong[i] + 1 : wrong[i]);
        CHECK_EQ(list.count, 0);
    }
    char list_path[AKIN_PATH_MAX + 1];
    list_path[0] = '@';
    join(list_path + 1, folder, "list");
    REQUIRE_OK(akin_file_write_atomic(list_path + 1, "\n\nno.tif\n", 9, err));
    const char *source = list_path;
    struct akin_source_list list;
    akin_error err = {0};
    CHECK_EQ(akin_source_find(&list, &source, 1, NULL, &err), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(err.text, "line 3");
}

TEST(containers_give_their_rasters)
{
    const char *data = check_shared_data();
    if (!data) {
        check_skip("shared data absent");
        return;
    }
    char path[3][AKIN_PATH_MAX];
    join(path[0], data, "rasters/rasterio/files.zip");
    join(path[1], data, "rasters/rasterio/two-subs.h5");
    join(path[2], data, "rasters/rasterio/RGB.nc");
    const char *const sources[] = {path[0], path[1], path[2]};
    struct akin_source_list list;
    REQUIRE_OK(akin_source_find(&list, sources, 3, NULL, err));
    CHECK_EQ(list.count, 4 + 2 + 3);
    CHECK_EQ(strncmp(list.items[0].uri, "/vsizip//", 9), 0);
    akin_source_list_free(&list);

    const char *folder = check_folder();
    put(folder, "broken.zip");
    join(path[0], folder, "broken.zip");
    REQUIRE_OK(akin_source_find(&list, sources, 1, NULL, err));
    CHECK_EQ(list.count, 0);
    CHECK_EQ(list.skipped_count, 1);
    akin_source_list_free(&list);
}

static bool stop(void *user, const struct akin_progress *progress)
{
    (void)user;
    (void)progress;
    return false;
}

TEST(finding_can_be_stopped_and_survives_each_failed_allocation)
{
    const char *folder = check_folder();
    char sub[AKIN_PATH_MAX];
    put(make_folder(sub, folder, "sub"), "a.tif");
    struct akin_source_list list;
    const struct akin_talk talk = {NULL, stop, NULL};
    akin_error err = {0};
    CHECK_EQ(akin_source_find(&list, &folder, 1, &talk, &err), AKIN_ERR_CANCELLED);
    const size_t before = akin_memory_used();
    akin_status status = AKIN_ERR_NO_MEMORY;
    for (long n = 0; n < 1000 && status != AKIN_OK; n++) {
        akin_memory_fail_at(n);
        status = akin_source_find(&list, &folder, 1, NULL, &err);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
        if (status == AKIN_OK)
            CHECK_EQ(list.count, 1);
        akin_source_list_free(&list);
        CHECK_EQ(akin_memory_used(), before);
    }
    CHECK_EQ(status, AKIN_OK);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
