/*
 * The two times in a photo's EXIF block (CIPA DC-008, a TIFF structure inside the JPEG's APP1), for
 * pictures that do not go through GDAL: DateTimeOriginal (when it was taken) and DateTime (when the
 * file was changed). Every offset is checked; what is not as it should be is as if it were not
 * there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "source_private.h"

enum { TAG_DATE_TIME = 0x0132, TAG_EXIF_IFD = 0x8769, TAG_ORIGINAL = 0x9003, TYPE_ASCII = 2 };

struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
};

static uint32_t number(const struct tiff *t, size_t at, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)t->bytes[at + i] << 8 * (t->big_endian ? bytes - 1 - i : i);
    return value;
}

/* The entry's place, or 0 where the directory at `ifd` has no such tag. */
static size_t find_tag(const struct tiff *t, size_t ifd, uint32_t tag)
{
    if (ifd < 8 || ifd > t->size || t->size - ifd < 2)
        return 0;
    const uint32_t count = number(t, ifd, 2);
    for (uint32_t i = 0; i < count; i++) {
        const size_t entry = ifd + 2 + (size_t)i * 12;
        if (t->size - entry < 12 || entry > t->size)
            return 0;
        if (number(t, entry, 2) == tag)
            return entry;
    }
    return 0;
}

static void copy_text(const struct tiff *t, size_t entry, char out[32])
{
    if (!entry || number(t, entry + 2, 2) != TYPE_ASCII)
        return;
    const size_t length = number(t, entry + 4, 4), at = number(t, entry + 8, 4);
    if (length < 5 || length > 31 || at > t->size || t->size - at < length)
        return;
    memcpy(out, t->bytes + at, length);
    out[length] = '\0';
}

void exif_read(const uint8_t *tiff, size_t size, struct exif_times *out)
{
    *out = (struct exif_times){0};
    struct tiff t = {tiff, size, size > 0 && tiff[0] == 'M'};
    if (size < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return;
    const size_t first = number(&t, 4, 4);
    copy_text(&t, find_tag(&t, first, TAG_DATE_TIME), out->changed);
    const size_t sub = find_tag(&t, first, TAG_EXIF_IFD);
    if (sub)
        copy_text(&t, find_tag(&t, number(&t, sub + 8, 4), TAG_ORIGINAL), out->original);
}
