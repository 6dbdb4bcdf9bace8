/*
 * Arrays in files: what NumPy wrote (tests/array/golden), vecs files and safetensors made here, read
 * whole and in pieces; what is written, byte for byte; files cut short at every length.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/array.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "akin/vec.h"

#define GOLDEN "tests/array/golden/"
#define ROWS 7
#define COLS 5

static akin_array *open_golden(const char *name)
{
    char path[200];
    akin_array *array = NULL;
    akin_error error = {0};
    snprintf(path, sizeof path, GOLDEN "%s", name);
    if (akin_array_open(&array, path, NULL, &error) != AKIN_OK)
        check_text(error.text, "", __FILE__, __LINE__, name);
    return array;
}

/* Every row, in pieces of `step`, as floats, doubles and (whole numbers) integers: 5 r + c + first. */
static int count_wrong(akin_array *array, size_t step, double first, bool whole)
{
    float floats[ROWS * COLS];
    double doubles[ROWS * COLS];
    int64_t integers[ROWS * COLS] = {0};
    int wrong = 0;
    for (size_t row = 0; row < ROWS; row += step) {
        const size_t n = ROWS - row < step ? ROWS - row : step;
        akin_error error = {0};
        wrong += akin_array_floats(array, row, n, floats, &error) != AKIN_OK;
        wrong += akin_array_doubles(array, row, n, doubles, &error) != AKIN_OK;
        wrong += akin_array_integers(array, row, n, integers, &error) !=
                 (whole ? AKIN_OK : AKIN_ERR_UNSUPPORTED);
        for (size_t i = 0; i < n * COLS; i++) {
            const double value = (double)(row * COLS + i) + first;
            wrong += (double)floats[i] != value || doubles[i] != value ||
                     (whole && (double)integers[i] != value);
        }
    }
    return wrong;
}

TEST(every_type_and_order_of_numpy)
{
    static const char *const types[] = {"f2", "f4", "f8", "i1", "i2", "i4",
                                        "i8", "u1", "u2", "u4", "u8"};
    for (size_t i = 0; i < 22; i++) {
        const char *type = types[i / 2];
        char name[64];
        snprintf(name, sizeof name, "%s-%s.npy", i % 2 ? "fortran" : "c", type);
        akin_array *array = open_golden(name);
        REQUIRE(array != NULL);
        const struct akin_array_info *info = akin_array_info(array);
        CHECK_EQ(info->rows, ROWS);
        CHECK_EQ(info->cols, COLS);
        CHECK_EQ(info->rank, 2);
        CHECK_TEXT(info->format, "NPY");
        const double first = *type == 'f' ? -11.5 : *type == 'u' ? 0 : -12;
        for (size_t step = 1; step <= ROWS; step++)
            CHECK_EQ(count_wrong(array, step, first, *type != 'f'), 0);
        akin_array_close(array);
    }
}

TEST(versions_and_byte_orders_of_numpy)
{
    static const char *const names[] = {"version-1.npy", "version-2.npy", "version-3.npy",
                                        "big-endian-f4.npy", "big-endian-fortran-i2.npy"};
    for (size_t i = 0; i < 5; i++) {
        akin_array *array = open_golden(names[i]);
        REQUIRE(array != NULL);
        CHECK_EQ(count_wrong(array, 3, i == 4 ? -12 : -11.5, i == 4), 0);
        akin_array_close(array);
    }
}

TEST(one_number_a_row_and_times)
{
    int64_t values[ROWS];
    akin_array *array = open_golden("flat.npy");
    REQUIRE(array != NULL);
    CHECK_EQ(akin_array_info(array)->rank, 1);
    CHECK_EQ(akin_array_info(array)->cols, 1);
    REQUIRE_OK(akin_array_integers(array, 0, ROWS, values, err));
    CHECK(values[0] == -3 && values[6] == 3);
    CHECK_EQ(akin_array_integers(array, 5, 3, values, NULL), AKIN_ERR_INVALID);
    akin_array_close(array);
    array = open_golden("bool.npy");
    REQUIRE(array != NULL);
    REQUIRE_OK(akin_array_integers(array, 0, ROWS, values, err));
    CHECK(values[0] == 1 && values[1] == 0);
    akin_array_close(array);
    array = open_golden("times.npy");
    REQUIRE(array != NULL);
    CHECK_TEXT(akin_array_info(array)->time_unit, "ms");
    REQUIRE_OK(akin_array_integers(array, 0, 3, values, err));
    CHECK_EQ(values[0], -1);
    CHECK_EQ(values[1], 1601164800000);
    CHECK_EQ(values[2], INT64_MIN);
    akin_array_close(array);
    array = open_golden("days.npy");
    REQUIRE(array != NULL);
    CHECK_TEXT(akin_array_info(array)->time_unit, "D");
    akin_array_close(array);
    array = open_golden("empty.npy");
    REQUIRE(array != NULL);
    CHECK(akin_array_info(array)->rows == 0 && akin_array_info(array)->cols == 5);
    akin_array_close(array);
}

TEST(what_numpy_writes_and_is_no_table_is_refused)
{
    static const char *const cases[][2] = {{"no-columns.npy", "rows of 0 numbers"},
                                           {"three.npy", "an array of 3 dimensions"},
                                           {"scalar.npy", "an array of 0 dimensions"},
                                           {"complex.npy", "numbers of type '<c8'"},
                                           {"text.npy", "numbers of type '<U2'"},
                                           {"object.npy", "numbers of type '|O'"},
                                           {"record.npy", "not that of a table of numbers"},
                                           {"make.py", "is no NPY file, and its name"},
                                           {"absent.npy", "absent.npy"},
                                           {"", "is not a file"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[200];
        akin_array *array = NULL;
        akin_error error = {0};
        snprintf(path, sizeof path, GOLDEN "%s", cases[i][0]);
        CHECK(akin_array_open(&array, path, NULL, &error) != AKIN_OK);
        CHECK(array == NULL);
        CHECK_CONTAINS(error.text, cases[i][1]);
    }
}

/* ---- files made here ---- */

static const char *write_file(const char *name, const void *bytes, size_t size)
{
    static char path[AKIN_PATH_MAX];
    CHECK_EQ(akin_path_join(path, check_folder(), name, NULL), AKIN_OK);
    CHECK_EQ(akin_file_write_atomic(path, bytes, size, NULL), AKIN_OK);
    return path;
}

static akin_status open_bytes(akin_array **out, const char *name, const void *bytes, size_t size,
                              akin_error *err)
{
    return akin_array_open(out, write_file(name, bytes, size), NULL, err);
}

static size_t make_vecs(unsigned char *out, char type)
{
    size_t size = 0;
    for (int r = 0; r < ROWS; r++) {
        const int32_t cols = COLS;
        memcpy(out + size, &cols, 4);
        size += 4;
        for (int c = 0; c < COLS; c++) {
            const int32_t whole = 5 * r + c;
            const float real = (float)whole;
            if (type == 'b')
                out[size] = (unsigned char)whole;
            else
                memcpy(out + size, type == 'f' ? (const void *)&real : &whole, 4);
            size += type == 'b' ? 1 : 4;
        }
    }
    return size;
}

TEST(vecs_files_and_their_faults)
{
    unsigned char bytes[ROWS * (4 + 4 * COLS) + 4];
    char name[16];
    for (const char *type = "fbi"; *type; type++) {
        akin_array *array = NULL;
        akin_error error = {0};
        float floats[ROWS * COLS];
        snprintf(name, sizeof name, "a.%cvecs", *type);
        const size_t size = make_vecs(bytes, *type), row = size / ROWS;
        REQUIRE_OK(open_bytes(&array, name, bytes, size, err));
        CHECK_EQ(akin_array_info(array)->rows, ROWS);
        CHECK_EQ(count_wrong(array, 2, 0, *type != 'f'), 0);
        akin_array_close(array);
        array = NULL;
        for (size_t cut = 0; cut < size; cut++)
            if (open_bytes(&array, name, bytes, cut, &error) == AKIN_OK) {
                CHECK(cut % row == 0); /* whole rows are a file of their own */
                akin_array_close(array);
                array = NULL;
            } else {
                CHECK(error.status == AKIN_ERR_CORRUPT && error.text[0]);
            }
        bytes[3 * row] = COLS - 1;
        REQUIRE_OK(open_bytes(&array, name, bytes, size, err));
        CHECK_EQ(akin_array_floats(array, 0, 3, floats, &error), AKIN_OK);
        CHECK_EQ(akin_array_floats(array, 2, 3, floats, &error), AKIN_ERR_CORRUPT);
        CHECK_CONTAINS(error.text, "row 3: 4 numbers where row 0 has 5");
        akin_array_close(array);
        array = NULL;
        bytes[3] = 0x80;
        CHECK_EQ(open_bytes(&array, name, bytes, size, &error), AKIN_ERR_CORRUPT);
    }
}

TEST(a_tensor_is_chosen_by_name)
{
    static const float a[] = {1, 2, 3, 4, 5, 6}, b[] = {7, 8, 9};
    const struct akin_tensor tensors[] = {
        {.name = "b", .type = AKIN_TENSOR_F32, .rank = 1, .dims = {3}, .count = 3, .data = b},
        {.name = "a", .type = AKIN_TENSOR_F32, .rank = 2, .dims = {3, 2}, .count = 6, .data = a}};
    char path[AKIN_PATH_MAX];
    akin_array *array = NULL;
    akin_error error = {0};
    float row[2];
    REQUIRE_OK(akin_path_join(path, check_folder(), "t.safetensors", err));
    REQUIRE_OK(akin_safetensors_write(path, tensors, 2, NULL, err));
    REQUIRE_OK(akin_array_open(&array, path, "a", err));
    CHECK(akin_array_info(array)->rows == 3 && akin_array_info(array)->cols == 2);
    REQUIRE_OK(akin_array_floats(array, 1, 1, row, err));
    CHECK(row[0] == 3 && row[1] == 4);
    akin_array_close(array);
    array = NULL;
    CHECK_EQ(akin_array_open(&array, path, NULL, &error), AKIN_ERR_INVALID);
    CHECK_CONTAINS(error.text, "It has: a, b");
    CHECK_EQ(akin_array_open(&array, path, "c", &error), AKIN_ERR_INVALID);
    CHECK_CONTAINS(error.text, "no tensor 'c' (it has: a, b)");
    REQUIRE_OK(akin_safetensors_write(path, tensors, 1, NULL, err));
    REQUIRE_OK(akin_array_open(&array, path, NULL, err)); /* the only one */
    CHECK(akin_array_info(array)->rows == 3 && akin_array_info(array)->rank == 1);
    akin_array_close(array);
}

/* ---- NPY written ---- */

TEST(what_is_written_is_what_numpy_writes)
{
    float values[ROWS * COLS];
    struct akin_map ours, theirs;
    char path[AKIN_PATH_MAX];
    for (int i = 0; i < ROWS * COLS; i++)
        values[i] = (float)i - 11.5f;
    for (int half = 0; half < 2; half++) {
        akin_npy_writer *writer = NULL;
        REQUIRE_OK(akin_path_join(path, check_folder(), "w.npy", err));
        REQUIRE_OK(
            akin_npy_begin(&writer, path, half ? AKIN_TENSOR_F16 : AKIN_TENSOR_F32, COLS, err));
        REQUIRE_OK(akin_npy_append(writer, values, 3, err));
        REQUIRE_OK(akin_npy_append(writer, values + 3 * COLS, 4, err));
        REQUIRE_OK(akin_npy_commit(writer, err));
        REQUIRE_OK(akin_map_open(&ours, path, err));
        REQUIRE_OK(akin_map_open(&theirs, half ? GOLDEN "c-f2.npy" : GOLDEN "c-f4.npy", err));
        CHECK(ours.size == theirs.size && !memcmp(ours.data, theirs.data, ours.size));
        akin_map_close(&ours);
        akin_map_close(&theirs);
    }
}

TEST(a_cut_or_changed_npy_file_is_refused_or_read_within_bounds)
{
    struct akin_buffer bytes;
    akin_buffer_init(&bytes, 4096);
    REQUIRE_OK(akin_file_read(&bytes, GOLDEN "c-f4.npy", err));
    for (size_t cut = 0; cut < bytes.size; cut++) {
        akin_array *array = NULL;
        akin_error error = {0};
        CHECK(open_bytes(&array, "cut.npy", bytes.data, cut, &error) == AKIN_ERR_CORRUPT);
        CHECK(array == NULL && error.text[0]);
    }
    REQUIRE_OK(akin_buffer_append(&bytes, "x", 1, err));
    akin_array *array = NULL;
    akin_error error = {0};
    CHECK_EQ(open_bytes(&array, "long.npy", bytes.data, bytes.size, &error), AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(error.text, "1 bytes behind its 7 rows");
    int opened = 0;
    for (size_t at = 0; at < 128 && at < bytes.size; at++) {
        float row[64];
        const char was = bytes.data[at];
        bytes.data[at] ^= 1;
        if (open_bytes(&array, "flip.npy", bytes.data, bytes.size - 1, NULL) == AKIN_OK) {
            opened++;
            for (uint64_t i = 0; i < akin_array_info(array)->rows; i++)
                CHECK(akin_array_info(array)->cols > 64 ||
                      akin_array_floats(array, i, 1, row, NULL) == AKIN_OK);
            akin_array_close(array);
            array = NULL;
        }
        bytes.data[at] = was;
    }
    CHECK(opened >= 1 && opened < 30); /* the minor version, say */
    akin_buffer_fini(&bytes);
}

TEST(a_header_that_lies)
{
    static const char *const cases[][2] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 5), }",
         "header is not"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 5), }",
         "cannot be that"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 4294967297), }",
         "rows of 4294967297"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (1, 1), }", "header is not"},
        {"{'descr': '<f4', 'fortran_order': False}", "header is not"},
        {"{'descr': '<f4', 'fortran_order': 1, 'shape': (1, 1)}", "header is not"},
        {"{'descr': '?f4', 'fortran_order': False, 'shape': (1, 1)}", "numbers of type '?f4'"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 1)}", "header is not"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)} x", "header is not"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)", "header is not"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}", "cut short"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[300] = "\x93NUMPY\x01";
        akin_array *array = NULL;
        akin_error error = {0};
        const size_t length = strlen(cases[i][0]);
        bytes[8] = (char)length;
        memcpy(bytes + 10, cases[i][0], length);
        CHECK(open_bytes(&array, "lie.npy", bytes, 10 + length + 4, &error) != AKIN_OK);
        CHECK_CONTAINS(error.text, cases[i][1]);
    }
}

/* Larger than what is read at once, in both orders. */
TEST(many_rows_come_out_as_they_went_in)
{
    enum { N = 30000, D = 33 };
    akin_npy_writer *writer = NULL;
    akin_array *array = NULL;
    char path[AKIN_PATH_MAX];
    float *values = calloc((size_t)N * D, sizeof *values),
          *read = calloc((size_t)N * D, sizeof *read);
    for (size_t i = 0; i < (size_t)N * D; i++)
        values[i] = (float)i;
    REQUIRE_OK(akin_path_join(path, check_folder(), "big.npy", err));
    REQUIRE_OK(akin_npy_begin(&writer, path, AKIN_TENSOR_F32, D, err));
    REQUIRE_OK(akin_npy_append(writer, values, N, err));
    REQUIRE_OK(akin_npy_commit(writer, err));
    REQUIRE_OK(akin_array_open(&array, path, NULL, err));
    const size_t peak = akin_memory_peak();
    REQUIRE_OK(akin_array_floats(array, 0, N, read, err));
    CHECK(!memcmp(values, read, (size_t)N * D * sizeof *values));
    CHECK_EQ(akin_memory_peak(), peak);
    akin_array_close(array);
    /* The same bytes are, in Fortran order, a table of D rows and N columns' transpose. */
    struct akin_map map;
    REQUIRE_OK(akin_map_open(&map, path, err));
    char *copy = malloc(map.size);
    memcpy(copy, map.data, map.size);
    char *order = strstr(copy + 10, "False, 'shape': (30000, 33), }");
    REQUIRE(order != NULL);
    memcpy(order, "True,  'shape': (33, 30000), }", 30);
    REQUIRE_OK(open_bytes(&array, "fortran.npy", copy, map.size, err));
    REQUIRE_OK(akin_array_floats(array, 1, 2, read, err));
    size_t wrong = 0;
    for (size_t c = 0; c < N; c++)
        wrong += read[c] != values[c * D + 1] || read[N + c] != values[c * D + 2];
    CHECK_EQ(wrong, 0);
    akin_array_close(array);
    akin_map_close(&map);
    free(copy);
    free(values);
    free(read);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
