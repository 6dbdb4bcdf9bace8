/*
 * tile: a scene becomes tiles. The grid and its windows, each tile's footprint and quality, what
 * the encoder gets to see, and chip packs that keep the pixels.
 *
 *     akin_cutter *cutter;
 *     akin_cutter_open(&cutter, source, &plan, &err);
 *     while (akin_cutter_next(cutter, &strip, &err) == AKIN_OK && strip.count)
 *         for each strip.tiles[i]: encode(tile->input), keep(tile->chip, tile->columns)
 *     akin_cutter_close(cutter);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TILE_H
#define AKIN_TILE_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/core.h"
#include "akin/source.h"
#include "akin/vec.h"

#pragma GCC visibility push(default)

#define AKIN_CHIP_PX_MAX 512 /* longest side of a whole picture's chip */
#define AKIN_CHIP_JPEG_QUALITY 95

/* ---- grid ---- */

/* Windows of tile_px by tile_px, stride apart, in rows; the last of each row and column is shifted
 * inward so that no tile is incomplete. A scene smaller than a tile in a direction has one window
 * of its own size there. `whole`: one window, the whole picture. */
struct akin_grid {
    uint32_t width, height; /* of the scene */
    uint32_t tile_px, stride;
    uint32_t rows, cols; /* each at most AKIN_TILE_ROW_MAX + 1 */
    bool whole;
};
/* stride = max(1, round(tile_px * (1 - overlap))). Whole where !settings->tile_always and
 * !has_place. AKIN_ERR_LIMIT where the grid has too many rows or columns (says which --tile would
 * do). */
akin_status akin_grid_init(struct akin_grid *out, const struct akin_settings *settings,
                           uint32_t width, uint32_t height, bool has_place, akin_error *err);
struct akin_window akin_grid_window(const struct akin_grid *grid, uint32_t row, uint32_t col);
uint64_t akin_grid_count(const struct akin_grid *grid);

/* The order in which rows of tiles are taken: every stride-th row first, then the others, so that
 * the first tiles of a large scene are a sample of all of it. stride 1 is plain. A permutation of
 * 0..rows-1. */
uint32_t akin_grid_row_at(const struct akin_grid *grid, uint32_t order_stride, uint32_t position);

/* ---- scaling to 8 bits ---- */

/* value -> 255 * (value - low) / (high - low), clamped, rounded. Per band of the collection and for
 * one sample type; 8-bit data is 0..255: unchanged. */
struct akin_scaling {
    uint32_t bands;
    double low[AKIN_BANDS_MAX], high[AKIN_BANDS_MAX];
};
void akin_scaling_identity(struct akin_scaling *out, uint32_t bands);
/* As kept in the catalogue: {"low":[...],"high":[...]}. */
akin_status akin_scaling_parse(struct akin_scaling *out, const char *text, akin_error *err);
akin_status akin_scaling_text(const struct akin_scaling *scaling, struct akin_buffer *out,
                              akin_error *err);
/* The catalogue's, for one sample type; 8-bit data, and a type that has none yet (*found = false;
 * may be NULL), is unchanged. bands 0: whatever it has. */
akin_status akin_scaling_load(struct akin_scaling *out, bool *found, akin_catalog *catalog,
                              enum akin_dtype dtype, uint32_t bands, akin_error *err);
akin_status akin_scaling_store(akin_catalog *catalog, enum akin_dtype dtype,
                               const struct akin_scaling *scaling, akin_error *err);
/* Of every type, for the collection's bands. */
akin_status akin_scaling_load_all(struct akin_scaling out[AKIN_DTYPE_COUNT], akin_catalog *catalog,
                                  akin_error *err);

/* ---- what the encoder sees ---- */

/* input: (input_px, input_px, bands) u8, by area average of the valid pixels of `raster`, scaled,
 * both sides separately (a picture that is not square is squeezed). Missing cells (no valid pixel
 * under them) are mirror-filled along the row from the nearest valid run, whole missing rows from
 * the nearest rows. filled: (input_px, input_px), 255 where the cell was there, 0 where it was
 * filled; may be NULL. All missing: zeros. A pixel with a value that is not finite is missing
 * whatever the mask says. */
akin_status akin_tile_input(const struct akin_raster *raster, const struct akin_scaling *scaling,
                            uint32_t input_px, uint8_t *input, uint8_t *filled, akin_error *err);

/* One of a square's eight symmetries, of an input or a mask (px, px), each pixel of so many bytes:
 * bit 0 of d4 mirrors columns, bit 1 rows, bit 2 then swaps both; 0 is as it is. out is not in. */
#define AKIN_TURNS 8
void akin_tile_turn(uint8_t *out, const uint8_t *in, uint32_t px, size_t pixel_bytes, unsigned d4);

/* Marks as missing (raster->valid, made if need be) the black areas of an 8-bit raster: pixels near
 * 0 in all bands (JPEG noise allowed) in areas large enough to be a gap and not dark ground; *share
 * is that of the pixels marked, those that were missing before not counted. The rule:
 * src/tile/gaps.c. */
akin_status akin_tile_mark_gaps(struct akin_raster *raster, double *share, akin_error *err);

/* ---- cutting ---- */

struct akin_tile {
    struct akin_columns columns; /* texture: of the encoder's input, filled cells left out */
    uint8_t *input;              /* (input_px, input_px, bands), borrowed from the strip */
    uint8_t *filled;             /* (input_px, input_px) or NULL where no cell had to be filled */
    const void *chip; /* encoded chip (see packs), borrowed from the strip; NULL without chips */
    size_t chip_bytes;
};

/* How a scene is to be cut. Borrowed by the cutter until close. */
struct akin_cut_plan {
    struct akin_grid grid;
    uint32_t scene;                 /* id, for the keys */
    uint32_t bands[AKIN_BANDS_MAX]; /* akin_source_map_bands */
    uint32_t band_count;
    struct akin_scaling scaling;
    uint32_t input_px;
    double nodata_max;
    bool black_is_gap; /* settings->black_is_gap && has_place && u8 && !declares_nodata */
    bool chips;
    uint32_t order_stride;
    uint64_t start; /* windows already taken: where a strip ended (akin_strip.position + windows) */
    size_t strip_bytes_max; /* of pixels in memory: rows wider are cut in pieces; default 64 MB */
};
/* Fills a plan for an open source from the settings; scaling is for the source's sample type. */
akin_status akin_cut_plan_init(struct akin_cut_plan *out, const struct akin_settings *settings,
                               akin_source *source, uint32_t scene,
                               const struct akin_scaling *scaling, akin_error *err);
/* Bytes of memory that one cutter with this plan needs at most, its strip among them. */
size_t akin_cut_plan_bytes(const struct akin_cut_plan *plan, enum akin_dtype dtype);

/* A run of tiles in the plan's order: part of a row of the grid. Owned by the caller: free when
 * encoded. */
struct akin_strip {
    struct akin_tile *tiles;
    size_t count;      /* kept; tiles with too much no-data are left out */
    size_t skipped;    /* left out */
    uint64_t position; /* of its first window in the plan's order */
    uint64_t windows;  /* count + skipped */
    size_t bytes;      /* of memory held */
    void *memory;
};
void akin_strip_free(struct akin_strip *strip); /* takes a zeroed struct */

typedef struct akin_cutter akin_cutter;
/* Borrows source and plan until close. */
akin_status akin_cutter_open(akin_cutter **out, akin_source *source,
                             const struct akin_cut_plan *plan, akin_error *err);
/* The next strip; strip->windows = 0 at the end. A failed read fails the scene: the strips before
 * it stand. */
akin_status akin_cutter_next(akin_cutter *cutter, struct akin_strip *out, akin_error *err);
void akin_cutter_close(akin_cutter *cutter);

/* The windows of a picture given as a query, cut exactly as an indexed one of this collection would
 * be: same bands, scaling, window rule, gaps and fill. Chips are not made. At most windows_max
 * tiles, else AKIN_ERR_LIMIT with the count and what to do. */
akin_status akin_tile_query(struct akin_strip *out, akin_source *source,
                            const struct akin_settings *settings,
                            const struct akin_scaling *scaling, uint32_t windows_max,
                            akin_error *err);

/* ---- chips ---- */

/* A chip is a tile's pixels as stored: JPEG for 8-bit data of 1 or 3 bands without missing pixels
 * worth keeping apart (the mask goes beside it), zstd over the raw samples for anything else.
 * Layout in docs/FORMATS.md. Appends one to `out`. */
akin_status akin_chip_encode(const struct akin_raster *raster, struct akin_buffer *out,
                             akin_error *err);
/* The same around a JPEG file's own bytes. */
akin_status akin_chip_wrap_jpeg(const void *jpeg, size_t jpeg_bytes, uint32_t width,
                                uint32_t height, uint32_t bands, struct akin_buffer *out,
                                akin_error *err);
/* Every count and size is checked. `out` is init'ed by the call. */
akin_status akin_chip_decode(const void *bytes, size_t size, struct akin_raster *out,
                             akin_error *err);
/* The JPEG inside, for pages and contact sheets: borrowed from `bytes`; NULL where it is not
 * one. */
akin_status akin_chip_jpeg(const void *bytes, size_t size, const void **jpeg, size_t *jpeg_bytes,
                           akin_error *err);
/* What an encoder sees of a chip: decoded, then akin_tile_input with the scaling of its sample type.
 * input and filled: as there. AKIN_ERR_CORRUPT also for a chip of other bands than the scaling's. */
akin_status akin_chip_input(const void *bytes, size_t size,
                            const struct akin_scaling scaling[AKIN_DTYPE_COUNT], uint32_t input_px,
                            uint8_t *input, uint8_t *filled, akin_error *err);

/* ---- chip packs ---- */

/* Writes one pack: whole or not at all. Keys may come in any order but each once. */
typedef struct akin_pack_writer akin_pack_writer;
akin_status akin_pack_create(akin_pack_writer **out, const char *path, akin_error *err);
akin_status akin_pack_append(akin_pack_writer *writer, uint64_t key, const void *chip, size_t bytes,
                             akin_error *err);
/* Frees the writer whether it works or not. entry->id is left alone; the rest is filled in.
 * AKIN_ERR_INVALID for a pack without chips or with a key twice: nothing is written. */
akin_status akin_pack_commit(akin_pack_writer *writer, struct akin_pack_entry *entry,
                             akin_error *err);
void akin_pack_abort(akin_pack_writer *writer);

/* Reads a pack through a mapping; safe from several threads. Header and directory are checked at
 * open, a chip's CRC32C when it is read. */
typedef struct akin_pack akin_pack;
akin_status akin_pack_open(akin_pack **out, const char *path, akin_error *err);
void akin_pack_close(akin_pack *pack);
uint64_t akin_pack_count(const akin_pack *pack);
uint64_t akin_pack_key(const akin_pack *pack, uint64_t index); /* sorted by key */
/* Borrowed from the mapping. AKIN_ERR_NOT_FOUND, AKIN_ERR_CORRUPT. */
akin_status akin_pack_find(const akin_pack *pack, uint64_t key, const void **chip, size_t *bytes,
                           akin_error *err);
/* Every chip's checksum; each fault is told. */
akin_status akin_pack_verify(const akin_pack *pack, akin_fault_fn *fault, void *user,
                             akin_error *err);

/* Chips of a whole collection by key: finds the pack in the catalogue and keeps the last few open.
 * One thread. */
typedef struct akin_chips akin_chips;
akin_status akin_chips_open(akin_chips **out, akin_catalog *catalog, akin_error *err);
void akin_chips_close(akin_chips *chips);
/* Borrowed until the next call. */
akin_status akin_chips_find(akin_chips *chips, uint64_t key, const void **chip, size_t *bytes,
                            akin_error *err);

#pragma GCC visibility pop

#endif
