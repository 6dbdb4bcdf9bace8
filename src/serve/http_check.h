/*
 * What is looked at before a request's body is read: how it is framed, by which name it calls us, who
 * asks and what for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_HTTP_CHECK_H
#define AKIN_SERVE_HTTP_CHECK_H

#include "request.h"

/* False where the request is refused; the reply then says why. Finds its route. */
bool http_check(struct request *request, const char *version);
/* 1..64 letters, digits, dots, dashes and underscores. */
bool http_id_is_fine(const char *id);
/* NAME or NAME:PORT of letters, digits, dots and dashes, or [IPv6]. */
bool http_host_is_fine(const char *host);
bool http_host_is_loopback(const char *host);

#endif
