/*
 * Put before every file by make lint's clang-tidy: says what the analyzer cannot see, that a call
 * which reports an error gives back the status that it was given. Without it every failing path
 * seems to go on as if it had worked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/status.h"

/* Takes the arguments as the true calls do. */
int analyzer_use(akin_error *err, ...);

#define akin_error_set(err, status, ...) (analyzer_use(err, __VA_ARGS__), (status))
#define akin_error_context(err, status, ...) (analyzer_use(err, __VA_ARGS__), (status))
#define akin_error_errno(err, ...) (analyzer_use(err, __VA_ARGS__), AKIN_ERR_IO)
#define akin_error_memory(err, ...) (analyzer_use(err, __VA_ARGS__), AKIN_ERR_NO_MEMORY)
