/*
 * The losses against their definitions, written down in doubles without any cleverness; their
 * gradients against central differences of those; both against PyTorch where it is installed; and
 * what they make of broken, equal and empty rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "../../src/model/loss.h"
#include "peer.h"

#define MAX_COUNT ((size_t)512 * 128)

static double cosine(const double *a, const double *b, size_t dim)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t j = 0; j < dim; j++) {
        ab += a[j] * b[j];
        aa += a[j] * a[j];
        bb += b[j] * b[j];
    }
    return ab / sqrt(aa * bb);
}

static double plain_contrastive(const double *z, size_t rows, size_t dim, double temperature,
                                bool with_positive)
{
    double loss = 0;
    for (size_t i = 0; i < rows; i++) {
        size_t other = (i + rows / 2) % rows;
        double sum = 0, positive = cosine(z + i * dim, z + other * dim, dim) / temperature;
        for (size_t k = 0; k < rows; k++)
            if (k != i && (with_positive || k != other))
                sum += exp(cosine(z + i * dim, z + k * dim, dim) / temperature - positive);
        loss += log(sum);
    }
    return loss / (double)rows;
}

static double covariance(const double *z, size_t count, size_t dim, size_t a, size_t b)
{
    double sum_a = 0, sum_b = 0, sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum_a += z[i * dim + a];
        sum_b += z[i * dim + b];
    }
    for (size_t i = 0; i < count; i++)
        sum += (z[i * dim + a] - sum_a / (double)count) * (z[i * dim + b] - sum_b / (double)count);
    return sum / (double)(count - 1);
}

static double plain_vicreg(const double *z, size_t rows, size_t dim)
{
    size_t count = rows / 2;
    double loss = 0;
    for (size_t i = 0; i < count * dim; i++)
        loss += 25 * pow(z[i] - z[count * dim + i], 2) / (double)(count * dim);
    for (const double *view = z; view <= z + count * dim; view += count * dim)
        for (size_t a = 0; a < dim; a++)
            for (size_t b = 0; b < dim; b++) {
                double c = covariance(view, count, dim, a, b);
                loss +=
                    a == b ? 12.5 * fmax(0, 1 - sqrt(c + 1e-4)) / (double)dim : c * c / (double)dim;
            }
    return loss;
}

static double plain(enum loss_kind kind, const double *z, size_t rows, size_t dim,
                    double temperature)
{
    return kind == LOSS_VICREG ? plain_vicreg(z, rows, dim)
                               : plain_contrastive(z, rows, dim, temperature, kind == LOSS_NT_XENT);
}

/* Value to 2e-6 of its size and each component of the gradient to 1e-5 of the largest: single
 * precision over sums of this length. */
static void compare_with_plain(enum loss_kind kind, size_t rows, size_t dim, double temperature,
                               double scale)
{
    size_t count = rows * dim;
    struct loss *loss = NULL;
    float *z = calloc(count, sizeof *z), *dz = calloc(count, sizeof *dz);
    double *x = calloc(count, sizeof *x), *truth = calloc(count, sizeof *truth), largest = 0;
    peer_fill(z, count, scale, rows);
    for (size_t i = 0; i < count; i++)
        x[i] = z[i];
    CHECK(loss_create(&loss, kind, rows, dim, temperature, NULL) == AKIN_OK);
    double value = loss_run(loss, z, dz), expected = plain(kind, x, rows, dim, temperature);
    CHECK_NEAR(value, expected, 2e-6 * fmax(1, fabs(expected)));
    for (size_t i = 0; i < count; i++) {
        double at = x[i], step = 1e-4 * scale;
        x[i] = at + step;
        double above = plain(kind, x, rows, dim, temperature);
        x[i] = at - step;
        truth[i] = (above - plain(kind, x, rows, dim, temperature)) / (2 * step);
        x[i] = at;
        largest = fmax(largest, fabs(truth[i]));
    }
    CHECK(largest > 0);
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++)
        wrong += !(fabs(dz[i] - truth[i]) <= 1e-5 * largest);
    CHECK_EQ(wrong, 0);
    loss_free(loss);
    free(z);
    free(dz);
    free(x);
    free(truth);
}

TEST(contrastive_losses_and_gradients_are_those_of_the_definition)
{
    for (enum loss_kind kind = LOSS_NT_XENT; kind <= LOSS_DCL; kind++) {
        compare_with_plain(kind, 4, 3, 0.5, 1);
        compare_with_plain(kind, 16, 8, 0.2, 20);
        compare_with_plain(kind, 34, 19, 0.2, 1);
        compare_with_plain(kind, 36, 5, 0.1, 0.01);
    }
}

TEST(vicreg_and_its_gradient_are_those_of_the_definition)
{
    compare_with_plain(LOSS_VICREG, 4, 3, 0, 0.3);
    compare_with_plain(LOSS_VICREG, 34, 7, 0, 0.6); /* the hinge on and off */
    compare_with_plain(LOSS_VICREG, 20, 12, 0, 1);
    compare_with_plain(LOSS_VICREG, 20, 12, 0, 4); /* off */
}

/* Cosines 2 / 0.01 apart: exponents from 0 to -200, of which those below -64 count as nothing. */
TEST(a_low_temperature_neither_overflows_nor_loses_the_answer)
{
    const size_t rows = 64, dim = 6;
    float z[64 * 6], dz[64 * 6];
    double x[64 * 6];
    peer_fill(z, rows * dim, 1, 3);
    for (size_t i = 0; i < rows * dim; i++)
        x[i] = z[i];
    for (enum loss_kind kind = LOSS_NT_XENT; kind <= LOSS_DCL; kind++) {
        struct loss *loss = NULL;
        REQUIRE_OK(loss_create(&loss, kind, rows, dim, 0.01, err));
        double expected = plain(kind, x, rows, dim, 0.01), value = loss_run(loss, z, dz);
        CHECK_NEAR(value, expected, 2e-5 * fabs(expected));
        loss_free(loss);
    }
}

TEST(equal_rows_have_the_loss_of_chance_and_no_gradient)
{
    const size_t rows = 32, dim = 10;
    float z[320], dz[320];
    for (size_t i = 0; i < 320; i++)
        z[i] = (float)(i % dim) - 3;
    for (enum loss_kind kind = LOSS_NT_XENT; kind <= LOSS_DCL; kind++) {
        struct loss *loss = NULL;
        REQUIRE_OK(loss_create(&loss, kind, rows, dim, 0.2, err));
        CHECK_NEAR(loss_run(loss, z, dz), log(kind == LOSS_DCL ? 30 : 31), 1e-5);
        for (size_t i = 0; i < 320; i++)
            REQUIRE(fabsf(dz[i]) < 1e-6f);
        loss_free(loss);
    }
}

TEST(a_row_of_zeros_has_a_finite_loss_and_no_gradient)
{
    const size_t rows = 20, dim = 10;
    float z[200], dz[200];
    peer_fill(z, 200, 1, 5);
    memset(z + 30, 0, 10 * sizeof *z);
    for (enum loss_kind kind = 0; kind < LOSS_KINDS; kind++) {
        struct loss *loss = NULL;
        REQUIRE_OK(loss_create(&loss, kind, rows, dim, 0.2, err));
        CHECK(isfinite(loss_run(loss, z, dz)));
        for (size_t i = 0; i < 200; i++)
            REQUIRE(isfinite(dz[i]));
        if (kind != LOSS_VICREG)
            for (size_t i = 30; i < 40; i++)
                CHECK(dz[i] == 0);
        loss_free(loss);
    }
}

TEST(what_is_not_finite_in_z_shows_in_the_loss)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    float z[200], dz[200];
    for (enum loss_kind kind = 0; kind < LOSS_KINDS; kind++) {
        struct loss *loss = NULL;
        REQUIRE_OK(loss_create(&loss, kind, 20, 10, 0.2, err));
        for (size_t i = 0; i < 3 * 200; i += 67) {
            peer_fill(z, 200, 1, 5);
            z[i % 200] = bad[i / 200];
            CHECK(!isfinite(loss_run(loss, z, dz)));
        }
        peer_fill(z, 200, 1, 5); /* and nothing of it stays */
        CHECK(isfinite(loss_run(loss, z, dz)));
        loss_free(loss);
    }
}

TEST(the_same_numbers_give_the_same_bits)
{
    float z[720], dz[720], again[720];
    peer_fill(z, 720, 1, 9);
    for (enum loss_kind kind = 0; kind < LOSS_KINDS; kind++) {
        struct loss *a = NULL, *b = NULL;
        REQUIRE_OK(loss_create(&a, kind, 36, 20, 0.2, err));
        REQUIRE_OK(loss_create(&b, kind, 36, 20, 0.2, err));
        double first = loss_run(a, z, dz);
        loss_run(a, dz, again);
        CHECK(loss_run(a, z, again) == first);
        CHECK(memcmp(dz, again, sizeof dz) == 0);
        CHECK(loss_run(b, z, again) == first);
        CHECK(memcmp(dz, again, sizeof dz) == 0);
        loss_free(a);
        loss_free(b);
    }
}

TEST(names_are_found_and_others_refused_with_the_list)
{
    akin_error err = {0};
    enum loss_kind kind = LOSS_DCL;
    for (enum loss_kind i = 0; i < LOSS_KINDS; i++) {
        CHECK_EQ(loss_find(&kind, loss_name(i), &err), AKIN_OK);
        CHECK_EQ(kind, i);
    }
    CHECK_EQ(loss_find(&kind, "simclr", &err), AKIN_ERR_INVALID);
    CHECK_CONTAINS(err.text, "simclr");
    CHECK_CONTAINS(err.text, "ntxent, dcl, vicreg");
    CHECK_EQ(kind, LOSS_VICREG);
}

TEST(shapes_that_make_no_sense_are_refused)
{
    static const struct {
        size_t rows, dim;
        double temperature;
        akin_status status;
        const char *text;
    } cases[] = {
        {2, 8, 0.2, AKIN_ERR_INVALID, "2 rows"},
        {7, 8, 0.2, AKIN_ERR_INVALID, "7 rows"},
        {8, 0, 0.2, AKIN_ERR_INVALID, "dimensions"},
        {8, 8, 0, AKIN_ERR_INVALID, "temperature"},
        {8, 8, -1, AKIN_ERR_INVALID, "temperature"},
        {8, 8, NAN, AKIN_ERR_INVALID, "temperature"},
        {8, 8, INFINITY, AKIN_ERR_INVALID, "temperature"},
        {8, 8, 1e-60, AKIN_ERR_INVALID, "temperature"},
        {SIZE_MAX - 1, 8, 0.2, AKIN_ERR_LIMIT, "too many"},
        {8, SIZE_MAX / 2, 0.2, AKIN_ERR_LIMIT, "too many"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        akin_error err = {0};
        struct loss *loss = NULL;
        CHECK_EQ(loss_create(&loss, LOSS_NT_XENT, cases[i].rows, cases[i].dim, cases[i].temperature,
                             &err),
                 cases[i].status);
        CHECK_CONTAINS(err.text, cases[i].text);
        CHECK(loss == NULL);
    }
}

TEST(out_of_memory_is_a_status)
{
    size_t before = akin_memory_used();
    for (long n = 0; n < 2; n++) {
        akin_error err = {0};
        struct loss *loss = NULL;
        akin_memory_fail_at(n);
        CHECK_EQ(loss_create(&loss, LOSS_DCL, 8, 8, 0.2, &err), AKIN_ERR_NO_MEMORY);
        akin_memory_fail_at(-1);
        CHECK(loss == NULL);
    }
    CHECK_EQ(akin_memory_used(), before);
    loss_free(NULL);
}

static void compare_with_torch(enum loss_kind kind, size_t rows, size_t dim, double temperature,
                               double scale)
{
    static float z[MAX_COUNT], dz[MAX_COUNT], truth[MAX_COUNT];
    size_t count = rows * dim;
    const char *folder = check_folder();
    struct loss *loss = NULL;
    double expected;
    peer_fill(z, count, scale, rows);
    for (size_t i = count / 2; i < count; i++) /* views that are alike, as after some training */
        z[i] = z[i - count / 2] + 0.5f * z[i];
    REQUIRE_OK(loss_create(&loss, kind, rows, dim, temperature, err));
    double value = loss_run(loss, z, dz), largest = 0, worst = 0;
    loss_free(loss);
    REQUIRE(peer_write(folder, "z.f32", z, count * sizeof *z));
    REQUIRE(peer_run(PEER_LOSS " '%s' %s %zu %zu %g", folder, loss_name(kind), rows, dim,
                     temperature) == 0);
    REQUIRE(peer_read(folder, "loss.f64", &expected, sizeof expected));
    REQUIRE(peer_read(folder, "dz.f32", truth, count * sizeof *truth));
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabsf(truth[i]));
        worst = fmax(worst, fabsf(dz[i] - truth[i]));
    }
    CHECK_NEAR(value, expected, 2e-6 * fabs(expected)); /* of DCL it may be negative */
    CHECK(largest > 0);
    CHECK_NEAR(worst / largest, 0, 5e-6);
}

TEST(losses_and_gradients_are_those_of_pytorch)
{
    if (!peer_has_torch())
        return;
    compare_with_torch(LOSS_NT_XENT, 512, 128, 0.2, 1);
    compare_with_torch(LOSS_DCL, 512, 128, 0.07, 3);
    compare_with_torch(LOSS_VICREG, 512, 128, 0.2, 0.9);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
