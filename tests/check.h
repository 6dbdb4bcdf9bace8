/*
 * The tests' own small harness: a test program is a list of named cases; each prints one line, "ok
 * NAME", "not ok NAME" or "skip NAME: why", and tools/run-tests adds the lines up.
 *
 *     TEST(crc32c_of_the_rfc_vectors) { CHECK_EQ(akin_crc32c(0, zeros, 32), 0x8a9136aau); }
 *     int main(int argc, char **argv) { return check_main(argc, argv); }
 *
 * A failed CHECK says where and what, and the case goes on; REQUIRE leaves the case. With arguments
 * only the cases whose names contain one of them are run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_CHECK_H
#define AKIN_TESTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

typedef void check_fn(void);
void check_register(const char *name, check_fn *fn);
int check_main(int argc, char **argv);
bool check_that(bool holds, const char *file, int line, const char *what);
bool check_equal(int64_t a, int64_t b, const char *file, int line, const char *what);
bool check_close(double a, double b, double tolerance, const char *file, int line,
                 const char *what);
bool check_text(const char *a, const char *b, const char *file, int line, const char *what);
/* Whether `text` contains `part`; prints both where not. */
bool check_contains(const char *text, const char *part, const char *file, int line);
/* Ends the case as skipped; return after it. */
void check_skip(const char *why);

/* A fresh folder for this case, removed when the case has passed. Borrowed, valid until the
 * next. */
const char *check_folder(void);
/* "shared/data" beside the checkout, or NULL where it is absent: skip then, by name. */
const char *check_shared_data(void);

#define TEST(name)                                                                                 \
    static void test_##name(void);                                                                 \
    __attribute__((constructor)) static void register_##name(void)                                 \
    {                                                                                              \
        check_register(#name, test_##name);                                                        \
    }                                                                                              \
    static void test_##name(void)

#define CHECK(x) check_that((x), __FILE__, __LINE__, #x)
#define CHECK_EQ(a, b) check_equal((int64_t)(a), (int64_t)(b), __FILE__, __LINE__, #a " == " #b)
#define CHECK_NEAR(a, b, tolerance)                                                                \
    check_close((a), (b), (tolerance), __FILE__, __LINE__, #a " ~ " #b)
#define CHECK_TEXT(a, b) check_text((a), (b), __FILE__, __LINE__, #a " is " #b)
#define CHECK_CONTAINS(text, part) check_contains((text), (part), __FILE__, __LINE__)
#define REQUIRE(x)                                                                                 \
    do {                                                                                           \
        if (!check_that((x), __FILE__, __LINE__, #x))                                              \
            return;                                                                                \
    } while (0)
/* A call that must work; prints the error's text where it does not. */
#define REQUIRE_OK(call)                                                                           \
    do {                                                                                           \
        akin_error err_ = {0};                                                                     \
        akin_error *err = &err_;                                                                   \
        if (!check_that((call) == AKIN_OK, __FILE__, __LINE__, #call)) {                           \
            check_text(err_.text, "", __FILE__, __LINE__, "error");                                \
            return;                                                                                \
        }                                                                                          \
    } while (0)

#endif
