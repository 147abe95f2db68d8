/*
 * What a good peer never sends.
 */
#include <stdio.h>
#include <string.h>

#include "peers.h"

static void garbage(struct client *client)
{
    uint8_t bytes[300];
    uint32_t size = between(1, sizeof(bytes));

    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)below(256);
    hit(FAULT_GARBAGE);
    bytes_add(&client->out, bytes, size);
}

static uint32_t any_stream(const struct client *client)
{
    switch (below(5)) {
    case 0:
        return 0;
    case 1:
        return below(40); /* even ones too */
    case 2:
        return (uint32_t)client->next_id + 2 * below(50);
    default:
        return client->next_id > 1 ? (uint32_t)client->next_id - 2 : 1;
    }
}

static void flood(struct client *client)
{
    static const uint8_t types[] = {FRAME_PING, FRAME_SETTINGS,      FRAME_RST_STREAM,
                                    FRAME_DATA, FRAME_WINDOW_UPDATE, FRAME_PRIORITY,
                                    11,         FRAME_CONTINUATION};
    static const uint8_t sizes[] = {8, 0, 4, 0, 4, 5, 3, 0};
    uint8_t payload[8] = {0, 0, 0, 1};
    uint32_t which = below(8);
    uint32_t count = chance(4) ? between(100, 1500) : below(40);
    uint32_t id =
        types[which] == FRAME_PING || types[which] == FRAME_SETTINGS ? 0 : any_stream(client);

    hit(FAULT_FLOOD);
    for (uint32_t i = 0; i < count; i++)
        client_frame(client, types[which], 0, id, payload, sizes[which]);
}

static void bad_length(struct client *client)
{
    static const uint8_t types[] = {FRAME_RST_STREAM, FRAME_WINDOW_UPDATE, FRAME_SETTINGS,
                                    FRAME_PING,       FRAME_PRIORITY,      FRAME_GOAWAY};
    uint8_t payload[12] = {0};

    hit(FAULT_BAD_LENGTH);
    if (chance(4)) {
        uint8_t header[9] = {255, 255, 255, (uint8_t)below(10), (uint8_t)below(256), 0, 0, 0, 1};

        bytes_add(&client->out, header, sizeof(header));
        return;
    }
    client_frame(client, types[below(6)], 0, any_stream(client), payload, below(12));
}

static void bad_hpack(struct client *client)
{
    uint8_t block[40];
    uint32_t size = between(1, sizeof(block));

    for (uint32_t i = 0; i < size; i++)
        block[i] = (uint8_t)below(256);
    hit(FAULT_BAD_HPACK);
    client_frame(client, FRAME_HEADERS, FLAG_END_HEADERS, (uint32_t)client->next_id, block, size);
    client->next_id += 2;
}

static const char *any_path(void)
{
    static const char *const paths[] = {"/sim.Workers/Unary",   "/sim.Inline/Unary",
                                        "/sim.Workers/Chat",    "/sim.Inline/Chat",
                                        "/sim.Workers/Count",   "/sim.Inline/Count",
                                        "/sim.Workers/Collect", "/sim.Inline/Collect",
                                        "/sim.Nobody/Nothing",  "*"};

    return paths[below(10)];
}

/* A call of nobody's plan; half a chance that it is reset at once. */
static void open_any(struct client *client, uint32_t extra_fields)
{
    uint32_t id = (uint32_t)client->next_id;
    uint8_t code[4] = {0, 0, 0, 8};

    client->next_id += 2;
    client_headers(client, id, chance(8) ? FLAG_END_STREAM : 0, any_path(), "9999999",
                   chance(3) ? (uint64_t)below(5000) * US : 0, extra_fields);
    if (chance(2)) {
        client_frame(client, FRAME_RST_STREAM, 0, id, code, sizeof(code));
        hit(FAULT_CANCELLED);
    }
}

static void oversize(struct client *client)
{
    uint8_t prefix[60] = {0, 255, 255, 255, 255, 10, 3};
    uint32_t id = any_stream(client);

    hit(FAULT_OVERSIZE);
    if (chance(3)) {
        open_any(client, between(90, 380));
        return;
    }
    if (chance(2))
        prefix[1] = prefix[2] = 0; /* within the limit, but it never comes */
    client_frame(client, FRAME_DATA, chance(6) ? FLAG_END_STREAM : 0, id, prefix, below(60));
}

static void good_message(struct client *client)
{
    static const uint8_t message[] = {0, 0, 0, 0, 4, 8, 1, 26, 0};

    client_frame(client, FRAME_DATA, chance(3) ? FLAG_END_STREAM : 0, any_stream(client), message,
                 sizeof(message));
}

static void windows(struct client *client)
{
    static const uint32_t values[] = {0, 1, 0x7fffffff, 0x80000001, 65535};
    uint32_t value = values[below(5)];
    uint8_t payload[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                          (uint8_t)value};

    if (value == 0)
        hit(FAULT_ZERO_WINDOW);
    if (chance(2))
        client_frame(client, FRAME_WINDOW_UPDATE, 0, any_stream(client), payload, 4);
    else
        client_settings(client, (uint16_t)between(1, 8), value);
}

void hostile_act(struct peer *peer)
{
    struct client *client = &peer->client;

    /* Most get past the handshake. */
    if (client->settings_sent == 0 && !chance(6)) {
        client_preface(client);
        client_frame(client, FRAME_SETTINGS, FLAG_ACK, 0, NULL, 0);
        return;
    }
    switch (below(14)) {
    case 0:
        if (chance(3))
            garbage(client);
        break;
    case 1:
        flood(client);
        break;
    case 2:
        if (chance(3))
            bad_length(client);
        break;
    case 3:
        if (chance(3))
            bad_hpack(client);
        break;
    case 4:
        oversize(client);
        break;
    case 5:
        windows(client);
        break;
    case 6:
    case 7:
    case 8:
        good_message(client);
        break;
    default:
        open_any(client, 0);
        break;
    }
}

void silent_act(struct peer *peer)
{
    struct client *client = &peer->client;

    switch (below(4)) {
    case 0:
        if (client->settings_sent == 0)
            bytes_add(&client->out, "PRI * HT", 8);
        break;
    case 1:
        if (client->settings_sent == 0)
            client_preface(client);
        break;
    case 2:
        if (client->settings_sent > 0)
            client_frame(client, FRAME_HEADERS, 0, (uint32_t)client->next_id, "\x82\x86", 2);
        peer->mischief_left = 0;
        break;
    default:
        break;
    }
}
