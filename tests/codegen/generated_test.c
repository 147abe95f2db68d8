/*
 * What the plugin writes, at run time: tables, trampolines, inline functions and descriptors. The
 * untyped core underneath is played by functions that note what they get.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "features.trireme.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "greeter.trireme.h"

/* What the functions below were last called with. */
static struct {
    const void *first;
    const void *second;
    const void *third;
    tri_duration timeout;
} seen;

static const GreeterRequest incoming = GREETER_REQUEST__INIT;

int tri_gen_serve(tri_server *server, const tri_gen_service *service, const void *servicer,
                  const tri_service_config *config)
{
    (void)config;
    seen.first = server;
    seen.second = service;
    seen.third = servicer;
    return 7;
}

const void *tri_gen_next(tri_call *call)
{
    seen.first = call;
    return &incoming;
}

int tri_gen_read(tri_call *call, const void **request, tri_duration timeout)
{
    seen.first = call;
    seen.timeout = timeout;
    *request = &incoming;
    return TRI_MESSAGE;
}

tri_code tri_gen_emit(tri_call *call, const void *reply)
{
    seen.first = call;
    seen.second = reply;
    return TRI_DATA_LOSS;
}

tri_code tri_gen_flush(tri_call *call)
{
    seen.first = call;
    return TRI_ABORTED;
}

static tri_code say_hello(tri_call *call, const GreeterRequest *request,
                          greeter_say_hello_replies *replies)
{
    GreeterReply reply = GREETER_REPLY__INIT;
    assert_ptr_equal(call, replies);
    assert_ptr_equal(request, &incoming);
    assert_int_equal(greeter_say_hello_emit(replies, &reply), TRI_DATA_LOSS);
    assert_ptr_equal(seen.second, &reply);
    seen.second = NULL;
    return TRI_NOT_FOUND;
}

static tri_code bi_stream(tri_call *call, greeter_bi_stream_requests *requests,
                          greeter_bi_stream_replies *replies)
{
    const GreeterRequest *request = NULL;
    assert_ptr_equal(greeter_bi_stream_next(requests), &incoming);
    assert_ptr_equal(seen.first, call);
    assert_int_equal(greeter_bi_stream_requests_read(requests, &request, TRI_MS(5)), TRI_MESSAGE);
    assert_ptr_equal(request, &incoming);
    assert_int_equal(seen.timeout, 5000000);
    seen.first = NULL;
    assert_int_equal(greeter_bi_stream_flush(replies), TRI_ABORTED);
    assert_ptr_equal(seen.first, call);
    return TRI_OK;
}

static const greeter_servicer servicer = {.say_hello = say_hello, .bi_stream = bi_stream};

#define GREETER org__apache__dubbo__samples__proto__greeter__service

static void test_serve_passes_its_arguments_on(void **state)
{
    (void)state;
    tri_server *server = (tri_server *)&seen;
    assert_int_equal(greeter_serve(server, &servicer, NULL), 7);
    assert_ptr_equal(seen.first, server);
    assert_ptr_equal(seen.second, &GREETER);
    assert_ptr_equal(seen.third, &servicer);
}

static void test_the_table_says_what_the_proto_says(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool requests_stream;
        bool replies_stream;
        size_t slot;
    } expected[] = {
        {"sayHello", false, false, offsetof(greeter_servicer, say_hello)},
        {"clientStream", true, false, offsetof(greeter_servicer, client_stream)},
        {"serverStream", false, true, offsetof(greeter_servicer, server_stream)},
        {"biStream", true, true, offsetof(greeter_servicer, bi_stream)},
    };
    assert_string_equal(GREETER.name, "org.apache.dubbo.samples.proto.Greeter");
    assert_int_equal(GREETER.methods_count, 4);
    assert_int_equal(GREETER.abi, TRI_GENERATED_ABI);
    assert_int_equal(GREETER.servicer_size, sizeof(greeter_servicer));
    for (size_t i = 0; i < 4; i++) {
        const tri_gen_method *method = &GREETER.methods[i];
        assert_string_equal(method->name, expected[i].name);
        assert_int_equal(method->requests_stream, expected[i].requests_stream);
        assert_int_equal(method->replies_stream, expected[i].replies_stream);
        assert_int_equal(method->slot, expected[i].slot);
        assert_ptr_equal(method->request, incoming.base.descriptor);
        assert_string_equal(((const ProtobufCMessageDescriptor *)method->reply)->short_name,
                            "GreeterReply");
    }
}

static void test_methods_reach_their_functions(void **state)
{
    (void)state;
    tri_call *call = (tri_call *)&seen;
    assert_int_equal(GREETER.methods[0].run(call, &servicer, &incoming), TRI_NOT_FOUND);
    assert_int_equal(GREETER.methods[3].run(call, &servicer, NULL), TRI_OK);
}

static void test_a_service_may_have_no_methods(void **state)
{
    (void)state;
    const tri_gen_service *service = &tests__code_gen__v1beta2__abc__nothing__service;
    assert_string_equal(service->name, "tests.Code_gen.v1beta2.ABc.Nothing");
    assert_int_equal(service->methods_count, 0);
    assert_null(service->methods);
}

/* Imports first, options kept, comments gone, proto3 optional still marked. */
static void test_descriptors_are_whole(void **state)
{
    (void)state;
    const tri_gen_service *service = &tests__code_gen__v1beta2__abc__httpservice__service;
    Google__Protobuf__FileDescriptorSet *set = google__protobuf__file_descriptor_set__unpack(
        NULL, service->descriptors_size, service->descriptors);
    assert_non_null(set);
    size_t found = 0;
    for (size_t i = 0; i < set->n_file; i++) {
        assert_null(set->file[i]->source_code_info);
        found += strcmp(set->file[i]->name, "options.proto") == 0;
        found += strcmp(set->file[i]->name, "imported.proto") == 0;
        found += strcmp(set->file[i]->name, "google/protobuf/descriptor.proto") == 0;
    }
    assert_int_equal(found, 3);
    const Google__Protobuf__FileDescriptorProto *file = set->file[set->n_file - 1];
    assert_string_equal(file->name, "features.proto");
    assert_int_equal(file->n_service, 3);
    assert_int_equal(file->service[0]->method[0]->options->base.n_unknown_fields, 1);
    assert_true(file->message_type[0]->field[2]->proto3_optional);
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
}

static void test_presence_shows_as_a_case(void **state)
{
    (void)state;
    uint8_t packed[64];
    HTTPReply reply = HTTPREPLY__INIT;
    assert_int_equal(reply._maybe_case, HTTPREPLY___MAYBE__NOT_SET);
    reply._maybe_case = HTTPREPLY___MAYBE_MAYBE;
    reply.maybe = 0;
    size_t size = protobuf_c_message_pack(&reply.base, packed);
    assert_int_equal(size, 2);
    HTTPReply *copy =
        (HTTPReply *)protobuf_c_message_unpack(reply.base.descriptor, NULL, size, packed);
    assert_non_null(copy);
    assert_int_equal(copy->_maybe_case, HTTPREPLY___MAYBE_MAYBE);
    assert_int_equal(copy->_maybe_text_case, HTTPREPLY___MAYBE_TEXT__NOT_SET);
    protobuf_c_message_free_unpacked(&copy->base, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serve_passes_its_arguments_on),
        cmocka_unit_test(test_the_table_says_what_the_proto_says),
        cmocka_unit_test(test_methods_reach_their_functions),
        cmocka_unit_test(test_a_service_may_have_no_methods),
        cmocka_unit_test(test_descriptors_are_whole),
        cmocka_unit_test(test_presence_shows_as_a_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
