/*
 * Files: read whole, map, and write so that a file is either wholly there or not there.
 *
 * An atomic file is written to "NAME.tmp-PID-N" beside its final name, fsynced, renamed, and its
 * folder fsynced. A crash leaves the old file or the new one, and at most a temporary that
 * akin_dir_sweep removes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_FILE_H
#define AKIN_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin/core/memory.h"
#include "akin/core/status.h"

#pragma GCC visibility push(default)

#define AKIN_PATH_MAX 4096

/* How what is made of files is opened: by any number of readers, or by one writer. */
/* MARK, of a catalogue only: for judging tiles beside the one writer, whose lock it does not take;
 * everything but marks is for reading. */
enum akin_open { AKIN_OPEN_READ, AKIN_OPEN_WRITE, AKIN_OPEN_MARK };

/* out[AKIN_PATH_MAX] = "dir/name"; AKIN_ERR_LIMIT where it does not fit. */
akin_status akin_path_join(char *out, const char *dir, const char *name, akin_error *err);

/* Makes the folder (mode 0777 & ~umask); an existing folder is fine. Parents must exist. */
akin_status akin_dir_create(const char *path, akin_error *err);
/* fsyncs the folder itself, so that a rename inside it is durable. */
akin_status akin_dir_sync(const char *path, akin_error *err);
/* Removes left-over "*.tmp-PID-N" files in the folder; a folder that is not there is fine. Only for
 * the holder of the write lock: another writer's files would go too. */
akin_status akin_dir_sweep(const char *path, akin_error *err);
/* The names in the folder but . and .., sorted bytewise; *out and each name freed by
 * akin_names_free. At most `max` names, else AKIN_ERR_LIMIT. */
akin_status akin_dir_list(char ***out, size_t *out_count, const char *path, size_t max,
                          akin_error *err);
void akin_names_free(char **names, size_t count);

struct akin_file_stat {
    uint64_t size_bytes;
    int64_t mtime_ns; /* since 1970 */
    bool is_dir, is_regular;
};
/* Follows symbolic links. AKIN_ERR_NOT_FOUND where there is nothing. */
akin_status akin_file_stat(struct akin_file_stat *out, const char *path, akin_error *err);

/* Appends the whole file to `out`, within out->limit; on failure `out` keeps what it had. Only
 * regular files: a folder, a pipe or a device is AKIN_ERR_INVALID (akin_map_open likewise). */
akin_status akin_file_read(struct akin_buffer *out, const char *path, akin_error *err);
/* Exactly `bytes` at `offset`; a short file is AKIN_ERR_CORRUPT. */
akin_status akin_file_read_at(int fd, void *out, size_t bytes, uint64_t offset, const char *path,
                              akin_error *err);
akin_status akin_file_write_all(int fd, const void *data, size_t bytes, const char *path,
                                akin_error *err);
/* Removes; a file that is not there is fine. */
akin_status akin_file_remove(const char *path, akin_error *err);

/* A read-only mapping of a whole file. The struct owns the mapping; close takes a zeroed struct. */
struct akin_map {
    const unsigned char *data; /* NULL for an empty file */
    size_t size;
};
akin_status akin_map_open(struct akin_map *out, const char *path, akin_error *err);
void akin_map_close(struct akin_map *map);

/* Write-whole-or-not-at-all. begin, any writes, then commit or abort (abort takes NULL). */
typedef struct akin_atomic_file akin_atomic_file;
akin_status akin_atomic_begin(akin_atomic_file **out, const char *path, akin_error *err);
akin_status akin_atomic_write(akin_atomic_file *file, const void *data, size_t bytes,
                              akin_error *err);
/* Overwrites at `offset` within what was written (a header whose sums are known last). */
akin_status akin_atomic_write_at(akin_atomic_file *file, const void *data, size_t bytes,
                                 uint64_t offset, akin_error *err);
uint64_t akin_atomic_size(const akin_atomic_file *file);
/* Frees `file` whether it works or not; on failure the temporary is removed. */
akin_status akin_atomic_commit(akin_atomic_file *file, akin_error *err);
void akin_atomic_abort(akin_atomic_file *file);
/* The four in one for a small file. */
akin_status akin_file_write_atomic(const char *path, const void *data, size_t bytes,
                                   akin_error *err);

/* An exclusive advisory lock (flock) on the file `path`, made if need be and holding our pid.
 * AKIN_ERR_BUSY names the pid that holds it. Released by close or by the process's end. */
typedef struct akin_lock akin_lock;
akin_status akin_lock_take(akin_lock **out, const char *path, akin_error *err);
void akin_lock_release(akin_lock *lock);

#pragma GCC visibility pop

#endif
