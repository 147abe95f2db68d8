/*
 * Goal: metadata comes as it was sent, and goes out as the rules allow; a failure is the first one,
 * whole and short enough; what a handler gets wrong is INTERNAL, with a line in the log; texts and
 * memory live as long as they should. Method: the harness, with handlers that try what the test
 * is about.
 */
#include "streams.h"

#include <errno.h>

static tri_code look(tri_call *call, const void *servicer, const void *request)
{
    static const struct {
        const char *key;
        size_t index;
        const char *value;
        size_t size;
    } wanted[] = {
        {"x-a", 0, "one", 3},       {"x-a", 1, "", 0},           {"x-a", 2, NULL, 0},
        {"x-a", SIZE_MAX, NULL, 0}, {"x-bin", 0, "\0\xff", 2},   {"x-bin", 1, "hi", 2},
        {"x-bin", 2, "", 0},        {"x-bin", 3, "last", 4},     {"x-b", 0, NULL, 0},
        {"user-agent", 0, "me", 2}, {":authority", 0, "a:1", 3},
    };
    size_t position = 0, count = 0;
    const char *key;
    tri_bytes value;

    (void)servicer, (void)request;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        value = tri_call_metadata(call, wanted[i].key, wanted[i].index);
        assert_int_equal(value.data != NULL, wanted[i].value != NULL);
        if (value.data == NULL)
            continue;
        assert_int_equal(value.size, wanted[i].size);
        assert_memory_equal(value.data, wanted[i].value, value.size);
        assert_int_equal(value.data[value.size], '\0');
    }
    while (tri_call_metadata_next(call, &position, &key, &value)) {
        tell(key);
        count++;
    }
    assert_int_equal(count, 8);
    assert_string_equal(tri_call_path(call), "/test.Service/Method");
    assert_string_equal(tri_call_peer(call), "127.0.0.1:1");
    assert_string_equal(tri_call_state(call), "state");
    assert_int_equal(tri_call_time_left(call), TRI_FOREVER);
    return TRI_OK;
}

static int store(struct stream *stream, const char *key, const char *value)
{
    return tri__call_store_field(stream->call, key, strlen(key), value, strlen(value));
}

static void metadata_comes_as_it_was_sent(void **state)
{
    struct tri__method method = make_method(look, true, true);
    struct stream *stream = open_stream(1);

    (void)state;
    assert_int_equal(store(stream, ":authority", "a:1"), 0);
    assert_int_equal(store(stream, "user-agent", "me"), 0);
    assert_int_equal(store(stream, "x-a", "one"), 0);
    assert_int_equal(store(stream, "x-bin", "AP8=,aGk"), 0); /* joined, with and without padding */
    assert_int_equal(store(stream, "x-a", ""), 0);
    assert_int_equal(store(stream, "x-bin", ""), 0);
    assert_int_equal(store(stream, "x-bin", "bGFzdA"), 0);
    assert_int_equal(store(stream, "x-bin", "a"), -EINVAL);
    assert_int_equal(store(stream, "x-bin", "!!!!"), -EINVAL);
    tri__call_accept(stream->call, &method, TRI_FOREVER, 0, is_local ? 1 : 0);
    finish(stream);
    assert_string_equal(told, ":authority user-agent x-a x-bin x-bin x-a x-bin x-bin ");
}

static unsigned fields_wanted;

static tri_code count_fields(tri_call *call, const void *servicer, const void *request)
{
    char key[32], text[32];

    (void)servicer, (void)request;
    for (unsigned i = 0; i < fields_wanted; i++) {
        tri_bytes value;

        snprintf(key, sizeof(key), "x-%u", i);
        snprintf(text, sizeof(text), "value %u", i);
        value = tri_call_metadata(call, key, 0);
        assert_non_null(value.data);
        assert_string_equal(value.data, text);
    }
    return TRI_OK;
}

static void metadata_grows(void **state)
{
    struct tri__method method = make_method(count_fields, true, true);

    (void)state;
    for (fields_wanted = 1; fields_wanted <= 128; fields_wanted *= 2) {
        struct stream *stream = open_stream(1);

        for (unsigned i = 0; i < fields_wanted; i++) {
            char key[32], text[32];

            snprintf(key, sizeof(key), "x-%u", i);
            snprintf(text, sizeof(text), "value %u", i);
            assert_int_equal(store(stream, key, text), 0);
        }
        tri__call_accept(stream->call, &method, TRI_FOREVER, 0, is_local ? 1 : 0);
        finish(stream);
    }
}

static tri_code add_fields(tri_call *call, const void *servicer, const void *request)
{
    static const char *const bad_keys[] = {"",       "X-a",          "x a", ":path",
                                           "grpc-x", "content-type", "te",  "connection",
                                           "x-\x7f", "grpc-status",  "host"};
    static const char *const bad_values[] = {"a\nb", "\x7f", "\x1f", "\xc3\xa9"};
    char large[8000];

    (void)servicer, (void)request;
    for (size_t i = 0; i < sizeof(bad_keys) / sizeof(*bad_keys); i++) {
        assert_int_equal(tri_call_add_header(call, bad_keys[i], "a"), -EINVAL);
        assert_int_equal(tri_call_add_trailer(call, bad_keys[i], "a"), -EINVAL);
        assert_int_equal(log_lines, 2 * (i + 1));
        assert_non_null(strstr(log_line, "/test.Service/Method: \""));
        assert_non_null(strstr(log_line, bad_keys[i]));
    }
    assert_non_null(strstr(log_line, "only the framework"));
    for (size_t i = 0; i < sizeof(bad_values) / sizeof(*bad_values); i++) {
        assert_int_equal(tri_call_add_header(call, "x-a", bad_values[i]), -EINVAL);
        assert_int_equal(tri_call_add_trailer(call, "x-a", bad_values[i]), -EINVAL);
        assert_non_null(strstr(log_line, "\"x-a\" has a value"));
    }
    assert_int_equal(tri_call_add_header(call, "x-a", "1"), 0);
    assert_int_equal(tri_call_add_header_bytes(call, "x-bin", "\0\xff", 2), 0);
    memset(large, 'x', sizeof(large));
    /* 8,192 less 36 of x-a and 32 + 5 + 3 or 4 of x-bin, less 32 + 3 of its own. */
    assert_int_equal(tri_call_add_header_bytes(call, "x-l", large, sizeof(large)), 0);
    assert_int_equal(tri_call_add_header_bytes(call, "x-m", large, 50), -E2BIG);
    assert_int_equal(tri_call_add_header(call, "x-o", "fits"), 0);
    assert_int_equal(tri_call_send_headers(call), TRI_OK);
    assert_int_equal(tri_call_send_headers(call), TRI_OK); /* were out already */
    assert_int_equal(tri_call_add_header(call, "x-a", "1"), -EALREADY);
    emit_text(call, "a");
    assert_int_equal(tri_call_add_header(call, "x-a", "1"), -EALREADY);
    assert_int_equal(tri_call_add_trailer(call, "x-t", "t"), 0);
    assert_int_equal(tri_call_set_details(call, large, sizeof(large)), -E2BIG);
    assert_int_equal(tri_call_set_details(call, "de", 2), 0);
    return TRI_OK;
}

static void list(const struct tri__fields *fields)
{
    size_t position = 0, key_size, value_size;
    const char *key, *value;
    char text[64];

    while (tri__fields_next(fields, &position, &key, &key_size, &value, &value_size)) {
        snprintf(text, sizeof(text), "%.*s=%.*s", (int)key_size, key,
                 (int)(value_size < 8 ? value_size : 8), value);
        tell(text);
    }
}

static void fields_that_go_out(void **state)
{
    struct tri__method method = make_method(add_fields, true, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);

    (void)state;
    run_both();
    assert_true(stream->has_responded && stream->has_body);
    list(stream->call->headers);
    assert_string_equal(told, "x-a=1 x-bin=AP8 x-l=xxxxxxxx x-o=fits ");
    forget_told();
    list(stream->call->trailers);
    assert_string_equal(told, "x-t=t grpc-status-details-bin=ZGU ");
    finish(stream);
    assert_int_equal(stream->code, TRI_OK);
}

static struct {
    tri_code code;
    const char *text;
    size_t size;
} failure;

static tri_code fail_twice(tri_call *call, const void *servicer, const void *request)
{
    tri_code code;

    (void)servicer, (void)request;
    assert_int_equal(emit_text(call, "before"), TRI_OK);
    code = failure.size > 0 ? tri_call_fail_message(call, failure.code, failure.text, failure.size)
                            : tri_call_fail(call, failure.code, "%s", failure.text);
    assert_int_not_equal(code, TRI_OK);
    assert_int_equal(tri_call_code(call), code);
    assert_int_equal(tri_call_fail(call, TRI_DATA_LOSS, "the second one"), code);
    assert_int_equal(emit_text(call, "after"), code);
    assert_null(tri_gen_next(call));
    assert_false(tri_call_ended_ok(call));
    return TRI_OK; /* does not take it back */
}

static void expect_failure(tri_code code, const char *text, size_t size, tri_code wanted,
                           const char *wanted_text)
{
    struct tri__method method = make_method(fail_twice, true, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);

    failure.code = code;
    failure.text = text;
    failure.size = size;
    finish(stream);
    assert_int_equal(stream->code, wanted);
    assert_string_equal(stream->text, wanted_text);
    assert_reply(stream, 0, "before");
    assert_reply(stream, 1, NULL);
}

static void the_first_failure_wins(void **state)
{
    static char large[3000], cut[1025];

    (void)state;
    expect_failure(TRI_NOT_FOUND, "no user \xc3\xa9 100%", 0, TRI_NOT_FOUND,
                   "no user \xc3\xa9 100%");
    expect_failure(TRI_OK, "but it failed", 0, TRI_UNKNOWN, "but it failed");
    expect_failure((tri_code)17, "what", 0, TRI_UNKNOWN, "what");
    expect_failure(TRI_ABORTED, "", 0, TRI_ABORTED, "");
    expect_failure(TRI_ABORTED, "only this much", 4, TRI_ABORTED, "only");
    memset(large, 'x', sizeof(large) - 1);
    memset(cut, 'x', 1024);
    expect_failure(TRI_ABORTED, large, 0, TRI_ABORTED, cut);
    expect_failure(TRI_ABORTED, large, sizeof(large) - 1, TRI_ABORTED, cut);
    /* Not in the middle of a character. */
    memcpy(large + 1022, "\xe2\x82\xac", 3);
    cut[1022] = '\0';
    expect_failure(TRI_ABORTED, large, 0, TRI_ABORTED, cut);
}

/* The order of the enum is that of the rows below. */
enum mistake {
    NO_REPLY,
    TWO_REPLIES,
    NULL_REPLY,
    WILD_REPLY,
    BAD_CODE,
    PLAIN_CODE
};

static size_t mistake; /* enum mistake */

static tri_code err(tri_call *call, const void *servicer, const void *request)
{
    CallTest__Text wild;
    CallTest__Nested other = CALL_TEST__NESTED__INIT;

    (void)servicer, (void)request;
    memset(&wild, 0, sizeof(wild));
    switch (mistake) {
    case NO_REPLY:
        return TRI_OK;
    case TWO_REPLIES:
        assert_int_equal(emit_text(call, "one"), TRI_OK);
        assert_int_equal(emit_text(call, "two"), TRI_INTERNAL);
        return TRI_OK;
    case NULL_REPLY:
        assert_int_equal(tri_gen_emit(call, NULL), TRI_INTERNAL);
        return TRI_OK;
    case WILD_REPLY:
        assert_int_equal(tri_gen_emit(call, &wild), TRI_INTERNAL);
        assert_int_equal(tri_gen_emit(call, &other), TRI_INTERNAL);
        return TRI_OK;
    case BAD_CODE:
        return (tri_code)99;
    default:
        return TRI_UNAVAILABLE;
    }
}

static void a_handlers_mistakes_are_named(void **state)
{
    static const struct {
        tri_code code;
        unsigned lines;
        const char *says;
    } wanted[] = {
        {TRI_INTERNAL, 1, "returned TRI_OK without a reply"},
        {TRI_INTERNAL, 1, "two replies where one is due"},
        {TRI_INTERNAL, 1, "no reply of this method"},
        {TRI_INTERNAL, 1, "no reply of this method"},
        {TRI_UNKNOWN, 0, ""},
        {TRI_UNAVAILABLE, 0, ""},
    };
    struct tri__method method = make_method(err, false, false);

    (void)state;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        struct stream *stream = begin(1, &method, TRI_FOREVER);

        mistake = i;
        log_lines = 0;
        receive_text(stream, "");
        tri__call_half_closed(stream->call);
        finish(stream);
        assert_int_equal(stream->code, wanted[i].code);
        assert_int_equal(stream->out_size, 0); /* no reply beside a failure */
        assert_int_equal(log_lines, wanted[i].lines);
        assert_non_null(strstr(stream->text, wanted[i].says));
        if (log_lines > 0) {
            assert_non_null(strstr(log_line, "/test.Service/Method: "));
            assert_non_null(strstr(log_line, wanted[i].says));
        }
    }
}

static tri_code use_memory(tri_call *call, const void *servicer, const void *request)
{
    static char wide[2001];
    char *kept[20], *text;

    (void)servicer;
    for (size_t i = 0; i < 20; i++) {
        kept[i] = tri_call_alloc(call, 100 * i + 1);
        assert_non_null(kept[i]);
        assert_int_equal((uintptr_t)kept[i] % 16, 0);
        memset(kept[i], (int)i, 100 * i + 1);
    }
    memset(wide, 'w', 2000);
    text = tri_call_printf(call, "%d %s %5.2f|%-4u|%c%%", -7, "and", 3.14159, 42u, 'x');
    assert_string_equal(text, "-7 and  3.14|42  |x%");
    assert_string_equal(tri_call_printf(call, "%s", ""), "");
    assert_string_equal(tri_call_printf(call, "<%s>", wide + 1),
                        tri_call_printf(call, "<%s>", wide + 1));
    assert_int_equal(strlen(tri_call_printf(call, "%s%s%s", wide, wide, wide)), 6000);
    for (size_t length = 500; length < 520; length++) /* about the size of its own buffer */
        assert_int_equal(strlen(tri_call_printf(call, "%.*s", (int)length, wide)), length);
    assert_string_equal(text, "-7 and  3.14|42  |x%"); /* still there */
    while ((request = tri_gen_next(call)) != NULL)
        emit_text(call, text_of(request));
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(kept[i][100 * i], (char)i);
    /* More than there is: the call fails, the text is empty. */
    assert_null(tri_call_alloc(call, SIZE_MAX - 100));
    assert_int_equal(tri_call_code(call), TRI_RESOURCE_EXHAUSTED);
    return TRI_OK;
}

static void memory_lives_as_long_as_it_should(void **state)
{
    struct tri__method method = make_method(use_memory, true, true);
    struct stream *stream = begin(1, &method, TRI_FOREVER);

    (void)state;
    for (int i = 0; i < 5; i++)
        receive_text(stream, "request");
    tri__call_half_closed(stream->call);
    finish(stream);
    assert_int_equal(stream->code, TRI_RESOURCE_EXHAUSTED);
    assert_reply(stream, 4, "request");
}

static tri_code say_too_much(tri_call *call, const void *servicer, const void *request)
{
    (void)servicer, (void)request;
    assert_int_equal(emit_text(call, "just enough"), TRI_OK);
    assert_int_equal(emit_text(call, "more than that"), TRI_RESOURCE_EXHAUSTED);
    return TRI_OK;
}

static void a_reply_above_the_limit(void **state)
{
    struct tri__method method = make_method(say_too_much, true, true);
    struct stream *stream;

    (void)state;
    limits.send_message_max = 13;
    stream = begin(1, &method, TRI_FOREVER);
    finish(stream);
    assert_int_equal(stream->code, TRI_RESOURCE_EXHAUSTED);
    assert_string_equal(stream->text, "a reply message of 16 bytes; the limit is 13");
    assert_reply(stream, 0, "just enough");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(metadata_comes_as_it_was_sent),
        BOTH(metadata_grows),
        BOTH(fields_that_go_out),
        BOTH(the_first_failure_wins),
        BOTH(a_handlers_mistakes_are_named),
        BOTH(memory_lives_as_long_as_it_should),
        BOTH(a_reply_above_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
