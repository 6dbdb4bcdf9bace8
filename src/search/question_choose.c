/*
 * Images by address and label, turned into the sorted list of scenes that a filter takes. All
 * scenes of the catalogue are looked at once; there are thousands of them where there are millions
 * of tiles.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"

struct choosing {
    const struct akin_choice *choice;
    uint32_t *ids; /* in the catalogue's order, which is ascending */
    size_t count, max;
    bool out_of_memory;
};

/* From here on: all of it, or a folder that it lies in. */
static bool matches_here(const char *source, const char *uri)
{
    const size_t length = strlen(source);
    if (strpbrk(source, "*?["))
        return !fnmatch(source, uri, 0);
    return !strncmp(source, uri, length) &&
           (!uri[length] || uri[length] == '/' || (length && source[length - 1] == '/'));
}

static bool source_matches(const char *source, const char *uri)
{
    for (const char *at = uri; at; at = strchr(at, '/')) {
        at += at != uri; /* behind the slash */
        if (matches_here(source, at))
            return true;
        if (!*at)
            return false;
    }
    return false;
}

static bool is_chosen(const struct akin_choice *choice, const struct akin_scene *scene)
{
    bool source = !choice->source_count, label = !choice->label_count;
    for (size_t i = 0; i < choice->source_count && !source; i++)
        source = source_matches(choice->sources[i], scene->uri);
    for (size_t i = 0; i < choice->label_count && !label && scene->label; i++)
        label = !strcmp(choice->labels[i], scene->label);
    return source && label;
}

static bool choose(void *user, const struct akin_scene *scene)
{
    struct choosing *choosing = user;
    if (!is_chosen(choosing->choice, scene))
        return true;
    if (choosing->count == choosing->max) {
        const size_t more = choosing->max ? 2 * choosing->max : 256;
        uint32_t *ids =
            akin_realloc(choosing->ids, choosing->max * sizeof *ids, more * sizeof *ids);
        choosing->out_of_memory = !ids;
        if (!ids)
            return false;
        choosing->ids = ids;
        choosing->max = more;
    }
    choosing->ids[choosing->count++] = scene->id;
    return true;
}

static akin_status none_left(const struct akin_choice *choice, akin_error *err)
{
    return akin_error_set(
        err, AKIN_ERR_NOT_FOUND, "no image of the collection has%s%.200s%s%s%s%.200s%s",
        choice->source_count ? " the source '" : "", choice->source_count ? choice->sources[0] : "",
        !choice->source_count       ? ""
        : choice->source_count == 1 ? "'"
                                    : "' or another one given",
        choice->source_count && choice->label_count ? " and" : "",
        choice->label_count ? " the label '" : "", choice->label_count ? choice->labels[0] : "",
        !choice->label_count       ? ""
        : choice->label_count == 1 ? "'"
                                   : "' or another one given");
}

akin_status akin_question_choose(struct akin_question *question, akin_engine *engine,
                                 const struct akin_choice *choice, akin_error *err)
{
    if (!question || !engine || !choice)
        return akin_error_set(err, AKIN_ERR_INVALID, "no question, engine or choice given");
    struct choosing choosing = {.choice = choice};
    const unsigned live = ((1u << AKIN_SCENE_STATE_COUNT) - 1) & ~(1u << AKIN_SCENE_REPLACED) &
                          ~(1u << AKIN_SCENE_DROPPED);
    akin_status status = akin_catalog_scenes(engine->catalog, live, 0, choose, &choosing, err);
    if (status == AKIN_OK && choosing.out_of_memory)
        status = akin_error_memory(err, choosing.max * sizeof *choosing.ids, "the images chosen");
    if (status == AKIN_OK && !choosing.count)
        status = none_left(choice, err);
    if (status != AKIN_OK) {
        akin_free(choosing.ids);
        return status;
    }
    akin_free(question->scenes);
    question->scenes = choosing.ids;
    question->filter.scenes = choosing.ids;
    question->filter.scene_count = choosing.count;
    return AKIN_OK;
}
