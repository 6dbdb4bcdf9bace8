/*
 * Turns pictures in the IDX format (as MNIST and its kin come) into vectors of their bytes, 0..255 each: from standard input,
 * at most ROWS of them, into FILE.
 *
 *     zcat train-images-idx3-ubyte.gz | bench_make_images FILE ROWS
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench_set.h"

static uint32_t read_u32(void)
{
    unsigned char b[4];
    if (fread(b, 1, 4, stdin) != 4)
        bench_die("cut short", "the head of an IDX file");
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

int main(int argc, char **argv)
{
    unsigned char pixels[4096];
    float values[4096];
    uint32_t most = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    if (!most)
        bench_die("usage", "bench_make_images FILE ROWS <IDX");
    if (read_u32() != 0x0803) /* bytes, three dimensions */
        bench_die("not an IDX file of 8-bit pictures", "standard input");
    uint32_t count = read_u32(), height = read_u32(), width = read_u32();
    if (!height || !width || height > 4096 || width > 4096 / height)
        bench_die("more than 4096 pixels a picture", "standard input");
    FILE *out = fopen(argv[1], "wb");
    if (!out)
        bench_die("cannot write", argv[1]);
    for (uint32_t i = 0; i < count && i < most; i++) {
        if (fread(pixels, 1, (size_t)width * height, stdin) != (size_t)width * height)
            bench_die("cut short", "an IDX file");
        for (uint32_t j = 0; j < width * height; j++)
            values[j] = pixels[j];
        bench_write(out, values, (size_t)width * height * sizeof *values);
    }
    bench_close(out);
    return 0;
}
