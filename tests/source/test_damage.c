/*
 * Files that are not what they should be: cut off at every length, mislabelled, empty, absurdly
 * large, hostile. Each is a clear error or gives the right pixels; and nothing is ever written
 * beside them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "make_raster.h"

#include <sys/stat.h>

/* The whole file, freed by akin_buffer_fini. */
static void load(struct akin_buffer *out, const char *path)
{
    akin_buffer_init(out, 1 << 24);
    CHECK(akin_file_read(out, path, NULL) == AKIN_OK);
}

static akin_status read_bytes(const void *bytes, size_t size, const char *name,
                              const struct akin_source_options *options, struct akin_raster *out,
                              akin_error *err)
{
    akin_source *source;
    uint32_t bands[AKIN_BANDS_MAX];
    *out = (struct akin_raster){0};
    akin_status status = akin_source_open_memory(&source, bytes, size, name, options, err);
    if (status != AKIN_OK)
        return status;
    const struct akin_source_info *info = akin_source_info(source);
    for (uint32_t b = 0; b < info->bands; b++)
        bands[b] = b;
    status = akin_source_read(source, (struct akin_window){0, 0, info->width, info->height}, bands,
                              info->bands, out, err);
    akin_source_close(source);
    return status;
}

static bool same_raster(const struct akin_raster *a, const struct akin_raster *b)
{
    const size_t pixels = (size_t)a->width * a->height;
    return a->width == b->width && a->height == b->height && a->bands == b->bands &&
           a->dtype == b->dtype && !a->valid == !b->valid &&
           memcmp(a->pixels, b->pixels, pixels * a->bands * akin_dtype_size(a->dtype)) == 0;
}

/* Every prefix of the file; at least `whole_from` bytes short of the end it must fail. */
static void try_prefixes(const char *path, const char *name, size_t tail)
{
    struct akin_buffer file;
    struct akin_raster right, got;
    load(&file, path);
    REQUIRE_OK(read_bytes(file.data, file.size, name, NULL, &right, err));
    size_t worked = 0;
    for (size_t size = 0; size < file.size; size++) {
        /* A copy of its own, so that a byte read past the end is seen. */
        char *prefix = malloc(size + !size);
        memcpy(prefix, file.data, size);
        akin_error err = {0};
        const akin_status status = read_bytes(prefix, size, name, NULL, &got, &err);
        if (status == AKIN_OK) {
            worked++;
            CHECK(same_raster(&got, &right));
            CHECK(size + tail >= file.size);
        } else {
            CHECK_CONTAINS(err.text, name);
        }
        akin_raster_fini(&got);
        free(prefix);
    }
    CHECK(worked <= tail);
    akin_raster_fini(&right);
    akin_buffer_fini(&file);
}

TEST(a_prefix_of_a_jpeg_is_an_error_or_the_same_picture)
{
    char path[AKIN_PATH_MAX];
    in_folder(path, check_folder(), "a.jpg");
    CHECK(save_as(make_memory(24, 20, 3, GDT_Byte), "JPEG", path, NULL));
    try_prefixes(path, "a.jpg", 2);
    in_folder(path, check_folder(), "b.jpg");
    CHECK(save_as(make_memory(24, 20, 1, GDT_Byte), "JPEG", path, "PROGRESSIVE=YES"));
    try_prefixes(path, "b.jpg", 2);
}

TEST(a_prefix_of_a_png_is_an_error_or_the_same_picture)
{
    char path[AKIN_PATH_MAX];
    in_folder(path, check_folder(), "a.png");
    CHECK(save_as(make_memory(24, 20, 3, GDT_Byte), "PNG", path, NULL));
    try_prefixes(path, "a.png", 20);
}

TEST(a_prefix_of_a_tiff_is_an_error_or_the_same_picture)
{
    char path[AKIN_PATH_MAX];
    in_folder(path, check_folder(), "a.tif");
    CHECK(save_as(make_memory(24, 20, 2, GDT_UInt16), "GTiff", path, "COMPRESS=DEFLATE"));
    try_prefixes(path, "a.tif", 8);
    in_folder(path, check_folder(), "b.tif");
    CHECK(save_as(make_memory(24, 20, 3, GDT_Byte), "GTiff", path, "COMPRESS=JPEG"));
    try_prefixes(path, "b.tif", 8);
}

/* One wrong byte anywhere: never a crash; what it does to the picture is the format's affair. */
TEST(any_wrong_byte_is_survived)
{
    static const char *const files[][2] = {{"JPEG", "c.jpg"}, {"PNG", "c.png"}, {"GTiff", "c.tif"}};
    for (size_t f = 0; f < 3; f++) {
        char path[AKIN_PATH_MAX];
        struct akin_buffer file;
        struct akin_raster got;
        struct akin_source_options options;
        akin_source_options_default(&options);
        options.pixels_max = 1 << 20;
        in_folder(path, check_folder(), files[f][1]);
        CHECK(save_as(make_memory(12, 9, 1, GDT_Byte), files[f][0], path, NULL));
        load(&file, path);
        size_t worked = 0;
        for (size_t i = 0; i < file.size; i++) {
            const char was = file.data[i];
            file.data[i] = (char)(was ^ 0x5a);
            worked +=
                read_bytes(file.data, file.size, files[f][1], &options, &got, NULL) == AKIN_OK;
            akin_raster_fini(&got);
            file.data[i] = was;
        }
        CHECK(worked < file.size);
        akin_buffer_fini(&file);
    }
}

TEST(the_bytes_decide_not_the_name)
{
    char path[AKIN_PATH_MAX];
    struct akin_source_info info;
    struct akin_raster raster;
    in_folder(path, check_folder(), "really_png.jpg");
    CHECK(save_as(make_memory(9, 7, 3, GDT_Byte), "PNG", path, NULL));
    REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
    CHECK_TEXT(info.driver, "PNG");
    akin_raster_fini(&raster);
    in_folder(path, check_folder(), "really_jpeg.png");
    CHECK(save_as(make_memory(9, 7, 3, GDT_Byte), "JPEG", path, NULL));
    REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
    CHECK_TEXT(info.driver, "libjpeg-turbo");
    CHECK(info.whole_jpeg);
    akin_raster_fini(&raster);
}

static void expect_failure(const char *path, akin_status expected, const char *part)
{
    struct akin_source_info info;
    struct akin_raster raster;
    akin_error err = {0};
    CHECK_EQ(read_whole(path, NULL, &info, &raster, &err), expected);
    CHECK_CONTAINS(err.text, part);
    akin_raster_fini(&raster);
}

TEST(what_is_no_image_says_so)
{
    char path[AKIN_PATH_MAX];
    in_folder(path, check_folder(), "text.tif");
    REQUIRE_OK(akin_file_write_atomic(path, "just text\n", 10, err));
    expect_failure(path, AKIN_ERR_UNSUPPORTED, "text.tif");
    in_folder(path, check_folder(), "empty.jpg");
    REQUIRE_OK(akin_file_write_atomic(path, "", 0, err));
    expect_failure(path, AKIN_ERR_CORRUPT, "empty (0 bytes)");
    in_folder(path, check_folder(), "fifo.tif");
    CHECK(mkfifo(path, 0666) == 0);
    expect_failure(path, AKIN_ERR_UNSUPPORTED, "not a regular file");
    expect_failure("/nowhere/at.tif", AKIN_ERR_NOT_FOUND, "/nowhere/at.tif");
    in_folder(path, check_folder(), "a\nb.tif");
    REQUIRE_OK(akin_file_write_atomic(path, "x", 1, err));
    expect_failure(path, AKIN_ERR_UNSUPPORTED, "a\\x0ab.tif");
}

TEST(too_many_pixels_are_refused_from_the_header)
{
    static const char *const drivers[][2] = {
        {"JPEG", "l.jpg"}, {"PNG", "l.png"}, {"GTiff", "l.tif"}};
    struct akin_source_options options;
    akin_source_options_default(&options);
    options.pixels_max = 99;
    for (size_t i = 0; i < 3; i++) {
        char path[AKIN_PATH_MAX];
        akin_source *source;
        akin_error err = {0};
        in_folder(path, check_folder(), drivers[i][1]);
        CHECK(save_as(make_memory(10, 10, 1, GDT_Byte), drivers[i][0], path, NULL));
        CHECK_EQ(akin_source_open(&source, path, &options, &err), AKIN_ERR_LIMIT);
        CHECK(source == NULL);
        CHECK_CONTAINS(err.text, "10 x 10");
        CHECK_CONTAINS(err.text, "99");
    }
}

/* One tile of 36864 x 36864 bytes: 200 bytes on disk, 1.3 GB to read. */
TEST(a_block_too_large_to_decode_is_refused)
{
    static const char *const options[] = {"TILED=YES",
                                          "BLOCKXSIZE=36864",
                                          "BLOCKYSIZE=36864",
                                          "COMPRESS=DEFLATE",
                                          "SPARSE_OK=TRUE",
                                          "BIGTIFF=YES",
                                          NULL};
    char path[AKIN_PATH_MAX];
    akin_source *source;
    akin_error err = {0};
    in_folder(path, check_folder(), "block.tif");
    GDALAllRegister();
    GDALDatasetH dataset = GDALCreate(GDALGetDriverByName("GTiff"), path, 40000, 40000, 1, GDT_Byte,
                                      (char **)(uintptr_t)options);
    REQUIRE(dataset);
    GDALClose(dataset);
    CHECK_EQ(akin_source_open(&source, path, NULL, &err), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(err.text, "TILED=YES");
}

TEST(uploads_open_only_common_images)
{
    static const char vrt[] =
        "<VRTDataset rasterXSize=\"1\" rasterYSize=\"1\"><VRTRasterBand "
        "dataType=\"Byte\" band=\"1\"><SimpleSource><SourceFilename>/etc/passwd"
        "</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>";
    struct akin_source_options options;
    struct akin_raster raster;
    akin_error why = {0};
    akin_source_options_default(&options);
    options.uploads = true;
    CHECK_EQ(read_bytes(vrt, sizeof vrt - 1, "x.vrt", &options, &raster, &why),
             AKIN_ERR_UNSUPPORTED);
    CHECK_EQ(read_bytes("P5 1 1 255 x", 12, "x.pgm", &options, &raster, &why),
             AKIN_ERR_UNSUPPORTED);
    CHECK_EQ(read_bytes(NULL, 0, NULL, &options, &raster, &why), AKIN_ERR_CORRUPT);
    char path[AKIN_PATH_MAX];
    struct akin_buffer file;
    in_folder(path, check_folder(), "good.png");
    CHECK(save_as(make_memory(5, 5, 3, GDT_Byte), "PNG", path, NULL));
    load(&file, path);
    REQUIRE_OK(read_bytes(file.data, file.size, "good.png", &options, &raster, err));
    akin_raster_fini(&raster);
    akin_buffer_fini(&file);
}

/* Everything that we can ask of an image, also of one with an .aux.xml, leaves its folder as it
 * was. */
TEST(nothing_is_written_beside_the_images)
{
    static const char *const files[][2] = {{"PNG", "n.png"}, {"GTiff", "n.tif"}, {"JPEG", "n.jpg"}};
    static const char aux[] = "<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>10,1,0,50,0,-1"
                              "</GeoTransform></PAMDataset>";
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX];
    in_folder(path, folder, "n.png.aux.xml");
    for (size_t i = 0; i < 3; i++) {
        in_folder(path, folder, files[i][1]);
        CHECK(save_as(make_memory(16, 16, 1, GDT_Byte), files[i][0], path, NULL));
    }
    in_folder(path, folder, "n.png.aux.xml");
    REQUIRE_OK(akin_file_write_atomic(path, aux, sizeof aux - 1, err));
    for (size_t i = 0; i < 3; i++) {
        akin_source *source;
        const uint32_t band = 0;
        double low, high;
        in_folder(path, folder, files[i][1]);
        REQUIRE_OK(akin_source_open(&source, path, NULL, err));
        CHECK_EQ(akin_source_info(source)->has_place, i == 0);
        REQUIRE_OK(akin_source_percentiles(source, &band, 1, &low, &high, err));
        akin_source_close(source);
    }
    char **names;
    size_t count;
    REQUIRE_OK(akin_dir_list(&names, &count, folder, 100, err));
    CHECK_EQ(count, 4);
    akin_names_free(names, count);
    struct akin_buffer after;
    in_folder(path, folder, "n.png.aux.xml");
    load(&after, path);
    CHECK_TEXT(after.data, aux);
    akin_buffer_fini(&after);
}

TEST(each_failed_allocation_is_out_of_memory_and_leaks_nothing)
{
    static const char *const files[][2] = {{"JPEG", "m.jpg"}, {"GTiff", "m.tif"}};
    for (size_t i = 0; i < 2; i++) {
        char path[AKIN_PATH_MAX];
        struct akin_source_info info;
        struct akin_raster raster;
        akin_error err = {0};
        in_folder(path, check_folder(), files[i][1]);
        CHECK(save_as(make_memory(16, 16, 3, GDT_Byte), files[i][0], path, NULL));
        const size_t before = akin_memory_used();
        akin_status status = AKIN_ERR_NO_MEMORY;
        for (long n = 0; n < 200 && status != AKIN_OK; n++) {
            akin_memory_fail_at(n);
            status = read_whole(path, NULL, &info, &raster, &err);
            akin_memory_fail_at(-1);
            CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
            akin_raster_fini(&raster);
            CHECK_EQ(akin_memory_used(), before);
        }
        CHECK_EQ(status, AKIN_OK);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
