#include "wire_percent.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char replacement[] = "%EF%BF%BD"; /* U+FFFD */

static inline bool is_within(uint8_t byte, uint8_t first, uint8_t last)
{
    return byte >= first && byte <= last;
}

/*
 * The length of the character that begins here, 0 when it is none (Unicode, table 3-7: no
 * surrogates, no longer form than needed, nothing above U+10FFFF).
 */
static size_t character_size(const uint8_t *bytes, size_t size)
{
    uint8_t lead = bytes[0];
    uint8_t first = 0x80, last = 0xbf; /* of the second byte */
    size_t length;

    if (lead < 0x80)
        return 1;
    if (is_within(lead, 0xc2, 0xdf)) {
        length = 2;
    } else if (is_within(lead, 0xe0, 0xef)) {
        length = 3;
        if (lead == 0xe0)
            first = 0xa0;
        else if (lead == 0xed)
            last = 0x9f;
    } else if (is_within(lead, 0xf0, 0xf4)) {
        length = 4;
        if (lead == 0xf0)
            first = 0x90;
        else if (lead == 0xf4)
            last = 0x8f;
    } else {
        return 0;
    }
    if (length > size || !is_within(bytes[1], first, last))
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (!is_within(bytes[i], 0x80, 0xbf))
            return 0;
    }
    return length;
}

static void write_escapes(char *out, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < count; i++) {
        *out++ = '%';
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
}

static bool is_plain(const uint8_t *bytes, size_t size, size_t at)
{
    uint8_t byte = bytes[at];

    if (byte == ' ')
        return at != 0 && at != size - 1;
    return is_within(byte, 0x21, 0x7e) && byte != '%' && byte != '+';
}

size_t tri__percent_encode(char *out, size_t out_size, const char *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t written = 0;
    size_t at = 0;

    while (at < size) {
        if (is_plain(bytes, size, at)) {
            if (written == out_size)
                break;
            out[written++] = (char)bytes[at++];
            continue;
        }
        size_t length = character_size(bytes + at, size - at);
        size_t needed = length == 0 ? sizeof(replacement) - 1 : 3 * length;

        if (needed > out_size - written)
            break;
        if (length == 0)
            memcpy(out + written, replacement, needed);
        else
            write_escapes(out + written, bytes + at, length);
        written += needed;
        at += length == 0 ? 1 : length;
    }
    /* What is cut short may have a space at its new end. */
    while (written > 0 && out[written - 1] == ' ')
        written--;
    return written;
}
