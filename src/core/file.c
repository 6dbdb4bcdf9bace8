/*
 * Reading, writing, mapping and removing single files. Every call retries on EINTR and goes on
 * after short reads and writes, which signals and network file systems bring about.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"

/* Linux moves at most 2 GiB a call. */
#define CALL_BYTES_MAX ((size_t)1 << 30)

static size_t one_call(size_t bytes)
{
    return bytes < CALL_BYTES_MAX ? bytes : CALL_BYTES_MAX;
}

akin_status akin_file_stat(struct akin_file_stat *out, const char *path, akin_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return akin_error_errno(err, errno, "cannot look at '%s'", path);
    *out = (struct akin_file_stat){
        .size_bytes = (uint64_t)st.st_size,
        .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
        .is_dir = S_ISDIR(st.st_mode),
        .is_regular = S_ISREG(st.st_mode),
    };
    return AKIN_OK;
}

akin_status descriptor_open_read(int *out_fd, uint64_t *out_size, const char *path, akin_error *err)
{
    struct stat st;
    /* O_NONBLOCK: a named pipe would otherwise hold us until somebody writes. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return akin_error_errno(err, errno, "cannot open '%s'", path);
    akin_status status = AKIN_OK;
    if (fstat(fd, &st) != 0)
        status = akin_error_errno(err, errno, "cannot look at '%s'", path);
    else if (!S_ISREG(st.st_mode))
        status = akin_error_set(err, AKIN_ERR_INVALID, "'%s' is a %s, not a file", path,
                                S_ISDIR(st.st_mode) ? "folder" : "pipe or device");
    if (status != AKIN_OK) {
        close(fd);
        return status;
    }
    if (out_size)
        *out_size = (uint64_t)st.st_size;
    *out_fd = fd;
    return AKIN_OK;
}

static akin_status read_some(size_t *out_bytes, int fd, void *data, size_t bytes, const char *path,
                             akin_error *err)
{
    ssize_t got;
    do
        got = read(fd, data, one_call(bytes));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return akin_error_errno(err, errno, "cannot read '%s'", path);
    *out_bytes = (size_t)got;
    return AKIN_OK;
}

/* Reads to the end rather than to the size at opening: a file may grow, and those of /proc say 0.
 * A full buffer is not made larger before one more byte was seen. */
static akin_status read_to_end(struct akin_buffer *out, int fd, uint64_t size, const char *path,
                               akin_error *err)
{
    akin_status status = akin_buffer_reserve(out, (size_t)size, err);
    while (status == AKIN_OK) {
        char extra;
        size_t got = 0, end = out->capacity - 1 < out->limit ? out->capacity - 1 : out->limit;
        bool full = out->size == end;
        status = read_some(&got, fd, full ? &extra : out->data + out->size,
                           full ? 1 : end - out->size, path, err);
        if (status != AKIN_OK || got == 0)
            return status;
        if (full)
            status = akin_buffer_append(out, &extra, 1, err);
        else
            out->size += got;
    }
    return akin_error_context(err, status, "cannot read '%s' whole", path);
}

akin_status akin_file_read(struct akin_buffer *out, const char *path, akin_error *err)
{
    int fd;
    uint64_t size;
    size_t before = out->size;
    akin_status status = descriptor_open_read(&fd, &size, path, err);
    if (status != AKIN_OK)
        return status;
    status = read_to_end(out, fd, size, path, err);
    close(fd);
    if (status != AKIN_OK)
        out->size = before; /* nothing half-read reaches the caller */
    if (out->data)
        out->data[out->size] = 0;
    return status;
}

akin_status akin_file_read_at(int fd, void *out, size_t bytes, uint64_t offset, const char *path,
                              akin_error *err)
{
    if (offset > INT64_MAX || bytes > INT64_MAX - offset)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' cannot have %zu bytes at %llu", path,
                              bytes, (unsigned long long)offset);
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(fd, (char *)out + done, one_call(bytes - done), (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return akin_error_errno(err, errno, "cannot read '%s'", path);
        if (got == 0)
            return akin_error_set(
                err, AKIN_ERR_CORRUPT, "'%s' is cut short: it ends at byte %llu of %llu", path,
                (unsigned long long)(offset + done), (unsigned long long)(offset + bytes));
        done += (size_t)got;
    }
    return AKIN_OK;
}

akin_status akin_file_write_all(int fd, const void *data, size_t bytes, const char *path,
                                akin_error *err)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t put = write(fd, (const char *)data + done, one_call(bytes - done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return akin_error_errno(err, put < 0 ? errno : EIO, "cannot write '%s'", path);
        done += (size_t)put;
    }
    return AKIN_OK;
}

akin_status descriptor_write_at(int fd, const void *data, size_t bytes, uint64_t offset,
                                const char *path, akin_error *err)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t put =
            pwrite(fd, (const char *)data + done, one_call(bytes - done), (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return akin_error_errno(err, put < 0 ? errno : EIO, "cannot write '%s'", path);
        done += (size_t)put;
    }
    return AKIN_OK;
}

akin_status akin_file_remove(const char *path, akin_error *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return AKIN_OK;
    return akin_error_errno(err, errno, "cannot remove '%s'", path);
}

akin_status akin_map_open(struct akin_map *out, const char *path, akin_error *err)
{
    int fd;
    uint64_t size;
    akin_status status = descriptor_open_read(&fd, &size, path, err);
    if (status != AKIN_OK)
        return status;
    struct akin_map map = {.size = (size_t)size};
    if (size) { /* mmap refuses a length of 0 */
        void *data = mmap(NULL, map.size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED)
            status = akin_error_errno(err, errno, "cannot map '%s' (%zu bytes)", path, map.size);
        else
            map.data = data;
    }
    close(fd); /* the mapping holds the file */
    if (status == AKIN_OK)
        *out = map;
    return status;
}

void akin_map_close(struct akin_map *map)
{
    if (!map)
        return;
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (struct akin_map){0};
}
