/*
 * Goal: only fields that HTTP/2 and gRPC allow get out, the framework's own stay its own, and a
 * content-type is told apart as gRPC servers do.
 * Method: every byte as a key and as a value, then tables.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "wire_field.h"

static void keys_have_few_characters(void **state)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyz_-.";

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char key[] = {'a', (char)byte, 'z'};
        bool expected = memchr(allowed, byte, sizeof(allowed) - 1) != NULL;

        assert_int_equal(tri__field_key_is_valid(key, sizeof(key)), expected);
    }
    assert_false(tri__field_key_is_valid("", 0));
    assert_true(tri__field_key_is_valid("x", 1));
    assert_false(tri__field_key_is_valid(":path", 5));
}

static void values_are_printable(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char value[] = {'a', (char)byte, 'z'};

        assert_int_equal(tri__field_value_is_valid(value, sizeof(value)),
                         byte >= 0x20 && byte <= 0x7e);
    }
    assert_true(tri__field_value_is_valid("", 0));
    assert_true(tri__field_value_is_valid("a b", 3));
    assert_false(tri__field_value_is_valid(" a", 2));
    assert_false(tri__field_value_is_valid("a ", 2));
    assert_false(tri__field_value_is_valid(" ", 1));
}

static void binary_keys_end_so(void **state)
{
    (void)state;
    assert_true(tri__field_key_is_binary("trace-bin", 9));
    assert_true(tri__field_key_is_binary("-bin", 4));
    assert_false(tri__field_key_is_binary("bin", 3));
    assert_false(tri__field_key_is_binary("trace-bins", 10));
    assert_false(tri__field_key_is_binary("trace-bi", 8));
    assert_false(tri__field_key_is_binary("", 0));
}

static void what_is_not_the_applications_is_reserved(void **state)
{
    static const char *const reserved[] = {
        ":status",
        ":authority",
        ":",
        "grpc-",
        "grpc-status",
        "grpc-status-details-bin",
        "content-type",
        "content-length",
        "content-encoding",
        "te",
        "trailer",
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "host",
        "user-agent",
    };
    static const char *const free_to_use[] = {
        "grpc",
        "grpcx",
        "tea",
        "t",
        "hosts",
        "hos",
        "x-host",
        "content-type2",
        "authorization",
        "trace-bin",
        "tri-service-version",
        "date",
        "server",
        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (!tri__field_key_is_reserved(reserved[i], strlen(reserved[i])))
            fail_msg("%s is not reserved", reserved[i]);
    }
    for (size_t i = 0; i < sizeof(free_to_use) / sizeof(free_to_use[0]); i++) {
        if (tri__field_key_is_reserved(free_to_use[i], strlen(free_to_use[i])))
            fail_msg("%s is reserved", free_to_use[i]);
    }
}

static void content_types_are_told_apart(void **state)
{
    static const struct {
        const char *value;
        enum tri__content content;
    } rows[] = {
        {"application/grpc", TRI__CONTENT_GRPC},
        {"application/grpc;charset=utf-8", TRI__CONTENT_GRPC},
        {"Application/GRPC", TRI__CONTENT_GRPC},
        {"application/grpc+proto", TRI__CONTENT_GRPC_PROTO},
        {"application/grpc+PROTO; a=b", TRI__CONTENT_GRPC_PROTO},
        {"application/grpc+proto;a=b", TRI__CONTENT_GRPC_PROTO},
        {"application/grpc+data", TRI__CONTENT_GRPC_DATA},
        {"application/grpc+json", TRI__CONTENT_GRPC_OTHER},
        {"application/grpc+protobuf", TRI__CONTENT_GRPC_OTHER},
        {"application/grpc+", TRI__CONTENT_GRPC_OTHER},
        {"application/grpc-web", TRI__CONTENT_NOT_GRPC},
        {"application/grpc-web+proto", TRI__CONTENT_NOT_GRPC},
        {"application/grpcx", TRI__CONTENT_NOT_GRPC},
        {"application/grp", TRI__CONTENT_NOT_GRPC},
        {"application/json", TRI__CONTENT_NOT_GRPC},
        {"", TRI__CONTENT_NOT_GRPC},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum tri__content content = tri__content_type(rows[i].value, strlen(rows[i].value));

        if (content != rows[i].content)
            fail_msg("\"%s\" gave %d", rows[i].value, (int)content);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_few_characters),
        cmocka_unit_test(values_are_printable),
        cmocka_unit_test(binary_keys_end_so),
        cmocka_unit_test(what_is_not_the_applications_is_reserved),
        cmocka_unit_test(content_types_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
