/*
 * Losses of self-supervised learning. All share one signature: z (rows, dim) holds the projections
 * of two views, rows i and i + rows / 2 being the same tile; dz (rows, dim) receives the gradient;
 * the mean loss is returned. One thread; deterministic.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_LOSS_H
#define MODEL_LOSS_H

#include "akin/core.h"

enum loss_kind {
    LOSS_NT_XENT, /* Chen et al., A simple framework for contrastive learning, ICML 2020 */
    LOSS_DCL,     /* the positive left out of the denominator: Yeh et al., ECCV 2022 */
    LOSS_VICREG,  /* Bardes, Ponce and LeCun, ICLR 2022; weights 25, 25, 1 */
    LOSS_KINDS
};

struct loss; /* its scratch, for one shape */

/* rows even, >= 4. temperature > 0 (of NT-Xent and DCL). */
akin_status loss_create(struct loss **out, enum loss_kind kind, size_t rows, size_t dim,
                        double temperature, akin_error *err);
void loss_free(struct loss *loss);
/* NaN or infinity in z make the loss so; the caller looks. */
double loss_run(struct loss *loss, const float *z, float *dz);
/* AKIN_ERR_INVALID lists the names: ntxent, dcl, vicreg. */
akin_status loss_find(enum loss_kind *out, const char *name, akin_error *err);
const char *loss_name(enum loss_kind kind);

#endif
