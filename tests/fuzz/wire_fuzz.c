/*
 * Goal: the codecs of headers keep their promises for any bytes: what is encoded is decoded to the
 * same, what comes out is a valid field, nothing is written beyond the size that is promised.
 * Method: each codec against a second, plain one written here.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <strings.h>

#include "fuzz.h"
#include "wire_base64.h"
#include "wire_field.h"
#include "wire_frame.h"
#include "wire_percent.h"
#include "wire_status.h"
#include "wire_timeout.h"

static void check_base64(const char *text, size_t size)
{
    size_t encoded_size = TRI__BASE64_SIZE(size), decoded_size = SIZE_MAX;
    char *encoded = fuzz_copy(text, 0);
    uint8_t *decoded = malloc(TRI__BASE64_DECODED_MAX(size) + 1);

    encoded = realloc(encoded, encoded_size + 1);
    FUZZ_CHECK(encoded != NULL && decoded != NULL);
    FUZZ_CHECK(tri__base64_encode(encoded, text, size) == encoded_size);
    FUZZ_CHECK(TRI__BASE64_DECODED_MAX(encoded_size) >= size);
    FUZZ_CHECK(tri__field_value_is_valid(encoded, encoded_size));
    FUZZ_CHECK(tri__base64_decode((uint8_t *)encoded, &decoded_size, encoded, encoded_size) == 0);
    FUZZ_CHECK(decoded_size == size && memcmp(encoded, text, size) == 0);

    /* And the other way, where a text need not be base64 at all. */
    decoded_size = SIZE_MAX;
    if (tri__base64_decode(decoded, &decoded_size, text, size) == 0) {
        FUZZ_CHECK(decoded_size <= TRI__BASE64_DECODED_MAX(size));
        encoded = realloc(encoded, TRI__BASE64_SIZE(decoded_size) + 1);
        FUZZ_CHECK(encoded != NULL);
        encoded_size = tri__base64_encode(encoded, decoded, decoded_size);
        FUZZ_CHECK(encoded_size <= size && size - encoded_size <= 2);
        /* The last character holds bits that are not looked at; '=' may follow. */
        FUZZ_CHECK(encoded_size == 0 || memcmp(encoded, text, encoded_size - 1) == 0);
    } else {
        FUZZ_CHECK(decoded_size == SIZE_MAX);
    }
    free(encoded);
    free(decoded);
}

/* The number of a character of UTF-8 by RFC 3629's grammar, put together bit by bit; -1: none. */
static int32_t read_character(const uint8_t *bytes, size_t size, size_t *length)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int32_t number;

    if (bytes[0] < 0x80)
        *length = 1, number = bytes[0];
    else if ((bytes[0] & 0xe0) == 0xc0)
        *length = 2, number = bytes[0] & 0x1f;
    else if ((bytes[0] & 0xf0) == 0xe0)
        *length = 3, number = bytes[0] & 0x0f;
    else if ((bytes[0] & 0xf8) == 0xf0)
        *length = 4, number = bytes[0] & 0x07;
    else
        return -1;
    if (*length > size)
        return -1;
    for (size_t i = 1; i < *length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return -1;
        number = number << 6 | (bytes[i] & 0x3f);
    }
    if (number < least[*length] || number > 0x10ffff || (number >= 0xd800 && number <= 0xdfff))
        return -1;
    return number;
}

/* What a peer shall read: the text, with U+FFFD for each byte that is no UTF-8. */
static uint8_t *expect_text(const char *text, size_t size, size_t *expected_size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t *expected = malloc(3 * size + 1);
    size_t length;

    FUZZ_CHECK(expected != NULL);
    *expected_size = 0;
    for (size_t at = 0; at < size; at += length) {
        if (read_character(bytes + at, size - at, &length) >= 0) {
            memcpy(expected + *expected_size, bytes + at, length);
            *expected_size += length;
        } else {
            memcpy(expected + *expected_size, "\xef\xbf\xbd", 3);
            *expected_size += 3;
            length = 1;
        }
    }
    return expected;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* As a peer decodes it, in place. Returns: the size. */
static size_t decode_percent(char *text, size_t size)
{
    size_t decoded = 0;

    for (size_t at = 0; at < size; at++) {
        FUZZ_CHECK(text[at] != '+');
        if (text[at] == '%') {
            FUZZ_CHECK(size - at > 2 && hex(text[at + 1]) >= 0 && hex(text[at + 2]) >= 0);
            text[decoded++] = (char)(hex(text[at + 1]) << 4 | hex(text[at + 2]));
            at += 2;
        } else {
            text[decoded++] = text[at];
        }
    }
    return decoded;
}

static void check_percent(const char *text, size_t size, size_t room)
{
    size_t expected_size;
    uint8_t *expected = expect_text(text, size, &expected_size);
    size_t length;

    if (room > TRI__PERCENT_MAX(size))
        room = TRI__PERCENT_MAX(size);
    for (int is_whole = 0; is_whole < 2; is_whole++) {
        size_t out_size = is_whole ? TRI__PERCENT_MAX(size) : room;
        char *out = malloc(out_size + 1);

        FUZZ_CHECK(out != NULL);
        out = realloc(out, out_size > 0 ? out_size : 1);
        size_t written = tri__percent_encode(out, out_size, text, size);

        FUZZ_CHECK(written <= out_size);
        FUZZ_CHECK(tri__field_value_is_valid(out, written));
        written = decode_percent(out, written);
        FUZZ_CHECK(written <= expected_size && memcmp(out, expected, written) == 0);
        FUZZ_CHECK(!is_whole || written == expected_size);
        /* What is left out begins with a whole character. */
        FUZZ_CHECK(written == expected_size ||
                   read_character(expected + written, expected_size - written, &length) >= 0);
        free(out);
    }
    free(expected);
}

static void check_timeout(const char *text, size_t size)
{
    static const char units[] = "HMSmun";
    static const int64_t nanoseconds[] = {3600000000000, 60000000000, 1000000000, 1000000, 1000, 1};
    tri_duration timeout = -1;
    int r = tri__timeout_parse(text, size, &timeout);
    const char *unit = size > 0 && text[size - 1] != '\0' ? strchr(units, text[size - 1]) : NULL;
    bool is_valid = size >= 2 && size <= 19 && unit != NULL;
    __int128 count = 0;

    for (size_t i = 0; is_valid && i + 1 < size; i++) {
        is_valid = isdigit((unsigned char)text[i]) != 0;
        count = count * 10 + (text[i] - '0');
    }
    FUZZ_CHECK(r == (is_valid ? 0 : -EINVAL));
    if (!is_valid) {
        FUZZ_CHECK(timeout == -1);
        return;
    }
    count *= nanoseconds[unit - units];
    FUZZ_CHECK(timeout == (count > INT64_MAX ? INT64_MAX : (tri_duration)count));
}

static void check_field(const char *text, size_t size)
{
    static const char key_characters[] = "0123456789abcdefghijklmnopqrstuvwxyz_-.";
    bool is_key = size > 0, is_value = true;

    for (size_t i = 0; i < size; i++) {
        is_key = is_key && text[i] != '\0' && strchr(key_characters, text[i]) != NULL;
        is_value = is_value && (unsigned char)text[i] >= 0x20 && (unsigned char)text[i] <= 0x7e;
    }
    if (size > 0 && (text[0] == ' ' || text[size - 1] == ' '))
        is_value = false;
    FUZZ_CHECK(tri__field_key_is_valid(text, size) == is_key);
    FUZZ_CHECK(tri__field_value_is_valid(text, size) == is_value);
    /* A key that ends in "-bin" or begins with "grpc-" does so whatever is before or after. */
    FUZZ_CHECK(tri__field_key_is_binary(text, size) ==
               (size >= 4 && strncmp(text + size - 4, "-bin", 4) == 0));
    if (size >= 5 && strncmp(text, "grpc-", 5) == 0)
        FUZZ_CHECK(tri__field_key_is_reserved(text, size));
    if (tri__field_key_is_reserved(text, size))
        FUZZ_CHECK(size > 0 && (text[0] == ':' || strncmp(text, "grpc-", 5) == 0 || is_key));
}

static void check_content_type(const char *text, size_t size)
{
    enum tri__content content = tri__content_type(text, size);
    char *copy = strndup(text, size); /* a NUL within ends it: no name of ours has one */

    FUZZ_CHECK(copy != NULL);
    bool is_grpc = size >= 16 && strncasecmp(copy, "application/grpc", 16) == 0 &&
                   (size == 16 || text[16] == '+' || text[16] == ';');

    FUZZ_CHECK((content != TRI__CONTENT_NOT_GRPC) == is_grpc);
    char *parameters = strchr(copy, ';');

    if (parameters != NULL)
        *parameters = '\0';
    if (content == TRI__CONTENT_GRPC_PROTO)
        FUZZ_CHECK(strcasecmp(copy, "application/grpc+proto") == 0);
    if (content == TRI__CONTENT_GRPC_DATA)
        FUZZ_CHECK(strcasecmp(copy, "application/grpc+data") == 0);
    if (content == TRI__CONTENT_GRPC)
        FUZZ_CHECK(strcasecmp(copy, "application/grpc") == 0);
    free(copy);
}

static void check_numbers(uint32_t number)
{
    uint8_t prefix[TRI__PREFIX_SIZE];
    size_t size;
    const char *digits = tri__code_digits((tri_code)number, &size);
    tri_code code = tri__code_from_rst(number);

    tri__prefix_write(prefix, number);
    FUZZ_CHECK(prefix[0] == 0 && tri__prefix_size(prefix) == number);
    FUZZ_CHECK(strlen(digits) == size && strtoul(digits, NULL, 10) == (number <= 16 ? number : 2));
    FUZZ_CHECK(code > TRI_OK && code <= TRI_UNAUTHENTICATED);
}

void fuzz_run(struct fuzz_input *input)
{
    uint32_t number = fuzz_u16(input);
    size_t size = fuzz_left(input);
    char *text = fuzz_copy(fuzz_bytes(input, &size), size);

    check_base64(text, size);
    check_percent(text, size, number % 64);
    check_timeout(text, size);
    check_field(text, size);
    check_content_type(text, size);
    check_numbers(number < 0xff00 ? number % 32 : number << 16 | number);
    free(text);
}
