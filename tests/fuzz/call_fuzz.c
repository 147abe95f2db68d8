/*
 * Goal: bytes of any kind, cut anywhere and at any moment of a call's life, become the messages
 * that they hold, each once and in order, or end the call; every call ends once and leaves nothing;
 * credit and memory keep to what came and to the limits.
 * Method: three calls in the harness of the unit tests. The front of the input says what the peer
 * and the two threads do, the back what handlers do and when the reactor gets in between. A second,
 * plain deframer says which messages there were.
 */
#include <stdbool.h>

#include "../unit/call/streams.h"
#include "fuzz.h"

#define CALLS 3
#define STEPS 300
#define PENDING ((size_t)1 << 18)

struct peer {
    struct stream *stream;
    uint8_t *pending; /* of the request, not sent yet */
    size_t pending_size, sent;
    uint8_t *come; /* what was sent */
    size_t come_size;
    bool has_half_closed;
    uint32_t taken;              /* by the handler */
    uint32_t attempted, emitted; /* replies: what fails may have gone out all the same */
    bool has_returned, ended_ok;
};

static struct fuzz_input *in;
static struct peer peers[CALLS];
static uint8_t pending_bytes[CALLS][PENDING], come_bytes[CALLS][PENDING];
static unsigned steps;
static size_t bytes_come;

/* Message number `index` among the bytes that have come. Returns: NULL when it is not whole. */
static const uint8_t *come_message(const struct peer *one, uint32_t index, size_t *size)
{
    size_t at = 0;

    while (one->come_size - at >= TRI__PREFIX_SIZE) {
        const uint8_t *prefix = one->come + at;

        *size = tri__prefix_size(prefix);
        at += TRI__PREFIX_SIZE;
        if (prefix[0] != 0 || *size > limits.receive_message_max || *size > one->come_size - at)
            return NULL;
        if (index-- == 0)
            return one->come + at;
        at += *size;
    }
    return NULL;
}

static void check_request(struct peer *one, const void *request)
{
    size_t size;
    const uint8_t *bytes = come_message(one, one->taken++, &size);

    FUZZ_CHECK(bytes != NULL);
    CallTest__Text *wanted = call_test__text__unpack(NULL, size, bytes);

    FUZZ_CHECK(wanted != NULL && strcmp(wanted->text, text_of(request)) == 0);
    call_test__text__free_unpacked(wanted, NULL);
}

/* A normal end comes after all messages, and none is cut off. */
static void check_end(const struct peer *one, tri_call *call)
{
    size_t size, rest = 0;
    uint32_t whole = 0;

    if (!tri_call_ended_ok(call) || !call->method->requests_stream)
        return;
    FUZZ_CHECK(one->has_half_closed);
    for (; come_message(one, whole, &size) != NULL; whole++)
        rest += TRI__PREFIX_SIZE + size;
    FUZZ_CHECK(rest == one->come_size);
    /* Dubbo-Python's last empty message is none. */
    if (call->content == TRI__CONTENT_GRPC_DATA && whole > 0 && one->taken + 1 == whole) {
        FUZZ_CHECK(come_message(one, one->taken, &size) != NULL && size == 0);
        return;
    }
    FUZZ_CHECK(one->taken == whole);
}

/* Puts a message of a size that is asked for behind what is to be sent. */
static void add_text(struct peer *one, uint32_t size)
{
    static char text[70000];

    memset(text, 'a' + (int)(size % 26), size);
    text[size] = '\0';
    if (PENDING - one->pending_size > (size_t)size + 32)
        one->pending_size += make_text(one->pending + one->pending_size, text);
}

static void add_raw(struct peer *one)
{
    size_t size = fuzz_byte(in);
    const uint8_t *bytes = fuzz_bytes(in, &size);

    if (PENDING - one->pending_size < size)
        return;
    memcpy(one->pending + one->pending_size, bytes, size);
    one->pending_size += size;
}

/* As much of it as asked for and as there is credit for. */
static void send_some(struct peer *one, size_t size)
{
    size_t credit = WINDOW + one->stream->credited - one->stream->received;

    if (size > one->pending_size - one->sent)
        size = one->pending_size - one->sent;
    if (size > credit)
        size = credit;
    if (size == 0 || one->has_half_closed)
        return;
    uint8_t *piece = fuzz_copy(one->pending + one->sent, size);

    memcpy(one->come + one->come_size, piece, size);
    one->come_size += size;
    one->sent += size;
    bytes_come += size;
    receive_bytes(one->stream, piece, size);
    free(piece);
}

static void half_close(struct peer *one)
{
    if (!one->has_half_closed) {
        one->has_half_closed = true;
        tri__call_half_closed(one->stream->call);
    }
}

/* Something that the wire may do to a call that is not closed. */
static void do_on_wire(struct peer *one, uint32_t what)
{
    if (one->stream->call == NULL || one->stream->call->wire_state == TRI__WIRE_CLOSED)
        return;
    switch (what) {
    case 0:
        send_some(one, fuzz_byte(in));
        break;
    case 1:
        send_some(one, (size_t)fuzz_u16(in) * 4);
        break;
    case 2:
    case 3:
        pull(one->stream, (size_t)fuzz_byte(in) * 16);
        break;
    case 4:
        half_close(one);
        break;
    case 5:
        tri__call_drain(one->stream->call);
        break;
    case 6:
        tri__call_abandon(one->stream->call, TRI_UNAVAILABLE, "abandoned");
        break;
    case 7:
        close_stream(one->stream, TRI_CANCELLED);
        break;
    default:
        close_stream(one->stream, TRI_CANCELLED);
        if (one->stream->call != NULL)
            tri__call_unlink(one->stream->call);
        break;
    }
}

static void step(void)
{
    uint32_t what = fuzz_byte(in);
    struct peer *one = &peers[what / 16 % CALLS];

    switch (what % 16) {
    case 0:
        add_raw(one);
        break;
    case 1:
        add_text(one, fuzz_byte(in));
        break;
    case 2:
        add_text(one, fuzz_u16(in));
        break;
    case 3:
        send_some(one, 0);
        run_both();
        break;
    case 4:
        run_worker();
        break;
    case 5:
        run_reactor();
        break;
    case 6:
        advance(fuzz_byte(in) * MS);
        break;
    default:
        do_on_wire(one, what % 16 - 7);
        break;
    }
}

/* As if the reactor's thread did something just now. */
static void be_interrupted(void)
{
    while (!is_local && steps++ < STEPS && fuzz_choice(in, 4) == 1)
        do_on_wire(&peers[fuzz_choice(in, CALLS)], fuzz_choice(in, 9));
}

static void emit_number(struct peer *one, tri_call *call, uint32_t padding)
{
    char *text = tri_call_printf(call, "%0*u", (int)padding, one->attempted);

    one->attempted += text != NULL;
    if (text != NULL && emit_text(call, text) == TRI_OK)
        one->emitted++;
}

static void look_at_metadata(tri_call *call)
{
    size_t position = 0, count = 0;
    const char *key;
    tri_bytes value;

    while (tri_call_metadata_next(call, &position, &key, &value)) {
        FUZZ_CHECK(value.data != NULL && ((const char *)value.data)[value.size] == '\0');
        FUZZ_CHECK(strlen(key) > 0);
        count++;
    }
    FUZZ_CHECK(count == (call->metadata != NULL ? call->metadata->count : 0));
    FUZZ_CHECK(tri_call_metadata(call, "x-none", 0).data == NULL);
}

/* Something that a handler does. Returns: whether the call goes on. */
static bool do_in_handler(struct peer *one, tri_call *call)
{
    const void *request = NULL;
    bool goes_on = true;

    switch (fuzz_choice(in, 10)) {
    case 1:
        if (call->method->replies_stream || one->attempted == 0)
            emit_number(one, call, 4 * fuzz_choice(in, 256));
        break;
    case 2:
        goes_on = tri_call_sleep(call, (tri_duration)(fuzz_choice(in, 256) * MS)) == TRI_OK;
        break;
    case 3:
        goes_on = tri_gen_flush(call) == TRI_OK;
        break;
    case 4:
        tri_call_add_header(call, "x-a", "1");
        tri_call_add_trailer(call, "x-b", "2");
        tri_call_add_trailer_bytes(call, "x-c-bin", "\0\1", 2);
        break;
    case 5:
        look_at_metadata(call);
        break;
    case 6:
        if (call->method->requests_stream)
            goes_on = tri_gen_read(call, &request, (tri_duration)(fuzz_choice(in, 99) * MS)) > 0;
        break;
    case 7:
        tri_call_fail(call, (tri_code)fuzz_choice(in, 20), "failed %u", one->taken);
        goes_on = fuzz_choice(in, 2) == 0;
        break;
    case 8:
        return false;
    default:
        if (call->method->requests_stream)
            goes_on = (request = tri_gen_next(call)) != NULL;
        else
            goes_on = false;
        break;
    }
    if (request != NULL)
        check_request(one, request);
    return goes_on;
}

static tri_code handle(tri_call *call, const void *servicer, const void *request)
{
    struct peer *one = &peers[call->stream_id - 1];
    bool goes_on = true;

    (void)servicer;
    FUZZ_CHECK(!one->has_returned);
    if (request != NULL)
        check_request(one, request);
    while (goes_on) {
        be_interrupted();
        goes_on = do_in_handler(one, call) && steps++ < 2 * STEPS;
    }
    be_interrupted();
    check_end(one, call);
    one->has_returned = true;
    if (!call->method->replies_stream && one->attempted == 0)
        emit_number(one, call, 1);
    return fuzz_choice(in, 4) == 1 ? TRI_ABORTED : TRI_OK;
}

static void open_call(struct peer *one, int32_t id, const struct tri__method *method)
{
    static const char *const keys[] = {"x-a", "x-b-bin", "grpc-trace-bin", "user-agent"};

    /* Large ones from malloc would be most of a run's time. */
    *one = (struct peer){.pending = pending_bytes[id - 1], .come = come_bytes[id - 1]};
    one->stream = open_stream(id);
    if (one->stream == NULL) {
        one->stream = &streams[0]; /* whose call is NULL */
        return;
    }
    for (uint32_t count = fuzz_byte(in) % 4; count > 0; count--) {
        const char *key = keys[fuzz_byte(in) % 4];
        size_t size = fuzz_byte(in) % 64;
        const char *value = (const char *)fuzz_bytes(in, &size);

        tri__call_store_field(one->stream->call, key, strlen(key), value, size);
    }
    uint32_t flags = fuzz_byte(in);

    one->stream->call->content = flags % 2 ? TRI__CONTENT_GRPC_DATA : TRI__CONTENT_GRPC_PROTO;
    tri__call_accept(one->stream->call, method,
                     flags < 128 ? TRI_FOREVER : (tri_duration)((flags - 128) * 8 * MS), 0,
                     is_local ? 1 : 0);
}

/* What the peer has got: the replies in order, each once, and none that was not emitted. */
static void check_replies(const struct peer *one)
{
    const struct stream *stream = one->stream;
    uint32_t number = 0;
    size_t at = 0;

    while (stream->out_size - at >= TRI__PREFIX_SIZE) {
        size_t size = tri__prefix_size(stream->out + at);

        FUZZ_CHECK(stream->out[at] == 0);
        at += TRI__PREFIX_SIZE;
        if (size > stream->out_size - at) {
            FUZZ_CHECK(!stream->has_ended || stream->resets > 0);
            break;
        }
        CallTest__Text *reply = call_test__text__unpack(NULL, size, stream->out + at);

        FUZZ_CHECK(reply != NULL && strtoul(reply->text, NULL, 10) == number);
        call_test__text__free_unpacked(reply, NULL);
        at += size;
        number++;
    }
    FUZZ_CHECK(number <= one->attempted);
    /* After a reset of ours nothing is asked for any more, only this harness does. */
    if (stream->has_ended && stream->resets == 0) {
        FUZZ_CHECK(at == stream->out_size);
        FUZZ_CHECK(stream->code != TRI_OK || (one->has_returned && number == one->emitted));
    }
}

/* Memory follows what came, not what a prefix claims; one message above a budget passes alone. */
static void check_bounds(void)
{
    size_t largest = limits.receive_message_max + TRI__PREFIX_SIZE;
    size_t most = budget.limit > largest ? budget.limit : largest;

    FUZZ_CHECK(failing.live_bytes < ((size_t)1 << 18) + 4 * bytes_come);
    FUZZ_CHECK(budget.used <= most && budget.used == atomic_load(&process_used));
    for (int i = 0; i < CALLS; i++)
        FUZZ_CHECK(peers[i].stream->credited <= peers[i].stream->received + most);
}

static void end_all(void)
{
    for (int i = 0; i < CALLS; i++) {
        if (peers[i].stream->call != NULL && peers[i].stream->call->wire_state != TRI__WIRE_CLOSED)
            close_stream(peers[i].stream, TRI_CANCELLED);
    }
    steps = 2 * STEPS; /* handlers stop */
    for (int i = 0; i < 8 && table.live > 0; i++)
        run_both();
    FUZZ_CHECK(table.live == 0);
    FUZZ_CHECK(atomic_load(&table.started) == atomic_load(&table.finished));
    for (int i = 0; i < CALLS; i++) {
        FUZZ_CHECK(peers[i].stream->call == NULL);
        if (peers[i].stream != &streams[0]) {
            FUZZ_CHECK(peers[i].stream->freed == 1);
            check_replies(&peers[i]);
        }
    }
    FUZZ_CHECK(harness_fini() == 0);
}

void fuzz_run(struct fuzz_input *input)
{
    uint32_t kind = fuzz_byte(input), failing_at = fuzz_byte(input);
    struct tri__method methods[CALLS];

    /* cmocka's checks, outside of its tests, are to abort. */
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    in = input;
    steps = 0;
    bytes_come = 0;
    FUZZ_CHECK(start_up((kind & 1) != 0) == 0);
    if ((kind & 2) != 0)
        budget.limit = 150000;
    if ((kind & 4) != 0)
        limits.receive_message_max = 1000;
    if (failing_at >= 192)
        failing.fail_at = failing.attempts + failing_at - 191;
    for (int i = 0; i < CALLS; i++) {
        methods[i] = make_method(handle, (kind >> (3 + i) & 1) == 0,
                                 ((kind >> 6 & 1) ^ (uint32_t)i) % 2 == 0);
        open_call(&peers[i], i + 1, &methods[i]);
    }
    while (fuzz_left(input) > 0 && steps++ < STEPS) {
        step();
        check_bounds();
    }
    end_all();
}
