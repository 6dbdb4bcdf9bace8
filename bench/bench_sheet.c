/*
 * Answers as one picture, for the pages in docs/: a row for each place that is asked for, the tile
 * there first and the tiles most like it behind it. Tiles that overlap one that stands there
 * already, in its scene, are left out: they show the same.
 *
 *     bench_sheet DIR MODEL OUT.jpg LON,LAT...
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "akin/akin.h"
#include "bench.h"

#define COLUMNS 10 /* of pictures in a row */
#define SIDE 96    /* of a picture */
#define GAP 4
#define ASKED 200
#define QUALITY 80
#define BYTES_MAX ((size_t)8 << 20)

static bool overlap(uint64_t a, uint64_t b)
{
    long rows = labs((long)akin_tile_row(a) - (long)akin_tile_row(b));
    long cols = labs((long)akin_tile_col(a) - (long)akin_tile_col(b));
    return akin_tile_scene(a) == akin_tile_scene(b) && rows < 2 && cols < 2;
}

/* Nearest pixels: a tile is small and its picture not to be smoothed. */
static void draw(struct akin_raster *sheet, const struct akin_raster *tile, size_t left, size_t top)
{
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 0; x < SIDE; x++) {
            size_t from = (y * tile->height / SIDE) * tile->width + x * tile->width / SIDE;
            uint8_t *to = (uint8_t *)sheet->pixels + ((top + y) * sheet->width + left + x) * 3;
            const uint8_t *pixel = (const uint8_t *)tile->pixels + from * tile->bands;
            for (unsigned c = 0; c < 3; c++)
                to[c] = pixel[tile->bands == 3 ? c : 0];
        }
}

static akin_status draw_tile(akin_engine *engine, uint64_t key, struct akin_raster *sheet,
                             size_t left, size_t top, akin_error *err)
{
    struct akin_buffer jpeg;
    struct akin_raster tile = {0};
    akin_buffer_init(&jpeg, BYTES_MAX);
    akin_status status = akin_engine_picture(engine, key, 0, &jpeg, err);
    if (status == AKIN_OK)
        status = akin_jpeg_decode(jpeg.data, jpeg.size, 1 << 24, &tile, err);
    if (status == AKIN_OK)
        draw(sheet, &tile, left, top);
    akin_raster_fini(&tile);
    akin_buffer_fini(&jpeg);
    return status;
}

static akin_status ask(akin_engine *engine, const char *place, struct akin_answers *answers,
                       akin_error *err)
{
    double lon_lat[2];
    struct akin_question question;
    akin_question_init(&question);
    question.k = ASKED;
    question.keep_examples = true;
    akin_status status = akin_parse_doubles(lon_lat, 2, place, "a place", err);
    if (status == AKIN_OK) {
        const struct akin_example example = {.kind = AKIN_EXAMPLE_POINT,
                                             .lon_deg = lon_lat[0],
                                             .lat_deg = lon_lat[1],
                                             .time = akin_interval_unknown()};
        status = akin_question_add(&question, engine, &example, err);
    }
    if (status == AKIN_OK)
        status = akin_ask(engine, &question, answers, err);
    akin_question_fini(&question);
    return status;
}

/* The first answer is the tile that asks. */
static akin_status draw_row(akin_engine *engine, const char *place, struct akin_raster *sheet,
                            size_t top, akin_error *err)
{
    struct akin_answers answers = {0};
    uint64_t shown[COLUMNS];
    size_t count = 0;
    akin_status status = ask(engine, place, &answers, err);
    for (size_t i = 0; i < answers.count && count < COLUMNS && status == AKIN_OK; i++) {
        const uint64_t key = answers.answers[i].key;
        bool seen = false;
        for (size_t s = 0; s < count; s++)
            seen |= overlap(key, shown[s]);
        if (seen)
            continue;
        shown[count] = key;
        status =
            draw_tile(engine, key, sheet, count * (SIDE + GAP) + (count ? 2 * GAP : 0), top, err);
        count++;
    }
    akin_answers_free(&answers);
    return status;
}

static akin_status draw_sheet(akin_engine *engine, const char *path, char **places, size_t count,
                              akin_error *err)
{
    struct akin_raster sheet = {0};
    struct akin_buffer jpeg;
    akin_buffer_init(&jpeg, BYTES_MAX);
    akin_status status =
        akin_raster_init(&sheet, COLUMNS * (SIDE + GAP) + GAP,
                         (uint32_t)(count * (SIDE + GAP)) - GAP, 3, AKIN_U8, false, err);
    if (status == AKIN_OK)
        memset(sheet.pixels, 255, (size_t)sheet.width * sheet.height * 3);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        status = draw_row(engine, places[i], &sheet, i * (SIDE + GAP), err);
    if (status == AKIN_OK)
        status = akin_jpeg_encode(&sheet, QUALITY, &jpeg, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, jpeg.data, jpeg.size, err);
    akin_raster_fini(&sheet);
    akin_buffer_fini(&jpeg);
    return status;
}

int main(int argc, char **argv)
{
    akin_engine *engine = NULL;
    akin_error err = {0};
    if (argc < 5 || argc > 64) {
        fprintf(stderr, "usage: bench_sheet DIR MODEL OUT.jpg LON,LAT...\n");
        return 2;
    }
    const struct akin_engine_options options = {.model = argv[2]};
    akin_status status = akin_engine_open(&engine, argv[1], &options, &err);
    if (status == AKIN_OK)
        status = draw_sheet(engine, argv[3], argv + 4, (size_t)argc - 4, &err);
    akin_engine_close(engine);
    if (status != AKIN_OK)
        fprintf(stderr, "bench_sheet: %s\n", err.text);
    return status != AKIN_OK;
}
