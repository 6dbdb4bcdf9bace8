/*
 * What the parts of ingest share.
 *
 *   plan.c      sources -> catalogue rows -> an ordered list of jobs (pieces of scenes)
 *   pipeline.c  workers turn jobs into strips and strips into vectors, in any order, within a
 *   budget
 *   commit.c    strips, taken in the jobs' order, become chip packs, index rows and scene progress
 *   fit.c       the first strips of a new collection: held back until the encoder is fitted on them
 *   add.c       akin_add: all of it, in turn
 *
 * The order of the jobs is the only order that matters: what is committed is a prefix of it, so
 * that a killed run goes on where it was and ends with the same tiles and the same encoder as an
 * uninterrupted one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_INGEST_PRIVATE_H
#define AKIN_INGEST_PRIVATE_H

#include <pthread.h>

#include "akin/catalog.h"
#include "akin/core.h"
#include "akin/index.h"
#include "akin/ingest.h"
#include "akin/model.h"
#include "akin/source.h"
#include "akin/tile.h"

#define STAGE "ingest"

/* Whether a failure met while reading an image is not the image's fault, and so must end the add
 * instead of failing the scene. */
static inline bool ingest_is_fatal(akin_status status)
{
    return status == AKIN_ERR_NO_MEMORY || status == AKIN_ERR_NO_SPACE;
}

/* ---- plan ---- */

/* A piece of a scene: the tiles [start, end) in its plan's order. */
struct job {
    uint32_t scene; /* index into plan->scenes */
    uint64_t start, end;
};

struct plan {
    struct akin_scene *scenes; /* those to work on, by id */
    size_t scene_count;
    struct job *jobs; /* in order; the first fit_jobs of them are what the encoder is fitted on */
    size_t job_count, fit_jobs;
    uint64_t tiles;        /* of all jobs */
    uint64_t tiles_before; /* taken by earlier runs */
    uint32_t bands;        /* of the collection, as they are or (dry run) would be; 0 unknown */
    struct akin_scaling scaling[AKIN_DTYPE_COUNT];
    bool has_scaling[AKIN_DTYPE_COUNT];
};

/* Finds, opens what is new, writes the catalogue's rows (one transaction; none for a dry run, whose
 * scenes have made-up ids) and orders the jobs. fit_tiles: how many tiles an encoder still to be
 * fitted wants, 0 = there is one. Fills in the report's scene counts. */
akin_status plan_make(struct plan *out, akin_catalog *catalog, const char *const *sources,
                      size_t source_count, const struct akin_add_options *options,
                      uint64_t fit_tiles, akin_pool *pool, struct akin_add_report *report,
                      akin_error *err);
void plan_fini(struct plan *plan);
/* Puts scenes into an order of jobs; see the file head of plan_order.c. */
akin_status plan_order(struct plan *plan, const struct akin_settings *settings, uint64_t fit_tiles,
                       akin_error *err);
/* The options under which this scene is opened, whenever that is. */
struct akin_source_options plan_source_options(const struct akin_scene *scene,
                                               const struct akin_add_options *options);

/* ---- pipeline ---- */

enum work_state { WORK_READ, WORK_ENCODING, WORK_ENCODED };

/* A strip on its way. Made by the worker that read it, owned by its job's list, freed by the
 * committer. */
struct work {
    struct akin_strip strip;
    float *vectors; /* (strip.count, dim) once encoded; NULL where that failed: */
    akin_status encode_status;
    char *encode_failure; /* owned; may be NULL all the same */
    enum work_state state;
    struct work *next; /* of its job */
    struct work *next_unencoded;
};

struct pipeline;

/* Starts the workers. Borrows everything until stop. `model` may still be NULL: then strips wait
 * unencoded until pipeline_set_model. */
akin_status pipeline_start(struct pipeline **out, const struct plan *plan,
                           const struct akin_settings *settings,
                           const struct akin_add_options *options, const akin_model *model,
                           unsigned threads, size_t budget_bytes, akin_error *err);
void pipeline_set_model(struct pipeline *pipeline, const akin_model *model);
/* Waits up to 100 ms for the next strip of job `job`, encoded if `encoded`. *out = NULL where there
 * is none yet; *ended = the job has no more, and then *job_status and its text say how it ended.
 * The caller owns the work. */
void pipeline_take(struct pipeline *pipeline, size_t job, bool encoded, struct work **out,
                   bool *ended, akin_status *job_status, akin_error *job_error);
void pipeline_work_free(struct pipeline *pipeline, struct work *work);
/* Ends the workers after the strip they are at. */
void pipeline_stop(struct pipeline *pipeline);

/* ---- commit ---- */

/* Gathers strips and writes them: pack, then its catalogue row, then index rows, then the scenes'
 * progress. */
struct commit {
    akin_catalog *catalog;
    akin_index *index;
    const char *model; /* whose index it is */
    const struct plan *plan;
    bool chips;
    uint32_t dim;
    char dir[AKIN_PATH_MAX];

    akin_pack_writer *pack; /* open while the batch has chips */
    uint64_t pack_id;
    uint64_t pack_bytes;
    struct akin_columns *columns;
    float *vectors;
    size_t rows, rows_max; /* gathered; allocated */
    uint32_t *touched;     /* scenes with news since the last write, plan order, each once */
    size_t touched_count;
    bool *dirty; /* (scene_count) */
    int64_t last_write_ms;
    uint64_t tiles_kept, tiles_skipped; /* since init */
};
akin_status commit_init(struct commit *commit, akin_catalog *catalog, const struct plan *plan,
                        bool chips, akin_error *err);
void commit_fini(struct commit *commit);
/* One tile: its chip goes to the pack at once; vector may be NULL (filled in later through
 * commit->vectors). */
akin_status commit_tile(struct commit *commit, const struct akin_tile *tile, const float *vector,
                        akin_error *err);
/* The strip's windows have been taken; the scene's progress is written with the batch. */
void commit_progress(struct commit *commit, uint32_t scene, const struct akin_strip *strip);
void commit_scene_ended(struct commit *commit, uint32_t scene, akin_status status,
                        const char *failure);
bool commit_is_due(const struct commit *commit);
akin_status commit_write(struct commit *commit, akin_error *err);

/* ---- fit ---- */

/* Takes the strips of the plan's fit jobs (and of more where those hold too few tiles), fits the
 * encoder on their tiles, saves it and leaves the tiles, with their vectors, gathered in `commit`.
 * *jobs_done are then taken. *out is NULL with AKIN_OK where there was no tile at all. progress
 * returns false to stop. */
typedef bool fit_progress_fn(void *user, uint64_t windows);
akin_status fit_run(akin_model **out, struct commit *commit, struct pipeline *pipeline,
                    const struct plan *plan, const struct akin_settings *settings, akin_pool *pool,
                    const struct akin_talk *talk, fit_progress_fn *progress, void *progress_user,
                    size_t *jobs_done, akin_error *err);

/* ---- budget ---- */

/* What an add will need. AKIN_ERR_LIMIT with the number where options->ram_bytes is less. */
struct budget {
    size_t cache_bytes;  /* for GDAL */
    size_t flight_bytes; /* of strips between reading and commit */
    uint64_t fit_tiles;  /* to fit the encoder on */
};
akin_status budget_make(struct budget *out, const struct akin_settings *settings,
                        uint64_t ram_bytes, unsigned threads, akin_error *err);
/* Whether the plan's widest scene fits beside the encoders, one a thread (model may be NULL). */
akin_status budget_check(const struct budget *budget, const struct plan *plan,
                         const struct akin_settings *settings, const akin_model *model,
                         uint64_t ram_bytes, unsigned threads, akin_error *err);

/* ---- dry run ---- */

/* Fills in what the plan would take: bytes_expected and seconds_expected. */
akin_status forecast_make(const struct plan *plan, const struct akin_settings *settings,
                          const akin_model *model, const struct akin_add_options *options,
                          unsigned threads, struct akin_add_report *report, akin_error *err);

/* ---- indexes ---- */

/* out = DIR/index/MODEL. */
akin_status index_path(char out[AKIN_PATH_MAX], akin_catalog *catalog, const char *model,
                       akin_error *err);
/* Waits until the index is merged and coded, showing how far it is. Neither a stop nor a failure loses a row:
 * they are told, and the next run goes on. */
void index_settle(akin_index *index, const struct akin_talk *talk);

/* ---- housekeeping ---- */

/* Removes a scene's rows from the index of encoder `model`, open as `index`, and from those of all others. */
akin_status scene_remove(akin_catalog *catalog, akin_index *index, const char *model,
                         uint32_t scene, akin_error *err);
/* Marks as dropped the scenes below those of the sources that are folders whose files are gone. */
akin_status drop_missing(akin_catalog *catalog, const char *const *sources, size_t source_count,
                         const struct akin_talk *talk, uint64_t *dropped, akin_error *err);
/* Removes pack files that the catalogue does not know, and left-over temporaries. */
akin_status sweep_packs(akin_catalog *catalog, akin_error *err);

#endif
