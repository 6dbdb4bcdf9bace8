/*
 * Pieces of HTML from untrusted parts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_HTML_TEXT_H
#define AKIN_SEARCH_HTML_TEXT_H

#include "akin/core.h"

/* Appends `text` so that it is text in element content and in quoted attributes, whatever it holds:
 * markup is escaped; control characters, marks that turn the direction of writing, and bytes that
 * are not UTF-8 become U+FFFD. */
akin_status html_text_append(struct akin_buffer *out, const char *text, akin_error *err);
akin_status html_text_base64(struct akin_buffer *out, const void *data, size_t bytes,
                             akin_error *err);
/* "62.3° N, 101.4° E" */
akin_status html_text_place(struct akin_buffer *out, double lon_deg, double lat_deg,
                            akin_error *err);

#endif
