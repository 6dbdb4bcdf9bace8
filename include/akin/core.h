/*
 * core: memory, status, threads, files, time, geometry, JSON. Everything else stands on it and it
 * stands on libc alone (and the JSON library). One header an idea; this one includes them all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_H
#define AKIN_CORE_H

#include "akin/core/checksum.h"
#include "akin/core/columns.h"
#include "akin/core/csv.h"
#include "akin/core/file.h"
#include "akin/core/geo.h"
#include "akin/core/json.h"
#include "akin/core/memory.h"
#include "akin/core/polygon.h"
#include "akin/core/random.h"
#include "akin/core/status.h"
#include "akin/core/talk.h"
#include "akin/core/text.h"
#include "akin/core/thread.h"
#include "akin/core/time.h"

#endif
