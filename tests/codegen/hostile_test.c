/*
 * Requests that protoc would never send: codegen_run() answers or fails, and never crashes
 * (sanitizers watch). A good request, made of the FileDescriptorSet named in TRIREME_DESCRIPTORS,
 * is cut, bent and changed in its parts; protoc-gen-c is played by a function.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codegen.h"
#include "codegen_descriptors.h"

struct packed {
    uint8_t *data;
    size_t size;
};

static struct packed descriptors;

static struct packed pack(const ProtobufCMessage *message)
{
    struct packed packed = {NULL, protobuf_c_message_get_packed_size(message)};
    packed.data = malloc(packed.size + 1);
    assert_non_null(packed.data);
    protobuf_c_message_pack(message, packed.data);
    return packed;
}

/* A protoc-gen-c that writes an empty header for what it is asked for. */
static int good_child(void *state, const uint8_t *request, size_t size,
                      struct codegen_result *result)
{
    (void)state;
    request_proto *asked =
        google__protobuf__compiler__code_generator_request__unpack(NULL, size, request);
    assert_non_null(asked);
    response_proto response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    response.n_file = asked->n_file_to_generate;
    response.file = calloc(response.n_file, sizeof(*response.file));
    assert_non_null(response.file);
    for (size_t i = 0; i < response.n_file; i++) {
        const char *name = asked->file_to_generate[i];
        response.file[i] = calloc(1, sizeof(*response.file[i]));
        assert_non_null(response.file[i]);
        google__protobuf__compiler__code_generator_response__file__init(response.file[i]);
        response.file[i]->name = calloc(1, strlen(name) + 16);
        assert_non_null(response.file[i]->name);
        const char *suffix = strstr(name, ".proto");
        sprintf(response.file[i]->name, "%.*s.pb-c.h",
                (int)(suffix != NULL ? (size_t)(suffix - name) : strlen(name)), name);
    }
    struct packed packed = pack(&response.base);
    for (size_t i = 0; i < response.n_file; i++) {
        free(response.file[i]->name);
        free(response.file[i]);
    }
    free(response.file);
    google__protobuf__compiler__code_generator_request__free_unpacked(asked, NULL);
    result->data = packed.data;
    result->size = packed.size;
    return 0;
}

/* The good request: the last file of the set is to be generated. */
static request_proto *read_request(void)
{
    file_set_proto *set =
        google__protobuf__file_descriptor_set__unpack(NULL, descriptors.size, descriptors.data);
    assert_non_null(set);
    request_proto request = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_REQUEST__INIT;
    request.n_file_to_generate = 1;
    request.file_to_generate = &set->file[set->n_file - 1]->name;
    request.n_proto_file = set->n_file;
    request.proto_file = set->file;
    struct packed packed = pack(&request.base);
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    request_proto *copy =
        google__protobuf__compiler__code_generator_request__unpack(NULL, packed.size, packed.data);
    assert_non_null(copy);
    free(packed.data);
    return copy;
}

static void free_request(request_proto *request)
{
    google__protobuf__compiler__code_generator_request__free_unpacked(request, NULL);
}

/* What came of a request: the error of either kind, or "" when files were written. */
static const char *run_bytes(const uint8_t *data, size_t size, codegen_child child)
{
    static char error[4096];
    struct codegen_result result;
    if (codegen_run(data, size, child, NULL, &result) != 0) {
        snprintf(error, sizeof(error), "%s", result.error);
        return error;
    }
    response_proto *response =
        google__protobuf__compiler__code_generator_response__unpack(NULL, result.size, result.data);
    assert_non_null(response);
    snprintf(error, sizeof(error), "%s", response->error != NULL ? response->error : "");
    assert_true(error[0] != '\0' || response->n_file > 0);
    google__protobuf__compiler__code_generator_response__free_unpacked(response, NULL);
    free(result.data);
    return error;
}

static const char *run_request(const request_proto *request)
{
    struct packed packed = pack(&request->base);
    const char *error = run_bytes(packed.data, packed.size, good_child);
    free(packed.data);
    return error;
}

static void set_string(char **string, const char *value)
{
    free(*string);
    *string = strdup(value);
    assert_non_null(*string);
}

static void assert_says(const char *error, const char *expected)
{
    if (strstr(error, expected) == NULL)
        fail_msg("'%s' does not say '%s'", error, expected);
}

static void test_the_good_request_is_good(void **state)
{
    (void)state;
    request_proto *request = read_request();
    assert_string_equal(run_request(request), "");
    free_request(request);
}

static void test_no_request_is_an_error(void **state)
{
    (void)state;
    assert_says(run_bytes((const uint8_t *)"", 0, good_child), "no file to generate");
    assert_says(run_bytes((const uint8_t *)"garbage", 7, good_child), "malformed request");
}

/* Cuts and single wrong bytes, at places and with values that a seed gives. */
static void test_damaged_requests_do_no_harm(void **state)
{
    (void)state;
    enum {
        ROUNDS = 10000
    };
    request_proto *request = read_request();
    struct packed good = pack(&request->base);
    uint8_t *bent = malloc(good.size);
    assert_non_null(bent);
    uint64_t random = 1;
    for (int i = 0; i < ROUNDS; i++) {
        memcpy(bent, good.data, good.size);
        for (int j = 0; j < 1 + i % 4; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            bent[(random >> 33) % good.size] = (uint8_t)(random >> 24);
        }
        (void)run_bytes(bent, i % 3 == 0 ? (random >> 33) % good.size : good.size, good_child);
    }
    free(bent);
    free(good.data);
    free_request(request);
}

static size_t put_length(uint8_t *end, size_t length)
{
    uint8_t bytes[10];
    size_t count = 0;
    do {
        bytes[count] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
        count++;
        length >>= 7;
    } while (length > 0);
    memcpy(end - count, bytes, count);
    return count;
}

/* A message in a message in a message, a hundred thousand deep, built from the inside out. */
static void test_deep_messages_are_refused(void **state)
{
    (void)state;
    enum {
        DEPTH = 100000,
        SIZE = DEPTH * 6
    };
    uint8_t *data = malloc(SIZE);
    assert_non_null(data);
    uint8_t *end = data + SIZE;
    uint8_t *at = end;
    for (int i = 0; i < DEPTH; i++) {
        at -= put_length(at, (size_t)(end - at));
        /* DescriptorProto.nested_type; FileDescriptorProto.message_type; request.proto_file */
        int field = i == DEPTH - 1 ? 15 : i == DEPTH - 2 ? 4 : 3;
        *--at = (uint8_t)(field << 3 | 2);
    }
    assert_says(run_bytes(at, (size_t)(end - at), good_child), "deeper than");
    free(data);
}

static void test_files_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    request_proto *request = read_request();
    file_proto *last = request->proto_file[request->n_proto_file - 1];
    set_string(&request->file_to_generate[0], "missing.proto");
    assert_says(run_request(request), "missing.proto is to be generated but missing");
    set_string(&request->file_to_generate[0], last->name);
    set_string(&last->dependency[0], last->name);
    assert_says(run_request(request), "which is not before it");
    set_string(&last->dependency[0], "nowhere.proto");
    assert_says(run_request(request), "imports nowhere.proto");
    set_string(&request->proto_file[0]->name, last->name);
    assert_says(run_request(request), "comes twice");
    set_string(&request->proto_file[0]->name, "a\"b.proto");
    assert_says(run_request(request), "cannot #include");
    free_request(request);
}

static void test_elements_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    request_proto *request = read_request();
    file_proto *last = request->proto_file[request->n_proto_file - 1];
    char **input = &last->service[0]->method[0]->input_type;
    set_string(input, ".no.such.Type");
    assert_says(run_request(request), ".no.such.Type is no message");
    set_string(input, "NotFull");
    assert_says(run_request(request), "has no full type name");
    set_string(&last->service[0]->name, "int main(void);");
    assert_says(run_request(request), "is no identifier");
    set_string(&last->message_type[0]->name, "");
    assert_says(run_request(request), "message '' is no identifier");
    free_request(request);

    request = read_request();
    last = request->proto_file[request->n_proto_file - 1];
    set_string(&last->syntax, "editions");
    assert_says(run_request(request), "only proto2 and proto3");
    last->message_type[0]->field[0]->has_oneof_index = 1;
    last->message_type[0]->field[0]->oneof_index = 4711;
    assert_says(run_request(request), "is in no oneof");
    last->message_type[0]->field[0]->type = 99;
    assert_says(run_request(request), "has no type");
    free_request(request);
}

static int garbage_child(void *state, const uint8_t *request, size_t size,
                         struct codegen_result *result)
{
    (void)state;
    (void)request;
    (void)size;
    result->data = (uint8_t *)strdup("garbage");
    result->size = 7;
    return 0;
}

static int silent_child(void *state, const uint8_t *request, size_t size,
                        struct codegen_result *result)
{
    (void)state;
    (void)request;
    (void)size;
    (void)result;
    return 0;
}

static int failing_child(void *state, const uint8_t *request, size_t size,
                         struct codegen_result *result)
{
    (void)state;
    (void)request;
    (void)size;
    snprintf(result->error, sizeof(result->error), "one\n\ntwo");
    return -1;
}

static void test_a_bad_child_is_an_error(void **state)
{
    (void)state;
    request_proto *request = read_request();
    struct packed packed = pack(&request->base);
    assert_says(run_bytes(packed.data, packed.size, garbage_child), "its answer is malformed");
    assert_says(run_bytes(packed.data, packed.size, silent_child), "wrote no messages");
    assert_says(run_bytes(packed.data, packed.size, failing_child), "protoc-gen-c: two");
    free(packed.data);
    free_request(request);
}

static void test_parameters_are_checked(void **state)
{
    (void)state;
    request_proto *request = read_request();
    set_string(&request->parameter, "aliases=off,prefix=a_,,aliases=on");
    assert_string_equal(run_request(request), "");
    set_string(&request->parameter, "aliases=maybe");
    assert_says(run_request(request), "unknown parameter 'aliases=maybe'");
    set_string(&request->parameter, "prefix=1");
    assert_says(run_request(request), "a prefix is letters");
    free_request(request);
}

static int read_descriptors(void **state)
{
    (void)state;
    const char *path = getenv("TRIREME_DESCRIPTORS");
    FILE *file = path != NULL ? fopen(path, "rb") : NULL;
    if (file == NULL)
        return -1;
    descriptors.data = malloc(1 << 20);
    if (descriptors.data != NULL)
        descriptors.size = fread(descriptors.data, 1, 1 << 20, file);
    fclose(file);
    return descriptors.size > 0 ? 0 : -1;
}

static int free_descriptors(void **state)
{
    (void)state;
    free(descriptors.data);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_good_request_is_good),
        cmocka_unit_test(test_no_request_is_an_error),
        cmocka_unit_test(test_damaged_requests_do_no_harm),
        cmocka_unit_test(test_deep_messages_are_refused),
        cmocka_unit_test(test_files_that_do_not_fit_are_refused),
        cmocka_unit_test(test_elements_that_do_not_fit_are_refused),
        cmocka_unit_test(test_a_bad_child_is_an_error),
        cmocka_unit_test(test_parameters_are_checked),
    };
    return cmocka_run_group_tests(tests, read_descriptors, free_descriptors);
}
