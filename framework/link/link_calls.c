/*
 * Between the session and the calls: a request's header block becomes a call or a refusal, a call's
 * answer becomes header blocks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "link_private.h"
#include "wire_field.h"
#include "wire_percent.h"
#include "wire_status.h"
#include "wire_timeout.h"

#define IS(name, size, literal)                                                                    \
    ((size) == sizeof(literal) - 1 && memcmp(name, literal, sizeof(literal) - 1) == 0)

static void *stream_begun(void *connection, int32_t id)
{
    struct tri__link *link = connection;
    struct tri__link_host *host = link->host;
    struct tri_call *call;

    /* Handlers can outlive their streams, so the streams that are open are not what is counted. */
    if (link->live >= host->limits->streams_max || tri__h2_memory_is_short(&host->h2_memory))
        return NULL;
    /* The GOAWAY that disowns it may still wait to be sent: the peer will call somebody else. */
    if (link->has_said_last)
        return NULL;
    call = tri__call_open(&host->calls, link, &link->budget, link->peer, id);
    if (call == NULL)
        return NULL;
    link->live++;
    tri__list_append(&link->calls, &call->in_link);
    /* The texts need no clearing: flags say whether they hold anything. */
    memset(&link->head, 0, offsetof(struct tri__request_head, path));
    link->head.timeout = TRI_FOREVER;
    return call;
}

static void copy_text(char *out, size_t out_size, const char *text, size_t size)
{
    if (size >= out_size)
        size = out_size - 1;
    memcpy(out, text, size);
    out[size] = '\0';
}

static void take_path(struct tri__link *link, const char *path, size_t size)
{
    const struct tri__method *method = link->last_method;

    link->head.has_path = true;
    if (method == NULL || method->path_size != size || memcmp(method->path, path, size) != 0)
        method = link->host->events->route(link->host, path, size);
    link->head.method = method;
    if (method != NULL)
        link->last_method = method;
    else
        copy_text(link->head.path, sizeof(link->head.path), path, size);
}

static void store(struct tri__link *link, struct tri_call *call, const char *name, size_t name_size,
                  const char *value, size_t value_size)
{
    int r = tri__call_store_field(call, name, name_size, value, value_size);

    if (r == 0)
        return;
    if (r != -EINVAL) {
        link->head.has_no_room = true;
        return;
    }
    link->head.has_bad_field = true;
    copy_text(link->head.bad_field, sizeof(link->head.bad_field), name, name_size);
}

static void take_encoding(struct tri__request_head *head, const char *value, size_t size)
{
    if (IS(value, size, "identity"))
        return;
    head->has_unknown_encoding = true;
    copy_text(head->encoding, sizeof(head->encoding), value, size);
}

/* What is neither HTTP/2's nor gRPC's is the application's. */
static void take_other(struct tri__link *link, struct tri_call *call, const char *name,
                       size_t name_size, const char *value, size_t value_size)
{
    if (name[0] != ':' && !tri__field_key_is_reserved(name, name_size))
        store(link, call, name, name_size, value, value_size);
}

/*
 * Told apart by their sizes first: a request has eight fields and more, and a comparison of each
 * with each name would be a twentieth of what a call costs.
 */
static void stream_field(void *connection, void *stream, const uint8_t *name_bytes,
                         size_t name_size, const uint8_t *value_bytes, size_t value_size)
{
    struct tri__link *link = connection;
    struct tri__request_head *head = &link->head;
    struct tri_call *call = stream;
    const char *name = (const char *)name_bytes;
    const char *value = (const char *)value_bytes;

    switch (name_size) {
    case sizeof("te") - 1:
        if (IS(name, name_size, "te"))
            return;
        break;
    case sizeof(":path") - 1:
        if (IS(name, name_size, ":path")) {
            take_path(link, value, value_size);
            return;
        }
        break;
    case sizeof(":method") - 1:
        if (IS(name, name_size, ":method")) {
            head->is_post = IS(value, value_size, "POST");
            return;
        }
        break;
    case sizeof(":authority") - 1:
        if (IS(name, name_size, ":authority") || IS(name, name_size, "user-agent")) {
            store(link, call, name, name_size, value, value_size);
            return;
        }
        break;
    case sizeof("content-type") - 1:
        if (IS(name, name_size, "content-type")) {
            call->content = (uint8_t)tri__content_type(value, value_size);
            return;
        }
        if (IS(name, name_size, "grpc-timeout")) {
            head->has_bad_timeout = tri__timeout_parse(value, value_size, &head->timeout) < 0;
            return;
        }
        break;
    case sizeof("grpc-encoding") - 1:
        if (IS(name, name_size, "grpc-encoding")) {
            take_encoding(head, value, value_size);
            return;
        }
        break;
    case sizeof("content-length") - 1:
        if (IS(name, name_size, "content-length"))
            return;
        break;
    default:
        break;
    }
    take_other(link, call, name, name_size, value, value_size);
}

/*
 * What is wrong with a request that is gRPC by its content type. Returns: false when something is.
 */
static bool check_grpc(struct tri__link *link, struct tri_call *call)
{
    const struct tri__request_head *head = &link->head;

    call->tells_encodings = head->has_unknown_encoding;
    if (head->has_unknown_encoding)
        tri__call_fail_wire(call, TRI_UNIMPLEMENTED,
                            "grpc-encoding \"%s\" is not known here; identity is", head->encoding);
    else if (head->has_bad_timeout)
        tri__call_refuse(call, 200, TRI_INTERNAL,
                         "grpc-timeout is malformed: 1 to 8 digits and one of HMSmun");
    else if (head->has_bad_field)
        tri__call_fail_wire(call, TRI_INTERNAL, "the value of \"%s\" is not base64",
                            head->bad_field);
    else if (head->has_no_room)
        tri__call_refuse(call, 200, TRI_RESOURCE_EXHAUSTED, "no room for the request's metadata");
    else if (head->method == NULL)
        tri__call_fail_wire(call, TRI_UNIMPLEMENTED, "unknown method %s",
                            head->has_path ? head->path : "");
    else if (head->method->run == NULL)
        tri__call_fail_wire(call, TRI_UNIMPLEMENTED, "method %s is not implemented by this server",
                            head->method->path);
    else
        return true;
    return false;
}

static void stream_headers(void *connection, void *stream, bool is_too_large)
{
    struct tri__link *link = connection;
    struct tri_call *call = stream;
    uint16_t down, up;

    if (is_too_large) {
        tri__call_fail_wire(
            call, TRI_RESOURCE_EXHAUSTED, "the request's headers exceed %u bytes or %u fields",
            link->host->h2_config->header_list_soft_max, link->host->h2_config->header_fields_max);
    } else if (!link->head.is_post) {
        tri__call_refuse(call, 405, TRI_INTERNAL, "a gRPC request is a POST");
    } else if (call->content == TRI__CONTENT_NOT_GRPC) {
        tri__call_refuse(call, 415, TRI_INVALID_ARGUMENT,
                         "the content-type is not application/grpc");
    } else if (check_grpc(link, call)) {
        link->host->events->place(link->host, link->head.method, &down, &up);
        tri__call_accept(call, link->head.method, link->head.timeout, down, up);
        if (link->is_draining)
            tri__call_drain(call);
    }
}

static void stream_data(void *connection, void *stream, const uint8_t *bytes, size_t size)
{
    (void)connection;
    tri__call_receive(stream, bytes, size);
}

static void stream_ended(void *connection, void *stream)
{
    (void)connection;
    tri__call_half_closed(stream);
}

static void stream_closed(void *connection, void *stream, uint32_t error)
{
    struct tri__link *link = connection;

    /* To a server a reset means that nobody waits for the call any more, whatever its code. */
    (void)error;
    tri__call_closed(stream, TRI_CANCELLED);
    if (link->is_draining)
        tri__link_mark_dirty(link);
}

static const struct tri__field status_200 = {":status", "200", 7, 3, true};

static struct tri__field content_type_of(const struct tri_call *call)
{
    if (call->http_status != 200 && call->content == TRI__CONTENT_NOT_GRPC)
        return TRI__FIELD("content-type", "text/plain");
    switch (call->content) {
    case TRI__CONTENT_GRPC_PROTO:
        return TRI__FIELD("content-type", "application/grpc+proto");
    case TRI__CONTENT_GRPC_DATA:
        return TRI__FIELD("content-type", "application/grpc+data");
    default:
        return TRI__FIELD("content-type", "application/grpc");
    }
}

static size_t add_fields(struct tri__field *fields, size_t count, const struct tri__fields *block)
{
    size_t position = 0;
    struct tri__field field = {.is_static = false};

    while (count < TRI__ANSWER_FIELDS &&
           tri__fields_next(block, &position, &field.name, &field.name_size, &field.value,
                            &field.value_size))
        fields[count++] = field;
    return count;
}

static size_t add_status(struct tri__answer *answer, size_t count, struct tri_call *call)
{
    struct tri__field *fields = answer->fields;
    tri_code code;
    size_t size;
    const char *message = tri__call_status(call, &code, &size);
    struct tri__field field = {
        .name = "grpc-status", .name_size = sizeof("grpc-status") - 1, .is_static = true};

    field.value = tri__code_digits(code, &field.value_size);
    fields[count++] = field;
    if (size > 0) {
        size = tri__percent_encode(answer->text, sizeof(answer->text), message, size);
        fields[count++] = (struct tri__field){"grpc-message", answer->text,
                                              sizeof("grpc-message") - 1, size, false};
    }
    /* Until the handler has returned its trailers are its own. */
    return call->has_returned ? add_fields(fields, count, call->trailers) : count;
}

static size_t list_size(const struct tri__field *fields, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += fields[i].name_size + fields[i].value_size + 32;
    return size;
}

/*
 * A peer may drop, or take for an error, a header list that is larger than it has announced. What
 * it must get is the status, at `fields[at]`: so the handler's trailers are left out, and then the
 * message too. A call without its trailers has not gone well, though.
 */
static size_t fit_status(const struct tri_call *call, size_t at, size_t count)
{
    const struct tri__link *link = call->link;
    struct tri__answer *answer = link->host->answer;
    struct tri__field *fields = answer->fields;
    uint32_t most = tri__h2_peer_header_list_max(link->h2);
    size_t size = list_size(fields, count);
    struct tri__field *message = &fields[at + 1];

    if (tri_likely(size <= most || count == at + 1))
        return count;
    if (IS(fields[at].value, fields[at].value_size, "0")) {
        fields[at].value = tri__code_digits(TRI_RESOURCE_EXHAUSTED, &fields[at].value_size);
        int written = snprintf(answer->text, sizeof(answer->text),
                               "the trailers have %zu bytes; the client takes %u", size, most);

        *message = (struct tri__field){"grpc-message", answer->text, sizeof("grpc-message") - 1,
                                       (size_t)written, false};
        count = at + 2;
    } else {
        bool has_message = count > at + 1 && IS(message->name, message->name_size, "grpc-message");

        count = at + 1 + (size_t)has_message;
    }
    return list_size(fields, count) <= most ? count : at + 1;
}

static void send_trailers(struct tri_call *call)
{
    struct tri__link *link = call->link;
    struct tri__answer *answer = link->host->answer;
    size_t count = fit_status(call, 0, add_status(answer, 0, call));

    if (tri__h2_submit_trailers(link->h2, call->stream_id, answer->fields, count) < 0)
        tri__h2_reset(link->h2, call->stream_id, TRI__H2_INTERNAL_ERROR, false,
                      tri__link_now(link));
}

/*
 * Trailers need no window, but output is asked for only when there is one: without output left they
 * go now. What was submitted as the body is then not asked for any more.
 */
static bool end_without_output(struct tri_call *call)
{
    bool is_end;

    tri__call_output(call, NULL, 0, &is_end);
    if (is_end)
        send_trailers(call);
    return is_end;
}

static void respond(struct tri_call *call, bool has_body)
{
    struct tri__link *link = call->link;
    struct tri__field *fields = link->host->answer->fields;
    size_t count = 0;

    fields[count++] = status_200;
    fields[count++] = content_type_of(call);
    if (call->http_status == 415)
        fields[0] = TRI__FIELD(":status", "415");
    else if (call->http_status == 405)
        fields[0] = TRI__FIELD(":status", "405");
    if (call->http_status == 405)
        fields[count++] = TRI__FIELD("allow", "POST");
    if (call->tells_encodings)
        fields[count++] = TRI__FIELD("grpc-accept-encoding", "identity");
    size_t own = count, size = 0;
    uint32_t most = tri__h2_peer_header_list_max(link->h2);

    if (!has_body) {
        count = fit_status(call, own, add_status(link->host->answer, own, call));
    } else if (call->headers != NULL) {
        count = add_fields(fields, own, call->headers);
        size = list_size(fields, count);
        count = size <= most ? count : own;
    }
    if (tri__h2_submit_response(link->h2, call->stream_id, fields, count, has_body ? call : NULL) <
        0)
        tri__h2_reset(link->h2, call->stream_id, TRI__H2_INTERNAL_ERROR, false,
                      tri__link_now(link));
    else if (size > most)
        tri__call_fail_wire(call, TRI_RESOURCE_EXHAUSTED,
                            "the response's headers have %zu bytes; the client takes %u", size,
                            most);
    else if (has_body && call->out_first == NULL)
        end_without_output(call);
    tri__link_mark_dirty(link);
}

/* With the last byte of output the trailers go into the same write. */
static size_t stream_output(void *connection, void *stream, uint8_t *out, size_t size, bool *is_end)
{
    struct tri_call *call = stream;
    size_t filled = tri__call_output(call, out, size, is_end);

    (void)connection;
    if (*is_end)
        send_trailers(call);
    return filled;
}

static void ping_acked(void *connection)
{
    tri__link_say_last(connection);
}

/*
 * Dubbo-Python resets a call that failed itself, and when the stream is closed by then, its
 * connection sends nothing any more. It ends every request, so it need not be told to.
 */
static bool stream_takes_reset(void *connection, void *stream)
{
    const struct tri_call *call = stream;

    (void)connection;
    return call->content != TRI__CONTENT_GRPC_DATA;
}

const struct tri__h2_events tri__link_h2_events = {
    .stream_begun = stream_begun,
    .stream_field = stream_field,
    .stream_headers = stream_headers,
    .stream_data = stream_data,
    .stream_ended = stream_ended,
    .stream_closed = stream_closed,
    .stream_output = stream_output,
    .ping_acked = ping_acked,
    .stream_takes_reset = stream_takes_reset,
};

static void resume(struct tri_call *call)
{
    struct tri__link *link = call->link;

    if (!end_without_output(call))
        tri__h2_resume(link->h2, call->stream_id);
    tri__link_mark_dirty(link);
}

/* To gRPC's clients ENHANCE_YOUR_CALM is RESOURCE_EXHAUSTED, and CANCEL is what cancels. */
static void reset(struct tri_call *call, bool is_fault)
{
    struct tri__link *link = call->link;
    enum tri__h2_error error = call->has_status && call->status_code == TRI_RESOURCE_EXHAUSTED
                                   ? TRI__H2_ENHANCE_YOUR_CALM
                                   : TRI__H2_CANCEL;

    tri__h2_reset(link->h2, call->stream_id, error, is_fault, tri__link_now(link));
    tri__link_mark_dirty(link);
}

static void credit(struct tri_call *call, size_t size)
{
    struct tri__link *link = call->link;

    tri__h2_credit(link->h2, call->stream_id, size);
    tri__link_mark_dirty(link);
}

static void freed(struct tri_call *call)
{
    struct tri__link *link = call->link;

    if (link == NULL)
        return;
    tri__list_remove(&call->in_link);
    link->live--;
    if (link->live == 0)
        link->idle_since = tri__link_now(link);
    if (link->is_draining)
        tri__link_mark_dirty(link);
}

const struct tri__wire_ops tri__link_wire_ops = {
    .respond = respond,
    .resume = resume,
    .reset = reset,
    .credit = credit,
    .freed = freed,
};
