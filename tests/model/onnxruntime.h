/*
 * ONNX Runtime for the tests: AKIN_ONNXRUNTIME, or what tools/setup took from npm into build/npm.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_ONNXRUNTIME_H
#define AKIN_TESTS_ONNXRUNTIME_H

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "../check.h"

#if defined(__aarch64__)
#define ONNXRUNTIME_ARCH "arm64"
#else
#define ONNXRUNTIME_ARCH "x64"
#endif

/* A path that is valid to the end of the program, or NULL with the case skipped. */
static inline const char *onnxruntime(void)
{
    static char path[4096];
    const char *given = getenv("AKIN_ONNXRUNTIME");
    const char *npm = getenv("AKIN_NPM");
    char pattern[4096];
    glob_t found = {0};
    if (given && given[0])
        return given;
    snprintf(pattern, sizeof pattern,
             "%s/node_modules/onnxruntime-node/bin/napi-v*/linux/" ONNXRUNTIME_ARCH
             "/libonnxruntime.so.1",
             npm ? npm : "build/npm");
    path[0] = '\0';
    if (glob(pattern, 0, NULL, &found) == 0)
        snprintf(path, sizeof path, "%s", found.gl_pathv[0]);
    globfree(&found);
    if (!path[0])
        check_skip("ONNX Runtime is not installed (tools/setup test takes it from npm)");
    return path[0] ? path : NULL;
}

#endif
