/*
 * What is fixed when a collection is made: one list of settings with their ranges, from which come
 * the defaults, the check, and the rows of table `setting`. Also the sample types.
 *
 * A number is stored as SQLite's own integer or real, so that no text and no locale comes between;
 * the seed's 64 bits go as they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings.h"

#include <stddef.h>
#include <stdio.h>

#include "database.h"

enum setting_kind { KIND_U32, KIND_U64, KIND_BOOL, KIND_REAL };

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;
    double least, most, fallback;
};

#define SETTING(member, kind, least, most, fallback)                                               \
    {                                                                                              \
#member, KIND_##kind, offsetof(struct akin_settings, member), least, most, fallback        \
    }
static const struct setting settings_list[] = {
    SETTING(tile_px, U32, 16, 4096, 256),
    SETTING(tile_always, BOOL, 0, 1, 0),
    SETTING(overlap, REAL, 0, 0.9, 0.5),
    SETTING(input_px, U32, 16, 512, 64),
    SETTING(bands, U32, 0, AKIN_BANDS_MAX, 0),
    SETTING(nodata_max, REAL, 0, 1, 0.25),
    SETTING(chips, BOOL, 0, 1, 1),
    SETTING(black_is_gap, BOOL, 0, 1, 1),
    SETTING(seed, U64, 0, 0, 1),
};
#define SETTING_COUNT (sizeof settings_list / sizeof settings_list[0])

static double get(const struct akin_settings *settings, const struct setting *setting)
{
    const void *at = (const char *)settings + setting->offset;
    switch (setting->kind) {
    case KIND_U32:
        return *(const uint32_t *)at;
    case KIND_BOOL:
        return *(const bool *)at;
    case KIND_REAL:
        return *(const double *)at;
    default:
        return 0; /* the seed: any 64 bits will do */
    }
}

/* `value` is within the setting's range. */
static void set(struct akin_settings *settings, const struct setting *setting, double value)
{
    void *at = (char *)settings + setting->offset;
    switch (setting->kind) {
    case KIND_U32:
        *(uint32_t *)at = (uint32_t)value;
        break;
    case KIND_U64:
        *(uint64_t *)at = (uint64_t)value;
        break;
    case KIND_BOOL:
        *(bool *)at = value != 0;
        break;
    case KIND_REAL:
        *(double *)at = value;
        break;
    }
}

static bool in_range(const struct setting *setting, double value)
{
    return value >= setting->least && value <= setting->most; /* false for NaN */
}

void akin_settings_default(struct akin_settings *out)
{
    *out = (struct akin_settings){0};
    for (size_t i = 0; i < SETTING_COUNT; i++)
        set(out, &settings_list[i], settings_list[i].fallback);
}

akin_status akin_settings_check(const struct akin_settings *settings, akin_error *err)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = &settings_list[i];
        double value = get(settings, setting);
        if (!in_range(setting, value))
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "the setting %s is %g: it must be in %g..%g", setting->name,
                                  value, setting->least, setting->most);
    }
    return AKIN_OK;
}

static akin_status load_one(sqlite3 *db, sqlite3_stmt *statement, const struct setting *setting,
                            struct akin_settings *out, akin_error *err)
{
    bool row = false;
    sqlite3_bind_text(statement, 1, setting->name, -1, SQLITE_STATIC);
    akin_status status = database_step(db, statement, &row, "read the settings", err);
    if (status != AKIN_OK)
        return status;
    int type = row ? sqlite3_column_type(statement, 0) : SQLITE_NULL;
    bool valid = type == SQLITE_INTEGER || (type == SQLITE_FLOAT && setting->kind == KIND_REAL);
    if (valid && setting->kind == KIND_U64) {
        uint64_t bits = (uint64_t)sqlite3_column_int64(statement, 0);
        *(uint64_t *)((char *)out + setting->offset) = bits;
    } else if (valid) {
        double value = sqlite3_column_double(statement, 0);
        valid = in_range(setting, value);
        if (valid)
            set(out, setting, value);
    }
    sqlite3_reset(statement);
    if (!valid)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' has no valid value for the setting %s; restore it from a copy",
                              sqlite3_db_filename(db, "main"), setting->name);
    return AKIN_OK;
}

/* The statement for settings, made anew: they are read and written once, before or without a
 * handle. */
static akin_status prepare(sqlite3_stmt **out, sqlite3 *db, enum statement which, akin_error *err)
{
    if (sqlite3_prepare_v2(db, statement_sql(which), -1, out, NULL) != SQLITE_OK)
        return database_fail(db, "find the settings", err);
    return AKIN_OK;
}

akin_status settings_load(sqlite3 *db, struct akin_settings *out, akin_error *err)
{
    struct akin_settings settings = {0};
    sqlite3_stmt *statement = NULL;
    akin_status status = prepare(&statement, db, STATEMENT_SETTING_GET, err);
    for (size_t i = 0; i < SETTING_COUNT && status == AKIN_OK; i++)
        status = load_one(db, statement, &settings_list[i], &settings, err);
    sqlite3_finalize(statement);
    if (status == AKIN_OK)
        *out = settings;
    return status;
}

akin_status settings_save(sqlite3 *db, const struct akin_settings *settings, akin_error *err)
{
    sqlite3_stmt *statement = NULL;
    akin_status status = prepare(&statement, db, STATEMENT_SETTING_SET, err);
    for (size_t i = 0; i < SETTING_COUNT && status == AKIN_OK; i++) {
        const struct setting *setting = &settings_list[i];
        bool row;
        sqlite3_bind_text(statement, 1, setting->name, -1, SQLITE_STATIC);
        if (setting->kind == KIND_REAL)
            sqlite3_bind_double(statement, 2, get(settings, setting));
        else if (setting->kind == KIND_U64)
            sqlite3_bind_int64(statement, 2,
                               (int64_t) *
                                   (const uint64_t *)((const char *)settings + setting->offset));
        else
            sqlite3_bind_int64(statement, 2, (int64_t)get(settings, setting));
        status = database_step(db, statement, &row, "record the settings", err);
    }
    sqlite3_finalize(statement);
    return status;
}

akin_status akin_catalog_fix_bands(akin_catalog *catalog, uint32_t bands, akin_error *err)
{
    if (bands < 1 || bands > AKIN_BANDS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%u bands: a collection has 1..%d", bands,
                              AKIN_BANDS_MAX);
    if (catalog->settings.bands == bands)
        return AKIN_OK;
    if (catalog->settings.bands != 0)
        return akin_error_set(err, AKIN_ERR_INVALID, "the collection '%s' has %u bands, not %u",
                              catalog->dir, catalog->settings.bands, bands);
    sqlite3_stmt *statement = catalog->statements[STATEMENT_SETTING_SET];
    sqlite3_bind_text(statement, 1, "bands", -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, bands);
    akin_status status = database_write(catalog, statement, "set the number of bands", err);
    if (status == AKIN_OK)
        catalog->settings.bands = bands;
    return status;
}

/* ---- sample types ---- */

static const struct {
    const char *name;
    size_t size;
} dtypes[AKIN_DTYPE_COUNT] = {[AKIN_U8] = {"u8", 1},
                              [AKIN_U16] = {"u16", 2},
                              [AKIN_I16] = {"i16", 2},
                              [AKIN_F32] = {"f32", 4}};

size_t akin_dtype_size(enum akin_dtype dtype)
{
    return (unsigned)dtype < AKIN_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

const char *akin_dtype_name(enum akin_dtype dtype)
{
    return (unsigned)dtype < AKIN_DTYPE_COUNT ? dtypes[dtype].name : "unknown";
}
