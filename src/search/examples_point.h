/*
 * A point on the map, and which tile it stands for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_EXAMPLES_POINT_H
#define AKIN_SEARCH_EXAMPLES_POINT_H

#include "akin/search.h"

/* Of the tiles whose box holds the point: those nearest in time where `time` is known, else the
 * latest; of these the one whose centre is nearest; of these the smallest key. AKIN_ERR_NOT_FOUND
 * where none is there. */
akin_status example_point_find(akin_engine *engine, double lon_deg, double lat_deg,
                               struct akin_interval time, uint64_t *key, akin_error *err);

#endif
