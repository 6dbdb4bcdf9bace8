/*
 * multipart/form-data (RFC 7578, RFC 2046 5.1): parts between lines of --BOUNDARY, each with headers of
 * which only the name in Content-Disposition counts. Nothing is copied.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <strings.h>

#include "search_query.h"

#define BOUNDARY_MAX 70 /* RFC 2046 */

/* "--" and the boundary into out; returns its length, 0 where there is none. */
static size_t boundary_of(const char *content_type, char out[BOUNDARY_MAX + 3])
{
    const char *at = content_type;
    while ((at = strchr(at, ';')) &&
           strncasecmp(at + 1 + strspn(at + 1, " \t"), "boundary=", 9) != 0)
        at++;
    if (!at)
        return 0;
    at += 1 + strspn(at + 1, " \t") + 9;
    const bool quoted = *at == '"';
    at += quoted;
    const size_t length = strcspn(at, quoted ? "\"" : "; \t");
    if (!length || length > BOUNDARY_MAX)
        return 0;
    memcpy(out, "--", 2);
    memcpy(out + 2, at, length);
    return length + 2;
}

static const char *find(const char *at, const char *end, const char *what, size_t length)
{
    return at < end ? memmem(at, (size_t)(end - at), what, length) : NULL;
}

/* name="..." in the headers of a part. */
static bool name_of(const char *head, const char *end, struct form_part *part)
{
    while (head < end) {
        const char *line_end = find(head, end, "\r\n", 2);
        if (!line_end)
            line_end = end;
        const size_t length = (size_t)(line_end - head);
        if (length > 20 && !strncasecmp(head, "Content-Disposition:", 20)) {
            const char *name = find(head, line_end, " name=\"", 7);
            const char *quote = name ? find(name + 7, line_end, "\"", 1) : NULL;
            if (!quote)
                return false;
            part->name = name + 7;
            part->name_length = (size_t)(quote - part->name);
            return true;
        }
        head = line_end + 2;
    }
    return false;
}

akin_status form_split(const char *content_type, const void *body, size_t size,
                       struct form_part *parts, size_t max, size_t *count, akin_error *err)
{
    char line[2 + BOUNDARY_MAX + 3] = "\r\n";
    const size_t dash = boundary_of(content_type, line + 2);
    const char *at = body, *end = at + size;
    size_t found = 0;
    if (!dash)
        return akin_error_set(err, AKIN_ERR_INVALID, "the form has no boundary in Content-Type");
    /* The first line has no line end before it. */
    at = size >= dash && !memcmp(at, line + 2, dash) ? at : find(at, end, line, dash + 2);
    if (!at)
        return akin_error_set(err, AKIN_ERR_INVALID, "the form's boundary is nowhere in it");
    at += *at == '\r' ? dash + 2 : dash;
    while (end - at >= 2 && memcmp(at, "--", 2) != 0) {
        const char *head = find(at, end, "\r\n", 2);
        const char *bytes = head ? find(head, end, "\r\n\r\n", 4) : NULL;
        const char *next = bytes ? find(bytes + 2, end, line, dash + 2) : NULL;
        if (!next || next < bytes + 4 - 2)
            return akin_error_set(err, AKIN_ERR_INVALID, "part %zu of the form is cut off",
                                  found + 1);
        if (found == max)
            return akin_error_set(err, AKIN_ERR_LIMIT, "a form of more than %zu parts", max);
        struct form_part *part = &parts[found++];
        *part = (struct form_part){0};
        if (!name_of(head + 2, bytes, part))
            return akin_error_set(err, AKIN_ERR_INVALID, "part %zu of the form has no name", found);
        part->bytes = bytes + 4;
        part->size = next > bytes + 4 ? (size_t)(next - (bytes + 4)) : 0;
        at = next + 2 + dash;
    }
    if (end - at < 2)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the form is cut off: its last line is missing");
    *count = found;
    return AKIN_OK;
}
