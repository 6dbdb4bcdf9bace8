/*
 * Protocol buffers, as much of the wire format (protobuf.dev/programming-guides/encoding) as ONNX
 * takes: fields one after another, read without a copy and written onto a buffer. A message inside
 * another is bytes with a length before them.
 *
 *     struct protobuf_reader reader = protobuf_begin(bytes, size);
 *     struct protobuf_field field;
 *     while (protobuf_next(&reader, &field))
 *         if (field.number == 7) ...
 *     if (reader.broken) ...
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_PROTOBUF_H
#define MODEL_PROTOBUF_H

#include "akin/core.h"

enum protobuf_wire {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_FIXED32 = 5
};

/* ---- reading ---- */

struct protobuf_reader {
    const unsigned char *at, *end; /* borrowed */
    bool broken;                   /* not the wire format, or cut short */
};

struct protobuf_field {
    uint32_t number;
    enum protobuf_wire wire;
    uint64_t value; /* of a varint or a fixed number, as its bits */
    const unsigned char *data;
    size_t size; /* of bytes */
};

struct protobuf_reader protobuf_begin(const void *data, size_t size);
/* The next field; false at the end, and where the rest cannot be read: then broken is set. */
bool protobuf_next(struct protobuf_reader *reader, struct protobuf_field *out);
/* The next number of a packed list; like protobuf_next. */
bool protobuf_next_varint(struct protobuf_reader *reader, uint64_t *out);
/* How many fields of this number a message has; what cannot be read ends the count. */
size_t protobuf_count(const void *data, size_t size, uint32_t number);

/* ---- writing, onto the end of a buffer ---- */

akin_status protobuf_put_varint(struct akin_buffer *out, uint32_t number, uint64_t value,
                                akin_error *err);
akin_status protobuf_put_float(struct akin_buffer *out, uint32_t number, float value,
                               akin_error *err);
akin_status protobuf_put_bytes(struct akin_buffer *out, uint32_t number, const void *data,
                               size_t size, akin_error *err);
akin_status protobuf_put_text(struct akin_buffer *out, uint32_t number, const char *text,
                              akin_error *err);
/* Only tag and length: the caller appends `size` bytes. */
akin_status protobuf_put_head(struct akin_buffer *out, uint32_t number, size_t size,
                              akin_error *err);

#endif
