/*
 * How a handler says what becomes of its call, and what memory it has for that.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "call_format.h"
#include "call_post.h"
#include "call_side.h"

#define FAILURE_MAX 1024

static tri_code set_failure(struct tri_call *call, tri_code code, const char *text, size_t size)
{
    if (code <= TRI_OK || code > TRI_UNAUTHENTICATED)
        code = TRI_UNKNOWN;
    tri_code ended_by = tri__call_set_code(call, code);

    /* The first one wins; what it says is the reactor's to read once the handler has returned. */
    if (ended_by != code || call->failure != NULL)
        return ended_by;
    if (size > FAILURE_MAX) {
        size = FAILURE_MAX;
        while (size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80)
            size--;
    }
    call->failure = tri__strndup(text, size);
    call->failure_size = call->failure != NULL ? (uint32_t)size : 0;
    return ended_by;
}

tri_code tri_call_fail_message(tri_call *call, tri_code code, const char *message, size_t size)
{
    if (tri__call_code(call) != TRI_OK)
        return tri__call_code(call);
    return set_failure(call, code, message, size);
}

struct mistake {
    struct tri_call *call;
    const char *what; /* or NULL */
    const char *text;
};

static void log_mistake(void *argument)
{
    struct mistake *mistake = argument;

    if (mistake->what != NULL)
        tri__log(mistake->call->table->log, TRI_LOG_WARNING, "%s: \"%.100s\" %s",
                 mistake->call->method->path, mistake->what, mistake->text);
    else
        tri__log(mistake->call->table->log, TRI_LOG_WARNING, "%s: %s", mistake->call->method->path,
                 mistake->text);
}

void tri__side_warn(struct tri_call *call, const char *what, const char *why)
{
    struct mistake mistake = {call, what, why};

    tri__on_thread_stack(log_mistake, &mistake);
}

tri_code tri__side_fail(struct tri_call *call, tri_code code, bool is_mistake, const char *text)
{
    struct mistake mistake = {call, NULL, text};

    if (is_mistake)
        tri__on_thread_stack(log_mistake, &mistake);
    return tri_call_fail_message(call, code, text, strlen(text));
}

struct formatting {
    struct tri_call *call;
    const char *format;
    va_list *arguments;
    tri_code code;
    char *text;
};

static void format_failure(void *argument)
{
    struct formatting *formatting = argument;
    char text[FAILURE_MAX + 8];
    int length = vsnprintf(text, sizeof(text), formatting->format, *formatting->arguments);
    size_t size = length < 0                      ? 0
                  : (size_t)length < sizeof(text) ? (size_t)length
                                                  : sizeof(text) - 1;

    formatting->code = tri_call_fail_message(formatting->call, formatting->code, text, size);
}

tri_code tri_call_fail(tri_call *call, tri_code code, const char *format, ...)
{
    va_list arguments;
    struct formatting formatting = {
        .call = call, .format = format, .arguments = &arguments, .code = code};

    va_start(arguments, format);
    tri__on_thread_stack(format_failure, &formatting);
    va_end(arguments);
    return formatting.code;
}

static void format_scratch(void *argument)
{
    struct formatting *formatting = argument;
    char text[512];
    va_list again;

    va_copy(again, *formatting->arguments);
    int length = vsnprintf(text, sizeof(text), formatting->format, *formatting->arguments);

    if (length >= 0) {
        size_t size = (size_t)length + 1;

        formatting->text = tri__arena_alloc(&formatting->call->scratch, size);
        if (formatting->text != NULL && size <= sizeof(text))
            memcpy(formatting->text, text, size);
        else if (formatting->text != NULL)
            vsnprintf(formatting->text, size, formatting->format, again);
    }
    va_end(again);
}

char *tri_call_printf(tri_call *call, const char *format, ...)
{
    static char nothing[1];
    va_list arguments;
    struct formatting formatting = {.call = call, .format = format, .arguments = &arguments};

    tri__side_assert_current(call);
    va_start(arguments, format);
    bool is_done = tri__format_simple(&call->scratch, &formatting.text, format, &arguments);
    va_end(arguments);
    if (!is_done) {
        va_start(arguments, format);
        tri__on_thread_stack(format_scratch, &formatting);
        va_end(arguments);
    }
    if (formatting.text != NULL)
        return formatting.text;
    tri__side_fail(call, TRI_RESOURCE_EXHAUSTED, false, "no memory for a text");
    nothing[0] = '\0';
    return nothing;
}

void *tri_call_alloc(tri_call *call, size_t size)
{
    void *memory = tri__arena_alloc(&call->memory, size);

    tri__side_assert_current(call);
    if (memory == NULL)
        tri__side_fail(call, TRI_RESOURCE_EXHAUSTED, false, "no memory for the handler");
    return memory;
}

tri_code tri_call_code(tri_call *call)
{
    return tri__call_code(call);
}

bool tri_call_ended_ok(tri_call *call)
{
    return call->ended_ok && tri__call_code(call) == TRI_OK;
}

tri_duration tri_call_time_left(tri_call *call)
{
    uint64_t now = tri__now(call->scheduler->clock);

    if (call->deadline_at == TRI__NEVER)
        return TRI_FOREVER;
    return call->deadline_at > now ? (tri_duration)(call->deadline_at - now) : 0;
}

void *tri_call_state(tri_call *call)
{
    return call->method->state;
}

const char *tri_call_path(tri_call *call)
{
    return call->method->path;
}

const char *tri_call_peer(tri_call *call)
{
    return call->peer->text;
}
