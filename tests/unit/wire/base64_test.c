/*
 * Goal: binary metadata survives the way there and back, padded or not, and broken base64 is
 * refused. Method: the vectors of RFC 4648, a round trip for every length up to 300 in buffers of
 * the exact size, and a table of what must be refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire_base64.h"

static void the_vectors_of_the_rfc_hold(void **state)
{
    static const struct {
        const char *bytes, *padded;
    } vectors[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xfe", "+//+"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        size_t size = strlen(vectors[i].bytes);
        size_t unpadded = strcspn(vectors[i].padded, "=");
        char text[16];
        uint8_t bytes[16];
        size_t decoded;

        assert_int_equal(tri__base64_encode(text, vectors[i].bytes, size), unpadded);
        assert_memory_equal(text, vectors[i].padded, unpadded);
        assert_int_equal(
            tri__base64_decode(bytes, &decoded, vectors[i].padded, strlen(vectors[i].padded)), 0);
        assert_int_equal(decoded, size);
        assert_memory_equal(bytes, vectors[i].bytes, size);
    }
}

static void every_length_comes_back(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 300; size++) {
        /* Exact sizes, so that a sanitizer sees one byte too many. */
        size_t text_size = TRI__BASE64_SIZE(size);
        uint8_t *bytes = malloc(size + 1);
        char *text = malloc(text_size + 1);
        uint8_t *decoded = malloc(TRI__BASE64_DECODED_MAX(text_size) + 1);
        size_t decoded_size;

        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(i * 151 + size * 7);
        text[text_size] = 0x5a;
        decoded[TRI__BASE64_DECODED_MAX(text_size)] = 0x5a;
        assert_int_equal(tri__base64_encode(text, bytes, size), text_size);
        assert_int_equal(tri__base64_decode(decoded, &decoded_size, text, text_size), 0);
        assert_int_equal(decoded_size, size);
        assert_int_equal(decoded_size, TRI__BASE64_DECODED_MAX(text_size));
        assert_memory_equal(decoded, bytes, size);
        assert_int_equal(text[text_size], 0x5a);
        assert_int_equal(decoded[size], 0x5a);

        assert_int_equal(tri__base64_decode((uint8_t *)text, &decoded_size, text, text_size), 0);
        assert_memory_equal(text, bytes, size);
        free(bytes);
        free(text);
        free(decoded);
    }
}

static void all_else_is_refused(void **state)
{
    static const char *const texts[] = {
        "A",        "AAAAA",  "=",          "==",       "====", "A===",  "AA=",
        "AAA==",    "AAAA=",  "A=AA",       "AA=A",     "AA A", "AAA\n", "AA-_",
        "AAAA====", "AAAA==", "\xc3\xa9zz", "Zg==Zg==", "AAA*", "Zg= =",
    };
    uint8_t bytes[16];
    size_t decoded = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (tri__base64_decode(bytes, &decoded, texts[i], strlen(texts[i])) != -EINVAL)
            fail_msg("\"%s\" was taken", texts[i]);
    }
    assert_int_equal(tri__base64_decode(bytes, &decoded, "AA\0A", 4), -EINVAL);
    assert_int_equal(decoded, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc_hold),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(all_else_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
