/*
 * Which kernels run: what AKIN_KERNELS forces (in processes of their own, since the choice is made
 * once), what falls back, and that all threads get the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "akin/vec.h"

#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *program; /* argv[0] */

static bool available(const char *name)
{
    return akin_kernels_named(name) != NULL;
}

static const char *best(void)
{
    const char *const *list = akin_kernels_list();
    while (list[1])
        list++;
    return *list;
}

/* The name that a process with this AKIN_KERNELS (none for NULL) chooses. Borrowed until the
 * next. */
static const char *choice_with(const char *forced)
{
    static char name[64];
    char setting[64], *arguments[] = {(char *)program, (char *)"--print-choice", NULL};
    char *environment[] = {setting, NULL};
    int ends[2], status = -1;
    pid_t child;
    posix_spawn_file_actions_t actions;
    snprintf(setting, sizeof setting, "%s=%s", forced ? "AKIN_KERNELS" : "UNUSED",
             forced ? forced : "");
    name[0] = 0;
    if (pipe(ends))
        return name;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    if (!posix_spawn(&child, program, &actions, NULL, arguments, environment)) {
        close(ends[1]);
        ssize_t bytes = read(ends[0], name, sizeof name - 1);
        name[bytes > 0 ? bytes : 0] = 0;
        waitpid(child, &status, 0);
    } else {
        close(ends[1]);
    }
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
    CHECK_EQ(status, 0);
    return name;
}

TEST(list_begins_with_scalar_and_holds_what_can_be_named)
{
    const char *const *list = akin_kernels_list();
    CHECK_TEXT(list[0], "scalar");
    for (; *list; list++) {
        REQUIRE(available(*list));
        CHECK_TEXT(akin_kernels_named(*list)->name, *list);
    }
    CHECK(!available("sse9") && !available(""));
}

TEST(every_entry_of_every_table_is_filled)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        CHECK(k->dot && k->squared_distance && k->dot_i8 && k->axpy && k->f16_from_f32);
        CHECK(k->f32_from_f16 && k->dots_f16 && k->dots_f16_block && k->gemm);
        CHECK(k->conv_rectify_sum && k->dot_f64 && k->axpy_f64 && k->rotate_f64);
        CHECK(k->weigh_rows_u8 && k->sum_boxes && k->bytes_from_f64);
    }
}

TEST(akin_kernels_forces_each_that_is_here)
{
    for (const char *const *name = akin_kernels_list(); *name; name++)
        CHECK_TEXT(choice_with(*name), *name);
}

TEST(akin_kernels_falls_back_and_ignores_nonsense)
{
    CHECK_TEXT(choice_with(NULL), best());
    CHECK_TEXT(choice_with(""), best());
    CHECK_TEXT(choice_with("sse9"), best());
    CHECK_TEXT(choice_with("AVX2"), best());
    static const char *const order[] = {"scalar", "neon", "avx2", "avx512", "amx"};
    const char *expected = "scalar";
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        expected = available(order[i]) ? order[i] : expected;
        CHECK_TEXT(choice_with(order[i]), expected);
    }
}

static void *choose(void *unused)
{
    (void)unused;
    return (void *)akin_kernels();
}

/* First of all in the child, where nothing has been chosen yet. */
static int print_choice(void)
{
    pthread_t threads[8];
    void *chosen[8];
    bool same = true;
    for (int i = 0; i < 8; i++)
        if (pthread_create(&threads[i], NULL, choose, NULL))
            return 1;
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &chosen[i]);
        same &= chosen[i] == (const void *)akin_kernels();
    }
    fputs(akin_kernels()->name, stdout);
    return !same;
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc == 2 && !strcmp(argv[1], "--print-choice"))
        return print_choice();
    return check_main(argc, argv);
}
