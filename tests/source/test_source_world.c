/*
 * Every file of shared/data: found, opened, one window read, its corners placed. Each either works
 * or says clearly why not, and the files that must work or fail are named.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "../check.h"
#include "akin/source.h"

/* The path below shared/data. */
static bool is_file(const struct akin_source_item *item, const char *tail)
{
    const size_t uri = strlen(item->uri), end = strlen(tail);
    return uri >= end && strcmp(item->uri + uri - end, tail) == 0;
}

static bool fails_by_design(const struct akin_source_item *item)
{
    return is_file(item, "/rasterio/corrupt.tif");
}

/* Opens, reads the middle and asks for the corners; false with err where any of it fails. */
static bool try_item(const struct akin_source_item *item, akin_error *err)
{
    akin_source *source;
    if (akin_source_open(&source, item->uri, NULL, err) != AKIN_OK)
        return false;
    const struct akin_source_info *info = akin_source_info(source);
    uint32_t bands[AKIN_BANDS_MAX];
    for (uint32_t b = 0; b < info->bands; b++)
        bands[b] = b;
    const uint32_t width = info->width < 64 ? info->width : 64;
    const uint32_t height = info->height < 64 ? info->height : 64;
    const struct akin_window window = {(info->width - width) / 2, (info->height - height) / 2,
                                       width, height};
    struct akin_raster raster;
    const bool read = akin_source_read(source, window, bands, info->bands, &raster, err) == AKIN_OK;
    if (read) {
        CHECK_EQ(raster.width, width);
        CHECK_EQ(raster.height, height);
        CHECK_EQ(raster.bands, info->bands);
        CHECK_EQ(raster.dtype, info->dtype);
        CHECK(raster.valid == NULL || memchr(raster.valid, 0, (size_t)width * height) != NULL);
        akin_raster_fini(&raster);
    }
    const double x[2] = {0, info->width}, y[2] = {0, info->height};
    double lon[2], lat[2];
    akin_error none = {0};
    const akin_status placed = akin_source_lonlat(source, 2, x, y, lon, lat, &none);
    CHECK_EQ(placed, info->has_place ? AKIN_OK : AKIN_ERR_UNSUPPORTED);
    for (int i = 0; placed == AKIN_OK && i < 2; i++)
        CHECK(isnan(lon[i]) || (lon[i] >= -180 && lon[i] <= 180 && fabs(lat[i]) <= 90));
    akin_source_close(source);
    return read;
}

TEST(every_file_of_shared_data_opens_or_says_why)
{
    const char *data = check_shared_data();
    if (!data) {
        check_skip("shared data absent");
        return;
    }
    struct akin_source_list list;
    REQUIRE_OK(akin_source_find(&list, &data, 1, NULL, err));
    size_t failed = 0;
    for (size_t i = 0; i < list.count; i++) {
        akin_error err = {0};
        if (try_item(&list.items[i], &err)) {
            CHECK(!fails_by_design(&list.items[i]));
            continue;
        }
        failed++;
        if (!fails_by_design(&list.items[i]))
            check_text(err.text, "", __FILE__, __LINE__, list.items[i].uri);
        CHECK_CONTAINS(err.text, list.items[i].uri);
    }
    CHECK_EQ(failed, 1);
    CHECK_EQ(list.skipped_count, 0);
    CHECK(list.count > 3000);
    akin_source_list_free(&list);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
