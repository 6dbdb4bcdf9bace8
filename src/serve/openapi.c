/*
 * Built into the program, so that what it serves is what it was tested with.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "openapi.h"

#include <stdint.h>

extern const char openapi_begin[], openapi_end[];

__asm__(".pushsection .rodata\n"
        ".global openapi_begin\n"
        ".hidden openapi_begin\n"
        "openapi_begin:\n"
        ".incbin \"src/serve/openapi.json\"\n"
        ".global openapi_end\n"
        ".hidden openapi_end\n"
        "openapi_end:\n"
        ".byte 0\n"
        ".popsection\n");

const char *openapi_text(size_t *size)
{
    *size = (size_t)((uintptr_t)openapi_end - (uintptr_t)openapi_begin);
    return openapi_begin;
}
