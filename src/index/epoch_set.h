/*
 * Private to index: the epochs that a view's segments are coded in. A few at most: the newest, and
 * those before it until their last segment has been written anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_EPOCH_SET_H
#define INDEX_EPOCH_SET_H

#include "epoch.h"

struct epoch_set {
    struct epoch **epochs; /* references, owned; by id ascending */
    size_t count;
};
/* Takes over one reference; also where it fails. */
akin_status epoch_set_add(struct epoch_set *set, struct epoch *epoch, akin_error *err);
struct epoch *epoch_set_find(const struct epoch_set *set, uint64_t id); /* borrowed; NULL */
void epoch_set_remove(struct epoch_set *set, uint64_t id);
void epoch_set_fini(struct epoch_set *set); /* takes a zeroed struct */

#endif
