/*
 * akin status: what is in a collection, without reading any tile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

enum { JSON };

static const struct cli_option options[] = {{0, "json", NULL, "one JSON object"}, {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_status = {
    "status",
    "what is there",
    "DIR [options]",
    "Counts of scenes by state, tiles, encoders and index files of the collection DIR, its\n"
    "settings, and the images that failed with the reason.",
    options,
    run};

/* An encoder and what it has embedded. */
struct encoder {
    const char *name; /* borrowed */
    bool is_default;
    uint32_t dim; /* 0 where it has embedded nothing */
    uint64_t tiles;
};

struct overview {
    akin_catalog *catalog;
    struct akin_catalog_counts counts;
    char *model; /* the default's name, or NULL */
    char **models;
    struct encoder *encoders; /* [model_count] */
    size_t model_count;
    struct akin_index_stats index; /* of the default */
};

/* Zeros where the encoder has no index yet. */
static akin_status index_stats(struct akin_index_stats *out, const char *dir, const char *model,
                               akin_error *err)
{
    char path[AKIN_PATH_MAX], name[AKIN_NAME_MAX + 8];
    akin_index *index = NULL;
    memset(out, 0, sizeof *out);
    snprintf(name, sizeof name, "index/%s", model);
    akin_status status = akin_path_join(path, dir, name, err);
    if (status == AKIN_OK)
        status = akin_index_open(&index, path, AKIN_OPEN_READ, NULL, err);
    if (status == AKIN_ERR_NOT_FOUND)
        return AKIN_OK;
    if (status == AKIN_OK)
        akin_index_stats(index, out);
    akin_index_close(index);
    return status;
}

static akin_status look_at_encoders(struct overview *overview, const char *dir, akin_error *err)
{
    akin_status status = akin_model_list(&overview->models, &overview->model_count, dir, err);
    if (status != AKIN_OK || !overview->model_count)
        return status;
    overview->encoders = akin_alloc_zero(overview->model_count, sizeof *overview->encoders);
    if (!overview->encoders)
        return akin_error_memory(err, overview->model_count * sizeof *overview->encoders,
                                 "the encoders");
    for (size_t i = 0; i < overview->model_count && status == AKIN_OK; i++) {
        struct encoder *encoder = &overview->encoders[i];
        struct akin_index_stats stats;
        encoder->name = overview->models[i];
        encoder->is_default = overview->model && !strcmp(encoder->name, overview->model);
        status = index_stats(&stats, dir, encoder->name, err);
        encoder->dim = stats.dim;
        encoder->tiles = stats.rows;
        if (encoder->is_default)
            overview->index = stats;
    }
    return status;
}

static akin_status look(struct overview *overview, const char *dir, akin_error *err)
{
    akin_status status = akin_catalog_open(&overview->catalog, dir, AKIN_OPEN_READ, err);
    if (status == AKIN_OK)
        status = akin_catalog_count(overview->catalog, &overview->counts, err);
    if (status != AKIN_OK)
        return status;
    status = akin_catalog_value_get(overview->catalog, AKIN_VALUE_MODEL, &overview->model, err);
    return status == AKIN_OK || status == AKIN_ERR_NOT_FOUND ? look_at_encoders(overview, dir, err)
                                                             : status;
}

static void forget(struct overview *overview)
{
    akin_free(overview->encoders);
    akin_names_free(overview->models, overview->model_count);
    akin_free(overview->model);
    akin_catalog_close(overview->catalog);
}

/* ---- as JSON ---- */

static bool append_failure(void *user, const struct akin_scene *scene)
{
    akin_json *one = akin_json_object();
    akin_json_set(one, "uri", akin_json_string(scene->uri));
    akin_json_set(one, "reason",
                  scene->failure ? akin_json_string(scene->failure) : akin_json_null());
    return akin_json_append(user, one);
}

static akin_json *settings_json(const struct akin_settings *settings)
{
    akin_json *out = akin_json_object();
    akin_json_set(out, "tile", akin_json_integer(settings->tile_px));
    akin_json_set(out, "overlap", akin_json_number(settings->overlap));
    akin_json_set(out, "input", akin_json_integer(settings->input_px));
    akin_json_set(out, "bands",
                  settings->bands ? akin_json_integer(settings->bands) : akin_json_null());
    akin_json_set(out, "max_nodata", akin_json_number(settings->nodata_max));
    akin_json_set(out, "chips", akin_json_bool(settings->chips));
    return out;
}

/* null where the rows have no codes; recall and what follows null where it was not measured yet. */
static akin_json *codes_json(const struct akin_index_stats *index)
{
    if (!index->epoch)
        return akin_json_null();
    bool measured = index->recall > 0;
    akin_json *out = akin_json_object();
    akin_json_set(out, "rows", akin_json_integer((int64_t)index->rows_coded));
    akin_json_set(out, "segments", akin_json_integer((int64_t)index->segments_coded));
    akin_json_set(out, "epoch", akin_json_integer((int64_t)index->epoch));
    akin_json_set(out, "lists", akin_json_integer(index->lists));
    akin_json_set(out, "bits", akin_json_integer(index->code_bits));
    akin_json_set(out, "recall", measured ? akin_json_number(index->recall) : akin_json_null());
    akin_json_set(out, "probes", measured ? akin_json_integer(index->probes) : akin_json_null());
    akin_json_set(out, "rerank", measured ? akin_json_integer(index->rerank) : akin_json_null());
    return out;
}

static akin_json *index_json(const struct overview *overview)
{
    const struct akin_index_stats *index = &overview->index;
    akin_json *out = akin_json_object();
    akin_json_set(out, "rows", akin_json_integer((int64_t)index->rows));
    akin_json_set(out, "rows_in_log", akin_json_integer((int64_t)index->rows_in_log));
    akin_json_set(out, "tombstones", akin_json_integer((int64_t)index->tombstones));
    akin_json_set(out, "segments", akin_json_integer((int64_t)index->segments));
    akin_json_set(out, "segments_damaged", akin_json_integer((int64_t)index->segments_damaged));
    akin_json_set(out, "bytes", akin_json_integer((int64_t)index->bytes));
    akin_json_set(out, "dim", akin_json_integer(index->dim));
    akin_json_set(out, "metric", akin_json_string(cli_metrics[index->metric]));
    akin_json_set(out, "codes", codes_json(index));
    return out;
}

static akin_json *encoder_json(const struct encoder *encoder)
{
    akin_json *out = akin_json_object();
    akin_json_set(out, "name", akin_json_string(encoder->name));
    akin_json_set(out, "default", akin_json_bool(encoder->is_default));
    akin_json_set(out, "dim", encoder->dim ? akin_json_integer(encoder->dim) : akin_json_null());
    akin_json_set(out, "tiles", akin_json_integer((int64_t)encoder->tiles));
    return out;
}

static akin_status print_json(struct overview *overview, akin_error *err)
{
    akin_json *root = akin_json_object(), *scenes = akin_json_object();
    akin_json *models = akin_json_array(), *failures = akin_json_array();
    akin_json *encoders = akin_json_array();
    for (int state = 0; state < AKIN_SCENE_STATE_COUNT; state++)
        akin_json_set(scenes, akin_scene_state_name((enum akin_scene_state)state),
                      akin_json_integer((int64_t)overview->counts.scenes[state]));
    for (size_t i = 0; i < overview->model_count; i++) {
        akin_json_append(models, akin_json_string(overview->models[i]));
        akin_json_append(encoders, encoder_json(&overview->encoders[i]));
    }
    akin_status status = akin_catalog_scenes(overview->catalog, 1u << AKIN_SCENE_FAILED, 0,
                                             append_failure, failures, err);
    akin_json_set(root, "scenes", scenes);
    akin_json_set(root, "tiles", akin_json_integer((int64_t)overview->counts.tiles_kept));
    akin_json_set(root, "tiles_skipped",
                  akin_json_integer((int64_t)overview->counts.tiles_skipped));
    akin_json_set(root, "models", models);
    akin_json_set(root, "model",
                  overview->model ? akin_json_string(overview->model) : akin_json_null());
    akin_json_set(root, "encoders", encoders);
    akin_json_set(root, "index", index_json(overview));
    akin_json_set(root, "settings", settings_json(akin_catalog_settings(overview->catalog)));
    akin_json_set(root, "failures", failures);
    if (status == AKIN_OK)
        return cli_print_json(root, err);
    akin_json_free(root);
    return status;
}

/* ---- as text ---- */

#define FAILURES_SHOWN 20

static bool print_failure(void *user, const struct akin_scene *scene)
{
    unsigned *shown = user;
    if ((*shown)++ == FAILURES_SHOWN) {
        printf("  ... (--json has all)\n");
        return false;
    }
    printf("  %s\n", scene->failure ? scene->failure : scene->uri);
    return true;
}

static void print_settings(const struct akin_settings *settings)
{
    printf("settings  tiles of %u px, overlap %g", settings->tile_px, settings->overlap);
    printf(settings->tile_always ? "" : " (pictures without a place whole)");
    if (settings->bands)
        printf(", %u bands", settings->bands);
    printf(", encoder input %u px%s\n", settings->input_px, settings->chips ? "" : ", no chips");
}

static void print_encoders(const struct overview *overview)
{
    printf("\nencoders  %s", overview->model_count ? "" : "none\n");
    for (size_t i = 0; i < overview->model_count; i++) {
        const struct encoder *encoder = &overview->encoders[i];
        printf("%s%s", i ? "          " : "", encoder->name);
        if (encoder->dim)
            printf(": %" PRIu64 " tiles in %u values", encoder->tiles, encoder->dim);
        else
            printf(": nothing embedded yet");
        printf("%s\n", encoder->is_default ? " (default)" : "");
    }
}

static void print_codes(const struct akin_index_stats *index)
{
    if (!index->epoch)
        return;
    printf("codes     %" PRIu64 " rows, %u bit%s a value, %u lists", index->rows_coded,
           index->code_bits, index->code_bits == 1 ? "" : "s", index->lists);
    if (index->recall > 0)
        printf("; recall %.3f of the ten nearest by %u lists and %u candidates", index->recall,
               index->probes, index->rerank);
    printf("\n");
}

static akin_status print_text(struct overview *overview, akin_error *err)
{
    const struct akin_catalog_counts *counts = &overview->counts;
    char bytes[AKIN_BYTES_TEXT_MAX];
    unsigned shown = 0;
    printf("scenes   ");
    for (int state = 0; state < AKIN_SCENE_STATE_COUNT; state++)
        if (counts->scenes[state])
            printf(" %" PRIu64 " %s", counts->scenes[state],
                   akin_scene_state_name((enum akin_scene_state)state));
    printf("\ntiles     %" PRIu64, counts->tiles_kept);
    if (counts->tiles_skipped)
        printf(" (%" PRIu64 " skipped: too many missing pixels)", counts->tiles_skipped);
    print_encoders(overview);
    akin_bytes_format(bytes, overview->index.bytes);
    printf("index     %" PRIu64 " rows of %u values in %" PRIu64 " segments (%" PRIu64
           " in the log), %s, compared by %s\n",
           overview->index.rows, overview->index.dim, overview->index.segments,
           overview->index.rows_in_log, bytes, cli_metrics[overview->index.metric]);
    if (overview->index.segments_damaged)
        printf("          %" PRIu64 " DAMAGED segments are not served: akin verify names them\n",
               overview->index.segments_damaged);
    print_codes(&overview->index);
    print_settings(akin_catalog_settings(overview->catalog));
    if (counts->scenes[AKIN_SCENE_FAILED])
        printf("failed    (akin add --retry tries them again)\n");
    return akin_catalog_scenes(overview->catalog, 1u << AKIN_SCENE_FAILED, 0, print_failure, &shown,
                               err);
}

static int run(int argc, char **argv)
{
    struct cli_parser parser;
    struct overview overview = {0};
    const char *dir = NULL, *value;
    bool json = false;
    akin_error err = {0};
    int option;

    cli_parser_init(&parser, &cmd_status, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return cli_exit(option);
        if (option == CLI_WORD && !cli_take_dir(&cmd_status, &dir, value))
            return CLI_MISUSE;
        if (option != CLI_WORD)
            json = true;
    }
    if (!dir)
        return cli_misuse(&cmd_status, "which collection?");
    akin_status status = look(&overview, dir, &err);
    if (status == AKIN_OK)
        status = json ? print_json(&overview, &err) : print_text(&overview, &err);
    forget(&overview);
    return status == AKIN_OK ? CLI_OK : cli_fail(&err);
}
