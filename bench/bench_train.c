/*
 * Learning and encoding beside PyTorch (bench/peer_train.py) and ONNX Runtime (bench/peer_ort.js):
 * every engine is a process of its own, with two threads, and they run in turn; figures are medians,
 * ratios those of one round each. Our training step (bench_train_akin) is the whole of it, views made anew;
 * the peers' has no loading and no augmentation. What a peer has not is left out by name. Tells on stderr what it does; the
 * table, on stdout, grows by a work at a time.
 *
 *     bench_train [ROUNDS [SECONDS [WORK]]]     default 3 rounds of 4 seconds an engine; only works
 *                                               whose name has WORK in it
 *
 * JSON=FILE adds a line {"work","engine","dtype","per_s"} for each engine of each work, as it is measured.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "akin/core.h"
#include "bench.h"
#include "bench_train.h"

#define ROUNDS_MAX 101
#define ENGINES_MAX 10

struct engine {
    const char *name, *dtype;
    char command[2048]; /* for /bin/sh */
    double rates[ROUNDS_MAX], cpu_ms[ROUNDS_MAX], share, peak_bytes;
    int count; /* of rates; 0 = it has not run */
};

/* Runs a command, reads its line; false where it failed. Its memory is the most of its process. */
static bool run_engine(struct engine *it)
{
    int ends[2], status;
    double rate, cpu, pictures, share = 0;
    struct rusage usage;
    if (pipe(ends) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-c", it->command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *lines = fdopen(ends[0], "r");
    int found = lines ? fscanf(lines, "%lf %lf %lf %lf", &rate, &cpu, &pictures, &share) : 0;
    if (lines)
        fclose(lines);
    if (child < 0 || wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0 || found < 3)
        return false;
    it->rates[it->count] = rate;
    it->cpu_ms[it->count++] = 1000 * cpu / pictures;
    it->share = share;
    it->peak_bytes = fmax(it->peak_bytes, (double)usage.ru_maxrss * 1024);
    return true;
}

/* Median, least and most of ours against the engine's, round by round. */
static void print_ratio(const struct engine *ours, const struct engine *other)
{
    double ratios[ROUNDS_MAX];
    int count = ours->count < other->count ? ours->count : other->count;
    for (int i = 0; i < count; i++)
        ratios[i] = ours->rates[i] / other->rates[i];
    double median = bench_median(ratios, (size_t)count);
    printf(" %s %s %.2f (%.2f-%.2f)", ours->name, ours->dtype, median, ratios[0],
           ratios[count - 1]);
}

/* JSON=FILE, to add to; NULL where it is not asked for or cannot be written. */
static FILE *open_json(void)
{
    const char *path = getenv("JSON");
    return path && *path ? fopen(path, "a") : NULL;
}

static void print_json(const char *work, const struct engine *engine, double per_s)
{
    FILE *file = open_json();
    if (!file)
        return;
    fprintf(file, "{\"work\":\"%s\",\"engine\":\"%s\",\"dtype\":\"%s\",\"per_s\":%.2f}\n", work,
            engine->name, engine->dtype, per_s);
    fclose(file);
}

/* The first `ours` engines are akin's. */
static void print_table(const char *work, struct engine *engines, size_t count, size_t ours)
{
    for (size_t e = 0; e < count; e++) {
        struct engine *it = &engines[e];
        double rates[ROUNDS_MAX];
        if (!it->count) {
            printf("| %s | %s, %s | not measured | | | |\n", work, it->name, it->dtype);
            continue;
        }
        memcpy(rates, it->rates, sizeof rates);
        double per_s = bench_median(rates, (size_t)it->count);
        printf("| %s | %s, %s | %.0f | %.2f | %.0f MB |", work, it->name, it->dtype, per_s,
               bench_median(it->cpu_ms, (size_t)it->count), it->peak_bytes / 1e6);
        for (size_t o = 0; o < ours && e >= ours; o++)
            if (engines[o].count)
                print_ratio(&engines[o], it);
        if (it->share > 0)
            printf(" loading and views: %.1f %%", 100 * it->share);
        printf(" |\n");
        print_json(work, it, per_s);
    }
    fflush(stdout);
}

/* In turn, round by round; an engine that fails once is left out. */
static void run_rounds(const char *work, struct engine *engines, size_t count, size_t ours,
                       int rounds)
{
    bool failed[ENGINES_MAX] = {false};
    for (int round = 0; round < rounds; round++)
        for (size_t e = 0; e < count; e++) {
            struct engine *it = &engines[e];
            if (failed[e])
                continue;
            double began = bench_now_s();
            fprintf(stderr, "bench: %s, round %d of %d: %s %s: ", work, round + 1, rounds, it->name,
                    it->dtype);
            failed[e] = !run_engine(it);
            if (failed[e])
                fprintf(stderr, "failed (its message is above): left out\n");
            else
                fprintf(stderr, "%.0f a second, in %.1f s\n", it->rates[it->count - 1],
                        bench_now_s() - began);
        }
    print_table(work, engines, count, ours);
}

struct bench {
    const char *akin; /* bench_train_akin, beside this program */
    char dir[64];
    int rounds;
    double seconds;
    bool bf16;
    const char *only; /* NULL: all works */
};

static bool wanted(const struct bench *it, const char *work)
{
    return !it->only || strstr(work, it->only);
}

/* What keeps oneDNN, and so us, from bf16. */
#define NO_BF16 "env ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI"

/* Peers get an environment without what would hold them back: their own waiting, kernels and threads. */
#define PEER_ENV "env -u OPENBLAS_CORETYPE -u OMP_WAIT_POLICY -u OMP_NUM_THREADS "
static const char *const torch = PEER_ENV "/usr/bin/python3 bench/peer_train.py";

static bool cpu_has(const char *flag)
{
    char line[8192];
    bool found = false;
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !found && fgets(line, sizeof line, file))
        found = !strncmp(line, "flags", 5) && strstr(line, flag);
    if (file)
        fclose(file);
    return found;
}

static void bench_training(const struct bench *it, const char *preset, uint32_t px)
{
    char work[64];
    static struct engine engines[4];
    memset(engines, 0, sizeof engines);
    const size_t ours = it->bf16 ? 2 : 1;
    snprintf(work, sizeof work, "train %s %u px", preset, px);
    if (!wanted(it, work))
        return;
    for (size_t e = 0; e < 2 * ours; e++) {
        struct engine *engine = &engines[e];
        const bool bf16 = it->bf16 && e % 2 == 0;
        *engine =
            (struct engine){.name = e < ours ? "akin" : "PyTorch", .dtype = bf16 ? "bf16" : "f32"};
        if (e < ours)
            snprintf(engine->command, sizeof engine->command, "%s '%s' train %s %u %g",
                     bf16 ? "" : NO_BF16, it->akin, preset, px, it->seconds);
        else
            snprintf(engine->command, sizeof engine->command, "%s train %s %u %d %s %g", torch,
                     preset, px, TRAIN_BATCH, engine->dtype, it->seconds);
    }
    run_rounds(work, engines, 2 * ours, ours, it->rounds);
}

static void add_encoder(const struct bench *it, struct engine *out, const char *label,
                        const char *model, const char *precision, bool chips)
{
    *out = (struct engine){.name = label, .dtype = precision};
    snprintf(out->command, sizeof out->command, "'%s' encode '%s' %s %s %s %g", it->akin, it->dir,
             model, precision, chips ? "chips" : "memory", it->seconds);
}

static void add_net(const struct bench *it, struct engine *out, const char *dtype)
{
    *out = (struct engine){.name = "akin", .dtype = dtype};
    snprintf(out->command, sizeof out->command, "'%s' net r18 %s %g", it->akin, dtype, it->seconds);
}

static void bench_encoding(const struct bench *it)
{
    static struct engine engines[ENGINES_MAX];
    const char *const dtype = it->bf16 ? "bf16" : "f32";
    memset(engines, 0, sizeof engines);
    size_t count = 0;
    if (!wanted(it, "encode r18 64 px"))
        return;
    add_net(it, &engines[count++], dtype);
    add_net(it, &engines[count++], "int8");
    add_encoder(it, &engines[count++], "akin, whole vector", "r18", dtype, false);
    add_encoder(it, &engines[count++], "akin, whole vector", "r18", "int8", false);
    const size_t ours = count;
    struct engine *ort = &engines[count++];
    *ort = (struct engine){.name = "ONNX Runtime", .dtype = "f32"};
    snprintf(ort->command, sizeof ort->command,
             PEER_ENV "NODE_PATH=\"${AKIN_NPM:-build/npm}/node_modules\" node bench/peer_ort.js "
                      "'%s/net.onnx' 64 %d %g",
             it->dir, ENCODE_BATCH, it->seconds);
    for (int bf16 = 0; bf16 <= it->bf16; bf16++) {
        struct engine *peer = &engines[count++];
        *peer = (struct engine){.name = "PyTorch", .dtype = bf16 ? "bf16" : "f32"};
        snprintf(peer->command, sizeof peer->command, "%s net r18 64 %d %s %g", torch, ENCODE_BATCH,
                 peer->dtype, it->seconds);
    }
    run_rounds("encode r18 64 px", engines, count, ours, it->rounds);
}

/* From chips on disk against the same from memory. */
static void bench_chips(const struct bench *it, const char *precision)
{
    static struct engine engines[2];
    memset(engines, 0, sizeof engines);
    if (!wanted(it, "encode r18h 64 px"))
        return;
    add_encoder(it, &engines[0], "akin, from chips", "r18h", precision, true);
    add_encoder(it, &engines[1], "akin, whole vector", "r18h", precision, false);
    run_rounds("encode r18h 64 px", engines, 2, 1, it->rounds);
}

/* The ONNX file, where there is PyTorch to write it, our encoders and chips. */
static bool make_encoders(const struct bench *it)
{
    char command[2 * AKIN_PATH_MAX];
    if (!wanted(it, "encode r18 64 px, encode r18h 64 px"))
        return true;
    fprintf(stderr, "bench: making encoders and chips\n");
    snprintf(command, sizeof command, "%s export r18 64 '%s/net.onnx' >&2", torch, it->dir);
    if (system(command) != 0)
        fprintf(stderr, "bench: no PyTorch, so no file for ONNX Runtime, either\n");
    snprintf(command, sizeof command, "'%s' make '%s' >&2", it->akin, it->dir);
    return system(command) == 0;
}

static int run_all(struct bench *it)
{
    snprintf(it->dir, sizeof it->dir, "/tmp/bench-train-XXXXXX");
    if (!mkdtemp(it->dir)) {
        fprintf(stderr, "bench_train: cannot make %s: %s\n", it->dir, strerror(errno));
        return 1;
    }
    const bool made = make_encoders(it);
    if (made) {
        printf(
            "Threads %d, batch %d tiles (%d views), encoding of %d by %d; medians of %d rounds of "
            "%g s, engines in turn.%s\n\n| work | engine | a second | CPU-ms each | peak memory | "
            "akin's rate to it (least-most) |\n| --- | --- | --- | --- | --- | --- |\n",
            ENGINE_THREADS, TRAIN_BATCH, 2 * TRAIN_BATCH, ENCODE_TILES, ENCODE_BATCH, it->rounds,
            it->seconds, it->bf16 ? "" : " This CPU has no bf16: not measured.");
        bench_training(it, "r18", 64);
        bench_training(it, "r18", 128);
        bench_training(it, "r18h", 64);
        bench_training(it, "r10h", 64);
        bench_encoding(it);
        bench_chips(it, it->bf16 ? "bf16" : "f32");
        bench_chips(it, "int8");
    }
    bench_remove(it->dir);
    return !made;
}

int main(int argc, char **argv)
{
    char akin[AKIN_PATH_MAX];
    struct bench bench = {.akin = akin, .rounds = 3, .seconds = 4};
    snprintf(akin, sizeof akin, "%s_akin", argv[0]);
    if (argc > 1)
        bench.rounds = (int)strtol(argv[1], NULL, 10);
    if (argc > 2)
        bench.seconds = strtod(argv[2], NULL);
    if (argc > 3)
        bench.only = argv[3];
    if (argc > 4 || bench.rounds < 1 || bench.rounds > ROUNDS_MAX || !(bench.seconds > 0)) {
        fprintf(stderr, "usage: bench_train [ROUNDS [SECONDS [WORK]]]\n");
        return 2;
    }
    const char *json = getenv("JSON");
    FILE *file = open_json(); /* now, not after ten minutes */
    if (json && *json && !file) {
        fprintf(stderr, "bench_train: cannot write JSON=%s: %s\n", json, strerror(errno));
        return 1;
    }
    if (file)
        fclose(file);
    bench.bf16 = cpu_has(" avx512_bf16");
    return run_all(&bench);
}
