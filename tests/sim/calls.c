/*
 * Calls as they are planned, and what each side has seen of them.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define CALLS_MAX 4096

static struct call *calls[CALLS_MAX];
static uint32_t count;

void calls_reset(void)
{
    for (uint32_t i = 0; i < count; i++)
        free(calls[i]);
    count = 0;
}

size_t calls_count(void)
{
    return count;
}

struct call *call_find(uint32_t id)
{
    return id > 0 && id <= count ? calls[id - 1] : NULL;
}

static uint32_t any_size(bool small)
{
    uint32_t dice = below(100);

    if (dice < 30)
        return below(20);
    if (dice < 75 || small)
        return below(600);
    if (dice < 94)
        return below(9000);
    hit(FAULT_LARGE_MESSAGE);
    return between(60000, NOTE_MAX - 100);
}

static enum call_twist any_twist(enum call_kind kind)
{
    enum call_twist twist = chance(2) ? TWIST_NONE : (enum call_twist)below(TWIST_KINDS);
    bool reads = kind == CALL_COLLECT || kind == CALL_CHAT;

    if ((twist == TWIST_TIMED_READ || twist == TWIST_EARLY) && !reads)
        return TWIST_NONE;
    if (twist == TWIST_EMIT_FIRST && kind != CALL_CHAT)
        return TWIST_NONE;
    if (twist == TWIST_BUSY)
        hit(FAULT_BUSY_HANDLER);
    return twist;
}

/* How many replies are due, and the status. */
static void expect(struct call *call)
{
    call->replies = 1;
    if (call->kind == CALL_COUNT)
        call->replies = chance(5) ? below(60) : below(6);
    else if (call->kind == CALL_CHAT)
        call->replies = call->requests;
    call->twist_at = below((call->kind == CALL_COUNT ? call->replies : call->requests) + 1);
    if (call->twist == TWIST_FAIL) {
        hit(FAULT_HANDLER_FAILED);
        call->expected = TRI_ABORTED;
        call->replies = call->kind == CALL_UNARY || call->kind == CALL_COLLECT ? 0 : call->twist_at;
    } else if (call->twist == TWIST_EARLY && call->kind == CALL_CHAT) {
        call->replies = call->twist_at;
    }
}

struct call *call_make(bool small)
{
    struct call *call = calloc(1, sizeof(*call));

    expect_that(call != NULL && count < CALLS_MAX, "too many calls");
    calls[count++] = call;
    call->id = count;
    call->kind = (enum call_kind)below(CALL_KINDS);
    call->twist = any_twist(call->kind);
    call->is_inline = chance(2);
    call->must_be_exact = world.profile.is_strict;
    call->requests = 1;
    if (call->kind == CALL_COLLECT || call->kind == CALL_CHAT)
        call->requests = chance(6) ? below(40) : below(5);
    call->request_size = any_size(small);
    call->reply_size = any_size(small);
    /* What is large is few. */
    if (call->request_size > 9000 && call->requests > 3)
        call->requests = 3;
    call->delay_us = chance(3) ? between(1, 20000) : below(200);
    if (chance(8))
        call->timeout = (uint64_t)between(1, 40) * MS;
    call->expected = TRI_OK;
    expect(call);
    if (call->reply_size > 9000 && call->replies > 4)
        call->reply_size = 9000;
    world.calls_made++;
    return call;
}

uint8_t call_byte(uint32_t call, uint32_t index, size_t at, bool is_reply)
{
    return (uint8_t)(call * 31 + index * 7 + at + (is_reply ? 101 : 0));
}

static uint8_t *put_varint(uint8_t *out, uint32_t value)
{
    while (value >= 128) {
        *out++ = (uint8_t)(value | 128);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

size_t call_encode_request(const struct call *call, uint32_t index, uint8_t *out)
{
    uint8_t *at = out + 5;

    *at++ = 1 << 3;
    at = put_varint(at, call->id);
    *at++ = 2 << 3;
    at = put_varint(at, index);
    *at++ = 3 << 3 | 2;
    at = put_varint(at, call->request_size);
    for (uint32_t i = 0; i < call->request_size; i++)
        *at++ = call_byte(call->id, index, i, false);
    uint32_t size = (uint32_t)(at - out - 5);

    out[0] = 0;
    out[1] = (uint8_t)(size >> 24);
    out[2] = (uint8_t)(size >> 16);
    out[3] = (uint8_t)(size >> 8);
    out[4] = (uint8_t)size;
    return (size_t)(at - out);
}

struct reader {
    const uint8_t *at, *end;
    uint32_t call;
};

static uint32_t get_varint(struct reader *reader)
{
    uint32_t value = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        expect_that(reader->at < reader->end, "call %u: a reply is cut within a number",
                    reader->call);
        uint8_t byte = *reader->at++;

        value |= (uint32_t)(byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    fail("call %u: a reply has a number without end", reader->call);
}

/* Fields in any order; 0 is left out by protobuf. */
static void check_note(struct call *call, struct reader reader)
{
    uint32_t id = 0;
    uint32_t index = 0;
    uint32_t size = 0;
    const uint8_t *data = NULL;

    while (reader.at < reader.end) {
        uint32_t tag = get_varint(&reader);

        if (tag == 1 << 3) {
            id = get_varint(&reader);
        } else if (tag == 2 << 3) {
            index = get_varint(&reader);
        } else {
            expect_that(tag == (3 << 3 | 2), "call %u: a reply has a field %u", call->id, tag);
            size = get_varint(&reader);
            expect_that(size <= (size_t)(reader.end - reader.at), "call %u: a reply is cut",
                        call->id);
            data = reader.at;
            reader.at += size;
        }
    }
    expect_that(id == call->id, "call %u got a reply of call %u", call->id, id);
    expect_that(index == call->replies_seen, "call %u got reply %u where %u is due", call->id,
                index, call->replies_seen);
    expect_that(size == call->reply_size, "call %u: reply %u has %u bytes, not %u", call->id, index,
                size, call->reply_size);
    for (uint32_t i = 0; i < size; i++)
        expect_that(data[i] == call_byte(id, index, i, true),
                    "call %u: reply %u is wrong at byte %u", id, index, i);
}

void call_check_reply(struct call *call, const uint8_t *bytes, size_t size)
{
    struct reader reader = {bytes, bytes + size, call->id};

    expect_that(call->replies_seen < call->replies,
                "call %u got more replies than the %u that are due", call->id, call->replies);
    if (call->kind == CALL_COLLECT) {
        expect_that(get_varint(&reader) == (1 << 3 | 2), "call %u: no note in the summary",
                    call->id);
        uint32_t inner = get_varint(&reader);

        expect_that(inner <= (size_t)(reader.end - reader.at), "call %u: a summary is cut",
                    call->id);
        check_note(call, (struct reader){reader.at, reader.at + inner, call->id});
        reader.at += inner;
        uint32_t seen = 0;

        if (reader.at < reader.end) {
            expect_that(get_varint(&reader) == 2 << 3, "call %u: no count in the summary",
                        call->id);
            seen = get_varint(&reader);
        }
        expect_that(seen == (call->twist == TWIST_EARLY ? call->twist_at : call->requests),
                    "call %u: %u requests are counted, of %u", call->id, seen, call->requests);
    } else {
        check_note(call, reader);
    }
    call->replies_seen++;
}

/* What may end a call that was to go as planned. */
static bool is_allowed(const struct call *call, int code)
{
    if (!call->must_be_exact || call->was_cancelled)
        return true;
    if (code == (int)call->expected)
        return true;
    /* A reset, when the deadline passes while a message is half sent. */
    if (call->timeout != 0 && (code == TRI_DEADLINE_EXCEEDED || code < 0)) {
        hit(FAULT_DEADLINE);
        return true;
    }
    /* After the drain's limit; or refused, since it came after the GOAWAY. */
    if (world.is_terminating && code == TRI_UNAVAILABLE &&
        world.now - world.terminated_at >= world.drain_limit) {
        hit(FAULT_DRAIN_ABANDONED);
        return true;
    }
    return world.is_terminating && code < 0;
}

void call_ended(struct call *call, int code)
{
    note("call ends", call->id, (uint64_t)(int64_t)code);
    expect_that(call->endings == 0, "call %u ended twice at the peer", call->id);
    call->endings++;
    call->status = (tri_code)(code < 0 ? TRI_CANCELLED : code);
    if (code == TRI_OK) {
        world.calls_ok++;
        expect_that(call->expected == TRI_OK, "call %u ended OK, not with %d", call->id,
                    (int)call->expected);
    }
    /* What the wire cuts off (a deadline, a drain) may keep the handler's own error. */
    if (code == (int)call->expected && !call->was_cancelled &&
        (code == TRI_OK ||
         (call->timeout == 0 && !world.is_terminating && !world.has_failed_memory)))
        expect_that(call->replies_seen == call->replies,
                    "call %u ended with %d after %u replies of %u", call->id, code,
                    call->replies_seen, call->replies);
    expect_that(is_allowed(call, code), "call %u (kind %d, twist %d) ended with %d, not %d",
                call->id, (int)call->kind, (int)call->twist, code, (int)call->expected);
}

void calls_check_over(void)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct call *call = calls[i];

        expect_that(call->started <= 1, "call %u was started %u times", call->id, call->started);
        expect_that(call->started == call->ended, "the handler of call %u began and did not end",
                    call->id);
        expect_that(call->endings == 1, "call %u ended %u times at the peer", call->id,
                    call->endings);
        if (call->endings == 1 && call->status == TRI_OK && !call->was_cancelled)
            expect_that(call->started == 1, "call %u ended OK without a handler", call->id);
    }
}
