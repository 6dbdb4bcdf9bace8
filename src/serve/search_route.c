/*
 * /search: a question becomes a page of answers; without `akin`, a page of tiles. A page of answers is
 * asked anew up to its end: the ranking is the same every time, and nothing is kept between requests.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "items.h"
#include "route.h"
#include "search_query.h"

static struct search_limits limits_of(const struct request *request)
{
    const struct akin_server_options *options = &request->server->options;
    return (struct search_limits){options->body_max, options->pixels_max, options->k_max};
}

/* ---- links to the next page ---- */

static const char *const parameters[] = {"bbox", "intersects",  "datetime", "ids",
                                         "akin", "collections", "limit"};
#define PARAMETERS (sizeof parameters / sizeof *parameters)

/* GET: the same query with another page. POST: the same body with `page` merged in. */
static void write_next(struct json_out *out, const struct request *request, const char *base,
                       const char *page)
{
    put_raw(out, ",{\"rel\":\"next\",\"type\":\"" TYPE_GEOJSON "\",\"method\":\"");
    put_raw(out, request->route->method);
    put_raw(out, "\",\"href\":\"");
    put_inside(out, base);
    put_raw(out, "/search");
    if (request->route->flags & ROUTE_BODY) {
        put_raw(out, "\",\"merge\":true,\"body\":{\"page\":\"");
        put_raw(out, page);
        put_raw(out, "\"}}");
        return;
    }
    struct akin_buffer query;
    akin_buffer_init(&query, (size_t)1 << 18);
    put_raw(out, "?page=");
    put_raw(out, page);
    for (size_t i = 0; i < PARAMETERS; i++) {
        const char *value = request_parameter(request, parameters[i]);
        akin_buffer_clear(&query);
        if (value && akin_buffer_printf(&query, NULL, "&%s=", parameters[i]) == AKIN_OK &&
            link_escape(&query, value, NULL) == AKIN_OK)
            put_raw(out, query.data);
    }
    akin_buffer_fini(&query);
    put_raw(out, "\"}");
}

static void write_links(struct json_out *out, const struct request *request, const char *page)
{
    char base[LINK_BASE_MAX];
    link_base(request, base);
    put_raw(out, ",\"links\":[");
    put_link(out, "root", TYPE_JSON, base, "/");
    if (page[0])
        write_next(out, request, base, page);
    put_raw(out, "]");
}

/* ---- answers by likeness ---- */

static akin_status add_examples(struct akin_question *question, akin_engine *engine,
                                const struct search_query *query, akin_error *err)
{
    const uint32_t dim = akin_engine_model(engine)->dim;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < query->example_count && status == AKIN_OK; i++) {
        const struct akin_example *example = &query->examples[i];
        if (example->kind == AKIN_EXAMPLE_VECTOR && query->vector_sizes[i] != dim)
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "a vector of %zu numbers: encoder '%s' has %u",
                                  query->vector_sizes[i], akin_engine_model(engine)->name, dim);
        status = akin_question_add(question, engine, example, err);
        /* What the client sent, not what we have, is damaged. */
        if (status == AKIN_ERR_CORRUPT && example->kind == AKIN_EXAMPLE_BYTES)
            status = AKIN_ERR_UNSUPPORTED;
    }
    return status;
}

static void write_explain(struct json_out *out, const struct akin_explain *explain)
{
    const struct akin_index_work *work = &explain->work;
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"likes", explain->likes},
                   {"unlikes", explain->unlikes},
                   {"vectors", explain->vectors},
                   {"segments", work->segments},
                   {"segments_skipped", work->segments_skipped},
                   {"rows_scanned", work->rows_scanned},
                   {"rows_filtered", work->rows_filtered},
                   {"lists", work->lists},
                   {"lists_probed", work->lists_probed},
                   {"codes_scanned", work->codes_scanned},
                   {"reranked", work->reranked_i8 + work->reranked_f16},
                   {"bytes_read", work->bytes_read}};
    put_raw(out, ",\"explain\":{\"way\":");
    put_text(out, explain->way);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        put_raw(out, ",\"");
        put_raw(out, numbers[i].name);
        put_raw(out, "\":");
        put_integer(out, (int64_t)numbers[i].value);
    }
    put_raw(out, ",\"encode_ms\":");
    put_number(out, explain->encode_ms, 3);
    put_raw(out, ",\"search_ms\":");
    put_number(out, explain->search_ms, 3);
    put_raw(out, "}");
}

struct answering {
    struct request *request;
    const struct search_query *query;
    struct collection *collection;
    akin_engine *engine;
    uint64_t offset;
    struct akin_answers answers;
};

static akin_status ask(struct answering *asking, akin_error *err)
{
    const struct search_query *query = asking->query;
    struct akin_question question;
    akin_question_init(&question);
    question.filter = query->filter;
    question.threshold = query->threshold;
    question.collapse_place = query->collapse_place;
    question.keep_examples = query->keep_examples;
    question.recall = query->recall;
    const uint64_t end = asking->offset + query->limit + 1; /* one more tells of a next page */
    question.k = end < query->k ? end : query->k;
    akin_status status = add_examples(&question, asking->engine, query, err);
    if (status == AKIN_OK)
        status = akin_ask(asking->engine, &question, &asking->answers, err);
    akin_question_fini(&question);
    return status;
}

static akin_status write_answers(struct answering *asking, struct json_out *out, double began_ms,
                                 akin_error *err)
{
    const struct search_query *query = asking->query;
    const struct akin_answers *answers = &asking->answers;
    struct item_writer writer;
    akin_status status = AKIN_OK;
    char page[SEARCH_PAGE_MAX] = "";
    const uint64_t all = answers->count;
    const uint64_t end = asking->offset + query->limit < all ? asking->offset + query->limit : all;
    item_writer_init(&writer, out, asking->request, asking->collection, asking->engine,
                     end > asking->offset ? end - asking->offset : 0);
    items_begin(out);
    for (uint64_t i = asking->offset; i < end && status == AKIN_OK; i++) {
        put_raw(out, i > asking->offset ? ",\n" : "\n");
        status =
            item_write(&writer, &answers->answers[i].columns, &answers->answers[i], i + 1, err);
    }
    items_end(out, end > asking->offset ? end - asking->offset : 0);
    if (all > end)
        snprintf(page, sizeof page, "%" PRIu64, end);
    write_links(out, asking->request, page);
    put_raw(out, ",\"akin\":{\"model\":");
    put_text(out, akin_engine_model(asking->engine)->name);
    put_raw(out, ",\"took_ms\":");
    put_number(out, server_now_ms() - began_ms, 3);
    if (query->explain)
        write_explain(out, &answers->explain);
    put_raw(out, "}}\n");
    return status;
}

static akin_status answer(struct request *request, const struct search_query *query,
                          struct json_out *out, akin_error *err)
{
    struct answering asking = {.request = request, .query = query};
    const double began_ms = server_now_ms();
    const char *name =
        query->collection_count ? query->collections[0] : request_parameter(request, "collection");
    asking.collection = collections_find(request->server, name, err);
    akin_status status = asking.collection ? AKIN_OK : AKIN_ERR_NOT_FOUND;
    if (status == AKIN_OK && query->page[0])
        status = akin_parse_u64(&asking.offset, query->page, 0, query->k, "page", err);
    if (status == AKIN_OK)
        status =
            worker_engine(request->worker, asking.collection, query->model, &asking.engine, err);
    if (status == AKIN_OK)
        status = ask(&asking, err);
    const double asked_ms = server_now_ms();
    if (status == AKIN_OK)
        status = write_answers(&asking, out, began_ms, err);
    request->stages.encode_ms = asking.answers.explain.encode_ms;
    request->stages.search_ms = asking.answers.explain.search_ms;
    request->stages.write_ms = server_now_ms() - asked_ms;
    akin_answers_free(&asking.answers);
    return status;
}

/* ---- plain pages ---- */

/* A page begins at "COLLECTION.KEY" (numbers of this server), or for ids at the number of one. */
struct listing {
    struct request *request;
    const struct search_query *query;
    struct json_out *out;
    size_t written;
    char page[SEARCH_PAGE_MAX]; /* the next; "": none */
};

static bool is_asked_for(const struct search_query *query, const struct collection *collection)
{
    for (size_t i = 0; i < query->collection_count; i++)
        if (!strcmp(query->collections[i], collection->id))
            return true;
    return !query->collection_count;
}

static akin_status list_rows(struct listing *listing, struct item_writer *writer,
                             const struct akin_columns *rows, size_t count, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < count && status == AKIN_OK; i++) {
        put_raw(listing->out, listing->written++ ? ",\n" : "\n");
        status = item_write(writer, &rows[i], NULL, 0, err);
    }
    return status;
}

/* What of a collection fits on the page, from `first` on. */
static akin_status list_collection(struct listing *listing, struct collection *collection,
                                   uint64_t first, akin_error *err)
{
    const size_t room = listing->query->limit - listing->written;
    struct item_writer writer;
    akin_engine *engine = NULL;
    akin_error why = {0};
    size_t count = 0;
    uint64_t next = 0;
    bool more = false;
    akin_status status = worker_engine(listing->request->worker, collection, NULL, &engine, &why);
    if (status == AKIN_ERR_BUSY)
        return AKIN_OK; /* no tiles yet */
    if (status != AKIN_OK)
        return akin_error_set(err, status, "%s", why.text);
    struct akin_columns *rows = akin_alloc(room, sizeof *rows);
    if (!rows)
        return akin_error_memory(err, room * sizeof *rows, "a page of tiles");
    item_writer_init(&writer, listing->out, listing->request, collection, engine, room);
    status = akin_index_page(akin_engine_index(engine), first, &listing->query->filter, rows, room,
                             &count, &next, &more, err);
    if (status == AKIN_OK)
        status = list_rows(listing, &writer, rows, count, err);
    if (status == AKIN_OK && more)
        snprintf(listing->page, sizeof listing->page, "%u.%016" PRIx64, collection->number, next);
    akin_free(rows);
    return status;
}

static akin_status list_all(struct listing *listing, akin_error *err)
{
    const struct server *server = listing->request->server;
    const char *page = listing->query->page;
    uint64_t begin = 0, first = 0;
    char number[SEARCH_PAGE_MAX];
    akin_status status = AKIN_OK;
    if (page[0]) {
        snprintf(number, sizeof number, "%.*s", (int)strcspn(page, "."), page);
        status = akin_parse_u64(&begin, number, 0, server->collection_count - 1, "page", err);
        if (status == AKIN_OK)
            status = akin_tile_key_parse(&first,
                                         page + strlen(number) + (strchr(page, '.') != NULL), err);
    }
    for (size_t c = begin; c < server->collection_count && status == AKIN_OK && !listing->page[0];
         c++) {
        struct collection *collection = &server->collections[c];
        if (!is_asked_for(listing->query, collection))
            continue;
        if (listing->written == listing->query->limit)
            snprintf(listing->page, sizeof listing->page, "%zu.%016x", c, 0u);
        else
            status = list_collection(listing, collection, c == begin ? first : 0, err);
    }
    return status;
}

/* The tiles of these keys, those that are there and pass the filter. */
static akin_status list_ids(struct listing *listing, akin_error *err)
{
    const struct search_query *query = listing->query;
    const struct server *server = listing->request->server;
    uint64_t at = 0;
    akin_status status = AKIN_OK;
    if (query->page[0])
        status = akin_parse_u64(&at, query->page, 0, SEARCH_IDS_MAX, "page", err);
    for (; at < query->id_count && status == AKIN_OK; at++) {
        if (listing->written >= query->limit) {
            snprintf(listing->page, sizeof listing->page, "%" PRIu64, at);
            break;
        }
        for (size_t c = 0; c < server->collection_count && status == AKIN_OK; c++) {
            struct collection *collection = &server->collections[c];
            struct item_writer writer;
            struct akin_columns row;
            akin_engine *engine = NULL;
            if (!is_asked_for(query, collection) ||
                worker_engine(listing->request->worker, collection, NULL, &engine, NULL) !=
                    AKIN_OK ||
                akin_index_get(akin_engine_index(engine), query->ids[at], &row, NULL, NULL) !=
                    AKIN_OK ||
                !akin_filter_matches(&query->filter, &row))
                continue;
            item_writer_init(&writer, listing->out, listing->request, collection, engine, 1);
            status = list_rows(listing, &writer, &row, 1, err);
        }
    }
    return status;
}

static akin_status list(struct request *request, const struct search_query *query,
                        struct json_out *out, akin_error *err)
{
    struct listing listing = {.request = request, .query = query, .out = out};
    for (size_t i = 0; i < query->collection_count; i++)
        if (!collections_find(request->server, query->collections[i], err))
            return AKIN_ERR_NOT_FOUND;
    items_begin(out);
    akin_status status = query->has_ids ? list_ids(&listing, err) : list_all(&listing, err);
    items_end(out, listing.written);
    write_links(out, request, listing.page);
    put_raw(out, "}\n");
    return status;
}

/* ---- the routes ---- */

static void run(struct request *request, struct search_query *query, akin_status status,
                akin_error *err)
{
    struct json_out out;
    put_init(&out, &request->reply.body);
    request->stages.read_ms = server_now_ms() - request->began_ms;
    if (status == AKIN_OK)
        status = search_query_check(query, err);
    if (status == AKIN_OK)
        status =
            query->has_akin ? answer(request, query, &out, err) : list(request, query, &out, err);
    put_reply(request, &out, TYPE_GEOJSON, status, err);
    search_query_fini(query);
    akin_free(query);
}

static struct search_query *begin(struct request *request, const struct search_limits *limits)
{
    akin_error err = {0};
    struct search_query *query = akin_alloc(1, sizeof *query);
    if (query && search_query_init(query, limits, &err) == AKIN_OK)
        return query;
    akin_free(query);
    reply_error(request, 503, "out of memory");
    return NULL;
}

void handle_search_get(struct request *request)
{
    const struct search_limits limits = limits_of(request);
    akin_error err = {0};
    akin_status status = AKIN_OK;
    struct search_query *query = begin(request, &limits);
    if (!query)
        return;
    for (size_t i = 0; i < PARAMETERS && status == AKIN_OK; i++)
        status = search_query_parameter(query, &limits, parameters[i],
                                        request_parameter(request, parameters[i]), &err);
    if (status == AKIN_OK)
        status = search_query_parameter(query, &limits, "page", request_parameter(request, "page"),
                                        &err);
    run(request, query, status, &err);
}

void handle_search_post(struct request *request)
{
    const struct search_limits limits = limits_of(request);
    akin_error err = {0};
    struct search_query *query = begin(request, &limits);
    if (!query)
        return;
    const akin_status status =
        search_query_body(query, &limits, request_header(request, "Content-Type"),
                          request->body.data ? request->body.data : "", request->body.size, &err);
    if (status == AKIN_ERR_UNSUPPORTED) {
        reply_error(request, 415, "%s", err.text);
        search_query_fini(query);
        akin_free(query);
        return;
    }
    run(request, query, status, &err);
}
