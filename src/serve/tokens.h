/*
 * Tokens: who may read, who may change. A file with a token a line; a cookie that stands for one, for
 * pages whose pictures cannot send headers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_TOKENS_H
#define AKIN_SERVE_TOKENS_H

#include "request.h"

enum token_scope { SCOPE_NONE, SCOPE_READ, SCOPE_WRITE };

struct tokens;
/* "read TOKEN" or "write TOKEN" a line, # comments; 1..256 tokens of 16..128 printable characters.
 * AKIN_ERR_DENIED where others may read the file. */
akin_status tokens_load(struct tokens **out, const char *path, akin_error *err);
void tokens_free(struct tokens *tokens); /* takes NULL */
/* Takes the same time whichever token it is, or none. */
enum token_scope tokens_scope(const struct tokens *tokens, const char *token);
/* By the Authorization header, else by the cookie. */
enum token_scope tokens_of_request(const struct tokens *tokens, const struct request *request);
#define TOKENS_COOKIE "akin_session"

#endif
