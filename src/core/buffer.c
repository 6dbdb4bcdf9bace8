/*
 * A growing byte buffer with a declared maximum: doubled until the limit, so that appending is
 * linear in what is appended, and a hostile input ends in AKIN_ERR_LIMIT instead of in swap.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "akin/core/memory.h"

#define FIRST_BYTES 256

void akin_buffer_init(struct akin_buffer *buffer, size_t limit_bytes)
{
    /* One byte is kept for the NUL, which must not overflow. */
    size_t limit = limit_bytes < SIZE_MAX ? limit_bytes : SIZE_MAX - 1;
    *buffer = (struct akin_buffer){.limit = limit};
}

void akin_buffer_fini(struct akin_buffer *buffer)
{
    if (!buffer)
        return;
    akin_free(buffer->data);
    *buffer = (struct akin_buffer){.limit = buffer->limit};
}

void akin_buffer_clear(struct akin_buffer *buffer)
{
    buffer->size = 0;
    if (buffer->data)
        buffer->data[0] = '\0';
}

akin_status akin_buffer_reserve(struct akin_buffer *buffer, size_t more_bytes, akin_error *err)
{
    if (more_bytes > buffer->limit - buffer->size)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "%zu bytes more would exceed the limit of %zu bytes", more_bytes,
                              buffer->limit);
    size_t need = buffer->size + more_bytes + 1; /* and the NUL */
    if (need <= buffer->capacity)
        return AKIN_OK;
    size_t doubled = buffer->capacity <= buffer->limit / 2 ? buffer->capacity * 2 : buffer->limit;
    size_t capacity = doubled < FIRST_BYTES ? FIRST_BYTES : doubled;
    if (capacity < need)
        capacity = need;
    char *data = akin_realloc(buffer->data, buffer->data ? buffer->size + 1 : 0, capacity);
    if (!data)
        return akin_error_memory(err, capacity, "a growing buffer");
    data[buffer->size] = '\0';
    buffer->data = data;
    buffer->capacity = capacity;
    return AKIN_OK;
}

akin_status akin_buffer_append(struct akin_buffer *buffer, const void *data, size_t bytes,
                               akin_error *err)
{
    akin_status status = akin_buffer_reserve(buffer, bytes, err);
    if (status != AKIN_OK)
        return status;
    if (bytes)
        memcpy(buffer->data + buffer->size, data, bytes);
    buffer->size += bytes;
    buffer->data[buffer->size] = '\0';
    return AKIN_OK;
}

akin_status akin_buffer_printf(struct akin_buffer *buffer, akin_error *err, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    akin_status status = length < 0
                             ? akin_error_set(err, AKIN_ERR_INVALID, "text cannot be formatted")
                             : akin_buffer_reserve(buffer, (size_t)length, err);
    if (status == AKIN_OK) {
        vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, again);
        buffer->size += (size_t)length;
    }
    va_end(again);
    return status;
}
