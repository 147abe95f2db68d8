/*
 * Goal: addresses are read as people write them and written in the same form; what is none is
 * refused with a line that names it. Method: tables of both.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net_address.h"

static void what_is_read_is_written(void **state)
{
    static const char *const addresses[] = {
        "tcp://127.0.0.1:0", "tcp://0.0.0.0:65535", "tcp://192.0.2.1:80", "tcp://[::1]:50051",
        "tcp://[::]:1",      "unix:/run/a.socket",  "unix:relative",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
        struct tri__address address;
        char error[256] = "", text[140];

        assert_int_equal(tri__address_parse(&address, addresses[i], error, sizeof(error)), 0);
        assert_string_equal(error, "");
        tri__address_format(&address, text, sizeof(text));
        assert_string_equal(text, addresses[i]);
    }
}

static void what_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "tcp://",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://:1",
        "tcp://a:-1",
        "tcp://a:+1",
        "tcp://a:65536",
        "tcp://a:1 ",
        "tcp://a: 1",
        "tcp://::1:1",
        "tcp://[::1]",
        "tcp://[::1:1",
        "tcp://[]:1",
        "TCP://a:1",
        "unix:",
        "udp://a:1",
        "127.0.0.1:80",
        "tcp://a:99999999999999999999",
        "tcp:/a:1",
        "unix",
        "tcp://a:0x10",
    };
    char long_text[400];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct tri__address address;
        char error[256] = "";

        assert_int_equal(tri__address_parse(&address, wrong[i], error, sizeof(error)), -EINVAL);
        assert_non_null(strstr(error, wrong[i]));
    }
    for (size_t size = 100; size < 399; size++) {
        struct tri__address address;
        char error[64];
        int r;

        memset(long_text, 'a', size);
        memcpy(long_text, "unix:", 5);
        long_text[size] = '\0';
        r = tri__address_parse(&address, long_text, error, sizeof(error));
        assert_int_equal(r, size - 5 <= 107 ? 0 : -EINVAL);
        memcpy(long_text, "tcp://", 6);
        assert_int_equal(tri__address_parse(&address, long_text, error, sizeof(error)), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written),
        cmocka_unit_test(what_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
