/*
 * The listening socket: which addresses are taken, and which of them need a token.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* "ADDRESS:PORT" or "[ADDRESS]:PORT" into `host` and `port`. */
static akin_status split_address(const char *text, char host[80], char port[8], akin_error *err)
{
    const char *colon = strrchr(text, ':');
    const bool brackets = text[0] == '[' && colon && colon > text && colon[-1] == ']';
    const size_t length = colon ? (size_t)(colon - text) - (brackets ? 2 : 0) : 0;
    uint64_t number = 0;
    if (!colon || !length || length >= 80 || (!brackets && strchr(text, ':') != colon) ||
        akin_parse_u64(&number, colon + 1, 0, 65535, "port", NULL) != AKIN_OK)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' is no ADDRESS:PORT (127.0.0.1:8080, [::1]:8080)", text);
    memcpy(host, text + brackets, length);
    host[length] = 0;
    snprintf(port, 8, "%u", (unsigned)number);
    return AKIN_OK;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 ==
               127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static akin_status listen_on(struct server *server, const struct addrinfo *info, int *out,
                             akin_error *err)
{
    const char *where = server->options.listen;
    const int on = 1;
    struct sockaddr_storage got = {0};
    socklen_t size = sizeof got;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return akin_error_errno(err, errno, "cannot listen on %s", where);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&got, &size) != 0) {
        const int why = errno;
        close(fd);
        return why == EADDRINUSE
                   ? akin_error_set(err, AKIN_ERR_BUSY,
                                    "%s is taken: another akin serve? (--listen ADDRESS:0 takes "
                                    "any free port)",
                                    where)
                   : akin_error_errno(err, why, "cannot listen on %s", where);
    }
    char host[64], port[8];
    getnameinfo((struct sockaddr *)&got, size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(server->address, sizeof server->address,
             got.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    *out = fd;
    return AKIN_OK;
}

akin_status listen_open(struct server *server, int *out, akin_error *err)
{
    char host[80], port[8];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *info = NULL;
    akin_status status = split_address(server->options.listen, host, port, err);
    if (status != AKIN_OK)
        return status;
    if (getaddrinfo(strcmp(host, "localhost") ? host : "127.0.0.1", port, &hints, &info) != 0)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' is no address of this machine", host);
    server->loopback = is_loopback(info->ai_addr);
    if (!server->loopback && !server->options.token_file && !server->options.open_read)
        status = akin_error_set(err, AKIN_ERR_INVALID,
                                "%s is not loopback: give --token-file FILE, or --open-read to let "
                                "anybody read",
                                server->options.listen);
    else
        status = listen_on(server, info, out, err);
    freeaddrinfo(info);
    return status;
}
