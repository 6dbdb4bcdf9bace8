/*
 * Answers for maps: one GeoJSON FeatureCollection (RFC 7946), a feature a line. Each feature is
 * written out before the next is made, so that 100,000 answers need the memory of their text alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/search.h"
#include "answers_json.h"
#include "geojson_feature.h"

static akin_json *feature(const struct akin_answer *answer, size_t rank,
                          const struct akin_scene *scene)
{
    akin_json *properties = akin_json_object();
    akin_json_set(properties, "score", answers_json_score(answer->score));
    akin_json_set(properties, "rank", akin_json_integer((int64_t)rank));
    geojson_feature_describe(properties, &answer->columns, scene);
    if (answer->collapsed)
        akin_json_set(properties, "collapsed", akin_json_integer(answer->collapsed));
    return geojson_feature(answer->key, &answer->columns, properties);
}

akin_status akin_answers_geojson(akin_engine *engine, const struct akin_answers *answers,
                                 struct akin_buffer *out, akin_error *err)
{
    if (!engine || !answers || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine or answers given");
    akin_status status =
        akin_buffer_printf(out, err, "{\"type\":\"FeatureCollection\",\"features\":[");
    for (size_t i = 0; status == AKIN_OK && i < answers->count; i++) {
        const struct akin_scene *scene;
        status = akin_engine_scene(engine, answers->answers[i].scene, &scene, err);
        if (status == AKIN_OK)
            status = akin_buffer_printf(out, err, i ? ",\n" : "\n");
        if (status != AKIN_OK)
            break;
        akin_json *object = feature(&answers->answers[i], i + 1, scene);
        status = akin_json_text(object, false, out, err);
        akin_json_free(object);
    }
    return status == AKIN_OK ? akin_buffer_printf(out, err, "\n]}\n") : status;
}
