/*
 * A small network for the tests of the command line: a convolution with fixed random weights, OP
 * (Relu, or what only ONNX Runtime has: Sigmoid), the mean over the map.
 *
 *     make_onnx FILE PX [BANDS [OP]]     "pixels" (n, BANDS, PX, PX) -> "features" (n, 8)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "../../src/model/onnx_write.h"

#define K 3 /* a side of the convolution */
#define DIM 8

static void put_weights(struct onnx_writer *onnx, const int64_t dims[4])
{
    float weights[4096];
    const size_t count = (size_t)(dims[0] * dims[1] * dims[2] * dims[3]);
    for (size_t i = 0; i < count; i++)
        weights[i] = (float)(akin_random_unit(1, 2, i) - 0.5);
    onnx_tensor(onnx, "weight", 4, dims, weights);
}

static akin_status make(const char *path, int64_t px, int64_t bands, const char *op,
                        akin_error *err)
{
    struct onnx_writer *onnx = NULL;
    struct akin_buffer file;
    akin_status status = onnx_begin(&onnx, "test", err);
    if (status != AKIN_OK)
        return status;
    akin_buffer_init(&file, 1 << 20);
    onnx_input(onnx, "pixels", 4, (const int64_t[]){-1, bands, px, px});
    put_weights(onnx, (const int64_t[]){DIM, bands, K, K});
    onnx_node(onnx, "Conv", "map", ONNX_NAMES("pixels", "weight"),
              ONNX_ATTRIBUTES(onnx_ints("strides", 2, 2, 2), onnx_ints("pads", 4, 1, 1, 1, 1)));
    onnx_node(onnx, op, "positive", ONNX_NAMES("map"), NULL);
    onnx_node(onnx, "GlobalAveragePool", "mean", ONNX_NAMES("positive"), NULL);
    onnx_node(onnx, "Flatten", "features", ONNX_NAMES("mean"), NULL);
    onnx_output(onnx, "features", 2, (const int64_t[]){-1, DIM});
    status = onnx_finish(onnx, &file, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, file.data, file.size, err);
    akin_buffer_fini(&file);
    return status;
}

int main(int argc, char **argv)
{
    uint64_t px = 0, bands = 3;
    akin_error err = {0};
    if (argc < 3 || akin_parse_u64(&px, argv[2], 3, 1024, "PX", &err) != AKIN_OK ||
        (argc > 3 && akin_parse_u64(&bands, argv[3], 1, 8, "BANDS", &err) != AKIN_OK) ||
        make(argv[1], (int64_t)px, (int64_t)bands, argc > 4 ? argv[4] : "Relu", &err) != AKIN_OK) {
        fprintf(stderr, "make_onnx FILE PX [BANDS [OP]]: %s\n", err.text);
        return 1;
    }
    return 0;
}
