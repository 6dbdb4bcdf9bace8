/*
 * Walking folders and looking into containers. Each real folder is walked once (device and inode),
 * so that loops of symbolic links end; what cannot be looked into is noted and stops nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "find.h"
#include "gdal_api.h"

#define DEPTH_MAX 256 /* folders within folders */
#define FOLDER_NAMES_MAX ((size_t)1 << 24)
#define MEMBERS_MAX ((int)1 << 20) /* files in a zip */
#define SUBDATASETS_MAX 65536

struct seen_folder {
    dev_t device;
    ino_t inode;
    bool used;
};

void finder_fini(struct finder *finder)
{
    akin_source_list_free(&finder->list);
    akin_free(finder->seen);
}

/* ---- folders seen ---- */

static struct seen_folder *seen_slot(struct seen_folder *table, size_t capacity, dev_t device,
                                     ino_t inode)
{
    size_t at =
        (size_t)(((uint64_t)inode * 0x9E3779B97F4A7C15u) ^ (uint64_t)device) & (capacity - 1);
    while (table[at].used && (table[at].device != device || table[at].inode != inode))
        at = (at + 1) & (capacity - 1);
    return &table[at];
}

static akin_status seen_grow(struct finder *finder, akin_error *err)
{
    const size_t capacity = finder->seen_capacity ? finder->seen_capacity * 2 : 256;
    struct seen_folder *table = akin_alloc_zero(capacity, sizeof *table);
    if (!table)
        return akin_error_memory(err, capacity * sizeof *table, "the list of folders");
    for (size_t i = 0; i < finder->seen_capacity; i++)
        if (finder->seen[i].used)
            *seen_slot(table, capacity, finder->seen[i].device, finder->seen[i].inode) =
                finder->seen[i];
    akin_free(finder->seen);
    finder->seen = table;
    finder->seen_capacity = capacity;
    return AKIN_OK;
}

/* *first says whether this folder has not been walked before. */
static akin_status see(struct finder *finder, const struct stat *stat, bool *first, akin_error *err)
{
    if (finder->seen_count * 2 >= finder->seen_capacity) {
        const akin_status status = seen_grow(finder, err);
        if (status != AKIN_OK)
            return status;
    }
    struct seen_folder *slot =
        seen_slot(finder->seen, finder->seen_capacity, stat->st_dev, stat->st_ino);
    *first = !slot->used;
    finder->seen_count += *first;
    *slot = (struct seen_folder){stat->st_dev, stat->st_ino, true};
    return AKIN_OK;
}

/* ---- containers ---- */

/* The extension in lower case, without the dot; "" for none or a long one. */
static void extension_of(char out[16], const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    out[0] = '\0';
    if (!dot || (slash && dot < slash) || strlen(dot + 1) >= 16)
        return;
    size_t i = 0;
    for (; dot[1 + i]; i++)
        out[i] = (char)tolower((unsigned char)dot[1 + i]);
    out[i] = '\0';
}

static bool is_one_of(const char *extension, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(extension, list[i]) == 0)
            return true;
    return false;
}

/* The file system of GDAL's that looks into this kind of archive, or NULL. */
static const char *archive_prefix(const char *extension)
{
    return strcmp(extension, "zip") == 0   ? "/vsizip/"
           : strcmp(extension, "tar") == 0 ? "/vsitar/"
                                           : NULL;
}

/* Formats in which one file may hold several rasters; only these are opened while finding. */
static bool is_container(const char *extension)
{
    static const char *const list[] = {"nc",  "nc4",  "cdf",  "h4",  "h5",
                                       "hdf", "hdf4", "hdf5", "he4", "he5"};
    return is_one_of(extension, list, sizeof list / sizeof *list);
}

/* The first folder of `path`, in `out`; NULL where it has none or one too long. */
static const char *first_folder(char out[256], const char *path)
{
    const char *slash = strchr(path, '/');
    const size_t length = slash ? (size_t)(slash - path) : 0;
    if (!length || length >= 256)
        return NULL;
    memcpy(out, path, length);
    out[length] = '\0';
    return out;
}

/* One member of an archive, where it is an image. */
static akin_status add_member(struct finder *finder, const char *root, const char *member,
                              const char *label, const struct stat *stat, size_t *added,
                              akin_error *err)
{
    char extension[16], folder[256], uri[AKIN_PATH_MAX];
    const char *slash = strrchr(member, '/');
    bool known = false;
    extension_of(extension, member);
    const akin_status status = gdal_knows_extension(extension, &known, err);
    if (status != AKIN_OK || !known || (slash ? slash + 1 : member)[0] == '.')
        return status;
    if (snprintf(uri, sizeof uri, "%s/%s", root, member) >= (int)sizeof uri)
        return finder_skip(finder, root, "a name inside is too long", err);
    *added += 1;
    return finder_add(finder, uri, label ? label : first_folder(folder, member), stat, err);
}

/* Adds the rasters among the members of `root`, a folder of GDAL's, `label` for those at its top;
 * *added is how many. */
static akin_status add_members(struct finder *finder, const char *root, const char *label,
                               const struct stat *stat, size_t *added, akin_error *err)
{
    struct gdal_talk talk;
    akin_status status = gdal_load(err);
    *added = 0;
    if (status != AKIN_OK)
        return status;
    gdal_listen(&talk);
    char **members = gdal.VSIReadDirRecursive(root);
    gdal_hush();
    const int count = gdal.CSLCount(members);
    if (count > MEMBERS_MAX)
        status = finder_skip(finder, root, "too many files inside", err);
    for (int i = 0; status == AKIN_OK && count <= MEMBERS_MAX && i < count; i++)
        status = add_member(finder, root, members[i], label, stat, added, err);
    gdal.CSLDestroy(members);
    return status;
}

static akin_status add_archive(struct finder *finder, const char *prefix, const char *path,
                               const char *label, const struct stat *stat, bool named,
                               akin_error *err)
{
    char root[AKIN_PATH_MAX + 16];
    snprintf(root, sizeof root, "%s%s", prefix, path);
    size_t added = 0;
    const akin_status status = add_members(finder, root, label, stat, &added, err);
    if (status == AKIN_OK && named && !added)
        return finder_skip(finder, path, "no image in the archive, or damaged", err);
    return status;
}

/* One item for each raster inside, or the file itself where it is a plain raster, or cannot be
 * opened (then opening it says why). */
static akin_status add_container(struct finder *finder, const char *path, const char *label,
                                 const struct stat *stat, akin_error *err)
{
    struct gdal_talk talk;
    akin_status status = gdal_load(err);
    if (status != AKIN_OK)
        return status;
    gdal_listen(&talk);
    GDALDatasetH dataset =
        gdal.GDALOpenEx(path, GDAL_OF_RASTER | GDAL_OF_READONLY, NULL, NULL, NULL);
    char **names = NULL;
    if (dataset && gdal.GDALGetRasterCount(dataset) == 0)
        names = gdal.CSLDuplicate(gdal.GDALGetMetadata(dataset, "SUBDATASETS"));
    if (dataset)
        gdal.GDALClose(dataset);
    gdal_hush();
    size_t added = 0;
    for (int i = 1; i <= SUBDATASETS_MAX && status == AKIN_OK; i++, added++) {
        char key[40];
        snprintf(key, sizeof key, "SUBDATASET_%d_NAME", i);
        const char *name = gdal.CSLFetchNameValue(names, key);
        if (!name)
            break;
        status = finder_add(finder, name, label, stat, err);
    }
    gdal.CSLDestroy(names);
    if (status == AKIN_OK && !added)
        status = finder_add(finder, path, label, stat, err);
    return status;
}

akin_status finder_file(struct finder *finder, const char *path, const char *label,
                        const struct stat *stat, bool named, akin_error *err)
{
    char extension[16];
    extension_of(extension, path);
    const char *prefix = archive_prefix(extension);
    if (prefix)
        return add_archive(finder, prefix, path, label, stat, named, err);
    if (is_container(extension))
        return add_container(finder, path, label, stat, err);
    bool known = named;
    const akin_status status = named ? AKIN_OK : gdal_knows_extension(extension, &known, err);
    return status == AKIN_OK && known ? finder_add(finder, path, label, stat, err) : status;
}

akin_status finder_virtual(struct finder *finder, const char *path, bool *found, akin_error *err)
{
    VSIStatBufL stat;
    struct gdal_talk talk;
    const akin_status status = gdal_load(err);
    if (status != AKIN_OK)
        return status;
    gdal_listen(&talk);
    *found = gdal.VSIStatL(path, &stat) == 0 && VSI_ISDIR(stat.st_mode);
    gdal_hush();
    size_t added;
    return *found ? add_members(finder, path, NULL, NULL, &added, err) : AKIN_OK;
}

/* ---- folders ---- */

/* The walk's state: one path that grows and shrinks, so that a step's frame stays small. */
struct walk {
    struct finder *finder;
    char path[AKIN_PATH_MAX];
    size_t root_length;
    char label[256]; /* the first folder below the root, "" at the top */
};

static akin_status walk_folder(struct walk *walk, size_t length, unsigned depth, akin_error *err);

/* walk->path names one thing found in a folder. */
static akin_status visit(struct walk *walk, size_t length, unsigned depth, const char *name,
                         akin_error *err)
{
    struct stat stat_of;
    if (stat(walk->path, &stat_of) != 0)
        return finder_skip(walk->finder, walk->path, strerror(errno), err);
    if (S_ISREG(stat_of.st_mode))
        return finder_file(walk->finder, walk->path, walk->label[0] ? walk->label : NULL, &stat_of,
                           false, err);
    if (!S_ISDIR(stat_of.st_mode))
        return AKIN_OK;
    bool first;
    akin_status status = see(walk->finder, &stat_of, &first, err);
    if (status != AKIN_OK || !first)
        return status;
    if (depth + 1 > DEPTH_MAX)
        return finder_skip(walk->finder, walk->path, "folders nested too deeply", err);
    const bool top = !walk->label[0];
    if (top)
        snprintf(walk->label, sizeof walk->label, "%s", name);
    status = walk_folder(walk, length, depth + 1, err);
    if (top)
        walk->label[0] = '\0';
    return status;
}

static bool holds_collection(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], "collection.sqlite") == 0)
            return true;
    return false;
}

static akin_status walk_folder(struct walk *walk, size_t length, unsigned depth, akin_error *err)
{
    const struct akin_progress progress = {"files found", walk->finder->list.count, 0, 0,
                                           walk->path};
    if (!akin_progress(walk->finder->talk, &progress))
        return akin_error_set(err, AKIN_ERR_CANCELLED, "stopped while looking for images");
    char **names;
    size_t count;
    akin_error why = {0};
    if (akin_dir_list(&names, &count, walk->path, FOLDER_NAMES_MAX, &why) != AKIN_OK) {
        if (why.status == AKIN_ERR_NO_MEMORY)
            return akin_error_set(err, why.status, "%s", why.text);
        return finder_skip(walk->finder, walk->path, why.text, err);
    }
    akin_status status = AKIN_OK;
    if (holds_collection(names, count))
        status = depth ? AKIN_OK
                       : finder_skip(walk->finder, walk->path,
                                     "an akin collection, not a folder "
                                     "of images",
                                     err);
    else
        for (size_t i = 0; i < count && status == AKIN_OK; i++) {
            if (names[i][0] == '.')
                continue;
            const size_t with = length + 1 + strlen(names[i]);
            if (with >= sizeof walk->path) {
                status = finder_skip(walk->finder, walk->path, "a name inside is too long", err);
                continue;
            }
            snprintf(walk->path + length, sizeof walk->path - length, "%s%s",
                     walk->path[length - 1] == '/' ? "" : "/", names[i]);
            status = visit(walk, strlen(walk->path), depth, names[i], err);
            walk->path[length] = '\0';
        }
    akin_names_free(names, count);
    return status;
}

akin_status finder_walk(struct finder *finder, const char *path, akin_error *err)
{
    struct stat stat_of;
    if (stat(path, &stat_of) != 0)
        return akin_error_errno(err, errno, "cannot look into '%s'", path);
    bool first;
    akin_status status = see(finder, &stat_of, &first, err);
    if (status != AKIN_OK || !first)
        return status;
    struct walk *walk = akin_alloc_zero(1, sizeof *walk);
    if (!walk)
        return akin_error_memory(err, sizeof *walk, "a walk");
    walk->finder = finder;
    snprintf(walk->path, sizeof walk->path, "%s", path);
    status = walk_folder(walk, strlen(walk->path), 0, err);
    akin_free(walk);
    return status;
}
