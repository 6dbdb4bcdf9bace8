/*
 * What a run learns with: what was given, else what the run began with (resume), what the weights
 * are of that it begins with (init), or the defaults.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "learn_private.h"

void akin_learn_options_default(struct akin_learn_options *out)
{
    *out = (struct akin_learn_options){
        .train =
            {.temperature = NAN, .rate = NAN, .weight_decay = NAN, .crop_min = NAN, .balance = NAN},
        .embed = true,
        .ram_bytes = (uint64_t)2 << 30,
        .every = 1,
    };
}

/* What was given, else what is there already. */
static void take_given(struct akin_train_options *train, const struct akin_train_options *given)
{
    const double *from[] = {&given->temperature, &given->rate, &given->weight_decay,
                            &given->crop_min, &given->balance};
    double *to[] = {&train->temperature, &train->rate, &train->weight_decay, &train->crop_min,
                    &train->balance};
    for (size_t i = 0; i < sizeof to / sizeof *to; i++)
        if (!isnan(*from[i]))
            *to[i] = *from[i];
    train->preset = given->preset ? given->preset : train->preset;
    train->loss = given->loss ? given->loss : train->loss;
    train->optimiser = given->optimiser ? given->optimiser : train->optimiser;
    train->input_px = given->input_px ? given->input_px : train->input_px;
    train->epochs = given->epochs ? given->epochs : train->epochs;
    train->batch = given->batch ? given->batch : train->batch;
    train->replicas = given->replicas ? given->replicas : train->replicas;
    train->seed = given->seed ? given->seed : train->seed;
}

static akin_status check_train(const struct akin_train_options *train, akin_error *err)
{
    if (train->input_px != 64 && train->input_px != 96 && train->input_px != 128)
        return akin_error_set(err, AKIN_ERR_INVALID, "input %u: it must be 64, 96 or 128",
                              train->input_px);
    if (train->replicas < 1 || train->replicas > 256)
        return akin_error_set(err, AKIN_ERR_INVALID, "replicas %u: they must be from 1 to 256",
                              train->replicas);
    return AKIN_OK;
}

/* What goes with weights from elsewhere, and the preset that they are of. */
static akin_status settle_init(struct run *run)
{
    const struct akin_learn_options *options = run->options;
    const uint32_t bands = akin_catalog_settings(run->catalog)->bands;
    if (!options->init && options->as_is)
        return akin_error_set(run->err, AKIN_ERR_INVALID,
                              "0 epochs: only the weights of --init can be taken as they are");
    if (options->init && options->resume)
        return akin_error_set(run->err, AKIN_ERR_INVALID,
                              "--init with --resume: what goes on has its weights already");
    if (!options->init || options->train.preset)
        return AKIN_OK;
    return akin_weights_preset(&run->recipe.train.preset, options->init, bands, run->err);
}

akin_status learn_settle(struct run *run)
{
    const struct akin_learn_options *options = run->options;
    struct recipe *recipe = &run->recipe;
    uint32_t epochs = options->as_is ? 1 : 0; /* the trainer has a schedule, and it is not begun */
    akin_status status;
    if (!(options->minutes >= 0 && options->minutes <= 1e6))
        return akin_error_set(run->err, AKIN_ERR_INVALID,
                              "minutes %g: they must be from 0 to 1,000,000", options->minutes);
    if (!options->every)
        return akin_error_set(run->err, AKIN_ERR_INVALID,
                              "a checkpoint every 0 epochs: it must be every 1 at least");
    if (options->resume) {
        status = recipe_load(recipe, run->folder, run->err);
        if (status == AKIN_OK)
            status = akin_checkpoint_epochs(&epochs, run->checkpoint, run->err);
        if (status != AKIN_OK)
            return status;
        if (options->same_place && !recipe->same_place)
            return akin_error_set(run->err, AKIN_ERR_INVALID,
                                  "'%s' began without --same-place and goes on without it",
                                  run->report->name);
    } else {
        akin_train_options_default(&recipe->train);
        recipe->same_place = options->same_place;
        if (recipe->train.replicas > 256)
            recipe->train.replicas = 256;
    }
    recipe->train.epochs = epochs; /* 0: as the schedule says */
    take_given(&recipe->train, &options->train);
    status = settle_init(run);
    return status == AKIN_OK ? check_train(&recipe->train, run->err) : status;
}
