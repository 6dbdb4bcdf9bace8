/*
 * Every token of the file is compared with the one given, every byte of it, whatever is found: how long
 * that takes tells nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tokens.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define TOKENS_MAX 256
#define TOKEN_MIN 16
#define TOKEN_MAX 128

struct tokens {
    size_t count;
    struct token {
        enum token_scope scope;
        char text[TOKEN_MAX]; /* zeros behind it */
    } items[TOKENS_MAX];
};

static akin_status parse_line(struct tokens *tokens, char *line, unsigned number, const char *path,
                              akin_error *err)
{
    line[strcspn(line, "#\r\n")] = 0;
    char *word = line + strspn(line, " \t");
    if (!*word)
        return AKIN_OK;
    char *token = word + strcspn(word, " \t");
    if (*token)
        *token++ = 0;
    token += strspn(token, " \t");
    token[strcspn(token, " \t")] = 0;
    const size_t length = strlen(token);
    const bool write = !strcmp(word, "write");
    if ((!write && strcmp(word, "read") != 0) || length < TOKEN_MIN || length >= TOKEN_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s', line %u: is to be 'read TOKEN' or 'write TOKEN', a token of "
                              "%d to %d characters",
                              path, number, TOKEN_MIN, TOKEN_MAX - 1);
    if (tokens->count == TOKENS_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "'%s' has more than %d tokens", path,
                              TOKENS_MAX);
    struct token *to = &tokens->items[tokens->count++];
    to->scope = write ? SCOPE_WRITE : SCOPE_READ;
    memcpy(to->text, token, length);
    return AKIN_OK;
}

static akin_status parse(struct tokens *tokens, char *text, const char *path, akin_error *err)
{
    akin_status status = AKIN_OK;
    unsigned number = 0;
    for (char *line = text, *next; line && *line && status == AKIN_OK; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        status = parse_line(tokens, line, ++number, path, err);
    }
    if (status == AKIN_OK && !tokens->count)
        status = akin_error_set(err, AKIN_ERR_INVALID, "'%s' has no token", path);
    return status;
}

akin_status tokens_load(struct tokens **out, const char *path, akin_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & (S_IRGRP | S_IROTH | S_IWGRP | S_IWOTH)))
        return akin_error_set(err, AKIN_ERR_DENIED,
                              "others may read '%s', which holds tokens: chmod 600 it", path);
    struct akin_buffer text;
    akin_buffer_init(&text, 1 << 16);
    struct tokens *tokens = akin_alloc_zero(1, sizeof *tokens);
    akin_status status = tokens ? AKIN_OK : akin_error_memory(err, sizeof *tokens, "the tokens");
    if (status == AKIN_OK)
        status = akin_file_read(&text, path, err);
    if (status == AKIN_OK)
        status = text.size ? parse(tokens, text.data, path, err)
                           : akin_error_set(err, AKIN_ERR_INVALID, "'%s' has no token", path);
    if (text.data)
        explicit_bzero(text.data, text.size);
    akin_buffer_fini(&text);
    if (status == AKIN_OK)
        *out = tokens;
    else
        tokens_free(tokens);
    return status;
}

void tokens_free(struct tokens *tokens)
{
    if (tokens)
        explicit_bzero(tokens, sizeof *tokens);
    akin_free(tokens);
}

enum token_scope tokens_scope(const struct tokens *tokens, const char *token)
{
    char given[TOKEN_MAX] = {0};
    const size_t length = strnlen(token, TOKEN_MAX);
    memcpy(given, token, length < TOKEN_MAX ? length : 0);
    unsigned scope = SCOPE_NONE;
    for (size_t i = 0; i < tokens->count; i++) {
        volatile unsigned char differs = 0;
        for (size_t b = 0; b < TOKEN_MAX; b++)
            differs |= (unsigned char)(given[b] ^ tokens->items[i].text[b]);
        /* all ones where they are equal */
        const unsigned equal = 0u - (((unsigned)differs - 1u) >> 31);
        scope |= equal & (unsigned)tokens->items[i].scope;
    }
    return scope & SCOPE_WRITE ? SCOPE_WRITE : (enum token_scope)scope;
}

enum token_scope tokens_of_request(const struct tokens *tokens, const struct request *request)
{
    const char *header = request_header(request, "Authorization");
    if (header)
        return strncasecmp(header, "Bearer ", 7) == 0
                   ? tokens_scope(tokens, header + 7 + strspn(header + 7, " "))
                   : SCOPE_NONE;
    const char *cookie =
        MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, TOKENS_COOKIE);
    return cookie ? tokens_scope(tokens, cookie) : SCOPE_NONE;
}
