/*
 * Opening a source: what kind of thing the name stands for, which of the two ways in it takes, and
 * where the image lies if neither the file nor a world file says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source_private.h"

void akin_source_options_default(struct akin_source_options *out)
{
    *out = (struct akin_source_options){
        .bbox = {NAN, NAN, NAN, NAN},
        .time = akin_interval_unknown(),
        .pixels_max = (uint64_t)1 << 40,
    };
}

void akin_source_close(akin_source *source)
{
    if (!source)
        return;
    if (source->ops)
        source->ops->close(source);
    place_free(source->place);
    akin_free(source->name);
    akin_free(source);
}

const struct akin_source_info *akin_source_info(const akin_source *source)
{
    return &source->info;
}

/* ---- files beside the image that GDAL would use ---- */

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Whether NAME with `ending` in place of its extension (from `stem` on) is there. */
static bool has_sibling(const char *path, size_t stem, const char *ending)
{
    char name[AKIN_PATH_MAX + 16];
    snprintf(name, sizeof name, "%.*s%s", (int)stem, path, ending);
    return access(name, F_OK) == 0;
}

/* A mask, georeference or statistics beside a picture: then GDAL opens it. World files are .wld, or
 * the extension's first and last letter and w (.jgw), or all of it and w (.jpgw), in its own
 * case. */
static bool has_side_files(const char *path)
{
    const size_t length = strlen(path);
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    if (length >= AKIN_PATH_MAX || has_sibling(path, length, ".aux.xml") ||
        has_sibling(path, length, ".msk"))
        return true;
    if (!dot || (slash && dot < slash))
        return has_sibling(path, length, ".wld");
    const size_t stem = (size_t)(dot - path), letters = length - stem - 1;
    const bool upper = letters > 0 && dot[letters] >= 'A' && dot[letters] <= 'Z';
    char shorter[5], longer[16];
    if (has_sibling(path, stem, upper ? ".WLD" : ".wld"))
        return true;
    if (letters < 2 || letters > 8)
        return false;
    snprintf(shorter, sizeof shorter, ".%c%c%c", dot[1], dot[letters], upper ? 'W' : 'w');
    snprintf(longer, sizeof longer, "%s%c", dot, upper ? 'W' : 'w');
    return has_sibling(path, stem, shorter) || has_sibling(path, stem, longer);
}

/* ---- files ---- */

/* Reads the file if it begins like a JPEG; `out` stays empty otherwise. */
static akin_status load_picture(int fd, const char *path, size_t size, struct akin_buffer *out,
                                akin_error *err)
{
    uint8_t magic[3];
    const ssize_t got = pread(fd, magic, sizeof magic, 0);
    if (got < 0)
        return akin_error_errno(err, errno, "cannot read '%s'", path);
    if (!picture_is_jpeg(magic, (size_t)got) || size > PICTURE_BYTES_MAX || has_side_files(path))
        return AKIN_OK;
    akin_status status = akin_buffer_reserve(out, size, err);
    if (status != AKIN_OK)
        return status;
    status = akin_file_read_at(fd, out->data, size, 0, path, err);
    if (status == AKIN_OK)
        out->size = size;
    return status;
}

/* Takes the fast path if it can; *taken says so. A folder is left to GDAL: some products are
 * folders. */
static akin_status open_picture_file(akin_source *source, const char *path,
                                     const struct akin_source_options *options, bool *taken,
                                     akin_error *err)
{
    *taken = false;
    struct stat stat;
    /* O_NONBLOCK: a FIFO must not hold us up; it is refused below. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return akin_error_errno(err, errno, "cannot open '%s'", path);
    struct akin_buffer bytes;
    akin_buffer_init(&bytes, PICTURE_BYTES_MAX + 1);
    akin_status status = AKIN_OK;
    if (fstat(fd, &stat) != 0)
        status = akin_error_errno(err, errno, "cannot open '%s'", path);
    else if (S_ISREG(stat.st_mode) && stat.st_size == 0)
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' is empty (0 bytes)", path);
    else if (S_ISREG(stat.st_mode))
        status = load_picture(fd, path, (size_t)stat.st_size, &bytes, err);
    else if (!S_ISDIR(stat.st_mode))
        status = akin_error_set(err, AKIN_ERR_UNSUPPORTED, "'%s' is not a regular file", path);
    close(fd);
    if (status == AKIN_OK && bytes.size)
        status = picture_open(source, &bytes, bytes.data, bytes.size, options, taken, err);
    akin_buffer_fini(&bytes);
    return status;
}

/* ---- both ---- */

static akin_status check_options(const struct akin_source_options *options, akin_error *err)
{
    if (options->pixels_max == 0)
        return akin_error_set(err, AKIN_ERR_INVALID, "a limit of 0 pixels lets no image in");
    return AKIN_OK;
}

/* The last steps, alike for all: --bbox where the file has no georeference, and the image's own
 * bbox. */
static akin_status finish_open(akin_source *source, const struct akin_source_options *options,
                               akin_error *err)
{
    struct akin_source_info *info = &source->info;
    if (!source->place) {
        const akin_status status =
            place_from_options(&source->place, options, info->width, info->height, err);
        if (status != AKIN_OK)
            return status;
    }
    info->bbox = akin_bbox_unknown();
    if (source->place)
        info->bbox = place_bbox(source->place, info->width, info->height);
    info->has_place = akin_bbox_known(info->bbox);
    if (!info->has_place) {
        place_free(source->place);
        source->place = NULL;
        info->place_from_file = false;
    }
    source->ops->set_level(source, UINT32_MAX);
    return AKIN_OK;
}

/* `bytes` NULL: `name` is a file or an address. */
static akin_status open_source(akin_source **out, const char *name, const void *bytes, size_t size,
                               const struct akin_source_options *options, akin_error *err)
{
    *out = NULL;
    struct akin_source_options defaults;
    akin_source_options_default(&defaults);
    if (!options)
        options = &defaults;
    akin_status status = check_options(options, err);
    if (status != AKIN_OK)
        return status;
    akin_source *source = akin_alloc_zero(1, sizeof *source);
    if (!source || !(source->name = akin_strdup(name))) {
        akin_free(source);
        return akin_error_memory(err, sizeof *source, "a source");
    }
    bool taken = false;
    if (bytes && picture_is_jpeg(bytes, size))
        status = picture_open(source, NULL, bytes, size, options, &taken, err);
    else if (!bytes && (name[0] == '/' || exists(name)) && strncmp(name, "/vsi", 4) != 0)
        status = open_picture_file(source, name, options, &taken, err);
    if (status == AKIN_OK && !taken)
        status = gdal_open(source, name, bytes, size, options, err);
    if (status == AKIN_OK)
        status = finish_open(source, options, err);
    if (status == AKIN_OK)
        *out = source;
    else
        akin_source_close(source);
    return status;
}

akin_status akin_source_open(akin_source **out, const char *uri,
                             const struct akin_source_options *options, akin_error *err)
{
    if (!uri[0]) {
        *out = NULL;
        return akin_error_set(err, AKIN_ERR_INVALID, "no file named");
    }
    return open_source(out, uri, NULL, 0, options, err);
}

akin_status akin_source_open_memory(akin_source **out, const void *bytes, size_t size,
                                    const char *name, const struct akin_source_options *options,
                                    akin_error *err)
{
    *out = NULL;
    if (!name || !name[0])
        name = "the image";
    if (!bytes || !size)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' is empty (0 bytes)", name);
    return open_source(out, name, bytes, size, options, err);
}
