/*
 * Labels of scenes. A CSV names a scene by its address or by the end of it: scenes are sorted by
 * their addresses read backwards, so that all that end alike lie together and one name costs two
 * binary searches.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "eval_labels.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct labelled_scene {
    uint32_t id;
    int32_t number;     /* of the label; -1 = none */
    char *uri;          /* only while a CSV is read */
    char *label;        /* NULL = none */
    unsigned long line; /* of the CSV that gave it */
};

/* ---- scenes of the catalogue ---- */

struct gathering {
    struct eval_labels *labels;
    bool folders; /* take their labels, else their addresses */
    akin_status status;
    akin_error *err;
};

static bool grow(struct eval_labels *labels)
{
    if (labels->count < labels->capacity)
        return true;
    const size_t capacity = labels->capacity ? 2 * labels->capacity : 256;
    struct labelled_scene *scenes =
        akin_realloc(labels->scenes, labels->capacity * sizeof *scenes, capacity * sizeof *scenes);
    if (!scenes)
        return false;
    labels->scenes = scenes;
    labels->capacity = capacity;
    return true;
}

static bool gather(void *user, const struct akin_scene *scene)
{
    struct gathering *gathering = user;
    struct eval_labels *labels = gathering->labels;
    const char *text = gathering->folders ? scene->label : scene->uri;
    if (!text || !*text)
        return true;
    char *copy = grow(labels) ? akin_strdup(text) : NULL;
    if (!copy) {
        gathering->status = akin_error_memory(gathering->err, strlen(text) + 1, "labels");
        return false;
    }
    struct labelled_scene *to = &labels->scenes[labels->count++];
    *to = (struct labelled_scene){.id = scene->id, .number = -1};
    *(gathering->folders ? &to->label : &to->uri) = copy;
    return true;
}

static akin_status gather_scenes(struct eval_labels *labels, akin_catalog *catalog, bool folders,
                                 akin_error *err)
{
    struct gathering gathering = {labels, folders, AKIN_OK, err};
    const unsigned live = ((1u << AKIN_SCENE_STATE_COUNT) - 1) & ~(1u << AKIN_SCENE_REPLACED) &
                          ~(1u << AKIN_SCENE_DROPPED);
    akin_status status = akin_catalog_scenes(catalog, live, 0, gather, &gathering, err);
    return status == AKIN_OK ? gathering.status : status;
}

/* ---- a CSV ---- */

/* Compares two texts from their ends. `whole` false: `a` may be a mere end of `b` to be equal. */
static int compare_ends(const char *a, size_t a_size, const char *b, size_t b_size, bool whole)
{
    const size_t n = a_size < b_size ? a_size : b_size;
    for (size_t i = 1; i <= n; i++) {
        unsigned char x = (unsigned char)a[a_size - i], y = (unsigned char)b[b_size - i];
        if (x != y)
            return x < y ? -1 : 1;
    }
    if (!whole && a_size <= b_size)
        return 0;
    return (a_size > b_size) - (a_size < b_size);
}

static int compare_uris(const void *a, const void *b)
{
    const struct labelled_scene *x = a, *y = b;
    int order = compare_ends(x->uri, strlen(x->uri), y->uri, strlen(y->uri), true);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

/* The first scene whose address, from its end, is not before `end` (after: is behind all that end
 * so). */
static size_t bound(const struct eval_labels *labels, const char *end, bool whole, bool after)
{
    const size_t size = strlen(end);
    size_t low = 0, high = labels->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *uri = labels->scenes[middle].uri;
        int order = compare_ends(end, size, uri, strlen(uri), whole);
        if (after ? order >= 0 : order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The scenes a row names: [*first, *last). `slashed` is "/" and the name. */
static void find(const struct eval_labels *labels, const char *slashed, size_t *first, size_t *last)
{
    *first = bound(labels, slashed + 1, true, false);
    *last = bound(labels, slashed + 1, true, true);
    if (*first < *last)
        return;
    *first = bound(labels, slashed, false, false);
    *last = bound(labels, slashed, false, true);
}

/* A CSV that is being read. */
struct label_rows {
    akin_csv *csv;
    const char *name;
    struct akin_buffer scratch;
};

static akin_status label_scene(struct labelled_scene *scene, const char *label,
                               const struct label_rows *rows, akin_error *err)
{
    const unsigned long line = akin_csv_line(rows->csv);
    if (scene->label && strcmp(scene->label, label))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' line %lu: '%s' is labelled '%s' here and '%s' on line %lu",
                              rows->name, line, scene->uri, label, scene->label, scene->line);
    if (scene->label)
        return AKIN_OK;
    scene->label = akin_strdup(label);
    scene->line = line;
    return scene->label ? AKIN_OK : akin_error_memory(err, strlen(label) + 1, "a label");
}

static akin_status take_row(struct eval_labels *labels, struct label_rows *rows,
                            char *const *fields, akin_error *err)
{
    const unsigned long line = akin_csv_line(rows->csv);
    if (!*fields[0])
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' line %lu: no name before the comma",
                              rows->name, line);
    akin_buffer_clear(&rows->scratch);
    akin_status status = akin_buffer_printf(&rows->scratch, err, "/%s", fields[0]);
    if (status != AKIN_OK)
        return status;
    size_t first, last;
    find(labels, rows->scratch.data, &first, &last);
    if (last - first > 1)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' line %lu: '%s' names %zu scenes: give more of the path",
                              rows->name, line, fields[0], last - first);
    if (first == last) {
        labels->unknown++;
        return AKIN_OK;
    }
    return *fields[1] ? label_scene(&labels->scenes[first], fields[1], rows, err) : AKIN_OK;
}

static akin_status read_csv(struct eval_labels *labels, const char *path, akin_error *err)
{
    struct label_rows rows = {.name = path};
    char **fields;
    bool end = false, first = true;
    akin_buffer_init(&rows.scratch, AKIN_CSV_ROW_BYTES_MAX + 2);
    akin_status status = akin_csv_open(&rows.csv, path, err);
    while (status == AKIN_OK && !end) {
        status = akin_csv_next_of(rows.csv, &fields, 2, &end, err);
        if (status == AKIN_OK && !end && !(first && !strcasecmp(fields[1], "label")))
            status = take_row(labels, &rows, fields, err);
        first = false;
    }
    akin_csv_close(rows.csv);
    akin_buffer_fini(&rows.scratch);
    return status;
}

/* ---- numbers ---- */

static int compare_labels(const void *a, const void *b)
{
    const struct labelled_scene *x = a, *y = b;
    if (!x->label || !y->label)
        return !x->label - !y->label;
    return strcmp(x->label, y->label);
}

static int compare_ids(const void *a, const void *b)
{
    const struct labelled_scene *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Gives equal labels equal numbers, then leaves the scenes sorted by id. */
static void number_labels(struct eval_labels *labels)
{
    struct labelled_scene *scenes = labels->scenes;
    if (!labels->count)
        return;
    qsort(scenes, labels->count, sizeof *scenes, compare_labels);
    for (size_t i = 0; i < labels->count && scenes[i].label; i++)
        scenes[i].number =
            i ? scenes[i - 1].number + !!strcmp(scenes[i - 1].label, scenes[i].label) : 0;
    qsort(scenes, labels->count, sizeof *scenes, compare_ids);
}

akin_status eval_labels_load(struct eval_labels *labels, akin_catalog *catalog, const char *source,
                             akin_error *err)
{
    const bool folders = !strcmp(source, "folder");
    akin_status status = gather_scenes(labels, catalog, folders, err);
    if (status == AKIN_OK && !folders) {
        if (labels->count)
            qsort(labels->scenes, labels->count, sizeof *labels->scenes, compare_uris);
        status = read_csv(labels, source, err);
    }
    if (status == AKIN_OK)
        number_labels(labels);
    return status;
}

void eval_labels_fini(struct eval_labels *labels)
{
    for (size_t i = 0; i < labels->count; i++) {
        akin_free(labels->scenes[i].uri);
        akin_free(labels->scenes[i].label);
    }
    akin_free(labels->scenes);
    *labels = (struct eval_labels){0};
}

int32_t eval_labels_of(const struct eval_labels *labels, uint32_t scene)
{
    const struct labelled_scene wanted = {.id = scene};
    const struct labelled_scene *found =
        labels->count ? bsearch(&wanted, labels->scenes, labels->count, sizeof wanted, compare_ids)
                      : NULL;
    return found ? found->number : -1;
}
