/*
 * What an epoch does with rows: which list each belongs to, and its code there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "epoch.h"

#include <string.h>

void epoch_centroid(const struct epoch *epoch, uint32_t list, float *out)
{
    centroid_get(&epoch->lists, epoch->shape.wide, list, out);
}

struct centroid_tree epoch_tree(const struct epoch *epoch)
{
    return (struct centroid_tree){epoch->shape.wide, epoch->supers, epoch->lists,
                                  epoch->first_list};
}

struct quantize_job {
    const float *rotated;
    int8_t *values;
    float *scales;
    size_t wide;
};

static void quantize_piece(void *user, size_t begin, size_t end, unsigned worker)
{
    (void)worker;
    struct quantize_job *job = user;
    for (size_t i = begin; i < end; i++)
        job->scales[i] =
            akin_quantize_i8(job->values + i * job->wide, job->rotated + i * job->wide, job->wide);
}

akin_status epoch_assign(const struct epoch *epoch, uint32_t *lists, const float *rotated, size_t n,
                         akin_pool *pool, akin_error *err)
{
    struct quantize_job job = {.rotated = rotated, .wide = epoch->shape.wide};
    job.values = akin_alloc(n, job.wide);
    job.scales = akin_alloc(n, sizeof *job.scales);
    akin_status status = job.values && job.scales
                             ? AKIN_OK
                             : akin_error_memory(err, n * job.wide, "assigning rows to lists");
    if (!status) {
        akin_pool_for(pool, n, 1024, quantize_piece, &job);
        struct centroid_tree tree = epoch_tree(epoch);
        struct quantized_rows rows = {job.values, job.scales, n};
        status = tree_nearest(&tree, lists, &rows, pool, err);
    }
    akin_free(job.values);
    akin_free(job.scales);
    return status;
}

void epoch_encode(const struct epoch *epoch, struct code_row *out, uint32_t list,
                  const akin_f16 *vector, float *scratch, float *residual2)
{
    uint32_t wide = epoch->shape.wide;
    float *values = scratch, *residual = scratch + wide, *centroid = scratch + 2 * (size_t)wide;
    akin_kernels()->f32_from_f16(values, vector, epoch->dim);
    rotation_apply(&epoch->rotation, residual, values);
    epoch_centroid(epoch, list, centroid);
    for (uint32_t j = 0; j < wide; j++)
        residual[j] -= centroid[j];
    code_encode(&epoch->shape, out, residual, centroid);
    if (residual2)
        *residual2 = akin_kernels()->dot(residual, residual, wide);
}
