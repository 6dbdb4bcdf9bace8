/*
 * Numbers to and from a program beside the test: raw files in the test's folder, and PyTorch of
 * Debian's python3-torch to work on them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_PEER_H
#define AKIN_TESTS_PEER_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../check.h"
#include "akin/core.h"

static inline bool peer_write(const char *folder, const char *name, const void *data, size_t bytes)
{
    char path[AKIN_PATH_MAX];
    return akin_path_join(path, folder, name, NULL) == AKIN_OK &&
           akin_file_write_atomic(path, data, bytes, NULL) == AKIN_OK;
}

/* False unless the file has exactly so many bytes. */
static inline bool peer_read(const char *folder, const char *name, void *data, size_t bytes)
{
    char path[AKIN_PATH_MAX];
    struct akin_map map = {0};
    bool good = akin_path_join(path, folder, name, NULL) == AKIN_OK &&
                akin_map_open(&map, path, NULL) == AKIN_OK && map.size == bytes;
    if (good)
        memcpy(data, map.data, bytes);
    akin_map_close(&map);
    return good;
}

/* Runs a shell command; its exit status, or -1. */
static inline AKIN_PRINTF(1, 2) int peer_run(const char *format, ...)
{
    char command[2 * AKIN_PATH_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof command)
        return -1;
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Debian's Python, which another one before it in the path does not hide. */
#define PEER_LOSS "/usr/bin/python3 tests/model/peer_loss.py"
/* Whether python3-torch is installed; else the case is skipped. */
static inline bool peer_has_torch(void)
{
    bool there = peer_run("/usr/bin/python3 -c 'import torch, numpy' 2>/dev/null") == 0;
    if (!there)
        check_skip("python3-torch is not installed");
    return there;
}

/* Any numbers with a normal distribution, near enough. */
static inline void peer_fill(float *x, size_t count, double scale, uint64_t stream)
{
    for (size_t i = 0; i < count; i++) {
        double sum = -2;
        for (uint64_t j = 0; j < 4; j++)
            sum += akin_random_unit(7, stream, 4 * i + j);
        x[i] = (float)(scale * 1.7320508 * sum);
    }
}

#endif
