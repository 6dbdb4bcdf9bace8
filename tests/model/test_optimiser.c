/*
 * The optimisers against torch.optim where it is installed, against a step by hand everywhere; that
 * a step is the same however threads cut it; and the schedule of the rate.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "../../src/model/optimiser.h"
#include "peer.h"

#define COUNT 1003
#define STEPS 20

struct problem {
    float p[COUNT], g[STEPS][COUNT], moments[2 * COUNT];
    uint8_t decay[COUNT];
};

static void fill(struct problem *problem)
{
    memset(problem, 0, sizeof *problem);
    peer_fill(problem->p, COUNT, 1, 1);
    for (int step = 0; step < STEPS; step++) /* over six orders of magnitude */
        for (size_t i = 0; i < COUNT; i++) {
            peer_fill(&problem->g[step][i], 1, pow(10, -6.0 * (double)i / COUNT),
                      (uint64_t)(2 + step) * COUNT + i);
            problem->decay[i] = i % 3 != 0;
        }
}

/* All steps at one rate, a step in pieces of `piece` parameters. */
static void run(struct problem *problem, const struct optimiser_options *options, size_t piece)
{
    for (uint64_t step = 0; step < STEPS; step++)
        for (size_t begin = 0; begin < COUNT; begin += piece) {
            size_t end = begin + piece < COUNT ? begin + piece : COUNT;
            optimiser_step(options, options->rate, step, problem->p, problem->g[step],
                           problem->moments, problem->decay, COUNT, begin, end);
        }
}

/* The rules in doubles, a parameter at a time. */
static double by_hand(const struct problem *problem, const struct optimiser_options *o, size_t i)
{
    double p = problem->p[i], m = 0, v = 0, decay = problem->decay[i] ? o->weight_decay : 0;
    for (int step = 0; step < STEPS; step++) {
        double g = problem->g[step][i];
        if (o->kind == OPTIMISER_SGD) {
            m = o->momentum * m + g + decay * p;
            p -= o->rate * m;
            continue;
        }
        m = o->momentum * m + (1 - o->momentum) * g;
        v = o->beta2 * v + (1 - o->beta2) * g * g;
        p -= o->rate * decay * p;
        p -= o->rate * m / (1 - pow(o->momentum, step + 1)) /
             (sqrt(v / (1 - pow(o->beta2, step + 1))) + 1e-8);
    }
    return p;
}

/* A decay and a rate that show after 20 steps. */
static struct optimiser_options options_of(enum optimiser_kind kind)
{
    struct optimiser_options options;
    optimiser_options_default(&options, kind);
    options.rate = 0.01;
    options.weight_decay = 0.1;
    return options;
}

TEST(twenty_steps_are_those_of_the_rules)
{
    static struct problem problem, start;
    fill(&start);
    for (enum optimiser_kind kind = 0; kind < OPTIMISER_KINDS; kind++) {
        const struct optimiser_options options = options_of(kind);
        problem = start;
        run(&problem, &options, COUNT);
        size_t wrong = 0;
        for (size_t i = 0; i < COUNT; i++)
            wrong += !(fabs(problem.p[i] - by_hand(&start, &options, i)) < 3e-6);
        CHECK_EQ(wrong, 0);
    }
}

TEST(twenty_steps_are_those_of_pytorch)
{
    static struct problem problem;
    static float truth[COUNT];
    if (!peer_has_torch())
        return;
    for (enum optimiser_kind kind = 0; kind < OPTIMISER_KINDS; kind++) {
        const struct optimiser_options options = options_of(kind);
        const char *folder = check_folder();
        fill(&problem);
        REQUIRE(peer_write(folder, "p.f32", problem.p, sizeof problem.p));
        REQUIRE(peer_write(folder, "g.f32", problem.g, sizeof problem.g));
        REQUIRE(peer_write(folder, "decay.u8", problem.decay, sizeof problem.decay));
        REQUIRE(peer_run(PEER_LOSS " '%s' %s %d %g %g %g %g", folder, optimiser_name(kind), STEPS,
                         options.rate, options.weight_decay, options.momentum, options.beta2) == 0);
        REQUIRE(peer_read(folder, "p_out.f32", truth, sizeof truth));
        run(&problem, &options, COUNT);
        double worst = 0;
        for (size_t i = 0; i < COUNT; i++)
            worst = fmax(worst, fabsf(problem.p[i] - truth[i]));
        CHECK_NEAR(worst, 0, 2e-6);
    }
}

TEST(a_step_is_the_same_to_the_bit_however_it_is_cut)
{
    static struct problem whole, cut;
    for (enum optimiser_kind kind = 0; kind < OPTIMISER_KINDS; kind++) {
        const struct optimiser_options options = options_of(kind);
        fill(&whole);
        run(&whole, &options, COUNT);
        for (size_t piece = 1; piece < 80; piece += 6) {
            fill(&cut);
            run(&cut, &options, piece);
            CHECK(memcmp(&whole, &cut, sizeof whole) == 0);
        }
    }
}

TEST(nothing_outside_the_range_is_touched)
{
    static struct problem problem, before;
    for (enum optimiser_kind kind = 0; kind < OPTIMISER_KINDS; kind++) {
        const struct optimiser_options options = options_of(kind);
        fill(&before);
        problem = before;
        optimiser_step(&options, 0.1, 0, problem.p, problem.g[0], problem.moments, problem.decay,
                       COUNT, 5, 40);
        optimiser_step(&options, 0.1, 0, problem.p, problem.g[0], problem.moments, problem.decay,
                       COUNT, 50, 50);
        size_t changed = 0, outside = 0;
        for (size_t i = 0; i < COUNT; i++) {
            bool same = problem.p[i] == before.p[i] && problem.moments[i] == 0 &&
                        problem.moments[COUNT + i] == 0;
            changed += !same;
            outside += !same && (i < 5 || i >= 40);
        }
        CHECK_EQ(changed, 35);
        CHECK_EQ(outside, 0);
    }
}

TEST(parameters_without_gradient_or_decay_stay_where_they_are)
{
    for (enum optimiser_kind kind = 0; kind < OPTIMISER_KINDS; kind++) {
        const struct optimiser_options options = options_of(kind);
        float p[2] = {3, 0}, g[2] = {0, 0}, moments[4] = {0};
        const uint8_t decay[2] = {0, 1};
        optimiser_step(&options, 0.1, 0, p, g, moments, decay, 2, 0, 2);
        CHECK(p[0] == 3);
        CHECK(p[1] == 0);
    }
}

TEST(the_rate_rises_then_falls_along_a_cosine)
{
    struct optimiser_options options;
    optimiser_options_default(&options, OPTIMISER_ADAMW);
    options.rate = 2;
    CHECK_NEAR(optimiser_rate(&options, 0, 100), 0.2, 1e-12);
    CHECK_NEAR(optimiser_rate(&options, 4, 100), 1, 1e-12);
    CHECK_NEAR(optimiser_rate(&options, 9, 100), 2, 1e-12);
    CHECK_NEAR(optimiser_rate(&options, 10, 100), 2, 1e-12);
    CHECK_NEAR(optimiser_rate(&options, 55, 100), 1, 1e-12);
    for (uint64_t step = 10; step < 99; step++)
        CHECK(optimiser_rate(&options, step, 100) > optimiser_rate(&options, step + 1, 100));
    CHECK(optimiser_rate(&options, 99, 100) > 0);
    CHECK(optimiser_rate(&options, 100, 100) == 0);
    CHECK(optimiser_rate(&options, UINT64_MAX, 100) == 0);
    CHECK(optimiser_rate(&options, 0, 0) == 0);
    CHECK_NEAR(optimiser_rate(&options, 0, 1), 2, 1e-12); /* too short to warm up */
    options.warm_up = 0;
    CHECK_NEAR(optimiser_rate(&options, 0, 100), 2, 1e-12);
    options.warm_up = 1;
    CHECK_NEAR(optimiser_rate(&options, 99, 100), 2, 1e-12);
}

TEST(names_are_found_and_others_refused_with_the_list)
{
    akin_error err = {0};
    enum optimiser_kind kind = OPTIMISER_ADAMW;
    for (enum optimiser_kind i = 0; i < OPTIMISER_KINDS; i++) {
        CHECK_EQ(optimiser_find(&kind, optimiser_name(i), &err), AKIN_OK);
        CHECK_EQ(kind, i);
    }
    CHECK_EQ(optimiser_find(&kind, "adam", &err), AKIN_ERR_INVALID);
    CHECK_CONTAINS(err.text, "'adam'");
    CHECK_CONTAINS(err.text, "adamw or sgd");
    CHECK_EQ(optimiser_moments(OPTIMISER_ADAMW), 2);
    CHECK_EQ(optimiser_moments(OPTIMISER_SGD), 1);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
