/*
 * The settings' way to and from the catalogue.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CATALOG_SETTINGS_H
#define AKIN_CATALOG_SETTINGS_H

#include <sqlite3.h>

#include "akin/catalog.h"

/* Every setting must be there, of its type and in its range, else AKIN_ERR_CORRUPT. */
akin_status settings_load(sqlite3 *db, struct akin_settings *out, akin_error *err);
akin_status settings_save(sqlite3 *db, const struct akin_settings *settings, akin_error *err);

#endif
