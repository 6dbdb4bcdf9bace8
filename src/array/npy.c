/*
 * NPY, NumPy's own format (numpy.lib.format, versions 1.0 to 3.0): magic, version, the length of the
 * header (u16, from 2.0 on u32), then a Python literal
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (1000, 256), }
 * padded with blanks, then the numbers. Of Python only what such a dict needs is understood: quoted
 * texts, True, False, and a tuple of whole numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "akin/vec.h"
#include "array_private.h"

#define HEADER_BYTES_MAX 65536u
#define TEXT_MAX 64
#define RANK_MAX 8

struct header {
    char descr[TEXT_MAX];
    bool fortran;
    uint64_t dims[RANK_MAX];
    uint32_t rank;
    unsigned seen; /* of its three keys, a bit each */
};

/* ---- the literal ---- */

static void skip_blanks(const char **at)
{
    while (**at == ' ' || **at == '\t' || **at == '\n')
        (*at)++;
}

static bool take(const char **at, const char *word)
{
    skip_blanks(at);
    const size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0)
        return false;
    *at += length;
    return true;
}

/* 'text' or "text". */
static bool take_text(const char **at, char out[TEXT_MAX])
{
    skip_blanks(at);
    const char quote = **at;
    if (quote != '\'' && quote != '"')
        return false;
    const char *begin = *at + 1, *end = strchr(begin, quote);
    if (!end || end - begin >= TEXT_MAX || memchr(begin, '\\', (size_t)(end - begin)))
        return false;
    memcpy(out, begin, (size_t)(end - begin));
    out[end - begin] = '\0';
    *at = end + 1;
    return true;
}

static bool take_number(const char **at, uint64_t *out)
{
    skip_blanks(at);
    const char *begin = *at;
    *out = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        if (__builtin_mul_overflow(*out, 10u, out) ||
            __builtin_add_overflow(*out, (uint64_t)(**at - '0'), out))
            return false;
    if (*at != begin && **at == 'L')
        (*at)++; /* Python 2 */
    return *at != begin;
}

static bool take_shape(const char **at, struct header *header)
{
    if (!take(at, "("))
        return false;
    while (!take(at, ")")) {
        if (header->rank == RANK_MAX || !take_number(at, &header->dims[header->rank]))
            return false;
        header->rank++;
        if (!take(at, ",")) {
            return take(at, ")");
        }
    }
    return true;
}

static bool take_pair(const char **at, struct header *header)
{
    char key[TEXT_MAX];
    unsigned bit = 0;
    bool good = false;
    if (!take_text(at, key) || !take(at, ":"))
        return false;
    if (!strcmp(key, "descr")) {
        bit = 1;
        skip_blanks(at);
        good = take_text(at, header->descr);
    } else if (!strcmp(key, "fortran_order")) {
        bit = 2;
        header->fortran = take(at, "True");
        good = header->fortran || take(at, "False");
    } else if (!strcmp(key, "shape")) {
        bit = 4;
        good = take_shape(at, header);
    }
    good = good && !(header->seen & bit);
    header->seen |= bit;
    return good;
}

/* `text` ends with a NUL. */
static bool parse_header(struct header *header, const char *text)
{
    const char *at = text;
    *header = (struct header){.rank = 0};
    if (!take(&at, "{"))
        return false;
    while (!take(&at, "}")) {
        if (!take_pair(&at, header))
            return false;
        if (!take(&at, ",")) {
            if (!take(&at, "}"))
                return false;
            break;
        }
    }
    skip_blanks(&at);
    return *at == '\0' && header->seen == 7;
}

/* ---- types ---- */

/* datetime64: "M8[ms]". */
static bool set_time_unit(akin_array *array, const char *text)
{
    static const char *const units[] = {"D", "h", "m", "s", "ms", "us", "ns"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        char wanted[8];
        snprintf(wanted, sizeof wanted, "M8[%s]", units[i]);
        if (!strcmp(text, wanted)) {
            snprintf(array->info.time_unit, sizeof array->info.time_unit, "%s", units[i]);
            array->info.type = AKIN_TENSOR_I64;
            return true;
        }
    }
    return false;
}

static bool set_type(akin_array *array, const char *text)
{
    static const struct {
        const char *code;
        enum akin_tensor_type type;
    } codes[] = {{"f4", AKIN_TENSOR_F32}, {"f2", AKIN_TENSOR_F16}, {"f8", AKIN_TENSOR_F64},
                 {"i1", AKIN_TENSOR_I8},  {"u1", AKIN_TENSOR_U8},  {"b1", AKIN_TENSOR_BOOL},
                 {"i2", AKIN_TENSOR_I16}, {"u2", AKIN_TENSOR_U16}, {"i4", AKIN_TENSOR_I32},
                 {"u4", AKIN_TENSOR_U32}, {"i8", AKIN_TENSOR_I64}, {"u8", AKIN_TENSOR_U64}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (!strcmp(codes[i].code, text)) {
            array->info.type = codes[i].type;
            return true;
        }
    return set_time_unit(array, text);
}

static akin_status set_descr(akin_array *array, const char *descr, akin_error *err)
{
    const char order = descr[0];
    if ((order != '<' && order != '>' && order != '|' && order != '=') ||
        !set_type(array, descr + 1))
        return akin_error_set(
            err, AKIN_ERR_UNSUPPORTED,
            "'%s' has numbers of type '%s': floats f2, f4, f8, whole numbers i1 to "
            "i8 and u1 to u8, and datetime64 are read",
            array->path, descr);
    array->swap = order == '>';
    return AKIN_OK;
}

/* ---- the file ---- */

/* The header's text, of *length bytes, behind *begin bytes. */
static akin_status measure(const akin_array *array, uint32_t *begin, uint32_t *length,
                           akin_error *err)
{
    unsigned char head[12] = {0};
    const size_t there = array->file_bytes < sizeof head ? (size_t)array->file_bytes : sizeof head;
    akin_status status = akin_file_read_at(array->fd, head, there, 0, array->path, err);
    if (status != AKIN_OK)
        return status;
    const unsigned version = head[6];
    if (there > 7 && (version < 1 || version > 3))
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "'%s' is NPY of version %u.%u: 1 to 3 are read", array->path, version,
                              head[7]);
    *begin = version == 1 ? 10 : 12;
    *length = (uint32_t)head[8] | (uint32_t)head[9] << 8;
    if (version > 1)
        *length |= (uint32_t)head[10] << 16 | (uint32_t)head[11] << 24;
    if (there < *begin || *length > array->file_bytes - *begin)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' is cut short in its header",
                              array->path);
    if (*length > HEADER_BYTES_MAX)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "'%s' has a header of %u bytes: at most %u are read", array->path,
                              *length, HEADER_BYTES_MAX);
    return AKIN_OK;
}

akin_status npy_open(akin_array *array, akin_error *err)
{
    uint32_t begin = 0, length = 0;
    struct header header;
    akin_status status = measure(array, &begin, &length, err);
    if (status != AKIN_OK)
        return status;
    char *text = akin_alloc_zero(1, length + 1);
    if (!text)
        return akin_error_memory(err, length + 1, "a header");
    status = akin_file_read_at(array->fd, text, length, begin, array->path, err);
    if (status == AKIN_OK && (strlen(text) != length || !parse_header(&header, text)))
        status = akin_error_set(
            err, strstr(text, "'descr': [") ? AKIN_ERR_UNSUPPORTED : AKIN_ERR_CORRUPT,
            "'%s': its header is not that of a table of numbers: %.80s", array->path, text);
    akin_free(text);
    if (status != AKIN_OK)
        return status;
    array->info.format = "NPY";
    array->offset = begin + length;
    array->fortran = header.fortran && header.rank == 2;
    status = set_descr(array, header.descr, err);
    return status == AKIN_OK ? array_set_shape(array, header.dims, header.rank, err) : status;
}
