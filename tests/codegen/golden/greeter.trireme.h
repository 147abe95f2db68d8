/* Written by protoc-gen-trireme from greeter.proto: do not edit. */
#ifndef TRIREME_greeter_2eproto_INCLUDED
#define TRIREME_greeter_2eproto_INCLUDED

#include <trireme/generated.h>

#include "greeter.pb-c.h"

#if TRI_GENERATED_ABI != 1
#error "this file was written for another version of Trireme: rerun protoc-gen-trireme"
#endif

/*
 * Short names: those of protobuf-c without the package. Of two headers that
 * have the same one, the first that is included gives it its meaning.
 */

#if !defined TRIREME_ALIAS_GreeterRequest && !defined GreeterRequest
#define TRIREME_ALIAS_GreeterRequest
typedef Org__Apache__Dubbo__Samples__Proto__GreeterRequest GreeterRequest;
#define GREETER_REQUEST__INIT ORG__APACHE__DUBBO__SAMPLES__PROTO__GREETER_REQUEST__INIT
#endif

#if !defined TRIREME_ALIAS_GreeterReply && !defined GreeterReply
#define TRIREME_ALIAS_GreeterReply
typedef Org__Apache__Dubbo__Samples__Proto__GreeterReply GreeterReply;
#define GREETER_REPLY__INIT ORG__APACHE__DUBBO__SAMPLES__PROTO__GREETER_REPLY__INIT
#endif

TRI_BEGIN_DECLS

#ifdef TRIREME_SERVICE_greeter
#error "two services are greeter here: include them in different files, or rerun protoc-gen-trireme for one with prefix=NAME_"
#endif
#define TRIREME_SERVICE_greeter

/* What the functions below take: a method's own types, so that no two are mixed up. */
typedef struct greeter_say_hello_replies greeter_say_hello_replies;
typedef struct greeter_client_stream_requests greeter_client_stream_requests;
typedef struct greeter_client_stream_replies greeter_client_stream_replies;
typedef struct greeter_server_stream_replies greeter_server_stream_replies;
typedef struct greeter_bi_stream_requests greeter_bi_stream_requests;
typedef struct greeter_bi_stream_replies greeter_bi_stream_replies;

/*
 * The functions that serve org.apache.dubbo.samples.proto.Greeter.
 * A NULL leaves its method UNIMPLEMENTED.
 *
 * Greets, in each of the four ways that a call can stream.
 */
typedef struct greeter_servicer {
    /*
     * One request, one reply: greets `name`.
     *
     * Emits exactly one reply.
     */
    tri_code (*say_hello)(tri_call *call,
                          const Org__Apache__Dubbo__Samples__Proto__GreeterRequest *request,
                          greeter_say_hello_replies *replies);

    /*
     * Many requests, one reply: greets all names at once, after the last one.
     *
     * Reads the requests and emits exactly one reply. A reset ends the loop over the
     * requests too: a handler with side effects asks tri_call_ended_ok(call) after it.
     */
    tri_code (*client_stream)(tri_call *call, greeter_client_stream_requests *requests,
                              greeter_client_stream_replies *replies);

    /*
     * One request, many replies: one for each word of `name`.
     *
     * Emits any number of replies.
     */
    tri_code (*server_stream)(tri_call *call,
                              const Org__Apache__Dubbo__Samples__Proto__GreeterRequest *request,
                              greeter_server_stream_replies *replies);

    /*
     * Many requests, many replies: greets each name as it comes.
     *
     * Reads requests and emits any number of replies. A reset ends the loop over the
     * requests too: a handler with side effects asks tri_call_ended_ok(call) after it.
     */
    tri_code (*bi_stream)(tri_call *call, greeter_bi_stream_requests *requests,
                          greeter_bi_stream_replies *replies);
} greeter_servicer;

/*
 * Sends the one reply.
 *
 * Memory: packed before it returns. Returns: TRI_OK, or what has ended the call.
 */
static inline tri_code greeter_say_hello_emit(greeter_say_hello_replies *replies,
                                              const Org__Apache__Dubbo__Samples__Proto__GreeterReply *reply)
{
    return tri_gen_emit((tri_call *)replies, reply);
}

/*
 * The next request, or NULL after the last one and when the call is over.
 *
 * Memory: borrowed, until the next one is asked for.
 */
static inline const Org__Apache__Dubbo__Samples__Proto__GreeterRequest *
greeter_client_stream_next(greeter_client_stream_requests *requests)
{
    return (const Org__Apache__Dubbo__Samples__Proto__GreeterRequest *)tri_gen_next((tri_call *)requests);
}

/*
 * The same with a timeout. Returns: an enum tri_read; `*request` is NULL unless it is
 * TRI_MESSAGE.
 */
static inline int greeter_client_stream_requests_read(greeter_client_stream_requests *requests,
        const Org__Apache__Dubbo__Samples__Proto__GreeterRequest **request, tri_duration timeout)
{
    const void *message = NULL;
    int r = tri_gen_read((tri_call *)requests, &message, timeout);
    *request = (const Org__Apache__Dubbo__Samples__Proto__GreeterRequest *)message;
    return r;
}

/*
 * Sends the one reply.
 *
 * Memory: packed before it returns. Returns: TRI_OK, or what has ended the call.
 */
static inline tri_code greeter_client_stream_emit(greeter_client_stream_replies *replies,
        const Org__Apache__Dubbo__Samples__Proto__GreeterReply *reply)
{
    return tri_gen_emit((tri_call *)replies, reply);
}

/*
 * Sends a reply; waits while the peer is far behind.
 *
 * Memory: packed before it returns. Returns: TRI_OK, or what has ended the call.
 */
static inline tri_code greeter_server_stream_emit(greeter_server_stream_replies *replies,
        const Org__Apache__Dubbo__Samples__Proto__GreeterReply *reply)
{
    return tri_gen_emit((tri_call *)replies, reply);
}

/*
 * Sends at once what emit may be holding back, to pack it with the next reply. On a
 * worker; placed inline nothing goes out before the handler next waits or returns.
 */
static inline tri_code greeter_server_stream_flush(greeter_server_stream_replies *replies)
{
    return tri_gen_flush((tri_call *)replies);
}

/*
 * The next request, or NULL after the last one and when the call is over.
 *
 * Memory: borrowed, until the next one is asked for.
 */
static inline const Org__Apache__Dubbo__Samples__Proto__GreeterRequest *
greeter_bi_stream_next(greeter_bi_stream_requests *requests)
{
    return (const Org__Apache__Dubbo__Samples__Proto__GreeterRequest *)tri_gen_next((tri_call *)requests);
}

/*
 * The same with a timeout. Returns: an enum tri_read; `*request` is NULL unless it is
 * TRI_MESSAGE.
 */
static inline int greeter_bi_stream_requests_read(greeter_bi_stream_requests *requests,
        const Org__Apache__Dubbo__Samples__Proto__GreeterRequest **request, tri_duration timeout)
{
    const void *message = NULL;
    int r = tri_gen_read((tri_call *)requests, &message, timeout);
    *request = (const Org__Apache__Dubbo__Samples__Proto__GreeterRequest *)message;
    return r;
}

/*
 * Sends a reply; waits while the peer is far behind.
 *
 * Memory: packed before it returns. Returns: TRI_OK, or what has ended the call.
 */
static inline tri_code greeter_bi_stream_emit(greeter_bi_stream_replies *replies,
                                              const Org__Apache__Dubbo__Samples__Proto__GreeterReply *reply)
{
    return tri_gen_emit((tri_call *)replies, reply);
}

/*
 * Sends at once what emit may be holding back, to pack it with the next reply. On a
 * worker; placed inline nothing goes out before the handler next waits or returns.
 */
static inline tri_code greeter_bi_stream_flush(greeter_bi_stream_replies *replies)
{
    return tri_gen_flush((tri_call *)replies);
}

extern const tri_gen_service org__apache__dubbo__samples__proto__greeter__service;

/*
 * Adds the service to a server. `config` may be NULL: all defaults.
 *
 * Memory: `servicer` must outlive the server; `config` is copied.
 * Returns: 0; -EINVAL; -EEXIST when a name is taken; -EALREADY after the start; -ENOMEM.
 */
static inline int greeter_serve(tri_server *server, const greeter_servicer *servicer,
                                const tri_service_config *config)
{
    return tri_gen_serve(server, &org__apache__dubbo__samples__proto__greeter__service, servicer, config);
}

TRI_END_DECLS

#endif
