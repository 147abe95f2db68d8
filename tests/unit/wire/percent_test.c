/*
 * Goal: what goes out as grpc-message is a header value that every peer takes, is decoded to the
 * text that went in, and never overruns or cuts a character. Method: a table; then seeded random
 * bytes, encoded into every size of buffer with a guard behind it, checked against a decoder
 * written here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "wire_percent.h"

#define GUARD 0x5a

static void expect(const char *text, size_t size, size_t out_size, const char *expected)
{
    char out[256];

    memset(out, GUARD, sizeof(out));
    assert_true(out_size < sizeof(out));
    size_t written = tri__percent_encode(out, out_size, text, size);

    if (written != strlen(expected) || memcmp(out, expected, written) != 0)
        fail_msg("got \"%.*s\", expected \"%s\"", (int)written, out, expected);
    assert_int_equal(out[out_size], GUARD);
}

#define EXPECT(text, expected) expect(text, sizeof(text) - 1, 200, expected)

static void ascii_stays_but_for_a_few(void **state)
{
    (void)state;
    EXPECT("", "");
    EXPECT("no user 7", "no user 7");
    EXPECT("!\"#$&'()*,-./09:;<=>?@AZ[\\]^_`az{|}~", "!\"#$&'()*,-./09:;<=>?@AZ[\\]^_`az{|}~");
    EXPECT("100%", "100%25");
    EXPECT("a+b", "a%2Bb");
    EXPECT("a\nb\r\tc\x7f", "a%0Ab%0D%09c%7F");
    EXPECT("a\0b", "a%00b");
}

static void spaces_at_the_ends_are_encoded(void **state)
{
    (void)state;
    EXPECT(" ", "%20");
    EXPECT("  ", "%20%20");
    EXPECT("   ", "%20 %20");
    EXPECT(" a b ", "%20a b%20");
    expect("a b", 3, 2, "a");
    expect("a  b", 4, 3, "a");
}

static void characters_are_encoded(void **state)
{
    (void)state;
    EXPECT("\xc3\xa9", "%C3%A9");
    EXPECT("\xe2\x82\xac", "%E2%82%AC");
    EXPECT("\xf0\x9f\x98\x80!", "%F0%9F%98%80!");
    EXPECT("\xf4\x8f\xbf\xbf", "%F4%8F%BF%BF");
    EXPECT("\xed\x9f\xbf\xee\x80\x80", "%ED%9F%BF%EE%80%80");
}

static void what_is_no_character_is_replaced(void **state)
{
    (void)state;
    EXPECT("\x80", "%EF%BF%BD");
    EXPECT("\xff", "%EF%BF%BD");
    EXPECT("\xc3", "%EF%BF%BD");
    EXPECT("\xc3(", "%EF%BF%BD(");
    EXPECT("\xc0\xaf", "%EF%BF%BD%EF%BF%BD");                           /* longer than needed */
    EXPECT("\xe0\x9f\xbf", "%EF%BF%BD%EF%BF%BD%EF%BF%BD");              /* the same */
    EXPECT("\xed\xa0\x80", "%EF%BF%BD%EF%BF%BD%EF%BF%BD");              /* a surrogate */
    EXPECT("\xf4\x90\x80\x80", "%EF%BF%BD%EF%BF%BD%EF%BF%BD%EF%BF%BD"); /* above U+10FFFF */
    EXPECT("\xe2\x82", "%EF%BF%BD%EF%BF%BD");
}

static void a_short_buffer_holds_whole_characters(void **state)
{
    (void)state;
    for (size_t size = 0; size < 12; size++)
        expect("\xf0\x9f\x98\x80", 4, size, "");
    expect("\xf0\x9f\x98\x80", 4, 12, "%F0%9F%98%80");
    expect("a\xc3\xa9z", 4, 6, "a");
    expect("a\xc3\xa9z", 4, 7, "a%C3%A9");
    expect("ab%", 3, 4, "ab");
    expect("\xff", 1, 8, "");
}

static unsigned digit_of(char digit)
{
    return (unsigned)(digit <= '9' ? digit - '0' : digit - 'A' + 10);
}

/* Decodes what is well formed; fails the test for all else. */
static size_t decode(char *out, const char *text, size_t size)
{
    size_t written = 0;

    for (size_t i = 0; i < size; i++) {
        assert_in_range((uint8_t)text[i], 0x20, 0x7e);
        if (text[i] != '%') {
            out[written++] = text[i];
            continue;
        }
        assert_true(i + 2 < size);
        assert_non_null(memchr("0123456789ABCDEF", text[i + 1], 16));
        assert_non_null(memchr("0123456789ABCDEF", text[i + 2], 16));
        out[written++] = (char)(digit_of(text[i + 1]) << 4 | digit_of(text[i + 2]));
        i += 2;
    }
    return written;
}

static void any_bytes_fit_and_come_back_valid(void **state)
{
    static const char pool[] = "ab %+\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff\x80\xed\xa0\n";
    unsigned seed = 20240607;
    char text[20], out[TRI__PERCENT_MAX(sizeof(text)) + 1];
    char decoded[sizeof(out)], again[sizeof(out) * 9], twice[sizeof(out)];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t size = (size_t)rand_r(&seed) % (sizeof(text) + 1);

        for (size_t i = 0; i < size; i++)
            text[i] = pool[(size_t)rand_r(&seed) % (sizeof(pool) - 1)];
        size_t out_size = (size_t)rand_r(&seed) % sizeof(out);

        if (round % 2 == 0)
            out_size = TRI__PERCENT_MAX(size);
        memset(out, GUARD, sizeof(out));
        size_t written = tri__percent_encode(out, out_size, text, size);

        assert_true(written <= out_size);
        assert_int_equal(out[out_size], GUARD);
        if (written > 0)
            assert_true(out[0] != ' ' && out[written - 1] != ' ');
        /* What comes back is valid UTF-8: encoding it again replaces nothing. */
        size_t decoded_size = decode(decoded, out, written);
        size_t again_size = tri__percent_encode(again, sizeof(again), decoded, decoded_size);

        assert_int_equal(decode(twice, again, again_size), decoded_size);
        assert_memory_equal(twice, decoded, decoded_size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_stays_but_for_a_few),
        cmocka_unit_test(spaces_at_the_ends_are_encoded),
        cmocka_unit_test(characters_are_encoded),
        cmocka_unit_test(what_is_no_character_is_replaced),
        cmocka_unit_test(a_short_buffer_holds_whole_characters),
        cmocka_unit_test(any_bytes_fit_and_come_back_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
