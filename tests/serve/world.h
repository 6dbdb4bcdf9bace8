/*
 * Collections and servers for the tests: pictures without a place (drawn.h), and maps of the world.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_SERVE_WORLD_H
#define AKIN_TESTS_SERVE_WORLD_H

#include "../search/drawn.h"
#include "akin/serve.h"
#include "client.h"

/* Adds the months first..last, each a map of the world of 256 x 128 pixels in tiles of 32. */
static inline akin_status add_months(const char *dir, int first, int last, akin_error *err)
{
    char path[AKIN_PATH_MAX], name[32];
    struct akin_add_options options;
    struct akin_add_report report;
    akin_status status = AKIN_OK;
    akin_add_options_default(&options);
    const double world[4] = {-180, -90, 180, 90};
    memcpy(options.source.bbox, world, sizeof world);
    for (int month = first; month <= last && status == AKIN_OK; month++) {
        snprintf(name, sizeof name, "2004-%02d.png", month);
        path_of(path, name);
        status = draw(path, 500 + (uint64_t)month, 256, 128, err);
        const char *sources[] = {path};
        if (status == AKIN_OK)
            status = akin_add(dir, sources, 1, &options, &report, err);
        if (status == AKIN_OK && !report.tiles_added)
            status = akin_error_set(err, AKIN_ERR_CORRUPT, "no tiles of '%s'", path);
    }
    return status;
}

/* dir = the case's folder/world, without tiles. */
static inline akin_status make_world(char dir[AKIN_PATH_MAX], akin_error *err)
{
    struct akin_settings settings;
    akin_settings_default(&settings);
    settings.tile_px = 32;
    settings.input_px = 32;
    snprintf(base, sizeof base, "%s", check_folder());
    path_of(dir, "world");
    return akin_catalog_create(dir, &settings, err);
}

static inline void serve_options(struct akin_server_options *options)
{
    akin_server_options_default(options);
    options->listen = "127.0.0.1:0";
    options->threads = 2;
}

static inline unsigned port_of(const akin_server *server)
{
    return (unsigned)strtoul(strrchr(akin_server_address(server), ':') + 1, NULL, 10);
}

/* A JSON answer as a tree; NULL where it is none. Freed by the caller. */
static inline akin_json *tree_of(const struct http_answer *answer)
{
    akin_json *tree = NULL;
    akin_error err = {0};
    if (!answer->body || akin_json_parse(&tree, answer->body, answer->size, "answer", &err))
        return NULL;
    return tree;
}

static inline akin_json *get_tree(unsigned port, const char *path)
{
    struct http_answer answer = get(port, path);
    akin_json *tree = answer.status == 200 ? tree_of(&answer) : NULL;
    answer_free(&answer);
    return tree;
}

/* The link of this rel, or NULL. */
static inline const akin_json *link_of(const akin_json *tree, const char *rel)
{
    const akin_json *links = akin_json_get(tree, "links");
    for (size_t i = 0; i < akin_json_count(links); i++) {
        const akin_json *one = akin_json_at(links, i);
        const char *text = akin_json_text_value(akin_json_get(one, "rel"));
        if (text && !strcmp(text, rel))
            return one;
    }
    return NULL;
}

/* What follows the host in a link's address. */
static inline const char *path_of_link(const akin_json *one)
{
    const char *href = akin_json_text_value(akin_json_get(one, "href"));
    const char *host = href ? strstr(href, "://") : NULL;
    return host ? strchr(host + 3, '/') : NULL;
}

static inline const char *id_at(const akin_json *tree, size_t i)
{
    return akin_json_text_value(
        akin_json_get(akin_json_at(akin_json_get(tree, "features"), i), "id"));
}

#endif
