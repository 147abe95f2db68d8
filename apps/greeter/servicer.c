#include "servicer.h"

#include "names.h"

const char *const greeter_names[] = {
    "org.apache.dubbo.samples.proto.Greeter",
    "org.apache.dubbo.samples.data.Greeter",
    NULL,
};

static tri_code say_hello(tri_call *call, const GreeterRequest *request,
                          greeter_say_hello_replies *replies)
{
    GreeterReply reply = GREETER_REPLY__INIT;

    reply.message = tri_call_printf(call, "Hello, %s", request->name);
    return greeter_say_hello_emit(replies, &reply);
}

/* Every name, followed by a space. */
static tri_code client_stream(tri_call *call, greeter_client_stream_requests *requests,
                              greeter_client_stream_replies *replies)
{
    GreeterReply reply = GREETER_REPLY__INIT;
    struct greeter_names names = {0};

    tri_each (request, greeter_client_stream_next(requests)) {
        if (greeter_names_add(call, &names, request->name) != TRI_OK)
            return tri_call_code(call);
    }
    /* The loop ends too when the client gives up: nothing is said, or stored, for half a stream. */
    if (!tri_call_ended_ok(call))
        return tri_call_code(call);
    if (names.text != NULL)
        reply.message = names.text;
    return greeter_client_stream_emit(replies, &reply);
}

/* The words of the name, one reply each. */
static tri_code server_stream(tri_call *call, const GreeterRequest *request,
                              greeter_server_stream_replies *replies)
{
    return greeter_emit_words(call, request->name, replies);
}

/* An answer to each request, at once. */
static tri_code bi_stream(tri_call *call, greeter_bi_stream_requests *requests,
                          greeter_bi_stream_replies *replies)
{
    const struct greeter_settings *settings = tri_call_state(call);
    GreeterReply reply = GREETER_REPLY__INIT;
    int count = 0;

    tri_each (request, greeter_bi_stream_next(requests)) {
        if (++count == 2 && settings->think > 0)
            tri_call_sleep(call, settings->think);
        reply.message = tri_call_printf(call, "Hello, %s!", request->name);
        if (greeter_bi_stream_emit(replies, &reply) != TRI_OK)
            break;
    }
    return tri_call_code(call);
}

const greeter_servicer greeter = {
    .say_hello = say_hello,
    .client_stream = client_stream,
    .server_stream = server_stream,
    .bi_stream = bi_stream,
};
