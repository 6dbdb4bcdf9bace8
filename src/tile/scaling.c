/*
 * How native values become 8 bits: limits per band, kept in the catalogue as JSON.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "akin/tile.h"

void akin_scaling_identity(struct akin_scaling *out, uint32_t bands)
{
    *out = (struct akin_scaling){.bands = bands};
    for (uint32_t b = 0; b < bands && b < AKIN_BANDS_MAX; b++)
        out->high[b] = 255;
}

static akin_status read_limits(double *out, const akin_json *array, const char *name,
                               akin_error *err)
{
    for (size_t b = 0; b < akin_json_count(array); b++) {
        if (!akin_json_number_value(&out[b], akin_json_at(array, b)) || !isfinite(out[b]))
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "the scaling's \"%s\" of band %zu is not a number", name, b + 1);
    }
    return AKIN_OK;
}

static akin_status parse_object(struct akin_scaling *out, const akin_json *root, akin_error *err)
{
    const akin_json *low = akin_json_get(root, "low"), *high = akin_json_get(root, "high");
    size_t bands = akin_json_count(low);
    if (bands < 1 || bands > AKIN_BANDS_MAX || akin_json_count(high) != bands)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "a scaling needs two lists, \"low\" and \"high\", of 1 to %d numbers "
                              "each, equally many",
                              AKIN_BANDS_MAX);
    struct akin_scaling scaling = {.bands = (uint32_t)bands};
    akin_status status = read_limits(scaling.low, low, "low", err);
    if (status == AKIN_OK)
        status = read_limits(scaling.high, high, "high", err);
    if (status != AKIN_OK)
        return status;
    for (size_t b = 0; b < bands; b++) {
        if (!(scaling.low[b] < scaling.high[b]))
            return akin_error_set(
                err, AKIN_ERR_INVALID,
                "the scaling of band %zu goes from %g to %g: low must be below high", b + 1,
                scaling.low[b], scaling.high[b]);
    }
    *out = scaling;
    return AKIN_OK;
}

akin_status akin_scaling_parse(struct akin_scaling *out, const char *text, akin_error *err)
{
    akin_json *root = NULL;
    akin_status status = akin_json_parse(&root, text, strlen(text), "scaling", err);
    if (status == AKIN_OK)
        status = parse_object(out, root, err);
    akin_json_free(root);
    return status;
}

static akin_json *limits_array(const double *limits, uint32_t bands)
{
    akin_json *array = akin_json_array();
    for (uint32_t b = 0; b < bands; b++) {
        if (!akin_json_append(array, akin_json_number(limits[b]))) {
            akin_json_free(array);
            return NULL;
        }
    }
    return array;
}

akin_status akin_scaling_text(const struct akin_scaling *scaling, struct akin_buffer *out,
                              akin_error *err)
{
    akin_json *root = akin_json_object();
    akin_status status;
    if (akin_json_set(root, "low", limits_array(scaling->low, scaling->bands)) &&
        akin_json_set(root, "high", limits_array(scaling->high, scaling->bands)))
        status = akin_json_text(root, false, out, err);
    else
        status = akin_error_memory(err, sizeof *scaling, "the text of a scaling");
    akin_json_free(root);
    return status;
}
