/*
 * Damaged files: every byte flipped in turn, every length cut, newer versions, files gone. Never a
 * crash, never silence: what is wrong is named, and the rest is served.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rows.h"

#include <fcntl.h>
#include <sys/stat.h>

struct bytes {
    char path[512];
    unsigned char *data;
    size_t size;
};

static bool slurp(struct bytes *out, const char *folder, const char *name)
{
    struct akin_buffer buffer;
    akin_error why = {0};
    snprintf(out->path, sizeof out->path, "%s/%s", folder, name);
    akin_buffer_init(&buffer, 1 << 24);
    bool good = akin_file_read(&buffer, out->path, &why) == AKIN_OK;
    out->data = malloc(buffer.size + 1);
    out->size = buffer.size;
    if (good && buffer.size)
        memcpy(out->data, buffer.data, buffer.size);
    akin_buffer_fini(&buffer);
    return good;
}

static void spill(const struct bytes *bytes, size_t size)
{
    int fd = open(bytes->path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || write(fd, bytes->data, size) != (ssize_t)size)
        abort();
    close(fd);
}

/* The name in the folder that ends so. */
static bool name_like(char out[300], const char *folder, const char *suffix)
{
    char **names;
    size_t count;
    bool found = false;
    if (akin_dir_list(&names, &count, folder, 1000, NULL) != AKIN_OK)
        return false;
    for (size_t i = 0; i < count && !found; i++)
        if (akin_text_ends_with(names[i], suffix)) {
            snprintf(out, 300, "%s", names[i]);
            found = true;
        }
    akin_names_free(names, count);
    return found;
}

/* Two segments (one with tombstones) and a log: scenes 1, 2 and 3. */
static bool make_index(const char *path, struct rows_model *model)
{
    struct rows_random random = {10, 0};
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 1000);
    bool good = index && rows_add(index, model, 1, 6, &random, NULL) == AKIN_OK &&
                akin_index_flush(index, NULL) == AKIN_OK &&
                rows_add(index, model, 2, 6, &random, NULL) == AKIN_OK &&
                akin_index_remove(index, akin_tile_key(1, 0, 0, 2), akin_tile_key(1, 0, 0, 3), NULL,
                                  NULL) == AKIN_OK &&
                akin_index_flush(index, NULL) == AKIN_OK &&
                rows_add(index, model, 3, 3, &random, NULL) == AKIN_OK &&
                rows_add(index, model, 4, 3, &random, NULL) == AKIN_OK;
    model_remove(model, akin_tile_key(1, 0, 0, 2), akin_tile_key(1, 0, 0, 3));
    akin_index_close(index);
    return good;
}

/* One coded segment, its epoch, and a log. */
static bool make_coded(const char *path, struct rows_model *model)
{
    struct rows_random random = {12, 0};
    akin_index *index = rows_open_coded(path, 1000, 20, false, NULL);
    bool good = index && rows_add(index, model, 1, 40, &random, NULL) == AKIN_OK &&
                akin_index_flush(index, NULL) == AKIN_OK &&
                rows_add(index, model, 2, 3, &random, NULL) == AKIN_OK;
    struct akin_index_stats stats = {0};
    if (index)
        akin_index_stats(index, &stats);
    akin_index_close(index);
    return good && stats.segments_coded == 1;
}

struct serve {
    struct rows_model *model;
    size_t rows, same;
};

static bool serve_check(void *user, const struct akin_columns *columns, const float *vectors,
                        size_t n)
{
    struct serve *serve = user;
    for (size_t i = 0; i < n; i++) {
        const struct rows_row *row = model_find(serve->model, columns[i].key);
        float wide[ROWS_DIM];
        serve->rows++;
        if (!row)
            continue;
        akin_kernels()->f32_from_f16(wide, row->half, ROWS_DIM);
        serve->same += !memcmp(&columns[i], &row->columns, sizeof *columns) &&
                       !memcmp(wide, vectors + i * ROWS_DIM, sizeof wide);
    }
    return true;
}

/* Opens as a reader and asks; *whole says whether everything is served as it was. */
static bool serves(const char *path, struct rows_model *model, bool *whole)
{
    struct akin_index_options options;
    akin_index *index = NULL;
    akin_error why = {0};
    struct akin_hit hits[20];
    size_t count = 0;
    float vector[ROWS_DIM] = {1};
    struct akin_index_query query = {
        .vectors = vector, .count = 1, .k = 20, .threshold = -INFINITY};
    struct serve serve = {.model = model};
    akin_index_options_default(&options);
    *whole = false;
    if (akin_index_open(&index, path, AKIN_OPEN_READ, &options, &why) != AKIN_OK)
        return why.text[0] != 0 && index == NULL;
    bool good = akin_index_search(index, &query, hits, &count, NULL, NULL) == AKIN_OK &&
                akin_index_each(index, serve_check, &serve, NULL) == AKIN_OK;
    for (size_t i = 0; i < model->count; i++) {
        struct akin_columns columns;
        (void)akin_index_get(index, model->rows[i].columns.key, &columns, vector, NULL);
    }
    *whole = serve.rows == model->count && serve.same == model->count;
    akin_index_close(index);
    return good;
}

/* Flips each byte of one file in turn. A flip that verify does not name must not change what is
 * served. */
typedef bool make_fn(const char *path, struct rows_model *model);
static void flip_every_byte(make_fn *make, const char *suffix)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct bytes bytes;
    char name[300];
    REQUIRE(make(path, &model));
    REQUIRE(name_like(name, path, suffix) && slurp(&bytes, path, name));
    CHECK_EQ(rows_verify(path, true), 0);
    size_t crashed = 0, silent = 0, step = ROWS_SLOW ? 7 : 1;
    for (size_t i = 0; i < bytes.size; i += step) {
        bool whole;
        unsigned char flip = (unsigned char)(1u << i % 8);
        bytes.data[i] ^= flip;
        spill(&bytes, bytes.size);
        crashed += !serves(path, &model, &whole);
        uint64_t faults = rows_verify(path, false);
        silent += faults == 0;
        if (faults == 0)
            printf("# byte %zu of %s is flipped in silence (%s)\n", i, name,
                   whole ? "served whole" : "NOT served whole");
        bytes.data[i] ^= flip;
    }
    spill(&bytes, bytes.size);
    CHECK_EQ(crashed, 0);
    CHECK_EQ(silent, 0);
    CHECK_EQ(rows_verify(path, true), 0);
    free(bytes.data);
    model_fini(&model);
}

TEST(each_byte_of_a_segment_flipped)
{
    flip_every_byte(make_index, ".seg");
}

TEST(each_byte_of_a_coded_segment_flipped)
{
    flip_every_byte(make_coded, ".seg");
}

TEST(each_byte_of_an_epoch_flipped)
{
    flip_every_byte(make_coded, ".ep");
}

TEST(each_byte_of_a_log_flipped)
{
    flip_every_byte(make_index, ".wal");
}

TEST(each_byte_of_a_manifest_flipped)
{
    flip_every_byte(make_index, "MANIFEST");
}

TEST(each_byte_of_tombstones_flipped)
{
    flip_every_byte(make_index, ".tomb");
}

/* Cuts one file at every length; then a writer opens it, and what it leaves must be good. */
static void cut_at_every_length(const char *suffix, bool torn_is_fine)
{
    const char *base = check_folder();
    struct rows_model model = {0};
    size_t bad = 0, size = 1;
    for (size_t cut = 0; cut < size; cut += ROWS_SLOW ? 97 : 13) {
        char path[600], name[300];
        struct bytes bytes;
        bool whole;
        snprintf(path, sizeof path, "%s/%zu", base, cut);
        model.count = 0;
        REQUIRE(make_index(path, &model));
        REQUIRE(name_like(name, path, suffix) && slurp(&bytes, path, name));
        size = bytes.size;
        spill(&bytes, cut);
        free(bytes.data);
        bad += !serves(path, &model, &whole) || whole;
        if (!torn_is_fine)
            bad += rows_verify(path, false) == 0;
        struct akin_index_options options;
        akin_index *index = NULL;
        akin_error why = {0};
        akin_index_options_default(&options);
        options.dim = ROWS_DIM;
        if (akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, &why) == AKIN_OK) {
            struct rows_random random = {11, 0};
            struct akin_index_stats stats, after;
            akin_index_stats(index, &stats);
            bad += rows_add(index, NULL, 9, 5, &random, &why) != AKIN_OK;
            bad += akin_index_flush(index, &why) != AKIN_OK;
            akin_index_stats(index, &after);
            bad += after.rows != stats.rows + 5;
            akin_index_close(index);
            bad += !serves(path, &model, &whole);
        } else {
            bad += why.text[0] == 0;
        }
        if (!CHECK_EQ(bad, 0)) {
            printf("# %s cut to %zu bytes\n", name, cut);
            break;
        }
    }
    model_fini(&model);
}

TEST(a_segment_cut_short)
{
    cut_at_every_length(".seg", false);
}

TEST(tombstones_cut_short)
{
    cut_at_every_length(".tomb", false);
}

/* Without its epoch a segment is searched exactly, and the next upkeep makes another. */
TEST(an_epoch_that_is_gone)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct akin_index_stats stats;
    struct bytes bytes;
    char name[300];
    bool whole;
    REQUIRE(make_coded(path, &model));
    REQUIRE(name_like(name, path, ".ep") && slurp(&bytes, path, name));
    REQUIRE(unlink(bytes.path) == 0);
    CHECK(serves(path, &model, &whole) && whole);
    CHECK(rows_verify(path, false) > 0);
    akin_index *index = rows_open_coded(path, 1000, 20, false, NULL);
    REQUIRE(index != NULL);
    akin_index_stats(index, &stats);
    CHECK_EQ(stats.segments_coded, 0);
    REQUIRE_OK(akin_index_settle(index, false, err));
    akin_index_stats(index, &stats);
    CHECK_EQ(stats.segments_coded, stats.segments);
    akin_index_close(index);
    CHECK(serves(path, &model, &whole) && whole);
    CHECK_EQ(rows_verify(path, true), 0);
    free(bytes.data);
    model_fini(&model);
}

TEST(a_log_cut_short)
{
    cut_at_every_length(".wal", true);
}

TEST(a_manifest_cut_short)
{
    cut_at_every_length("MANIFEST", true);
}

/* A flip in the first of two records: the second is not read, but it is told and kept aside. */
TEST(a_damaged_log_is_kept_aside)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct bytes bytes;
    char name[300];
    bool whole;
    REQUIRE(make_index(path, &model));
    REQUIRE(name_like(name, path, ".wal") && slurp(&bytes, path, name));
    bytes.data[200] ^= 1;
    spill(&bytes, bytes.size);
    CHECK(rows_verify(path, false) > 0);
    CHECK(serves(path, &model, &whole) && !whole);
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 0);
    REQUIRE(index != NULL);
    akin_index_close(index);
    struct bytes kept;
    REQUIRE(name_like(name, path, ".damaged") && slurp(&kept, path, name));
    CHECK(kept.size == bytes.size && !memcmp(kept.data, bytes.data, kept.size));
    CHECK_EQ(rows_verify(path, false), 1); /* that file */
    CHECK_EQ(unlink(kept.path), 0);
    CHECK_EQ(rows_verify(path, true), 0);
    free(bytes.data);
    free(kept.data);
    model_fini(&model);
}

/* Where the manifest has lost its end, what it does not name is not deleted. */
TEST(segments_that_a_damaged_manifest_forgot_are_set_aside)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct bytes bytes;
    char name[300];
    REQUIRE(make_index(path, &model));
    REQUIRE(slurp(&bytes, path, "MANIFEST"));
    spill(&bytes, bytes.size - 4);
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 0);
    REQUIRE(index != NULL);
    akin_index_close(index);
    CHECK(name_like(name, path, ".seg.1.lost"));
    CHECK(name_like(name, path, ".wal.1.lost"));
    free(bytes.data);
    model_fini(&model);
}

/* A writer that is killed while it makes the index leaves a folder, or a log without a row. */
TEST(an_index_that_was_never_finished_is_no_fault)
{
    char path[AKIN_PATH_MAX], file[AKIN_PATH_MAX];
    uint64_t faults = 99;
    akin_error why = {0};
    REQUIRE_OK(akin_path_join(path, check_folder(), "index", err));
    CHECK_EQ(akin_index_verify(path, NULL, NULL, &faults, NULL, &why), AKIN_ERR_NOT_FOUND);
    REQUIRE_OK(akin_dir_create(path, err));
    REQUIRE_OK(akin_index_verify(path, NULL, NULL, &faults, NULL, err));
    CHECK_EQ(faults, 0);
    REQUIRE_OK(akin_path_join(file, path, "segment-1.seg", err));
    REQUIRE_OK(akin_file_write_atomic(file, "rows", 4, err));
    REQUIRE_OK(akin_index_verify(path, NULL, NULL, &faults, NULL, err));
    CHECK_EQ(faults, 1);
}

TEST(a_lost_manifest_is_not_begun_anew)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct akin_index_options options;
    akin_index *index = NULL;
    akin_error why = {0};
    char file[512];
    REQUIRE(make_index(path, &model));
    snprintf(file, sizeof file, "%s/MANIFEST", path);
    CHECK_EQ(unlink(file), 0);
    akin_index_options_default(&options);
    options.dim = ROWS_DIM;
    CHECK_EQ(akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, &why), AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(why.text, "MANIFEST is missing");
    model_fini(&model);
}

TEST(a_segment_that_is_gone_is_told_and_the_rest_served)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct akin_index_stats stats;
    char file[512];
    REQUIRE(make_index(path, &model));
    snprintf(file, sizeof file, "%s/segment-1.seg", path);
    REQUIRE(unlink(file) == 0);
    akin_index *index = rows_open(path, AKIN_OPEN_READ, 0);
    REQUIRE(index != NULL);
    akin_index_stats(index, &stats);
    CHECK_EQ(stats.segments_damaged, 1);
    CHECK_EQ(stats.segments, 1);
    CHECK_EQ(stats.rows, 12);
    akin_index_close(index);
    CHECK(rows_verify(path, false) > 0);
    model_fini(&model);
}

/* ---- repair ---- */

static bool each_is_the_models(void *user, const struct akin_columns *columns, const float *vectors,
                               size_t n)
{
    struct serve *serve = user;
    size_t same = serve->same;
    serve_check(user, columns, vectors, n);
    return serve->same == same + n;
}

/* Damages one byte of every `step` in turn and repairs: no fault is left, no row is other than it was, and as
 * many are gone as the report says. */
static void repair_each(make_fn *make, const char *suffix, size_t step)
{
    const char *base = check_folder();
    size_t bad = 0, size = 1;
    for (size_t at = 5; at < size && !bad; at += ROWS_SLOW ? 20 * step : step) {
        struct rows_model model = {0};
        struct bytes bytes;
        struct akin_index_repair report = {0};
        akin_error why = {0};
        char path[600], name[300];
        snprintf(path, sizeof path, "%s/%zu", base, at);
        REQUIRE(make(path, &model));
        REQUIRE(name_like(name, path, suffix) && slurp(&bytes, path, name));
        size = bytes.size;
        bytes.data[at] ^= 16;
        spill(&bytes, bytes.size);
        bad += akin_index_repair(path, NULL, NULL, &report, NULL, &why) != AKIN_OK;
        bad += rows_verify(path, true) != 0;
        akin_index *index = rows_open(path, AKIN_OPEN_READ, 0);
        struct serve serve = {.model = &model};
        bad += !index || akin_index_each(index, each_is_the_models, &serve, NULL) != AKIN_OK;
        bad += serve.rows != serve.same || serve.rows + report.rows_lost != model.count;
        akin_index_close(index);
        if (!CHECK_EQ(bad, 0))
            printf("# byte %zu of %s: %s; %zu rows of %zu, %llu lost\n", at, name, why.text,
                   serve.rows, model.count, (unsigned long long)report.rows_lost);
        free(bytes.data);
        model_fini(&model);
    }
}

TEST(damaged_segments_are_repaired)
{
    repair_each(make_index, ".seg", 41);
}

TEST(damaged_codes_are_repaired)
{
    repair_each(make_coded, ".seg", 211);
}

TEST(damaged_epochs_are_repaired)
{
    repair_each(make_coded, ".ep", 211);
}

TEST(damaged_tombstones_are_repaired)
{
    repair_each(make_index, ".tomb", 3);
}

/* Of a large segment only the rows go whose bytes are wrong. */
TEST(rows_beside_the_damage_are_kept)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct rows_random random = {13, 0};
    struct akin_index_repair report;
    struct akin_index_stats stats;
    struct bytes bytes;
    char name[300];
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 100000);
    REQUIRE(index != NULL);
    for (uint32_t scene = 1; scene <= 10; scene++)
        REQUIRE_OK(rows_add(index, &model, scene, 1000, &random, err));
    REQUIRE_OK(akin_index_flush(index, err));
    akin_index_close(index);
    REQUIRE(name_like(name, path, ".seg") && slurp(&bytes, path, name));
    bytes.data[4096 + 10000 * 88 + 100000] ^= 1; /* in a zone or in a vector */
    bytes.data[4096 + 100] ^= 1;                 /* in the columns */
    spill(&bytes, bytes.size);
    REQUIRE_OK(akin_index_repair(path, NULL, NULL, &report, NULL, err));
    CHECK_EQ(report.segments_rebuilt, 1);
    CHECK(report.rows_lost > 700 && report.rows_lost < 3000);
    CHECK_EQ(rows_verify(path, true), 0);
    index = rows_open(path, AKIN_OPEN_READ, 0);
    REQUIRE(index != NULL);
    akin_index_stats(index, &stats);
    CHECK_EQ(stats.rows + report.rows_lost, 10000);
    akin_index_close(index);
    REQUIRE_OK(akin_index_repair(path, NULL, NULL, &report, NULL, err));
    CHECK_EQ(report.segments_rebuilt, 0);
    free(bytes.data);
    model_fini(&model);
}

/* ---- versions ---- */

/* A newer format in the first 16 bytes, with a right checksum, is refused by name. */
static void newer_version(const char *suffix)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct bytes bytes;
    struct akin_index_options options;
    akin_index *index = NULL;
    akin_error why = {0};
    char name[300];
    uint32_t version = 2, crc;
    REQUIRE(make_index(path, &model));
    REQUIRE(name_like(name, path, suffix) && slurp(&bytes, path, name));
    memcpy(bytes.data + 8, &version, 4);
    crc = akin_crc32c(0, bytes.data, 12);
    memcpy(bytes.data + 12, &crc, 4);
    spill(&bytes, bytes.size);
    akin_index_options_default(&options);
    CHECK_EQ(akin_index_open(&index, path, AKIN_OPEN_READ, &options, &why), AKIN_ERR_VERSION);
    CHECK_CONTAINS(why.text, "newer akin");
    CHECK_EQ(akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, &why), AKIN_ERR_VERSION);
    free(bytes.data);
    model_fini(&model);
}

TEST(a_newer_segment)
{
    newer_version(".seg");
}

TEST(a_newer_log)
{
    newer_version(".wal");
}

TEST(a_newer_manifest)
{
    newer_version("MANIFEST");
}

TEST(newer_tombstones)
{
    newer_version(".tomb");
}

TEST(files_of_others_are_named_and_left)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct bytes note = {.data = (unsigned char *)"hello", .size = 5};
    REQUIRE(make_index(path, &model));
    snprintf(note.path, sizeof note.path, "%s/notes.txt", path);
    spill(&note, note.size);
    CHECK_EQ(rows_verify(path, false), 1);
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 0);
    akin_index_close(index);
    CHECK_EQ(access(note.path, F_OK), 0);
    model_fini(&model);
}

int main(int argc, char **argv)
{
    return rows_main(argc, argv);
}
