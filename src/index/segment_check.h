/*
 * Private to index: verifying one segment, and how its faults are told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_SEGMENT_CHECK_H
#define INDEX_SEGMENT_CHECK_H

#include "segment.h"

struct segment_check {
    const struct segment *segment;
    const char *name;
    akin_fault_fn *fault;
    void *user;
    uint64_t faults;
    float *wide;
    int8_t *codes;
    uint8_t *seen; /* (rows) */
};
/* Counts a fault, and tells it where it is not one of very many. */
void segment_check_tell(struct segment_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The codes of a segment whose epoch is open: block zones, and of a sample codes and lists. */
akin_status segment_check_coded(struct segment_check *check, akin_error *err);

#endif
