/*
 * Overviews of scenes, shared by all workers: those drawn last, up to a number of bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_OVERVIEWS_H
#define AKIN_SERVE_OVERVIEWS_H

#include <pthread.h>
#include <stdatomic.h>

#include "akin/search.h"

#define OVERVIEWS_MAX 32
#define OVERVIEWS_BYTES_MAX ((size_t)256 << 20)

struct shared_overview {
    atomic_uint refs;
    uint32_t collection, scene;
    uint64_t used; /* when it was asked for last */
    akin_overview *overview;
};
struct overviews {
    pthread_mutex_t mutex;
    struct shared_overview *items[OVERVIEWS_MAX];
    size_t count, bytes;
    uint64_t clock;
};
void overviews_init(struct overviews *overviews);
void overviews_fini(struct overviews *overviews);
/* From memory, else made with this engine; with a reference of the caller's. Two threads that ask for the
 * same one at once may both make it. */
akin_status overviews_get(struct overviews *overviews, akin_engine *engine, uint32_t collection,
                          uint32_t scene, struct shared_overview **out, akin_error *err);
void overview_unref(struct shared_overview *shared); /* takes NULL */

#endif
