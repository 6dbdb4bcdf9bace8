/*
 * The harness of check.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check.h"

#include <ftw.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CASES_MAX 512

static struct {
    const char *name;
    check_fn *fn;
} cases[CASES_MAX];
static int case_count;
static int failures;            /* of the case that runs */
static const char *skip_reason; /* of the case that runs */
static char folder[PATH_MAX];

void check_register(const char *name, check_fn *fn)
{
    if (case_count == CASES_MAX)
        abort();
    cases[case_count].name = name;
    cases[case_count++].fn = fn;
}

static bool verdict(bool holds)
{
    failures += !holds;
    return holds;
}

bool check_that(bool holds, const char *file, int line, const char *what)
{
    if (!holds)
        printf("# %s:%d: does not hold: %s\n", file, line, what);
    return verdict(holds);
}

bool check_equal(int64_t a, int64_t b, const char *file, int line, const char *what)
{
    if (a != b)
        printf("# %s:%d: %s: %lld against %lld\n", file, line, what, (long long)a, (long long)b);
    return verdict(a == b);
}

bool check_close(double a, double b, double tolerance, const char *file, int line, const char *what)
{
    bool holds = fabs(a - b) <= tolerance; /* false for NaN */
    if (!holds)
        printf("# %s:%d: %s: %.9g against %.9g (tolerance %g)\n", file, line, what, a, b,
               tolerance);
    return verdict(holds);
}

bool check_text(const char *a, const char *b, const char *file, int line, const char *what)
{
    bool holds = a && b && !strcmp(a, b);
    if (!holds)
        printf("# %s:%d: %s: '%s' against '%s'\n", file, line, what, a ? a : "(null)",
               b ? b : "(null)");
    return verdict(holds);
}

bool check_contains(const char *text, const char *part, const char *file, int line)
{
    bool holds = text && strstr(text, part);
    if (!holds)
        printf("# %s:%d: '%s' is not in '%s'\n", file, line, part, text ? text : "(null)");
    return verdict(holds);
}

void check_skip(const char *why)
{
    skip_reason = why;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

const char *check_folder(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/akin-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder)) {
        perror("mkdtemp");
        abort();
    }
    return folder;
}

const char *check_shared_data(void)
{
    const char *given = getenv("AKIN_SHARED_DATA");
    const char *path = given ? given : "../shared/data";
    return access(path, R_OK) == 0 ? path : NULL;
}

static bool wanted(const char *name, int argc, char **argv)
{
    bool any = argc < 2;
    for (int i = 1; i < argc; i++)
        any |= strstr(name, argv[i]) != NULL;
    return any;
}

int check_main(int argc, char **argv)
{
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0); /* a crash must not lose the lines before it */
    for (int i = 0; i < case_count; i++) {
        if (!wanted(cases[i].name, argc, argv))
            continue;
        failures = 0;
        skip_reason = NULL;
        folder[0] = 0;
        cases[i].fn();
        if (failures)
            printf("not ok %s\n", cases[i].name);
        else if (skip_reason)
            printf("skip %s: %s\n", cases[i].name, skip_reason);
        else
            printf("ok %s\n", cases[i].name);
        failed += failures != 0;
        if (folder[0] && !failures)
            nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    return failed != 0;
}
