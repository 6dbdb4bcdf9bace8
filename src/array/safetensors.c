/*
 * The safetensors format, read and written. A file comes from anywhere: its header is JSON of a
 * bounded size, and every offset in it is checked against the file and against its neighbours', as
 * the format demands, before a byte of data is looked at.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "elements.h"

#define HEADER_BYTES_MAX (64u << 20)
#define LENGTH_BYTES 8
#define HEADER_ALIGN 8 /* of the data, by spaces behind the JSON */
#define METADATA_KEY "__metadata__"
#define OFFSET_MAX ((int64_t)1 << 52) /* JSON numbers are exact up to here */

struct akin_safetensors {
    struct akin_map map; /* of nothing where the bytes are the caller's */
    akin_json *header;   /* owns the names */
    char *what;
    const unsigned char *data; /* behind the header */
    size_t data_size;
    uint64_t data_at;            /* where that is in the file */
    struct akin_tensor *tensors; /* sorted by name */
    size_t count;
};

/* ---- reading ---- */

static akin_status find_type(enum akin_tensor_type *out, const char *text, const char *name,
                             const char *what, akin_error *err)
{
    for (size_t i = 0; i < AKIN_TENSOR_TYPE_COUNT; i++)
        if (!strcmp(elements_name((enum akin_tensor_type)i), text)) {
            *out = (enum akin_tensor_type)i;
            return AKIN_OK;
        }
    return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                          "'%s': tensor '%.80s' is of type '%.20s', which akin does not know", what,
                          name, text);
}

/* The array's numbers, integers of 0..OFFSET_MAX. */
static bool read_integers(uint64_t *out, const akin_json *array)
{
    for (size_t i = 0; i < akin_json_count(array); i++) {
        double value;
        if (!akin_json_number_value(&value, akin_json_at(array, i)) || value < 0 ||
            value > (double)OFFSET_MAX || value != (double)(uint64_t)value)
            return false;
        out[i] = (uint64_t)value;
    }
    return true;
}

/* Element count and bytes of the shape; false where they overflow. */
static bool tensor_size(struct akin_tensor *tensor, size_t *bytes)
{
    tensor->count = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        if (!akin_size_mul(&tensor->count, tensor->count, tensor->dims[i]))
            return false;
    return akin_size_mul(bytes, tensor->count, elements_bytes(tensor->type));
}

static akin_status read_tensor(akin_safetensors *file, const char *name, akin_error *err)
{
    const akin_json *entry = akin_json_get(file->header, name);
    const akin_json *shape = akin_json_get(entry, "shape");
    const akin_json *offsets = akin_json_get(entry, "data_offsets");
    struct akin_tensor *tensor = &file->tensors[file->count];
    const char *type = NULL;
    uint64_t at[2] = {0};
    size_t bytes;
    *tensor = (struct akin_tensor){.name = name, .rank = (uint32_t)akin_json_count(shape)};
    akin_status status = akin_json_get_text(&type, entry, "dtype", file->what, err);
    if (status == AKIN_OK)
        status = find_type(&tensor->type, type, name, file->what, err);
    if (status != AKIN_OK)
        return status == AKIN_ERR_INVALID
                   ? akin_error_context(err, AKIN_ERR_CORRUPT, "tensor '%.80s'", name)
                   : status;
    if (!akin_json_is_array(shape) || akin_json_count(shape) > AKIN_TENSOR_RANK_MAX ||
        !read_integers(tensor->dims, shape))
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s': the shape of tensor '%.80s' is not up to %d sizes", file->what,
                              name, AKIN_TENSOR_RANK_MAX);
    if (!akin_json_is_array(offsets) || akin_json_count(offsets) != 2 ||
        !read_integers(at, offsets) || at[0] > at[1] || at[1] > file->data_size)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s': tensor '%.80s' lies outside of the file's %zu bytes of data",
                              file->what, name, file->data_size);
    if (!tensor_size(tensor, &bytes) || bytes != at[1] - at[0])
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s': tensor '%.80s' has %" PRIu64
                              " bytes, which its shape does not fill",
                              file->what, name, at[1] - at[0]);
    tensor->data = file->data + at[0];
    tensor->offset = file->data_at + at[0];
    file->count++;
    return AKIN_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct akin_tensor *x = a, *y = b;
    const unsigned char *p = x->data, *q = y->data;
    if (p != q)
        return p < q ? -1 : 1;
    return (x->count > 0) - (y->count > 0); /* an empty one takes no room: before its neighbour */
}

static int by_name(const void *a, const void *b)
{
    const struct akin_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* One behind the other from the first byte to the last: nothing shared, nothing hidden. */
static akin_status check_places(akin_safetensors *file, akin_error *err)
{
    const unsigned char *end = file->data;
    qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
    for (size_t i = 0; i < file->count; i++) {
        const struct akin_tensor *tensor = &file->tensors[i];
        if (tensor->data != end)
            return akin_error_set(err, AKIN_ERR_CORRUPT,
                                  "'%s': tensor '%.80s' overlaps the one before it or leaves a gap",
                                  file->what, tensor->name);
        end += tensor->count * elements_bytes(tensor->type);
    }
    if (end != file->data + file->data_size)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s': %zu bytes behind the last tensor",
                              file->what, (size_t)(file->data + file->data_size - end));
    qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
    return AKIN_OK;
}

static akin_status read_header(akin_safetensors *file, const unsigned char *bytes, size_t size,
                               akin_error *err)
{
    uint64_t length = 0;
    if (size >= LENGTH_BYTES)
        memcpy(&length, bytes, LENGTH_BYTES);
    if (size < LENGTH_BYTES + 2 || bytes[LENGTH_BYTES] != '{')
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' is not a safetensors file", file->what);
    if (length > HEADER_BYTES_MAX || length > size - LENGTH_BYTES)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' is cut short or not a safetensors file: a header of %" PRIu64
                              " bytes in a file of %zu",
                              file->what, length, size);
    file->data_at = LENGTH_BYTES + length;
    file->data = bytes + file->data_at;
    file->data_size = size - LENGTH_BYTES - length;
    akin_status status = akin_json_parse(&file->header, (const char *)bytes + LENGTH_BYTES,
                                         (size_t)length, file->what, err);
    return status == AKIN_ERR_INVALID ? akin_error_context(err, AKIN_ERR_CORRUPT, "header")
                                      : status;
}

static akin_status read_tensors(akin_safetensors *file, akin_error *err)
{
    size_t count = akin_json_count(file->header);
    if (count > AKIN_TENSORS_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "'%s' has %zu tensors, at most %d are read",
                              file->what, count, AKIN_TENSORS_MAX);
    file->tensors = akin_alloc_zero(count + 1, sizeof *file->tensors);
    if (!file->tensors)
        return akin_error_memory(err, count * sizeof *file->tensors, "a list of tensors");
    akin_status status = AKIN_OK;
    const char *name = akin_json_key_after(file->header, NULL);
    for (; name && status == AKIN_OK; name = akin_json_key_after(file->header, name))
        if (strcmp(name, METADATA_KEY) != 0)
            status = read_tensor(file, name, err);
    return status == AKIN_OK ? check_places(file, err) : status;
}

akin_status akin_safetensors_parse(akin_safetensors **out, const void *bytes, size_t size,
                                   const char *what, akin_error *err)
{
    akin_safetensors *file = akin_alloc_zero(1, sizeof *file);
    char *name = akin_strdup(what);
    akin_status status = AKIN_OK;
    if (!file || !name) {
        akin_free(file);
        akin_free(name);
        return akin_error_memory(err, sizeof *file, "a safetensors file");
    }
    file->what = name;
    status = read_header(file, bytes, size, err);
    if (status == AKIN_OK)
        status = read_tensors(file, err);
    if (status == AKIN_OK)
        *out = file;
    else
        akin_safetensors_close(file);
    return status;
}

akin_status akin_safetensors_open(akin_safetensors **out, const char *path, akin_error *err)
{
    struct akin_map map = {0};
    akin_safetensors *file = NULL;
    akin_status status = akin_map_open(&map, path, err);
    if (status != AKIN_OK)
        return status;
    status = akin_safetensors_parse(&file, map.data, map.size, path, err);
    if (status != AKIN_OK) {
        akin_map_close(&map);
        return status;
    }
    file->map = map;
    *out = file;
    return AKIN_OK;
}

void akin_safetensors_close(akin_safetensors *file)
{
    if (!file)
        return;
    akin_json_free(file->header);
    akin_free(file->tensors);
    akin_free(file->what);
    akin_map_close(&file->map);
    akin_free(file);
}

size_t akin_safetensors_count(const akin_safetensors *file)
{
    return file->count;
}

const struct akin_tensor *akin_safetensors_at(const akin_safetensors *file, size_t index)
{
    return &file->tensors[index];
}

const struct akin_tensor *akin_safetensors_find(const akin_safetensors *file, const char *name)
{
    const struct akin_tensor key = {.name = name};
    return bsearch(&key, file->tensors, file->count, sizeof key, by_name);
}

const char *akin_safetensors_metadata(const akin_safetensors *file, const char *key)
{
    return akin_json_text_value(akin_json_get(akin_json_get(file->header, METADATA_KEY), key));
}

akin_status akin_safetensors_floats(const akin_safetensors *file, const struct akin_tensor *tensor,
                                    float *out, akin_error *err)
{
    const bool weights = tensor->type == AKIN_TENSOR_F32 || tensor->type == AKIN_TENSOR_F16 ||
                         tensor->type == AKIN_TENSOR_BF16 || tensor->type == AKIN_TENSOR_I8 ||
                         tensor->type == AKIN_TENSOR_U8;
    if (!weights)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "'%s': tensor '%.80s' is of type %s; weights are read from F32, F16, "
                              "BF16, I8 and U8",
                              file->what, tensor->name, elements_name(tensor->type));
    elements_floats(out, 1, tensor->data, tensor->type, tensor->count);
    return AKIN_OK;
}

/* ---- writing ---- */

static akin_json *shape_of(const struct akin_tensor *tensor)
{
    akin_json *shape = akin_json_array();
    for (uint32_t i = 0; i < tensor->rank; i++)
        akin_json_append(shape, akin_json_integer((int64_t)tensor->dims[i]));
    return shape;
}

/* One entry of the header; *at moves behind the tensor. */
static akin_status describe(akin_json *header, const struct akin_tensor *tensor, size_t *at,
                            akin_error *err)
{
    struct akin_tensor shaped = *tensor;
    size_t bytes, end = 0;
    if (tensor->type != AKIN_TENSOR_F32 || tensor->rank > AKIN_TENSOR_RANK_MAX ||
        !tensor_size(&shaped, &bytes) || shaped.count != tensor->count ||
        !akin_size_add(&end, *at, bytes) || end > (size_t)OFFSET_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "tensor '%.80s' cannot be written: type, shape and count disagree",
                              tensor->name);
    if (!strcmp(tensor->name, METADATA_KEY) || akin_json_get(header, tensor->name))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "a second tensor '%.80s', or a name that is reserved", tensor->name);
    akin_json *entry = akin_json_object(), *offsets = akin_json_array();
    akin_json_append(offsets, akin_json_integer((int64_t)*at));
    akin_json_append(offsets, akin_json_integer((int64_t)end));
    akin_json_set(entry, "dtype", akin_json_string(elements_name(tensor->type)));
    akin_json_set(entry, "shape", shape_of(tensor));
    akin_json_set(entry, "data_offsets", offsets);
    akin_json_set(header, tensor->name, entry);
    *at = end;
    return AKIN_OK;
}

static akin_status header_text(struct akin_buffer *out, const struct akin_tensor *tensors,
                               size_t count, const char *const *metadata, akin_error *err)
{
    akin_json *header = akin_json_object();
    akin_status status = AKIN_OK;
    size_t at = 0;
    if (metadata) {
        akin_json *texts = akin_json_object();
        for (; metadata[0]; metadata += 2)
            akin_json_set(texts, metadata[0], akin_json_string(metadata[1]));
        akin_json_set(header, METADATA_KEY, texts);
    }
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        status = describe(header, &tensors[i], &at, err);
    if (status == AKIN_OK)
        status = akin_json_text(header, false, out, err);
    while (status == AKIN_OK && out->size % HEADER_ALIGN)
        status = akin_buffer_append(out, " ", 1, err);
    akin_json_free(header);
    return status;
}

akin_status akin_safetensors_write(const char *path, const struct akin_tensor *tensors,
                                   size_t count, const char *const *metadata, akin_error *err)
{
    akin_atomic_file *file = NULL;
    struct akin_buffer header;
    akin_buffer_init(&header, HEADER_BYTES_MAX);
    akin_status status = header_text(&header, tensors, count, metadata, err);
    uint64_t length = header.size;
    if (status == AKIN_OK)
        status = akin_atomic_begin(&file, path, err);
    if (status == AKIN_OK)
        status = akin_atomic_write(file, &length, sizeof length, err);
    if (status == AKIN_OK)
        status = akin_atomic_write(file, header.data, header.size, err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        status = akin_atomic_write(file, tensors[i].data, tensors[i].count * sizeof(float), err);
    akin_buffer_fini(&header);
    if (status == AKIN_OK)
        return akin_atomic_commit(file, err);
    akin_atomic_abort(file);
    return status;
}
