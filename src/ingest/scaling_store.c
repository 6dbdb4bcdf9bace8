/*
 * The scaling of each sample type, as the catalogue keeps it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "ingest_private.h"

static void value_name(char out[AKIN_NAME_MAX], enum akin_dtype dtype)
{
    snprintf(out, AKIN_NAME_MAX, AKIN_VALUE_SCALING_PREFIX "%s", akin_dtype_name(dtype));
}

akin_status scaling_load(struct akin_scaling *out, bool *found, akin_catalog *catalog,
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

akin_status scaling_store(akin_catalog *catalog, enum akin_dtype dtype,
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
