/*
 * The net's way to its vector written down as an ONNX graph, step for step what trained.c and
 * features.c do: batch normalisation is folded into the convolutions, as the encoder itself has it.
 * The instant part of the vector is not in it: its histograms are no operators of ONNX.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trained_export.h"

#include <stdio.h>
#include <string.h>

#include "akin/array.h"
#include "onnx_write.h"

#define NAME_MAX_BYTES 64
#define LENGTH_LEAST 1e-20f /* of the vector: zeros stay zeros */
#define DESCRIPTION                                                                                \
    "The net of an encoder that akin trained: one unit vector an image. In a collection the "      \
    "instant encoder's vector stands before it (docs/MODEL.md); it is not part of this file."

struct export
{
    const struct trained *trained;
    const float *folded; /* (parameter_count): net_fold's */
    struct onnx_writer *onnx;
};

/* ---- the net ---- */

/* relu(convolution + bias [+ add_to]); `out` is the value's name, and the convolution's. */
static void convolution(const struct export *it, const char *out, const char *in, uint32_t stride,
                        const char *add_to, bool relu)
{
    const struct arch_table *table = &it->trained->table;
    char weight[NAME_MAX_BYTES], bias[NAME_MAX_BYTES], norm[NAME_MAX_BYTES];
    char sum[NAME_MAX_BYTES], plain[NAME_MAX_BYTES];
    snprintf(weight, sizeof weight, "%s.weight", out);
    snprintf(bias, sizeof bias, "%s.bias", out);
    snprintf(sum, sizeof sum, "%s.sum", out);
    snprintf(plain, sizeof plain, relu ? "%s.plain" : "%s", out);
    net_norm_name(norm, sizeof norm, out);
    snprintf(norm + strlen(norm), sizeof norm - strlen(norm), ".bias");
    const struct arch_tensor *tensor = arch_find(table, weight);
    const int64_t dims[4] = {tensor->dims[0], tensor->dims[1], tensor->dims[2], tensor->dims[3]};
    const int k = (int)dims[2], pad = k / 2, step = (int)stride;
    onnx_tensor(it->onnx, weight, 4, dims, it->folded + tensor->offset);
    onnx_tensor(it->onnx, bias, 1, dims, it->folded + arch_find(table, norm)->offset);
    onnx_node(it->onnx, "Conv", plain, ONNX_NAMES(in, weight, bias),
              ONNX_ATTRIBUTES(onnx_ints("kernel_shape", 2, k, k),
                              onnx_ints("strides", 2, step, step),
                              onnx_ints("pads", 4, pad, pad, pad, pad)));
    if (add_to)
        onnx_node(it->onnx, "Add", sum, ONNX_NAMES(plain, add_to), NULL);
    if (relu)
        onnx_node(it->onnx, "Relu", out, ONNX_NAMES(add_to ? sum : plain), NULL);
}

/* `x` is the name of what goes in, and then of what comes out. */
static void block(const struct export *it, char *x, unsigned stage, unsigned index)
{
    static const char *const parts[3] = {"conv1", "conv2", "downsample.0"};
    const uint32_t stride = stage > 0 && index == 0 ? 2 : 1;
    char name[3][NAME_MAX_BYTES];
    for (unsigned i = 0; i < 3; i++)
        snprintf(name[i], sizeof name[i], "layer%u.%u.%s", stage + 1, index, parts[i]);
    if (stride > 1)
        convolution(it, name[2], x, stride, NULL, false);
    convolution(it, name[0], x, stride, NULL, true);
    convolution(it, name[1], name[0], 1, stride > 1 ? name[2] : x, true);
    memcpy(x, name[1], sizeof name[1]);
}

/* A value for each of n channels, which are the second dimension. */
static void put_channels(const struct export *it, const char *name, uint32_t n, const float *values)
{
    onnx_tensor(it->onnx, name, 4, (const int64_t[]){1, n, 1, 1}, values);
}

/* ---- from maps to the vector ---- */

static void mean_of(const struct export *it, const char *out, const char *map)
{
    onnx_node(it->onnx, "ReduceMean", out, ONNX_NAMES(map),
              ONNX_ATTRIBUTES(onnx_ints("axes", 2, 2, 3), onnx_int("keepdims", 0)));
}

/* One value of a stage's: "stage2.mean". */
struct name {
    char text[NAME_MAX_BYTES];
};

static struct name stage_name(unsigned stage, const char *what)
{
    struct name name;
    snprintf(name.text, sizeof name.text, "stage%u.%s", stage + 1, what);
    return name;
}

/* The root of what the squares' mean is above the mean's square, as features.c has it. */
static void deviation_of(const struct export *it, unsigned stage, const char *mean, const char *map)
{
    const struct name square = stage_name(stage, "square");
    const struct name mean_of_squares = stage_name(stage, "mean_of_squares");
    const struct name square_of_mean = stage_name(stage, "square_of_mean");
    const struct name difference = stage_name(stage, "difference");
    const struct name variance = stage_name(stage, "variance");
    onnx_node(it->onnx, "Mul", square.text, ONNX_NAMES(map, map), NULL);
    mean_of(it, mean_of_squares.text, square.text);
    onnx_node(it->onnx, "Mul", square_of_mean.text, ONNX_NAMES(mean, mean), NULL);
    onnx_node(it->onnx, "Sub", difference.text,
              ONNX_NAMES(mean_of_squares.text, square_of_mean.text), NULL);
    onnx_node(it->onnx, "Relu", variance.text, ONNX_NAMES(difference.text), NULL);
    onnx_node(it->onnx, "Sqrt", stage_name(stage, "deviation").text, ONNX_NAMES(variance.text),
              NULL);
}

/* Image to "features": all stages' means and deviations side by side. */
static void features(const struct export *it)
{
    const struct arch *arch = &it->trained->table.arch;
    struct name pooled[2 * ARCH_STAGES];
    const char *list[2 * ARCH_STAGES + 1] = {NULL};
    size_t count = 0;
    char x[NAME_MAX_BYTES] = "conv1";
    convolution(it, x, "normalised", 2, NULL, true);
    if (arch->max_pool) {
        onnx_node(it->onnx, "MaxPool", "pool", ONNX_NAMES(x),
                  ONNX_ATTRIBUTES(onnx_ints("kernel_shape", 2, 3, 3), onnx_ints("strides", 2, 2, 2),
                                  onnx_ints("pads", 4, 1, 1, 1, 1)));
        snprintf(x, sizeof x, "pool");
    }
    for (unsigned s = 0; s < ARCH_STAGES; s++) {
        bool mean, deviation;
        for (unsigned b = 0; b < arch->blocks; b++)
            block(it, x, s, b);
        map_features_taken(s, &mean, &deviation);
        if (!mean)
            continue;
        pooled[count] = stage_name(s, "mean");
        mean_of(it, pooled[count].text, x);
        if (deviation) {
            deviation_of(it, s, pooled[count].text, x);
            pooled[++count] = stage_name(s, "deviation");
        }
        count++;
    }
    for (size_t i = 0; i < count; i++)
        list[i] = pooled[i].text;
    onnx_node(it->onnx, "Concat", "features", list, ONNX_ATTRIBUTES(onnx_int("axis", 1)));
}

/* Features to "embedding": principal components, unit length. */
static void project(const struct export *it)
{
    const struct pca *pca = &it->trained->net_pca;
    const float least = LENGTH_LEAST;
    onnx_tensor(it->onnx, "pca.mean", 1, (const int64_t[]){pca->in}, pca->mean);
    onnx_tensor(it->onnx, "pca.basis", 2, (const int64_t[]){pca->out, pca->in}, pca->basis);
    onnx_tensor(it->onnx, "length.least", 0, NULL, &least);
    onnx_node(it->onnx, "Sub", "centred", ONNX_NAMES("features", "pca.mean"), NULL);
    onnx_node(it->onnx, "Gemm", "components", ONNX_NAMES("centred", "pca.basis"),
              ONNX_ATTRIBUTES(onnx_int("transB", 1)));
    onnx_node(it->onnx, "ReduceL2", "length", ONNX_NAMES("components"),
              ONNX_ATTRIBUTES(onnx_ints("axes", 1, 1), onnx_int("keepdims", 1)));
    onnx_node(it->onnx, "Max", "length.positive", ONNX_NAMES("length", "length.least"), NULL);
    onnx_node(it->onnx, "Div", "embedding", ONNX_NAMES("components", "length.positive"), NULL);
}

static void describe(const struct export *it)
{
    const struct trained *trained = it->trained;
    char px[16];
    snprintf(px, sizeof px, "%u", trained->train_px);
    onnx_metadata(it->onnx, "description", DESCRIPTION);
    onnx_metadata(it->onnx, "input", "pixel values of 0 to 255, missing ones filled by mirroring");
    onnx_metadata(it->onnx, "preset", arch_name(trained->table.arch.preset));
    onnx_metadata(it->onnx, "trained_at_px", px);
}

static akin_status write_onnx(struct export *it, const char *path, akin_error *err)
{
    const struct trained *trained = it->trained;
    const uint32_t bands = trained->table.arch.bands;
    struct akin_buffer file;
    akin_status status = onnx_begin(&it->onnx, "akin", err);
    if (status != AKIN_OK)
        return status;
    describe(it);
    onnx_input(it->onnx, "image", 4, (const int64_t[]){-1, bands, trained->px, trained->px});
    put_channels(it, "image.mean", bands, trained->mean);
    put_channels(it, "image.scale", bands, trained->scale);
    onnx_node(it->onnx, "Sub", "image.centred", ONNX_NAMES("image", "image.mean"), NULL);
    onnx_node(it->onnx, "Mul", "normalised", ONNX_NAMES("image.centred", "image.scale"), NULL);
    features(it);
    project(it);
    onnx_output(it->onnx, "embedding", 2, (const int64_t[]){-1, trained->net_pca.out});
    akin_buffer_init(&file, ONNX_BYTES_MAX);
    status = onnx_finish(it->onnx, &file, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, file.data, file.size, err);
    akin_buffer_fini(&file);
    return status;
}

/* ---- safetensors ---- */

/* "[12.5, 8]": a list as JSON has it, of numbers that come back as they were. */
static akin_status list_text(struct akin_buffer *out, const float *values, uint32_t n, bool inverse,
                             akin_error *err)
{
    char number[32];
    akin_status status = AKIN_OK;
    for (uint32_t i = 0; i < n && status == AKIN_OK; i++) {
        int length = snprintf(number, sizeof number, "%s%.9g", i ? ", " : "[",
                              (double)(inverse ? 1 / values[i] : values[i]));
        status = akin_buffer_append(out, number, (size_t)length, err);
    }
    return status == AKIN_OK ? akin_buffer_append(out, "]", 2, err) : status;
}

/* The encoder's tensors, without the head, which only training needs. */
static size_t list_tensors(struct akin_tensor *out, const struct trained *trained)
{
    const struct arch_table *table = &trained->table;
    size_t count = 0;
    for (size_t t = 0; t < table->count; t++) {
        const struct arch_tensor *from = &table->tensors[t];
        const bool counted = from->role == ARCH_MEAN || from->role == ARCH_VARIANCE;
        const float *block = counted ? trained->statistics : trained->parameters;
        struct akin_tensor *to = &out[count];
        if (from->head)
            continue;
        *to = (struct akin_tensor){.name = from->name,
                                   .type = AKIN_TENSOR_F32,
                                   .rank = from->rank,
                                   .count = from->count,
                                   .data = block + from->offset};
        for (uint32_t i = 0; i < from->rank; i++)
            to->dims[i] = from->dims[i];
        count++;
    }
    return count;
}

static akin_status write_safetensors(const struct trained *trained, const char *path,
                                     akin_error *err)
{
    const uint32_t bands = trained->table.arch.bands;
    struct akin_tensor tensors[ARCH_TENSORS_MAX];
    struct akin_buffer mean, std;
    char band_text[16], px[16];
    akin_buffer_init(&mean, 32 * AKIN_BANDS_MAX);
    akin_buffer_init(&std, 32 * AKIN_BANDS_MAX);
    snprintf(band_text, sizeof band_text, "%u", bands);
    snprintf(px, sizeof px, "%u", trained->train_px);
    akin_status status = list_text(&mean, trained->mean, bands, false, err);
    if (status == AKIN_OK)
        status = list_text(&std, trained->scale, bands, true, err);
    if (status == AKIN_OK) {
        const char *const words[] = {"format", "pt",
                                     "preset", arch_name(trained->table.arch.preset),
                                     "bands",  band_text,
                                     "px",     px,
                                     "mean",   (const char *)mean.data,
                                     "std",    (const char *)std.data,
                                     NULL};
        status = akin_safetensors_write(path, tensors, list_tensors(tensors, trained), words, err);
    }
    akin_buffer_fini(&mean);
    akin_buffer_fini(&std);
    return status;
}

/* ---- both ---- */

akin_status trained_export(const struct trained *trained, const char *folder, akin_error *err)
{
    const struct arch_table *table = &trained->table;
    char onnx[AKIN_PATH_MAX], weights[AKIN_PATH_MAX];
    float *folded = akin_alloc(table->parameter_count, sizeof *folded);
    if (!folded)
        return akin_error_memory(err, table->parameter_count * sizeof *folded, "folded weights");
    net_fold(table, trained->parameters, trained->statistics, folded);
    struct export it = {.trained = trained, .folded = folded};
    akin_status status = akin_path_join(onnx, folder, TRAINED_ONNX_NAME, err);
    if (status == AKIN_OK)
        status = akin_path_join(weights, folder, TRAINED_SAFETENSORS_NAME, err);
    if (status == AKIN_OK)
        status = write_onnx(&it, onnx, err);
    if (status == AKIN_OK)
        status = write_safetensors(trained, weights, err);
    akin_free(folded);
    return status;
}
