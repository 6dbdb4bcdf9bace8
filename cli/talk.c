/*
 * Messages and the progress bar, on stderr; results have stdout to themselves.
 *
 * The bar appears after a second, only on a terminal; elsewhere (a log, CI) a line every ten
 * seconds says the same. The first Ctrl-C asks for a stop, the second one ends the program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define BAR_CELLS 24

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    stop_asked = 1;
    signal(number, SIG_DFL);
}

static void clear_bar(struct cli_talk *talk)
{
    if (talk->bar_shown && talk->terminal)
        fprintf(stderr, "\r\033[K");
    talk->bar_shown = false;
}

static void log_text(void *user, enum akin_level level, const char *stage, const char *text)
{
    struct cli_talk *talk = user;
    static const char *const words[] = {"debug: ", "", "warning: ", "error: "};
    (void)stage;
    if (talk->quiet || level < talk->level)
        return;
    clear_bar(talk);
    fprintf(stderr, "%s%s\n", words[level], text);
}

void cli_format_seconds(char out[CLI_SECONDS_TEXT_MAX], double seconds)
{
    if (seconds < 120)
        snprintf(out, CLI_SECONDS_TEXT_MAX, "%.0f s", seconds);
    else if (seconds < 7200)
        snprintf(out, CLI_SECONDS_TEXT_MAX, "%.0f min", seconds / 60);
    else
        snprintf(out, CLI_SECONDS_TEXT_MAX, "%.1f h", seconds / 3600);
}

static void draw(struct cli_talk *talk, const struct akin_progress *progress, double elapsed_s)
{
    double share = progress->total ? (double)progress->done / (double)progress->total : 0;
    double rate = elapsed_s > 0 ? (double)(progress->done - progress->resumed) / elapsed_s : 0;
    char left[CLI_SECONDS_TEXT_MAX] = "?", cells[BAR_CELLS + 1];
    int full = (int)(share * BAR_CELLS);
    memset(cells, '.', BAR_CELLS);
    memset(cells, '#', full < 0 ? 0 : full > BAR_CELLS ? BAR_CELLS : (size_t)full);
    cells[BAR_CELLS] = 0;
    if (rate > 0)
        cli_format_seconds(left, (double)(progress->total - progress->done) / rate);
    fprintf(stderr, "%s[%s] %3.0f%%  %" PRIu64 " of %" PRIu64 " %s, %.0f/s, %s left",
            talk->terminal ? "\r\033[K" : "", cells, 100 * share, progress->done, progress->total,
            progress->what, rate, left);
    if (progress->resumed)
        fprintf(stderr, ", %" PRIu64 " done before", progress->resumed);
    if (progress->detail)
        fprintf(stderr, ", %s", progress->detail);
    fprintf(stderr, "%s", talk->terminal ? "" : "\n");
    talk->bar_shown = true;
}

static bool show_progress(void *user, const struct akin_progress *progress)
{
    struct cli_talk *talk = user;
    int64_t now = akin_time_now_ms();
    int64_t pause = talk->terminal ? 200 : 10000, first = talk->terminal ? 1000 : 10000;
    if (!talk->what || strcmp(talk->what, progress->what) != 0) {
        talk->began_ms = now; /* another kind of work: its rate is its own */
        talk->what = progress->what;
    }
    if (!talk->quiet && now - talk->began_ms >= first && now - talk->shown_ms >= pause) {
        talk->shown_ms = now;
        draw(talk, progress, (double)(now - talk->began_ms) / 1000);
    }
    return !stop_asked;
}

void cli_talk_init(struct cli_talk *talk)
{
    memset(talk, 0, sizeof *talk);
    talk->talk = (struct akin_talk){log_text, show_progress, talk};
    talk->level = AKIN_LEVEL_INFO;
    talk->terminal = isatty(STDERR_FILENO);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
}

void cli_talk_end(struct cli_talk *talk)
{
    clear_bar(talk);
    fflush(stderr);
}
