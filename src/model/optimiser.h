/*
 * Optimisers over one flat vector of parameters, and the schedule of the learning rate.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_OPTIMISER_H
#define MODEL_OPTIMISER_H

#include "akin/core.h"

enum optimiser_kind { OPTIMISER_ADAMW, OPTIMISER_SGD, OPTIMISER_KINDS };

struct optimiser_options {
    enum optimiser_kind kind;
    double rate;         /* the highest; default 1e-3 (AdamW), 0.06 (SGD) */
    double weight_decay; /* decoupled for AdamW (Loshchilov and Hutter, ICLR 2019) */
    double momentum;     /* SGD 0.9; AdamW's beta1 0.9 */
    double beta2;        /* AdamW: 0.99 */
    double warm_up;      /* share of all steps: 0.1 */
};
void optimiser_options_default(struct optimiser_options *out, enum optimiser_kind kind);
akin_status optimiser_find(enum optimiser_kind *out, const char *name, akin_error *err);
const char *optimiser_name(enum optimiser_kind kind);

/* How many floats of state a parameter needs: 2 (AdamW: both moments) or 1 (SGD). */
size_t optimiser_moments(enum optimiser_kind kind);
/* Linear warm-up, then cosine to 0 (Loshchilov and Hutter, ICLR 2017). step counts from 0. */
double optimiser_rate(const struct optimiser_options *options, uint64_t step, uint64_t steps);
/* One step over parameters [begin, end), so that threads may share the work: p, g and decay
 * (0 or 1 a parameter) have `count` entries, moments (moments, count). `step` counts from 0. */
void optimiser_step(const struct optimiser_options *options, double rate, uint64_t step, float *p,
                    const float *g, float *moments, const uint8_t *decay, size_t count,
                    size_t begin, size_t end);

#endif
