/*
 * akin init: makes a collection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "cli.h"

enum { TILE, OVERLAP, INPUT, BANDS, MAX_NODATA, NO_CHIPS, KEEP_BLACK, SEED };

static const struct cli_option options[] = {
    {0, "tile", "N",
     "side of a tile in pixels, 16 to 4096 (default 256); given, it cuts\n"
     "images without a georeference too, which are one tile each otherwise"},
    {0, "overlap", "F", "share of a tile that the next one repeats, 0 to 0.9 (default 0.5)"},
    {0, "input", "N", "side in pixels of what the encoder sees, 16 to 512 (default 64)"},
    {0, "bands", "N",
     "bands of the tiles, 1 to 64 (default: as many as most\nimages of the first add have)"},
    {0, "max-nodata", "F",
     "tiles with a larger share of missing pixels are skipped, 0 to 1\n(default 0.25)"},
    {0, "no-chips", NULL,
     "do not keep the tiles' pixels: no pictures in the answers, no re-embedding"},
    {0, "keep-black", NULL,
     "black areas of georeferenced 8-bit images are pictures, not gaps\nbetween swaths or polar "
     "night"},
    {0, "seed", "N", "of everything random in this collection (default 1)"},
    {0}};

static int run(int argc, char **argv);
const struct cli_command cmd_init = {
    "init",
    "make a collection",
    "DIR [options]",
    "Makes the folder DIR and in it a collection: a catalogue and folders for tiles,\n"
    "encoders and indexes. What is set here holds for the life of the collection.",
    options,
    run};

static akin_status set(struct akin_settings *settings, int option, const char *value,
                       akin_error *err)
{
    uint64_t number = 0;
    akin_status status = AKIN_OK;
    switch (option) {
    case TILE:
        status = akin_parse_u64(&number, value, 16, 4096, "--tile", err);
        settings->tile_px = (uint32_t)number;
        settings->tile_always = true;
        break;
    case OVERLAP:
        return akin_parse_double(&settings->overlap, value, 0, 0.9, "--overlap", err);
    case INPUT:
        status = akin_parse_u64(&number, value, 16, 512, "--input", err);
        settings->input_px = (uint32_t)number;
        break;
    case BANDS:
        status = akin_parse_u64(&number, value, 1, AKIN_BANDS_MAX, "--bands", err);
        settings->bands = (uint32_t)number;
        break;
    case MAX_NODATA:
        return akin_parse_double(&settings->nodata_max, value, 0, 1, "--max-nodata", err);
    case NO_CHIPS:
        settings->chips = false;
        break;
    case KEEP_BLACK:
        settings->black_is_gap = false;
        break;
    default:
        return akin_parse_u64(&settings->seed, value, 0, UINT64_MAX, "--seed", err);
    }
    return status;
}

static int run(int argc, char **argv)
{
    struct cli_parser parser;
    struct akin_settings settings;
    const char *dir = NULL, *value;
    akin_error err = {0};
    int option;

    akin_settings_default(&settings);
    cli_parser_init(&parser, &cmd_init, argc, argv);
    while ((option = cli_next(&parser, &value)) != CLI_END) {
        if (option <= CLI_BAD)
            return cli_exit(option);
        if (option == CLI_WORD && !cli_take_dir(&cmd_init, &dir, value))
            return CLI_MISUSE;
        if (option == CLI_WORD)
            continue;
        if (set(&settings, option, value, &err) != AKIN_OK)
            return cli_misuse(&cmd_init, "%s", err.text);
    }
    if (!dir)
        return cli_misuse(&cmd_init, "which folder?");
    if (akin_catalog_create(dir, &settings, &err) != AKIN_OK)
        return cli_fail(&err);
    fprintf(stderr, "made the collection '%s'; next: akin add %s SOURCE...\n", dir, dir);
    return CLI_OK;
}
