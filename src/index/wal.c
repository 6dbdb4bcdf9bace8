/*
 * The write-ahead log.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

akin_status wal_path(char *out, const char *dir, uint64_t number, akin_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "log-%" PRIu64 ".wal", number);
    return akin_path_join(out, dir, name, err);
}

akin_status wal_create(const char *dir, uint64_t number, uint32_t dim, uint32_t model,
                       akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct log_head head = {.number = number, .dim = dim, .model = model};
    preamble_fill(&head.preamble, MAGIC_LOG);
    head.crc = akin_crc32c(0, &head, offsetof(struct log_head, crc));
    akin_status status = wal_path(path, dir, number, err);
    return status ? status : akin_file_write_atomic(path, &head, sizeof head, err);
}

/* ---- replay ---- */

struct replay {
    const struct wal_reader_fns *fns;
    void *user;
    uint32_t dim;
    const char *path;
};

static akin_status replay_add(const struct replay *replay, const char *data, size_t bytes,
                              bool *good, akin_error *err)
{
    struct log_add add;
    size_t row_bytes = sizeof(struct akin_columns) + replay->dim * sizeof(akin_f16);
    *good = bytes >= sizeof add;
    if (!*good)
        return AKIN_OK;
    memcpy(&add, data, sizeof add);
    *good = add.rows > 0 && add.rows <= (bytes - sizeof add) / row_bytes &&
            (sizeof add + add.rows * row_bytes + 7) / 8 * 8 == bytes;
    if (!*good)
        return AKIN_OK;
    const struct akin_columns *columns = (const void *)(data + sizeof add);
    return replay->fns->add(replay->user, columns, (const void *)(columns + add.rows),
                            (size_t)add.rows, err);
}

static akin_status replay_record(const struct replay *replay, const struct record_reader *reader,
                                 bool *good, akin_error *err)
{
    struct log_remove range;
    switch (reader->type) {
    case LOG_ADD:
        return replay_add(replay, reader->body.data, reader->body.size, good, err);
    case LOG_REMOVE:
        *good = reader->body.size == sizeof range;
        if (!*good)
            return AKIN_OK;
        memcpy(&range, reader->body.data, sizeof range);
        return replay->fns->remove(replay->user, range.first, range.last, err);
    default:
        return akin_error_set(err, AKIN_ERR_VERSION,
                              "%s: a record of type %u that only a newer akin knows", replay->path,
                              reader->type);
    }
}

static akin_status check_head(int fd, const char *path, uint64_t number, uint32_t dim,
                              uint32_t model, akin_error *err)
{
    struct log_head head;
    akin_status status = akin_file_read_at(fd, &head, sizeof head, 0, path, err);
    if (!status)
        status = preamble_check(&head.preamble, MAGIC_LOG, path, err);
    if (status)
        return status;
    if (head.crc != akin_crc32c(0, &head, offsetof(struct log_head, crc)))
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: the head fails its checksum", path);
    if (head.number != number || head.dim != dim || head.model != model || head.reserved)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: its head is of another log", path);
    return AKIN_OK;
}

static akin_status replay_records(struct wal_state *state, int fd, const struct replay *replay,
                                  akin_error *err)
{
    struct record_reader reader;
    enum record_state found = RECORD_GOOD;
    akin_status status = AKIN_OK;
    record_reader_init(&reader, fd, replay->path, state->good_bytes, state->file_bytes);
    while (found == RECORD_GOOD) {
        bool good = true;
        status = record_next(&reader, &found, err);
        if (status || found != RECORD_GOOD)
            break;
        status = replay_record(replay, &reader, &good, err);
        if (status)
            break;
        if (!good)
            found = RECORD_DAMAGED;
        else
            state->good_bytes = reader.at;
    }
    state->damaged = found == RECORD_DAMAGED;
    record_reader_fini(&reader);
    return status;
}

akin_status wal_replay(struct wal_state *state, const char *dir, uint64_t number, uint32_t dim,
                       uint32_t model, const struct wal_reader_fns *fns, void *user,
                       akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct replay replay = {.fns = fns, .user = user, .dim = dim, .path = path};
    struct stat st;
    akin_status status = wal_path(path, dir, number, err);
    if (status)
        return status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return akin_error_errno(err, errno, "cannot open '%s'", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "%s: not a regular file", path);
    if (!status && state->good_bytes == 0) {
        status = check_head(fd, path, number, dim, model, err);
        if (!status)
            state->good_bytes = sizeof(struct log_head);
    }
    if (!status) {
        /* A reader may find the file shorter than it was: a writer has cut off an unfinished
         * record. */
        state->file_bytes =
            (uint64_t)st.st_size < state->good_bytes ? state->good_bytes : (uint64_t)st.st_size;
        status = replay_records(state, fd, &replay, err);
    }
    close(fd);
    return status;
}

/* ---- append ---- */

/* A record's body in pieces, so that a batch is not copied once more to be written. */
struct pieces {
    const struct memtable *table;
    size_t rows;
    uint64_t bytes;
};

typedef akin_status piece_fn(void *user, const void *data, size_t bytes, akin_error *err);

static akin_status each_piece(const struct pieces *pieces, piece_fn *fn, void *user,
                              akin_error *err)
{
    static const char zeros[8];
    const struct memtable *table = pieces->table;
    struct log_add add = {pieces->rows};
    akin_status status = fn(user, &add, sizeof add, err);
    size_t first = table->rows, end = first + pieces->rows,
           row_bytes[2] = {sizeof(struct akin_columns), table->dim * sizeof(akin_f16)};
    for (int of_vectors = 0; of_vectors < 2; of_vectors++)
        for (size_t row = first, next; !status && row < end; row = next) {
            next = (row / BLOCK_ROWS + 1) * BLOCK_ROWS;
            next = next < end ? next : end;
            const void *data = of_vectors ? (const void *)memtable_vector(table, row)
                                          : (const void *)memtable_columns(table, row);
            status = fn(user, data, (next - row) * row_bytes[of_vectors], err);
        }
    size_t used = sizeof add + pieces->rows * (row_bytes[0] + row_bytes[1]);
    return status || used == pieces->bytes ? status
                                           : fn(user, zeros, (size_t)(pieces->bytes - used), err);
}

static akin_status add_crc(void *user, const void *data, size_t bytes, akin_error *err)
{
    (void)err;
    uint32_t *crc = user;
    *crc = akin_crc32c(*crc, data, bytes);
    return AKIN_OK;
}

struct sink {
    int fd;
    const char *path;
};

static akin_status write_piece(void *user, const void *data, size_t bytes, akin_error *err)
{
    const struct sink *sink = user;
    return akin_file_write_all(sink->fd, data, bytes, sink->path, err);
}

/* The end of an append: durable, or undone. */
static akin_status settle(int fd, struct wal_state *state, uint64_t bytes, akin_status status,
                          const char *path, bool *broken, akin_error *err)
{
    if (!status && fdatasync(fd))
        status = akin_error_errno(err, errno, "cannot write '%s'", path);
    if (status)
        *broken = ftruncate(fd, (off_t)state->good_bytes) || fdatasync(fd);
    else
        state->file_bytes = state->good_bytes += bytes;
    return status;
}

akin_status wal_append_rows(int fd, struct wal_state *state, const struct memtable *table,
                            size_t rows, const char *path, bool *broken, akin_error *err)
{
    size_t row_bytes = sizeof(struct akin_columns) + table->dim * sizeof(akin_f16);
    struct pieces pieces = {.table = table, .rows = rows};
    struct record_head head;
    struct sink sink = {fd, path};
    uint32_t crc = 0;
    *broken = false;
    if (rows > (RECORD_BYTES_MAX - 64) / row_bytes)
        return akin_error_set(err, AKIN_ERR_LIMIT, "%zu rows in one call: at most %zu", rows,
                              (RECORD_BYTES_MAX - 64) / row_bytes);
    pieces.bytes = (sizeof(struct log_add) + rows * row_bytes + 7) / 8 * 8;
    akin_status status = each_piece(&pieces, add_crc, &crc, err);
    record_head_fill(&head, LOG_ADD, pieces.bytes, crc);
    if (!status)
        status = akin_file_write_all(fd, &head, sizeof head, path, err);
    if (!status)
        status = each_piece(&pieces, write_piece, &sink, err);
    return settle(fd, state, sizeof head + pieces.bytes, status, path, broken, err);
}

akin_status wal_append_remove(int fd, struct wal_state *state, uint64_t first, uint64_t last,
                              const char *path, bool *broken, akin_error *err)
{
    struct {
        struct record_head head;
        struct log_remove range;
    } record = {.range = {first, last}};
    *broken = false;
    record_head_fill(&record.head, LOG_REMOVE, sizeof record.range,
                     akin_crc32c(0, &record.range, sizeof record.range));
    akin_status status = akin_file_write_all(fd, &record, sizeof record, path, err);
    return settle(fd, state, sizeof record, status, path, broken, err);
}
