/*
 * NPY written. How many rows there are is known last: the head is as long for any number of them,
 * and is written again over itself at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "akin/vec.h"
#include "array_private.h"

#define ALIGN 64 /* the numbers begin at a multiple of it */
#define LENGTH_BYTES 2
#define PIECE 1024

akin_status akin_npy_head(struct akin_buffer *out, const char *descr, const uint64_t *dims,
                          uint32_t rank, akin_error *err)
{
    static const char version[] = {1, 0};
    struct akin_buffer text;
    akin_buffer_init(&text, 4096);
    akin_status status =
        akin_buffer_printf(&text, err, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (uint32_t i = 0; i < rank && status == AKIN_OK; i++)
        status = akin_buffer_printf(&text, err, "%s%" PRIu64, i ? ", " : "", dims[i]);
    if (status == AKIN_OK)
        status = akin_buffer_printf(&text, err, "%s), }", rank == 1 ? "," : "");
    const size_t before = NPY_MAGIC_BYTES + sizeof version + LENGTH_BYTES;
    while (status == AKIN_OK && (before + text.size + 1) % ALIGN)
        status = akin_buffer_append(&text, " ", 1, err);
    if (status == AKIN_OK)
        status = akin_buffer_append(&text, "\n", 1, err);
    const char length[LENGTH_BYTES] = {(char)(text.size & 255), (char)(text.size >> 8)};
    if (status == AKIN_OK)
        status = akin_buffer_append(out, NPY_MAGIC, NPY_MAGIC_BYTES, err);
    if (status == AKIN_OK)
        status = akin_buffer_append(out, version, sizeof version, err);
    if (status == AKIN_OK)
        status = akin_buffer_append(out, length, sizeof length, err);
    if (status == AKIN_OK)
        status = akin_buffer_append(out, text.data, text.size, err);
    akin_buffer_fini(&text);
    return status;
}

struct akin_npy_writer {
    akin_atomic_file *file;
    struct akin_buffer head;
    enum akin_tensor_type type;
    uint32_t cols;
    uint64_t rows;
};

/* Two ALIGNs hold the head of any table of two dimensions. */
static akin_status make_head(akin_npy_writer *writer, uint64_t rows, akin_error *err)
{
    const uint64_t dims[2] = {rows, writer->cols};
    const char *descr = writer->type == AKIN_TENSOR_F16 ? "<f2" : "<f4";
    akin_buffer_clear(&writer->head);
    return akin_npy_head(&writer->head, descr, dims, 2, err);
}

static void writer_free(akin_npy_writer *writer)
{
    akin_buffer_fini(&writer->head);
    akin_free(writer);
}

akin_status akin_npy_begin(akin_npy_writer **out, const char *path, enum akin_tensor_type type,
                           uint32_t cols, akin_error *err)
{
    if (type != AKIN_TENSOR_F32 && type != AKIN_TENSOR_F16)
        return akin_error_set(err, AKIN_ERR_INVALID, "NPY is written as F32 or F16");
    akin_npy_writer *writer = akin_alloc_zero(1, sizeof *writer);
    if (!writer)
        return akin_error_memory(err, sizeof *writer, "an NPY file");
    writer->type = type;
    writer->cols = cols;
    akin_buffer_init(&writer->head, 4096);
    akin_status status = make_head(writer, 0, err);
    if (status == AKIN_OK)
        status = akin_atomic_begin(&writer->file, path, err);
    if (status == AKIN_OK)
        status = akin_atomic_write(writer->file, writer->head.data, writer->head.size, err);
    if (status == AKIN_OK)
        *out = writer;
    else
        akin_npy_abort(writer);
    return status;
}

static akin_status append_halves(akin_npy_writer *writer, const float *values, size_t n,
                                 akin_error *err)
{
    akin_f16 piece[PIECE];
    akin_status status = AKIN_OK;
    for (size_t i = 0, now; i < n && status == AKIN_OK; i += now) {
        now = n - i < PIECE ? n - i : PIECE;
        akin_kernels()->f16_from_f32(piece, values + i, now);
        status = akin_atomic_write(writer->file, piece, now * sizeof *piece, err);
    }
    return status;
}

akin_status akin_npy_append(akin_npy_writer *writer, const float *rows, size_t n, akin_error *err)
{
    const size_t values = n * writer->cols;
    akin_status status = writer->type == AKIN_TENSOR_F16
                             ? append_halves(writer, rows, values, err)
                             : akin_atomic_write(writer->file, rows, values * sizeof *rows, err);
    writer->rows += status == AKIN_OK ? n : 0;
    return status;
}

akin_status akin_npy_commit(akin_npy_writer *writer, akin_error *err)
{
    const size_t head_bytes = writer->head.size;
    akin_status status = make_head(writer, writer->rows, err);
    if (status == AKIN_OK && writer->head.size != head_bytes)
        status =
            akin_error_set(err, AKIN_ERR_LIMIT, "an NPY file of %" PRIu64 " rows", writer->rows);
    if (status == AKIN_OK)
        status = akin_atomic_write_at(writer->file, writer->head.data, head_bytes, 0, err);
    if (status != AKIN_OK) {
        akin_npy_abort(writer);
        return status;
    }
    akin_atomic_file *file = writer->file;
    writer_free(writer);
    return akin_atomic_commit(file, err);
}

void akin_npy_abort(akin_npy_writer *writer)
{
    if (!writer)
        return;
    akin_atomic_abort(writer->file);
    writer_free(writer);
}
