/*
 * The schema and its migrations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CATALOG_SCHEMA_H
#define AKIN_CATALOG_SCHEMA_H

#include <sqlite3.h>

#include "akin/core.h"

/* From schema `version` (0 = an empty file) to AKIN_CATALOG_SCHEMA, in one transaction of its own
 * unless one is open. */
akin_status schema_migrate(sqlite3 *db, int64_t version, akin_error *err);

#endif
