/*
 * akin serve: collections over HTTP, until a signal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

enum {
    LISTEN,
    TOKEN_FILE,
    OPEN_READ,
    WEB,
    NO_WEB,
    BASE_URL,
    SHOW_PATHS,
    THREADS,
    MAX_BODY,
    MAX_PIXELS,
    MAX_K,
    MAX_WAITING,
    MAX_CONNECTIONS,
    TIMEOUT,
    CACHE,
    REFRESH,
    QUIET
};

static const struct cli_option options[] = {
    {0, "listen", "ADDRESS:PORT", "where (default 127.0.0.1:8080); port 0: any free one"},
    {0, "token-file", "FILE",
     "who may: \"read TOKEN\" or \"write TOKEN\" a line; needed where the\n"
     "address is not loopback, or --open-read"},
    {0, "open-read", NULL, "anybody may read"},
    {0, "web", "DIR", "the page's files (default: those installed with akin)"},
    {0, "no-web", NULL, "no page, the API alone"},
    {0, "base-url", "URL", "behind a proxy: how clients call this server"},
    {0, "show-paths", NULL, "answers name the images by their paths on this machine"},
    {'j', "threads", "N", "that answer, 1 to 256 (default: one a CPU)"},
    {0, "max-body", "SIZE", "of a request's body, 1K to 1G (default 32M)"},
    {0, "max-pixels", "N", "of an uploaded image (default 67108864)"},
    {0, "max-k", "N", "answers of one question, 1 to 100000 (default 100000)"},
    {0, "max-waiting", "N", "requests that wait for a thread (default 256); above: 429"},
    {0, "max-connections", "N", "default 1000"},
    {0, "timeout", "SECONDS", "for clients to send and to take, 1 to 3600 (default 30)"},
    {0, "cache", "SIZE", "of pictures in memory (default 256M)"},
    {0, "refresh", "SECONDS", "between looks for what is new, 1 to 86400 (default 2)"},
    {'q', "quiet", NULL, "no access log"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_serve = {
    "serve",
    "answer over HTTP, with a page to search in",
    "DIR... [options]",
    "Serves the collections DIR... until Ctrl-C: a STAC API with akin's search, pictures, and a\n"
    "page. What is added to them meanwhile is found without a restart. Prints the address, then\n"
    "a JSON object a request on stderr.",
    options,
    run};

struct request {
    const char *dirs[AKIN_SERVE_COLLECTIONS_MAX];
    size_t dir_count;
    struct akin_server_options server;
    bool no_web;
};

static akin_status set_number(struct request *request, int option, const char *value,
                              akin_error *err)
{
    static const struct {
        const char *name;
        uint64_t min, max;
    } ranges[] = {[THREADS] = {"-j", 1, 256},
                  [MAX_PIXELS] = {"--max-pixels", 1, (uint64_t)1 << 40},
                  [MAX_K] = {"--max-k", 1, 100000},
                  [MAX_WAITING] = {"--max-waiting", 1, 1000000},
                  [MAX_CONNECTIONS] = {"--max-connections", 1, 1000000},
                  [TIMEOUT] = {"--timeout", 1, 3600},
                  [REFRESH] = {"--refresh", 1, 86400}};
    struct akin_server_options *server = &request->server;
    uint64_t number = 0;
    akin_status status = akin_parse_u64(&number, value, ranges[option].min, ranges[option].max,
                                        ranges[option].name, err);
    if (status != AKIN_OK)
        return status;
    switch (option) {
    case THREADS:
        server->threads = (unsigned)number;
        break;
    case MAX_PIXELS:
        server->pixels_max = number;
        break;
    case MAX_K:
        server->k_max = (uint32_t)number;
        break;
    case MAX_WAITING:
        server->waiting_max = (uint32_t)number;
        break;
    case MAX_CONNECTIONS:
        server->connections_max = (uint32_t)number;
        break;
    case TIMEOUT:
        server->timeout_ms = (uint32_t)number * 1000;
        break;
    default:
        server->refresh_ms = (uint32_t)number * 1000;
    }
    return AKIN_OK;
}

static akin_status set_bytes(struct request *request, int option, const char *value,
                             akin_error *err)
{
    uint64_t number = 0;
    const bool body = option == MAX_BODY;
    const uint64_t min = body ? 1024 : 0, max = (uint64_t)1 << (body ? 30 : 40);
    const char *name = body ? "--max-body" : "--cache";
    akin_status status = akin_parse_bytes(&number, value, name, err);
    if (status == AKIN_OK && (number < min || number > max))
        status = akin_error_set(err, AKIN_ERR_INVALID, "%s '%s' is not in %s", name, value,
                                body ? "1K..1G" : "0..1T");
    if (status == AKIN_OK)
        *(body ? &request->server.body_max : &request->server.cache_bytes) = number;
    return status;
}

static akin_status set(struct request *request, int option, const char *value, akin_error *err)
{
    struct akin_server_options *server = &request->server;
    switch (option) {
    case LISTEN:
        server->listen = value;
        return AKIN_OK;
    case TOKEN_FILE:
        server->token_file = value;
        return AKIN_OK;
    case OPEN_READ:
        server->open_read = true;
        return AKIN_OK;
    case WEB:
        server->web = value;
        return AKIN_OK;
    case NO_WEB:
        request->no_web = true;
        return AKIN_OK;
    case BASE_URL:
        if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "--base-url '%s' does not begin with http:// or https://", value);
        server->base_url = value;
        return AKIN_OK;
    case SHOW_PATHS:
        server->show_paths = true;
        return AKIN_OK;
    case QUIET:
        server->access_log = false;
        return AKIN_OK;
    case MAX_BODY:
    case CACHE:
        return set_bytes(request, option, value, err);
    default:
        return set_number(request, option, value, err);
    }
}

static int parse(struct request *request, int argc, char **argv)
{
    struct cli_parser parser;
    const char *value;
    akin_error err = {0};
    int option;
    cli_parser_init(&parser, &cmd_serve, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return option;
        if (option == CLI_WORD && request->dir_count == AKIN_SERVE_COLLECTIONS_MAX) {
            cli_misuse(&cmd_serve, "more than %d collections", AKIN_SERVE_COLLECTIONS_MAX);
            return CLI_BAD;
        }
        if (option == CLI_WORD) {
            request->dirs[request->dir_count++] = value;
        } else if (set(request, option, value, &err) != AKIN_OK) {
            cli_misuse(&cmd_serve, "%s", err.text);
            return CLI_BAD;
        }
    }
    if (!request->dir_count) {
        cli_misuse(&cmd_serve, "which collection?");
        return CLI_BAD;
    }
    return CLI_END;
}

/* Where the page lies: beside the program as it was installed, or as it was built. */
static const char *find_web(char out[AKIN_PATH_MAX])
{
    static const char *const places[] = {"../share/akin/web", "../web"};
    char program[AKIN_PATH_MAX], name[64];
    struct akin_file_stat st;
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return NULL;
    program[length] = 0;
    *strrchr(program, '/') = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(name, sizeof name, "%s/index.html", places[i]);
        if (akin_path_join(out, program, name, NULL) == AKIN_OK &&
            akin_file_stat(&st, out, NULL) == AKIN_OK &&
            akin_path_join(out, program, places[i], NULL) == AKIN_OK)
            return out;
    }
    return NULL;
}

/* The access log is the talk of a server: whole lines of JSON. */
static void log_line(void *user, enum akin_level level, const char *stage, const char *text)
{
    static const char *const words[] = {"debug: ", "", "warning: ", "error: "};
    (void)user;
    fprintf(stderr, "%s%s\n", strcmp(stage, "access") ? words[level] : "", text);
}

static int serve(struct request *request)
{
    const struct akin_talk talk = {.log = log_line};
    akin_server *server = NULL;
    akin_error err = {0};
    char web[AKIN_PATH_MAX];
    sigset_t signals;
    int got = 0;
    request->server.talk = &talk;
    if (request->no_web)
        request->server.web = NULL;
    else if (!request->server.web)
        request->server.web = find_web(web);
    /* Before any thread is there, so that all of them leave these to sigwait. */
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    akin_status status =
        akin_server_start(&server, request->dirs, request->dir_count, &request->server, &err);
    if (status != AKIN_OK)
        return cli_fail(&err);
    printf("http://%s/\n", akin_server_address(server));
    fflush(stdout);
    if (request->server.web)
        fprintf(stderr, "open http://%s/ in a browser; Ctrl-C ends it\n",
                akin_server_address(server));
    else
        fprintf(stderr, "the API is at http://%s/api; there is no page; Ctrl-C ends it\n",
                akin_server_address(server));
    sigwait(&signals, &got);
    fprintf(stderr, "stopping: answering what was begun\n");
    akin_server_stop(server);
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return CLI_FAILED;
    akin_server_options_default(&request->server);
    request->server.access_log = true;
    int parsed = parse(request, argc, argv);
    int exit_status = parsed == CLI_END ? serve(request) : cli_exit(parsed);
    free(request);
    return exit_status;
}
