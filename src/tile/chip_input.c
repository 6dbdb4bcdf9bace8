/*
 * From what is stored to what an encoder sees: the scalings that the catalogue keeps, and a chip
 * turned into an input by them. Everything that embeds or learns from chips goes through here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "akin/tile.h"

/* ---- scalings in the catalogue ---- */

static void value_name(char out[AKIN_NAME_MAX], enum akin_dtype dtype)
{
    snprintf(out, AKIN_NAME_MAX, AKIN_VALUE_SCALING_PREFIX "%s", akin_dtype_name(dtype));
}

akin_status akin_scaling_load(struct akin_scaling *out, bool *found, akin_catalog *catalog,
                              enum akin_dtype dtype, uint32_t bands, akin_error *err)
{
    char name[AKIN_NAME_MAX];
    char *text = NULL;
    bool unused;
    found = found ? found : &unused;
    akin_scaling_identity(out, bands ? bands : 1);
    *found = dtype == AKIN_U8;
    if (*found)
        return AKIN_OK;
    value_name(name, dtype);
    akin_status status = akin_catalog_value_get(catalog, name, &text, err);
    if (status == AKIN_ERR_NOT_FOUND)
        return AKIN_OK;
    if (status == AKIN_OK)
        status = akin_scaling_parse(out, text, err);
    if (status == AKIN_OK && bands && out->bands != bands)
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' has %u bands, the collection %u", name,
                                out->bands, bands);
    *found = status == AKIN_OK;
    akin_free(text);
    return status;
}

akin_status akin_scaling_store(akin_catalog *catalog, enum akin_dtype dtype,
                               const struct akin_scaling *scaling, akin_error *err)
{
    char name[AKIN_NAME_MAX];
    struct akin_buffer text;
    akin_buffer_init(&text, 1 << 16);
    value_name(name, dtype);
    akin_status status = akin_scaling_text(scaling, &text, err);
    if (status == AKIN_OK)
        status = akin_catalog_value_set(catalog, name, text.data, err);
    akin_buffer_fini(&text);
    return status;
}

akin_status akin_scaling_load_all(struct akin_scaling out[AKIN_DTYPE_COUNT], akin_catalog *catalog,
                                  akin_error *err)
{
    const uint32_t bands = akin_catalog_settings(catalog)->bands;
    akin_status status = AKIN_OK;
    for (enum akin_dtype dtype = AKIN_U8; dtype < AKIN_DTYPE_COUNT && status == AKIN_OK; dtype++)
        status = akin_scaling_load(&out[dtype], NULL, catalog, dtype, bands, err);
    return status;
}

/* ---- a chip ---- */

akin_status akin_chip_input(const void *bytes, size_t size,
                            const struct akin_scaling scaling[AKIN_DTYPE_COUNT], uint32_t input_px,
                            uint8_t *input, uint8_t *filled, akin_error *err)
{
    struct akin_raster raster = {0};
    akin_status status = akin_chip_decode(bytes, size, &raster, err);
    if (status != AKIN_OK)
        return status;
    const struct akin_scaling *own = &scaling[raster.dtype];
    if (raster.bands == own->bands)
        status = akin_tile_input(&raster, own, input_px, input, filled, err);
    else
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "its chip has %u bands, the collection %u",
                                raster.bands, own->bands);
    akin_raster_fini(&raster);
    return status;
}
