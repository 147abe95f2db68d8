#include "limits.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    SIZE,
    NUMBER,
    DURATION
};

static const struct limit {
    const char *name;
    enum kind kind;
    size_t offset;
} known[] = {
#define LIMIT(kind_, name_)                                                                        \
    {                                                                                              \
        .name = #name_, .kind = (kind_), .offset = offsetof(tri_limits, name_)                     \
    }
    LIMIT(SIZE, receive_message_max),
    LIMIT(SIZE, send_message_max),
    LIMIT(SIZE, decoded_message_max),
    LIMIT(NUMBER, depth_max),
    LIMIT(NUMBER, header_list_soft_max),
    LIMIT(NUMBER, header_list_hard_max),
    LIMIT(NUMBER, header_fields_max),
    LIMIT(NUMBER, continuation_max),
    LIMIT(NUMBER, streams_max),
    LIMIT(NUMBER, connections_max),
    LIMIT(NUMBER, stream_window),
    LIMIT(NUMBER, connection_window),
    LIMIT(SIZE, connection_receive_budget),
    LIMIT(SIZE, process_receive_budget),
    LIMIT(SIZE, emit_high_mark),
    LIMIT(SIZE, emit_low_mark),
    LIMIT(NUMBER, turn_frames),
    LIMIT(NUMBER, turn_resets),
    LIMIT(NUMBER, turn_bytes),
    LIMIT(NUMBER, outbound_pause_frames),
    LIMIT(NUMBER, outbound_close_frames),
    LIMIT(NUMBER, reset_burst),
    LIMIT(NUMBER, reset_rate),
    LIMIT(NUMBER, glitch_burst),
    LIMIT(NUMBER, glitch_rate),
    LIMIT(NUMBER, settings_burst),
    LIMIT(NUMBER, settings_rate),
    LIMIT(NUMBER, ping_burst),
    LIMIT(NUMBER, ping_rate),
    LIMIT(DURATION, handshake_timeout),
    LIMIT(DURATION, headers_timeout),
    LIMIT(DURATION, settings_ack_timeout),
    LIMIT(DURATION, write_timeout),
    LIMIT(DURATION, window_timeout),
    LIMIT(DURATION, reservation_timeout),
    LIMIT(DURATION, idle_timeout),
    LIMIT(DURATION, age_max),
    LIMIT(DURATION, tcp_user_timeout),
};

bool limits_set(tri_limits *limits, const char *assignment)
{
    const char *sign = strchr(assignment, '=');
    char *end;

    if (sign == NULL || sign[1] < '0' || sign[1] > '9')
        return false;
    unsigned long long value = strtoull(sign + 1, &end, 10);

    if (*end != '\0')
        return false;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        char *field = (char *)limits + known[i].offset;

        if (strlen(known[i].name) != (size_t)(sign - assignment) ||
            strncmp(known[i].name, assignment, (size_t)(sign - assignment)) != 0)
            continue;
        if (known[i].kind == SIZE)
            *(size_t *)(void *)field = (size_t)value;
        else if (known[i].kind == NUMBER)
            *(uint32_t *)(void *)field = (uint32_t)value;
        else
            *(tri_duration *)(void *)field = TRI_MS((tri_duration)value);
        return true;
    }
    return false;
}
