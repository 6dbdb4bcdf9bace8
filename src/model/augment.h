/*
 * Views of a tile for self-supervised learning: one bilinear pass (with wider triangles where the
 * view is smaller than what it shows) does crop, resize, flip and quarter turn straight into the
 * net's input; then brightness, contrast and grey of any number of bands, blur and noise. Every
 * number is drawn from (seed, epoch, tile, view), so that a run is the same on any number of
 * threads, and resumes where it was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_AUGMENT_H
#define MODEL_AUGMENT_H

#include "akin/catalog.h" /* AKIN_BANDS_MAX */
#include "akin/core.h"

struct augment_options {
    double crop_min;   /* smallest share of the tile's area, 0.01..1: 0.35; aspect 3/4 to 4/3 */
    double gain;       /* each band times 1 +- this: 0.1 */
    double offset;     /* all bands plus +- this, in units of the band's deviation: 0.3 */
    double contrast;   /* about the view's mean, 1 +- this: 0.4 */
    double saturation; /* away from or to the bands' mean, 1 +- this: 0.4; of 2 bands and more */
    double grey;       /* chance that all bands become their mean: 0.2; of 2 bands and more */
    double blur;       /* chance of a Gaussian of 0.3 to 1.2 px: 0.3 */
    double noise;      /* chance of white noise of up to 0.1 of a deviation: 0.2 */
    bool turn;         /* the eight flips and quarter turns: true */
};
void augment_options_default(struct augment_options *out);

/* What a tile is scaled by: (value - mean[b]) * scale[b]. */
struct augment_normal {
    float mean[AKIN_BANDS_MAX], scale[AKIN_BANDS_MAX];
};

/* tile (side_px, side_px, bands) u8 -> out (bands, px, px) f32, normalised. scratch (px, px) f32.
 * px, side_px 8..512. */
void augment_view(const struct augment_options *options, const struct augment_normal *normal,
                  const uint8_t *tile, uint32_t side_px, uint32_t bands, uint32_t px, uint64_t seed,
                  uint64_t epoch, uint64_t tile_id, uint32_t view, float *out, float *scratch);
/* The tile as it is, for encoding: resampled where side_px != px, turned by element d4, normalised.
 * d4 is one of the square's eight symmetries: 0 = as it is; 1 = left and right change places, 2 =
 * top and bottom, 3 = both; 4 more: then rows become columns. */
void augment_plain(const struct augment_normal *normal, const uint8_t *tile, uint32_t side_px,
                   uint32_t bands, uint32_t px, unsigned d4, float *out);

#endif
