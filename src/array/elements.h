/*
 * Private to array: elements as they lie in files, widened.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ARRAY_ELEMENTS_H
#define ARRAY_ELEMENTS_H

#include <stdbool.h>

#include "akin/array.h"

size_t elements_bytes(enum akin_tensor_type type); /* of one */
const char *elements_name(enum akin_tensor_type type);
bool elements_are_whole(enum akin_tensor_type type);
/* Turns the bytes of each of n elements round. */
void elements_swap(void *bytes, enum akin_tensor_type type, size_t n);

/* n elements that lie one behind the other, little-endian, perhaps unaligned; out[i * stride]. */
void elements_floats(float *out, size_t stride, const void *bytes, enum akin_tensor_type type,
                     size_t n);
void elements_doubles(double *out, size_t stride, const void *bytes, enum akin_tensor_type type,
                      size_t n);
/* Of whole types; n where all fit, else the first that is too large. */
size_t elements_integers(int64_t *out, size_t stride, const void *bytes, enum akin_tensor_type type,
                         size_t n);

#endif
