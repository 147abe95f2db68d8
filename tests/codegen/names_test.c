/*
 * C names: protobuf-c's to the letter (compile_test.sh has the compiler check them too), and the
 * rules for services and methods.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codegen_names.h"

typedef char *(*naming)(struct codegen_memory *memory, const char *name);

struct example {
    const char *name;
    const char *expected;
};

static void check_all(naming function, const struct example *examples, size_t count)
{
    struct codegen_memory memory;
    codegen_memory_init(&memory, 1 << 20);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(function(&memory, examples[i].name), examples[i].expected);
    codegen_memory_fini(&memory);
}

#define CHECK(function, ...)                                                                       \
    do {                                                                                           \
        static const struct example examples[] = {__VA_ARGS__};                                    \
        check_all(function, examples, sizeof(examples) / sizeof(examples[0]));                     \
    } while (0)

static void test_types_are_named_as_by_protobuf_c(void **state)
{
    (void)state;
    CHECK(codegen_camel, {"org.my_pkg.HTTPReply.inner", "Org__MyPkg__HTTPReply__Inner"},
          {"Bare", "Bare"}, {".Bare", "Bare"}, {"a.b_c1.d2e", "A__BC1__D2e"}, {"p._x", "P__X"},
          {"p.x_", "P__X"}, {"p.__Two__", "P__Two"}, {"p._", "P__"}, {"p._1a", "P__1a"});
    CHECK(codegen_lower, {"org.my_pkg.HTTPReply.inner", "org__my_pkg__httpreply__inner"},
          {"Code_gen.ABc.FooBar", "code_gen__abc__foo_bar"}, {"p.Foo_Bar", "p__foo__bar"},
          {"p.Digits4You2", "p__digits4_you2"}, {"p._X", "p____x"});
    CHECK(codegen_upper, {"org.my_pkg.HTTPReply.inner", "ORG__MY_PKG__HTTPREPLY__INNER"},
          {"p.Foo_Bar", "P__FOO__BAR"}, {"m._maybe_text", "M___MAYBE_TEXT"});
}

static void test_members_keep_clear_of_reserved_words(void **state)
{
    (void)state;
    CHECK(codegen_member, {"name", "name"}, {"fooBar", "foobar"}, {"class", "class_"},
          {"SIGNED", "signed_"}, {"restrict", "restrict_"}, {"linux", "linux_"},
          {"nullptr", "nullptr_"}, {"classes", "classes"});
    struct codegen_memory memory;
    codegen_memory_init(&memory, 1 << 20);
    assert_false(codegen_must_rename_field(&memory, "name"));
    assert_false(codegen_must_rename_field(&memory, "class"));
    assert_true(codegen_must_rename_field(&memory, "restrict"));
    assert_true(codegen_must_rename_field(&memory, "Linux"));
    codegen_memory_fini(&memory);
}

static void test_services_and_methods_are_in_snake_case(void **state)
{
    (void)state;
    CHECK(codegen_snake, {"Greeter", "greeter"}, {"sayHello", "say_hello"},
          {"SayHello", "say_hello"}, {"say_hello", "say_hello"}, {"Say_Hello", "say_hello"},
          {"HTTPService", "http_service"}, {"MyHTTP", "my_http"}, {"getV2Url", "get_v2_url"},
          {"GetURLNow", "get_url_now"}, {"ABTest", "ab_test"}, {"A", "a"}, {"aB", "a_b"},
          {"SHA256Sum", "sha256_sum"}, {"_1st", "n1st"}, {"__", "n"}, {"list__all_", "list_all"},
          {"X1Y2", "x1_y2"});
    CHECK(codegen_snake_member, {"Delete", "delete_"}, {"int", "int_"}, {"next", "next"},
          {"Serve", "serve"}, {"Errno", "errno_"}, {"Namespace", "namespace_"},
          {"CoAwait", "co_await_"});
}

static void test_files_become_identifiers_and_stems(void **state)
{
    (void)state;
    CHECK(codegen_file_identifier, {"a/b-c.proto", "a_2fb_2dc_2eproto"}, {"a_b", "a_5fb"});
    CHECK(codegen_file_stem, {"a/b.proto", "a/b"}, {"a.protodevel", "a"}, {"a.txt", "a.txt"},
          {".proto", ""});
}

static void test_identifiers_are_told_apart(void **state)
{
    (void)state;
    assert_true(codegen_is_identifier("_a1"));
    assert_false(codegen_is_identifier(""));
    assert_false(codegen_is_identifier("1a"));
    assert_false(codegen_is_identifier("a b"));
    assert_false(codegen_is_identifier("a.b"));
    assert_false(codegen_is_identifier("\xc3\xa9"));
    assert_true(codegen_is_dotted("a.b1._c"));
    assert_false(codegen_is_dotted("a..b"));
    assert_false(codegen_is_dotted(".a"));
    assert_false(codegen_is_dotted("a."));
    assert_true(codegen_is_reserved("while"));
    assert_true(codegen_is_reserved("thread_local"));
    assert_false(codegen_is_reserved("emit"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_are_named_as_by_protobuf_c),
        cmocka_unit_test(test_members_keep_clear_of_reserved_words),
        cmocka_unit_test(test_services_and_methods_are_in_snake_case),
        cmocka_unit_test(test_files_become_identifiers_and_stems),
        cmocka_unit_test(test_identifiers_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
