/*
 * The matrix product over threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "akin/core/memory.h"
#include "akin/vec.h"

#include <math.h>
#include <string.h>

static uint64_t seed;

static float draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(seed >> 32) * 0x1p-31f;
}

/* Against sums in double; and the same bits whatever the number of threads. */
static void check_matmul(akin_pool *pool, size_t m, size_t n, size_t k)
{
    float *a = akin_alloc(m * k + 1, sizeof *a), *b = akin_alloc(k * n + 1, sizeof *b);
    float *c = akin_alloc(m * n + 1, sizeof *c), *alone = akin_alloc(m * n + 1, sizeof *c);
    REQUIRE(a && b && c && alone);
    for (size_t i = 0; i < m * k; i++)
        a[i] = draw();
    for (size_t i = 0; i < k * n; i++)
        b[i] = draw();
    memset(c, 0xff, (m * n + 1) * sizeof *c);
    akin_matmul(pool, c, a, b, m, n, k);
    akin_matmul(NULL, alone, a, b, m, n, k);
    CHECK(!memcmp(c, alone, m * n * sizeof *c));
    CHECK(isnan(c[m * n])); /* one past the end: as it was */
    bool right = true;
    for (size_t i = 0; i < m * n; i++) {
        double sum = 0;
        for (size_t p = 0; p < k; p++)
            sum += (double)a[i / n * k + p] * b[p * n + i % n];
        right &= fabs(c[i] - sum) <= 1e-6 * (2 + (double)k / 8);
    }
    CHECK(right);
    akin_free(a), akin_free(b), akin_free(c), akin_free(alone);
}

TEST(matmul_is_the_same_for_any_number_of_threads)
{
    static const size_t shapes[][3] = {{1, 1, 1},    {5, 7, 0},      {0, 3, 4},     {3, 0, 4},
                                       {13, 17, 19}, {200, 33, 257}, {600, 40, 30}, {25, 300, 64}};
    for (unsigned threads = 1; threads <= 5; threads += 2) {
        akin_pool *pool = NULL;
        REQUIRE_OK(akin_pool_create(&pool, threads, err));
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            check_matmul(pool, shapes[s][0], shapes[s][1], shapes[s][2]);
        akin_pool_free(pool);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
