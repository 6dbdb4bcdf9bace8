/*
 * Private to index: the write-ahead log. What add and remove were told since the last flush, one
 * record a call.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_WAL_H
#define INDEX_WAL_H

#include <stdbool.h>

#include "memtable.h"

akin_status wal_path(char *out, const char *dir, uint64_t number, akin_error *err);
/* Makes an empty log, whole and durable. */
akin_status wal_create(const char *dir, uint64_t number, uint32_t dim, uint32_t model,
                       akin_error *err);

/* What to do with the records; both get views into a buffer that lasts for the call. */
struct wal_reader_fns {
    akin_status (*add)(void *user, const struct akin_columns *columns, const akin_f16 *vectors,
                       size_t rows, akin_error *err);
    akin_status (*remove)(void *user, uint64_t first, uint64_t last, akin_error *err);
};
struct wal_state {
    uint64_t good_bytes; /* where the next record belongs; 0 to begin with */
    uint64_t file_bytes;
    bool damaged; /* wrong bytes behind good_bytes, not only an unfinished record */
};
/* Replays from state->good_bytes (0: from the head) on and moves it. NOT_FOUND, CORRUPT (the head),
 * VERSION. */
akin_status wal_replay(struct wal_state *state, const char *dir, uint64_t number, uint32_t dim,
                       uint32_t model, const struct wal_reader_fns *fns, void *user,
                       akin_error *err);

/* Appends one record and fdatasyncs: the `rows` staged rows behind table->rows, or a range. Where
 * that fails the file is cut back to state->good_bytes; *broken says that even that failed. */
akin_status wal_append_rows(int fd, struct wal_state *state, const struct memtable *table,
                            size_t rows, const char *path, bool *broken, akin_error *err);
akin_status wal_append_remove(int fd, struct wal_state *state, uint64_t first, uint64_t last,
                              const char *path, bool *broken, akin_error *err);

#endif
