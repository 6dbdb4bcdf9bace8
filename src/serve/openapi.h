/*
 * The API's contract, src/serve/openapi.json, as it was when this was built.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_OPENAPI_H
#define AKIN_SERVE_OPENAPI_H

#include <stddef.h>

/* Not terminated. */
const char *openapi_text(size_t *size);

#endif
