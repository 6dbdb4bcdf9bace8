/*
 * Answers for machines: one JSON object a line, keys in the order of DESIGN.md. The parts that
 * GeoJSON has in common are made here, too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "answers_json.h"

#include <math.h>

#include "engine.h"

akin_json *answers_json_text(const char *text)
{
    return text && *text ? akin_json_string(text) : akin_json_null();
}

/* Dividing by a power of ten gives the double nearest to the decimal, so that the shortest text is
 * short. */
static akin_json *rounded(double value, double per_unit)
{
    double whole = round(value * per_unit);
    return akin_json_number(whole == 0 ? 0 : whole / per_unit); /* no "-0" */
}

akin_json *answers_json_score(double score)
{
    return rounded(score, 1e6);
}

akin_json *answers_json_degrees(double degrees)
{
    return rounded(degrees, 1e7);
}

akin_json *answers_json_bbox(struct akin_bbox box)
{
    if (!akin_bbox_known(box))
        return akin_json_null();
    akin_json *array = akin_json_array();
    const double sides[4] = {box.west, box.south, box.east, box.north};
    for (int i = 0; i < 4; i++)
        akin_json_append(array, answers_json_degrees(sides[i]));
    return array;
}

akin_json *answers_json_datetime(struct akin_interval interval)
{
    char text[AKIN_INTERVAL_TEXT_MAX];
    akin_interval_format(text, interval);
    return answers_json_text(text);
}

static akin_json *object_of(const akin_engine *engine, const struct akin_answer *answer,
                            size_t rank, const struct akin_scene *scene)
{
    char key[AKIN_TILE_KEY_TEXT_MAX];
    akin_tile_key_format(key, answer->key);
    akin_json *object = akin_json_object();
    akin_json_set(object, "rank", akin_json_integer((int64_t)rank));
    akin_json_set(object, "tile", akin_json_string(key));
    akin_json_set(object, "score", answers_json_score(answer->score));
    akin_json_set(object, "uri", akin_json_string(scene->uri));
    akin_json_set(object, "bbox", answers_json_bbox(akin_columns_bbox(&answer->columns)));
    akin_json_set(object, "datetime",
                  answers_json_datetime(akin_columns_interval(&answer->columns)));
    akin_json_set(object, "label", answers_json_text(scene->label));
    if (answer->collapsed)
        akin_json_set(object, "collapsed", akin_json_integer(answer->collapsed));
    if (!akin_model_encodes(engine->model)) /* the row's own key, as it was imported */
        akin_json_set(object, "key", akin_json_integer((int64_t)(answer->key & UINT32_MAX)));
    return object;
}

akin_status akin_answer_json(akin_engine *engine, const struct akin_answer *answer, size_t rank,
                             struct akin_buffer *out, akin_error *err)
{
    const struct akin_scene *scene;
    if (!engine || !answer || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine or answer given");
    akin_status status = akin_engine_scene(engine, answer->scene, &scene, err);
    if (status != AKIN_OK)
        return status;
    akin_json *object = object_of(engine, answer, rank, scene);
    status = akin_json_text(object, false, out, err);
    akin_json_free(object);
    return status == AKIN_OK ? akin_buffer_append(out, "\n", 1, err) : status;
}

akin_status akin_answers_json(akin_engine *engine, const struct akin_answers *answers,
                              struct akin_buffer *out, akin_error *err)
{
    if (!engine || !answers || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine or answers given");
    akin_status status = AKIN_OK;
    for (size_t i = 0; status == AKIN_OK && i < answers->count; i++)
        status = akin_answer_json(engine, &answers->answers[i], i + 1, out, err);
    return status;
}
