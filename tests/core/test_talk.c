/*
 * Talk reaches the callback once at a time, from any thread, and may be silent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/talk.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../check.h"

struct heard {
    enum akin_level level;
    char stage[16], text[2048];
    uint64_t done;
    int calls, inside, overlaps;
};

static void hear_log(void *user, enum akin_level level, const char *stage, const char *text)
{
    struct heard *heard = user;
    heard->overlaps += heard->inside++ != 0;
    heard->level = level;
    snprintf(heard->stage, sizeof heard->stage, "%s", stage);
    snprintf(heard->text, sizeof heard->text, "%s", text);
    heard->calls++;
    heard->inside--;
}

static bool hear_progress(void *user, const struct akin_progress *progress)
{
    struct heard *heard = user;
    heard->overlaps += heard->inside++ != 0;
    heard->done = progress->done;
    heard->calls++;
    heard->inside--;
    return progress->done < progress->total;
}

TEST(nobody_listening_is_fine)
{
    struct akin_talk deaf = {0};
    struct akin_progress progress = {.what = "tiles", .done = 1, .total = 1};
    akin_log(NULL, AKIN_LEVEL_INFO, "core", "x");
    akin_log(&deaf, AKIN_LEVEL_INFO, "core", "x");
    CHECK(akin_progress(NULL, &progress));
    CHECK(akin_progress(&deaf, &progress));
}

TEST(log_is_formatted_and_made_printable)
{
    struct heard heard = {0};
    struct akin_talk talk = {.log = hear_log, .user = &heard};
    akin_log(&talk, AKIN_LEVEL_WARN, "tile", "%d of '%s'", 3, "a\nb");
    CHECK_EQ(heard.level, AKIN_LEVEL_WARN);
    CHECK_TEXT(heard.stage, "tile");
    CHECK_TEXT(heard.text, "3 of 'a\\x0ab'");
    akin_log(&talk, AKIN_LEVEL_DEBUG, "tile", "%05000d", 1);
    CHECK(strlen(heard.text) < AKIN_ERROR_TEXT_MAX);
}

TEST(progress_may_ask_for_a_stop)
{
    struct heard heard = {0};
    struct akin_talk talk = {.progress = hear_progress, .user = &heard};
    CHECK(akin_progress(&talk, &(struct akin_progress){.done = 1, .total = 2}));
    CHECK(!akin_progress(&talk, &(struct akin_progress){.done = 2, .total = 2}));
    CHECK_EQ(heard.done, 2);
}

static struct akin_talk nested_talk;

static bool progress_that_logs(void *user, const struct akin_progress *progress)
{
    (void)user;
    akin_log(&nested_talk, AKIN_LEVEL_INFO, "core", "%llu", (unsigned long long)progress->done);
    return true;
}

TEST(a_callback_may_call_back)
{
    struct heard heard = {0};
    nested_talk =
        (struct akin_talk){.log = hear_log, .progress = progress_that_logs, .user = &heard};
    CHECK(akin_progress(&nested_talk, &(struct akin_progress){.done = 5}));
    CHECK_TEXT(heard.text, "5");
}

static void *talk_much(void *user)
{
    for (int i = 0; i < 500; i++) {
        akin_log(user, AKIN_LEVEL_INFO, "core", "%d", i);
        akin_progress(user, &(struct akin_progress){.done = (uint64_t)i, .total = 1000});
    }
    return NULL;
}

TEST(threads_are_heard_one_at_a_time)
{
    struct heard heard = {0};
    struct akin_talk talk = {hear_log, hear_progress, &heard};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, talk_much, &talk) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(heard.calls, 4000);
    CHECK_EQ(heard.overlaps, 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
