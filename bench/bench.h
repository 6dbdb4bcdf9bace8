/*
 * What the benches share: a clock, a median, and a child process whose time and memory are its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_BENCH_H
#define AKIN_BENCH_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline double bench_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline int bench_compare(const void *a, const void *b)
{
    const double *x = (const double *)a, *y = (const double *)b;
    return *x < *y ? -1 : *x > *y;
}

/* Sorts the values. */
static inline double bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, bench_compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Runs a command without a shell, its output thrown away; wall seconds, or -1 where it failed.
 * *peak_bytes may be NULL. */
static inline double bench_command(char *const *argv, double *peak_bytes)
{
    struct rusage usage;
    int status;
    double began = bench_now_s();
    fflush(NULL); /* else the child would write what is still in our buffers, too */
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(127);
        execv(argv[0], argv);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0)
        return -1;
    if (peak_bytes)
        *peak_bytes = (double)usage.ru_maxrss * 1024;
    return bench_now_s() - began;
}

/* A folder and all in it. */
static inline void bench_remove(char *folder)
{
    char words[][8] = {"/bin/rm", "-rf"};
    char *const argv[] = {words[0], words[1], folder, NULL};
    bench_command(argv, NULL);
}

#endif
