/*
 * Runs a command and says how it went, in one line that a shell can read:
 *
 *     watch [--kill-after US] COMMAND...      "exit STATUS|killed MICROSECONDS PEAK_KB" goes to
 *     file descriptor 3
 *
 * --kill-after sends SIGKILL after that many microseconds. The peak is the resident set's, of the
 * command alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Waits; a child of our own sends the signal, so that wait4 may simply block. */
static pid_t start_killer(pid_t victim, int64_t after_us)
{
    pid_t killer = fork();
    if (killer == 0) {
        struct timespec pause = {after_us / 1000000, after_us % 1000000 * 1000};
        nanosleep(&pause, NULL);
        kill(victim, SIGKILL);
        _exit(0);
    }
    return killer;
}

int main(int argc, char **argv)
{
    int first = 1;
    int64_t kill_after_us = -1;
    if (argc > 3 && !strcmp(argv[1], "--kill-after")) {
        kill_after_us = strtoll(argv[2], NULL, 10);
        first = 3;
    }
    if (first >= argc) {
        fprintf(stderr, "usage: watch [--kill-after US] COMMAND...\n");
        return 2;
    }
    int64_t began = now_us();
    pid_t child = fork();
    if (child == 0) {
        close(3);
        execvp(argv[first], argv + first);
        perror(argv[first]);
        _exit(127);
    }
    pid_t killer = child > 0 && kill_after_us >= 0 ? start_killer(child, kill_after_us) : -1;
    int status = 0;
    struct rusage used = {0};
    if (child < 0 || wait4(child, &status, 0, &used) != child) {
        perror("watch");
        return 2;
    }
    int64_t took = now_us() - began;
    if (killer > 0) {
        kill(killer, SIGKILL);
        waitpid(killer, NULL, 0);
    }
    char how[16] = "killed";
    if (WIFEXITED(status))
        snprintf(how, sizeof how, "%d", WEXITSTATUS(status));
    else if (WTERMSIG(status) != SIGKILL)
        snprintf(how, sizeof how, "signal%d", WTERMSIG(status));
    dprintf(3, "exit %s %lld %ld\n", how, (long long)took, used.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
