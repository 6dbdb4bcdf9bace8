/*
 * New epochs. The first is trained when there are options.coded_rows rows; a new one when they have become
 * twice as many, or a quarter more where someone waits for upkeep to have nothing left to do (INDEX.md says 8 times): lists
 * grow with the rows, and at 500,000 rows by 256 dimensions 256 lists, made for 65,000 of them, answered 16,700 questions a
 * second at a recall of .95, and 1,600 lists 39,800. Four times instead of twice made no build measurably cheaper.
 * Also when their residuals have become a tenth longer than they were when the present epoch's first were made: the rows are
 * no longer those that it was trained for. Where only some lists have grown over 4 times the mean, these are
 * split, the rows of the lists beside them are assigned anew, and all else stays (LIRE in SPFresh, SOSP 2023; unlike
 * there all such lists are split at once, so that epochs stay immutable).
 *
 * A new epoch is committed before anything is coded in it; merges then write all segments anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "turnover.h"
#include "upkeep.h"

#define GROWTH 2
#define GROWTH_SETTLED 1.25
#define DRIFT 1.1
#define SPLIT_MEAN 4              /* lists over so many times the mean ... */
#define SPLIT_SHARE 0.02          /* ... that hold so much of the rows ... */
#define SPLIT_GROWTH 1.5          /* ... of an index that has grown so much since */
#define SPLIT_SAMPLE 256u         /* rows of a list that is split */
#define SEED UINT64_C(0x616b696e) /* with the epoch's id */

struct renewal {
    struct upkeep *upkeep;
    struct view *view;   /* a reference */
    struct epoch *epoch; /* the present one, a reference; or NULL */
    uint64_t rows;       /* live, in segments */
    uint64_t rows_then;  /* when the present epoch was made */
    struct change_calibration calibration;
    struct epoch_options options; /* of the next one */
};

static akin_status renewal_init(struct renewal *renewal, struct upkeep *upkeep)
{
    akin_index *index = upkeep->index;
    pthread_mutex_lock(&index->writing);
    const struct manifest *manifest = &index->manifest;
    renewal->view = handle_view(index);
    if (handle_epoch(index)) {
        renewal->epoch = epoch_ref(handle_epoch(index));
        renewal->rows_then = manifest->epochs[manifest->epoch_count - 1].rows;
    }
    renewal->calibration = manifest->calibration;
    renewal->options = (struct epoch_options){.metric = manifest->metric,
                                              .dim = manifest->dim,
                                              .bits = index->code_bits,
                                              .list_rows = index->list_rows};
    bool room = manifest->epoch_count < MANIFEST_EPOCHS_MAX;
    pthread_mutex_unlock(&index->writing);
    renewal->upkeep = upkeep;
    renewal->rows = renewal->options.rows = upkeep_rows(renewal->view);
    return room && manifest->dim <= CODE_DIM_MAX ? AKIN_OK : AKIN_ERR_LIMIT;
}

static void renewal_fini(struct renewal *renewal)
{
    epoch_unref(renewal->epoch);
    view_unref(renewal->view);
}

/* ---- when ---- */

double upkeep_residual(const struct view *view, const struct epoch *epoch)
{
    double sum = 0, rows = 0;
    for (size_t i = 0; i + 1 < view->part_count; i++) {
        const struct part *part = &view->parts[i];
        if (!upkeep_coded_in(part, epoch))
            return 0;
        double residual = part->segment->coded.residual;
        sum += (double)part->rows * residual * residual;
        rows += (double)part->rows;
    }
    return rows > 0 ? sqrt(sum / rows) : 0;
}

static bool training_is_due(const struct renewal *renewal)
{
    if (renewal->rows < renewal->upkeep->index->coded_rows)
        return false;
    double growth = renewal->upkeep->settling ? GROWTH_SETTLED : GROWTH;
    if (!renewal->epoch || (double)renewal->rows >= growth * (double)renewal->epoch->rows_trained)
        return true;
    const struct change_calibration *calibration = &renewal->calibration;
    return calibration->count && calibration->epoch == renewal->epoch->id &&
           upkeep_residual(renewal->view, renewal->epoch) > DRIFT * calibration->residual;
}

/* counts (lists.count): rows of each list, over all segments. Whether all are coded in the present epoch. */
static bool count_lists(const struct renewal *renewal, uint64_t *counts)
{
    memset(counts, 0, renewal->epoch->lists.count * sizeof *counts);
    for (size_t i = 0; i + 1 < renewal->view->part_count; i++) {
        const struct part *part = &renewal->view->parts[i];
        if (!upkeep_coded_in(part, renewal->epoch))
            return false;
        const struct list_entry *lists = part->segment->coded.lists;
        for (uint32_t list = 0; list < renewal->epoch->lists.count; list++)
            counts[list] += lists[list + 1].row - lists[list].row;
    }
    return true;
}

static bool split_is_due(const struct renewal *renewal, const uint64_t *counts, uint64_t rows_max)
{
    uint64_t in_large = 0;
    for (uint32_t list = 0; list < renewal->epoch->lists.count; list++)
        in_large += counts[list] > rows_max ? counts[list] : 0;
    return (double)in_large > SPLIT_SHARE * (double)renewal->rows;
}

/* ---- samples ---- */

struct sample {
    float *vectors; /* (count, dim), owned */
    uint32_t *of;   /* their lists, owned; NULL where they do not matter */
    size_t count, capacity;
};

static void sample_fini(struct sample *sample)
{
    akin_free(sample->vectors);
    akin_free(sample->of);
}

static void take_row(struct sample *sample, const struct part *part, size_t row)
{
    size_t dim = part->segment->dim;
    akin_kernels()->f32_from_f16(sample->vectors + sample->count++ * dim, part_vector(part, row),
                                 dim);
}

/* Rows at random: each live row in turn is taken with the chance that is left to it (Knuth, The Art of
 * Computer Programming, volume 2, algorithm 3.4.2 S). */
static akin_status sample_rows(const struct renewal *renewal, struct sample *sample,
                               akin_error *err)
{
    const struct epoch_options *options = &renewal->options;
    uint64_t wanted = epoch_sample_rows(options), left = renewal->rows, seen = 0;
    uint64_t row_bytes = 4 * (options->dim + UINT64_C(2) * rotation_wide(options->dim));
    uint64_t most = renewal->upkeep->index->ram_bytes / row_bytes;
    wanted = wanted < most ? wanted : most;
    wanted = wanted < left ? wanted : left;
    sample->vectors = akin_alloc((size_t)wanted, options->dim * sizeof *sample->vectors);
    if (!sample->vectors)
        return akin_error_memory(err, (size_t)(wanted * options->dim * 4), "sample of rows");
    for (size_t i = 0; i + 1 < renewal->view->part_count; i++) {
        const struct part *part = &renewal->view->parts[i];
        for (size_t row = 0; row < part->rows && sample->count < wanted; row++) {
            if (bitmap_test(part->dead, row))
                continue;
            if (akin_random_below(options->seed, 1, seen++, left) < wanted - sample->count)
                take_row(sample, part, row);
            left--;
        }
    }
    return AKIN_OK;
}

/* Some rows of each list over rows_max, spread evenly over it. */
static akin_status sample_lists(const struct renewal *renewal, const uint64_t *counts,
                                uint64_t rows_max, struct sample *sample, akin_error *err)
{
    const struct epoch *epoch = renewal->epoch;
    size_t large = 0;
    for (uint32_t list = 0; list < epoch->lists.count; list++)
        large += counts[list] > rows_max;
    sample->capacity = large * SPLIT_SAMPLE;
    sample->vectors = akin_alloc(sample->capacity, epoch->dim * sizeof *sample->vectors);
    sample->of = akin_alloc(sample->capacity, sizeof *sample->of);
    if (!sample->vectors || !sample->of)
        return akin_error_memory(err, sample->capacity * epoch->dim * 4, "sample of rows");
    for (uint32_t list = 0; list < epoch->lists.count; list++) {
        uint64_t step = counts[list] / SPLIT_SAMPLE + 1, place = 0;
        for (size_t i = 0; counts[list] > rows_max && i + 1 < renewal->view->part_count; i++) {
            const struct part *part = &renewal->view->parts[i];
            const struct list_entry *lists = part->segment->coded.lists;
            for (size_t row = lists[list].row; row < lists[list + 1].row; row++, place++) {
                if (place % step || sample->count == sample->capacity)
                    continue;
                sample->of[sample->count] = list;
                take_row(sample, part, row);
            }
        }
    }
    return AKIN_OK;
}

/* ---- making one ---- */

/* The file is there: it becomes the newest epoch. */
static akin_status commit(const struct renewal *renewal, akin_error *err)
{
    akin_index *index = renewal->upkeep->index;
    struct epoch *epoch = NULL;
    struct turnover turn;
    akin_status status = epoch_open(&epoch, index->path, renewal->options.id, err);
    if (status)
        return status;
    pthread_mutex_lock(&index->writing);
    struct view *now = handle_view(index);
    status = turnover_begin(&turn, index, now->part_count, err);
    if (!status)
        status = handle_check_writer(index, err);
    for (size_t i = 0; !status && i + 1 < now->part_count; i++)
        status = turnover_carry(&turn, &now->parts[i], err);
    if (!status)
        status = epoch_set_add(&index->epochs, epoch_ref(epoch), err);
    if (!status)
        status = turnover_epoch(&turn, epoch, renewal->rows, err);
    status = turnover_end(&turn, status, err);
    if (status)
        epoch_set_remove(&index->epochs, epoch->id);
    view_unref(now);
    pthread_mutex_unlock(&index->writing);
    epoch_unref(epoch);
    return status;
}

static void take_id(struct renewal *renewal)
{
    akin_index *index = renewal->upkeep->index;
    pthread_mutex_lock(&index->writing);
    renewal->options.id = index->next_id++;
    pthread_mutex_unlock(&index->writing);
    renewal->options.seed = SEED ^ renewal->options.id;
}

static void remove_file(const struct renewal *renewal)
{
    char path[AKIN_PATH_MAX];
    if (epoch_path(path, renewal->upkeep->index->path, renewal->options.id, NULL) == AKIN_OK)
        upkeep_remove(renewal->upkeep, path);
}

static akin_status train(struct renewal *renewal, akin_error *err)
{
    struct upkeep *upkeep = renewal->upkeep;
    struct sample sample = {0};
    take_id(renewal);
    akin_status status = sample_rows(renewal, &sample, err);
    if (!status)
        status = epoch_train(upkeep->index->path, &renewal->options, sample.vectors, sample.count,
                             upkeep->pool, &upkeep->talk, err);
    sample_fini(&sample);
    if (!status)
        status = commit(renewal, err);
    if (status)
        remove_file(renewal);
    return status;
}

/* Splits the lists over rows_max. */
static akin_status split(struct renewal *renewal, const uint64_t *counts, uint64_t rows_max,
                         akin_error *err)
{
    struct upkeep *upkeep = renewal->upkeep;
    struct sample sample = {0};
    uint32_t *renumber = akin_alloc(renewal->epoch->lists.count, sizeof *renumber);
    akin_status status = AKIN_OK;
    take_id(renewal);
    if (!renumber)
        status = akin_error_memory(err, renewal->epoch->lists.count * sizeof *renumber, "lists");
    if (!status)
        status = sample_lists(renewal, counts, rows_max, &sample, err);
    if (!status)
        status = epoch_split(renewal->epoch, upkeep->index->path, renewal->options.id,
                             renewal->epoch->rows_trained, counts, rows_max, sample.vectors,
                             sample.of, sample.count, renumber, err);
    if (!status)
        status = commit(renewal, err);
    if (status) {
        remove_file(renewal);
    } else {
        epoch_unref(upkeep->from);
        upkeep->from = epoch_ref(renewal->epoch);
        upkeep->split_id = renewal->options.id;
        uint32_t *before = upkeep->renumber;
        upkeep->renumber = renumber;
        renumber = before;
    }
    sample_fini(&sample);
    akin_free(renumber);
    return status;
}

static akin_status split_step(struct renewal *renewal, bool *did, akin_error *err)
{
    const struct epoch *epoch = renewal->epoch;
    if (!epoch || (double)renewal->rows < SPLIT_GROWTH * (double)renewal->rows_then)
        return AKIN_OK;
    uint64_t rows_max = SPLIT_MEAN * (renewal->rows / epoch->lists_used + 1);
    uint64_t *counts = akin_alloc(epoch->lists.count, sizeof *counts);
    akin_status status = AKIN_OK;
    if (!counts)
        return akin_error_memory(err, epoch->lists.count * sizeof *counts, "lists");
    *did = count_lists(renewal, counts) && split_is_due(renewal, counts, rows_max);
    if (*did)
        status = split(renewal, counts, rows_max, err);
    akin_free(counts);
    return status;
}

/* The epoch before a split is needed until no segment is coded in it. */
static void forget_split(const struct renewal *renewal)
{
    struct upkeep *upkeep = renewal->upkeep;
    for (size_t i = 0; i + 1 < renewal->view->part_count; i++)
        if (upkeep_coded_in(&renewal->view->parts[i], upkeep->from))
            return;
    epoch_unref(upkeep->from);
    upkeep->from = NULL;
}

akin_status renew_step(struct upkeep *upkeep, bool *did, akin_error *err)
{
    struct renewal renewal = {0};
    akin_status status = AKIN_OK;
    *did = false;
    if (upkeep->index->coded_rows != UINT32_MAX && renewal_init(&renewal, upkeep) == AKIN_OK) {
        forget_split(&renewal);
        *did = training_is_due(&renewal);
        status = *did ? train(&renewal, err) : split_step(&renewal, did, err);
    }
    renewal_fini(&renewal);
    return status;
}
