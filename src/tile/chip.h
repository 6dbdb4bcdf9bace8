/*
 * Chips with a codec that is used again (chip.c); private to the stage.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TILE_CHIP_H
#define AKIN_TILE_CHIP_H

#include "akin/tile.h"

/* zstd's state and scratch, for one thread. Zeroed: empty; fini takes that. */
struct chip_codec {
    void *compressor;
    struct akin_buffer scratch;
};
void chip_codec_init(struct chip_codec *codec);
void chip_codec_fini(struct chip_codec *codec);

/* akin_chip_encode with a codec of the caller's. */
akin_status chip_encode_with(struct chip_codec *codec, const struct akin_raster *raster,
                             struct akin_buffer *out, akin_error *err);

/* At most so many bytes does a chip of such pixels take: the plan's memory. */
size_t chip_bytes_max(size_t raw_bytes, size_t pixels);

#endif
