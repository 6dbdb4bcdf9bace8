/*
 * What the file parts share: opening without surprises and writing at a place.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_DESCRIPTOR_H
#define AKIN_CORE_DESCRIPTOR_H

#include <stddef.h>
#include <stdint.h>

#include "akin/core/status.h"

/* Opens a regular file for reading; *out_size (may be NULL) is its size now. A folder, a pipe or a
 * device is AKIN_ERR_INVALID, and opening one does not wait for its other end. */
akin_status descriptor_open_read(int *out_fd, uint64_t *out_size, const char *path,
                                 akin_error *err);
/* All of `data` at `offset`, without moving the file position. */
akin_status descriptor_write_at(int fd, const void *data, size_t bytes, uint64_t offset,
                                const char *path, akin_error *err);

#endif
