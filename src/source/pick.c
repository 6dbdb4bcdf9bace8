/*
 * From the bands a file has to the bands a collection wants: grey thrice, red, green and blue out
 * of many, luma (ITU-R BT.601) out of three. A band is read once however often it is used.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "source_private.h"

/* The band of that role, or UINT32_MAX. */
static uint32_t band_of_role(const struct akin_source_info *info, enum akin_band_role role)
{
    for (uint32_t b = 0; b < info->bands; b++)
        if (info->roles[b] == role)
            return b;
    return UINT32_MAX;
}

static bool find_rgb(const struct akin_source_info *info, uint32_t out[3])
{
    out[0] = band_of_role(info, AKIN_BAND_RED);
    out[1] = band_of_role(info, AKIN_BAND_GREEN);
    out[2] = band_of_role(info, AKIN_BAND_BLUE);
    return out[0] != UINT32_MAX && out[1] != UINT32_MAX && out[2] != UINT32_MAX;
}

akin_status akin_source_map_bands(const akin_source *source, uint32_t wanted,
                                  uint32_t out[AKIN_BANDS_MAX], akin_error *err)
{
    const struct akin_source_info *info = &source->info;
    if (wanted < 1 || wanted > AKIN_BANDS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%u bands wanted: 1 to %d are possible",
                              wanted, AKIN_BANDS_MAX);
    uint32_t rgb[3];
    const bool colour = find_rgb(info, rgb);
    if (info->bands == wanted) {
        for (uint32_t b = 0; b < wanted; b++)
            out[b] = b;
    } else if (wanted == 3 && info->bands == 1) {
        out[0] = out[1] = out[2] = 0;
    } else if (wanted == 3 && info->bands > 3) {
        for (uint32_t b = 0; b < 3; b++)
            out[b] = colour ? rgb[b] : b;
    } else if (wanted == 1) {
        const uint32_t grey = band_of_role(info, AKIN_BAND_GREY);
        out[0] = grey != UINT32_MAX ? grey : colour ? AKIN_BAND_LUMA : 0;
    } else {
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "'%s' has %u bands where the collection has %u: keep images of "
                              "different kinds in collections of their own",
                              source->name, info->bands, wanted);
    }
    return AKIN_OK;
}

static uint32_t load_index(struct band_pick *pick, uint32_t band)
{
    for (uint32_t i = 0; i < pick->load_count; i++)
        if (pick->load[i] == band)
            return i;
    pick->load[pick->load_count] = band;
    return pick->load_count++;
}

akin_status pick_plan(struct band_pick *out, const akin_source *source, const uint32_t *bands,
                      uint32_t count, akin_error *err)
{
    *out = (struct band_pick){.count = count, .plain = true};
    if (count < 1 || count > AKIN_BANDS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%u bands asked for: 1 to %d are possible",
                              count, AKIN_BANDS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t rgb[3];
        if (bands[i] == AKIN_BAND_LUMA && find_rgb(&source->info, rgb)) {
            for (int c = 0; c < 3; c++)
                out->rgb[c] = load_index(out, rgb[c]);
            out->from[i] = AKIN_BAND_LUMA;
        } else if (bands[i] < source->info.bands) {
            out->from[i] = load_index(out, bands[i]);
        } else {
            return akin_error_set(err, AKIN_ERR_INVALID, "band %u asked of '%s', which has %u",
                                  bands[i] + 1, source->name, source->info.bands);
        }
        out->plain &= out->from[i] == i;
    }
    return AKIN_OK;
}

/* One pixel after another: PICK(type, rounded) copies or mixes. */
#define PICK(name, type, rounded)                                                                  \
    static void name(const struct band_pick *pick, const void *from, void *to, size_t pixels)      \
    {                                                                                              \
        const type *in = from;                                                                     \
        type *out = to;                                                                            \
        for (size_t i = 0; i < pixels; i++, in += pick->load_count)                                \
            for (uint32_t b = 0; b < pick->count; b++)                                             \
                if (pick->from[b] != AKIN_BAND_LUMA)                                               \
                    *out++ = in[pick->from[b]];                                                    \
                else                                                                               \
                    *out++ = (type)rounded(0.299f * (float)in[pick->rgb[0]] +                      \
                                           0.587f * (float)in[pick->rgb[1]] +                      \
                                           0.114f * (float)in[pick->rgb[2]]);                      \
    }
#define AS_IT_IS(x) (x)
PICK(pick_u8, uint8_t, lrintf)
PICK(pick_u16, uint16_t, lrintf)
PICK(pick_i16, int16_t, lrintf)
PICK(pick_f32, float, AS_IT_IS)

akin_status pick_apply(const struct band_pick *pick, struct akin_raster *loaded,
                       struct akin_raster *out, akin_error *err)
{
    if (pick->plain) {
        *out = *loaded;
        *loaded = (struct akin_raster){0};
        return AKIN_OK;
    }
    struct akin_raster made;
    const akin_status status = akin_raster_init(&made, loaded->width, loaded->height, pick->count,
                                                loaded->dtype, false, err);
    if (status != AKIN_OK)
        return status;
    static void (*const pickers[AKIN_DTYPE_COUNT])(const struct band_pick *, const void *, void *,
                                                   size_t) = {pick_u8, pick_u16, pick_i16,
                                                              pick_f32};
    pickers[loaded->dtype](pick, loaded->pixels, made.pixels,
                           (size_t)loaded->width * loaded->height);
    made.valid = loaded->valid;
    loaded->valid = NULL;
    *out = made;
    return AKIN_OK;
}
