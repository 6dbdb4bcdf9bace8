/*
 * Opening and reading, whatever the format: a piece of the file into scratch, turned round where its
 * byte order is the other one, then widened. Read, not mapped: a file that gets shorter under us is
 * then an error, and what was read does not count as our memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "array_private.h"

#define SCRATCH_BYTES ((size_t)1 << 20)

size_t array_row_bytes(const akin_array *array)
{
    return array->prefix + array->info.cols * elements_bytes(array->info.type);
}

akin_status array_set_shape(akin_array *array, const uint64_t *dims, uint32_t rank, akin_error *err)
{
    if (rank != 1 && rank != 2)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' has an array of %u dimensions: rows of numbers have 2, and one "
                              "number a row 1",
                              array->path, rank);
    const uint64_t cols = rank == 2 ? dims[1] : 1;
    if (!cols || cols > AKIN_ARRAY_COLS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' has rows of %" PRIu64 " numbers: 1 to %u are read", array->path,
                              cols, AKIN_ARRAY_COLS_MAX);
    array->info.rows = dims[0];
    array->info.cols = (uint32_t)cols;
    array->info.rank = rank;
    return AKIN_OK;
}

static akin_status open_format(akin_array *array, const char *tensor, akin_error *err)
{
    static const struct {
        const char *ending, *format;
        enum akin_tensor_type type;
    } vecs[] = {{".fvecs", "fvecs", AKIN_TENSOR_F32},
                {".bvecs", "bvecs", AKIN_TENSOR_U8},
                {".ivecs", "ivecs", AKIN_TENSOR_I32}};
    char magic[NPY_MAGIC_BYTES] = {0};
    if (array->file_bytes >= sizeof magic) {
        akin_status status = akin_file_read_at(array->fd, magic, sizeof magic, 0, array->path, err);
        if (status != AKIN_OK)
            return status;
    }
    if (!memcmp(magic, NPY_MAGIC, sizeof magic))
        return npy_open(array, err);
    if (akin_text_ends_with(array->path, ".safetensors"))
        return tensor_open(array, tensor, err);
    for (size_t i = 0; i < sizeof vecs / sizeof *vecs; i++)
        if (akin_text_ends_with(array->path, vecs[i].ending))
            return vecs_open(array, vecs[i].type, vecs[i].format, err);
    if (akin_text_ends_with(array->path, ".npy"))
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' does not begin as NPY files do",
                              array->path);
    return akin_error_set(
        err, AKIN_ERR_INVALID,
        "'%s' is no NPY file, and its name does not end in .fvecs, .bvecs, .ivecs "
        "or .safetensors",
        array->path);
}

/* All rows must be there, and nothing else behind them but in safetensors, which are checked as a
 * whole. */
static akin_status check_size(const akin_array *array, akin_error *err)
{
    size_t bytes, end;
    if (!akin_size_mul(&bytes, (size_t)array->info.rows, array_row_bytes(array)) ||
        !akin_size_add(&end, bytes, (size_t)array->offset) || end > (size_t)INT64_MAX)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s': the shape in its header cannot be that of a file",
                              array->path);
    if (end > array->file_bytes)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' is cut short: %" PRIu64 " bytes, %" PRIu64
                              " rows of %u %s take %zu",
                              array->path, array->file_bytes, array->info.rows, array->info.cols,
                              elements_name(array->info.type), end);
    if (end < array->file_bytes && memcmp(array->info.format, "safe", 4) != 0)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' has %" PRIu64 " bytes behind its %" PRIu64 " rows", array->path,
                              array->file_bytes - end, array->info.rows);
    return AKIN_OK;
}

static akin_status open_file(akin_array *array, const char *path, akin_error *err)
{
    struct akin_file_stat stat;
    akin_status status = akin_file_stat(&stat, path, err);
    if (status != AKIN_OK)
        return status;
    if (!stat.is_regular)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' is not a file", path);
    array->file_bytes = stat.size_bytes;
    array->fd = open(path, O_RDONLY | O_CLOEXEC);
    return array->fd >= 0 ? AKIN_OK : akin_error_errno(err, errno, "cannot open '%s'", path);
}

akin_status akin_array_open(akin_array **out, const char *path, const char *tensor, akin_error *err)
{
    akin_array *array = akin_alloc_zero(1, sizeof *array);
    if (!array)
        return akin_error_memory(err, sizeof *array, "an array");
    array->fd = -1;
    array->path = akin_strdup(path);
    akin_status status = array->path ? open_file(array, path, err)
                                     : akin_error_memory(err, strlen(path) + 1, "an array");
    if (status == AKIN_OK)
        status = open_format(array, tensor, err);
    if (status == AKIN_OK)
        status = check_size(array, err);
    if (status == AKIN_OK) {
        const size_t row = array_row_bytes(array);
        array->scratch_bytes = row > SCRATCH_BYTES ? row : SCRATCH_BYTES;
        array->scratch = akin_alloc(1, array->scratch_bytes);
        if (!array->scratch)
            status = akin_error_memory(err, array->scratch_bytes, "rows of an array");
    }
    if (status == AKIN_OK)
        *out = array;
    else
        akin_array_close(array);
    return status;
}

void akin_array_close(akin_array *array)
{
    if (!array)
        return;
    if (array->fd >= 0)
        close(array->fd);
    akin_free(array->scratch);
    akin_free(array->path);
    akin_free(array);
}

const struct akin_array_info *akin_array_info(const akin_array *array)
{
    return &array->info;
}

/* ---- reading ---- */

enum target { TO_FLOATS, TO_DOUBLES, TO_INTEGERS };

/* Where widened elements go. */
struct sink {
    enum target target;
    void *out;
    uint64_t first; /* row, for messages */
};

static size_t widen(const struct sink *sink, size_t at, size_t stride, const void *bytes,
                    enum akin_tensor_type type, size_t n)
{
    if (sink->target == TO_FLOATS)
        elements_floats((float *)sink->out + at, stride, bytes, type, n);
    else if (sink->target == TO_DOUBLES)
        elements_doubles((double *)sink->out + at, stride, bytes, type, n);
    else
        return elements_integers((int64_t *)sink->out + at, stride, bytes, type, n);
    return n;
}

/* n elements at `bytes` of scratch, which belong to out[at], out[at + stride], ... */
static akin_status take(akin_array *array, const struct sink *sink, size_t at, size_t stride,
                        unsigned char *bytes, size_t n, akin_error *err)
{
    if (array->swap)
        elements_swap(bytes, array->info.type, n);
    const size_t taken = widen(sink, at, stride, bytes, array->info.type, n);
    if (taken == n)
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_INVALID, "'%s' row %" PRIu64 ": a number above %" PRId64,
                          array->path, sink->first + (at + taken * stride) / array->info.cols,
                          INT64_MAX);
}

/* Rows with their prefixes, which all say the same. */
static akin_status take_prefixed(akin_array *array, const struct sink *sink, size_t row, size_t n,
                                 akin_error *err)
{
    const size_t row_bytes = array_row_bytes(array), cols = array->info.cols;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < n && status == AKIN_OK; i++) {
        unsigned char *bytes = array->scratch + i * row_bytes;
        uint32_t length;
        memcpy(&length, bytes, sizeof length);
        if (length != cols)
            return akin_error_set(err, AKIN_ERR_CORRUPT,
                                  "'%s' row %" PRIu64 ": %" PRId32 " numbers where row 0 has %zu",
                                  array->path, sink->first + row + i, (int32_t)length, cols);
        status = take(array, sink, (row + i) * cols, 1, bytes + array->prefix, cols, err);
    }
    return status;
}

static akin_status read_rows(akin_array *array, const struct sink *sink, size_t n, akin_error *err)
{
    const size_t row_bytes = array_row_bytes(array), cols = array->info.cols;
    const size_t most = array->scratch_bytes / row_bytes;
    akin_status status = AKIN_OK;
    for (size_t row = 0, now; row < n && status == AKIN_OK; row += now) {
        now = n - row < most ? n - row : most;
        status =
            akin_file_read_at(array->fd, array->scratch, now * row_bytes,
                              array->offset + (sink->first + row) * row_bytes, array->path, err);
        if (status == AKIN_OK && array->prefix)
            status = take_prefixed(array, sink, row, now, err);
        else if (status == AKIN_OK)
            status = take(array, sink, row * cols, 1, array->scratch, now * cols, err);
    }
    return status;
}

static akin_status read_columns(akin_array *array, const struct sink *sink, size_t n,
                                akin_error *err)
{
    const size_t size = elements_bytes(array->info.type), cols = array->info.cols;
    const size_t most = array->scratch_bytes / size;
    akin_status status = AKIN_OK;
    for (size_t col = 0; col < cols; col++)
        for (size_t row = 0, now; row < n && status == AKIN_OK; row += now) {
            now = n - row < most ? n - row : most;
            const uint64_t element = col * array->info.rows + sink->first + row;
            status = akin_file_read_at(array->fd, array->scratch, now * size,
                                       array->offset + element * size, array->path, err);
            if (status == AKIN_OK)
                status = take(array, sink, row * cols + col, cols, array->scratch, now, err);
        }
    return status;
}

static akin_status read_part(akin_array *array, enum target target, void *out, uint64_t first,
                             size_t n, akin_error *err)
{
    const struct sink sink = {target, out, first};
    if (first > array->info.rows || n > array->info.rows - first)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' has %" PRIu64 " rows", array->path,
                              array->info.rows);
    return array->fortran ? read_columns(array, &sink, n, err) : read_rows(array, &sink, n, err);
}

akin_status akin_array_floats(akin_array *array, uint64_t first, size_t n, float *out,
                              akin_error *err)
{
    return read_part(array, TO_FLOATS, out, first, n, err);
}

akin_status akin_array_doubles(akin_array *array, uint64_t first, size_t n, double *out,
                               akin_error *err)
{
    return read_part(array, TO_DOUBLES, out, first, n, err);
}

akin_status akin_array_integers(akin_array *array, uint64_t first, size_t n, int64_t *out,
                                akin_error *err)
{
    if (!elements_are_whole(array->info.type))
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "'%s' has numbers of type %s where whole ones are needed",
                              array->path, elements_name(array->info.type));
    return read_part(array, TO_INTEGERS, out, first, n, err);
}
