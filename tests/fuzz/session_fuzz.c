/*
 * Goal: any bytes, cut at any place and into any turns, while the application answers in any way,
 * give events in their order and within the limits, output that is HTTP/2 and keeps to the peer's
 * windows, and in the end nothing is left.
 * Method: after a byte of options and eight bytes that say how streams are answered, the input is a
 * list of steps: what the peer sends (raw bytes, frames of its making, whole requests, the last
 * frame many times), how far that is fed, and what the application does. If the options say so, it
 * is run again with the bytes cut into small pieces: the events are the same.
 */
#include "../unit/base/failing_alloc.h"
#include "fuzz.h"
#include "h2_session.h"
#include "session_wire.h"

#define STEPS 400
#define ROOM ((size_t)1 << 18)
#define SERVED 300

struct served {
    int32_t id;
    uint8_t answer;
    bool is_open, has_headers, has_ended, has_responded, has_trailers, is_held;
    size_t body_left;
    uint64_t data; /* hash of what came */
    size_t fields, list_size;
};

static struct tri__h2_config config;
static struct tri__h2_memory pool;
static struct tri__h2 *h2;
static struct served served[SERVED];
static size_t served_count, refused;
static int32_t last_id;
static uint8_t answers[8];
static uint64_t now, events_hash, events_count;
static bool has_failed, was_over;
/* With the cuts goes the number of window updates, so all that waits is written. */
static bool is_compared;

static uint8_t room[ROOM]; /* what the peer has to say */
static size_t room_size, room_fed, room_seen, last_frame;
static uint32_t next_id;

static void mix(uint64_t *hash, uint64_t value)
{
    *hash = (*hash ^ value) * 1099511628211u;
}

static void event(char what, const struct served *stream, uint64_t value)
{
    events_count++;
    mix(&events_hash, (uint64_t)what);
    mix(&events_hash, (uint64_t)stream->id);
    mix(&events_hash, value);
    FUZZ_CHECK(stream->is_open);
    FUZZ_CHECK(!has_failed || what == 'c');
}

static const struct tri__field response_fields[] = {
    {":status", "200", 7, 3, true},
    {"content-type", "application/grpc", 12, 16, true},
    {"x-copied", "a value of some length", 8, 22, false}};
static const struct tri__field trailer_fields[] = {{"grpc-status", "0", 11, 1, true},
                                                   {"grpc-message", "of its own", 12, 10, false}};

static void respond(struct served *stream)
{
    static const size_t bodies[] = {0, 10, 5000, 100000};
    bool has_body = (stream->answer & 7) != 5;

    if (stream->has_responded || !stream->is_open)
        return;
    stream->has_responded = true;
    stream->body_left = has_body ? bodies[stream->answer >> 3 & 3] : 0;
    stream->is_held = (stream->answer & 32) != 0;
    tri__h2_submit_response(h2, stream->id, response_fields, 3, has_body ? stream : NULL);
}

static void *stream_begun(void *connection, int32_t id)
{
    struct served *stream = &served[served_count];
    uint8_t answer = answers[(uint32_t)id / 2 % 8];

    FUZZ_CHECK(connection == &pool && id % 2 == 1 && id > last_id);
    last_id = id;
    if ((answer & 7) == 3 || served_count == SERVED) {
        refused++;
        return NULL;
    }
    served_count++;
    *stream = (struct served){.id = id, .answer = answer, .is_open = true};
    event('b', stream, 0);
    return stream;
}

static void stream_field(void *connection, void *context, const uint8_t *name, size_t name_size,
                         const uint8_t *value, size_t value_size)
{
    struct served *stream = context;
    uint64_t hash = 0;

    (void)connection;
    FUZZ_CHECK(!stream->has_headers);
    stream->fields++;
    stream->list_size += name_size + value_size + 32;
    FUZZ_CHECK(stream->fields <= config.header_fields_max);
    FUZZ_CHECK(stream->list_size <= config.header_list_soft_max);
    for (size_t i = 0; i < name_size; i++) {
        FUZZ_CHECK(name[i] < 'A' || name[i] > 'Z');
        mix(&hash, name[i]);
    }
    for (size_t i = 0; i < value_size; i++) {
        FUZZ_CHECK(value[i] != '\0' && value[i] != '\n' && value[i] != '\r');
        mix(&hash, value[i]);
    }
    event('f', stream, hash);
}

static void stream_headers(void *connection, void *context, bool is_too_large)
{
    struct served *stream = context;

    (void)connection;
    FUZZ_CHECK(!stream->has_headers);
    stream->has_headers = true;
    event('h', stream, is_too_large);
    if ((stream->answer & 7) == 1 || (stream->answer & 7) == 5)
        respond(stream);
    else if ((stream->answer & 7) == 4)
        tri__h2_reset(h2, stream->id, TRI__H2_CANCEL, (stream->answer & 64) != 0, now);
}

static void stream_data(void *connection, void *context, const uint8_t *bytes, size_t size)
{
    struct served *stream = context;

    (void)connection;
    FUZZ_CHECK(stream->is_open && stream->has_headers && !stream->has_ended && size > 0);
    FUZZ_CHECK(!has_failed);
    for (size_t i = 0; i < size; i++)
        mix(&stream->data, bytes[i]);
    if ((stream->answer & 7) == 6)
        respond(stream);
    if ((stream->answer & 128) != 0)
        tri__h2_credit(h2, stream->id, size);
}

static void stream_ended(void *connection, void *context)
{
    struct served *stream = context;

    (void)connection;
    FUZZ_CHECK(stream->has_headers && !stream->has_ended);
    stream->has_ended = true;
    event('e', stream, stream->data);
    if ((stream->answer & 7) == 0)
        respond(stream);
}

static void stream_closed(void *connection, void *context, uint32_t error)
{
    struct served *stream = context;

    (void)connection;
    event('c', stream, error);
    mix(&events_hash, stream->data);
    stream->is_open = false;
}

static size_t stream_output(void *connection, void *context, uint8_t *out, size_t size,
                            bool *is_end)
{
    struct served *stream = context;
    size_t piece = stream->body_left < size ? stream->body_left : size;

    (void)connection;
    FUZZ_CHECK(stream->is_open && stream->has_responded && !stream->has_trailers);
    if (stream->is_held)
        return 0;
    memset(out, 'b', piece);
    stream->body_left -= piece;
    *is_end = stream->body_left == 0;
    if (*is_end) {
        stream->has_trailers = true;
        tri__h2_submit_trailers(h2, stream->id, trailer_fields, 2);
    }
    return piece;
}

static void ping_acked(void *connection)
{
    FUZZ_CHECK(connection == &pool);
}

static bool stream_takes_reset(void *connection, void *context)
{
    (void)connection;
    return (((struct served *)context)->answer & 64) == 0;
}

static const struct tri__h2_events events = {stream_begun,  stream_field, stream_headers,
                                             stream_data,   stream_ended, stream_closed,
                                             stream_output, ping_acked,   stream_takes_reset};

static void put(const void *bytes, size_t size)
{
    if (size > ROOM - room_size)
        size = ROOM - room_size;
    if (size > 0)
        memcpy(room + room_size, bytes, size);
    room_size += size;
}

static void put_frame(uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                      size_t size)
{
    uint8_t header[9] = {(uint8_t)(size >> 16),
                         (uint8_t)(size >> 8),
                         (uint8_t)size,
                         type,
                         flags,
                         (uint8_t)(stream >> 24),
                         (uint8_t)(stream >> 16),
                         (uint8_t)(stream >> 8),
                         (uint8_t)stream};

    last_frame = room_size;
    put(header, sizeof(header));
    put(payload, size);
}

/* POST http / to host a, as HPACK's static table has it; and fields of the input's. */
static void put_request(struct fuzz_input *in)
{
    static const uint8_t block[] = {0x83, 0x86, 0x84, 0x01, 1, 'a'};
    uint8_t flags = fuzz_byte(in) & (WIRE_END_STREAM | WIRE_END_HEADERS | 0x20 | 0x8);
    size_t size = fuzz_byte(in);
    uint8_t payload[sizeof(block) + 255];
    const uint8_t *more = fuzz_bytes(in, &size);

    memcpy(payload, block, sizeof(block));
    if (size > 0)
        memcpy(payload + sizeof(block), more, size);
    put_frame(WIRE_HEADERS, flags ^ WIRE_END_HEADERS, next_id, payload, sizeof(block) + size);
    next_id += 2;
}

static void put_something(struct fuzz_input *in, uint32_t what)
{
    static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const uint8_t zeros[WIRE_FRAME_MAX];
    const uint8_t *bytes;
    uint8_t type, flags;
    uint32_t stream;
    size_t size;

    switch (what) {
    case 0:
        put(preface, 24);
        put_frame(WIRE_SETTINGS, 0, 0, NULL, 0);
        break;
    case 1:
        size = fuzz_byte(in);
        bytes = fuzz_bytes(in, &size);
        put(bytes, size);
        break;
    case 2:
        type = fuzz_byte(in) % 12;
        flags = fuzz_byte(in);
        stream = fuzz_byte(in);
        size = fuzz_byte(in);
        bytes = fuzz_bytes(in, &size);
        put_frame(type, flags, stream, bytes, size);
        break;
    case 3:
        put_request(in);
        break;
    case 4:
        stream = fuzz_byte(in);
        put_frame(WIRE_DATA, stream & WIRE_END_STREAM, next_id - 2 - (stream & 0x0e), zeros,
                  fuzz_u16(in) % WIRE_FRAME_MAX);
        break;
    default:
        size = room_size - last_frame;
        for (uint32_t times = fuzz_byte(in); times > 0 && size < 200; times--)
            put(room + last_frame, size);
        break;
    }
}

/* Hands over bytes in pieces, a turn for each time that the share is used up. */
static void feed(size_t size, size_t piece)
{
    bool is_new_turn = false;

    if (size > room_size - room_fed)
        size = room_size - room_fed;
    while (size > 0) {
        size_t wanted = size < piece ? size : piece;
        /* Of the many small pieces a copy would be most of the time. */
        uint8_t *copy = piece > 64 ? fuzz_copy(room + room_fed, wanted) : NULL;
        const uint8_t *bytes = copy != NULL ? copy : room + room_fed;
        bool had_failed = has_failed;
        uint64_t count = events_count;

        /* Ahead of it, since an event may answer at once. */
        if (room_fed + wanted > room_seen) {
            wire_read(&wire.in, room + room_seen, room_fed + wanted - room_seen, wire_came);
            room_seen = room_fed + wanted;
        }
        size_t taken = tri__h2_feed(h2, bytes, wanted, now, &has_failed);

        FUZZ_CHECK(taken <= wanted);
        FUZZ_CHECK(!has_failed || taken == wanted);
        FUZZ_CHECK(!had_failed || (has_failed && count == events_count));
        FUZZ_CHECK(!is_new_turn || taken > 0);
        free(copy);
        is_new_turn = taken < wanted;
        if (is_new_turn)
            tri__h2_begin_turn(h2);
        room_fed += taken;
        size -= taken;
    }
}

static size_t write_some(size_t size)
{
    uint8_t *out = malloc(size + 1);

    FUZZ_CHECK(out != NULL);
    size_t written = tri__h2_write(h2, out, size);

    FUZZ_CHECK(written <= size);
    wire_read(&wire.out, out, written, wire_went);
    free(out);
    return written;
}

/* The application does something on its own to a stream that is open. */
static void act(struct fuzz_input *in, uint32_t what)
{
    struct served *stream = served_count > 0 ? &served[fuzz_byte(in) % served_count] : NULL;

    if (stream == NULL || !stream->is_open)
        return;
    switch (what) {
    case 0:
        respond(stream);
        break;
    case 1:
        stream->is_held = false;
        if (stream->has_responded)
            tri__h2_resume(h2, stream->id);
        break;
    case 2:
        tri__h2_reset(h2, stream->id, TRI__H2_INTERNAL_ERROR, false, now);
        break;
    default:
        tri__h2_credit(h2, stream->id, fuzz_u16(in) + 1);
        break;
    }
}

static void end_somehow(uint32_t how)
{
    if (how % 8 < 3)
        tri__h2_announce_shutdown(h2);
    else if (how % 8 < 6)
        tri__h2_shutdown(h2);
    else
        tri__h2_terminate(h2, TRI__H2_SETTINGS_TIMEOUT, "a test");
}

static void step(struct fuzz_input *in, size_t piece)
{
    uint32_t what = fuzz_byte(in) % 16;

    switch (what) {
    case 6:
        feed(fuzz_byte(in), piece);
        break;
    case 7:
        feed(ROOM, piece);
        break;
    case 8:
    case 9:
        if (what == 8 && !is_compared) {
            write_some(fuzz_byte(in));
            break;
        }
        while (write_some(4096) == 4096)
            ;
        break;
    case 10:
        now += fuzz_byte(in) * UINT64_C(20000000);
        tri__h2_begin_turn(h2);
        break;
    case 15:
        end_somehow(fuzz_byte(in));
        break;
    default:
        if (what < 6)
            put_something(in, what);
        else
            act(in, what - 11);
        break;
    }
}

/* Of a session that has nothing left to read: all that can go out does, and the rest is freed. */
static void end(void)
{
    size_t idle = pool.reserve_count; /* blocks that the pool keeps, of those that it has */

    for (int i = 0; i < 100 && write_some(65536) == 65536; i++)
        ;
    FUZZ_CHECK(!tri__h2_wants_write(h2) || wire.data > 1000000);
    /* What nghttp2 ends by itself it tells with the next feed after its GOAWAY. */
    was_over = tri__h2_is_over(h2);
    FUZZ_CHECK(!has_failed || was_over);
    FUZZ_CHECK(!tri__h2_is_flooded(h2) || tri__h2_reason(h2)[0] != '\0');
    for (size_t i = 0; i < served_count; i++) {
        const struct served *stream = &served[i];
        uint32_t index = (uint32_t)stream->id / 2;

        /* A response that is over by itself is whole. */
        if (index < WIRE_STREAMS && wire.is_over[index] && !wire.has_reset[index])
            FUZZ_CHECK(stream->has_responded && stream->body_left == 0);
    }
    tri__h2_free(h2);
    for (size_t i = 0; i < TRI__H2_CLASSES; i++)
        idle += pool.idle_count[i];
    FUZZ_CHECK(failing.live_count == idle);
}

static void run(struct fuzz_input in, bool is_tight, size_t piece)
{
    config = (struct tri__h2_config){
        .guard = {64, 8, 1 << 18, 1000, 33, 1000, 33, 100, 10, 100, 10},
        .streams_max = 77,
        .stream_window = 1 << 20,
        .connection_window = 1 << 24,
        .header_list_soft_max = 1000,
        .header_list_hard_max = 4000,
        .header_fields_max = 20,
        .continuation_max = 8,
    };
    if (is_tight)
        config.guard = (struct tri__guard_limits){4, 2, 300, 5, 1, 5, 1, 8, 1, 8, 1};
    if (pool.reserve_count == 0) {
        /* Once: to fill the reserve would be most of a run's time. */
        failing_start(0, false);
        FUZZ_CHECK(tri__h2_memory_init(&pool) == 0);
    }
    served_count = refused = room_size = room_fed = room_seen = last_frame = 0;
    last_id = 0;
    next_id = 1;
    now = 1;
    events_hash = events_count = 0;
    has_failed = false;
    wire_start(config.streams_max);
    FUZZ_CHECK(tri__h2_new(&h2, &config, &pool, &events, &pool, now) == 0);
    for (int steps = 0; fuzz_left(&in) > 0 && steps < STEPS; steps++)
        step(&in, piece);
    feed(ROOM, piece);
    end();
}

void fuzz_run(struct fuzz_input *input)
{
    uint8_t options = fuzz_byte(input);
    bool is_tight = (options & 1) != 0;

    for (size_t i = 0; i < sizeof(answers); i++)
        answers[i] = fuzz_byte(input);
    is_compared = (options & 2) != 0;
    run(*input, is_tight, SIZE_MAX);
    if (is_compared) {
        uint64_t hash = events_hash;
        bool was_over_whole = was_over;

        run(*input, is_tight, 1 + (options >> 2));
        FUZZ_CHECK(was_over == was_over_whole);
        FUZZ_CHECK(was_over || events_hash == hash);
    }
}
