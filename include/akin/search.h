/*
 * search: a question becomes ranked answers; and how good the answers are (eval).
 *
 *     akin_engine *engine;
 *     akin_engine_open(&engine, "DIR", NULL, &err);
 *     struct akin_question q;
 *     akin_question_init(&q);
 *     struct akin_example like = {.kind = AKIN_EXAMPLE_IMAGE, .path = "storm.jpg"};
 *     akin_question_add(&q, engine, &like, &err);
 *     akin_ask(engine, &q, &answers, &err);
 *     akin_answers_json(engine, &answers, &buffer, &err);
 *     akin_answers_free(&answers);
 *     akin_question_fini(&q);
 *     akin_engine_close(engine);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_H
#define AKIN_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/catalog.h"
#include "akin/core.h"
#include "akin/index.h"
#include "akin/model.h"
#include "akin/source.h"

#pragma GCC visibility push(default)

/* Everything needed to answer, opened once: catalogue, encoder, index, chips. Asked from one thread
 * at a time. */
typedef struct akin_engine akin_engine;
struct akin_engine_options {
    const char *model;            /* NULL = the collection's default */
    unsigned threads;             /* 0 = akin_cpu_count() */
    const struct akin_talk *talk; /* borrowed until close; may be NULL */
};
/* AKIN_ERR_NOT_FOUND where the collection is empty (says how to add) or the encoder that was named
 * has embedded nothing; one that has embedded less than all of it is warned of through talk. */
akin_status akin_engine_open(akin_engine **out, const char *dir,
                             const struct akin_engine_options *options, akin_error *err);
/* Another engine over the same encoder and index, with its own catalogue, scratch and caches, so that
 * several threads ask at once: one engine a thread. `base` comes from akin_engine_open, may be in use
 * meanwhile, and is closed after its clones. A clone encodes and searches on the thread that asks. */
akin_status akin_engine_clone(akin_engine **out, const akin_engine *base, akin_error *err);
/* Moves the engine and all its clones on to what is committed now; *changed (may be NULL) says whether
 * there was anything new. One thread at a time; questions may be asked meanwhile and see the rows as
 * they were when they began. */
akin_status akin_engine_refresh(akin_engine *engine, bool *changed, akin_error *err);
void akin_engine_close(akin_engine *engine);
const akin_index *akin_engine_index(const akin_engine *engine);             /* borrowed */
const struct akin_model_info *akin_engine_model(const akin_engine *engine); /* borrowed */

enum akin_example_kind {
    AKIN_EXAMPLE_IMAGE,
    AKIN_EXAMPLE_BYTES,
    AKIN_EXAMPLE_TILE,
    AKIN_EXAMPLE_POINT,
    AKIN_EXAMPLE_VECTOR
};
struct akin_example {
    enum akin_example_kind kind;
    bool unlike;       /* a counter-example */
    const char *path;  /* IMAGE; BYTES: a name for messages, or NULL */
    const void *bytes; /* BYTES: an image file's bytes, with `size` */
    size_t size;
    uint64_t pixels_max;       /* BYTES: AKIN_ERR_LIMIT above it; 0 = 2^40 */
    uint64_t key;              /* TILE */
    double lon_deg, lat_deg;   /* POINT: the tile there whose centre is nearest, */
    struct akin_interval time; /*        of that time where known, else the latest */
    const float *vector;       /* VECTOR (dim); `path` names it in messages, or NULL */
};

/* A question: examples already turned into vectors, filters, and what is wanted. */
struct akin_question {
    struct akin_filter filter;
    size_t k;        /* 1..100,000; default 20 */
    float threshold; /* default -INFINITY */
    /* What share of the true answers there should be, on average; 1 = every vector is looked at;
     * default 0 = AKIN_RECALL_DEFAULT */
    float recall;
    bool collapse_place; /* one answer a place: of answers whose centres lie within half a tile, the
                            best */
    bool turns; /* default false: each example that has pixels (all but VECTOR) is the mean of
                            its eight turns and mirrorings; to be set before examples are added */
    bool keep_examples; /* default false: tiles given as examples are not among the answers */
    uint32_t *scenes;   /* owned: those that akin_question_choose chose; filter.scenes are these */
    struct akin_example_set *examples; /* owned; opaque */
};
void akin_question_init(struct akin_question *question);
void akin_question_fini(struct akin_question *question);
#define AKIN_QUERY_WINDOWS_MAX 256
/* Turns the example into vectors at once; an error names the example. An image is cut and scaled as
 * an indexed one would be; several windows are several vectors (at most AKIN_QUERY_WINDOWS_MAX).
 * Nothing of the example is borrowed afterwards. */
akin_status akin_question_add(struct akin_question *question, akin_engine *engine,
                              const struct akin_example *example, akin_error *err);

/* Narrows the question to images by their address and label (those of the folders they were found
 * in), any of `sources` and any of `labels`; 0 of one is any. A source is a glob (*, ?, [...]; *
 * goes over slashes, too) or plain text that is an image's address or its folder, from the address's
 * beginning or from a slash on. What is chosen is what there is now. AKIN_ERR_NOT_FOUND where no
 * image is left. */
struct akin_choice {
    const char *const *sources, *const *labels;
    size_t source_count, label_count;
};
akin_status akin_question_choose(struct akin_question *question, akin_engine *engine,
                                 const struct akin_choice *choice, akin_error *err);

struct akin_answer {
    uint64_t key;
    float score; /* cosine with the question's vector, -1..1; of imported vectors as akin_metric */
    struct akin_columns columns;
    uint32_t scene;
    uint32_t collapsed; /* how many of the answers looked at share its place and stand behind it */
};
/* How it was answered, for --explain. */
struct akin_explain {
    const char *way; /* "exact scan", ... */
    size_t likes, unlikes, vectors;
    struct akin_index_work work;
    double encode_ms, search_ms;
};
struct akin_answers {
    struct akin_answer *answers; /* best first; ties by key */
    size_t count;
    struct akin_explain explain;
};
/* An answer's score is its cosine with the question's vector: the mean of the likes minus 0.5 of
 * the mean of the unlikes (Rocchio 1971), unit length; with one like that is its nearest
 * neighbours. Where exactly one like has several windows, there is one such vector for each of them
 * and the best counts; where more likes have, each of these stands for itself with its mean window.
 * Unlikes always count by their mean window. Only unlikes is AKIN_ERR_INVALID. */
akin_status akin_ask(akin_engine *engine, const struct akin_question *question,
                     struct akin_answers *out, akin_error *err);
void akin_answers_free(struct akin_answers *answers); /* takes a zeroed struct */

/* The scene of an answer: address and label, borrowed until the engine closes or 4096 others were
 * asked for. */
akin_status akin_engine_scene(akin_engine *engine, uint32_t id, const struct akin_scene **out,
                              akin_error *err);
/* A tile's picture as JPEG, its longest side at most max_px (0 = as stored), appended to `out`;
 * from the chip, whatever its type (bands 1 or the first three, scaled). */
akin_status akin_engine_picture(akin_engine *engine, uint64_t key, uint32_t max_px,
                                struct akin_buffer *out, akin_error *err);

/* A tile's chip as it is stored (akin_chip_decode reads it), borrowed until the engine is next asked
 * for a picture, a chip or a map. AKIN_ERR_UNSUPPORTED for a collection without chips. */
akin_status akin_engine_chip(akin_engine *engine, uint64_t key, const void **chip, size_t *bytes,
                             akin_error *err);

/* ---- where inside a tile ---- */

/* How much each part of a tile looks like the question: rows by cols cells over all of it, the first
 * at its upper left. scores (rows, cols): cosines, as akin_answer.score; 0 where a cell has only
 * missing pixels. */
struct akin_where {
    uint64_t key;
    uint32_t rows, cols;
    float *scores; /* owned */
};
/* Of one tile, from its chip; the question is one that was made with this engine. AKIN_ERR_UNSUPPORTED
 * for an encoder that sees a tile only as a whole and for a collection without chips. The mean of the
 * cells is not the tile's score: a vector is no mean of its parts'. */
akin_status akin_where(akin_engine *engine, const struct akin_question *question, uint64_t key,
                       struct akin_where *out, akin_error *err);
void akin_where_free(struct akin_where *where); /* takes a zeroed struct */
/* Appends the maps as one array (count, rows, cols) of f32: NPY, format version 1.0. */
akin_status akin_where_npy(const struct akin_where *maps, size_t count, struct akin_buffer *out,
                           akin_error *err);
#define AKIN_WHERE_MAX 100
/* Appends a PNG of the tiles (1..AKIN_WHERE_MAX), five a row, each in grey with its map over it: dark
 * for the lowest score of all the maps, bright for the highest. */
akin_status akin_where_png(akin_engine *engine, const struct akin_where *maps, size_t count,
                           struct akin_buffer *out, akin_error *err);

/* Appends a PNG of one tile without margins, its longest side 256 pixels, its map over it from the
 * lowest of its own scores to the highest. */
akin_status akin_where_tile_png(akin_engine *engine, const struct akin_where *map,
                                struct akin_buffer *out, akin_error *err);

/* ---- scenes as maps ---- */

/* A scene put together from its tiles' chips, so that it can be drawn on a map though the image is
 * gone: reduced to at most AKIN_OVERVIEW_PX a side, with its tiles' places. Never changes; may be
 * drawn by several threads, each with its own engine of the same collection. */
typedef struct akin_overview akin_overview;
#define AKIN_OVERVIEW_PX 2048
#define AKIN_OVERVIEW_TILES_MAX 1000000
/* AKIN_ERR_NOT_FOUND where there is no such scene or it has no tiles, AKIN_ERR_UNSUPPORTED for a scene
 * without a place or a collection without chips, AKIN_ERR_LIMIT above AKIN_OVERVIEW_TILES_MAX. */
akin_status akin_overview_create(akin_overview **out, akin_engine *engine, uint32_t scene,
                                 akin_error *err);
void akin_overview_free(akin_overview *overview);
size_t akin_overview_bytes(const akin_overview *overview);
/* Around all its tiles, and how wide one of the scene's own pixels is in degrees of latitude. */
struct akin_bbox akin_overview_bbox(const akin_overview *overview);
double akin_overview_pixel_deg(const akin_overview *overview);

/* Squares of 256 pixels that cut the world up. At zoom z: Web Mercator (EPSG:3857), 2^z by 2^z, to 85
 * degrees of latitude; or longitude and latitude (EPSG:4326), 2^(z + 1) by 2^z. x from the west, y from
 * the north. */
enum akin_map_grid { AKIN_MAP_MERCATOR, AKIN_MAP_LONLAT };
#define AKIN_MAP_PX 256
#define AKIN_MAP_ZOOM_MAX 24
struct akin_map_square {
    enum akin_map_grid grid;
    uint32_t z, x, y;
};
/* AKIN_ERR_INVALID where there is no such square. */
akin_status akin_map_square_bbox(const struct akin_map_square *square, struct akin_bbox *out,
                                 akin_error *err);
/* What of the scene lies in the square: `out` (init'ed by the call), AKIN_MAP_PX a side, 1 or 3 bands of
 * 8 bits, with a mask. AKIN_ERR_NOT_FOUND where nothing does. The overview serves as long as it is fine
 * enough; beyond that the chips do. */
akin_status akin_map_draw(akin_engine *engine, const akin_overview *overview,
                          const struct akin_map_square *square, struct akin_raster *out,
                          akin_error *err);

/* ---- answers as text ---- */

/* One JSON object a line, as in DESIGN.md; or one GeoJSON FeatureCollection (RFC 7946: antimeridian
 * cut, null geometry where there is no place). */
akin_status akin_answers_json(akin_engine *engine, const struct akin_answers *answers,
                              struct akin_buffer *out, akin_error *err);
/* One of those lines; rank is from 1. */
akin_status akin_answer_json(akin_engine *engine, const struct akin_answer *answer, size_t rank,
                             struct akin_buffer *out, akin_error *err);
akin_status akin_answers_geojson(akin_engine *engine, const struct akin_answers *answers,
                                 struct akin_buffer *out, akin_error *err);
/* Appends a tile's footprint as a GeoJSON geometry: Polygon, or MultiPolygon cut at the antimeridian;
 * null where it has no place. */
akin_status akin_footprint_geojson(const struct akin_columns *columns, struct akin_buffer *out,
                                   akin_error *err);
/* A contact sheet: one self-contained HTML page (pictures inline, no script, no network) with the
 * examples, the answers with score, place and time, and their places on a small map of the
 * world. */
akin_status akin_answers_html(akin_engine *engine, const struct akin_question *question,
                              const struct akin_answers *answers, const char *title,
                              struct akin_buffer *out, akin_error *err);

/* ---- export ---- */

struct akin_export_options {
    const char *vectors; /* NPY (rows, dim), as they are kept: those of a cosine at unit length */
    bool half;           /* as 16-bit floats, which is how they are kept; default 32 */
    const char
        *columns; /* CSV: tile (16 hex digits), key (its last 8 as a number), begin, end, west,
                            south, east, north, uri, label; with a row that names them */
    const char *geojson; /* footprints: a FeatureCollection */
    const struct akin_talk *talk;
};
/* Every tile of the engine's index in the order of their keys, row by row the same in all files;
 * any of the paths may be NULL, not all. Each file is written whole or not at all. AKIN_ERR_CANCELLED
 * after a stop. *rows may be NULL. */
akin_status akin_export(akin_engine *engine, const struct akin_export_options *options,
                        uint64_t *rows, akin_error *err);

/* ---- eval ---- */

struct akin_eval_options {
    const char
        *labels; /* "folder": the label of each tile's scene; else the path of a CSV, see below */
    const struct akin_talk *talk;
};
struct akin_eval_result {
    uint64_t tiles; /* labelled ones, which take part */
    uint64_t classes;
    uint64_t unlabelled; /* left out */
    uint64_t unknown;    /* rows of the CSV that name no scene here */
    double p_at_1, p_at_10, map, knn5;
    char model[AKIN_NAME_MAX];
};
/* Leave-one-out over all labelled tiles: each is a query against all the others, by cosine.
 * precision@1, precision@10 (of 10, or of all where there are fewer), mean average precision,
 * accuracy of the majority of 5 neighbours (ties to the nearer). Queries whose class has no other
 * member are left out of mAP. Equal scores rank by key. O(tiles^2) time, 2 * dim bytes of memory a
 * tile. The CSV (RFC 4180) has two fields a row: a scene's uri or the end of one from a slash on
 * ("a.jpg", "dir/a.jpg"), and its label. An empty label is none; a first row whose second field is
 * "label" is a header. AKIN_ERR_INVALID names the line. */
akin_status akin_eval(akin_engine *engine, const struct akin_eval_options *options,
                      struct akin_eval_result *out, akin_error *err);

#pragma GCC visibility pop

#endif
