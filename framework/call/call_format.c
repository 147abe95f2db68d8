#define _GNU_SOURCE
#include "call_format.h"

#include <string.h>

#define PIECES_MAX 8
#define DIGITS_MAX 21

struct piece {
    const char *bytes;
    size_t size;
};

/* Writes from the end of `digits`. */
static struct piece number_piece(char *digits, unsigned long number, bool is_negative)
{
    char *at = digits + DIGITS_MAX;

    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    if (is_negative)
        *--at = '-';
    return (struct piece){at, (size_t)(digits + DIGITS_MAX - at)};
}

static struct piece signed_piece(char *digits, long number)
{
    return number < 0 ? number_piece(digits, 0UL - (unsigned long)number, true)
                      : number_piece(digits, (unsigned long)number, false);
}

/* Reads one conversion behind its '%'. Returns: its length, or 0 for one that is not simple. */
static size_t convert(struct piece *piece, char *digits, const char *format, va_list *arguments)
{
    switch (format[0]) {
    case 's':
        piece->bytes = va_arg(*arguments, const char *);
        if (piece->bytes == NULL)
            piece->bytes = "(null)";
        piece->size = strlen(piece->bytes);
        return 1;
    case 'd':
        *piece = signed_piece(digits, va_arg(*arguments, int));
        return 1;
    case 'u':
        *piece = number_piece(digits, va_arg(*arguments, unsigned), false);
        return 1;
    case '%':
        *piece = (struct piece){"%", 1};
        return 1;
    case 'l':
        if (format[1] == 'd')
            *piece = signed_piece(digits, va_arg(*arguments, long));
        else if (format[1] == 'u')
            *piece = number_piece(digits, va_arg(*arguments, unsigned long), false);
        else
            return 0;
        return 2;
    case 'z':
        if (format[1] != 'u')
            return 0;
        *piece = number_piece(digits, va_arg(*arguments, size_t), false);
        return 2;
    default:
        return 0;
    }
}

static char *join(struct tri__arena *arena, const struct piece *pieces, size_t count, size_t size)
{
    char *text = tri__arena_alloc(arena, size + 1);
    char *at = text;

    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, pieces[i].bytes, pieces[i].size);
        at += pieces[i].size;
    }
    *at = '\0';
    return text;
}

bool tri__format_simple(struct tri__arena *arena, char **text, const char *format,
                        va_list *arguments)
{
    struct piece pieces[PIECES_MAX];
    char digits[PIECES_MAX][DIGITS_MAX];
    size_t count = 0;
    size_t size = 0;

    while (*format != '\0') {
        if (count == PIECES_MAX)
            return false;
        if (*format == '%') {
            size_t length = convert(&pieces[count], digits[count], format + 1, arguments);

            if (length == 0)
                return false;
            format += 1 + length;
        } else {
            const char *end = strchrnul(format, '%');

            pieces[count] = (struct piece){format, (size_t)(end - format)};
            format = end;
        }
        size += pieces[count++].size;
    }
    *text = join(arena, pieces, count, size);
    return true;
}
