/*
 * Scenes: every column goes round, addresses are unique among the living, counts are right after
 * anything, hostile rows are found.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "faults.h"

static akin_catalog *open_new(char dir[AKIN_PATH_MAX])
{
    akin_catalog *catalog = NULL;
    akin_error why = {0};
    if (make_collection(dir, "c"))
        akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, &why);
    CHECK_TEXT(why.text, "");
    return catalog;
}

static struct akin_scene scene_of(const char *uri)
{
    struct akin_scene scene;
    akin_scene_init(&scene);
    scene.uri = BORROWED(uri);
    return scene;
}

TEST(every_column_goes_round)
{
    char dir[AKIN_PATH_MAX];
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    struct akin_scene first = scene_of("/data/a.tif");
    REQUIRE_OK(akin_catalog_scene_add(catalog, &first, err));
    CHECK_EQ(first.id, 1);
    struct akin_scene in = {.uri = BORROWED("/vsicurl/https://host/b c'\"\xc3\xa9\xff.tif"),
                            .label = BORROWED("snow"),
                            .state = AKIN_SCENE_FAILED,
                            .size_bytes = INT64_MAX,
                            .mtime_ns = -5,
                            .width = UINT32_MAX,
                            .height = 18000,
                            .bands = 13,
                            .dtype = AKIN_F32,
                            .time = {AKIN_TIME_MIN, 86400000},
                            .bbox = {170.5, -90, -180, 12.25},
                            .given_bbox = {-2e7, -1e6, 2e7, 1e6},
                            .given_crs = BORROWED("EPSG:3857"),
                            .order_stride = 7,
                            .tiles_total = 100,
                            .tiles_done = 60,
                            .tiles_kept = 40,
                            .tiles_skipped = 20,
                            .replaces = 1,
                            .failure = BORROWED("cannot read it"),
                            .attempts = 3};
    REQUIRE_OK(akin_catalog_scene_add(catalog, &in, err));
    CHECK_EQ(in.id, 2);
    struct akin_scene out;
    akin_scene_init(&out);
    REQUIRE_OK(akin_catalog_scene_get(catalog, 2, &out, err));
    CHECK_EQ(out.id, 2);
    CHECK_TEXT(out.uri, in.uri);
    CHECK_TEXT(out.label, in.label);
    CHECK_EQ(out.state, in.state);
    CHECK_EQ(out.size_bytes, in.size_bytes);
    CHECK_EQ(out.mtime_ns, in.mtime_ns);
    CHECK_EQ(out.width, in.width);
    CHECK_EQ(out.height, in.height);
    CHECK_EQ(out.bands, in.bands);
    CHECK_EQ(out.dtype, in.dtype);
    CHECK_EQ(out.time.begin_ms, in.time.begin_ms);
    CHECK_EQ(out.time.end_ms, in.time.end_ms);
    CHECK(!memcmp(&out.bbox, &in.bbox, sizeof in.bbox));
    CHECK(!memcmp(out.given_bbox, in.given_bbox, sizeof in.given_bbox));
    CHECK_TEXT(out.given_crs, in.given_crs);
    CHECK_EQ(out.order_stride, in.order_stride);
    CHECK_EQ(out.tiles_total, in.tiles_total);
    CHECK_EQ(out.tiles_done, in.tiles_done);
    CHECK_EQ(out.tiles_kept, in.tiles_kept);
    CHECK_EQ(out.tiles_skipped, in.tiles_skipped);
    CHECK_EQ(out.replaces, in.replaces);
    CHECK_TEXT(out.failure, in.failure);
    CHECK_EQ(out.attempts, in.attempts);

    REQUIRE_OK(akin_catalog_scene_get(catalog, 1, &out, err)); /* over a filled one */
    CHECK_TEXT(out.uri, "/data/a.tif");
    CHECK(!out.label && !out.given_crs && !out.failure);
    CHECK(!akin_bbox_known(out.bbox) && isnan(out.given_bbox[3]));
    CHECK(!akin_interval_known(out.time));
    CHECK_EQ(out.replaces, 0);
    CHECK_EQ(out.order_stride, 1);
    akin_scene_fini(&out);
    akin_scene_fini(&out);
    akin_scene_fini(NULL);
    akin_catalog_close(catalog);
    CHECK_EQ(faults_of(dir).count, 0);
}

TEST(addresses_are_unique_among_the_living)
{
    char dir[AKIN_PATH_MAX];
    akin_error why = {0};
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    struct akin_scene old = scene_of("/a"), again = scene_of("/a"), out;
    akin_scene_init(&out);
    CHECK_EQ(akin_catalog_scene_find(catalog, "/a", &out, &why), AKIN_ERR_NOT_FOUND);
    REQUIRE_OK(akin_catalog_scene_add(catalog, &old, err));
    CHECK_EQ(akin_catalog_scene_add(catalog, &again, &why), AKIN_ERR_EXISTS);
    CHECK_CONTAINS(why.text, "'/a' is in the collection already");
    CHECK_EQ(again.id, 0);
    old.state = AKIN_SCENE_REPLACED;
    REQUIRE_OK(akin_catalog_scene_update(catalog, &old, err));
    CHECK_EQ(akin_catalog_scene_find(catalog, "/a", &out, &why), AKIN_ERR_NOT_FOUND);
    again.replaces = old.id;
    REQUIRE_OK(akin_catalog_scene_add(catalog, &again, err));
    CHECK(again.id > old.id);
    REQUIRE_OK(akin_catalog_scene_find(catalog, "/a", &out, err));
    CHECK_EQ(out.id, again.id);
    old.state = AKIN_SCENE_FOUND; /* cannot come back while the other lives */
    CHECK_EQ(akin_catalog_scene_update(catalog, &old, &why), AKIN_ERR_EXISTS);
    akin_scene_fini(&out);
    akin_catalog_close(catalog);
    CHECK_EQ(faults_of(dir).count, 0);
}

TEST(what_cannot_be_recorded)
{
    char dir[AKIN_PATH_MAX];
    static char long_uri[9000];
    akin_error why = {0};
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    struct akin_scene scene = scene_of(NULL);
    CHECK_EQ(akin_catalog_scene_add(catalog, &scene, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "uri");
    scene.uri = BORROWED("");
    CHECK_EQ(akin_catalog_scene_add(catalog, &scene, &why), AKIN_ERR_INVALID);
    memset(long_uri, 'x', sizeof long_uri - 1);
    scene.uri = long_uri;
    CHECK_EQ(akin_catalog_scene_add(catalog, &scene, &why), AKIN_ERR_INVALID);
    scene = scene_of("/a");
    scene.state = AKIN_SCENE_STATE_COUNT;
    CHECK_EQ(akin_catalog_scene_add(catalog, &scene, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "state");
    scene = scene_of("/a");
    scene.bbox = (struct akin_bbox){0, 1, 2, NAN};
    CHECK_EQ(akin_catalog_scene_add(catalog, &scene, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "bbox");
    scene.bbox = (struct akin_bbox){0, 1, 181, 2};
    CHECK_EQ(akin_catalog_scene_add(catalog, &scene, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "east");
    scene = scene_of("/a");
    scene.given_bbox[0] = INFINITY;
    CHECK_EQ(akin_catalog_scene_add(catalog, &scene, &why), AKIN_ERR_INVALID);
    scene = scene_of("/a");
    scene.size_bytes = UINT64_MAX;
    CHECK_EQ(akin_catalog_scene_add(catalog, &scene, &why), AKIN_ERR_INVALID);
    scene = scene_of("/a");
    scene.time = (struct akin_interval){5, 4};
    CHECK_EQ(akin_catalog_scene_add(catalog, &scene, &why), AKIN_ERR_INVALID);
    scene = scene_of("/a");
    scene.replaces = 77; /* a foreign key */
    CHECK_EQ(akin_catalog_scene_add(catalog, &scene, &why), AKIN_ERR_INVALID);
    scene = scene_of("/a");
    scene.id = 12;
    CHECK_EQ(akin_catalog_scene_update(catalog, &scene, &why), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(why.text, "no scene 12");
    struct akin_catalog_counts counts;
    REQUIRE_OK(akin_catalog_count(catalog, &counts, err));
    for (int i = 0; i < AKIN_SCENE_STATE_COUNT; i++)
        CHECK_EQ(counts.scenes[i], 0);
    akin_catalog_close(catalog);
}

struct walk {
    akin_catalog *catalog;
    uint32_t ids[600];
    int count, stop_after;
    akin_status write_status;
};

static bool collect(void *user, const struct akin_scene *scene)
{
    struct walk *walk = user;
    walk->ids[walk->count++] = scene->id;
    walk->write_status = akin_catalog_value_set(walk->catalog, "x", "y", NULL);
    struct akin_scene other; /* reading is allowed in between */
    akin_scene_init(&other);
    if (akin_catalog_scene_get(walk->catalog, scene->id, &other, NULL) != AKIN_OK)
        walk->count = 599;
    akin_scene_fini(&other);
    return walk->count != walk->stop_after;
}

TEST(scenes_by_state_in_order_of_id)
{
    char dir[AKIN_PATH_MAX], uri[64];
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    REQUIRE_OK(akin_catalog_begin(catalog, err));
    for (int i = 1; i <= 500; i++) {
        snprintf(uri, sizeof uri, "/%d", i);
        struct akin_scene scene = scene_of(uri);
        scene.state = (enum akin_scene_state)(i % AKIN_SCENE_STATE_COUNT);
        REQUIRE_OK(akin_catalog_scene_add(catalog, &scene, err));
    }
    REQUIRE_OK(akin_catalog_commit(catalog, err));
    struct walk walk = {.catalog = catalog};
    REQUIRE_OK(akin_catalog_scenes(catalog, ~0u, 0, collect, &walk, err));
    CHECK_EQ(walk.count, 500);
    for (int i = 0; i < walk.count; i++)
        CHECK_EQ(walk.ids[i], i + 1);
    CHECK_EQ(walk.write_status, AKIN_ERR_INVALID); /* not silently lost */

    walk = (struct walk){.catalog = catalog, .stop_after = 4};
    unsigned states = 1u << AKIN_SCENE_FAILED | 1u << AKIN_SCENE_FETCHED;
    REQUIRE_OK(akin_catalog_scenes(catalog, states, 12, collect, &walk, err));
    CHECK_EQ(walk.count, 4);
    CHECK_EQ(walk.ids[0], 15); /* 15 % 7 == FETCHED, 18 % 7 == FAILED */
    CHECK_EQ(walk.ids[1], 18);
    CHECK_EQ(walk.ids[2], 22);
    CHECK_EQ(walk.ids[3], 25);
    walk = (struct walk){.catalog = catalog};
    REQUIRE_OK(akin_catalog_scenes(catalog, 0, 0, collect, &walk, err));
    REQUIRE_OK(akin_catalog_scenes(catalog, ~0u, UINT32_MAX, collect, &walk, err));
    CHECK_EQ(walk.count, 0);
    REQUIRE_OK(akin_catalog_value_set(catalog, "x", "y", err)); /* the walk is over */
    akin_catalog_close(catalog);
}

TEST(counts_follow_every_change)
{
    char dir[AKIN_PATH_MAX], uri[64];
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    uint64_t scenes[AKIN_SCENE_STATE_COUNT] = {0}, kept = 0, skipped = 0;
    struct akin_scene made[64];
    for (unsigned i = 0; i < 400; i++) {
        struct akin_scene *scene = &made[i % 64];
        bool fresh = i < 64;
        if (fresh) {
            akin_scene_init(scene);
        } else {
            scenes[scene->state]--;
            bool live = scene->state < AKIN_SCENE_REPLACED;
            kept -= live ? scene->tiles_kept : 0;
            skipped -= live ? scene->tiles_skipped : 0;
        }
        snprintf(uri, sizeof uri, "/%u", i % 64);
        scene->uri = uri;
        scene->state = (enum akin_scene_state)akin_random_below(3, 0, i, AKIN_SCENE_STATE_COUNT);
        scene->tiles_kept = akin_random_below(3, 1, i, 1000);
        scene->tiles_skipped = akin_random_below(3, 2, i, 1000);
        scene->tiles_total = scene->tiles_done = 2000;
        bool in_transaction = i % 3 == 0;
        if (in_transaction)
            REQUIRE_OK(akin_catalog_begin(catalog, err));
        if (fresh)
            REQUIRE_OK(akin_catalog_scene_add(catalog, scene, err));
        else
            REQUIRE_OK(akin_catalog_scene_update(catalog, scene, err));
        if (in_transaction)
            REQUIRE_OK(akin_catalog_commit(catalog, err));
        scenes[scene->state]++;
        kept += scene->state < AKIN_SCENE_REPLACED ? scene->tiles_kept : 0;
        skipped += scene->state < AKIN_SCENE_REPLACED ? scene->tiles_skipped : 0;
    }
    struct akin_catalog_counts counts;
    REQUIRE_OK(akin_catalog_begin(catalog, err)); /* undone again: counts nothing */
    struct akin_scene undone = scene_of("/undone");
    REQUIRE_OK(akin_catalog_scene_add(catalog, &undone, err));
    akin_catalog_rollback(catalog);
    akin_catalog_rollback(catalog);
    REQUIRE_OK(akin_catalog_count(catalog, &counts, err));
    for (int i = 0; i < AKIN_SCENE_STATE_COUNT; i++)
        CHECK_EQ(counts.scenes[i], scenes[i]);
    CHECK_EQ(counts.tiles_kept, kept);
    CHECK_EQ(counts.tiles_skipped, skipped);
    akin_catalog_close(catalog);
    struct faults faults = faults_of(dir);
    CHECK_TEXT(faults.text, "");
}

TEST(transactions_do_not_nest)
{
    char dir[AKIN_PATH_MAX];
    akin_error why = {0};
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    CHECK_EQ(akin_catalog_commit(catalog, &why), AKIN_ERR_INVALID);
    REQUIRE_OK(akin_catalog_begin(catalog, err));
    CHECK_EQ(akin_catalog_begin(catalog, &why), AKIN_ERR_INVALID);
    struct akin_scene scene = scene_of("/lost");
    REQUIRE_OK(akin_catalog_scene_add(catalog, &scene, err));
    akin_catalog_close(catalog); /* without commit */
    catalog = NULL;
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err));
    struct akin_catalog_counts counts;
    REQUIRE_OK(akin_catalog_count(catalog, &counts, err));
    CHECK_EQ(counts.scenes[AKIN_SCENE_FOUND], 0);
    akin_catalog_close(catalog);
}

/* Ids are never used again, and end with 32 bits. */
TEST(ids_run_out_with_a_clear_error)
{
    char dir[AKIN_PATH_MAX];
    akin_error why = {0};
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    akin_catalog_close(catalog);
    catalog = NULL;
    REQUIRE(run_sql(dir, "INSERT INTO sqlite_sequence VALUES('scene', 4294967294)"));
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err));
    struct akin_scene last = scene_of("/last"), over = scene_of("/over");
    REQUIRE_OK(akin_catalog_scene_add(catalog, &last, err));
    CHECK_EQ(last.id, UINT32_MAX);
    CHECK_EQ(akin_catalog_scene_add(catalog, &over, &why), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(why.text, "/over");
    struct walk walk = {.catalog = catalog};
    REQUIRE_OK(akin_catalog_scenes(catalog, ~0u, 0, collect, &walk, err));
    CHECK_EQ(walk.count, 1);
    akin_catalog_close(catalog);
}

TEST(hostile_rows_are_refused_and_told)
{
    static const struct {
        const char *sql, *words;
    } changes[] = {
        {"UPDATE scene SET state = 99", "impossible state"},
        {"UPDATE scene SET state = -1", "impossible state"},
        {"UPDATE scene SET dtype = 4", "impossible dtype"},
        {"UPDATE scene SET width = 4294967296", "impossible width"},
        {"UPDATE scene SET tiles_kept = -1", "impossible tiles_kept"},
        {"UPDATE scene SET tiles_total = 9007199254740993", "impossible tiles_total"},
        {"UPDATE scene SET uri = ''", "impossible uri"},
        {"UPDATE scene SET uri = printf('%.*c', 8193, 'x')", "impossible uri"},
        {"UPDATE scene SET uri = 'a' || char(0) || 'b'", "impossible uri"},
        {"UPDATE scene SET failure = printf('%.*c', 99999, 'x')", "impossible failure"},
        {"UPDATE scene SET north = 1e300", "impossible north"},
        {"UPDATE scene SET west = 1, south = 2, east = 3, north = 1", "impossible bbox"},
        {"UPDATE scene SET given_east = 9e999", "impossible given_east"},
        {"UPDATE scene SET begin_ms = 2, end_ms = 1", "impossible time"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char dir[AKIN_PATH_MAX];
        akin_error why = {0};
        akin_catalog *catalog = open_new(dir);
        REQUIRE(catalog);
        struct akin_scene scene = scene_of("/a"), out;
        REQUIRE_OK(akin_catalog_scene_add(catalog, &scene, err));
        akin_catalog_close(catalog);
        catalog = NULL;
        REQUIRE(run_sql(dir, changes[i].sql));
        REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, err));
        akin_scene_init(&out);
        CHECK_EQ(akin_catalog_scene_get(catalog, 1, &out, &why), AKIN_ERR_CORRUPT);
        CHECK(!out.uri);
        CHECK_CONTAINS(why.text, changes[i].words);
        akin_catalog_close(catalog);
        CHECK_CONTAINS(faults_of(dir).text, changes[i].words);
    }
}

TEST(verify_tells_what_does_not_agree)
{
    static const struct {
        const char *sql, *words;
    } changes[] = {
        {"UPDATE tally SET scenes = 5 WHERE state = 3", "sums of state 3"},
        {"UPDATE tally SET tiles_kept = 1 WHERE state = 0", "sums of state 0"},
        {"DELETE FROM tally WHERE state = 0", "sums of state 0"},
        {"UPDATE scene SET tiles_done = 11", "has taken 11 of 10"},
        {"UPDATE scene SET tiles_done = 3, tiles_kept = 2, tiles_skipped = 2", "keeps 2 tiles"},
        {"UPDATE scene SET state = 3", "embedded with 0 of 10"},
        {"UPDATE scene SET replaces = 8", "names a row of scene"},
        {"DROP INDEX scene_live_uri", "lacks scene_live_uri"},
        {"DROP TRIGGER scene_added; CREATE TRIGGER scene_added AFTER INSERT ON scene BEGIN"
         " DELETE FROM pack; END",
         "another scene_added"},
        {"CREATE TABLE extra(x)", "has extra"},
        {"INSERT INTO pack VALUES(1, 2, 1, 1, 1)", "chip pack 1"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char dir[AKIN_PATH_MAX];
        akin_catalog *catalog = open_new(dir);
        REQUIRE(catalog);
        struct akin_scene scene = scene_of("/a");
        scene.tiles_total = 10;
        REQUIRE_OK(akin_catalog_scene_add(catalog, &scene, err));
        akin_catalog_close(catalog);
        REQUIRE(run_sql(dir, changes[i].sql));
        struct faults faults = faults_of(dir);
        CHECK_EQ(faults.count, 1);
        CHECK_CONTAINS(faults.text, changes[i].words);
    }
}

/* A changed image keeps its old tiles, and names itself, until the first new ones are in. */
TEST(verify_lets_a_changed_image_keep_its_tiles)
{
    char dir[AKIN_PATH_MAX];
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    struct akin_scene scene = scene_of("/a");
    scene.tiles_total = 10;
    REQUIRE_OK(akin_catalog_scene_add(catalog, &scene, err));
    scene.tiles_kept = 10;
    scene.replaces = scene.id;
    REQUIRE_OK(akin_catalog_scene_update(catalog, &scene, err));
    akin_catalog_close(catalog);
    CHECK_TEXT(faults_of(dir).text, "");
}

/* Damage in the middle of the file, where only reading the pages finds it. */
TEST(verify_tells_of_damaged_pages)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX], uri[64];
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    REQUIRE_OK(akin_catalog_begin(catalog, err));
    for (int i = 0; i < 2000; i++) {
        snprintf(uri, sizeof uri, "/images/number-%d.tif", i);
        struct akin_scene scene = scene_of(uri);
        REQUIRE_OK(akin_catalog_scene_add(catalog, &scene, err));
    }
    REQUIRE_OK(akin_catalog_commit(catalog, err));
    akin_catalog_close(catalog);
    join(path, dir, "collection.sqlite");
    FILE *file = fopen(path, "r+b");
    REQUIRE(file);
    fseek(file, 100 * 1024, SEEK_SET);
    for (int i = 0; i < 4096; i++)
        fputc(0xee, file);
    fclose(file);
    struct faults faults = faults_of(dir);
    CHECK(faults.count > 0);
}

TEST(out_of_memory_leaves_the_scene_as_it_was)
{
    char dir[AKIN_PATH_MAX];
    akin_catalog *catalog = open_new(dir);
    REQUIRE(catalog);
    struct akin_scene scene = scene_of("/a");
    scene.label = BORROWED("l");
    scene.failure = BORROWED("f");
    scene.given_crs = BORROWED("EPSG:4326");
    REQUIRE_OK(akin_catalog_scene_add(catalog, &scene, err));
    size_t used = akin_memory_used();
    for (long n = 0; n <= 4; n++) {
        struct akin_scene out;
        akin_scene_init(&out);
        akin_memory_fail_at(n);
        akin_status status = akin_catalog_scene_get(catalog, 1, &out, NULL);
        akin_memory_fail_at(-1);
        CHECK_EQ(status, n < 4 ? AKIN_ERR_NO_MEMORY : AKIN_OK);
        CHECK((out.uri != NULL) == (n == 4));
        akin_scene_fini(&out);
        CHECK_EQ(akin_memory_used(), used);
    }
    akin_catalog_close(catalog);
}

TEST(state_names)
{
    CHECK_TEXT(akin_scene_state_name(AKIN_SCENE_FOUND), "found");
    CHECK_TEXT(akin_scene_state_name(AKIN_SCENE_DROPPED), "dropped");
    CHECK_TEXT(akin_scene_state_name(AKIN_SCENE_STATE_COUNT), "unknown");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
