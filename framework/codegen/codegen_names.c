#include "codegen_names.h"

#include <stdlib.h>
#include <string.h>

/* <ctype.h> asks the locale; names are ASCII. */
static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char to_upper(char c)
{
    return is_lower(c) ? (char)(c - 'a' + 'A') : c;
}

static char to_lower(char c)
{
    return is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

static size_t identifier_length(const char *name)
{
    size_t length = 0;
    if (is_digit(name[0]))
        return 0;
    while (is_upper(name[length]) || is_lower(name[length]) || is_digit(name[length]) ||
           name[length] == '_')
        length++;
    return length;
}

bool codegen_is_identifier(const char *name)
{
    size_t length = identifier_length(name);
    return length > 0 && name[length] == '\0';
}

bool codegen_is_dotted(const char *name)
{
    for (;;) {
        size_t length = identifier_length(name);
        if (length == 0)
            return false;
        if (name[length] == '\0')
            return true;
        if (name[length] != '.')
            return false;
        name += length + 1;
    }
}

/* Sorted. The words to which protoc-gen-c itself adds an underscore. */
static const char *const known_to_protobuf_c[] = {
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "compl",
    "const",
    "const_cast",
    "continue",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "not",
    "not_eq",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
};

/*
 * Sorted. More words of C11 to C23, of C++11 to C++20 and of GNU C, and the lower-case macros that
 * a compiler or a common header defines: a struct's member may not be called so.
 */
static const char *const also_reserved[] = {
    "alignas",      "alignof",   "assert",        "char16_t", "char32_t", "char8_t",
    "co_await",     "co_return", "co_yield",      "complex",  "concept",  "consteval",
    "constexpr",    "constinit", "decltype",      "errno",    "export",   "i386",
    "imaginary",    "linux",     "noexcept",      "noreturn", "nullptr",  "offsetof",
    "requires",     "restrict",  "static_assert", "stderr",   "stdin",    "stdout",
    "thread_local", "typeof",    "typeof_unqual", "unix",
};

static int compare_words(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

static bool is_known_to_protobuf_c(const char *word)
{
    size_t count = sizeof(known_to_protobuf_c) / sizeof(known_to_protobuf_c[0]);
    return bsearch(word, known_to_protobuf_c, count, sizeof(char *), compare_words) != NULL;
}

bool codegen_is_reserved(const char *word)
{
    size_t count = sizeof(also_reserved) / sizeof(also_reserved[0]);
    return is_known_to_protobuf_c(word) ||
           bsearch(word, also_reserved, count, sizeof(char *), compare_words) != NULL;
}

/* Length of the part up to the next dot. */
static size_t part_length(const char *name)
{
    return strcspn(name, ".");
}

/* One part as protobuf-c's ToCamel() writes it. */
static void put_camel(struct codegen_text *text, const char *part, size_t length)
{
    bool next_is_upper = true;
    for (size_t i = 0; i < length; i++) {
        if (part[i] == '_') {
            next_is_upper = true;
        } else {
            codegen_put_char(text, next_is_upper ? to_upper(part[i]) : part[i]);
            next_is_upper = false;
        }
    }
}

/* One part as its CamelToLower() and CamelToUpper() do: an underscore before each run of capitals.
 */
static void put_words(struct codegen_text *text, const char *part, size_t length, bool upper)
{
    bool was_upper = true;
    for (size_t i = 0; i < length; i++) {
        if (is_upper(part[i]) && !was_upper)
            codegen_put_char(text, '_');
        codegen_put_char(text, upper ? to_upper(part[i]) : to_lower(part[i]));
        was_upper = is_upper(part[i]);
    }
}

enum spelling {
    CAMEL,
    LOWER,
    UPPER
};

static char *spell(struct codegen_memory *memory, const char *full_name, enum spelling spelling)
{
    struct codegen_text text;
    codegen_text_init(&text, memory);
    while (*full_name != '\0') {
        size_t length = part_length(full_name);
        if (length > 0) {
            if (text.size > 0)
                codegen_put(&text, "__");
            if (spelling == CAMEL)
                put_camel(&text, full_name, length);
            else
                put_words(&text, full_name, length, spelling == UPPER);
        }
        full_name += length;
        if (*full_name == '.')
            full_name++;
    }
    return text.data;
}

char *codegen_camel(struct codegen_memory *memory, const char *full_name)
{
    return spell(memory, full_name, CAMEL);
}

char *codegen_lower(struct codegen_memory *memory, const char *full_name)
{
    return spell(memory, full_name, LOWER);
}

char *codegen_upper(struct codegen_memory *memory, const char *full_name)
{
    return spell(memory, full_name, UPPER);
}

char *codegen_member(struct codegen_memory *memory, const char *field_name)
{
    char *name = codegen_copy(memory, field_name, strlen(field_name));
    for (char *c = name; *c != '\0'; c++)
        *c = to_lower(*c);
    return codegen_is_reserved(name) ? codegen_printf(memory, "%s_", name) : name;
}

bool codegen_must_rename_field(struct codegen_memory *memory, const char *field_name)
{
    const char *member = codegen_member(memory, field_name);
    size_t length = strlen(field_name);
    if (strlen(member) == length)
        return false;
    return !is_known_to_protobuf_c(codegen_copy(memory, member, length));
}

char *codegen_snake(struct codegen_memory *memory, const char *name)
{
    struct codegen_text text;
    codegen_text_init(&text, memory);
    for (size_t i = 0; name[i] != '\0'; i++) {
        if (name[i] == '_') {
            if (text.size > 0 && text.data[text.size - 1] != '_')
                codegen_put_char(&text, '_');
            continue;
        }
        if (i > 0 && is_upper(name[i]) && text.size > 0 && text.data[text.size - 1] != '_' &&
            (!is_upper(name[i - 1]) || is_lower(name[i + 1])))
            codegen_put_char(&text, '_');
        codegen_put_char(&text, to_lower(name[i]));
    }
    while (text.size > 0 && text.data[text.size - 1] == '_')
        text.data[--text.size] = '\0';
    if (text.size == 0 || is_digit(text.data[0]))
        return codegen_printf(memory, "n%s", text.data);
    return text.data;
}

char *codegen_snake_member(struct codegen_memory *memory, const char *name)
{
    char *snake = codegen_snake(memory, name);
    return codegen_is_reserved(snake) ? codegen_printf(memory, "%s_", snake) : snake;
}

char *codegen_file_identifier(struct codegen_memory *memory, const char *file_name)
{
    struct codegen_text text;
    codegen_text_init(&text, memory);
    for (const char *c = file_name; *c != '\0'; c++) {
        if (is_upper(*c) || is_lower(*c) || is_digit(*c))
            codegen_put_char(&text, *c);
        else
            codegen_put(&text, "_%02x", (unsigned)(unsigned char)*c);
    }
    return text.data;
}

char *codegen_file_stem(struct codegen_memory *memory, const char *file_name)
{
    static const char *const suffixes[] = {".protodevel", ".proto"};
    size_t length = strlen(file_name);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t suffix = strlen(suffixes[i]);
        if (length >= suffix && strcmp(file_name + length - suffix, suffixes[i]) == 0)
            return codegen_copy(memory, file_name, length - suffix);
    }
    return codegen_copy(memory, file_name, length);
}
