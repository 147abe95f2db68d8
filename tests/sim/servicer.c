/*
 * The handlers. Each looks its call's plan up, does what that says, and checks what comes against
 * it. A call without a plan is a hostile peer's: it is served all the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trireme/trireme.h>

#include "sim.h"
#include "sim.trireme.h"

static struct call *plan_of(tri_call *call)
{
    tri_bytes value = tri_call_metadata(call, "x-call", 0);
    uint32_t id = 0;

    for (size_t i = 0; i < value.size && i < 9; i++)
        id = id * 10 + (uint32_t)(((const char *)value.data)[i] - '0');
    struct call *plan = call_find(id);

    if (plan != NULL) {
        plan->started++;
        note("handler starts", id, 0);
        expect_that(plan->started == 1, "call %u was started twice", id);
    }
    return plan;
}

/* Holds the thread without a wait, as a handler should not. */
static void be_busy(tri_call *call, uint32_t us)
{
    uint64_t until = world.now + us * US;

    while (world.now < until) {
        world.now += 40 * US;
        (void)tri_call_time_left(call);
    }
}

/* Before message `index`. */
static tri_code twist(tri_call *call, struct call *plan, uint32_t index)
{
    preempt();
    if (plan == NULL)
        return TRI_OK;
    if (plan->twist == TWIST_FAIL && index == plan->twist_at)
        return tri_call_fail(call, TRI_ABORTED, "stop %u", plan->id);
    if (plan->twist == TWIST_SLEEP && (index == 0 || index == plan->twist_at))
        return tri_call_sleep(call, (tri_duration)plan->delay_us * 1000);
    if (plan->twist == TWIST_BUSY && index == plan->twist_at)
        be_busy(call, plan->delay_us / 4);
    if (plan->twist == TWIST_HEADERS && index == 0) {
        char text[16];

        snprintf(text, sizeof(text), "%u", plan->id);
        tri_call_add_header(call, "x-sim", text);
        tri_call_add_trailer(call, "x-end", text);
        return tri_call_send_headers(call);
    }
    return TRI_OK;
}

/* Nothing may be invented: a request is the one that the plan says, in its place. */
static void check_request(struct call *plan, const Sim__Note *request)
{
    if (plan == NULL)
        return;
    uint32_t index = plan->requests_seen++;

    expect_that(request->call == plan->id, "the handler of call %u got a request of call %u",
                plan->id, request->call);
    expect_that(request->index == index && index < plan->requests,
                "the handler of call %u got request %u where %u is due", plan->id, request->index,
                index);
    expect_that(request->data.len == plan->request_size,
                "call %u: request %u has %zu bytes, not %u", plan->id, index, request->data.len,
                plan->request_size);
    for (size_t i = 0; i < request->data.len; i++)
        expect_that(request->data.data[i] == call_byte(plan->id, index, i, false),
                    "call %u: request %u is wrong at byte %zu", plan->id, index, i);
}

/* A call that is over may end at any request; but then it must say so. */
static void check_requests_end(tri_call *call, const struct call *plan, uint32_t seen)
{
    bool is_ok = tri_call_ended_ok(call);

    expect_that(!is_ok || seen == plan->requests, "call %u: the requests ended after %u of %u",
                plan->id, seen, plan->requests);
    /* Asked in this order, since the call may end in between. */
    expect_that(is_ok || tri_call_code(call) != TRI_OK,
                "call %u: the requests ended, but neither well nor for a reason", plan->id);
}

static void fill(tri_call *call, const struct call *plan, uint32_t index, Sim__Note *reply)
{
    static uint8_t nothing[1];

    *reply = (Sim__Note)SIM__NOTE__INIT;
    reply->index = index;
    reply->data = (ProtobufCBinaryData){0, nothing};
    if (plan == NULL)
        return;
    reply->call = plan->id;
    if (plan->reply_size == 0)
        return;
    uint8_t *data = tri_call_alloc(call, plan->reply_size);

    if (data == NULL)
        return;
    for (uint32_t i = 0; i < plan->reply_size; i++)
        data[i] = call_byte(plan->id, index, i, true);
    reply->data = (ProtobufCBinaryData){plan->reply_size, data};
}

static tri_code over(tri_call *call, struct call *plan, tri_code code)
{
    preempt();
    if (plan != NULL) {
        plan->ended++;
        plan->saw_end = tri_call_ended_ok(call);
        note("handler ends", plan->id, (uint64_t)code);
    }
    return code;
}

static tri_code unary(tri_call *call, const Sim__Note *request, notes_unary_replies *replies)
{
    struct call *plan = plan_of(call);
    Sim__Note reply;
    tri_code code;

    check_request(plan, request);
    code = twist(call, plan, plan != NULL ? plan->twist_at : 0);
    if (code == TRI_OK && plan != NULL && plan->twist_at != 0)
        code = twist(call, plan, 0);
    fill(call, plan, 0, &reply);
    if (code == TRI_OK)
        code = notes_unary_emit(replies, &reply);
    return over(call, plan, code);
}

static tri_code collect(tri_call *call, notes_collect_requests *requests,
                        notes_collect_replies *replies)
{
    struct call *plan = plan_of(call);
    Sim__Summary reply = SIM__SUMMARY__INIT;
    Sim__Note inner;
    uint32_t seen = 0;
    tri_code code = twist(call, plan, 0);
    const Sim__Note *request;

    while (code == TRI_OK) {
        if (plan != NULL && plan->twist == TWIST_EARLY && seen == plan->twist_at)
            break;
        if (plan != NULL && plan->twist == TWIST_TIMED_READ) {
            int outcome =
                notes_collect_requests_read(requests, &request, TRI_US(plan->delay_us + 1));

            if (outcome == TRI_TIMED_OUT || outcome == TRI_DRAINING)
                continue;
            if (outcome != TRI_MESSAGE)
                break;
        } else {
            request = notes_collect_next(requests);
        }
        if (request == NULL)
            break;
        check_request(plan, request);
        seen++;
        code = twist(call, plan, seen);
    }
    if (code == TRI_OK)
        code = tri_call_code(call);
    if (code == TRI_OK && plan != NULL && plan->twist != TWIST_EARLY)
        check_requests_end(call, plan, seen);
    fill(call, plan, 0, &inner);
    reply.note = &inner;
    reply.count = seen;
    if (code == TRI_OK)
        code = notes_collect_emit(replies, &reply);
    return over(call, plan, code);
}

static tri_code count_up(tri_call *call, const Sim__Note *request, notes_count_replies *replies)
{
    struct call *plan = plan_of(call);
    uint32_t count = plan != NULL && plan->twist == TWIST_FAIL ? UINT32_MAX
                     : plan != NULL                            ? plan->replies
                                                               : 5;
    tri_code code = TRI_OK;

    check_request(plan, request);
    for (uint32_t i = 0; code == TRI_OK && i < count; i++) {
        Sim__Note reply;

        code = twist(call, plan, i);
        if (code != TRI_OK)
            break;
        fill(call, plan, i, &reply);
        code = notes_count_emit(replies, &reply);
        if (plan != NULL && i == plan->twist_at && chance(3))
            notes_count_flush(replies);
    }
    return over(call, plan, code);
}

static tri_code emit_note(tri_call *call, struct call *plan, uint32_t index,
                          notes_chat_replies *replies)
{
    Sim__Note reply;

    fill(call, plan, index, &reply);
    return notes_chat_emit(replies, &reply);
}

static tri_code chat(tri_call *call, notes_chat_requests *requests, notes_chat_replies *replies)
{
    struct call *plan = plan_of(call);
    bool emits_first = plan != NULL && plan->twist == TWIST_EMIT_FIRST;
    uint32_t seen = 0;
    tri_code code = twist(call, plan, 0);
    const Sim__Note *request;

    for (uint32_t i = 0; emits_first && code == TRI_OK && i < plan->replies; i++)
        code = emit_note(call, plan, i, replies);
    while (code == TRI_OK) {
        if (plan != NULL && plan->twist == TWIST_EARLY && seen == plan->twist_at)
            break;
        if (plan != NULL && plan->twist == TWIST_TIMED_READ) {
            int outcome = notes_chat_requests_read(requests, &request, TRI_US(plan->delay_us + 1));

            if (outcome == TRI_TIMED_OUT || outcome == TRI_DRAINING)
                continue;
            if (outcome != TRI_MESSAGE)
                break;
        } else {
            request = notes_chat_next(requests);
        }
        if (request == NULL)
            break;
        check_request(plan, request);
        if (!emits_first)
            code = emit_note(call, plan, seen, replies);
        seen++;
        if (code == TRI_OK)
            code = twist(call, plan, seen);
    }
    if (code == TRI_OK)
        code = tri_call_code(call);
    if (code == TRI_OK && plan != NULL && plan->twist != TWIST_EARLY)
        check_requests_end(call, plan, seen);
    return over(call, plan, code);
}

static const notes_servicer servicer = {
    .unary = unary, .collect = collect, .count = count_up, .chat = chat};

/* The same service twice, so that both placements are there at once. */
int servicer_serve(tri_server *server)
{
    static const char *const on_workers[] = {"sim.Workers", NULL};
    static const char *const inline_names[] = {"sim.Inline", NULL};
    int r =
        notes_serve(server, &servicer,
                    TRI_SERVICE_CONFIG(.names = on_workers, .placement = TRI_PLACEMENT_WORKERS));

    if (r == 0)
        r = notes_serve(
            server, &servicer,
            TRI_SERVICE_CONFIG(.names = inline_names, .placement = TRI_PLACEMENT_INLINE));
    return r;
}
