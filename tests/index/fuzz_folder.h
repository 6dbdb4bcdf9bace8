/*
 * For the fuzz targets of index: the input as a file in a folder, where the real loaders find it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_INDEX_FUZZ_FOLDER_H
#define TESTS_INDEX_FUZZ_FOLDER_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char fuzz_folder_path[64], fuzz_file_path[128];

static void fuzz_folder_remove(void)
{
    unlink(fuzz_file_path);
    rmdir(fuzz_folder_path);
}

/* Writes the input as FOLDER/NAME and returns the folder, which is removed at the end. */
static const char *fuzz_folder(const char *name, const void *data, size_t size)
{
    if (!fuzz_folder_path[0]) {
        snprintf(fuzz_folder_path, sizeof fuzz_folder_path, "%s/akin-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (!mkdtemp(fuzz_folder_path))
            abort();
        snprintf(fuzz_file_path, sizeof fuzz_file_path, "%s/%s", fuzz_folder_path, name);
        atexit(fuzz_folder_remove);
    }
    int fd = open(fuzz_file_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
    return fuzz_folder_path;
}

#endif
