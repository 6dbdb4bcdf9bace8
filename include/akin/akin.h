/*
 * akin: finds what looks alike in image collections too large for anyone to label. This header
 * includes every stage's, in the order in which data goes through them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_AKIN_H
#define AKIN_AKIN_H

#include "akin/array.h"
#include "akin/catalog.h"
#include "akin/core.h"
#include "akin/discover.h"
#include "akin/index.h"
#include "akin/ingest.h"
#include "akin/learn.h"
#include "akin/model.h"
#include "akin/search.h"
#include "akin/serve.h"
#include "akin/source.h"
#include "akin/tile.h"
#include "akin/vec.h"

#endif
