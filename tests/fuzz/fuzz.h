/*
 * What the fuzz targets share: the way through an input, and what a broken property does. A target
 * is one file with fuzz_run(), which is given one input; with libFuzzer behind it (preset `fuzz`)
 * or with replay.c.
 *
 * An input is read from both ends: bytes and sizes from the front, decisions that are asked for
 * while something else runs from the back, so that one more of them does not shift all others.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Aborts with the place: both libFuzzer and ctest take that for a finding. */
#define FUZZ_CHECK(property)                                                                       \
    do {                                                                                           \
        if (!(property)) {                                                                         \
            fprintf(stderr, "fuzz: broken property: %s (%s:%d)\n", #property, __FILE__, __LINE__); \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct fuzz_input {
    const uint8_t *at, *end;
};

static inline size_t fuzz_left(const struct fuzz_input *input)
{
    return (size_t)(input->end - input->at);
}

/* From the front; 0 when nothing is left. */
static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static inline uint32_t fuzz_u16(struct fuzz_input *input)
{
    uint32_t high = fuzz_byte(input);

    return high << 8 | fuzz_byte(input);
}

/* At most `size` bytes from the front; `*size` is how many there were. */
static inline const uint8_t *fuzz_bytes(struct fuzz_input *input, size_t *size)
{
    const uint8_t *bytes = input->at;

    if (*size > fuzz_left(input))
        *size = fuzz_left(input);
    input->at += *size;
    return bytes;
}

/* From the back: a number below `count`. */
static inline uint32_t fuzz_choice(struct fuzz_input *input, uint32_t count)
{
    return input->at < input->end ? *--input->end % count : 0;
}

/* A copy that ends where its memory does, so that AddressSanitizer sees a byte too many. */
static inline void *fuzz_copy(const void *bytes, size_t size)
{
    void *copy = malloc(size > 0 ? size : 1);

    FUZZ_CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

/* The target. */
void fuzz_run(struct fuzz_input *input);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fuzz_input input = {bytes, bytes + size};

    fuzz_run(&input);
    return 0;
}

#endif
