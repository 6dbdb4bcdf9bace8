/*
 * Readers beside a writer, writers that are killed, folders without rights, read-only media and
 * full disks. Cases that need mounts run in a child with its own mount namespace, and are skipped
 * where the kernel does not let us have one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

/* Adds scenes "/FIRST".."/FIRST+COUNT-1" in one transaction, not yet committed. */
static akin_status add_scenes(akin_catalog *catalog, int first, int count, akin_error *err)
{
    akin_status status = akin_catalog_begin(catalog, err);
    for (int i = 0; i < count && status == AKIN_OK; i++) {
        char uri[64];
        struct akin_scene scene;
        akin_scene_init(&scene);
        snprintf(uri, sizeof uri, "/%d", first + i);
        scene.uri = uri;
        status = akin_catalog_scene_add(catalog, &scene, err);
    }
    return status;
}

/* How many scenes are found, or -1. */
static int64_t scenes_in(akin_catalog *catalog)
{
    struct akin_catalog_counts counts;
    if (akin_catalog_count(catalog, &counts, NULL) != AKIN_OK)
        return -1;
    return (int64_t)counts.scenes[AKIN_SCENE_FOUND];
}

static int64_t scenes_of(const char *dir)
{
    akin_catalog *catalog = NULL;
    akin_error why = {0};
    if (akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, &why) != AKIN_OK) {
        printf("# %s\n", why.text);
        return -1;
    }
    int64_t count = scenes_in(catalog);
    akin_catalog_close(catalog);
    return count;
}

/* Runs fn(dir) in a child; its exit status, or 1000 + the signal that ended it. */
static int in_child(int (*fn)(const char *dir), const char *dir)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(fn(dir));
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(readers_see_the_last_commit_while_a_writer_goes_on)
{
    char dir[AKIN_PATH_MAX];
    akin_catalog *writer = NULL, *first = NULL, *second = NULL;
    REQUIRE(make_collection(dir, "c"));
    REQUIRE_OK(akin_catalog_open(&first, dir, AKIN_OPEN_READ, err));
    REQUIRE_OK(akin_catalog_open(&writer, dir, AKIN_OPEN_WRITE, err));
    REQUIRE_OK(add_scenes(writer, 0, 10, err));
    REQUIRE_OK(akin_catalog_open(&second, dir, AKIN_OPEN_READ, err));
    CHECK_EQ(scenes_in(first), 0);
    CHECK_EQ(scenes_in(second), 0);
    CHECK_EQ(scenes_in(writer), 10);
    REQUIRE_OK(akin_catalog_commit(writer, err));
    CHECK_EQ(scenes_in(first), 10);
    CHECK_EQ(scenes_in(second), 10);
    REQUIRE_OK(add_scenes(writer, 10, 5000, err));
    CHECK_EQ(scenes_in(first), 10);
    akin_catalog_rollback(writer);
    CHECK_EQ(scenes_in(second), 10);
    akin_catalog_close(writer);
    CHECK_EQ(scenes_in(first), 10);
    akin_catalog_close(first);
    akin_catalog_close(second);
}

struct listing {
    akin_catalog *writer;
    int seen;
};

static bool list_while_writing(void *user, const struct akin_scene *scene)
{
    struct listing *listing = user;
    if (listing->seen++ == 0) {
        struct akin_scene moved = *scene;
        moved.id = 10;
        moved.uri = BORROWED("/moved");
        moved.state = AKIN_SCENE_DROPPED;
        CHECK_EQ(akin_catalog_scene_update(listing->writer, &moved, NULL), AKIN_OK);
    }
    return true;
}

/* A list is of one moment, though the writer takes a scene out of it meanwhile. */
TEST(a_list_is_of_one_moment)
{
    char dir[AKIN_PATH_MAX];
    akin_catalog *writer = NULL, *reader = NULL;
    REQUIRE(make_collection(dir, "c"));
    REQUIRE_OK(akin_catalog_open(&writer, dir, AKIN_OPEN_WRITE, err));
    REQUIRE_OK(akin_catalog_open(&reader, dir, AKIN_OPEN_READ, err));
    REQUIRE_OK(add_scenes(writer, 0, 10, err));
    REQUIRE_OK(akin_catalog_commit(writer, err));
    struct listing listing = {.writer = writer};
    REQUIRE_OK(
        akin_catalog_scenes(reader, 1u << AKIN_SCENE_FOUND, 1, list_while_writing, &listing, err));
    CHECK_EQ(listing.seen, 10);
    CHECK_EQ(scenes_in(reader), 9);
    akin_catalog_close(reader);
    akin_catalog_close(writer);
}

/* Commits 10, then dies in the middle of 20,000 more, far beyond SQLite's page cache, so that pages
 * of the open transaction are in the log. */
static int die_in_mid_transaction(const char *dir)
{
    akin_catalog *catalog = NULL;
    if (akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, NULL) != AKIN_OK)
        return 1;
    int first = (int)scenes_in(catalog);
    if (add_scenes(catalog, first, 10, NULL) != AKIN_OK ||
        akin_catalog_commit(catalog, NULL) != AKIN_OK ||
        add_scenes(catalog, first + 10, 20000, NULL) != AKIN_OK)
        return 2;
    kill(getpid(), SIGKILL);
    return 3;
}

TEST(a_killed_writer_leaves_what_it_committed)
{
    char dir[AKIN_PATH_MAX];
    REQUIRE(make_collection(dir, "c"));
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(in_child(die_in_mid_transaction, dir), 1000 + SIGKILL);
        CHECK_EQ(scenes_of(dir), 10 * i);
        struct faults faults = faults_of(dir);
        CHECK_TEXT(faults.text, "");
    }
    akin_catalog *catalog = NULL;
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err)); /* the lock went with it */
    REQUIRE_OK(add_scenes(catalog, 30, 1, err));
    REQUIRE_OK(akin_catalog_commit(catalog, err));
    akin_catalog_close(catalog);
    CHECK_EQ(scenes_of(dir), 31);
}

static void join_number(char out[AKIN_PATH_MAX], const char *dir, int number)
{
    char name[16];
    snprintf(name, sizeof name, "%d", number);
    join(out, dir, name);
}

static int create_again_and_again(const char *dir)
{
    for (int i = 0;; i++) {
        char path[AKIN_PATH_MAX];
        join_number(path, dir, i);
        if (akin_catalog_create(path, NULL, NULL) != AKIN_OK)
            return 1;
    }
}

/* At whatever moment init is killed, what has a collection's name is a whole one. */
TEST(a_killed_init_leaves_no_half_collection)
{
    const char *folder = check_folder();
    int whole = 0;
    for (int i = 0; i < 10; i++) {
        char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
        join_number(dir, folder, i);
        REQUIRE(mkdir(dir, 0777) == 0);
        fflush(NULL);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0)
            _exit(create_again_and_again(dir));
        usleep(10000 + 3700 * (unsigned)i);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        for (int k = 0;; k++) {
            join_number(path, dir, k);
            if (access(path, F_OK) != 0)
                break;
            whole++;
            CHECK_EQ(faults_of(path).count, 0);
        }
        CHECK_EQ(akin_catalog_create(path, NULL, NULL), AKIN_OK);
    }
    CHECK(whole > 0);
}

/* ---- without rights ---- */

static bool become_nobody(void)
{
    return geteuid() != 0 || (setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
}

/* Tells in bits what went wrong. */
static int try_without_rights(const char *dir)
{
    akin_catalog *catalog = NULL;
    akin_error why = {0};
    if (!become_nobody())
        return 99;
    int wrong = 0;
    akin_status status = akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, &why);
    wrong |= status != AKIN_ERR_DENIED ? 1 : 0;
    akin_catalog_close(catalog);
    wrong |= scenes_of(dir) != 10 ? 2 : 0;
    wrong |= faults_of(dir).count != 0 ? 4 : 0;
    char path[AKIN_PATH_MAX];
    join(path, dir, "new");
    wrong |= akin_catalog_create(path, NULL, &why) != AKIN_ERR_DENIED ? 8 : 0;
    return wrong;
}

static int try_without_any_rights(const char *dir)
{
    akin_catalog *catalog = NULL;
    akin_error why = {0};
    if (!become_nobody())
        return 99;
    akin_status status = akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, &why);
    akin_catalog_close(catalog);
    return status == AKIN_ERR_DENIED && strstr(why.text, "ermission") ? 0 : 1;
}

/* A collection of 10 scenes that only its owner may write to. */
static bool make_guarded(char dir[AKIN_PATH_MAX])
{
    akin_catalog *catalog = NULL;
    char parent[AKIN_PATH_MAX];
    if (!make_collection(dir, "c") ||
        akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, NULL) != AKIN_OK)
        return false;
    bool done = add_scenes(catalog, 0, 10, NULL) == AKIN_OK &&
                akin_catalog_commit(catalog, NULL) == AKIN_OK;
    akin_catalog_close(catalog);
    snprintf(parent, sizeof parent, "%s", dir);
    *strrchr(parent, '/') = '\0';
    return done && chmod(parent, 0755) == 0 && chmod(dir, 0555) == 0;
}

TEST(a_folder_without_the_right_to_write_can_be_read)
{
    char dir[AKIN_PATH_MAX];
    REQUIRE(make_guarded(dir));
    CHECK_EQ(in_child(try_without_rights, dir), 0);
    chmod(dir, 0755);
}

/* Beside a writer who is somebody else: what he committed is in the log, and is seen. */
TEST(a_reader_without_rights_beside_a_writer)
{
    char dir[AKIN_PATH_MAX];
    akin_catalog *writer = NULL;
    REQUIRE(make_guarded(dir));
    if (geteuid() != 0) {
        check_skip("needs root to be two users");
        return;
    }
    REQUIRE_OK(akin_catalog_open(&writer, dir, AKIN_OPEN_WRITE, err));
    struct akin_scene scene;
    akin_scene_init(&scene);
    REQUIRE_OK(akin_catalog_scene_get(writer, 1, &scene, err));
    scene.state = AKIN_SCENE_FAILED; /* 9 are left, and one more is added */
    REQUIRE_OK(akin_catalog_scene_update(writer, &scene, err));
    akin_scene_fini(&scene);
    REQUIRE_OK(add_scenes(writer, 10, 1, err));
    REQUIRE_OK(akin_catalog_commit(writer, err));
    CHECK_EQ(in_child(try_without_rights, dir), 0);
    akin_catalog_close(writer);
    chmod(dir, 0755);
}

/* After a writer was killed its commits are in a log that somebody without rights cannot take in:
 * told, not left out in silence. */
static int try_after_a_kill(const char *dir)
{
    akin_catalog *catalog = NULL;
    akin_error why = {0};
    if (!become_nobody())
        return 99;
    akin_status status = akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, &why);
    int64_t count = status == AKIN_OK ? scenes_in(catalog) : -1;
    akin_catalog_close(catalog);
    if (status == AKIN_OK)
        return count == 20 ? 0 : 1;
    return strstr(why.text, "interrupted") ? 0 : 2;
}

TEST(a_reader_without_rights_after_a_killed_writer)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    REQUIRE(make_guarded(dir));
    if (geteuid() != 0) {
        check_skip("needs root to be two users");
        return;
    }
    CHECK_EQ(in_child(die_in_mid_transaction, dir), 1000 + SIGKILL);
    CHECK_EQ(in_child(try_after_a_kill, dir), 0);
    join(path, dir, "collection.sqlite-shm");
    REQUIRE(remove(path) == 0);
    CHECK_EQ(in_child(try_after_a_kill, dir), 0);
    CHECK_EQ(scenes_of(dir), 20);
    chmod(dir, 0755);
}

TEST(a_folder_without_any_rights)
{
    char dir[AKIN_PATH_MAX];
    REQUIRE(make_guarded(dir));
    REQUIRE(chmod(dir, 0) == 0);
    CHECK_EQ(in_child(try_without_any_rights, dir), 0);
    chmod(dir, 0755);
}

/* ---- mounts ---- */

#define NO_MOUNTS 98

static bool own_mounts(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int try_read_only(const char *dir)
{
    akin_catalog *catalog = NULL;
    akin_error why = {0};
    if (!own_mounts() || mount(dir, dir, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0)
        return NO_MOUNTS;
    int wrong = scenes_of(dir) != 10 ? 1 : 0;
    wrong |= faults_of(dir).count != 0 ? 2 : 0;
    wrong |= akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, &why) != AKIN_ERR_DENIED ? 4 : 0;
    akin_catalog_close(catalog);
    return wrong;
}

TEST(a_read_only_medium_can_be_read)
{
    char dir[AKIN_PATH_MAX];
    REQUIRE(make_guarded(dir));
    chmod(dir, 0755);
    int result = in_child(try_read_only, dir);
    if (result == NO_MOUNTS)
        check_skip("no right to mount");
    else
        CHECK_EQ(result, 0);
}

/* On a file system of 1 MB: the transaction that does not fit fails as a whole, what was committed
 * stays, and after a rollback there is room again. */
static int try_full_disk(const char *dir)
{
    char path[AKIN_PATH_MAX];
    akin_catalog *catalog = NULL;
    akin_error why = {0};
    if (!own_mounts() || mount("tmpfs", dir, "tmpfs", 0, "size=1m") != 0)
        return NO_MOUNTS;
    join(path, dir, "c");
    if (akin_catalog_create(path, NULL, &why) != AKIN_OK ||
        akin_catalog_open(&catalog, path, AKIN_OPEN_WRITE, &why) != AKIN_OK ||
        add_scenes(catalog, 0, 10, &why) != AKIN_OK ||
        akin_catalog_commit(catalog, &why) != AKIN_OK)
        return 97;
    akin_status status = add_scenes(catalog, 10, 50000, &why);
    if (status == AKIN_OK)
        status = akin_catalog_commit(catalog, &why);
    int wrong = status != AKIN_ERR_NO_SPACE ? 1 : 0;
    wrong |= !strstr(why.text, "free some space") ? 2 : 0;
    struct akin_scene late;
    akin_scene_init(&late);
    late.uri = BORROWED("/late"); /* must not be committed without what came before it */
    wrong |= akin_catalog_scene_add(catalog, &late, &why) == AKIN_OK &&
                     akin_catalog_commit(catalog, &why) == AKIN_OK
                 ? 4
                 : 0;
    akin_catalog_rollback(catalog);
    akin_catalog_close(catalog);
    wrong |= scenes_of(path) != 10 ? 8 : 0;
    wrong |= faults_of(path).count != 0 ? 16 : 0;
    join(path, dir, "fill");
    FILE *fill = fopen(path, "wb");
    for (int i = 0; fill && i < 2 << 20; i++)
        if (fputc(1, fill) == EOF)
            break;
    if (fill)
        fclose(fill);
    join(path, dir, "full");
    wrong |= akin_catalog_create(path, NULL, &why) != AKIN_ERR_NO_SPACE ? 32 : 0;
    wrong |= access(path, F_OK) == 0 ? 64 : 0;
    return wrong;
}

TEST(a_full_disk_loses_nothing)
{
    int result = in_child(try_full_disk, check_folder());
    if (result == NO_MOUNTS)
        check_skip("no right to mount");
    else
        CHECK_EQ(result, 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
