/*
 * The handle: the present view, its figures, and the calls that only read them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "handle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "upkeep.h"

#define MEMTABLE_ROWS 32768u
#define MEMTABLE_ROWS_MAX (1u << 24)
#define RAM_BYTES (UINT64_C(1) << 30)

void akin_index_options_default(struct akin_index_options *out)
{
    *out = (struct akin_index_options){.memtable_rows = MEMTABLE_ROWS,
                                       .coded_rows = AKIN_CODED_ROWS,
                                       .background = true,
                                       .ram_bytes = RAM_BYTES};
}

struct view *handle_view(const akin_index *index)
{
    pthread_mutex_lock(&index->shared->mutex);
    struct view *view = view_ref(index->shared->view);
    pthread_mutex_unlock(&index->shared->mutex);
    return view;
}

struct epoch *handle_epoch(const akin_index *index)
{
    const struct manifest *manifest = &index->manifest;
    return manifest->epoch_count
               ? epoch_set_find(&index->epochs, manifest->epochs[manifest->epoch_count - 1].id)
               : NULL;
}

static void count_part(struct akin_index_stats *stats, const struct part *part)
{
    stats->rows += part_live(part);
    if (!part->segment) {
        stats->rows_in_log = part_live(part);
        return;
    }
    stats->tombstones += part->rows - part_live(part);
    stats->bytes += part->segment->bytes + (part->tomb_file ? tomb_file_bytes(part->rows) : 0);
    const struct segment_lists *coded = &part->segment->coded;
    if (coded->epoch) {
        stats->segments_coded++;
        stats->bytes_codes += coded->block_count * coded->epoch->shape.block_bytes +
                              (coded->count + 1) * sizeof *coded->lists;
        stats->rows_coded += part_live(part);
    }
}

static void count_codes(struct akin_index_stats *stats, const akin_index *index)
{
    const struct change_calibration *calibration = &index->manifest.calibration;
    const struct epoch *epoch = handle_epoch(index);
    for (size_t i = 0; i < index->epochs.count; i++) {
        stats->bytes += index->epochs.epochs[i]->map.size;
        stats->bytes_codes += index->epochs.epochs[i]->map.size;
    }
    if (!epoch)
        return;
    stats->epoch = epoch->id;
    stats->lists = epoch->lists_used;
    stats->code_bits = epoch->shape.bits;
    for (uint32_t i = 0; i < calibration->count; i++) {
        if (i && calibration->points[i - 1].recall >= AKIN_RECALL_DEFAULT)
            break;
        stats->recall = calibration->points[i].measured;
        stats->probes = calibration->points[i].probes;
        stats->rerank = calibration->points[i].rerank;
    }
}

static void count_stats(const akin_index *index, struct view *view)
{
    struct akin_index_stats *stats = &view->stats;
    *stats = (struct akin_index_stats){.segments = view->part_count - 1,
                                       .segments_damaged = index->segments_missing,
                                       .bytes = index->manifest.file_bytes + index->wal.file_bytes,
                                       .dim = index->manifest.dim,
                                       .model = index->manifest.model,
                                       .metric = index->manifest.metric};
    for (size_t i = 0; i < view->part_count; i++)
        count_part(stats, &view->parts[i]);
    count_codes(stats, index);
    view->metric = index->manifest.metric;
    view->calibration = index->manifest.calibration;
}

void handle_publish(akin_index *index, struct view *view)
{
    count_stats(index, view);
    pthread_mutex_lock(&index->shared->mutex);
    struct view *old = index->shared->view;
    index->shared->view = view;
    pthread_mutex_unlock(&index->shared->mutex);
    view_unref(old);
}

akin_status handle_check_writer(const akin_index *index, akin_error *err)
{
    if (index->mode != AKIN_OPEN_WRITE)
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: is open for reading only", index->path);
    if (index->broken)
        return akin_error_set(
            err, AKIN_ERR_IO,
            "%s: %s; nothing more is written by this process: make room or mend the "
            "disk, then start again",
            index->path, index->broken);
    return AKIN_OK;
}

akin_status handle_open_log(akin_index *index, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    akin_status status = wal_path(path, index->path, index->manifest.log, err);
    if (status)
        return status;
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return akin_error_errno(err, errno, "cannot open '%s'", path);
    if (index->wal_fd >= 0)
        close(index->wal_fd);
    index->wal_fd = fd;
    return AKIN_OK;
}

/* ---- open and close ---- */

static akin_status create_handle(akin_index **out, const char *path, enum akin_open mode,
                                 const struct akin_index_options *options, akin_error *err)
{
    if (strlen(path) + 64 > AKIN_PATH_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "the folder's name is too long: %s", path);
    if (options->dim > INDEX_DIM_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "dim %u is not in 1..%u", options->dim,
                              INDEX_DIM_MAX);
    if (options->memtable_rows > MEMTABLE_ROWS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "memtable_rows %u is not in 1..%u",
                              options->memtable_rows, MEMTABLE_ROWS_MAX);
    if (options->code_bits > 4 || options->code_bits == 3)
        return akin_error_set(err, AKIN_ERR_INVALID, "code_bits %u is not 1, 2 or 4",
                              options->code_bits);
    if ((unsigned)options->metric > AKIN_METRIC_L2)
        return akin_error_set(err, AKIN_ERR_INVALID, "there is no metric %d", (int)options->metric);
    akin_index *index = akin_alloc_zero(1, sizeof *index);
    struct shared_view *shared = akin_alloc_zero(1, sizeof *shared);
    if (!index || !shared) {
        akin_free(index);
        akin_free(shared);
        return akin_error_memory(err, sizeof *index, "index");
    }
    pthread_mutex_init(&shared->mutex, NULL);
    scratch_pool_init(&shared->scratches);
    pthread_mutex_init(&index->writing, NULL);
    memcpy(index->path, path, strlen(path) + 1);
    index->shared = shared;
    index->mode = mode;
    index->memtable_rows = options->memtable_rows ? options->memtable_rows : MEMTABLE_ROWS;
    index->coded_rows = options->coded_rows ? options->coded_rows : AKIN_CODED_ROWS;
    index->code_bits = options->code_bits;
    index->list_rows = options->list_rows;
    index->background = options->background;
    index->ram_bytes = options->ram_bytes ? options->ram_bytes : RAM_BYTES;
    index->pool = options->pool;
    index->talk = options->talk;
    index->wal_fd = -1;
    *out = index;
    return AKIN_OK;
}

static bool has_manifest(const char *path)
{
    char name[AKIN_PATH_MAX];
    struct stat st;
    return akin_path_join(name, path, "MANIFEST", NULL) == AKIN_OK && lstat(name, &st) == 0;
}

/* The writer's lock comes before anything is looked at; what is missing is made under it. */
static akin_status prepare_writer(akin_index *index, const struct akin_index_options *options,
                                  akin_error *err)
{
    char lock[AKIN_PATH_MAX];
    if (!options->dim && !has_manifest(index->path))
        return akin_error_set(err, AKIN_ERR_NOT_FOUND,
                              "%s: there is no index, and without a dimension none can be made",
                              index->path);
    akin_status status = akin_dir_create(index->path, err);
    if (!status)
        status = akin_path_join(lock, index->path, "LOCK", err);
    if (!status)
        status = akin_lock_take(&index->lock, lock, err);
    if (!status && !has_manifest(index->path))
        status = recovery_create(index->path, options->dim, options->model, options->metric, err);
    return status;
}

static akin_status check_identity(const akin_index *index, const struct akin_index_options *options,
                                  akin_error *err)
{
    const struct manifest *is = &index->manifest;
    if (options->dim && options->dim != is->dim)
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: has %u dimensions, not %u", index->path,
                              is->dim, options->dim);
    if (options->model && options->model != is->model)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "%s: was made by encoder %08x, not %08x: each encoder has its own "
                              "index",
                              index->path, is->model, options->model);
    if (options->metric != AKIN_METRIC_COSINE && options->metric != is->metric)
        return akin_error_set(err, AKIN_ERR_INVALID, "%s: was made for another metric",
                              index->path);
    return AKIN_OK;
}

/* Codes that cannot be made are refused now and not at each flush. */
static akin_status check_bits(const akin_index *index, akin_error *err)
{
    struct code_shape shape;
    const struct manifest *is = &index->manifest;
    if (index->mode != AKIN_OPEN_WRITE || is->dim > CODE_DIM_MAX)
        return AKIN_OK;
    return code_shape_init(&shape, is->metric, is->dim, index->code_bits, err);
}

akin_status akin_index_open(akin_index **out, const char *path, enum akin_open mode,
                            const struct akin_index_options *options, akin_error *err)
{
    struct akin_index_options defaults;
    akin_index *index = NULL;
    if (!options) {
        akin_index_options_default(&defaults);
        options = &defaults;
    }
    akin_status status = create_handle(&index, path, mode, options, err);
    if (!status && mode == AKIN_OPEN_WRITE)
        status = prepare_writer(index, options, err);
    if (!status)
        status = recovery_load(index, err);
    if (!status)
        status = check_identity(index, options, err);
    if (!status)
        status = check_bits(index, err);
    if (!status && mode == AKIN_OPEN_WRITE)
        status = recovery_repair(index, err);
    if (!status && mode == AKIN_OPEN_WRITE)
        status = upkeep_create(index, err);
    if (status) {
        akin_index_close(index);
        return status;
    }
    *out = index;
    return AKIN_OK;
}

void akin_index_close(akin_index *index)
{
    if (!index)
        return;
    upkeep_free(index->upkeep);
    view_unref(index->shared->view);
    scratch_pool_fini(&index->shared->scratches);
    pthread_mutex_destroy(&index->shared->mutex);
    pthread_mutex_destroy(&index->writing);
    akin_free(index->shared);
    memtable_unref(index->memtable);
    epoch_set_fini(&index->epochs);
    manifest_fini(&index->manifest);
    if (index->wal_fd >= 0)
        close(index->wal_fd);
    akin_lock_release(index->lock);
    akin_free(index);
}

akin_status akin_index_refresh(akin_index *index, bool *changed, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct stat st;
    bool moved = false;
    akin_status status = AKIN_OK;
    if (index->mode == AKIN_OPEN_READ) {
        status = wal_path(path, index->path, index->manifest.log, err);
        if (status)
            return status;
        uint64_t before = index->wal.good_bytes;
        bool log_there = stat(path, &st) == 0;
        if (!manifest_is_current(&index->manifest, index->path)) {
            status = recovery_load(index, err);
            moved = status == AKIN_OK;
        } else if (log_there && !index->log_missing &&
                   (uint64_t)st.st_size != index->wal.file_bytes) {
            status = recovery_follow_log(index, err);
            moved = index->wal.good_bytes != before;
        }
    }
    if (changed)
        *changed = moved;
    return status;
}

void akin_index_stats(const akin_index *index, struct akin_index_stats *out)
{
    struct view *view = handle_view(index);
    *out = view->stats;
    view_unref(view);
}

/* ---- rows ---- */

akin_status akin_index_get(const akin_index *index, uint64_t key, struct akin_columns *columns,
                           float *vector, akin_error *err)
{
    struct view *view = handle_view(index);
    akin_status status = AKIN_ERR_NOT_FOUND;
    for (size_t i = view->part_count; i-- > 0 && status;) {
        const struct part *part = &view->parts[i];
        size_t row = part_find(part, key);
        if (row == SIZE_MAX)
            continue;
        if (columns)
            *columns = *part_columns(part, row);
        if (vector)
            akin_kernels()->f32_from_f16(vector, part_vector(part, row), view->stats.dim);
        status = AKIN_OK;
    }
    view_unref(view);
    if (status)
        akin_error_set(err, status, "tile %016" PRIx64 " is not in %s", key, index->path);
    return status;
}

#define EACH_ROWS 256u

struct each {
    struct view *view;
    struct walk *walks;
    struct akin_columns *columns;
    float *vectors;
};

static akin_status each_begin(struct each *each, akin_error *err)
{
    const struct view *view = each->view;
    each->walks = akin_alloc_zero(view->part_count, sizeof *each->walks);
    each->columns = akin_alloc(EACH_ROWS, sizeof *each->columns);
    each->vectors = akin_alloc(EACH_ROWS, view->stats.dim * sizeof *each->vectors);
    if (!each->walks || !each->columns || !each->vectors)
        return akin_error_memory(err, EACH_ROWS * view->stats.dim * sizeof *each->vectors, "rows");
    akin_status status = AKIN_OK;
    for (size_t i = 0; !status && i < view->part_count; i++)
        status = walk_begin(&each->walks[i], &view->parts[i], err);
    return status;
}

static void each_fini(struct each *each)
{
    for (size_t i = 0; each->walks && i < each->view->part_count; i++)
        walk_fini(&each->walks[i]);
    akin_free(each->walks);
    akin_free(each->columns);
    akin_free(each->vectors);
    view_unref(each->view);
}

akin_status akin_index_each(const akin_index *index, akin_index_rows_fn *fn, void *user,
                            akin_error *err)
{
    struct each each = {.view = handle_view(index)};
    uint32_t dim = each.view->stats.dim;
    akin_status status = each_begin(&each, err);
    bool more = status == AKIN_OK;
    while (more) {
        size_t n = 0, least = 0;
        while (n < EACH_ROWS &&
               (least = walk_least(each.walks, each.view->part_count)) < each.view->part_count) {
            struct walk *walk = &each.walks[least];
            each.columns[n] = *part_columns(walk->part, walk->row);
            akin_kernels()->f32_from_f16(each.vectors + n * dim, part_vector(walk->part, walk->row),
                                         dim);
            walk_next(walk);
            n++;
        }
        more = n > 0 && fn(user, each.columns, each.vectors, n) && n == EACH_ROWS;
    }
    each_fini(&each);
    return status;
}
