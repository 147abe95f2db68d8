#include "peers.h"

#include <stdlib.h>
#include <string.h>

/* How long a peer of a strict seed may have to wait for what is due to it, when nothing can run. */
#define WAIT_MAX (300 * MS)
#define OUT_MAX 40000

static struct peer peers[PEERS_MAX];
static uint32_t peers_count;

static bool is_finite(const struct peer *peer)
{
    return peer->kind <= PEER_GREEDY;
}

bool peers_are_done(void)
{
    for (uint32_t i = 0; i < peers_count; i++) {
        if (is_finite(&peers[i]) && !peers[i].is_done)
            return false;
    }
    return true;
}

static void finish(struct peer *peer)
{
    peer->is_done = true;
    peer->actor.is_over = true;
}

static void close_connection(struct peer *peer, bool with_reset)
{
    net_close(peer->conn, with_reset);
    client_lost(&peer->client);
    finish(peer);
}

static bool connect_now(struct peer *peer)
{
    if (world.is_terminating) {
        finish(peer);
        return true;
    }
    peer->conn = net_connect(&peer->actor);
    if (peer->conn == NULL)
        return false;
    static const uint32_t windows[] = {0, 1, 100, 5000, 65535, 1000000};
    uint32_t window = peer->kind == PEER_SLOW   ? windows[below(4)]
                      : peer->kind == PEER_GOOD ? windows[between(2, 5)]
                                                : windows[below(6)];

    client_init(&peer->client, peer->conn, window);
    peer->client.is_wild = peer->kind == PEER_MALICIOUS || peer->kind == PEER_SILENT;
    if (is_finite(peer))
        client_preface(&peer->client);
    return true;
}

/* --- one turn --- */

static bool read_some(struct peer *peer)
{
    static uint8_t bytes[65536];
    size_t size = 1 + below(peer->read_max);

    if (!net_is_readable(peer->conn) || peer->never_reads)
        return false;
    if (net_is_at_end(peer->conn)) {
        close_connection(peer, false);
        return true;
    }
    size = net_read(peer->conn, bytes, size);
    if (peer->kind != PEER_MALICIOUS)
        client_feed(&peer->client, bytes, size);
    return true;
}

static bool write_some(struct peer *peer)
{
    struct bytes *out = &peer->client.out;
    size_t size = bytes_left(out);

    if (size == 0)
        return false;
    if (size > 1 && chance(4))
        size = between(1, (uint32_t)size);
    size = net_write(peer->conn, out->data + out->at, size);
    bytes_drop(out, size);
    peer->written += size;
    if (peer->written >= peer->cut_at) {
        bool with_reset = chance(2);

        hit(with_reset ? FAULT_CUT_RESET : FAULT_CUT_FIN);
        close_connection(peer, with_reset);
        return true;
    }
    return size > 0;
}

/* Gives back some of the credit that is due, or shows mercy with a window that was 0. */
static bool give_credit(struct peer *peer)
{
    struct client *client = &peer->client;
    bool is_slow = peer->kind == PEER_SLOW;

    if (client->due > 0 && (client->recv_window < 20000 || chance(3))) {
        client_credit(client, NULL, client->due);
        client->due = 0;
        return true;
    }
    for (uint32_t i = 0; i < client->streams_count; i++) {
        struct stream *stream = client->streams[i];
        uint32_t most = is_slow ? between(1, 60) : between(1000, 70000);

        if (stream->is_over || stream->recv_window >= (is_slow ? 30 : 1000))
            continue;
        if (!is_slow && stream->due > most)
            most = stream->due;
        client_credit(client, stream, most);
        stream->due = 0;
        return true;
    }
    return false;
}

static bool open_call(struct peer *peer)
{
    struct client *client = &peer->client;

    if (peer->calls_left == 0 || client->has_goaway || client->open >= peer->concurrency ||
        client->streams_count >= STREAMS_MAX)
        return false;
    if (!client->has_server_settings && !chance(20))
        return false;
    if (peer->kind != PEER_GREEDY && client->open >= client->server_streams_max)
        return false;
    peer->calls_left--;
    client_open(client, call_make(peer->small));
    return true;
}

static bool send_request(struct peer *peer)
{
    struct client *client = &peer->client;

    if (client->streams_count == 0)
        return false;
    uint32_t first = below(client->streams_count);

    for (uint32_t i = 0; i < client->streams_count; i++) {
        struct stream *stream = client->streams[(first + i) % client->streams_count];

        if (peer->kind == PEER_CANCELLER && !stream->is_over && chance(12)) {
            client_cancel(client, stream, chance(2) ? NGHTTP2_CANCEL : NGHTTP2_NO_ERROR);
            return true;
        }
        if (client_send_piece(client, stream))
            return true;
    }
    return false;
}

static bool be_odd(struct peer *peer)
{
    struct client *client = &peer->client;

    if (peer->oddities_left == 0 || !chance(30))
        return false;
    peer->oddities_left--;
    if (chance(2)) {
        client_frame(client, FRAME_PING, 0, 0, "sim ping", 8);
        client->pings_sent++;
        return true;
    }
    if (chance(2) && client->has_server_settings) {
        client_change_window(client,
                             peer->kind == PEER_SLOW ? between(1, 200) : between(100, 70000));
        return true;
    }
    if (world.profile.has_resets && client->open > 0 && chance(12)) {
        hit(FAULT_PEER_HALF_CLOSE);
        net_finish(peer->conn);
        peer->calls_left = 0;
        return true;
    }
    return false;
}

/* All is done: the connection is closed, in one of the ways that there are. */
static bool close_if_over(struct peer *peer)
{
    struct client *client = &peer->client;

    if (client->open > 0 || (peer->calls_left > 0 && !client->has_goaway) ||
        bytes_left(&client->out) > 0)
        return false;
    if (client->settings_acked < client->settings_sent && !client->has_goaway && chance(2))
        return false;
    close_connection(peer, !world.profile.is_strict && chance(4));
    return true;
}

static bool act(struct peer *peer)
{
    if (peer->kind == PEER_MALICIOUS || peer->kind == PEER_SILENT) {
        if (peer->mischief_left == 0 || bytes_left(&peer->client.out) > OUT_MAX)
            return false;
        peer->mischief_left--;
        if (peer->kind == PEER_MALICIOUS)
            hostile_act(peer);
        else
            silent_act(peer);
        return true;
    }
    if (bytes_left(&peer->client.out) > OUT_MAX)
        return false;
    if (be_odd(peer))
        return true;
    switch (below(3)) {
    case 0:
        return open_call(peer) || send_request(peer) || give_credit(peer) || close_if_over(peer);
    case 1:
        return send_request(peer) || give_credit(peer) || open_call(peer) || close_if_over(peer);
    default:
        return give_credit(peer) || open_call(peer) || send_request(peer) || close_if_over(peer);
    }
}

static bool go_on(struct peer *peer)
{
    static bool (*const turns[])(struct peer * peer) = {read_some, write_some, act};
    uint32_t first = below(3);

    for (uint32_t i = 0; i < 3; i++) {
        if (turns[(first + i) % 3](peer))
            return true;
    }
    return false;
}

static void step(struct actor *actor)
{
    struct peer *peer = (struct peer *)(void *)actor;

    actor->deadline = NEVER;
    if (peer->resume_at > world.now) {
        actor->is_ready = false;
        actor->deadline = peer->resume_at;
        return;
    }
    if (peer->conn == NULL) {
        if (!connect_now(peer))
            actor->is_ready = false;
        return;
    }
    /* What a peer does takes time, too. */
    world.now += below(3000);
    if (!go_on(peer)) {
        actor->is_ready = false;
        return;
    }
    peer->progress_at = world.now;
    if (chance(peer->pause_one_in))
        peer->resume_at = world.now + (uint64_t)between(1, 4000) * US;
}

/* --- making and judging them --- */

static enum peer_kind any_kind(uint32_t index)
{
    if (index == 0)
        return PEER_GOOD;
    if (world.profile.is_strict)
        return chance(4) ? PEER_SLOW : PEER_GOOD;
    if (world.profile.has_hostile && chance(2))
        return chance(2) ? PEER_MALICIOUS : chance(2) ? PEER_SILENT : PEER_GREEDY;
    return (enum peer_kind)below(PEER_CANCELLER + 1);
}

void peers_make(void)
{
    static const char *const names[PEER_KINDS] = {"good",   "slow",   "canceller",
                                                  "greedy", "silent", "malicious"};
    static const uint32_t reads[] = {9, 300, 5000, 60000};

    peers_count = between(2, 5);
    for (uint32_t i = 0; i < peers_count; i++) {
        struct peer *peer = &peers[i];
        enum peer_kind kind = any_kind(i);

        *peer = (struct peer){.kind = kind, .cut_at = NEVER};
        world_add(&peer->actor, names[kind], step);
        peer->calls_left = kind == PEER_GREEDY ? between(10, 60) : between(4, 16);
        peer->concurrency = kind == PEER_GREEDY ? 400 : between(1, 10);
        peer->small = kind == PEER_SLOW || kind == PEER_GREEDY;
        peer->read_max = kind == PEER_SLOW ? 12 + below(60) : reads[between(1, 3)];
        peer->pause_one_in = kind == PEER_SLOW ? 30 : chance(3) ? 40 : 0;
        peer->resume_at = world.now + below(10000) * US;
        peer->mischief_left = 1 + below(kind == PEER_SILENT ? 4 : 60);
        peer->never_reads = kind == PEER_MALICIOUS && chance(4);
        peer->oddities_left = below(60);
        peer->progress_at = world.now;
        if (kind == PEER_SILENT)
            hit(FAULT_SILENT_PEER);
        if (world.profile.has_resets && chance(3))
            peer->cut_at = 1 + below(chance(2) ? 300 : 20000);
    }
}

void peers_finish(void)
{
    for (uint32_t i = 0; i < peers_count; i++) {
        struct peer *peer = &peers[i];

        if (peer->conn == NULL || peer->is_done)
            continue;
        world.current = &peer->actor;
        while (!peer->never_reads && !peer->is_done && net_is_readable(peer->conn))
            read_some(peer);
        if (!peer->is_done)
            close_connection(peer, false);
        world.current = NULL;
    }
}

void peers_reset(void)
{
    for (uint32_t i = 0; i < peers_count; i++)
        client_fini(&peers[i].client);
    peers_count = 0;
}

static void describe(const struct peer *peer)
{
    const struct client *client = &peer->client;

    note("waits: open, left", client->open, peer->calls_left);
    note("windows", (uint64_t)client->send_window, (uint64_t)client->recv_window);
    for (uint32_t i = 0; i < client->streams_count; i++) {
        const struct stream *stream = client->streams[i];

        if (stream->is_over)
            continue;
        note("call, kind", stream->call->id, (uint64_t)stream->call->kind);
        note("  twist, inline", (uint64_t)stream->call->twist, stream->call->is_inline);
        note("  sent, half-closed", stream->requests_sent, stream->is_half_closed);
        note("  its windows", (uint64_t)stream->send_window, (uint64_t)stream->recv_window);
        note("  replies", stream->call->replies_seen, stream->call->replies);
        note("  handler", stream->call->started, stream->call->ended);
    }
}

void peers_check_waits(void)
{
    if (!world.profile.is_strict || world.is_terminating)
        return;
    for (uint32_t i = 0; i < peers_count; i++) {
        const struct peer *peer = &peers[i];

        if (peer->is_done || peer->conn == NULL || peer->resume_at > world.now ||
            world.now - peer->progress_at < WAIT_MAX)
            continue;
        describe(peer);
        fail("peer %u has waited for %llu ms, and nothing can run", peer->actor.id,
             (unsigned long long)((world.now - peer->progress_at) / MS));
    }
}

void peers_check_deadlock(void)
{
    for (uint32_t i = 0; i < peers_count; i++) {
        if (is_finite(&peers[i]) && !peers[i].is_done) {
            describe(&peers[i]);
            fail("deadlock: peer %u waits for ever", peers[i].actor.id);
        }
    }
}
