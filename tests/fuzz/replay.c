/*
 * Replays a corpus: runs the fuzz target over every file of the folders (or the files) given, in
 * the order of their names, under any compiler. Without arguments the corpus is
 * tests/fuzz/corpus/NAME, NAME being what follows "fuzz_" in the program's name. What a fuzzer once
 * found stays found.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES_MAX ((size_t)1 << 26)
#define INPUTS_MAX 100000

static int replay_file(const char *path)
{
    struct akin_buffer bytes;
    akin_error err = {0};
    akin_buffer_init(&bytes, INPUT_BYTES_MAX);
    akin_status status = akin_file_read(&bytes, path, &err);
    if (status == AKIN_OK) {
        /* A block of exactly this size, so that a sanitizer sees a read past its end. */
        uint8_t *copy = malloc(bytes.size ? bytes.size : 1);
        if (copy && bytes.size)
            memcpy(copy, bytes.data, bytes.size);
        if (copy)
            LLVMFuzzerTestOneInput(copy, bytes.size);
        free(copy);
    } else {
        printf("# %s\n", err.text);
    }
    akin_buffer_fini(&bytes);
    return status != AKIN_OK;
}

static int replay_folder(const char *folder, size_t *count)
{
    char **names = NULL;
    size_t name_count = 0;
    akin_error err = {0};
    int failed = 0;
    if (akin_dir_list(&names, &name_count, folder, INPUTS_MAX, &err) != AKIN_OK) {
        printf("# %s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < name_count; i++) {
        char path[AKIN_PATH_MAX];
        failed |= akin_path_join(path, folder, names[i], NULL) != AKIN_OK || replay_file(path);
    }
    *count += name_count;
    akin_names_free(names, name_count);
    return failed;
}

static int replay(const char *path, size_t *count)
{
    struct akin_file_stat stat;
    if (akin_file_stat(&stat, path, NULL) == AKIN_OK && !stat.is_dir) {
        ++*count;
        return replay_file(path);
    }
    return replay_folder(path, count);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    char corpus[AKIN_PATH_MAX];
    size_t count = 0;
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(corpus, sizeof corpus, "tests/fuzz/corpus/%s",
             strncmp(name, "fuzz_", 5) ? name : name + 5);
    if (argc < 2)
        failed = replay(corpus, &count);
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i], &count);
    failed |= count == 0; /* a corpus that is not there proves nothing */
    printf("# %zu inputs\n%s %s\n", count, failed ? "not ok" : "ok", name);
    return failed;
}
