/*
 * What json.c tells json_text.c about a tree.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_JSON_TREE_H
#define AKIN_CORE_JSON_TREE_H

#include <stdbool.h>

#include <jansson.h>

#include "akin/core/json.h"

/* Levels of nesting, in what is parsed and in what is written. */
#define JSON_TREE_DEPTH_MAX 64

/* Whether building failed in this very container. */
bool json_tree_is_marked(const json_t *value);

#endif
