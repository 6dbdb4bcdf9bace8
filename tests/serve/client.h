/*
 * A small HTTP client for the tests, by hand, so that it can also say what no library would.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_SERVE_CLIENT_H
#define AKIN_TESTS_SERVE_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)64 << 20)

struct http_answer {
    int status; /* 0: none came */
    char *text; /* all of it, owned */
    size_t text_size;
    const char *body; /* inside text */
    size_t size;
};

static inline void answer_free(struct http_answer *answer)
{
    free(answer->text);
    *answer = (struct http_answer){0};
}

static inline int dial(unsigned port)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 60};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

static inline bool send_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Content-Length of a head; SIZE_MAX: there is none. */
static inline size_t length_of(const char *text)
{
    const char *at = strcasestr(text, "\r\nContent-Length:");
    return at ? strtoull(at + 17, NULL, 10) : SIZE_MAX;
}

/* Reads one answer, to its end by Content-Length, else to the connection's. */
static inline struct http_answer receive(int fd, bool head_only)
{
    struct http_answer answer = {0};
    size_t capacity = 1 << 16, wanted = SIZE_MAX;
    answer.text = calloc(capacity, 1);
    while (answer.text && answer.text_size < wanted && answer.text_size < ANSWER_MAX) {
        if (answer.text_size + 1 >= capacity)
            answer.text = realloc(answer.text, capacity *= 2);
        ssize_t got = recv(fd, answer.text + answer.text_size, capacity - answer.text_size - 1, 0);
        if (got <= 0)
            break;
        answer.text_size += (size_t)got;
        answer.text[answer.text_size] = 0;
        const char *end = answer.body ? NULL : strstr(answer.text, "\r\n\r\n");
        if (end) {
            const size_t head = (size_t)(end - answer.text) + 4, length = length_of(answer.text);
            answer.body = end;
            wanted = head_only || strstr(answer.text, " 304 ") ? head
                     : length == SIZE_MAX                      ? SIZE_MAX
                                                               : head + length;
        }
    }
    const char *end = answer.text_size ? strstr(answer.text, "\r\n\r\n") : NULL;
    if (end && sscanf(answer.text, "HTTP/1.%*d %d", &answer.status) == 1) {
        answer.body = end + 4;
        answer.size = answer.text_size - (size_t)(answer.body - answer.text);
    }
    return answer;
}

/* One request on a connection of its own. `headers` are whole lines, each with \r\n; may be "". */
static inline struct http_answer ask_http(unsigned port, const char *method, const char *path,
                                          const char *headers, const void *body, size_t size)
{
    struct http_answer answer = {0};
    char *head = NULL;
    int fd = dial(port);
    if (fd < 0)
        return answer;
    const bool has_length = body || strcmp(method, "GET") != 0;
    char length[64] = "";
    if (has_length)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", size);
    int bytes =
        asprintf(&head, "%s %s HTTP/1.1\r\n%s%s%s\r\n", method, path,
                 strcasestr(headers, "Host:") ? "" : "Host: localhost\r\n", length, headers);
    if (bytes > 0 && send_all(fd, head, (size_t)bytes))
        (void)(!size || send_all(fd, body, size));
    free(head);
    answer = receive(fd, !strcmp(method, "HEAD"));
    close(fd);
    return answer;
}

static inline struct http_answer get(unsigned port, const char *path)
{
    return ask_http(port, "GET", path, "", NULL, 0);
}

static inline struct http_answer post_json(unsigned port, const char *path, const char *json)
{
    return ask_http(port, "POST", path, "Content-Type: application/json\r\n", json, strlen(json));
}

#endif
