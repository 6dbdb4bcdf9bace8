/*
 * Fuzzes the reading of a scaling as the catalogue keeps it. One that is taken must print and be
 * taken again as the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "akin/tile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct akin_scaling scaling, again;
    struct akin_buffer out;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    akin_buffer_init(&out, 1 << 20);
    if (akin_scaling_parse(&scaling, text, NULL) == AKIN_OK) {
        if (scaling.bands < 1 || scaling.bands > AKIN_BANDS_MAX ||
            akin_scaling_text(&scaling, &out, NULL) != AKIN_OK ||
            akin_scaling_parse(&again, (const char *)out.data, NULL) != AKIN_OK ||
            again.bands != scaling.bands)
            abort();
        for (uint32_t b = 0; b < scaling.bands; b++)
            if (again.low[b] != scaling.low[b] || again.high[b] != scaling.high[b])
                abort();
    }
    akin_buffer_fini(&out);
    free(text);
    return 0;
}
