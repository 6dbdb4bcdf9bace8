/*
 * Buffers for kernels: each lies against a page that may not be touched, before or behind, so that a
 * single byte read or written outside ends the test. And numbers to fill them with.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_VEC_GUARDED_H
#define AKIN_TESTS_VEC_GUARDED_H

#include "akin/vec.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define AREA_BYTES (1u << 20)

static uint64_t seed;

static double draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-52 - 1;
}

/* `bytes` at the end of the area `slot`, before a forbidden page, or at its begin, behind one. */
static void *place(int slot, size_t bytes, bool at_end)
{
    static char *areas[6];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!areas[slot]) {
        char *map = mmap(NULL, AREA_BYTES + 2 * page, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED || mprotect(map, page, PROT_NONE) ||
            mprotect(map + page + AREA_BYTES, page, PROT_NONE))
            abort();
        areas[slot] = map + page;
    }
    if (bytes > AREA_BYTES)
        abort();
    return at_end ? areas[slot] + AREA_BYTES - bytes : areas[slot];
}

static float *place_floats(int slot, size_t n, bool at_end)
{
    float *x = place(slot, n * sizeof *x, at_end);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)draw();
    return x;
}

#endif
