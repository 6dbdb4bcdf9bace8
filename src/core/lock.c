/*
 * One writer at a time, by flock: the kernel lets go of it when the process ends, however it ends,
 * so that a lock is never stale. The file stays: removing it would let two processes hold locks on
 * two files of one name. The pid in it is for the error text only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "akin/core/file.h"

struct akin_lock {
    int fd;
};

#define PID_TEXT_MAX 32

/* " (pid N)", or nothing where the holder has not written it yet or the file holds something
 * else. */
static void read_holder(char out[PID_TEXT_MAX], int fd)
{
    char text[PID_TEXT_MAX / 2];
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    size_t digits = strspn(text, "0123456789");
    out[0] = '\0';
    if (digits && text[digits] == '\n')
        snprintf(out, PID_TEXT_MAX, " (pid %.*s)", (int)digits, text);
}

static akin_status try_lock(int fd, const char *path, akin_error *err)
{
    char holder[PID_TEXT_MAX];
    int result;
    do
        result = flock(fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return AKIN_OK;
    if (errno != EWOULDBLOCK)
        return akin_error_errno(err, errno, "cannot lock '%s'", path);
    read_holder(holder, fd);
    return akin_error_set(err, AKIN_ERR_BUSY,
                          "another akin%s is writing here and holds '%s'; wait for it to end, or "
                          "stop it and run the same again",
                          holder, path);
}

static akin_status write_pid(int fd, const char *path, akin_error *err)
{
    char text[PID_TEXT_MAX];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0)
        return akin_error_errno(err, errno, "cannot write '%s'", path);
    return akin_file_write_all(fd, text, (size_t)size, path, err);
}

akin_status akin_lock_take(akin_lock **out, const char *path, akin_error *err)
{
    akin_lock *lock = akin_alloc(1, sizeof *lock);
    if (!lock)
        return akin_error_memory(err, sizeof *lock, "a lock");
    akin_status status;
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock->fd < 0)
        status = akin_error_errno(err, errno, "cannot open the lock '%s'", path);
    else
        status = try_lock(lock->fd, path, err);
    if (status == AKIN_OK)
        status = write_pid(lock->fd, path, err);
    if (status != AKIN_OK) {
        if (lock->fd >= 0)
            close(lock->fd);
        akin_free(lock);
        return status;
    }
    *out = lock;
    return AKIN_OK;
}

void akin_lock_release(akin_lock *lock)
{
    if (!lock)
        return;
    /* A pid left behind would be wrong from now on; that it cannot be cleared hurts nobody. */
    int ignored = ftruncate(lock->fd, 0);
    (void)ignored;
    close(lock->fd);
    akin_free(lock);
}
