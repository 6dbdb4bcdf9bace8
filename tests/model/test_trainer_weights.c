/*
 * Weights from a .safetensors file: all replicas begin with them, what is no backbone's is passed
 * over, and a file of another net, of other bands or with damage is refused by name, changing
 * nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "../../src/model/trainer.h"
#include "akin/array.h"
#include "training.h"

#define TILES 8
#define TENSORS_MAX (ARCH_TENSORS_MAX + 4)

/* A file's tensors, with room for what a test changes. */
struct weights {
    struct arch_table table;
    struct akin_tensor tensors[TENSORS_MAX];
    size_t count;
    float *numbers, *free_numbers;
};

static struct akin_tensor *add(struct weights *w, const char *name, uint32_t rank,
                               const uint32_t *dims)
{
    struct akin_tensor *to = &w->tensors[w->count++];
    *to = (struct akin_tensor){
        .name = name, .type = AKIN_TENSOR_F32, .rank = rank, .count = 1, .data = w->free_numbers};
    for (uint32_t i = 0; i < rank; i++) {
        to->dims[i] = dims[i];
        to->count *= dims[i];
    }
    for (size_t i = 0; i < to->count; i++)
        w->free_numbers[i] = (float)akin_random_unit(5, w->count, i);
    w->free_numbers += to->count;
    return to;
}

static void make_weights(struct weights *w, const char *preset, uint32_t bands)
{
    struct arch arch;
    memset(w, 0, sizeof *w);
    REQUIRE_OK(arch_init(&arch, preset, bands, err));
    arch_table_init(&w->table, &arch);
    size_t most = w->table.parameter_count + w->table.statistic_count + 4096;
    w->numbers = w->free_numbers = akin_alloc(most, sizeof *w->numbers);
    REQUIRE(w->numbers != NULL);
    for (size_t t = 0; t < w->table.count; t++)
        if (!w->table.tensors[t].head)
            add(w, w->table.tensors[t].name, w->table.tensors[t].rank, w->table.tensors[t].dims);
    add(w, "fc.weight", 2, (const uint32_t[]){10, 256});
    add(w, "layer1.0.bn1.num_batches_tracked", 1, (const uint32_t[]){1});
}

static struct akin_tensor *tensor_of(struct weights *w, const char *name)
{
    for (size_t i = 0; i < w->count; i++)
        if (!strcmp(w->tensors[i].name, name))
            return &w->tensors[i];
    return NULL;
}

static const char *write_weights(const struct weights *w)
{
    static char path[AKIN_PATH_MAX];
    CHECK_EQ(akin_path_join(path, check_folder(), "w.safetensors", NULL), AKIN_OK);
    CHECK_EQ(akin_safetensors_write(path, w->tensors, w->count, NULL, NULL), AKIN_OK);
    return path;
}

static akin_trainer *make_trainer(struct training *it)
{
    const struct akin_train_options options = training_options(2);
    akin_trainer *trainer = NULL;
    training_init(it, TILES, 3);
    CHECK_EQ(akin_trainer_create(&trainer, &it->source, &options, NULL), AKIN_OK);
    return trainer;
}

TEST(all_replicas_begin_with_them)
{
    struct training it;
    struct weights w;
    akin_trainer *trainer = make_trainer(&it);
    make_weights(&w, "r10h", 3);
    const struct arch_tensor *head = arch_find(&trainer->table, "head.0.weight");
    float was = trainer->replica[0].parameters[head->offset];
    REQUIRE_OK(akin_trainer_load_weights(trainer, write_weights(&w), err));
    REQUIRE(trainer->replicas == 2);
    for (unsigned r = 0; r < 2; r++) {
        const struct replica *replica = &trainer->replica[r];
        for (size_t t = 0; t < trainer->table.count; t++) {
            const struct arch_tensor *own = &trainer->table.tensors[t];
            const bool counted = own->role == ARCH_MEAN || own->role == ARCH_VARIANCE;
            const float *at = (counted ? replica->statistics : replica->parameters) + own->offset;
            if (own->head)
                continue;
            const struct akin_tensor *from = tensor_of(&w, own->name);
            CHECK(!memcmp(at, from->data, own->count * sizeof *at));
        }
        CHECK_NEAR(replica->parameters[head->offset], was, 0);
    }
    /* And it learns on from there. */
    REQUIRE_OK(training_steps(trainer, 100, err));
    CHECK(akin_trainer_done(trainer));
    akin_free(w.numbers);
    akin_trainer_free(trainer);
    training_fini(&it);
}

TEST(the_preset_is_found_out)
{
    static const char *const presets[] = {"r10h", "r18h", "r18"};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        struct weights w;
        const char *found = NULL;
        akin_error why = {0};
        make_weights(&w, presets[i], 4);
        REQUIRE_OK(akin_weights_preset(&found, write_weights(&w), 4, err));
        CHECK_TEXT(found, presets[i]);
        CHECK_EQ(akin_weights_preset(&found, write_weights(&w), 3, &why), AKIN_ERR_INVALID);
        CHECK_CONTAINS(why.text, "learnt from 4 bands, and the tiles have 3");
        akin_free(w.numbers);
    }
}

static void check_refused(akin_trainer *trainer, const char *path, akin_status status,
                          const char *text)
{
    const size_t bytes = trainer->table.parameter_count * sizeof(float);
    struct replica *replica = &trainer->replica[1];
    float *before = akin_alloc(bytes, 1);
    akin_error why = {0};
    REQUIRE(before != NULL);
    memcpy(before, replica->parameters, bytes);
    CHECK_EQ(akin_trainer_load_weights(trainer, path, &why), status);
    CHECK_CONTAINS(why.text, text);
    CHECK(!memcmp(before, replica->parameters, bytes));
    akin_free(before);
}

TEST(what_does_not_fit_is_named)
{
    struct training it;
    struct weights w;
    akin_trainer *trainer = make_trainer(&it);
    make_weights(&w, "r10h", 3);
    struct akin_tensor *tensor = tensor_of(&w, "layer2.0.conv2.weight");
    tensor->name = "elsewhere";
    check_refused(trainer, write_weights(&w), AKIN_ERR_INVALID,
                  "'layer2.0.conv2.weight' of r10h is not in it");
    tensor->name = "layer2.0.conv2.weight";
    tensor->dims[0] *= 2;
    tensor->dims[1] /= 2;
    check_refused(trainer, write_weights(&w), AKIN_ERR_INVALID, "128x32x3x3");
    tensor->dims[0] /= 2;
    tensor->dims[1] *= 2;
    float *number = &w.numbers[(const float *)tensor->data - w.numbers];
    number[3] = NAN;
    check_refused(trainer, write_weights(&w), AKIN_ERR_CORRUPT, "'layer2.0.conv2.weight' has");
    number[3] = 0;
    tensor = tensor_of(&w, "bn1.running_var");
    number = &w.numbers[(const float *)tensor->data - w.numbers];
    number[0] = -1;
    check_refused(trainer, write_weights(&w), AKIN_ERR_CORRUPT, "'bn1.running_var' has -1");
    akin_free(w.numbers);
    make_weights(&w, "r18h", 3); /* has all that r10h has, and more */
    check_refused(trainer, write_weights(&w), AKIN_ERR_INVALID, "is no part of r10h");
    akin_free(w.numbers);
    make_weights(&w, "r10h", 1);
    check_refused(trainer, write_weights(&w), AKIN_ERR_INVALID, "1 bands");
    akin_free(w.numbers);
    akin_trainer_free(trainer);
    training_fini(&it);
}

TEST(damage_and_want_of_memory)
{
    struct training it;
    struct weights w;
    struct akin_buffer file;
    akin_trainer *trainer = make_trainer(&it);
    make_weights(&w, "r10h", 3);
    const char *path = write_weights(&w), *found = NULL;
    for (int at = 0; at < 2; at++) {
        akin_memory_fail_at(at);
        CHECK_EQ(akin_trainer_load_weights(trainer, path, NULL), AKIN_ERR_NO_MEMORY);
        akin_memory_fail_at(at);
        CHECK_EQ(akin_weights_preset(&found, path, 3, NULL), AKIN_ERR_NO_MEMORY);
    }
    akin_memory_fail_at(-1);
    akin_buffer_init(&file, (size_t)1 << 28);
    REQUIRE_OK(akin_file_read(&file, path, err));
    REQUIRE_OK(akin_file_write_atomic(path, file.data, file.size / 2, err));
    check_refused(trainer, path, AKIN_ERR_CORRUPT, "w.safetensors");
    REQUIRE_OK(akin_file_write_atomic(path, "no", 2, err));
    check_refused(trainer, path, AKIN_ERR_CORRUPT, "w.safetensors");
    CHECK_EQ(akin_weights_preset(&found, "/nowhere/w", 3, NULL), AKIN_ERR_NOT_FOUND);
    akin_buffer_fini(&file);
    akin_free(w.numbers);
    akin_trainer_free(trainer);
    training_fini(&it);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
