/*
 * Makes a synthetic set in the likeness of learnt embeddings: a mixture of 300 anisotropic components in 40 latent
 * dimensions, pushed through a random tanh layer onto an output whose spectrum decays, with 12 % noise and a common mean;
 * unit length, inner product. Its local intrinsic dimension is about 18 (bench_make_truth prints it).
 *
 *     bench_make_mixture FOLDER ROWS DIM [QUERIES]      default 1000 questions, drawn like the rows
 *
 * Every value depends on its place only, so that the set is the same with any number of threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "akin/core.h"
#include "akin/vec.h"
#include "bench_set.h"

#define COMPONENTS 300u
#define LATENT 40u
#define HIDDEN 512u
#define CHUNK 8192u
#define NOISE 0.12f
#define SEED 7u

/* Streams of random numbers; rows have their own, from ROWS_FROM on. */
enum { CENTRES, SPREADS, LAYER, LAYER_BIAS, OUTPUT, MEAN, ROWS_FROM };

struct mixture {
    uint32_t dim;
    akin_pool *pool;
    double share[COMPONENTS]; /* cumulated */
    float centre[COMPONENTS * LATENT], spread[COMPONENTS * LATENT];
    float layer[LATENT * HIDDEN], layer_bias[HIDDEN];
    float *output;    /* (HIDDEN, dim) */
    float *mean;      /* (dim) */
    float deviation;  /* of the values before the noise */
    float *z, *h, *x; /* of a chunk: (CHUNK, LATENT), (CHUNK, HIDDEN), (CHUNK, dim) */
    uint64_t row;     /* first of the chunk */
};

/* Two normal deviates of one counter (Box and Muller). */
static void normals(float out[2], uint64_t stream, uint64_t counter)
{
    uint64_t bits = akin_random_u64(SEED, stream, counter);
    float u = ((float)(bits >> 40) + 1) * 0x1p-24f, v = (float)(bits & 0xffffff) * 0x1p-24f;
    float r = sqrtf(-2 * logf(u));
    out[0] = r * cosf(6.2831853f * v);
    out[1] = r * sinf(6.2831853f * v);
}

static void normal_values(float *out, size_t n, uint64_t stream, uint64_t from, float scale)
{
    for (size_t i = 0; i < n; i += 2) {
        float two[2];
        normals(two, stream, from + i / 2);
        out[i] = scale * two[0];
        if (i + 1 < n)
            out[i + 1] = scale * two[1];
    }
}

static void draw_model(struct mixture *m)
{
    double sum = 0;
    for (uint32_t c = 0; c < COMPONENTS; c++)
        m->share[c] = sum += pow(c + 1, -0.7);
    for (uint32_t c = 0; c < COMPONENTS; c++)
        m->share[c] /= sum;
    normal_values(m->centre, COMPONENTS * LATENT, CENTRES, 0, 1);
    normal_values(m->spread, COMPONENTS * LATENT, SPREADS, 0, 0.6f);
    for (size_t i = 0; i < COMPONENTS * LATENT; i++)
        m->spread[i] = 0.75f * expf(m->spread[i]);
    normal_values(m->layer, LATENT * HIDDEN, LAYER, 0, 1.3f / sqrtf(LATENT));
    normal_values(m->layer_bias, HIDDEN, LAYER_BIAS, 0, 0.5f);
    normal_values(m->output, (size_t)HIDDEN * m->dim, OUTPUT, 0, 1 / sqrtf(HIDDEN));
    for (size_t i = 0; i < (size_t)HIDDEN * m->dim; i++)
        m->output[i] /= sqrtf(1 + 0.02f * (float)(i % m->dim));
    normal_values(m->mean, m->dim, MEAN, 0, 0.25f);
}

static void draw_latent(void *user, size_t begin, size_t end, unsigned worker)
{
    struct mixture *m = user;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        uint64_t stream = ROWS_FROM + m->row + i;
        double u = akin_random_unit(SEED, stream, 0);
        uint32_t c = 0;
        while (c + 1 < COMPONENTS && m->share[c] < u)
            c++;
        float *z = m->z + i * LATENT;
        normal_values(z, LATENT, stream, 1, 1);
        for (uint32_t j = 0; j < LATENT; j++)
            z[j] = m->centre[c * LATENT + j] + m->spread[c * LATENT + j] * z[j];
    }
}

static void bend(void *user, size_t begin, size_t end, unsigned worker)
{
    struct mixture *m = user;
    (void)worker;
    for (size_t i = begin; i < end; i++)
        for (uint32_t j = 0; j < HIDDEN; j++)
            m->h[i * HIDDEN + j] = tanhf(m->h[i * HIDDEN + j] + m->layer_bias[j]);
}

static void finish(void *user, size_t begin, size_t end, unsigned worker)
{
    struct mixture *m = user;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        float noise[4096], *x = m->x + i * m->dim;
        normal_values(noise, m->dim, ROWS_FROM + m->row + i, 1 + LATENT, NOISE * m->deviation);
        for (uint32_t j = 0; j < m->dim; j++)
            x[j] += m->mean[j] + noise[j];
        akin_normalize(x, m->dim);
    }
}

static float deviation_of(const struct mixture *m, size_t n)
{
    double sum = 0, squares = 0, count = (double)n * m->dim;
    for (size_t i = 0; i < n * m->dim; i++) {
        double x = m->x[i] + m->mean[i % m->dim];
        sum += x;
        squares += x * x;
    }
    return (float)sqrt(squares / count - sum / count * (sum / count));
}

static void write_rows(struct mixture *m, const char *folder, const char *name, uint64_t count)
{
    FILE *file = bench_create(folder, name);
    for (uint64_t done = 0; done < count;) {
        size_t n = count - done < CHUNK ? (size_t)(count - done) : CHUNK;
        akin_pool_for(m->pool, n, 64, draw_latent, m);
        akin_matmul(m->pool, m->h, m->z, m->layer, n, HIDDEN, LATENT);
        akin_pool_for(m->pool, n, 64, bend, m);
        akin_matmul(m->pool, m->x, m->h, m->output, n, m->dim, HIDDEN);
        if (m->deviation == 0)
            m->deviation = deviation_of(m, n);
        akin_pool_for(m->pool, n, 64, finish, m);
        bench_write(file, m->x, n * m->dim * sizeof *m->x);
        done += n;
        m->row += n;
    }
    bench_close(file);
}

int main(int argc, char **argv)
{
    static struct mixture m;
    akin_error why = {0};
    uint64_t rows = argc > 3 ? strtoull(argv[2], NULL, 10) : 0;
    uint64_t queries = argc > 4 ? strtoull(argv[4], NULL, 10) : 1000;
    m.dim = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
    if (!rows || !queries || m.dim < 1 || m.dim > 4096)
        bench_die("usage", "bench_make_mixture FOLDER ROWS DIM [QUERIES]");
    if (akin_pool_create(&m.pool, 0, &why))
        bench_die("threads", why.text);
    m.output = akin_alloc((size_t)HIDDEN * m.dim, sizeof *m.output);
    m.mean = akin_alloc(m.dim, sizeof *m.mean);
    m.z = akin_alloc((size_t)CHUNK * LATENT, sizeof *m.z);
    m.h = akin_alloc((size_t)CHUNK * HIDDEN, sizeof *m.h);
    m.x = akin_alloc((size_t)CHUNK * m.dim, sizeof *m.x);
    if (!m.output || !m.mean || !m.z || !m.h || !m.x)
        bench_die("out of memory", argv[1]);
    draw_model(&m);
    write_rows(&m, argv[1], "base.f32", rows);
    write_rows(&m, argv[1], "queries.f32", queries);
    FILE *about = bench_create(argv[1], "set.txt");
    fprintf(about, "ip %u synthetic, %llu x %u\n", m.dim, (unsigned long long)rows, m.dim);
    bench_close(about);
    akin_free(m.output);
    akin_free(m.mean);
    akin_free(m.z);
    akin_free(m.h);
    akin_free(m.x);
    akin_pool_free(m.pool);
    return 0;
}
