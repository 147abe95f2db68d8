#include <string.h>

#include "codegen_imports.h"
#include "codegen_names.h"
#include "codegen_writers.h"

/* The headers of other files: with their short names, where they have any. */
static void put_includes(struct codegen *codegen, struct codegen_text *text,
                         const struct codegen_file *file)
{
    const bool *included = codegen_included_files(codegen, file);
    codegen_put(text, "#include \"%s.pb-c.h\"\n", file->stem);
    for (size_t i = 0; i < codegen->files_count; i++) {
        const struct codegen_file *other = &codegen->files[i];
        if (included[i])
            codegen_put(text, "#include \"%s.%s.h\"\n", other->stem,
                        codegen->aliases && !other->is_shipped ? "trireme" : "pb-c");
    }
}

/* The name stands in a comment, which it must not end. */
static const char *comment_name(struct codegen *codegen, const char *name)
{
    char *safe = codegen_copy(&codegen->memory, name, strlen(name));
    for (char *c = safe; *c != '\0'; c++) {
        if (c[0] == '*' && (c[1] == '/' || (c > safe && c[-1] == '/')))
            *c = '?';
    }
    return safe;
}

const char *codegen_header(struct codegen *codegen, struct codegen_file *file,
                           const struct codegen_service *services)
{
    struct codegen_text text;
    codegen_text_init(&text, &codegen->memory);
    const char *guard = codegen_file_identifier(&codegen->memory, file->proto->name);
    codegen_put(&text,
                "/* Written by protoc-gen-trireme from %s: do not edit. */\n"
                "#ifndef TRIREME_%s_INCLUDED\n"
                "#define TRIREME_%s_INCLUDED\n"
                "\n"
                "#include <trireme/generated.h>\n"
                "\n",
                comment_name(codegen, file->proto->name), guard, guard);
    put_includes(codegen, &text, file);
    codegen_put(&text,
                "\n"
                "#if TRI_GENERATED_ABI != %d\n"
                "#error \"this file was written for another version of Trireme: rerun "
                "protoc-gen-trireme\"\n"
                "#endif\n",
                CODEGEN_ABI);
    codegen_put_aliases(codegen, &text, file);
    if (file->proto->n_service > 0) {
        codegen_put(&text, "\nTRI_BEGIN_DECLS\n");
        for (size_t i = 0; i < file->proto->n_service; i++)
            codegen_put_service(codegen, &text, &services[i]);
        codegen_put(&text, "\nTRI_END_DECLS\n");
    }
    codegen_put(&text, "\n#endif\n");
    return text.data;
}

char *codegen_type_name(struct codegen *codegen, const struct codegen_type *type)
{
    const char *full_name = codegen_c_full_name(codegen, type->file, codegen_local_name(type));
    return codegen_camel(&codegen->memory, full_name);
}
