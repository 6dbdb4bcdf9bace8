/*
 * Columns from a CSV. Its first row names them, in any order: key, uri, label, time (or begin and
 * end), lon and lat (or west, south, east, north); others are passed over, so that what `akin
 * export` or a spreadsheet wrote can be given as it is. An empty field is not known.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "import_columns.h"

/* id, name; those of a place follow each other */
#define FIELDS(X)                                                                                  \
    X(KEY, "key")                                                                                  \
    X(URI, "uri")                                                                                  \
    X(LABEL, "label")                                                                              \
    X(TIME, "time")                                                                                \
    X(BEGIN, "begin")                                                                              \
    X(END, "end")                                                                                  \
    X(LON, "lon")                                                                                  \
    X(LAT, "lat")                                                                                  \
    X(WEST, "west")                                                                                \
    X(SOUTH, "south")                                                                              \
    X(EAST, "east")                                                                                \
    X(NORTH, "north")

enum field {
#define X(id, name) FIELD_##id,
    FIELDS(X)
#undef X
        FIELD_COUNT
};

static const char *const names[FIELD_COUNT] = {
#define X(id, name) name,
    FIELDS(X)
#undef X
};

struct import_csv {
    akin_csv *csv;
    char *path;
    size_t columns;         /* of every row */
    size_t at[FIELD_COUNT]; /* which column it is, + 1; 0 = there is none */
};

static bool has(const struct import_csv *csv, enum field field)
{
    return csv->at[field] > 0;
}

static akin_status note_name(struct import_csv *csv, const char *name, size_t column,
                             akin_error *err)
{
    for (size_t f = 0; f < FIELD_COUNT; f++)
        if (!strcasecmp(name, names[f])) {
            if (csv->at[f])
                return akin_error_set(err, AKIN_ERR_INVALID, "'%s' names the column '%s' twice",
                                      csv->path, names[f]);
            csv->at[f] = column + 1;
        }
    return AKIN_OK;
}

/* Those of which one is of no use without the others. */
static akin_status check_names(const struct import_csv *csv, akin_error *err)
{
    const bool corners = has(csv, FIELD_WEST) || has(csv, FIELD_SOUTH) || has(csv, FIELD_EAST) ||
                         has(csv, FIELD_NORTH);
    const char *fault = NULL;
    bool any = false;
    for (size_t f = 0; f < FIELD_COUNT; f++)
        any |= csv->at[f] > 0;
    if (!any)
        fault = "its first row names none of the columns key, uri, label, time, begin, end, lon, "
                "lat, west, south, east, north";
    else if (has(csv, FIELD_LON) != has(csv, FIELD_LAT))
        fault = "lon and lat go together";
    else if (corners && !(has(csv, FIELD_WEST) && has(csv, FIELD_SOUTH) && has(csv, FIELD_EAST) &&
                          has(csv, FIELD_NORTH)))
        fault = "west, south, east and north go together";
    else if (corners && has(csv, FIELD_LON))
        fault = "a place is either lon, lat or west, south, east, north";
    else if (has(csv, FIELD_BEGIN) != has(csv, FIELD_END))
        fault = "begin and end go together";
    else if (has(csv, FIELD_TIME) && has(csv, FIELD_BEGIN))
        fault = "a time is either time or begin, end";
    return fault ? akin_error_set(err, AKIN_ERR_INVALID, "'%s': %s", csv->path, fault) : AKIN_OK;
}

static akin_status read_names(struct import_csv *csv, akin_error *err)
{
    char **fields;
    bool end;
    akin_status status = akin_csv_next(csv->csv, &fields, &csv->columns, &end, err);
    if (status == AKIN_OK && end)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' is empty: its first row names columns",
                              csv->path);
    for (size_t i = 0; status == AKIN_OK && i < csv->columns; i++)
        status = note_name(csv, fields[i], i, err);
    return status == AKIN_OK ? check_names(csv, err) : status;
}

akin_status import_csv_open(struct import_csv **out, const char *path, akin_error *err)
{
    struct import_csv *csv = akin_alloc_zero(1, sizeof *csv);
    if (!csv)
        return akin_error_memory(err, sizeof *csv, "columns");
    csv->path = akin_strdup(path);
    akin_status status =
        csv->path ? akin_csv_open(&csv->csv, path, err) : akin_error_memory(err, 0, "columns");
    if (status == AKIN_OK)
        status = read_names(csv, err);
    if (status == AKIN_OK)
        *out = csv;
    else
        import_csv_close(csv);
    return status;
}

void import_csv_close(struct import_csv *csv)
{
    if (!csv)
        return;
    akin_csv_close(csv->csv);
    akin_free(csv->path);
    akin_free(csv);
}

bool import_csv_has_uri(const struct import_csv *csv)
{
    return has(csv, FIELD_URI);
}

/* ---- a row ---- */

/* "" where there is no such column. */
static const char *text_of(const struct import_csv *csv, char *const *fields, enum field field)
{
    return has(csv, field) ? fields[csv->at[field] - 1] : "";
}

static akin_status read_key(const struct import_csv *csv, char *const *fields,
                            struct import_row *row, akin_error *err)
{
    uint64_t key;
    akin_status status = akin_parse_u64(&key, text_of(csv, fields, FIELD_KEY), 0, UINT32_MAX,
                                        "key (give other names of rows as uri)", err);
    if (status == AKIN_OK)
        row->key = (uint32_t)key;
    return status;
}

static akin_status read_time(const struct import_csv *csv, char *const *fields,
                             struct import_row *row, akin_error *err)
{
    const char *time = text_of(csv, fields, FIELD_TIME);
    const char *begin = text_of(csv, fields, FIELD_BEGIN), *end = text_of(csv, fields, FIELD_END);
    char both[2 * AKIN_INTERVAL_TEXT_MAX];
    if (*time)
        return akin_interval_parse(&row->time, time, err);
    if (!*begin && !*end)
        return AKIN_OK;
    if (!strcmp(begin, end))
        return akin_interval_parse(&row->time, begin, err);
    const int length = snprintf(both, sizeof both, "%s/%s", begin, end);
    if (length < 0 || (size_t)length >= sizeof both)
        return akin_error_set(err, AKIN_ERR_INVALID, "begin '%.40s' and end '%.40s' are no times",
                              begin, end);
    return akin_interval_parse(&row->time, both, err);
}

/* The numbers of `count` columns, or none of them. */
static akin_status read_numbers(const struct import_csv *csv, char *const *fields, enum field first,
                                size_t count, double *out, bool *known, akin_error *err)
{
    size_t given = 0;
    for (size_t i = 0; i < count; i++) {
        const enum field field = first + (enum field)i;
        const char *text = text_of(csv, fields, field);
        const double most =
            field == FIELD_LAT || field == FIELD_SOUTH || field == FIELD_NORTH ? 90 : 180;
        if (!*text)
            continue;
        given++;
        akin_status status = akin_parse_double(&out[i], text, -most, most, names[field], err);
        if (status != AKIN_OK)
            return status;
    }
    *known = given == count;
    return given == 0 || given == count
               ? AKIN_OK
               : akin_error_set(err, AKIN_ERR_INVALID, "a place of %zu numbers where %zu belong",
                                given, count);
}

static akin_status read_place(const struct import_csv *csv, char *const *fields,
                              struct import_row *row, akin_error *err)
{
    double v[4];
    bool known;
    akin_status status = read_numbers(csv, fields, FIELD_LON, 2, v, &known, err);
    if (status == AKIN_OK && known)
        row->bbox = (struct akin_bbox){v[0], v[1], v[0], v[1]};
    if (status == AKIN_OK && !known) {
        status = read_numbers(csv, fields, FIELD_WEST, 4, v, &known, err);
        if (status == AKIN_OK && known)
            row->bbox = (struct akin_bbox){v[0], v[1], v[2], v[3]};
    }
    if (status == AKIN_OK && known && row->bbox.south > row->bbox.north)
        status = akin_error_set(err, AKIN_ERR_INVALID, "south %g is above north %g",
                                row->bbox.south, row->bbox.north);
    return status;
}

akin_status import_csv_next(struct import_csv *csv, struct import_row *row, bool *end,
                            akin_error *err)
{
    char **fields;
    akin_status status = akin_csv_next_of(csv->csv, &fields, csv->columns, end, err);
    if (status != AKIN_OK || *end)
        return status;
    row->time = akin_interval_unknown();
    row->bbox = akin_bbox_unknown();
    row->uri = text_of(csv, fields, FIELD_URI);
    row->label = text_of(csv, fields, FIELD_LABEL);
    if (has(csv, FIELD_KEY))
        status = read_key(csv, fields, row, err);
    if (status == AKIN_OK && has(csv, FIELD_URI) && !*row->uri)
        status = akin_error_set(err, AKIN_ERR_INVALID, "the uri is empty");
    if (status == AKIN_OK)
        status = read_time(csv, fields, row, err);
    if (status == AKIN_OK)
        status = read_place(csv, fields, row, err);
    if (status != AKIN_OK)
        return akin_error_context(err, status, "'%s' line %lu", csv->path, akin_csv_line(csv->csv));
    return AKIN_OK;
}
