/*
 * What follows from a plan (cut_plan.c); private to the stage.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TILE_CUT_PLAN_H
#define AKIN_TILE_CUT_PLAN_H

#include "akin/tile.h"

/* How many columns of the grid a strip spans: the whole row where its pixels fit strip_bytes_max,
 * else as many as fit, at least one. */
uint32_t cut_plan_strip_cols(const struct akin_cut_plan *plan, enum akin_dtype dtype);

/* Bytes of one tile's input. */
size_t cut_plan_input_bytes(const struct akin_cut_plan *plan);

#endif
