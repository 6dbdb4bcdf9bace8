/*
 * Reading and framing of records.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "record.h"

void record_head_fill(struct record_head *out, uint32_t type, uint64_t bytes, uint32_t body_crc)
{
    *out = (struct record_head){
        .mark = RECORD_MARK, .type = type, .bytes = bytes, .body_crc = body_crc};
    out->head_crc = akin_crc32c(0, out, offsetof(struct record_head, head_crc));
}

static bool head_good(const struct record_head *head)
{
    return head->mark == RECORD_MARK &&
           head->head_crc == akin_crc32c(0, head, offsetof(struct record_head, head_crc)) &&
           head->bytes <= RECORD_BYTES_MAX && head->bytes % 8 == 0;
}

void record_reader_init(struct record_reader *reader, int fd, const char *path, uint64_t at,
                        uint64_t size)
{
    *reader = (struct record_reader){.fd = fd, .path = path, .at = at, .size = size};
    akin_buffer_init(&reader->body, RECORD_BYTES_MAX);
}

void record_reader_fini(struct record_reader *reader)
{
    akin_buffer_fini(&reader->body);
}

akin_status record_next(struct record_reader *reader, enum record_state *state, akin_error *err)
{
    struct record_head head;
    uint64_t left = reader->size - reader->at;
    if (left < sizeof head) {
        *state = left ? RECORD_TORN : RECORD_END;
        return AKIN_OK;
    }
    akin_status status =
        akin_file_read_at(reader->fd, &head, sizeof head, reader->at, reader->path, err);
    /* CORRUPT is a short read: another process's writer has just cut off a torn tail. */
    if (status == AKIN_ERR_CORRUPT) {
        *state = RECORD_TORN;
        return AKIN_OK;
    }
    if (status)
        return status;
    if (!head_good(&head)) {
        *state = RECORD_DAMAGED;
        return AKIN_OK;
    }
    if (head.bytes > left - sizeof head) {
        *state = RECORD_TORN;
        return AKIN_OK;
    }
    akin_buffer_clear(&reader->body);
    status = akin_buffer_reserve(&reader->body, head.bytes, err);
    if (status)
        return status;
    if (head.bytes)
        status = akin_file_read_at(reader->fd, reader->body.data, head.bytes,
                                   reader->at + sizeof head, reader->path, err);
    if (status == AKIN_ERR_CORRUPT) {
        *state = RECORD_TORN;
        return AKIN_OK;
    }
    if (status)
        return status;
    reader->body.size = head.bytes;
    if (akin_crc32c(0, reader->body.data, head.bytes) != head.body_crc) {
        *state = RECORD_DAMAGED;
        return AKIN_OK;
    }
    reader->type = head.type;
    reader->at += sizeof head + head.bytes;
    *state = RECORD_GOOD;
    return AKIN_OK;
}
