/*
 * Marks over HTTP: judging, undoing, listing, and what to judge next.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "akin/discover.h"
#include "items.h"
#include "marks_export.h"
#include "route.h"

#define PICKS_MAX 200
#define PICKS_DEFAULT 12

static const char *person(const struct request *request)
{
    const char *by = request_parameter(request, "by");
    return by ? by : "anonymous";
}

/* The worker's connection that may write marks. */
static akin_status mark_catalog(struct request *request, const struct collection *collection,
                                akin_catalog **out, akin_error *err)
{
    struct worker_collection *mine = &request->worker->collections[collection->number];
    akin_status status = AKIN_OK;
    if (!mine->marks)
        status = akin_catalog_open(&mine->marks, collection->dir, AKIN_OPEN_MARK, err);
    if (status == AKIN_OK)
        *out = mine->marks;
    return status;
}

/* ---- counts ---- */

struct counting {
    const char *set;
    uint64_t counts[AKIN_MARK_KINDS];
};

static bool take_counts(void *user, const char *set, const uint64_t counts[AKIN_MARK_KINDS])
{
    struct counting *counting = user;
    if (strcmp(set, counting->set) != 0)
        return true;
    memcpy(counting->counts, counts, sizeof counting->counts);
    return false;
}

static void put_counts(struct json_out *out, const uint64_t counts[AKIN_MARK_KINDS])
{
    put_raw(out, "{");
    for (int i = AKIN_MARK_LIKE; i < AKIN_MARK_KINDS; i++) {
        put_raw(out, i == AKIN_MARK_LIKE ? "\"" : ",\"");
        put_raw(out, akin_mark_name((enum akin_mark_kind)i));
        put_raw(out, "\":");
        put_integer(out, (int64_t)counts[i]);
    }
    put_raw(out, "}");
}

/* ,"counts":{...}} */
static akin_status put_counts_end(struct json_out *out, akin_catalog *catalog, const char *set,
                                  akin_error *err)
{
    struct counting counting = {.set = set};
    akin_status status = akin_catalog_mark_sets(catalog, take_counts, &counting, err);
    put_raw(out, ",\"counts\":");
    put_counts(out, counting.counts);
    put_raw(out, "}");
    return status;
}

/* ---- judging ---- */

static akin_status read_mark(const struct request *request, struct akin_mark *mark, akin_error *err)
{
    akin_json *body = NULL;
    const char *text;
    akin_status status = akin_json_parse(&body, request->body.data ? request->body.data : "",
                                         request->body.size, "the body", err);
    if (status == AKIN_OK)
        status = akin_json_get_text(&text, body, "mark", "the body", err);
    if (status == AKIN_OK)
        status = akin_mark_parse(&mark->kind, text, err);
    akin_json_free(body);
    return status;
}

/* A mark of a tile that is not there would never be seen again. */
static akin_status check_tile(struct request *request, struct collection *collection, uint64_t key,
                              akin_error *err)
{
    struct akin_columns columns;
    akin_engine *engine = NULL;
    akin_status status = worker_engine(request->worker, collection, NULL, &engine, err);
    if (status == AKIN_OK &&
        akin_index_get(akin_engine_index(engine), key, &columns, NULL, NULL) != AKIN_OK)
        status = akin_error_set(err, AKIN_ERR_NOT_FOUND, "there is no tile %016llx in '%s'",
                                (unsigned long long)key, collection->id);
    return status;
}

static void put_mark(struct json_out *out, const struct akin_mark *mark)
{
    char key[AKIN_TILE_KEY_TEXT_MAX], at[AKIN_INTERVAL_TEXT_MAX];
    akin_tile_key_format(key, mark->key);
    akin_time_format(at, mark->at_ms);
    put_raw(out, "{\"tile\":\"");
    put_raw(out, key);
    put_raw(out, "\",\"mark\":\"");
    put_raw(out, akin_mark_name(mark->kind));
    put_raw(out, "\",\"by\":");
    put_text(out, mark->by);
    put_raw(out, ",\"at\":\"");
    put_raw(out, at);
    put_raw(out, "\"}");
}

static akin_status judge(struct request *request, struct json_out *out, bool take_away,
                         akin_error *err)
{
    struct akin_mark mark = {.by = person(request), .at_ms = akin_time_now_ms()};
    akin_catalog *catalog = NULL;
    struct collection *collection = collections_of(request, err);
    akin_status status =
        collection ? request_key(request, request->parts[1], &mark.key, err) : AKIN_ERR_NOT_FOUND;
    if (status == AKIN_OK && !take_away)
        status = read_mark(request, &mark, err);
    if (status == AKIN_OK && !take_away)
        status = check_tile(request, collection, mark.key, err);
    if (status == AKIN_OK)
        status = mark_catalog(request, collection, &catalog, err);
    if (status == AKIN_OK)
        status = akin_catalog_mark(catalog, request->parts[0], &mark, err);
    if (status != AKIN_OK)
        return status;
    put_raw(out, "{\"mark\":");
    if (take_away)
        put_raw(out, "null");
    else
        put_mark(out, &mark);
    return put_counts_end(out, catalog, request->parts[0], err);
}

void handle_mark(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    put_init(&out, &request->reply.body);
    put_reply(request, &out, TYPE_JSON, judge(request, &out, false, &err), &err);
}

void handle_unmark(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    put_init(&out, &request->reply.body);
    put_reply(request, &out, TYPE_JSON, judge(request, &out, true, &err), &err);
}

static akin_status undo(struct request *request, struct json_out *out, akin_error *err)
{
    struct akin_mark mark;
    akin_catalog *catalog = NULL;
    char key[AKIN_TILE_KEY_TEXT_MAX];
    struct collection *collection = collections_of(request, err);
    akin_status status =
        collection ? mark_catalog(request, collection, &catalog, err) : AKIN_ERR_NOT_FOUND;
    if (status == AKIN_OK)
        status = akin_catalog_mark_undo(catalog, request->parts[0], person(request), &mark, err);
    if (status != AKIN_OK)
        return status;
    akin_tile_key_format(key, mark.key);
    put_raw(out, "{\"tile\":\"");
    put_raw(out, key);
    put_raw(out, "\",\"mark\":");
    put_text(out, mark.kind == AKIN_MARK_NONE ? NULL : akin_mark_name(mark.kind));
    return put_counts_end(out, catalog, request->parts[0], err);
}

void handle_undo_mark(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    put_init(&out, &request->reply.body);
    put_reply(request, &out, TYPE_JSON, undo(request, &out, &err), &err);
}

/* ---- listing ---- */

struct listing {
    struct json_out *out;
    size_t count;
};

static bool list_set(void *user, const char *set, const uint64_t counts[AKIN_MARK_KINDS])
{
    struct listing *listing = user;
    put_raw(listing->out, listing->count++ ? ",{\"set\":" : "{\"set\":");
    put_text(listing->out, set);
    put_raw(listing->out, ",\"counts\":");
    put_counts(listing->out, counts);
    put_raw(listing->out, "}");
    return true;
}

void handle_mark_sets(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    akin_catalog *catalog = NULL;
    put_init(&out, &request->reply.body);
    struct listing listing = {.out = &out};
    struct collection *collection = collections_of(request, &err);
    akin_status status = collection ? worker_catalog(request->worker, collection, &catalog, &err)
                                    : AKIN_ERR_NOT_FOUND;
    put_raw(&out, "{\"sets\":[");
    if (status == AKIN_OK)
        status = akin_catalog_mark_sets(catalog, list_set, &listing, &err);
    put_raw(&out, "]}");
    put_reply(request, &out, TYPE_JSON, status, &err);
}

static bool list_mark(void *user, const struct akin_mark *mark)
{
    struct listing *listing = user;
    put_raw(listing->out, listing->count++ ? ",\n" : "\n");
    put_mark(listing->out, mark);
    return true;
}

static akin_status list_json(struct request *request, struct json_out *out,
                             struct collection *collection, akin_error *err)
{
    struct listing listing = {.out = out};
    akin_catalog *catalog = NULL;
    akin_status status = worker_catalog(request->worker, collection, &catalog, err);
    put_raw(out, "{\"set\":");
    put_text(out, request->parts[0]);
    put_raw(out, ",\"marks\":[");
    if (status == AKIN_OK)
        status = akin_catalog_marks(catalog, request->parts[0], list_mark, &listing, err);
    put_raw(out, "]");
    return status == AKIN_OK ? put_counts_end(out, catalog, request->parts[0], err) : status;
}

void handle_marks(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    const char *format = request_parameter(request, "format");
    put_init(&out, &request->reply.body);
    struct collection *collection = collections_of(request, &err);
    akin_status status = AKIN_ERR_NOT_FOUND;
    const char *type = TYPE_JSON;
    if (collection && (!format || !strcmp(format, "json")))
        status = list_json(request, &out, collection, &err);
    else if (collection)
        status = marks_export(request, &out, collection, format, &type, &err);
    put_reply(request, &out, type, status, &err);
}

/* ---- what to judge next ---- */

struct gathering {
    struct akin_label *labels; /* [AKIN_LABELS_MAX] */
    size_t count;
};

static bool gather(void *user, const struct akin_mark *mark)
{
    struct gathering *gathering = user;
    gathering->labels[gathering->count++] = (struct akin_label){mark->key, mark->kind};
    return gathering->count < AKIN_LABELS_MAX;
}

static akin_status read_next(const struct request *request, struct akin_label_options *options,
                             akin_error *err)
{
    static const char *const modes[] = {"uncertain", "diverse", "sure"};
    const char *mode = request_parameter(request, "mode");
    int64_t n = 0;
    akin_label_options_default(options);
    akin_status status = request_integer(request, "n", 1, PICKS_MAX, PICKS_DEFAULT, &n, err);
    options->count = (size_t)n;
    if (status != AKIN_OK || !mode)
        return status;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(mode, modes[i])) {
            options->mode = (enum akin_label_mode)i;
            return AKIN_OK;
        }
    return akin_error_set(err, AKIN_ERR_INVALID, "mode is uncertain, diverse or sure, not '%.40s'",
                          mode);
}

static akin_status write_next(struct request *request, struct json_out *out,
                              const struct collection *collection, akin_engine *engine,
                              const struct akin_label_next *next, akin_error *err)
{
    struct item_writer writer;
    akin_status status = AKIN_OK;
    item_writer_init(&writer, out, request, collection, engine, next->count);
    items_begin(out);
    for (size_t i = 0; i < next->count && status == AKIN_OK; i++) {
        const struct akin_label_pick *pick = &next->picks[i];
        const struct akin_answer answer = {.key = pick->key, .score = (float)pick->probability};
        put_raw(out, i ? ",\n" : "\n");
        status = item_write(&writer, &pick->columns, &answer, i + 1, err);
    }
    items_end(out, next->count);
    put_raw(out, ",\"links\":[");
    put_link(out, "root", TYPE_JSON, writer.base, "/");
    put_raw(out, "],\"akin\":{\"model\":");
    put_text(out, akin_engine_model(engine)->name);
    put_raw(out, ",\"likes\":");
    put_integer(out, (int64_t)next->likes);
    put_raw(out, ",\"unlikes\":");
    put_integer(out, (int64_t)next->unlikes);
    put_raw(out, ",\"random\":");
    put_integer(out, (int64_t)next->random);
    put_raw(out, ",\"precision\":");
    put_number(out, next->precision, 4);
    put_raw(out, "}}\n");
    return status;
}

static akin_status suggest(struct request *request, struct json_out *out, akin_error *err)
{
    struct akin_label_options options;
    struct akin_label_next next = {0};
    akin_catalog *catalog = NULL;
    akin_engine *engine = NULL;
    struct gathering gathering = {0};
    struct collection *collection = collections_of(request, err);
    akin_status status = collection ? read_next(request, &options, err) : AKIN_ERR_NOT_FOUND;
    if (status == AKIN_OK)
        status = worker_engine(request->worker, collection, NULL, &engine, err);
    if (status == AKIN_OK)
        status = worker_catalog(request->worker, collection, &catalog, err);
    if (status != AKIN_OK)
        return status;
    gathering.labels = akin_alloc(AKIN_LABELS_MAX, sizeof *gathering.labels);
    if (!gathering.labels)
        return akin_error_memory(err, AKIN_LABELS_MAX * sizeof *gathering.labels, "labels");
    status = akin_catalog_marks(catalog, request->parts[0], gather, &gathering, err);
    if (status == AKIN_OK) {
        status = akin_label_next(engine, gathering.labels, gathering.count, &options, &next, err);
        if (status == AKIN_ERR_NOT_FOUND)
            status = AKIN_ERR_EXISTS; /* 409: not yet */
    }
    akin_free(gathering.labels);
    if (status == AKIN_OK)
        status = write_next(request, out, collection, engine, &next, err);
    akin_label_next_free(&next);
    return status;
}

void handle_next_marks(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    put_init(&out, &request->reply.body);
    const akin_status status = suggest(request, &out, &err);
    put_reply(request, &out, TYPE_GEOJSON, status, &err);
}
