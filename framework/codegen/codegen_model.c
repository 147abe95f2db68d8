#include "codegen_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen_depth.h"
#include "codegen_names.h"

enum {
    ERRORS_SIZE_MAX = 64 * 1024, /* a screenful is read, the rest is noise */
    PATH_LENGTH_MAX = 256,       /* messages nest 100 deep at most: two numbers each */
    OPTION_PB_C_FILE = 1019,     /* protobuf-c/protobuf-c.proto */
    OPTION_C_PACKAGE = 6
};

void codegen_error(struct codegen *codegen, const struct codegen_file *file, int line,
                   const char *format, ...)
{
    char text[4096];
    if (codegen->errors.size > ERRORS_SIZE_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    const char *separator = codegen->errors.size > 0 ? "\n" : "";
    if (line > 0)
        codegen_put(&codegen->errors, "%s%s:%d: %s", separator, file->proto->name, line, text);
    else
        codegen_put(&codegen->errors, "%s%s: %s", separator, file->proto->name, text);
}

/* The library ships their code, so that nobody generates it twice. */
static bool is_shipped(const char *name)
{
    static const char *const stems[] = {
        "any",    "api",       "descriptor", "duration", "empty", "field_mask", "source_context",
        "struct", "timestamp", "type",       "wrappers",
    };
    static const char folder[] = "google/protobuf/";
    if (strncmp(name, folder, strlen(folder)) != 0)
        return false;
    name += strlen(folder);
    for (size_t i = 0; i < sizeof(stems) / sizeof(stems[0]); i++) {
        size_t length = strlen(stems[i]);
        if (strncmp(name, stems[i], length) == 0 && strcmp(name + length, ".proto") == 0)
            return true;
    }
    return false;
}

/* Option c_package is an extension, so it stands among the unknown fields of the options. */
static const char *read_c_package(struct codegen *codegen, const struct codegen_file *file)
{
    const char *c_package = file->package;
    if (file->proto->options == NULL)
        return c_package;
    const ProtobufCMessage *options = &file->proto->options->base;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *unknown = &options->unknown_fields[i];
        if (unknown->tag != OPTION_PB_C_FILE ||
            unknown->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            continue;
        /* protobuf-c keeps the length in front of the bytes: as a field it is read with its key. */
        size_t prefix = 0;
        while (prefix < unknown->len && (unknown->data[prefix] & 0x80) != 0)
            prefix++;
        prefix++;
        size_t at = prefix;
        while (at < unknown->len) {
            uint32_t number;
            const uint8_t *content;
            size_t size;
            size_t length =
                codegen_read_field(unknown->data + at, unknown->len - at, &number, &content, &size);
            if (length == 0)
                break;
            if (number == OPTION_C_PACKAGE && content != NULL)
                c_package = codegen_copy(&codegen->memory, (const char *)content, size);
            at += length;
        }
    }
    return c_package;
}

static int compare_paths(const int32_t *a, size_t a_count, const int32_t *b, size_t b_count)
{
    for (size_t i = 0; i < a_count && i < b_count; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return (a_count > b_count) - (a_count < b_count);
}

static int compare_locations(const void *a, const void *b)
{
    const location_proto *one = *(const location_proto *const *)a;
    const location_proto *two = *(const location_proto *const *)b;
    return compare_paths(one->path, one->n_path, two->path, two->n_path);
}

static void index_locations(struct codegen *codegen, struct codegen_file *file)
{
    const Google__Protobuf__SourceCodeInfo *info = file->proto->source_code_info;
    if (info == NULL || info->n_location == 0)
        return;
    file->locations_count = info->n_location;
    file->locations =
        codegen_alloc_array(&codegen->memory, info->n_location, sizeof(*file->locations));
    for (size_t i = 0; i < info->n_location; i++)
        file->locations[i] = info->location[i];
    qsort(file->locations, file->locations_count, sizeof(*file->locations), compare_locations);
}

static size_t count_messages(message_proto *const *messages, size_t count)
{
    size_t sum = count;
    for (size_t i = 0; i < count; i++)
        sum += messages[i]->n_enum_type +
               count_messages(messages[i]->nested_type, messages[i]->n_nested_type);
    return sum;
}

static const char *join(struct codegen *codegen, const char *scope, const char *name)
{
    return codegen_printf(&codegen->memory, "%s%s%s", scope, scope[0] != '\0' ? "." : "", name);
}

static void add_enums(struct codegen *codegen, struct codegen_file *file, const char *scope,
                      enum_proto *const *enums, size_t count)
{
    for (size_t i = 0; i < count; i++)
        codegen->types[codegen->types_count++] = (struct codegen_type){
            .name = join(codegen, scope, enums[i]->name),
            .file = file,
            .enumeration = enums[i],
        };
}

static void add_messages(struct codegen *codegen, struct codegen_file *file, const char *scope,
                         message_proto *const *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = join(codegen, scope, messages[i]->name);
        codegen->types[codegen->types_count++] = (struct codegen_type){
            .name = name,
            .file = file,
            .message = messages[i],
        };
        add_enums(codegen, file, name, messages[i]->enum_type, messages[i]->n_enum_type);
        add_messages(codegen, file, name, messages[i]->nested_type, messages[i]->n_nested_type);
    }
}

static int compare_types(const void *a, const void *b)
{
    const struct codegen_type *one = a;
    const struct codegen_type *two = b;
    return strcmp(one->name, two->name);
}

static void index_types(struct codegen *codegen)
{
    size_t count = 0;
    for (size_t i = 0; i < codegen->files_count; i++) {
        const file_proto *proto = codegen->files[i].proto;
        count += proto->n_enum_type + count_messages(proto->message_type, proto->n_message_type);
    }
    codegen->types = codegen_alloc_array(&codegen->memory, count, sizeof(*codegen->types));
    for (size_t i = 0; i < codegen->files_count; i++) {
        struct codegen_file *file = &codegen->files[i];
        const file_proto *proto = file->proto;
        add_enums(codegen, file, file->package, proto->enum_type, proto->n_enum_type);
        add_messages(codegen, file, file->package, proto->message_type, proto->n_message_type);
    }
    qsort(codegen->types, count, sizeof(*codegen->types), compare_types);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(codegen->types[i - 1].name, codegen->types[i].name) == 0)
            codegen_fatal(&codegen->memory, "malformed request: type %s is defined twice",
                          codegen->types[i].name);
    }
}

static void link_imports(struct codegen *codegen, struct codegen_file *file)
{
    const file_proto *proto = file->proto;
    file->imports =
        codegen_alloc_array(&codegen->memory, proto->n_dependency, sizeof(*file->imports));
    for (size_t i = 0; i < proto->n_dependency; i++) {
        struct codegen_file *import = codegen_find_file(codegen, proto->dependency[i]);
        /* Imports come first in a request, so there are no circles. */
        if (import == NULL || import >= file)
            codegen_fatal(&codegen->memory,
                          "malformed request: %s imports %s, which is not before it", proto->name,
                          proto->dependency[i]);
        file->imports[file->imports_count++] = import;
    }
}

void codegen_model_init(struct codegen *codegen)
{
    const request_proto *request = codegen->request;
    codegen->files =
        codegen_alloc_array(&codegen->memory, request->n_proto_file, sizeof(*codegen->files));
    for (size_t i = 0; i < request->n_proto_file; i++) {
        struct codegen_file *file = &codegen->files[i];
        file->proto = request->proto_file[i];
        if (codegen_find_file(codegen, file->proto->name) != NULL)
            codegen_fatal(&codegen->memory, "malformed request: file %s comes twice",
                          file->proto->name);
        codegen->files_count++;
        file->stem = codegen_file_stem(&codegen->memory, file->proto->name);
        file->package = file->proto->package != NULL ? file->proto->package : "";
        file->c_package = read_c_package(codegen, file);
        file->is_shipped = is_shipped(file->proto->name);
        index_locations(codegen, file);
        link_imports(codegen, file);
    }
    for (size_t i = 0; i < request->n_file_to_generate; i++) {
        struct codegen_file *file = codegen_find_file(codegen, request->file_to_generate[i]);
        if (file == NULL)
            codegen_fatal(&codegen->memory,
                          "malformed request: file %s is to be generated but missing",
                          request->file_to_generate[i]);
        file->is_generated = true;
    }
    index_types(codegen);
}

struct codegen_file *codegen_find_file(const struct codegen *codegen, const char *name)
{
    for (size_t i = 0; i < codegen->files_count; i++) {
        if (strcmp(codegen->files[i].proto->name, name) == 0)
            return &codegen->files[i];
    }
    return NULL;
}

const struct codegen_type *codegen_find_type(const struct codegen *codegen, const char *name)
{
    struct codegen_type key = {.name = name + 1};
    if (name[0] != '.')
        return NULL;
    return bsearch(&key, codegen->types, codegen->types_count, sizeof(key), compare_types);
}

void codegen_mark_imports(struct codegen *codegen, struct codegen_file *file)
{
    for (size_t i = 0; i < codegen->files_count; i++)
        codegen->files[i].is_visited = false;
    file->is_visited = true;
    /* Imports stand before what imports them, so one way down reaches all. */
    for (size_t at = (size_t)(file - codegen->files) + 1; at-- > 0;) {
        const struct codegen_file *user = &codegen->files[at];
        for (size_t i = 0; user->is_visited && i < user->imports_count; i++)
            user->imports[i]->is_visited = true;
    }
}

const location_proto *codegen_location(const struct codegen_file *file,
                                       const struct codegen_path *path)
{
    int32_t numbers[PATH_LENGTH_MAX];
    size_t count = 0;
    for (; path != NULL && count + 2 <= PATH_LENGTH_MAX; path = path->up) {
        if (path->index >= 0)
            numbers[PATH_LENGTH_MAX - ++count] = path->index;
        numbers[PATH_LENGTH_MAX - ++count] = path->field;
    }
    location_proto location = {.path = numbers + PATH_LENGTH_MAX - count, .n_path = count};
    const location_proto *key = &location;
    if (file->locations_count == 0)
        return NULL;
    const location_proto **found = bsearch(&key, file->locations, file->locations_count,
                                           sizeof(*file->locations), compare_locations);
    return found != NULL ? *found : NULL;
}

int codegen_line(const struct codegen_file *file, const struct codegen_path *path)
{
    const location_proto *location = path != NULL ? codegen_location(file, path) : NULL;
    if (location == NULL || location->n_span == 0 || location->span[0] < 0 ||
        location->span[0] == INT32_MAX)
        return 0;
    return location->span[0] + 1;
}

char *codegen_c_full_name(struct codegen *codegen, const struct codegen_file *file,
                          const char *name)
{
    return codegen_printf(&codegen->memory, "%s%s%s", file->c_package,
                          file->c_package[0] != '\0' ? "." : "", name);
}

const char *codegen_local_name(const struct codegen_type *type)
{
    size_t package = strlen(type->file->package);
    return type->name + package + (package > 0 ? 1 : 0);
}
