#include <trireme/trireme.h>

#include "words.trireme.h"

static tri_code shout(tri_call *call, const Text *request, words_shout_replies *replies)
{
    Text reply = TEXT__INIT;

    if (request->text[0] == '\0')
        return tri_call_fail(call, TRI_INVALID_ARGUMENT, "there is nothing to shout");
    reply.text = tri_call_printf(call, "%s!", request->text);
    return words_shout_emit(replies, &reply);
}

static tri_code echo(tri_call *call, words_echo_requests *requests, words_echo_replies *replies)
{
    tri_each (request, words_echo_next(requests))
        words_echo_emit(replies, request);
    return tri_call_code(call);
}

static const words_servicer servicer = {.shout = shout, .echo = echo};

int main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : "tcp://127.0.0.1:50052";
    tri_server *server =
        tri_server_new(TRI_SERVER_CONFIG(.listen = address, .log = tri_log_stderr));

    words_serve(server, &servicer, NULL);
    int r = tri_server_run(server); /* until SIGTERM or SIGINT */
    tri_server_free(server);
    return r == 0 ? 0 : 1;
}
