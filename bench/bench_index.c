/*
 * Vector indexes side by side on one set: ours and its peers, each in a process of its own that speaks bench_peer.h's few
 * words. All are built one after another, then every setting of every engine is measured once a round, round after round, so
 * that what the machine does meanwhile meets all alike; a point is the median of its rounds. Prints one JSON object a point.
 *
 *     bench_index SET SET-FOLDER WORK-FOLDER PLAN ENGINES-FOLDER ROUNDS wall|cpu
 *
 * ENGINES-FOLDER holds a program a peer; of the plan's lines (bench/index.plan) those whose peer is not there are left out by
 * name. wall or cpu is the clock of searches and of builds by one thread; builds by several are always timed by the wall.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>

#include "bench.h"
#include "bench_points.h"
#include "bench_set.h"

#define ENGINES_MAX 32
#define SETTINGS_MAX 64
#define ROUNDS_MAX 15
#define SLOW_S 5.0 /* a pass longer than this is measured once */

struct setting {
    char text[64];
    unsigned batch;
    const int32_t *truth;
    double recall, seconds[ROUNDS_MAX];
    size_t measured;
};

struct engine {
    char name[32], build[64];
    unsigned threads;
    struct setting settings[SETTINGS_MAX];
    size_t count;
    FILE *to, *from;
    pid_t process;
    double build_s, bytes;
};

struct run {
    struct bench_set set;
    const char *name, *set_folder, *work_folder, *engines_folder;
    bool by_cpu;
    size_t rounds;
    struct engine engines[ENGINES_MAX];
    size_t count;
    char *line;
    size_t room;
    int32_t *answers;
};

/* "SETTING[@BATCH]...", what is left of a line that strtok_r has begun. */
static void parse_settings(struct engine *out, char **rest)
{
    for (char *word; (word = strtok_r(NULL, " \n", rest));) {
        struct setting *setting = &out->settings[out->count++];
        if (out->count > SETTINGS_MAX)
            bench_die("more than 64 settings of an engine in the plan", out->name);
        char *batch = strchr(word, '@');
        setting->batch = batch ? (unsigned)strtoul(batch + 1, NULL, 10) : 1;
        if (batch)
            *batch = '\0';
        snprintf(setting->text, sizeof setting->text, "%s", word);
    }
}

/* The answers that a setting is judged by: of the rows that match its filter, if it has one. */
static void find_truth(const struct run *run, struct setting *setting)
{
    const char *filter = bench_filter_of(setting->text);
    char name[128];
    size_t count;
    setting->truth = run->set.truth;
    if (!*filter)
        return;
    snprintf(name, sizeof name, "truth-%s.i32", filter);
    setting->truth = bench_map(&count, run->set_folder, name, BENCH_TRUTH);
    if (!setting->truth || count != run->set.queries)
        bench_die("a filter without answers (bench_make_truth)", filter);
}

static bool is_there(const struct run *run, const struct engine *engine)
{
    char path[4096];
    bench_path(path, run->engines_folder, engine->name);
    if (access(path, X_OK) == 0)
        return true;
    fprintf(stderr, "bench: left out, as it is not installed (tools/setup bench): %s %s\n",
            engine->name, engine->build);
    return false;
}

/* "ENGINE SETS THREADS BUILD SETTING..." begins an engine, "+ SETS SETTING..." goes on with the last one. */
static void read_line(struct run *run, char *line, bool *taken)
{
    char *rest, *name = strtok_r(line, " \n", &rest), *sets = strtok_r(NULL, " \n", &rest);
    if (!sets)
        bench_die("the plan has a line without sets", name);
    bool here = strstr(sets, run->name) != NULL;
    if (strcmp(name, "+") == 0) {
        if (*taken && here)
            parse_settings(&run->engines[run->count - 1], &rest);
        return;
    }
    char *threads = strtok_r(NULL, " \n", &rest), *build = strtok_r(NULL, " \n", &rest);
    if (!build || run->count == ENGINES_MAX)
        bench_die("the plan has a line without a build, or more than 32 engines", name);
    struct engine *engine = &run->engines[run->count];
    engine->threads = (unsigned)strtoul(threads, NULL, 10);
    snprintf(engine->name, sizeof engine->name, "%s", name);
    snprintf(engine->build, sizeof engine->build, "%s", build);
    *taken = here && is_there(run, engine);
    if (!*taken)
        return;
    parse_settings(engine, &rest);
    run->count++;
}

static void read_plan(struct run *run, const char *path)
{
    char line[2048];
    bool taken = false;
    FILE *plan = fopen(path, "r");
    if (!plan)
        bench_die("cannot open the plan", path);
    while (fgets(line, sizeof line, plan))
        if (line[0] != '#' && line[0] != '\n')
            read_line(run, line, &taken);
    fclose(plan);
    for (size_t e = 0; e < run->count; e++)
        for (size_t s = 0; s < run->engines[e].count; s++)
            find_truth(run, &run->engines[e].settings[s]);
}

static const char *answer_of(struct run *run, struct engine *engine)
{
    if (getline(&run->line, &run->room, engine->from) < 0)
        bench_die("it ended before it answered", engine->name);
    return run->line;
}

/* Runs its program; back when it has built. */
static void start(struct run *run, struct engine *engine)
{
    int to[2], from[2];
    char path[4096], threads[16];
    double wall, cpu;
    bench_path(path, run->engines_folder, engine->name);
    snprintf(threads, sizeof threads, "%u", engine->threads);
    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
        bench_die("no pipe", strerror(errno));
    engine->process = fork();
    if (engine->process == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        execl(path, path, run->set_folder, run->work_folder, engine->build, threads, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    engine->to = fdopen(to[1], "w");
    engine->from = fdopen(from[0], "r");
    if (engine->process < 0 || !engine->to || !engine->from)
        bench_die("cannot start", path);
    if (sscanf(answer_of(run, engine), "ready %lf %lf %lf", &wall, &cpu, &engine->bytes) != 3)
        bench_die("its first line is not \"ready ...\"", engine->name);
    engine->build_s = run->by_cpu && engine->threads == 1 ? cpu : wall;
    fprintf(stderr, "bench: %s: %s %s built by %u in %.1f s, CPU %.1f s, %.0f bytes a vector\n",
            run->name, engine->name, engine->build, engine->threads, wall, cpu, engine->bytes);
}

static void stop(struct engine *engine)
{
    int status;
    fclose(engine->to);
    fclose(engine->from);
    if (waitpid(engine->process, &status, 0) != engine->process || status)
        bench_die("it did not end well", engine->name);
}

/* One pass; its recall is kept, its seconds where `keep`. */
static void measure(struct run *run, struct engine *engine, struct setting *setting, bool keep)
{
    fprintf(engine->to, "%s %u\n", setting->text, setting->batch);
    if (fflush(engine->to))
        bench_die("it does not listen", engine->name);
    char *at;
    double wall = strtod(answer_of(run, engine), &at), cpu = strtod(at, &at);
    for (size_t i = 0; i < run->set.queries * BENCH_K; i++) {
        char *before = at;
        run->answers[i] = (int32_t)strtol(at, &at, 10);
        if (at == before)
            bench_die("it gave too few answers", engine->name);
    }
    double seconds = run->by_cpu ? cpu : wall;
    setting->recall =
        bench_recall(&run->set, setting->truth, run->answers, *bench_filter_of(setting->text));
    if (keep || seconds > SLOW_S)
        setting->seconds[setting->measured++] = seconds;
}

static void measure_all(struct run *run)
{
    for (size_t round = 0; round <= run->rounds; round++) /* the first warms up */
        for (size_t e = 0; e < run->count; e++)
            for (size_t s = 0; s < run->engines[e].count; s++) {
                struct setting *setting = &run->engines[e].settings[s];
                if (!setting->measured || setting->seconds[0] <= SLOW_S)
                    measure(run, &run->engines[e], setting, round > 0);
            }
}

static void print(const struct run *run, const struct engine *engine, struct setting *setting)
{
    struct bench_point p = {.threads = engine->threads,
                            .batch = setting->batch,
                            .recall = setting->recall,
                            .build_s = engine->build_s,
                            .bytes = engine->bytes};
    p.qps = (double)run->set.queries / bench_median(setting->seconds, setting->measured);
    snprintf(p.set, sizeof p.set, "%s", run->name);
    snprintf(p.engine, sizeof p.engine, "%s", engine->name);
    snprintf(p.params, sizeof p.params, "%s %s", engine->build, setting->text);
    bench_point_print(&p);
}

int main(int argc, char **argv)
{
    static struct run run;
    if (argc != 8)
        bench_die("usage",
                  "bench_index SET SET-FOLDER WORK-FOLDER PLAN ENGINES-FOLDER ROUNDS wall|cpu");
    run.name = argv[1];
    run.set_folder = argv[2];
    run.work_folder = argv[3];
    run.engines_folder = argv[5];
    run.rounds = strtoul(argv[6], NULL, 10);
    run.by_cpu = strcmp(argv[7], "cpu") == 0;
    if (run.rounds < 1 || run.rounds >= ROUNDS_MAX)
        bench_die("ROUNDS is 1 to 14", argv[6]);
    run.set = bench_set_open(run.set_folder);
    run.answers = malloc(run.set.queries * BENCH_K * sizeof *run.answers);
    if (!run.set.truth || !run.answers)
        bench_die("without answers (bench_make_truth)", run.set_folder);
    read_plan(&run, argv[4]);
    for (size_t e = 0; e < run.count; e++)
        start(&run, &run.engines[e]);
    measure_all(&run);
    for (size_t e = 0; e < run.count; e++) {
        for (size_t s = 0; s < run.engines[e].count; s++)
            print(&run, &run.engines[e], &run.engines[e].settings[s]);
        stop(&run.engines[e]);
    }
    free(run.answers);
    free(run.line);
    return 0;
}
