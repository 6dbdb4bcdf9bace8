/*
 * Widening, one element at a time but for the types that embeddings come in (f32 and f16), which go
 * by blocks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elements.h"

#include <string.h>

#include "akin/vec.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "elements are read as they lie in memory, which must be little-endian"
#endif

static const struct {
    const char *name;
    size_t bytes;
} types[AKIN_TENSOR_TYPE_COUNT] = {
#define X(name, bytes) {#name, bytes},
    AKIN_TENSOR_TYPES(X)
#undef X
};

size_t elements_bytes(enum akin_tensor_type type)
{
    return types[type].bytes;
}

const char *elements_name(enum akin_tensor_type type)
{
    return types[type].name;
}

bool elements_are_whole(enum akin_tensor_type type)
{
    return type != AKIN_TENSOR_F32 && type != AKIN_TENSOR_F16 && type != AKIN_TENSOR_BF16 &&
           type != AKIN_TENSOR_F64;
}

void elements_swap(void *bytes, enum akin_tensor_type type, size_t n)
{
    const size_t size = types[type].bytes;
    unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++, at += size)
        for (size_t j = 0; j < size / 2; j++) {
            const unsigned char byte = at[j];
            at[j] = at[size - 1 - j];
            at[size - 1 - j] = byte;
        }
}

#define LOAD(type)                                                                                 \
    type value;                                                                                    \
    memcpy(&value, at, sizeof value);                                                              \
    return value

static float load_f32(const unsigned char *at)
{
    LOAD(float);
}

static double load_f64(const unsigned char *at)
{
    LOAD(double);
}

static float load_f16(const unsigned char *at)
{
    akin_f16 half;
    float value;
    memcpy(&half, at, sizeof half);
    akin_kernels()->f32_from_f16(&value, &half, 1);
    return value;
}

/* bf16 is the upper half of an f32. */
static float load_bf16(const unsigned char *at)
{
    const uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int64_t load_i16(const unsigned char *at)
{
    LOAD(int16_t);
}

static int64_t load_i32(const unsigned char *at)
{
    LOAD(int32_t);
}

static int64_t load_i64(const unsigned char *at)
{
    LOAD(int64_t);
}

/* `bytes` of them, the others being zero. */
static uint64_t load_unsigned(const unsigned char *at, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, at, bytes);
    return value;
}

static int64_t load_signed(const unsigned char *at, size_t bytes)
{
    return bytes == 1   ? (int8_t)*at
           : bytes == 2 ? load_i16(at)
           : bytes == 4 ? load_i32(at)
                        : load_i64(at);
}

static bool is_signed(enum akin_tensor_type type)
{
    return type == AKIN_TENSOR_I8 || type == AKIN_TENSOR_I16 || type == AKIN_TENSOR_I32 ||
           type == AKIN_TENSOR_I64;
}

static double load(const unsigned char *at, enum akin_tensor_type type)
{
    switch (type) {
    case AKIN_TENSOR_F32:
        return (double)load_f32(at);
    case AKIN_TENSOR_F16:
        return (double)load_f16(at);
    case AKIN_TENSOR_BF16:
        return (double)load_bf16(at);
    case AKIN_TENSOR_F64:
        return load_f64(at);
    default:
        return is_signed(type) ? (double)load_signed(at, types[type].bytes)
                               : (double)load_unsigned(at, types[type].bytes);
    }
}

/* Through a piece of aligned memory, since a tensor may begin at an odd byte. */
static void widen_f16(float *out, const unsigned char *in, size_t n)
{
    akin_f16 piece[256];
    for (size_t i = 0; i < n;) {
        const size_t now = n - i < 256 ? n - i : 256;
        memcpy(piece, in + 2 * i, now * sizeof *piece);
        akin_kernels()->f32_from_f16(out + i, piece, now);
        i += now;
    }
}

void elements_floats(float *out, size_t stride, const void *bytes, enum akin_tensor_type type,
                     size_t n)
{
    const unsigned char *at = bytes;
    if (!n)
        return;
    if (stride == 1 && type == AKIN_TENSOR_F32) {
        memcpy(out, at, n * sizeof *out);
    } else if (stride == 1 && type == AKIN_TENSOR_F16) {
        widen_f16(out, at, n);
    } else {
        for (size_t i = 0; i < n; i++)
            out[i * stride] = (float)load(at + i * types[type].bytes, type);
    }
}

void elements_doubles(double *out, size_t stride, const void *bytes, enum akin_tensor_type type,
                      size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++)
        out[i * stride] = load(at + i * types[type].bytes, type);
}

size_t elements_integers(int64_t *out, size_t stride, const void *bytes, enum akin_tensor_type type,
                         size_t n)
{
    const size_t size = types[type].bytes;
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++, at += size) {
        const uint64_t value = is_signed(type) ? 0 : load_unsigned(at, size);
        if (value > INT64_MAX)
            return i;
        out[i * stride] = is_signed(type) ? load_signed(at, size) : (int64_t)value;
    }
    return n;
}
