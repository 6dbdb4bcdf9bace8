/*
 * The wire format. Groups (wire types 3 and 4), long dead, count as broken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "protobuf.h"

#include <string.h>

#define VARINT_BYTES_MAX 10
#define NUMBER_MAX ((1u << 29) - 1)

/* ---- reading ---- */

struct protobuf_reader protobuf_begin(const void *data, size_t size)
{
    const unsigned char *at = data;
    return (struct protobuf_reader){.at = at, .end = size ? at + size : at};
}

static bool fail(struct protobuf_reader *reader)
{
    reader->broken = true;
    reader->at = reader->end;
    return false;
}

bool protobuf_next_varint(struct protobuf_reader *reader, uint64_t *out)
{
    uint64_t value = 0;
    if (reader->at == reader->end)
        return false;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && reader->at < reader->end; i++) {
        unsigned char byte = *reader->at++;
        value |= (uint64_t)(byte & 127) << (7 * i);
        if (byte < 128) {
            *out = value;
            return true;
        }
    }
    return fail(reader);
}

static bool read_fixed(struct protobuf_reader *reader, uint64_t *out, size_t bytes)
{
    if ((size_t)(reader->end - reader->at) < bytes)
        return fail(reader);
    *out = 0;
    for (size_t i = 0; i < bytes; i++)
        *out |= (uint64_t)*reader->at++ << (8 * i);
    return true;
}

/* A length may be missing where a field's tag was the last byte. */
static bool read_varint(struct protobuf_reader *reader, uint64_t *out)
{
    return reader->at < reader->end ? protobuf_next_varint(reader, out) : fail(reader);
}

bool protobuf_next(struct protobuf_reader *reader, struct protobuf_field *out)
{
    uint64_t tag;
    struct protobuf_field field = {0};
    if (!protobuf_next_varint(reader, &tag))
        return false;
    if (tag >> 3 == 0 || tag >> 3 > NUMBER_MAX)
        return fail(reader);
    field.number = (uint32_t)(tag >> 3);
    field.wire = (enum protobuf_wire)(tag & 7);
    switch (tag & 7) {
    case PROTOBUF_VARINT:
        if (!read_varint(reader, &field.value))
            return false;
        break;
    case PROTOBUF_FIXED64:
    case PROTOBUF_FIXED32:
        if (!read_fixed(reader, &field.value, field.wire == PROTOBUF_FIXED64 ? 8 : 4))
            return false;
        break;
    case PROTOBUF_BYTES:
        if (!read_varint(reader, &field.value))
            return false;
        if (field.value > (uint64_t)(reader->end - reader->at))
            return fail(reader);
        field.data = reader->at;
        field.size = (size_t)field.value;
        reader->at += field.size;
        break;
    default:
        return fail(reader);
    }
    *out = field;
    return true;
}

size_t protobuf_count(const void *data, size_t size, uint32_t number)
{
    struct protobuf_reader reader = protobuf_begin(data, size);
    struct protobuf_field field;
    size_t count = 0;
    while (protobuf_next(&reader, &field))
        count += field.number == number;
    return count;
}

/* ---- writing ---- */

static akin_status put_plain_varint(struct akin_buffer *out, uint64_t value, akin_error *err)
{
    unsigned char bytes[VARINT_BYTES_MAX];
    size_t size = 0;
    for (; value > 127; value >>= 7)
        bytes[size++] = (unsigned char)(value | 128);
    bytes[size++] = (unsigned char)value;
    return akin_buffer_append(out, bytes, size, err);
}

static akin_status put_tag(struct akin_buffer *out, uint32_t number, enum protobuf_wire wire,
                           akin_error *err)
{
    return put_plain_varint(out, (uint64_t)number << 3 | (uint64_t)wire, err);
}

akin_status protobuf_put_varint(struct akin_buffer *out, uint32_t number, uint64_t value,
                                akin_error *err)
{
    akin_status status = put_tag(out, number, PROTOBUF_VARINT, err);
    return status == AKIN_OK ? put_plain_varint(out, value, err) : status;
}

akin_status protobuf_put_float(struct akin_buffer *out, uint32_t number, float value,
                               akin_error *err)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const unsigned char bytes[4] = {(unsigned char)bits, (unsigned char)(bits >> 8),
                                    (unsigned char)(bits >> 16), (unsigned char)(bits >> 24)};
    akin_status status = put_tag(out, number, PROTOBUF_FIXED32, err);
    return status == AKIN_OK ? akin_buffer_append(out, bytes, sizeof bytes, err) : status;
}

akin_status protobuf_put_head(struct akin_buffer *out, uint32_t number, size_t size,
                              akin_error *err)
{
    akin_status status = put_tag(out, number, PROTOBUF_BYTES, err);
    return status == AKIN_OK ? put_plain_varint(out, size, err) : status;
}

akin_status protobuf_put_bytes(struct akin_buffer *out, uint32_t number, const void *data,
                               size_t size, akin_error *err)
{
    akin_status status = protobuf_put_head(out, number, size, err);
    return status == AKIN_OK && size ? akin_buffer_append(out, data, size, err) : status;
}

akin_status protobuf_put_text(struct akin_buffer *out, uint32_t number, const char *text,
                              akin_error *err)
{
    return protobuf_put_bytes(out, number, text, strlen(text), err);
}
