/*
 * Private to index: the bytes of an epoch's file (docs/FORMATS.md).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_EPOCH_FILE_H
#define INDEX_EPOCH_FILE_H

#include "epoch.h"
#include "tree.h"

#define EPOCH_ALIGN 64u
#define EPOCH_LISTS_MAX (1u << 24)

struct epoch_head {
    struct preamble preamble;
    uint64_t id, rows_trained, seed, bytes;
    uint32_t dim, metric, bits;
    uint32_t supers, lists, lists_used;
    float unit, residual;
    uint8_t reserved[40];
    uint32_t body_crc; /* of all that follows the head */
    uint32_t crc;      /* of the 124 bytes before */
};
_Static_assert(sizeof(struct epoch_head) == 128, "layout");

/* Where the arrays lie: first_list; supers' and lists' tiles, sums, scales and halves; the lists' values
 * and their blocks of codes; in this order, each at the next multiple of EPOCH_ALIGN. */
enum epoch_part {
    EPOCH_FIRST_LIST,
    EPOCH_SUPERS, /* four parts */
    EPOCH_LISTS = EPOCH_SUPERS + 4,
    EPOCH_LIST_VALUES = EPOCH_LISTS + 4,
    EPOCH_LIST_BLOCKS,
    EPOCH_PARTS
};
struct epoch_layout {
    uint64_t offset[EPOCH_PARTS], bytes[EPOCH_PARTS];
    uint64_t end; /* of the file */
};
void epoch_layout(struct epoch_layout *out, uint32_t supers, uint32_t lists,
                  const struct code_shape *shape);
/* Of lists' codes, by that of rows'. */
struct code_shape epoch_list_shape(const struct code_shape *shape);

/* Writes DIR/epoch-ID.ep of the tree; the head's sizes and sums are filled in. */
akin_status epoch_write(const char *dir, struct epoch_head *head, const struct tree_built *built,
                        akin_error *err);

#endif
