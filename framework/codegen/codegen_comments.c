#include "codegen_comments.h"

#include <string.h>

/* The length of the UTF-8 character at `text`, or 0 when it is broken. `*code` is its number. */
static size_t read_utf8(const unsigned char *text, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] < 0x80   ? 1
                    : text[0] < 0xc2 ? 0
                    : text[0] < 0xe0 ? 2
                    : text[0] < 0xf0 ? 3
                    : text[0] < 0xf5 ? 4
                                     : 0;
    if (length <= 1) {
        *code = text[0];
        return length;
    }
    *code = text[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3f);
    }
    bool is_bad = *code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000);
    return is_bad ? 0 : length;
}

/* Characters that turn the direction of the text: compilers warn of them in comments. */
static bool is_bidirectional(uint32_t code)
{
    return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0x200e || code == 0x200f || code == 0x061c;
}

static char *clean(struct codegen *codegen, const char *comment)
{
    struct codegen_text text;
    codegen_text_init(&text, &codegen->memory);
    for (const char *c = comment; *c != '\0';) {
        uint32_t code;
        size_t length = read_utf8((const unsigned char *)c, &code);
        char last = text.size > 0 ? text.data[text.size - 1] : '\0';
        if (length == 0) {
            codegen_put_char(&text, '?');
            c++;
            continue;
        }
        if ((last == '*' && code == '/') || (last == '/' && code == '*') ||
            (last == '?' && code == '?'))
            codegen_put_char(&text, ' ');
        if (code == '\t' || (code < ' ' && code != '\n' && code != '\r') || code == 0x7f)
            codegen_put_char(&text, ' ');
        else if (code != '\r' && !is_bidirectional(code))
            codegen_put_bytes(&text, c, length);
        c += length;
    }
    return text.data;
}

void codegen_clean_comments(struct codegen *codegen, const struct codegen_file *file)
{
    for (size_t i = 0; i < file->locations_count; i++) {
        /* The index lends them; the request, whose they are, is ours to change. */
        location_proto *location = file->proto->source_code_info->location[i];
        if (location->leading_comments != NULL)
            location->leading_comments = clean(codegen, location->leading_comments);
        if (location->trailing_comments != NULL)
            location->trailing_comments = clean(codegen, location->trailing_comments);
    }
}

const char *codegen_comment(const struct codegen_file *file, const struct codegen_path *path)
{
    const location_proto *location = codegen_location(file, path);
    if (location == NULL)
        return NULL;
    if (location->leading_comments != NULL && location->leading_comments[0] != '\0')
        return location->leading_comments;
    return location->trailing_comments;
}

/* The column at which the text begins, of which protoc leaves the blank behind the slashes. */
static size_t common_indent(const char *text)
{
    size_t common = SIZE_MAX;
    while (*text != '\0') {
        size_t blanks = strspn(text, " ");
        size_t length = strcspn(text, "\n");
        if (blanks < length && blanks < common)
            common = blanks;
        text += length + (text[length] == '\n' ? 1 : 0);
    }
    return common;
}

/* Whether anything was written. */
static bool put_paragraph(struct codegen_text *out, int indent, const char *text, bool is_first)
{
    size_t common = common_indent(text);
    size_t empty_lines = 0;
    bool has_written = false;
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        size_t end = length;
        while (end > 0 && text[end - 1] == ' ')
            end--;
        if (end <= common) {
            empty_lines++;
        } else {
            if (!has_written && !is_first)
                codegen_put(out, "%*s *\n", indent, "");
            for (; has_written && empty_lines > 0; empty_lines--)
                codegen_put(out, "%*s *\n", indent, "");
            empty_lines = 0;
            codegen_put(out, "%*s * ", indent, "");
            codegen_put_bytes(out, text + common, end - common);
            codegen_put_char(out, '\n');
            has_written = true;
        }
        text += length + (text[length] == '\n' ? 1 : 0);
    }
    return has_written;
}

void codegen_put_comment(struct codegen_text *text, int indent, const char *const *paragraphs,
                         size_t count)
{
    bool has_written = false;
    size_t start = text->size;
    codegen_put(text, "%*s/*\n", indent, "");
    for (size_t i = 0; i < count; i++) {
        if (paragraphs[i] != NULL && put_paragraph(text, indent, paragraphs[i], !has_written))
            has_written = true;
    }
    if (has_written)
        codegen_put(text, "%*s */\n", indent, "");
    else
        text->data[text->size = start] = '\0';
}
