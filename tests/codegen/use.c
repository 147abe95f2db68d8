/*
 * Uses generated code as C17 and as C++17; compile_test.sh compiles it with warnings as errors. Two
 * services of one name are here together, thanks to prefix=v2_.
 */
#include "features.trireme.h"
#include "legacy.trireme.h"
#include "no_package.trireme.h"
#include "nothing.trireme.h"
#include "renamed.trireme.h"
#include "v1/greeter.trireme.h"
#include "v2/greeter.trireme.h"

#ifdef __cplusplus
extern "C" {
#endif

int use_serve(tri_server *server, double_servicer *functions);

#ifdef __cplusplus
}
#endif

static tri_code chat(tri_call *call, http_service_v2_chat_requests *requests,
                     http_service_v2_chat_replies *replies)
{
    const Imported *late = NULL;
    tri_each (request, http_service_v2_chat_next(requests)) {
        Elsewhere reply = ELSEWHERE__INIT;
        if (request->_flag_case == IMPORTED___FLAG_FLAG && request->color == COLOR__GREEN)
            break;
        if (http_service_v2_chat_emit(replies, &reply) != TRI_OK)
            return http_service_v2_chat_flush(replies);
    }
    if (http_service_v2_chat_requests_read(requests, &late, TRI_MS(1)) == TRI_TIMED_OUT)
        return TRI_UNAVAILABLE;
    return tri_call_ended_ok(call) ? TRI_OK : tri_call_code(call);
}

static tri_code get(tri_call *call, const Thing *request, things_get_replies *replies)
{
    Thing reply = THING__INIT;
    (void)call;
    reply.base = request->base;
    return things_get_emit(replies, &reply);
}

static tri_code remove_one(tri_call *call, const Leading *request, double_delete_replies *replies)
{
    HTTPReply nested = HTTPREPLY__INIT;
    Words words = WORDS__INIT;
    Old old = OLD__INIT;
    UnderScore reply = UNDER_SCORE___INIT;
    (void)call;
    (void)request;
    nested._maybe_color_case = HTTPREPLY___MAYBE_COLOR_MAYBE_COLOR;
    nested.maybe_color = TESTS__CODE_GEN__V1BETA2__ABC__COLOR__RED;
    words.class_ = nested.text;
    words.restrict_ = words.class_;
    words.linux_ = words.base;
    words.nullptr_ = words.signed_;
    old.has_class_ = words.n_constexpr_ > 0;
    return words.union_case == WORDS__UNION__NOT_SET && old.class_
               ? TRI_INTERNAL
               : double_delete_emit(replies, &reply);
}

int use_serve(tri_server *server, double_servicer *functions)
{
    static http_service_servicer http;
    static things_servicer things;
    static greeter_servicer one;
    static v2_greeter_servicer two;
    static nothing_servicer nothing;
    http.v2_chat = chat;
    things.get = get;
    functions->delete_ = remove_one;
    return double_serve(server, functions, NULL) + http_service_serve(server, &http, NULL) +
           things_serve(server, &things, NULL) + greeter_serve(server, &one, NULL) +
           v2_greeter_serve(server, &two, NULL) + nothing_serve(server, &nothing, NULL);
}
