/*
 * The matrix product over a pool: each worker takes rows of A. A row's result does not depend on
 * who computed it or on its neighbours (gemm.c), so it is the same for any number of threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/vec.h"

#include <string.h>

/* Rows a worker takes at once: no more than gemm packs as one block, so that little is packed
 * twice, and few enough that every worker has some. Multiples of the tiles' heights, 6 and 12. */
#define ROWS_MAX 144
#define ROWS_MIN 12

struct product {
    float *c;
    const float *a, *b;
    size_t n, k;
};

static void multiply_rows(void *user, size_t begin, size_t end, unsigned worker)
{
    (void)worker;
    const struct product *product = user;
    size_t n = product->n, k = product->k;
    float *c = product->c + begin * n;
    memset(c, 0, (end - begin) * n * sizeof *c);
    akin_kernels()->gemm(c, n, product->a + begin * k, k, product->b, n, end - begin, n, k);
}

void akin_matmul(akin_pool *pool, float *c, const float *a, const float *b, size_t m, size_t n,
                 size_t k)
{
    struct product product = {c, a, b, n, k};
    size_t share = m / akin_pool_threads(pool) / ROWS_MIN * ROWS_MIN;
    size_t rows = share > ROWS_MAX ? ROWS_MAX : share < ROWS_MIN ? ROWS_MIN : share;
    if (m > 0 && n > 0)
        akin_pool_for(pool, m, rows, multiply_rows, &product);
}
