/*
 * A tile as a GeoJSON feature.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_GEOJSON_FEATURE_H
#define AKIN_SEARCH_GEOJSON_FEATURE_H

#include "akin/catalog.h"
#include "akin/core.h"

/* Time, address and label into a feature's properties. */
void geojson_feature_describe(akin_json *properties, const struct akin_columns *columns,
                              const struct akin_scene *scene);
/* The feature; takes over the properties. */
akin_json *geojson_feature(uint64_t key, const struct akin_columns *columns, akin_json *properties);

#endif
