/*
 * Goal: protoc-gen-trireme answers any request or says why not, and what it writes is C as far as a
 * lexer can tell: no name and no comment of a .proto gets out of where it was put.
 * Method: the input is a CodeGeneratorRequest; protoc-gen-c is played by a function. Comments,
 * literals and brackets of all files that are written must close; the answer is the same twice.
 */
#include <stdbool.h>

#include "codegen.h"
#include "codegen_descriptors.h"
#include "fuzz.h"

/* A protoc-gen-c that writes a header with nothing in it for each file that it is asked for. */
static int child(void *state, const uint8_t *request, size_t size, struct codegen_result *result)
{
    request_proto *asked =
        google__protobuf__compiler__code_generator_request__unpack(NULL, size, request);
    response_proto response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;

    (void)state;
    FUZZ_CHECK(asked != NULL);
    response.n_file = asked->n_file_to_generate;
    response.file = calloc(response.n_file + 1, sizeof(*response.file));
    FUZZ_CHECK(response.file != NULL);
    for (size_t i = 0; i < response.n_file; i++) {
        const char *name = asked->file_to_generate[i];
        const char *suffix = strstr(name, ".proto");
        size_t stem = suffix != NULL ? (size_t)(suffix - name) : strlen(name);
        response_file_proto *file = calloc(1, sizeof(*file));
        char *header = malloc(stem + 8);

        FUZZ_CHECK(file != NULL && header != NULL);
        google__protobuf__compiler__code_generator_response__file__init(file);
        snprintf(header, stem + 8, "%.*s.pb-c.h", (int)stem, name);
        file->name = header;
        file->content = strdup("/* nothing */\n");
        response.file[i] = file;
    }
    result->size = protobuf_c_message_get_packed_size(&response.base);
    result->data = malloc(result->size + 1);
    FUZZ_CHECK(result->data != NULL);
    protobuf_c_message_pack(&response.base, result->data);
    for (size_t i = 0; i < response.n_file; i++) {
        free(response.file[i]->name);
        free(response.file[i]->content);
        free(response.file[i]);
    }
    free(response.file);
    google__protobuf__compiler__code_generator_request__free_unpacked(asked, NULL);
    return 0;
}

/* The end of the comment or the literal that begins here. NULL when it has none. */
static const char *skip(const char *at)
{
    if (at[0] == '/' && at[1] == '*') {
        const char *end = strstr(at + 2, "*/");

        /* A comment within a comment is what gcc warns of, and a sign of one that got out. */
        const char *within = strstr(at + 2, "/*");

        FUZZ_CHECK(within == NULL || end == NULL || within > end);
        return end != NULL ? end + 2 : NULL;
    }
    for (char quote = *at++; *at != quote; at++) {
        if (*at == '\\')
            at++;
        if (*at == '\0' || *at == '\n')
            return NULL;
    }
    return at + 1;
}

static void check_c(const char *text)
{
    static const char open[] = "([{", close[] = ")]}";
    char expected[256];
    size_t depth = 0;

    while (*text != '\0') {
        if ((text[0] == '/' && text[1] == '*') || *text == '"' || *text == '\'') {
            text = skip(text);
            FUZZ_CHECK(text != NULL);
            continue;
        }
        const char *bracket = strchr(open, *text);

        FUZZ_CHECK(*text == '\n' || (*text >= ' ' && *text <= '~'));
        if (bracket != NULL) {
            FUZZ_CHECK(depth < sizeof(expected));
            expected[depth++] = close[bracket - open];
        } else if (strchr(close, *text) != NULL) {
            FUZZ_CHECK(depth > 0 && expected[--depth] == *text);
        }
        text++;
    }
    FUZZ_CHECK(depth == 0);
}

static void check_answer(const struct codegen_result *result)
{
    response_proto *response = google__protobuf__compiler__code_generator_response__unpack(
        NULL, result->size, result->data);

    FUZZ_CHECK(response != NULL);
    bool has_error = response->error != NULL && response->error[0] != '\0';

    FUZZ_CHECK(has_error == (response->n_file == 0));
    for (size_t i = 0; i < response->n_file; i++) {
        FUZZ_CHECK(response->file[i]->name != NULL && response->file[i]->name[0] != '\0');
        FUZZ_CHECK(response->file[i]->content != NULL);
        check_c(response->file[i]->content);
    }
    google__protobuf__compiler__code_generator_response__free_unpacked(response, NULL);
}

void fuzz_run(struct fuzz_input *input)
{
    size_t size = fuzz_left(input);
    uint8_t *request = fuzz_copy(fuzz_bytes(input, &size), size);
    struct codegen_result first, second;
    int r = codegen_run(request, size, child, NULL, &first);

    FUZZ_CHECK((r == 0) == (first.data != NULL));
    FUZZ_CHECK((r == 0) == (first.error[0] == '\0'));
    FUZZ_CHECK(codegen_run(request, size, child, NULL, &second) == r);
    if (r == 0) {
        FUZZ_CHECK(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
        check_answer(&first);
    } else {
        FUZZ_CHECK(strcmp(first.error, second.error) == 0);
    }
    free(first.data);
    free(second.data);
    free(request);
}
