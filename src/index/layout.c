/*
 * The first 16 bytes of every index file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "layout.h"

#include <string.h>

void preamble_fill(struct preamble *out, const char magic[8])
{
    memcpy(out->magic, magic, sizeof out->magic);
    out->version = INDEX_FORMAT;
    out->crc = akin_crc32c(0, out, offsetof(struct preamble, crc));
}

akin_status preamble_check(const struct preamble *preamble, const char magic[8], const char *path,
                           akin_error *err)
{
    if (memcmp(preamble->magic, magic, sizeof preamble->magic))
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: does not begin with '%.8s'", path, magic);
    if (preamble->crc != akin_crc32c(0, preamble, offsetof(struct preamble, crc)))
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: the first 16 bytes fail their checksum",
                              path);
    if (preamble->version > INDEX_FORMAT)
        return akin_error_set(err, AKIN_ERR_VERSION,
                              "%s: format %u; this akin reads up to %u: use the newer akin", path,
                              preamble->version, INDEX_FORMAT);
    if (preamble->version == 0)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: format 0 does not exist", path);
    return AKIN_OK;
}
